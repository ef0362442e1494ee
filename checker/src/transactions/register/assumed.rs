//! Orders of versions that hold if each key by itself is sequentially consistent, or linearizable.

use rustc_hash::FxHashMap;

use super::super::anomaly::Known;
use super::super::graph::NONE;
use super::super::records::Records;
use super::edges::Before;
use super::versions::{Source, Use, Versions};
use crate::limits::{Meter, Reason};

/// What a process met of a key comes before what it met of it later.
pub(super) fn sequential(
    records: &Records<'_>,
    versions: &Versions,
    order: &mut Vec<Before>,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let mut last: FxHashMap<(u64, u32), u32> = FxHashMap::default();
    for used in telling(records, versions) {
        let process = records.transactions[used.transaction as usize].process;
        if let Some(before) = last.insert((process, used.key), used.exit()) {
            add(versions, before, used.entry(), order, meter)?;
        }
    }
    Ok(())
}

/// What a transaction met of a key comes before what those met that were called after its return.
///
/// For each key the returned transactions are kept that returned before no other one of them was called. What came before these is
/// before the new one through them.
pub(super) fn linearizable(
    records: &Records<'_>,
    versions: &Versions,
    order: &mut Vec<Before>,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let mut uses: Vec<&Use> = telling(records, versions).collect();
    // Within a key, transactions are in order of their calls.
    uses.sort_by_key(|used| (used.key, used.transaction));
    for group in uses.chunk_by(|one, next| one.key == next.key) {
        // Return, call, and version left.
        let mut open: Vec<(usize, usize, u32)> = Vec::new();
        let mut frontier: Vec<(usize, usize, u32)> = Vec::new();
        for used in group {
            let transaction = &records.transactions[used.transaction as usize];
            meter.step((1 + open.len() + frontier.len()) as u64)?;
            let returned = open.extract_if(.., |(ret, ..)| *ret < transaction.call);
            frontier.extend(returned);
            let latest_call = frontier.iter().map(|(_, call, _)| *call).max();
            frontier.retain(|(ret, ..)| latest_call.is_none_or(|call| *ret > call));
            for (_, _, before) in &frontier {
                add(versions, *before, used.entry(), order, meter)?;
            }
            if let Some(ret) = transaction.deadline() {
                open.push((ret, transaction.call, used.exit()));
            }
        }
    }
    Ok(())
}

/// Uses of which both versions are known, by transactions that committed.
fn telling<'v>(records: &'v Records<'_>, versions: &'v Versions) -> impl Iterator<Item = &'v Use> {
    versions.uses.iter().filter(|used| {
        records.included[used.transaction as usize] && used.entry() != NONE && used.exit() != NONE
    })
}

fn add(
    versions: &Versions,
    before: u32,
    after: u32,
    order: &mut Vec<Before>,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let initial = |version| versions.source(version) == Some(Source::Initial);
    if before == after || initial(before) {
        return Ok(());
    }
    meter.step(1)?;
    meter.room(order)?;
    order.push((before, after, Known::Assumed));
    if initial(after) {
        // Back to the beginning: a circle.
        meter.room(order)?;
        order.push((after, before, Known::Initial));
    }
    Ok(())
}
