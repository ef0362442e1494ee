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

use crate::workload::{Findings, Measure};
use ground::Ground;
use stormglass_checker::limits::Work;
use stormglass_checker::{
    Certificate, CheckError, Evidence, History, Judgement, Limits, Part, Verdict,
};
use story::Story;

/// A promise.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Its name, as `session-view`.
    pub name: &'static str,
    /// The words in which the service gives it, and where.
    pub quote: &'static str,
    /// Whether a history keeps it.
    pub judge: fn(&Ground<'_>) -> Result<(), Breach>,
}

impl Promise {
    /// Name and words.
    pub fn text(&self) -> String {
        format!("{}: {}", self.name, self.quote)
    }

    /// Whether a story keeps it, with nothing made ready for other promises.
    pub fn judged(&self, story: &Story) -> Result<(), Breach> {
        (self.judge)(&Ground::of(story))
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

/// How a history breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The operations that collide, by number.
    pub culprits: Vec<usize>,
    /// How, in sentences.
    pub explanation: String,
}

/// Judges a history by some promises. The first that is broken counts.
///
/// # Errors
/// When the history contradicts itself, or is not in the words of this service.
pub fn judge<'p>(
    promises: impl IntoIterator<Item = &'p Promise>,
    history: &History,
    _limits: &Limits,
) -> Result<Findings, CheckError> {
    let story = Story::read(history)?;
    let ground = Ground::of(&story);
    let broken = promises.into_iter().find_map(|promise| {
        let breach = (promise.judge)(&ground).err()?;
        Some((promise, breach))
    });
    let work = Work {
        steps: story.deeds.len() as u64,
        ..Work::default()
    };
    let verdict = match broken {
        None => Verdict::Valid(story.certificate()),
        Some((promise, breach)) => Verdict::Invalid(evidence(history, promise, breach)?),
    };
    let judgement = Judgement { verdict, work };
    Ok(Findings {
        judgement,
        measures: measures(&story),
    })
}

impl Story {
    /// The writes that were answered, in the order of their zxids: what everything else was judged by.
    fn certificate(&self) -> Certificate {
        let mut writes: Vec<(u64, usize)> = Vec::new();
        for deed in &self.deeds {
            writes.extend(deed.own_zxid().map(|zxid| (zxid, deed.id)));
        }
        writes.sort_unstable();
        let order = writes.into_iter().map(|(_, id)| id).collect();
        Certificate {
            parts: vec![Part { key: None, order }],
        }
    }
}

/// A breach, with the operations behind it.
fn evidence(history: &History, promise: &Promise, breach: Breach) -> Result<Evidence, CheckError> {
    let mut culprits = history.operations()?;
    culprits.retain(|operation| breach.culprits.contains(&operation.id));
    let calls: Vec<usize> = culprits.iter().map(|culprit| culprit.call).collect();
    let ends = culprits
        .iter()
        .map(|culprit| culprit.ret.unwrap_or(culprit.call));
    // What came after the culprits may be needed, too: that something else did not happen.
    let all = history.events.len();
    let known = ends.max().map_or(all, |last| last + 1);
    let prefix_events = match is_broken(promise, history, known)? {
        true => known,
        false => all,
    };
    let mut culprits = prefix_of(history, prefix_events).operations()?;
    culprits.retain(|operation| calls.contains(&operation.call));
    Ok(Evidence {
        promise: promise.text(),
        // All nodes are judged together.
        key: None,
        prefix_events,
        prefix_smallest: false,
        minimal: false,
        verified: false,
        context: None,
        explanation: breach.explanation,
        culprits,
    })
}

/// Whether so many events of a history alone break a promise.
fn is_broken(promise: &Promise, history: &History, events: usize) -> Result<bool, CheckError> {
    let story = Story::read(&prefix_of(history, events))?;
    Ok(promise.judged(&story).is_err())
}

fn prefix_of(history: &History, events: usize) -> History {
    History {
        events: history.events[..events].to_vec(),
    }
}

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
