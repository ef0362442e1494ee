//! What an etcd-style service promises, each promise in a file that quotes it.
//!
//! All of them are judged by what clients saw and by revisions. Every member applies the same changes in the same order, so the store at a revision is one
//! store, and whatever is observed at that revision, at whichever member, must be observed of it.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`story`], [`ground`] | a history, read; what several promises make of it |
//! | [`facts`] | what a key was, from revision to revision |
//! | [`revision_order`], [`revisions_grow`], [`serializable_reads`] | what the store holds, and in which order that is seen |
//! | [`watches`] | what watches tell: six promises |
//! | [`leases`], [`compaction`], [`permissions`] | leases: two promises; what is forgotten; who may do what |
//! | [`transactions`], [`set`](mod@set), [`lock`], [`election`] | what clients make of that |
//! | [`stale`] | a measure |
//! | [`generate`] | histories of a service that keeps all of this, for tests and benches |

pub mod compaction;
pub mod election;
pub mod facts;
pub mod generate;
pub mod ground;
pub mod leases;
pub mod lock;
mod locks;
pub mod permissions;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reference;
pub mod revision_order;
pub mod revisions_grow;
pub mod serializable_reads;
pub mod set;
pub mod stale;
pub mod story;
pub mod transactions;
#[cfg(test)]
mod trials;
pub mod watches;

use super::dialect::{Asked, Ended};
use crate::promises::{self, Service};
use crate::workload::Measure;
use ground::Ground;
use serde_json::Value;
use stormglass_checker::Limits;
use stormglass_checker::limits::Reason;
use story::{Deed, Story};

pub use crate::promises::{Breach, judge};

/// An etcd-style service, as one that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Etcd;

/// A promise of such a service.
pub type Promise = promises::Promise<Etcd>;

impl Service for Etcd {
    type Asked = Asked;
    type Ended = Ended;
    type Ground<'a> = Ground<'a>;

    const NAME: &'static str = "etcd";
    const OPERATION: &'static str = "an operation of an etcd-style service";

    fn asked(value: &Value) -> Result<Asked, String> {
        Asked::read(value)
    }

    fn ended(value: &Value) -> Result<Ended, String> {
        Ended::read(value).and_then(story::in_bounds)
    }

    fn ground<'a>(story: &'a Story, limits: &Limits) -> Ground<'a> {
        Ground::within(story, *limits)
    }

    fn undecided(ground: &Ground<'_>) -> Option<(Reason, u64)> {
        ground.undecided.get()
    }

    fn place(deed: &Deed) -> Option<u64> {
        deed.own_revision()
    }

    fn measures(ground: &Ground<'_>) -> Vec<Measure> {
        measures(ground.story)
    }
}

/// All of them together.
pub const GUARANTEES: &str = "API guarantees";

/// What every history is judged by.
pub const ALL: &[Promise] = &[
    revision_order::PROMISE,
    revisions_grow::PROMISE,
    serializable_reads::PROMISE,
    watches::ordered::PROMISE,
    watches::unique::PROMISE,
    watches::reliable::PROMISE,
    watches::atomic::PROMISE,
    watches::resumable::PROMISE,
    watches::bookmarkable::PROMISE,
    leases::kept::PROMISE,
    leases::over::PROMISE,
    compaction::PROMISE,
    permissions::PROMISE,
    transactions::PROMISE,
    set::PROMISE,
    lock::PROMISE,
    election::PROMISE,
];

/// What a history of locks with fencing is judged by besides.
pub const FENCED_ONLY: &[Promise] = &[lock::FENCED];

/// What is worth knowing of a history and no question of right or wrong.
fn measures(story: &Story) -> Vec<Measure> {
    let measure = |name: &str, (count, of), meaning: &str| Measure {
        name: name.to_string(),
        count,
        of,
        meaning: meaning.to_string(),
    };
    let all = [
        measure(
            "stale-reads",
            stale::stale_reads(story),
            "serializable reads that show the store as it was before a change that was answered before they were asked",
        ),
        measure(
            "unsafe-stores",
            lock::unsafe_stores(story),
            "stores that reached what a lock protects after one of a later holder, and were taken",
        ),
    ];
    all.into_iter().filter(|measure| measure.of > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::reference::{Service, shown};
    use super::*;
    use crate::promises::is_broken;
    use stormglass_checker::{History, Verdict};
    use stormglass_impls::etcd::words::Keys;

    /// A key is set twice and read, and the read shows what it was before.
    fn stale() -> History {
        let mut service = Service::new(2);
        service.put(0, "a", "1");
        service.put(0, "a", "2");
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| {
            let kv = &mut shown(ended)[0];
            (kv.value, kv.mod_revision, kv.version) = ("1".to_string(), 2, 1);
        });
        service.put(0, "b", "3");
        service.history
    }

    #[test]
    fn a_breach_names_the_promise_and_a_prefix_that_breaks_it() {
        let history = stale();
        let findings = judge(ALL, &history, &Limits::default()).unwrap();
        let Verdict::Invalid(evidence) = findings.judgement.verdict else {
            panic!("a lost write is a breach");
        };
        let promise = ALL.iter().find(|known| known.text() == evidence.promise);
        let promise = promise.expect("a promise of the list");
        assert_eq!(evidence.prefix_events, 6);
        assert!(is_broken(promise, &history, evidence.prefix_events).unwrap());
        assert!(!evidence.culprits.is_empty() && !evidence.explanation.is_empty());
    }

    #[test]
    fn a_kept_history_has_its_changes_in_the_order_of_their_revisions() {
        let mut history = stale();
        history.events.truncate(4);
        let findings = judge(ALL, &history, &Limits::default()).unwrap();
        let Verdict::Valid(certificate) = findings.judgement.verdict else {
            panic!("two puts break nothing");
        };
        assert_eq!(certificate.parts[0].order, [0, 1]);
    }

    #[test]
    fn no_two_promises_have_one_name() {
        let names = ALL.iter().chain(FENCED_ONLY).map(|promise| promise.name);
        let mut names: Vec<&str> = names.collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_revision_that_no_cluster_lives_to_see_is_refused() {
        let mut service = Service::new(1);
        service.put(0, "a", "1");
        assert!(Story::read(&service.history).is_ok());
        service.lie(0, |ended| ended.revision = u64::MAX);
        let error = Story::read(&service.history).err();
        let error = error.expect("a number too large").to_string();
        assert!(error.contains("is no revision"), "{error}");
    }
}
