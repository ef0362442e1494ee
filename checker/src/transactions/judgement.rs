//! What comes out: the verdict, the anomalies, and the levels that are left.

use serde::{Deserialize, Serialize};

use super::anomaly::{Anomaly, AnomalyKind};
use super::level::Level;
use super::options::TransactionKind;
use crate::limits::{Reason, Work};

/// What [`check_transactions`](super::check_transactions) returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransactionJudgement {
    /// Whether the level that was asked for is kept.
    pub verdict: TransactionVerdict,
    /// The level that was asked for.
    pub level: Level,
    /// What the transactions work on.
    pub kind: TransactionKind,
    /// What was found, the worst kind first, also of kinds that the level allows. Up to a cap for each kind; `counts` has them all.
    pub anomalies: Vec<Anomaly>,
    /// How many of each kind were found, the worst kind first.
    pub counts: Vec<AnomalyCount>,
    /// The strongest levels that no anomaly rules out: mostly one, two when repeatable read and snapshot isolation are both left and nothing
    /// above them, none when not even read uncommitted is kept. When a limit was reached, more might have been ruled out.
    pub strongest: Vec<Level>,
    /// What the verdict rests on. A valid verdict of which nothing was inferred says nothing.
    pub inferred: Inferred,
    /// What it cost.
    pub work: Work,
}

/// Whether the level that was asked for is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum TransactionVerdict {
    /// No anomaly that rules it out was found in the whole history.
    Valid,
    /// It is not.
    Invalid {
        /// The kinds of anomalies that rule it out.
        kinds: Vec<AnomalyKind>,
    },
    /// A limit was reached before one was found. Never a pass.
    Unknown {
        /// The limit.
        reason: Reason,
        /// Its value: steps, bytes, or nanoseconds.
        limit: u64,
    },
}

/// How many anomalies of one kind were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnomalyCount {
    /// The kind.
    pub kind: AnomalyKind,
    /// How many; of cycles one is counted for each strongly connected component.
    pub found: u64,
}

/// How much was inferred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inferred {
    /// Transactions taken as committed.
    pub transactions: u64,
    /// Of these, those of unknown fate whose writes were read.
    pub transactions_unknown: u64,
    /// Edges from write to next write. Those through an auxiliary node count once, where they begin.
    pub write_write: u64,
    /// Edges from write to read.
    pub write_read: u64,
    /// Anti-dependencies.
    pub read_write: u64,
}
