//! A lease that has ended is over, and its keys are gone.
//!
//! > When a lease expires or is revoked, all keys attached to that lease will be deleted.
//! >
//! > *etcd API*, Lease API
//!
//! Once somebody was answered that a lease is revoked, or that there is no such lease, or has seen that a key of it went with it, nobody does anything in
//! it that is asked afterwards, and no key has it, until its number is granted anew. Before anybody asked for it there is none, either.
//!
//! Counterexample: a lease is revoked, which is answered; after that a put with it is done.

use super::{Greatest, Lease, over_last};
use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::story::Story;
use crate::etcd::promises::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Done, LeaseId, Op, Revision};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "lease-over",
    quote: "\"When a lease expires or is revoked, all keys attached to that lease will be deleted\" (etcd API, Lease API)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let leases = super::of(ground);
    for (number, lease) in &leases {
        let granted = over_last(story, &lease.grants);
        let ends = answered_over(story, lease);
        // An end counts from its call on: whoever asked for the number later may have been granted it anew.
        let ends = ends.iter().map(|end| (story.deeds[*end].call, *end));
        // When it ended that a key was seen to go with is not known: between two grants of the number that may be any.
        let seen = lease.seen_over.iter().map(|end| (usize::MAX, *end));
        let seen = seen.filter(|_| lease.grants.len() == 1);
        let ends = ends.chain(seen);
        let ends = Greatest::of(ends.map(|end| (story.deeds[end.1].answer, end)));
        for used in &lease.used {
            let deed = &story.deeds[*used];
            if granted.before(deed.answer).is_none() {
                let said = format!(
                    "Lease {number} was there for a {}, and nobody had asked for it by then.",
                    deed.asked.function()
                );
                return Breach::of([*used], said);
            }
            let Some((called, end)) = ends.before(deed.call) else {
                continue;
            };
            let is_anew = granted
                .before(deed.answer)
                .is_some_and(|last| last > called);
            if !is_anew {
                let said = format!(
                    "Lease {number} was over, and afterwards {}.",
                    match deed.error() {
                        None => format!("a {} in it was done", deed.asked.function()),
                        Some(_) => "it was not granted because it was there".to_string(),
                    }
                );
                return Breach::of([end, *used], said);
            }
        }
    }
    no_keys(ground, &leases)
}

/// Whose answers say that the lease was over by then.
fn answered_over(story: &Story, lease: &Lease) -> Vec<usize> {
    let revokes = lease.revokes.iter().copied();
    let revoked = revokes.filter(|revoke| story.deeds[*revoke].ended.is_some());
    revoked.chain(lease.missed.iter().copied()).collect()
}

/// From the revision on at which it was over no key has it.
fn no_keys(ground: &Ground<'_>, leases: &BTreeMap<LeaseId, Lease>) -> Result<(), Breach> {
    let story = ground.story;
    let mut over: BTreeMap<LeaseId, (Revision, usize)> = BTreeMap::new();
    for (number, lease) in leases {
        // Whether its number may have been granted at any time after it ended.
        let granted = over_last(story, &lease.grants).before(usize::MAX);
        let ends = answered_over(story, lease).into_iter();
        let ends = ends.filter(|end| story.deeds[*end].op().is_some_and(is_exact));
        let ends = ends.filter(|end| granted.is_none_or(|last| last <= story.deeds[*end].call));
        let first = ends.filter_map(|end| Some((story.deeds[end].revision()?, end)));
        over.extend(first.min().map(|first| (*number, first)));
    }
    if over.is_empty() {
        return Ok(());
    }
    let has_it = |key: &str, lease: LeaseId, at: Revision, by: usize| match over.get(&lease) {
        Some((revision, end)) if at >= *revision => {
            let said = format!(
                "Lease {lease} was over at revision {revision}, and {key} still had it at revision {at}."
            );
            Breach::of([*end, by], said)
        }
        _ => Ok(()),
    };
    let facts = ground.facts();
    for (key, known) in facts.keys.iter().zip(&facts.known) {
        for shown in &known.shown {
            // Who sets a key in a lease after which it is over with no revision of its own has set it too late: its end would have taken the key.
            let shown_lease = shown.kv.map(|kv| kv.lease);
            let lease = shown_lease.or(shown.put.map(|(_, lease)| lease));
            has_it(key, lease.unwrap_or(0), shown.until, shown.by)?;
        }
    }
    let local = story.deeds.iter().filter_map(|deed| {
        let range = deed.range().filter(|range| range.serializable)?;
        let Done::Range { kvs, .. } = deed.done()? else {
            return None;
        };
        Some((range, kvs, deed))
    });
    for (range, kvs, deed) in local {
        let at = match range.revision {
            0 => deed.revision().unwrap_or(0),
            asked => asked,
        };
        for kv in kvs {
            has_it(&kv.key, kv.lease, at, deed.id)?;
        }
    }
    Ok(())
}

/// Whether its answer's revision is that at which it took place.
fn is_exact(op: &Op) -> bool {
    matches!(op, Op::Put(_) | Op::Txn(_) | Op::Revoke { .. })
}

#[cfg(test)]
mod tests {
    use super::PROMISE;
    use crate::etcd::promises::reference::{Service, grant, put, shown};
    use stormglass_impls::etcd::words::{Ask, Done, Error, Keys, Op};

    /// Lease 5 was granted, and revoked with its key.
    fn revoked() -> Service {
        let mut service = Service::new(2);
        service.write(0, grant(5, 900)).unwrap();
        service.write(0, put("a", "1", 5)).unwrap();
        service.write(0, Op::Revoke { lease: 5 }).unwrap();
        service
    }

    #[test]
    fn what_is_over_may_begin_anew() {
        let mut service = revoked();
        assert!(service.ask(1, Ask::KeepAlive { lease: 5 }).is_err());
        service.call(1, Ask::Write(grant(5, 900)));
        service.apply(1);
        service.lose(1);
        service.write(0, put("a", "2", 5)).unwrap();
        service.get(1, Keys::one("a"));
        service.keeps(PROMISE);
    }

    #[test]
    fn what_is_done_in_a_lease_that_is_over_is_a_breach() {
        let mut service = revoked();
        assert!(service.ask(1, Ask::KeepAlive { lease: 5 }).is_err());
        let (lease, ttl_ms) = (5, 900);
        service.lie(0, |ended| {
            ended.result = Ok(Done::KeepAlive { lease, ttl_ms })
        });
        let breach = service.breaks(PROMISE, "a keep-alive in it was done");
        assert_eq!(breach.culprits, [2, 3]);
    }

    #[test]
    fn a_lease_that_is_there_was_granted() {
        let mut service = revoked();
        service.write(0, grant(5, 900)).unwrap();
        service.write(1, grant(5, 900)).unwrap_err();
        service.write(1, grant(6, 900)).unwrap();
        service.keeps(PROMISE);
        service.lie(0, |ended| ended.result = Err(Error::LeaseExists));
        service.breaks(PROMISE, "nobody had asked for it");
        let mut service = revoked();
        service.write(0, grant(5, 900)).unwrap();
        service.lie(0, |ended| ended.result = Err(Error::LeaseExists));
        service.breaks(PROMISE, "it was not granted because it was there");
    }

    #[test]
    fn a_key_that_stays_is_a_breach() {
        let mut service = revoked();
        service.put(1, "a", "2");
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| shown(ended)[0].lease = 5);
        service.breaks(PROMISE, "still had it at revision");
    }
    #[test]
    fn a_key_that_a_member_still_shows_is_a_breach() {
        let mut service = revoked();
        service.put(1, "b", "2");
        service.get_local(1, Keys::from("a"), 2);
        service.keeps(PROMISE);
        service.lie(0, |ended| ended.revision = 4);
        service.breaks(PROMISE, "a still had it at revision 4");
    }

    /// `a` is put with lease 5 while that is revoked, and the put comes first.
    fn put_while_revoked() -> Service {
        let mut service = Service::new(2);
        service.write(0, grant(5, 900)).unwrap();
        service.call(1, Ask::Write(put("a", "1", 5)));
        service.call(0, Ask::Write(Op::Revoke { lease: 5 }));
        service.apply(1);
        service.apply(0);
        service.answer(0).unwrap();
        service.answer(1).unwrap();
        service
    }

    #[test]
    fn a_put_in_a_lease_that_is_over_is_a_breach() {
        let mut service = put_while_revoked();
        service.keeps(PROMISE);
        service.lie(0, |ended| ended.revision = 4);
        service.breaks(PROMISE, "a still had it at revision 4");
        // An end that leaves the key of the revision before.
        let mut service = put_while_revoked();
        service.lie(1, |ended| ended.revision = 2);
        service.breaks(PROMISE, "a still had it at revision 2");
    }
}
