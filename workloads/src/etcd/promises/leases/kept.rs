//! A lease that is kept alive does not end.
//!
//! > A lease expires if the etcd cluster does not receive a keepAlive within a given TTL period.
//! >
//! > *etcd API*, Lease API
//!
//! Whoever was answered that a lease is granted, or kept alive, knows that it lives for its time from the call on; the leader measures that by its own
//! clock, which may run half as fast again as others. Before that nobody is told that there is no such lease, or that there is a new one, and none of its
//! keys is gone, unless somebody asked for its end. How long it lives is what was granted.
//!
//! That a lease does expire is promised too, and judged nowhere: no answer tells one that lives too long from one that somebody kept alive, and when its
//! end is put into the log nothing says.
//!
//! Counterexample: a lease of 900 ms is kept alive at 0 ms, and at 400 ms somebody is told that there is no such lease.

use super::{Greatest, Lease, over_last};
use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::story::Story;
use crate::etcd::promises::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Done, LeaseId};

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
        as_granted(ground.story, *number, lease)?;
    }
    Ok(())
}

/// Until when a lease that was given its time by an operation certainly lives, in nanoseconds.
fn lives_until_ns(story: &Story, (deed, ttl_ms): (usize, u64)) -> u64 {
    let ttl_ns = ttl_ms.saturating_mul(100 * 1_000_000) / FASTEST_CLOCK_PERCENT;
    story.deeds[deed].call_ns.saturating_add(ttl_ns)
}

/// By answer, until when the lease certainly lives, and who knows.
fn lives(story: &Story, lease: &Lease) -> Greatest<(u64, usize)> {
    let kept = lease.kept.iter();
    Greatest::of(kept.map(|kept| {
        let lives = (lives_until_ns(story, *kept), kept.0);
        (story.deeds[kept.0].answer, lives)
    }))
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
    let (lives, revoked) = (lives(story, lease), over_last(story, &lease.revokes));
    for gone in lease.missed.iter().chain(renewed) {
        let deed = &story.deeds[*gone];
        let Some(kept) = lives.before(deed.call) else {
            continue;
        };
        let is_early = deed.answer_ns < kept.0;
        // Somebody may have ended it between the two.
        let last = revoked.before(deed.answer);
        if is_early && last.is_none_or(|last| last <= story.deeds[kept.1].call) {
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
    let Some(kept) = lives(story, lease).before(usize::MAX) else {
        return Ok(());
    };
    let mut gone = lease.seen_over.iter();
    match gone.find(|gone| story.deeds[**gone].answer_ns < kept.0) {
        Some(gone) => ended_early(story, number, kept, *gone),
        None => Ok(()),
    }
}

/// Who is told how long a lease lives is told what somebody was granted by then.
fn as_granted(story: &Story, number: LeaseId, lease: &Lease) -> Result<(), Breach> {
    // For how long, with the first call.
    let mut granted: BTreeMap<u64, usize> = BTreeMap::new();
    for grant in &lease.grants {
        let Some(Done::Grant { ttl_ms, .. }) = story.deeds[*grant].done() else {
            // For how long it was granted there, if it was, is not known.
            return Ok(());
        };
        granted.entry(*ttl_ms).or_insert(story.deeds[*grant].call);
    }
    for (by, ttl_ms) in &lease.told {
        let call = granted.get(ttl_ms);
        if call.is_none_or(|call| *call >= story.deeds[*by].answer) {
            let said = format!(
                "Lease {number} was said to live for {ttl_ms} ms, and nobody had been granted that."
            );
            return Breach::of(lease.grants.iter().copied().chain([*by]), said);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::PROMISE;
    use crate::etcd::promises::reference::{Service, grant, put};
    use stormglass_impls::etcd::words::{Ask, Done, Keys, Op};

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
    fn a_time_that_nobody_was_granted_is_a_breach() {
        let mut service = leased();
        let (lease, granted_ms, remaining_ms) = (5, 900, 0);
        service.ask(0, Ask::KeepAlive { lease }).unwrap();
        service.call(1, Ask::TimeToLive { lease });
        service.apply(1);
        service.answer(1).unwrap();
        let told = |granted_ms| Done::TimeToLive {
            lease,
            granted_ms,
            remaining_ms,
            keys: vec!["a".to_string()],
        };
        service.lie(0, |ended| ended.result = Ok(told(granted_ms)));
        service.keeps(PROMISE);
        service.lie(0, |ended| ended.result = Ok(told(901)));
        service.breaks(PROMISE, "was said to live for 901 ms");
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
