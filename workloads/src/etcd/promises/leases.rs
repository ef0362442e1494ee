//! What happened to each lease, as far as answers say.
//!
//! | file | what is promised |
//! | --- | --- |
//! | [`kept`] | a lease that is kept alive does not end |
//! | [`over`] | what has ended stays so |

pub mod kept;
pub mod over;

use super::facts::{Facts, State};
use super::ground::Ground;
use super::story::{Deed, Story};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{Ask, Done, Error, LeaseId, Op, TxnOp};

/// All that is known of one lease.
#[derive(Default)]
pub(super) struct Lease {
    /// Who asked for it, unless that was refused.
    pub(super) grants: Vec<usize>,
    /// Who asked for its end, unless that was refused.
    pub(super) revokes: Vec<usize>,
    /// Whose answers say that it was given its full time: with how many milliseconds.
    pub(super) kept: Vec<(usize, u64)>,
    /// Who was told how long it lives when it is kept alive, in milliseconds.
    pub(super) told: Vec<(usize, u64)>,
    /// Who did something in it, or was refused to grant it because it was there.
    pub(super) used: Vec<usize>,
    /// Who was told that there is no such lease.
    pub(super) missed: Vec<usize>,
    /// Who saw that it had ended, because a key of it was gone that nobody deleted.
    pub(super) seen_over: Vec<usize>,
}

/// All leases of a history.
pub(super) fn of(ground: &Ground<'_>) -> BTreeMap<LeaseId, Lease> {
    let mut leases: BTreeMap<LeaseId, Lease> = BTreeMap::new();
    for deed in &ground.story.deeds {
        of_deed(deed, &mut leases);
    }
    if !leases.is_empty() {
        keys_gone(ground.facts(), &mut leases);
    }
    leases
}

fn of_deed(deed: &Deed, leases: &mut BTreeMap<LeaseId, Lease>) {
    let Some(ask) = deed.request().map(|request| &request.ask) else {
        return;
    };
    let is_refused = deed.error().is_some();
    match ask {
        Ask::Write(Op::Grant { lease, .. }) if !is_refused => {
            let known = leases.entry(*lease).or_default();
            known.grants.push(deed.id);
            if let Some(Done::Grant { ttl_ms, .. }) = deed.done() {
                known.kept.push((deed.id, *ttl_ms));
            }
        }
        Ask::Write(Op::Revoke { lease }) if !is_refused => {
            leases.entry(*lease).or_default().revokes.push(deed.id);
        }
        Ask::KeepAlive { lease } => {
            if let Some(Done::KeepAlive { ttl_ms, .. }) = deed.done() {
                let known = leases.entry(*lease).or_default();
                known.kept.push((deed.id, *ttl_ms));
                known.told.push((deed.id, *ttl_ms));
            }
        }
        Ask::TimeToLive { lease } => {
            if let Some(Done::TimeToLive { granted_ms, .. }) = deed.done() {
                let known = leases.entry(*lease).or_default();
                known.told.push((deed.id, *granted_ms));
            }
        }
        _ => {}
    }
    let of_it = leases_of(deed);
    if let (Ask::Write(Op::Grant { lease, .. }), Some(Error::LeaseExists)) = (ask, deed.error()) {
        leases.entry(*lease).or_default().used.push(deed.id);
    }
    if deed.done().is_some() {
        for lease in &of_it {
            leases.entry(*lease).or_default().used.push(deed.id);
        }
    }
    // Of several it is not said which is missing.
    if let (Some(Error::LeaseNotFound), Some(lease), 1) = (deed.error(), of_it.first(), of_it.len())
    {
        leases.entry(*lease).or_default().missed.push(deed.id);
    }
}

/// The leases that must be there for an operation to be done: of a transaction, as far as it is known which branch it takes.
fn leases_of(deed: &Deed) -> BTreeSet<LeaseId> {
    let of_branch = |branch: &[TxnOp]| -> BTreeSet<LeaseId> {
        let leases = branch.iter().filter_map(|part| match part {
            TxnOp::Put(put) => Some(put.lease),
            _ => None,
        });
        leases.filter(|lease| *lease != 0).collect()
    };
    let Some(request) = deed.request() else {
        return BTreeSet::new();
    };
    match &request.ask {
        Ask::KeepAlive { lease } | Ask::TimeToLive { lease } => BTreeSet::from([*lease]),
        Ask::Write(Op::Revoke { lease }) => BTreeSet::from([*lease]),
        Ask::Write(Op::Put(put)) if put.lease != 0 => BTreeSet::from([put.lease]),
        Ask::Write(Op::Txn(txn)) => match deed.done() {
            Some(Done::Txn {
                succeeded: true, ..
            }) => of_branch(&txn.success),
            Some(_) => of_branch(&txn.failure),
            None => &of_branch(&txn.success) | &of_branch(&txn.failure),
        },
        _ => BTreeSet::new(),
    }
}

/// A key that was there with a lease, and is not any more though nobody can have deleted it, went with the lease.
fn keys_gone(facts: &Facts<'_>, leases: &mut BTreeMap<LeaseId, Lease>) {
    for (known, spans) in facts.known.iter().zip(&facts.spans) {
        let others = known.delete_floor().min(known.put_floor());
        for pair in spans.windows(2) {
            let (State::Is(version), State::Absent, Some(by)) =
                (&pair[0].state, &pair[1].state, pair[1].by)
            else {
                continue;
            };
            let Some(lease) = version.lease.filter(|lease| *lease != 0) else {
                continue;
            };
            let gone = pair[1].from;
            let cleared = known.cleared.binary_search_by_key(&gone, |(at, _)| *at);
            if cleared.is_err() && others >= gone {
                leases.entry(lease).or_default().seen_over.push(by);
            }
        }
    }
}

/// The greatest of what was up to an event of the history.
struct Greatest<T>(Vec<(usize, T)>);

impl<T: Ord + Copy> Greatest<T> {
    /// Of these, each with its event.
    fn of(all: impl Iterator<Item = (usize, T)>) -> Self {
        let mut all: Vec<(usize, T)> = all.collect();
        all.sort_unstable();
        for place in 1..all.len() {
            all[place].1 = all[place].1.max(all[place - 1].1);
        }
        Self(all)
    }

    fn before(&self, event: usize) -> Option<T> {
        let next = self.0.partition_point(|(at, _)| *at < event);
        Some(self.0[next.checked_sub(1)?].1)
    }
}

/// When operations that may have taken place by an event were over: the last of them.
fn over_last(story: &Story, deeds: &[usize]) -> Greatest<usize> {
    let deeds = deeds.iter().map(|deed| &story.deeds[*deed]);
    Greatest::of(deeds.map(|deed| (deed.call, deed.answer)))
}
