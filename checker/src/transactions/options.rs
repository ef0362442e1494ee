//! What is asked of the judge.

use serde::{Deserialize, Serialize};

use super::level::Level;
use crate::limits::Limits;

/// What the transactions work on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionKind {
    /// Told from the micro-operations.
    #[default]
    Auto,
    /// Lists that only grow: `["append", key, value]` and `["r", key, [values]]`.
    ListAppend,
    /// Registers: `["w", key, value]` and `["r", key, value]`; `null` until first written.
    #[serde(rename = "rw-register")]
    Register,
}

/// What [`check_transactions`](super::check_transactions) is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionOptions {
    /// What the transactions work on.
    pub kind: TransactionKind,
    /// The level that the verdict is about.
    pub level: Level,
    /// Registers: when a transaction read `u` and then wrote `v` to the same key, `v` is the later version. Holds from read committed
    /// on; a read-uncommitted verdict never rests on it.
    pub writes_follow_reads: bool,
    /// Registers: assume that each key by itself is sequentially consistent: the versions that one process sees of it never go back.
    /// An assumption that the history cannot prove; a verdict then holds only together with it. Without it, the same order counts only from
    /// strong session serializable on.
    pub sequential_keys: bool,
    /// Registers: assume that each key by itself is linearizable. As above, and stronger; without it, the same order counts only for strict
    /// serializable.
    pub linearizable_keys: bool,
    /// How many anomalies of one kind are told; the others are counted.
    pub reported_max: usize,
    /// How much the judgement may cost.
    pub limits: Limits,
}

impl Default for TransactionOptions {
    /// Strict serializability of whatever the history holds, nothing assumed, eight anomalies of each kind.
    fn default() -> Self {
        Self {
            kind: TransactionKind::Auto,
            level: Level::default(),
            writes_follow_reads: true,
            sequential_keys: false,
            linearizable_keys: false,
            reported_max: 8,
            limits: Limits::default(),
        }
    }
}
