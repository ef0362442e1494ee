//! The verdict, and what stands behind it.
//!
//! - [`Verdict::Valid`] carries an order of the operations, part by part. [`verify`](crate::verify()) says whether it proves what it
//!   claims.
//! - [`Verdict::Invalid`] carries the promise that is broken, the prefix that breaks it, the operations that collide, and the same in
//!   words. [`evidence`](crate::evidence) says how they are found and what is exact.
//! - [`Verdict::Unknown`] carries the limit that was reached, and where. It is never a pass.
//!
//! All of them are written as JSON by serde and read back.

use serde::{Deserialize, Serialize};

use crate::limits::{Reason, Work};
use crate::operation::Operation;

/// What [`check`](fn@crate::check) returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict with its proof.
    pub verdict: Verdict,
    /// What it cost.
    pub work: Work,
}

/// Whether the history keeps the promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// It does, and here is an order of the operations that shows it.
    Valid(Certificate),
    /// It does not, and here is what collides.
    Invalid(Evidence),
    /// A limit was reached first. This is never a pass.
    Unknown(Unknown),
}

/// One legal order of the operations, for each independent part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Ascending by key. A single part without key when the object is judged as a whole.
    pub parts: Vec<Part>,
}

/// One legal order of the operations on one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The key, if the object is judged per key.
    pub key: Option<String>,
    /// Ids of operations in the order in which they took effect. Those of unknown outcome that never did are absent, and
    /// so are those that tell nothing.
    pub order: Vec<usize>,
}

/// Why the history breaks the promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The promise that is broken, quoted.
    pub promise: String,
    /// The key, if the object is judged per key.
    pub key: Option<String>,
    /// `history.events[..prefix_events]` alone already breaks the promise.
    pub prefix_events: usize,
    /// True when no shorter prefix does.
    pub prefix_smallest: bool,
    /// The operations that collide, as the prefix knows them, in order of call: even if every other operation of the
    /// key might happen at any time or never, these cannot be put in order. Their ids are those of the prefix's
    /// [`operations`](crate::History::operations).
    pub culprits: Vec<Operation>,
    /// True when giving any one culprit that freedom resolves the collision.
    pub minimal: bool,
    /// True when the oracle that tries every order finds none for the culprits, either. Where there are too many operations for it, the collision is
    /// reduced, but not independently verified.
    #[serde(default)]
    pub verified: bool,
    /// What is known of the state when the culprits begin; `None` when they suffice from the initial state.
    pub context: Option<Context>,
    /// The same in prose.
    pub explanation: String,
}

/// What is known of the state at one point of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// After `history.events[..after_events]`,
    pub after_events: usize,
    /// every consistent order of what happened so far leads to one of these states.
    pub states: Vec<String>,
}

/// Which limit was reached, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// The limit.
    pub reason: Reason,
    /// Its value: steps, bytes, or nanoseconds.
    pub limit: u64,
    /// How far the search came.
    pub progress: Progress,
}

/// How far a search came before it reached a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Events of the history that lie behind the search; up to there nothing is wrong with this key.
    pub events_judged: usize,
    /// Events of the whole history.
    pub events_total: usize,
    /// The key it was judging, if the object is judged per key.
    pub key: Option<String>,
    /// How many parts (keys) were left without an answer, this one included.
    pub parts_open: usize,
    /// How many parts there are.
    pub parts_total: usize,
}
