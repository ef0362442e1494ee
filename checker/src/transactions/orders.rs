//! Edges of sessions and of real time.

use rustc_hash::FxHashMap;

use super::graph::{Builder, Label, class};
use super::records::Records;
use crate::limits::Reason;

/// An edge from each transaction to the next of its process. Whoever aborted is no part of it.
pub(super) fn sessions(records: &Records<'_>, builder: &mut Builder<'_>) -> Result<(), Reason> {
    let mut last: FxHashMap<u64, u32> = FxHashMap::default();
    for (number, transaction) in (0_u32..).zip(&records.transactions) {
        if !records.included[number as usize] {
            continue;
        }
        if let Some(before) = last.insert(transaction.process, number) {
            builder.edge(before, number, Label::bare(class::SESSION))?;
        }
    }
    Ok(())
}

/// Real time as a chain of moments. A transaction leads to the first moment after its return, each moment to the next, and a
/// moment to what was called in it. So one transaction reaches another through the chain exactly when it returned before the other was called,
/// and there are at most three edges a transaction.
pub(super) fn real_time(records: &Records<'_>, builder: &mut Builder<'_>) -> Result<(), Reason> {
    let mut returns: Vec<(usize, u32)> = (0_u32..)
        .zip(&records.transactions)
        .filter_map(|(number, transaction)| Some((transaction.deadline()?, number)))
        .collect();
    returns.sort_unstable();
    let mut returned = returns.into_iter().peekable();
    let mut moment = None;
    for (number, transaction) in (0_u32..).zip(&records.transactions) {
        if !records.included[number as usize] {
            continue;
        }
        let mut now = None;
        while let Some((_, before)) = returned.next_if(|(at, _)| *at < transaction.call) {
            let now = *now.get_or_insert_with(|| builder.auxiliary());
            builder.edge(before, now, Label::bare(class::TIME))?;
        }
        if let Some(now) = now {
            if let Some(earlier) = moment {
                builder.edge(earlier, now, Label::bare(class::ONWARDS))?;
            }
            moment = Some(now);
        }
        if let Some(moment) = moment {
            builder.edge(moment, number, Label::bare(class::ONWARDS))?;
        }
    }
    Ok(())
}
