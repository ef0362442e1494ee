//! The order of versions, and the dependencies of registers.

use super::super::anomaly::{AnomalyEvidence, AnomalyKind, Known};
use super::super::cycles::shortest_cycles;
use super::super::findings::Findings;
use super::super::graph::{Builder, Label, NONE, class};
use super::super::options::TransactionOptions;
use super::super::records::{Fate, Records};
use super::versions::{Source, Versions};
use crate::limits::{Meter, Reason};

/// One version directly or indirectly before another of the same key.
pub(super) type Before = (u32, u32, Known);

/// The versions of which a transaction read one and then wrote the other.
pub(super) fn followed(
    records: &Records<'_>,
    versions: &Versions,
    options: &TransactionOptions,
    meter: &mut Meter,
) -> Result<Vec<Before>, Reason> {
    let mut order = Vec::new();
    let wanted =
        options.writes_follow_reads || options.sequential_keys || options.linearizable_keys;
    if !wanted {
        return Ok(order);
    }
    for used in &versions.uses {
        meter.step(1)?;
        if used.read == NONE || used.written == NONE || used.read == used.written {
            continue;
        }
        // That the initial version comes first is known anyway.
        if records.fate(used.transaction) == Fate::Committed
            && versions.source(used.read) != Some(Source::Initial)
        {
            meter.room(&mut order)?;
            order.push((used.read, used.written, Known::Followed));
        }
    }
    Ok(order)
}

/// Reports versions in a circle, and concludes nothing more from the order of these keys.
pub(super) fn drop_cyclic(
    records: &Records<'_>,
    versions: &Versions,
    order: &mut Vec<Before>,
    findings: &mut Findings,
    meter: &mut Meter,
) -> Result<(), Reason> {
    if order.is_empty() {
        return Ok(());
    }
    let mut builder = Builder::new(versions.sources.len(), meter);
    for (before, after, known) in order.iter() {
        let why = Label {
            known: *known,
            ..Label::bare(class::WW)
        };
        builder.edge(*before, *after, why)?;
    }
    let graph = builder.finish()?;
    let cycles = shortest_cycles(&graph, class::WW, meter)?;
    if cycles.is_empty() {
        return Ok(());
    }
    let mut cyclic = vec![false; records.keys.len()];
    for cycle in &cycles {
        let Some((first, _)) = cycle.first() else {
            continue;
        };
        let key = versions.keys[*first as usize];
        cyclic[key as usize] = true;
        findings.report(records, AnomalyKind::CyclicVersions, || {
            let value = |version: &u32| match versions.source(*version) {
                Some(Source::Written(write)) => records.access(write).value.clone(),
                _ => serde_json::Value::Null,
            };
            AnomalyEvidence::Versions {
                key: records.keys.value(key).clone(),
                versions: cycle.iter().map(|(version, _)| value(version)).collect(),
            }
        });
    }
    order.retain(|(before, ..)| !cyclic[versions.keys[*before as usize] as usize]);
    Ok(())
}

/// Adds all dependencies.
///
/// - `wr` from who wrote a version to who read it.
/// - `ww` and `rw` from who wrote and who read a version to who wrote one that comes after it.
/// - `rw` from who found a key never written to all who wrote it.
pub(super) fn add(
    records: &Records<'_>,
    versions: &Versions,
    order: &[Before],
    builder: &mut Builder<'_>,
) -> Result<(), Reason> {
    builder
        .meter
        .take((records.accesses.len() * 12 + order.len() * 24) as u64)?;
    // Who read a version and did not write it: version, transaction, access.
    let mut readers: Vec<(u32, u32, u32)> = Vec::new();
    for (number, access) in (0_u32..).zip(&records.accesses) {
        let version = versions.of[number as usize];
        let Some(source) = versions.source(version).filter(|_| access.is_read()) else {
            continue;
        };
        match source {
            Source::Ambiguous => continue,
            Source::Initial => {}
            Source::Written(write) => {
                let writer = records.access(write).transaction;
                if writer == access.transaction || records.fate(writer) == Fate::Aborted {
                    continue;
                }
                let why = Label {
                    first: write,
                    second: number,
                    ..Label::bare(class::WR)
                };
                builder.edge(writer, access.transaction, why)?;
            }
        }
        readers.push((version, access.transaction, number));
    }
    readers.sort_unstable();
    readers.dedup_by_key(|(version, transaction, _)| (*version, *transaction));
    initial(records, versions, &readers, builder)?;
    let mut order: Vec<(u32, bool, u32, u32, Known)> = order
        .iter()
        .filter_map(|(before, after, known)| {
            let Some(Source::Written(write)) = versions.source(*after) else {
                return None;
            };
            let writer = records.access(write).transaction;
            let included = records.included[writer as usize];
            let assumed = *known == Known::Assumed;
            included.then_some((*before, assumed, writer, write, *known))
        })
        .collect();
    order.sort_unstable_by_key(|(before, assumed, writer, write, _)| {
        (*before, *assumed, *writer, *write)
    });
    order.dedup_by_key(|(before, assumed, writer, ..)| (*before, *assumed, *writer));
    for group in order.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        let Some((before, _, _, _, known)) = group.first().copied() else {
            continue;
        };
        let mut sources = sources(&readers, before, known);
        if let Some(Source::Written(write)) = versions.source(before)
            && records.included[records.access(write).transaction as usize]
        {
            let why = Label {
                first: write,
                known,
                ..Label::bare(class::WW)
            };
            sources.push((records.access(write).transaction, why));
        }
        let sinks: Vec<(u32, u32)> = group
            .iter()
            .map(|(_, _, writer, write, _)| (*writer, *write))
            .collect();
        builder.all_but_self(&sources, &sinks)?;
    }
    Ok(())
}

/// Edges from who found a key never written to all who wrote it.
fn initial(
    records: &Records<'_>,
    versions: &Versions,
    readers: &[(u32, u32, u32)],
    builder: &mut Builder<'_>,
) -> Result<(), Reason> {
    let mut writers: Vec<(u32, u32, u32)> = versions
        .uses
        .iter()
        .filter(|used| {
            used.write_access != NONE
                && records.included[used.transaction as usize]
                && versions.source(used.key) == Some(Source::Initial)
        })
        .map(|used| (used.key, used.transaction, used.write_access))
        .collect();
    writers.sort_unstable();
    for group in writers.chunk_by(|one, next| one.0 == next.0) {
        let Some((key, ..)) = group.first() else {
            continue;
        };
        // The initial version has the number of its key.
        let sources = sources(readers, *key, Known::Initial);
        let sinks: Vec<(u32, u32)> = group
            .iter()
            .map(|(_, writer, write)| (*writer, *write))
            .collect();
        builder.all_but_self(&sources, &sinks)?;
    }
    Ok(())
}

/// The readers of a version, as beginnings of `rw` edges.
fn sources(readers: &[(u32, u32, u32)], version: u32, known: Known) -> Vec<(u32, Label)> {
    let from = readers.partition_point(|(other, ..)| *other < version);
    let until = readers.partition_point(|(other, ..)| *other <= version);
    readers[from..until]
        .iter()
        .map(|(_, transaction, read)| {
            let why = Label {
                first: *read,
                known,
                ..Label::bare(class::RW)
            };
            (*transaction, why)
        })
        .collect()
}
