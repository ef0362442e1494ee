//! What a ZooKeeper-style service promises, each promise in a file that quotes it.
//!
//! All of them are judged by what clients saw and by zxids. Every server applies the same changes in the same order, so the tree at a zxid is one tree,
//! and whatever is observed at that zxid, at whichever server, must be observed of it.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`story`], [`ground`] | a history, read; what several promises make of it |
//! | [`facts`], `changes`, `spans` | what a path was, from zxid to zxid; what was done to it; which names a list must have |
//! | [`write_order`], [`session_view`], [`sync`], [`watches`] | in which order things happen, and are seen |
//! | [`tree`], [`multi`], [`sequence`], [`ephemerals`], [`rights`] | what the tree holds, and who may see and change it |
//! | [`lock`], [`leader`], [`barrier`], [`queue`], [`set`](mod@set), [`members`] | what recipes make of that |
//! | [`stale`] | a measure |
//! | [`generate`] | histories of a service that keeps all of this, for tests and benches |

pub mod barrier;
mod changes;
pub mod ephemerals;
pub mod facts;
pub mod generate;
pub mod ground;
pub mod leader;
pub mod lock;
pub mod members;
pub mod multi;
pub mod queue;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reference;
pub mod rights;
pub mod sequence;
pub mod session_view;
pub mod set;
mod spans;
pub mod stale;
pub mod story;
pub mod sync;
pub mod tree;
#[cfg(test)]
mod trials;
pub mod watches;
pub mod write_order;

use crate::promises::{self, Service};
use crate::workload::Measure;
use crate::zookeeper::dialect::{Asked, Ended};
use ground::Ground;
use serde_json::Value;
use stormglass_checker::Limits;
use story::{Deed, Story};

pub use crate::promises::{Breach, judge};

/// A ZooKeeper-style service, as one that is judged.
#[derive(Clone, Copy, Debug)]
pub struct ZooKeeper;

/// A promise of such a service.
pub type Promise = promises::Promise<ZooKeeper>;

impl Service for ZooKeeper {
    type Asked = Asked;
    type Ended = Ended;
    type Ground<'a> = Ground<'a>;

    const NAME: &'static str = "zookeeper";
    const OPERATION: &'static str = "an operation of a ZooKeeper-style service";

    fn asked(value: &Value) -> Result<Asked, String> {
        Asked::read(value)
    }

    fn ended(value: &Value) -> Result<Ended, String> {
        Ended::read(value).and_then(story::in_bounds)
    }

    fn ground<'a>(story: &'a Story, _limits: &Limits) -> Ground<'a> {
        Ground::of(story)
    }

    fn place(deed: &Deed) -> Option<u64> {
        deed.own_zxid()
    }

    fn measures(ground: &Ground<'_>) -> Vec<Measure> {
        measures(ground.story)
    }
}

/// All of them together.
pub const GUARANTEES: &str = "consistency guarantees";

/// What every history is judged by.
pub const ALL: &[Promise] = &[
    write_order::PROMISE,
    session_view::PROMISE,
    sync::PROMISE,
    watches::PROMISE,
    sequence::PROMISE,
    multi::PROMISE,
    ephemerals::PROMISE,
    rights::PROMISE,
    tree::PROMISE,
    set::PROMISE,
    queue::PROMISE,
    lock::PROMISE,
    leader::PROMISE,
    barrier::PROMISE,
    members::PROMISE,
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
            "reads that show a node older than a change of it that was answered before they were asked",
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
    use super::reference::{Service, create};
    use super::*;
    use crate::promises::is_broken;
    use stormglass_checker::{History, Limits, Verdict};
    use stormglass_impls::zookeeper::words::{Done, Mode};

    /// Two elements are added and listed, and the list lacks one.
    fn lacking() -> History {
        let mut service = Service::new(1, &[]);
        for path in ["/sets", "/sets/k0", "/sets/k0/a", "/sets/k0/b"] {
            service
                .write(0, create(path, "", Mode::Persistent))
                .unwrap();
        }
        service.list(0, "/sets/k0");
        service.lie(0, |ended| {
            if let Ok(Done::Children(names, _)) = &mut ended.result {
                names.pop();
            }
        });
        service.history
    }

    #[test]
    fn a_breach_names_the_promise_and_a_prefix_that_breaks_it() {
        let history = lacking();
        let findings = judge(ALL, &history, &Limits::default()).unwrap();
        let Verdict::Invalid(evidence) = findings.judgement.verdict else {
            panic!("a list that lacks an element is a breach");
        };
        let promise = ALL.iter().find(|known| known.text() == evidence.promise);
        let promise = promise.expect("a promise of the list");
        assert!(is_broken(promise, &history, evidence.prefix_events).unwrap());
        assert!(!evidence.culprits.is_empty() && !evidence.explanation.is_empty());
    }

    #[test]
    fn a_kept_history_has_its_writes_in_the_order_of_their_zxids() {
        let mut history = lacking();
        history.events.truncate(8);
        let findings = judge(ALL, &history, &Limits::default()).unwrap();
        let Verdict::Valid(certificate) = findings.judgement.verdict else {
            panic!("four writes break nothing");
        };
        assert_eq!(certificate.parts[0].order, [0, 1, 2, 3]);
    }
}
