//! The order of versions that follows from sessions and from real time.
//!
//! Where transactions keep an order, a version that was met by the earlier one is before another that was met by the later one: what the
//! earlier one left is what the later one meets, unless the key was written between. So this is known from strong session and strict serializable on, and
//! the edges say on which order they rest. Or each key by itself is assumed to be consistent; then they rest on nothing.

use rustc_hash::FxHashMap;

use super::super::anomaly::Known;
use super::super::graph::{NONE, class};
use super::super::records::Records;
use super::edges::Before;
use super::versions::{Source, Use, Versions};
use crate::limits::{Meter, Reason};

/// What a process met of a key comes before what it met of it later.
pub(super) fn sequential(
    records: &Records<'_>,
    versions: &Versions,
    assumed: bool,
    order: &mut Vec<Before>,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let why = match assumed {
        true => (Known::Assumed, 0),
        false => (Known::Session, class::SESSION),
    };
    let mut last: FxHashMap<(u64, u32), u32> = FxHashMap::default();
    for used in telling(records, versions) {
        let process = records.transactions[used.transaction as usize].process;
        if let Some(before) = last.insert((process, used.key), used.exit()) {
            add(versions, before, used.entry(), why, order, meter)?;
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
    assumed: bool,
    order: &mut Vec<Before>,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let why = match assumed {
        true => (Known::Assumed, 0),
        false => (Known::RealTime, class::TIME),
    };
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
                add(versions, *before, used.entry(), why, order, meter)?;
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
    (known, rests_on): (Known, u8),
    order: &mut Vec<Before>,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let initial = |version| versions.source(version) == Some(Source::Initial);
    if before == after || initial(before) {
        return Ok(());
    }
    meter.step(1)?;
    meter.room(order)?;
    order.push(Before {
        before,
        after,
        known,
        order: rests_on,
    });
    if initial(after) && known == Known::Assumed {
        // Back to the beginning: a circle. From an order, the anti-dependency of who found the key never written shows the same.
        meter.room(order)?;
        order.push(Before {
            before: after,
            after: before,
            known: Known::Initial,
            order: 0,
        });
    }
    Ok(())
}
