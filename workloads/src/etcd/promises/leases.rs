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
    /// Who did something in it.
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
                leases
                    .entry(*lease)
                    .or_default()
                    .kept
                    .push((deed.id, *ttl_ms));
            }
        }
        _ => {}
    }
    let of_it = leases_of(deed);
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
            let by_others = known.delete_floor().min(known.put_floor()) < gone;
            if cleared.is_err() && !by_others {
                leases.entry(lease).or_default().seen_over.push(by);
            }
        }
    }
}

/// Whether an operation can have taken place after another had begun.
pub(super) fn may_follow(story: &Story, first: usize, later: usize) -> bool {
    story.deeds[later].answer > story.deeds[first].call
}
