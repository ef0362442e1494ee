//! The dependencies of lists.

use super::super::anomaly::Known;
use super::super::graph::{Builder, Label, NONE, class};
use super::super::records::{Function, Records};
use super::lines::Line;
use crate::limits::Reason;

/// Adds all dependencies.
///
/// - `ww` from each append of a version order to the next.
/// - `wr` from the last append that a read holds to the reader; it follows the others through `ww`.
/// - `rw` from a reader to the first append it did not see; the others follow that through `ww`.
/// - A committed append that no read holds came after the longest read, for otherwise that would hold it: `ww` from the last append of
///   the version order, and `rw` from each reader of the whole of it.
pub(super) fn add(
    records: &Records<'_>,
    place: &[u32],
    lines: &[Line],
    builder: &mut Builder<'_>,
) -> Result<(), Reason> {
    let transaction = |access: u32| records.access(access).transaction;
    let label = |class, known, first, second| Label {
        first,
        second,
        class,
        known,
    };
    for line in lines {
        for pair in line.sequence.windows(2) {
            let [(_, earlier), (_, later)] = *pair else {
                continue;
            };
            let why = label(class::WW, Known::Shown, earlier, later);
            builder.edge(transaction(earlier), transaction(later), why)?;
        }
    }
    let sinks = missing(records, place, lines);
    let mut has_missing = vec![false; lines.len()];
    for (key, ..) in &sinks {
        has_missing[*key as usize] = true;
    }
    // Those before what is missing: key, transaction, reason.
    let mut sources: Vec<(u32, u32, Label)> = Vec::new();
    for (key, line) in (0_u32..).zip(lines) {
        if let Some((_, last)) = line.sequence.last()
            && has_missing[key as usize]
        {
            let why = label(class::WW, Known::Missing, *last, NONE);
            sources.push((key, transaction(*last), why));
        }
    }
    for (number, access) in (0_u32..).zip(&records.accesses) {
        let line = &lines[access.key as usize];
        let length = access.list().len();
        if !access.is_read() || length > line.agreed {
            continue;
        }
        let seen = line.seen(length);
        let last = seen.checked_sub(1).and_then(|last| line.sequence.get(last));
        if let Some((_, last)) = last {
            // What it appended itself is in its place already.
            if transaction(*last) == access.transaction {
                continue;
            }
            let why = label(class::WR, Known::Shown, *last, number);
            builder.edge(transaction(*last), access.transaction, why)?;
        }
        if let Some((_, next)) = line.sequence.get(seen) {
            let why = label(class::RW, Known::Shown, number, *next);
            builder.edge(access.transaction, transaction(*next), why)?;
        } else if line.compatible && has_missing[access.key as usize] {
            let why = label(class::RW, Known::Missing, number, NONE);
            sources.push((access.key, access.transaction, why));
        }
    }
    sources.sort_by_key(|(key, ..)| *key);
    let mut rest = sources.as_slice();
    for sinks in sinks.chunk_by(|one, next| one.0 == next.0) {
        let Some((key, ..)) = sinks.first() else {
            continue;
        };
        let from = rest.partition_point(|(other, ..)| other < key);
        let until = rest.partition_point(|(other, ..)| other <= key);
        let sources: Vec<(u32, Label)> = rest[from..until]
            .iter()
            .map(|(_, source, why)| (*source, *why))
            .collect();
        rest = &rest[until..];
        let sinks: Vec<(u32, u32)> = sinks
            .iter()
            .map(|(_, sink, access)| (*sink, *access))
            .collect();
        builder.all_but_self(&sources, &sinks)?;
    }
    Ok(())
}

/// Committed appends that no read holds, of keys of which all reads agree: key, transaction, append. Ascending, each transaction once a key.
fn missing(records: &Records<'_>, place: &[u32], lines: &[Line]) -> Vec<(u32, u32, u32)> {
    let mut missing: Vec<(u32, u32, u32)> = (0_u32..)
        .zip(&records.accesses)
        .filter(|(number, access)| {
            let line = &lines[access.key as usize];
            access.function == Function::Append
                && place[*number as usize] == NONE
                && records.included[access.transaction as usize]
                && line.compatible
                && line.longest != NONE
        })
        .map(|(number, access)| (access.key, access.transaction, number))
        .collect();
    missing.sort_unstable();
    missing.dedup_by_key(|(key, transaction, _)| (*key, *transaction));
    missing
}
