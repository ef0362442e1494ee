//! Anomalies: their kinds, what each rules out, and the evidence.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::level::Level;

/// Which order a cycle needs besides the dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// None.
    None,
    /// That of one process or several.
    Session,
    /// Real time.
    RealTime,
}

/// The kind of an anomaly, the worst first. The names are Adya's and Elle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// A value was read that nobody wrote.
    GarbageRead,
    /// A list has an element twice that was appended once.
    DuplicateElements,
    /// Writes in a circle.
    G0(Order),
    /// A committed transaction read what an aborted one wrote.
    G1a,
    /// A transaction read what another wrote and itself overwrote.
    G1b,
    /// A transaction read what it wrote itself only later.
    FutureRead,
    /// Two reads of a list of which neither begins with the other.
    IncompatibleOrder,
    /// The versions of a register follow each other in a circle.
    CyclicVersions(Order),
    /// Information flows in a circle.
    G1c(Order),
    /// A transaction disagrees with what it read and wrote before.
    Internal,
    /// Two transactions read one version of a key, and both wrote the key.
    LostUpdate,
    /// A cycle with one anti-dependency: read skew.
    GSingle(Order),
    /// A cycle with several anti-dependencies, no two of them adjacent.
    GNonadjacent(Order),
    /// A cycle with adjacent anti-dependencies: write skew.
    G2Item(Order),
}

impl AnomalyKind {
    /// The name: `G0`, `G-single-process`, `G2-item-realtime`, `lost-update` and so on.
    pub fn name(self) -> &'static str {
        let ordered = |names: [&'static str; 3], order| match order {
            Order::None => names[0],
            Order::Session => names[1],
            Order::RealTime => names[2],
        };
        match self {
            Self::GarbageRead => "garbage-read",
            Self::DuplicateElements => "duplicate-elements",
            Self::G0(order) => ordered(["G0", "G0-process", "G0-realtime"], order),
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::FutureRead => "future-read",
            Self::IncompatibleOrder => "incompatible-order",
            Self::CyclicVersions(order) => ordered(
                [
                    "cyclic-versions",
                    "cyclic-versions-process",
                    "cyclic-versions-realtime",
                ],
                order,
            ),
            Self::G1c(order) => ordered(["G1c", "G1c-process", "G1c-realtime"], order),
            Self::Internal => "internal",
            Self::LostUpdate => "lost-update",
            Self::GSingle(order) => {
                ordered(["G-single", "G-single-process", "G-single-realtime"], order)
            }
            Self::GNonadjacent(order) => ordered(
                [
                    "G-nonadjacent",
                    "G-nonadjacent-process",
                    "G-nonadjacent-realtime",
                ],
                order,
            ),
            Self::G2Item(order) => {
                ordered(["G2-item", "G2-item-process", "G2-item-realtime"], order)
            }
        }
    }

    /// The weakest levels that forbid it; all levels that imply one of them forbid it, too. The table of the module page.
    pub fn forbidden_from(self) -> &'static [Level] {
        match self {
            Self::G0(Order::Session)
            | Self::CyclicVersions(Order::Session)
            | Self::G1c(Order::Session)
            | Self::GSingle(Order::Session)
            | Self::GNonadjacent(Order::Session)
            | Self::G2Item(Order::Session) => &[Level::StrongSessionSerializable],
            Self::G0(Order::RealTime)
            | Self::CyclicVersions(Order::RealTime)
            | Self::G1c(Order::RealTime)
            | Self::GSingle(Order::RealTime)
            | Self::GNonadjacent(Order::RealTime)
            | Self::G2Item(Order::RealTime) => &[Level::StrictSerializable],
            Self::GarbageRead | Self::DuplicateElements | Self::G0(Order::None) => {
                &[Level::ReadUncommitted]
            }
            Self::G1a
            | Self::G1b
            | Self::FutureRead
            | Self::IncompatibleOrder
            | Self::CyclicVersions(Order::None)
            | Self::G1c(Order::None) => &[Level::ReadCommitted],
            Self::Internal
            | Self::LostUpdate
            | Self::GSingle(Order::None)
            | Self::GNonadjacent(Order::None) => &[Level::RepeatableRead, Level::SnapshotIsolation],
            Self::G2Item(Order::None) => &[Level::RepeatableRead],
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A transaction that takes part in an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Its number in the order of calls, from 0, aborted ones counted.
    pub transaction: usize,
    /// The client.
    pub process: u64,
    /// The position of the call in `history.events`.
    pub call: usize,
    /// The position of the return.
    pub ret: Option<usize>,
    /// `committed`, `aborted`, or `unknown` for one that must have committed, because its writes were read.
    pub fate: String,
    /// Its micro-operations, shortened.
    pub operations: String,
}

/// Why one transaction comes before another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "kebab-case")]
pub enum Cause {
    /// `ww`: the first wrote a version, and the second a later one.
    WriteWrite {
        /// The key.
        key: Value,
        /// What the first wrote.
        earlier: Value,
        /// What the second wrote.
        later: Value,
        /// How it is known that it is later.
        known: Known,
    },
    /// `wr`: the second read what the first wrote.
    WriteRead {
        /// The key.
        key: Value,
        /// What was written and read; of a list, the last element.
        value: Value,
    },
    /// `rw`: the first read a version, and the second wrote a later one.
    ReadWrite {
        /// The key.
        key: Value,
        /// What the first read: a value or a list.
        read: Value,
        /// What the second wrote.
        written: Value,
        /// How it is known that it is later.
        known: Known,
    },
    /// Both are of one process.
    Session {
        /// The process.
        process: u64,
    },
    /// The first returned before the second was called.
    RealTime {
        /// The position of the return.
        returned: usize,
        /// The position of the call.
        called: usize,
    },
}

/// How it is known that one version is later than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// A read shows the two one behind the other.
    Shown,
    /// It committed and is missing in the longest read, so it came behind that.
    Missing,
    /// Whoever wrote it had read the other.
    Followed,
    /// The other is the initial one.
    Initial,
    /// A process met the one and later the other.
    Session,
    /// Whoever met the one had returned before whoever met the other was called.
    RealTime,
    /// It is assumed that each key by itself is consistent.
    Assumed,
}

/// One edge of a cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Comes first.
    pub from: Participant,
    /// Comes later.
    pub to: Participant,
    /// Why.
    pub cause: Cause,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "kebab-case")]
pub enum AnomalyEvidence {
    /// Of [`AnomalyKind::GarbageRead`], [`AnomalyKind::DuplicateElements`] and [`AnomalyKind::FutureRead`].
    Read {
        /// Who read it.
        reader: Participant,
        /// The key.
        key: Value,
        /// The value, or the element.
        value: Value,
    },
    /// Of [`AnomalyKind::G1a`] and [`AnomalyKind::G1b`].
    ReadFrom {
        /// Who read it.
        reader: Participant,
        /// Who wrote it.
        writer: Participant,
        /// The key.
        key: Value,
        /// What was read.
        value: Value,
    },
    /// Of [`AnomalyKind::Internal`].
    Internal {
        /// The transaction.
        transaction: Participant,
        /// The key.
        key: Value,
        /// What the read had to find; of a list, perhaps only its end.
        expected: Value,
        /// What it found.
        found: Value,
    },
    /// Of [`AnomalyKind::IncompatibleOrder`].
    Orders {
        /// The key.
        key: Value,
        /// The reader of the one list.
        one: Participant,
        /// What it read.
        one_list: Value,
        /// The reader of the other.
        other: Participant,
        /// What it read.
        other_list: Value,
        /// The first place, from 0, at which they differ.
        differ_at: usize,
    },
    /// Of [`AnomalyKind::CyclicVersions`].
    Versions {
        /// The key.
        key: Value,
        /// Each comes before the next, and the last before the first.
        versions: Vec<Value>,
    },
    /// Of [`AnomalyKind::LostUpdate`].
    LostUpdate {
        /// The key.
        key: Value,
        /// The version that all of them read.
        version: Value,
        /// Those who read it and wrote the key, the first eight of them.
        transactions: Vec<Participant>,
    },
    /// Of all others: each step's `to` is the next one's `from`.
    Cycle {
        /// The edges.
        steps: Vec<Step>,
    },
}

impl AnomalyEvidence {
    /// The transactions that take part, in the order in which they are told of.
    pub fn participants(&self) -> Vec<&Participant> {
        match self {
            Self::Read { reader, .. } => vec![reader],
            Self::ReadFrom { reader, writer, .. } => vec![reader, writer],
            Self::Internal { transaction, .. } => vec![transaction],
            Self::Orders { one, other, .. } => vec![one, other],
            Self::Versions { .. } => Vec::new(),
            Self::LostUpdate { transactions, .. } => transactions.iter().collect(),
            Self::Cycle { steps } => steps.iter().map(|step| &step.from).collect(),
        }
    }
}

/// One anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Its kind.
    pub kind: AnomalyKind,
    /// The weakest levels that this one rules out, and with them all that imply one of them.
    pub rules_out: Vec<Level>,
    /// What was seen.
    pub evidence: AnomalyEvidence,
    /// The same in prose.
    pub explanation: String,
}
