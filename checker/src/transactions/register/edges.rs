//! The order of versions, and the dependencies of registers.

use super::super::anomaly::{AnomalyEvidence, AnomalyKind, Known, Order};
use super::super::cycles::shortest_cycles;
use super::super::findings::Findings;
use super::super::graph::{Builder, Label, NONE, class};
use super::super::options::TransactionOptions;
use super::super::records::{Fate, Records};
use super::versions::{Source, Versions};
use crate::limits::{Meter, Reason};

/// One version before another of the same key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) before: u32,
    pub(super) after: u32,
    pub(super) known: Known,
    /// The order that this rests on: [`class::SESSION`], [`class::TIME`] or nothing.
    pub(super) order: u8,
}

/// The versions of which a transaction read one and then wrote the other.
pub(super) fn followed(
    records: &Records<'_>,
    versions: &Versions,
    options: &TransactionOptions,
    meter: &mut Meter,
) -> Result<Vec<Before>, Reason> {
    let mut order = Vec::new();
    if !options.writes_follow_reads {
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
            order.push(Before {
                before: used.read,
                after: used.written,
                known: Known::Followed,
                order: 0,
            });
        }
    }
    Ok(order)
}

/// Reports versions in a circle, and concludes nothing more from the order that led there, for these keys.
pub(super) fn drop_cyclic(
    records: &Records<'_>,
    versions: &Versions,
    order: &mut Vec<Before>,
    findings: &mut Findings,
    meter: &mut Meter,
) -> Result<(), Reason> {
    order.sort_unstable_by_key(|one| (one.before, one.after, one.order, one.known as u8));
    // What is known anyway need not be known from sessions or real time.
    order.dedup_by_key(|one| (one.before, one.after));
    let stages = [
        (0, Order::None),
        (class::SESSION, Order::Session),
        (class::SESSION | class::TIME, Order::RealTime),
    ];
    for (orders, kind) in stages {
        let mut cyclic = vec![false; records.keys.len()];
        for cycle in cycles_of(versions, order, orders, meter)? {
            let Some(first) = cycle.first() else {
                continue;
            };
            let key = versions.keys[*first as usize];
            cyclic[key as usize] = true;
            let kind = AnomalyKind::CyclicVersions(kind);
            findings.report(records, kind, || {
                let value = |version: &u32| match versions.source(*version) {
                    Some(Source::Written(write)) => records.access(write).value.clone(),
                    _ => serde_json::Value::Null,
                };
                AnomalyEvidence::Versions {
                    key: records.keys.value(key).clone(),
                    versions: cycle.iter().map(value).collect(),
                }
            });
        }
        // Without order, nothing of the key is left; with it, what needs no order or a weaker one.
        order.retain(|one| {
            let kept = match kind {
                Order::None => false,
                Order::Session => one.order == 0,
                Order::RealTime => one.order != class::TIME,
            };
            kept || !cyclic[versions.keys[one.before as usize] as usize]
        });
    }
    Ok(())
}

/// Cycles of versions that rest on no other than these orders.
fn cycles_of(
    versions: &Versions,
    order: &[Before],
    orders: u8,
    meter: &mut Meter,
) -> Result<Vec<Vec<u32>>, Reason> {
    let mut builder = Builder::new(versions.sources.len(), meter);
    for one in order.iter().filter(|one| one.order & !orders == 0) {
        builder.edge(one.before, one.after, Label::bare(class::WW))?;
    }
    let graph = builder.finish()?;
    let cycles = shortest_cycles(&graph, class::WW, meter)?.into_iter();
    meter.give(graph.bytes());
    Ok(cycles
        .map(|cycle| cycle.into_iter().map(|(version, _)| version).collect())
        .collect())
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
    // Each pair of versions, with who wrote the later one.
    let mut order: Vec<(Before, u32, u32)> = order
        .iter()
        .filter_map(|one| {
            let Some(Source::Written(write)) = versions.source(one.after) else {
                return None;
            };
            let writer = records.access(write).transaction;
            records.included[writer as usize].then_some((*one, writer, write))
        })
        .collect();
    let group = |one: &Before| (one.before, one.order, one.known as u8);
    order.sort_unstable_by_key(|(one, writer, write)| (group(one), *writer, *write));
    order.dedup_by_key(|(one, writer, _)| (group(one), *writer));
    for group in order.chunk_by(|one, next| group(&one.0) == group(&next.0)) {
        let Some((one, ..)) = group.first() else {
            continue;
        };
        let mut sources = sources(&readers, one.before, one.known);
        if let Some(Source::Written(write)) = versions.source(one.before)
            && records.included[records.access(write).transaction as usize]
        {
            let why = Label {
                first: write,
                known: one.known,
                ..Label::bare(class::WW)
            };
            sources.push((records.access(write).transaction, why));
        }
        for (_, label) in &mut sources {
            label.class |= one.order;
        }
        let sinks: Vec<(u32, u32)> = group
            .iter()
            .map(|(_, writer, write)| (*writer, *write))
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
