//! Weaker guarantees, judged on the same history.
//!
//! A history that is not linearizable may still keep a weaker promise, and which one says much about what went wrong: a stale read is not a
//! lost write. [`ladder()`] judges a history by every guarantee here, names the strongest it keeps, and shows why it does not keep the
//! next.
//!
//! # The ladder
//! An arrow leads from a guarantee to what follows from it.
//!
//! ```text
//!                 linearizability
//!                        |             real time of reads is given up: they may be stale
//!            ordered sequential consistency
//!                        |             real time of mutations is given up, too
//!              sequential consistency
//!                        |             one order for all becomes one order of the writes of each key
//!            all four session guarantees
//!            /         |        |       \\    one order becomes four
//!   read your    monotonic   monotonic   writes follow        convergence
//!     writes       reads      writes        reads         (compares with none)
//! ```
//!
//! - [`linearizability`]: an operation takes effect at one moment between call and return.
//! - [`ordered_sequential`]: mutations do; reads may see an older state. Nobody reads the future, and no session goes back.
//! - [`sequential`]: there is one order of everything in which each process finds its own. A session may be behind by any time, and even
//!   ahead.
//! - [`all_sessions`]: the writes of each key have one order, and in it each session only goes forward.
//! - [`read_your_writes`], [`monotonic_reads`], [`monotonic_writes`], [`writes_follow_reads`]: each a part of that, with an order of its
//!   own. No two of them compare.
//! - [`convergence`]: after the last mutation all see the same. A history without final reads says nothing about it. A linearizable history
//!   never breaks it, but it may be unknown where an operation is still in flight; the rungs between neither need nor give it.
//!
//! # Why the arrows hold
//! A linearization keeps real time, so it keeps the program order of each process, which has one operation at a time, and all that ordered
//! sequential consistency asks. An order that keeps what ordered sequential consistency asks keeps program order. An order that shows
//! sequential consistency orders the writes of each key: in it a read sees the latest write of its key, which is not before any that its
//! session made or saw earlier, and what a session writes next comes later still. One order that serves four guarantees serves each.
//!
//! The four, and all four together, also look at the numbers that a server gives to its writes
//! ([`Operation::version`](crate::Operation::version)). Where they are given, they *are* the order, and a history may then be sequentially
//! consistent in another order than the server claims. Nothing is concluded from one to the other in such histories, and a broken guarantee
//! below a kept one says that the numbers are wrong.
//!
//! # Sessions
//! A session is a process number. A client takes a new number after an operation of unknown outcome, so what it does then counts as
//! another's: the old operation may take effect late. That only makes the judgement milder. Such an operation is the last of its session,
//! and may take effect or not. An operation that failed did not happen. A refused comparison is a read. A compare-and-set is a read
//! followed by a write.
//!
//! # How each is decided
//! Linearizability by [`check`](crate::check()). The two other orders by one search with two sets of constraints. They are not local: two
//! keys may each have an order and not both together, so all keys are judged at once. First, what every order must keep is worked out:
//! program order, real time if asked for, and for a register of which it is known which write each read saw, what follows from that. If
//! these constraints run in a circle, that is the violation; if not, a search depth first, with a memory of what led nowhere, looks for an
//! order within them. The problem is NP-complete; where the search reaches [`Limits`], the answer is unknown, and unknown is never kept.
//!
//! The session guarantees speak of which write a read saw. For a register that is known where the server numbers its writes, or where no
//! two writes of a key leave the same content. They are then decided exactly in time n log n: the demands of the sessions form a graph over
//! writes, which holds unless it runs in a circle. Where it is not known which write a read saw, nothing is concluded from that read, and
//! if nothing else is wrong the answer is "not ruled out". For objects that are no registers ([`Specification::access`]) there is no
//! answer.
//!
//! # What is exact
//! | guarantee | exact | source of the definition |
//! | --- | --- | --- |
//! | linearizability | within limits | Herlihy and Wing, TOPLAS 1990, section 2 |
//! | ordered sequential consistency | within limits | Lev-Ari, Bortnikov, Keidar and Shraer, IPL 123, 2017 |
//! | sequential consistency | within limits | Lamport, "How to Make a Multiprocessor Computer", IEEE TC 1979 |
//! | sessions, each and all | where every read that matters names its write; else it may be "not ruled out" | Terry and others, PDIS 1994, section 2 |
//! | convergence | of the final reads; a finite history shows no more | see its page |
//!
//! An order behind a kept guarantee is checked by [`verify`](crate::verify()) or [`verify_order`] without the search.
//!
//! ```
//! use stormglass_checker::{Guarantee, History, Limits, Register, ladder};
//!
//! // A write is acknowledged, and another client does not see it.
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"write","value":1}
//! {"process":0,"type":"ok","f":"write","value":1}
//! {"process":1,"type":"invoke","f":"read","value":null}
//! {"process":1,"type":"ok","f":"read","value":null}
//! "#
//!     .as_bytes(),
//! )?;
//! let ladder = ladder(&Register::default(), &history, &Limits::default())?;
//! assert_eq!(ladder.strongest(), [Guarantee::OrderedSequential]);
//! assert_eq!(ladder.next()[0].guarantee, Guarantee::Linearizability);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod all_sessions;
mod answer;
mod collision;
mod constraints;
pub mod convergence;
mod graph;
mod ladder;
pub mod linearizability;
mod memo;
pub mod monotonic_reads;
pub mod monotonic_writes;
pub mod ordered_sequential;
mod orders;
mod program;
pub mod read_your_writes;
pub mod sequential;
mod versions;
mod violation;
mod witness;
pub mod writes_follow_reads;

pub use answer::{Answer, Unproven, Witness};
pub use ladder::{Ladder, Rung, ladder};
pub use violation::{Link, Violation};
pub use witness::verify_order;

use serde::{Deserialize, Serialize};

use crate::check::CheckError;
use crate::limits::{Limits, Meter};
use crate::operation::Operation;
use crate::specification::{Specification, SpecificationError};
use crate::verdict::{Certificate, Part};

use collision::{Collision, Decision, decide};
use constraints::Rule;
use violation::{opening, tell_links};

/// A guarantee of consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// See [`linearizability`].
    Linearizability,
    /// See [`ordered_sequential`].
    OrderedSequential,
    /// See [`sequential`].
    Sequential,
    /// See [`all_sessions`].
    AllSessions,
    /// See [`read_your_writes`].
    ReadYourWrites,
    /// See [`monotonic_reads`].
    MonotonicReads,
    /// See [`monotonic_writes`].
    MonotonicWrites,
    /// See [`writes_follow_reads`].
    WritesFollowReads,
    /// See [`convergence`].
    Convergence,
}

impl Guarantee {
    /// All of them. What follows from a guarantee stands after it.
    pub const ALL: [Self; 9] = [
        Self::Linearizability,
        Self::OrderedSequential,
        Self::Sequential,
        Self::AllSessions,
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
        Self::Convergence,
    ];

    /// The field's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linearizability => "linearizability",
            Self::OrderedSequential => "ordered sequential consistency",
            Self::Sequential => "sequential consistency",
            Self::AllSessions => "all session guarantees",
            Self::ReadYourWrites => "read your writes",
            Self::MonotonicReads => "monotonic reads",
            Self::MonotonicWrites => "monotonic writes",
            Self::WritesFollowReads => "writes follow reads",
            Self::Convergence => "convergence",
        }
    }

    /// What it promises, with its source.
    pub fn definition(self) -> &'static str {
        match self {
            Self::Linearizability => linearizability::DEFINITION,
            Self::OrderedSequential => ordered_sequential::DEFINITION,
            Self::Sequential => sequential::DEFINITION,
            Self::AllSessions => all_sessions::DEFINITION,
            Self::ReadYourWrites => read_your_writes::DEFINITION,
            Self::MonotonicReads => monotonic_reads::DEFINITION,
            Self::MonotonicWrites => monotonic_writes::DEFINITION,
            Self::WritesFollowReads => writes_follow_reads::DEFINITION,
            Self::Convergence => convergence::DEFINITION,
        }
    }

    /// True when `weaker` follows from this one and is another. Convergence compares with none.
    pub fn is_stronger_than(self, weaker: Self) -> bool {
        let height = |guarantee| match guarantee {
            Self::Linearizability => Some(4),
            Self::OrderedSequential => Some(3),
            Self::Sequential => Some(2),
            Self::AllSessions => Some(1),
            Self::Convergence => None,
            _ => Some(0),
        };
        matches!((height(self), height(weaker)), (Some(upper), Some(lower)) if upper > lower)
    }
}

/// Judges by looking for one order of all operations.
fn one_order<S: Specification>(
    specification: &S,
    operations: &[Operation],
    guarantee: Guarantee,
    rule: Rule,
    limits: &Limits,
) -> Result<Answer, CheckError> {
    let mut meter = Meter::new(*limits);
    let decision = decide(specification, operations, rule, &mut meter)
        .map_err(|(id, error)| foreign(specification, operations, id, error))?;
    Ok(match decision {
        Decision::Legal(order) => {
            let parts = vec![Part { key: None, order }];
            Answer::Satisfied(Witness::Order(Certificate { parts }))
        }
        Decision::Stopped(reason) => Answer::Unknown(Unproven::Limit(reason)),
        Decision::Illegal(collision) => {
            Answer::Violated(Box::new(violated(guarantee, operations, collision)))
        }
    })
}

fn violated(guarantee: Guarantee, operations: &[Operation], collision: Collision) -> Violation {
    let culprits: Vec<Operation> = collision
        .culprits
        .iter()
        .filter_map(|id| operations.get(*id))
        .cloned()
        .collect();
    let mut explanation = opening(
        guarantee,
        &culprits,
        ", even if every other one may happen at any time or never",
    );
    match (culprits.len(), collision.links.is_empty()) {
        (1, _) => {
            explanation.push_str("No state that any order leads to allows it: a contradiction.")
        }
        (_, true) => explanation.push_str(
            "Every order of them that keeps this promise was tried, and none is allowed.",
        ),
        _ => tell_links(
            &mut explanation,
            &collision.links,
            collision.circle,
            operations,
        ),
    }
    if !collision.minimal {
        explanation.push_str("\nThe list of colliding operations may be longer than it need be: the work for it is bounded.");
    }
    let mut keys: Vec<&Option<String>> = culprits.iter().map(|culprit| &culprit.key).collect();
    keys.dedup();
    Violation {
        guarantee,
        key: keys
            .first()
            .filter(|_| keys.len() == 1)
            .and_then(|key| (*key).clone()),
        culprits,
        minimal: collision.minimal,
        links: collision.links,
        explanation,
    }
}

/// An operation that the specification does not understand.
fn foreign<S: Specification>(
    specification: &S,
    operations: &[Operation],
    id: usize,
    source: SpecificationError,
) -> CheckError {
    let operation = operations.get(id);
    CheckError::Specification {
        specification: specification.name().to_owned(),
        event: operation.map_or(0, |operation| operation.call),
        f: operation.map_or_else(String::new, |operation| operation.f.clone()),
        process: operation.map_or(0, |operation| operation.process),
        source,
    }
}
