//! A lease that has ended is over, and its keys are gone.
//!
//! > When a lease expires or is revoked, all keys attached to that lease will be deleted.
//! >
//! > *etcd API*, Lease API
//!
//! Once somebody was answered that a lease is revoked, or that there is no such lease, or has seen that a key of it went with it, nobody does anything in
//! it that is asked afterwards, and no key has it, until its number is granted anew.
//!
//! Counterexample: a lease is revoked, which is answered; after that a put with it is done.

use super::{Lease, may_follow};
use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::story::Story;
use crate::etcd::promises::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{LeaseId, Op, Revision};

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
        let mut ends = answered_over(story, lease);
        // When it ended that a key was seen to go with is not known: between two grants of the number that may be any.
        if lease.grants.len() == 1 {
            ends.extend(&lease.seen_over);
        }
        ends.sort_by_key(|end| story.deeds[*end].answer);
        for used in &lease.used {
            // The first end after which there was no grant is as good as any.
            let over = ends.iter().find(|end| {
                story.deeds[**end].answer < story.deeds[*used].call
                    && !may_be_granted(story, lease, **end, *used)
            });
            if let Some(end) = over {
                let said = format!(
                    "Lease {number} was over, and afterwards a {} in it was done.",
                    story.deeds[*used].asked.function()
                );
                return Breach::of([*end, *used], said);
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

/// Whether its number may have been granted after it ended.
fn may_be_granted(story: &Story, lease: &Lease, end: usize, until: usize) -> bool {
    let mut grants = lease.grants.iter();
    let is_seen = lease.grants.len() == 1 && lease.seen_over.contains(&end);
    !is_seen
        && grants.any(|grant| may_follow(story, end, *grant) && may_follow(story, *grant, until))
}

/// From the revision on at which it was over no key has it.
fn no_keys(ground: &Ground<'_>, leases: &BTreeMap<LeaseId, Lease>) -> Result<(), Breach> {
    let story = ground.story;
    let mut over: BTreeMap<LeaseId, (Revision, usize)> = BTreeMap::new();
    for (number, lease) in leases {
        let ends = answered_over(story, lease).into_iter();
        let ends = ends.filter(|end| story.deeds[*end].op().is_some_and(is_exact));
        let ends = ends.filter(|end| !granted_later(story, lease, *end));
        let first = ends.filter_map(|end| Some((story.deeds[end].revision()?, end)));
        over.extend(first.min().map(|first| (*number, first)));
    }
    if over.is_empty() {
        return Ok(());
    }
    let facts = ground.facts();
    for known in &facts.known {
        for shown in &known.shown {
            let Some(kv) = shown.kv.filter(|kv| kv.lease != 0) else {
                continue;
            };
            if let Some((revision, end)) = over.get(&kv.lease)
                && shown.until >= *revision
            {
                let said = format!(
                    "Lease {} was over at revision {revision}, and {} still had it at revision {}.",
                    kv.lease, kv.key, shown.until
                );
                return Breach::of([*end, shown.by], said);
            }
        }
    }
    Ok(())
}

/// Whether its answer's revision is that at which it took place.
fn is_exact(op: &Op) -> bool {
    matches!(op, Op::Put(_) | Op::Txn(_) | Op::Revoke { .. })
}

/// Whether its number may have been granted at any time after it ended.
fn granted_later(story: &Story, lease: &Lease, end: usize) -> bool {
    let mut grants = lease.grants.iter();
    grants.any(|grant| may_follow(story, end, *grant))
}

#[cfg(test)]
mod tests {
    use super::PROMISE;
    use crate::etcd::promises::reference::{Service, grant, put, shown};
    use stormglass_impls::etcd::words::{Ask, Done, Keys, Op};

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
    fn a_key_that_stays_is_a_breach() {
        let mut service = revoked();
        service.put(1, "a", "2");
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| shown(ended)[0].lease = 5);
        service.breaks(PROMISE, "still had it at revision");
    }
}
