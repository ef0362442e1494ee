//! A lease that is kept alive does not end.
//!
//! > A lease expires if the etcd cluster does not receive a keepAlive within a given TTL period.
//! >
//! > *etcd API*, Lease API
//!
//! Whoever was answered that a lease is granted, or kept alive, knows that it lives for its time from the call on; the leader measures that by its own
//! clock, which may run half as fast again as others. Before that nobody is told that there is no such lease, or that there is a new one, and none of its
//! keys is gone, unless somebody asked for its end.
//!
//! Counterexample: a lease of 900 ms is kept alive at 0 ms, and at 400 ms somebody is told that there is no such lease.

use super::{Lease, may_follow};
use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::story::Story;
use crate::etcd::promises::{Breach, Promise};
use stormglass_impls::etcd::words::LeaseId;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "lease-kept",
    quote: "\"A lease expires if the etcd cluster does not receive a keepAlive within a given TTL period\" (etcd API, Lease API)",
    judge,
};

/// How fast a member's clock may run, in percent of true time.
const FASTEST_CLOCK_PERCENT: u64 = 150;

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    for (number, lease) in &super::of(ground) {
        by_answers(ground.story, *number, lease)?;
        by_keys(ground.story, *number, lease)?;
    }
    Ok(())
}

/// Until when a lease that was given its time by an operation certainly lives, in nanoseconds.
fn lives_until_ns(story: &Story, (deed, ttl_ms): (usize, u64)) -> u64 {
    let ttl_ns = ttl_ms.saturating_mul(100 * 1_000_000) / FASTEST_CLOCK_PERCENT;
    story.deeds[deed].call_ns.saturating_add(ttl_ns)
}

/// Who knows that the lease was there longest: of all that were answered before an event.
fn longest(story: &Story, lease: &Lease, before: usize) -> Option<(u64, usize)> {
    let kept = lease.kept.iter();
    let kept = kept.filter(|(deed, _)| story.deeds[*deed].answer < before);
    kept.map(|kept| (lives_until_ns(story, *kept), kept.0))
        .max()
}

/// Whether somebody may have ended the lease between one operation and another.
fn may_be_revoked(story: &Story, lease: &Lease, since: usize, until: usize) -> bool {
    let mut revokes = lease.revokes.iter();
    revokes.any(|revoke| may_follow(story, since, *revoke) && may_follow(story, *revoke, until))
}

fn ended_early(
    story: &Story,
    number: LeaseId,
    kept: (u64, usize),
    gone: usize,
) -> Result<(), Breach> {
    let (until_ns, keeper) = kept;
    let milliseconds = |ns: u64| ns / 1_000_000;
    let said = format!(
        "Lease {number} was given its time by an operation that was called at {} ms, and so lives until {} ms, but was seen to be over at {} ms.",
        milliseconds(story.deeds[keeper].call_ns),
        milliseconds(until_ns),
        milliseconds(story.deeds[gone].answer_ns)
    );
    Breach::of([keeper, gone], said)
}

fn by_answers(story: &Story, number: LeaseId, lease: &Lease) -> Result<(), Breach> {
    let answered = |deed: &&usize| story.deeds[**deed].ended.is_some();
    let renewed = lease.grants.iter().filter(answered);
    for gone in lease.missed.iter().chain(renewed) {
        let Some(kept) = longest(story, lease, story.deeds[*gone].call) else {
            continue;
        };
        let is_early = story.deeds[*gone].answer_ns < kept.0;
        if is_early && !may_be_revoked(story, lease, kept.1, *gone) {
            return ended_early(story, number, kept, *gone);
        }
    }
    Ok(())
}

fn by_keys(story: &Story, number: LeaseId, lease: &Lease) -> Result<(), Breach> {
    // Of a number that was granted twice it is not known which of the two was over.
    if lease.grants.len() != 1 || !lease.revokes.is_empty() {
        return Ok(());
    }
    let Some(kept) = longest(story, lease, usize::MAX) else {
        return Ok(());
    };
    let mut gone = lease.seen_over.iter();
    match gone.find(|gone| story.deeds[**gone].answer_ns < kept.0) {
        Some(gone) => ended_early(story, number, kept, *gone),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::PROMISE;
    use crate::etcd::promises::reference::{Service, grant, put};
    use stormglass_impls::etcd::words::{Ask, Keys, Op};

    /// Lease 5 of 900 ms is granted at 0 ms, and `a` is put with it.
    fn leased() -> Service {
        let mut service = Service::new(2);
        service.write(0, grant(5, 900)).unwrap();
        service.write(0, put("a", "1", 5)).unwrap();
        service
    }

    #[test]
    fn a_lease_that_ends_in_its_time_is_as_promised() {
        let mut service = leased();
        service.now_ms = 500;
        service.ask(0, Ask::KeepAlive { lease: 5 }).unwrap();
        service.now_ms = 1100;
        service.store.end(5);
        assert!(service.ask(0, Ask::KeepAlive { lease: 5 }).is_err());
        service.get(1, Keys::one("a"));
        service.keeps(PROMISE);
    }

    #[test]
    fn a_lease_that_ends_early_is_a_breach() {
        let mut service = leased();
        service.now_ms = 500;
        service.ask(0, Ask::KeepAlive { lease: 5 }).unwrap();
        service.now_ms = 1099;
        service.store.end(5);
        let mut by_key = leased();
        assert!(service.ask(0, Ask::KeepAlive { lease: 5 }).is_err());
        let breach = service.breaks(PROMISE, "lives until 1100 ms");
        assert_eq!(breach.culprits, [2, 3]);
        by_key.store.end(5);
        by_key.now_ms = 599;
        by_key.get(1, Keys::one("a"));
        by_key.breaks(PROMISE, "seen to be over at 599 ms");
    }

    #[test]
    fn a_lease_that_somebody_may_have_revoked_may_be_over() {
        let mut service = leased();
        service.call(1, Ask::Write(Op::Revoke { lease: 5 }));
        service.apply(1);
        service.lose(1);
        assert!(service.ask(0, Ask::KeepAlive { lease: 5 }).is_err());
        service.get(1, Keys::one("a"));
        service.keeps(PROMISE);
    }
}
