//! What came back from a trial, besides the history its clients saw.

use crate::faults::FaultKind;
use serde::{Deserialize, Serialize};
use stormglass_checker::History;
use stormglass_impls::contract::{Fact, NodeId};

/// The version of the record file.
pub const RECORD_VERSION: u32 = 2;

/// What an arena gives back.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What the clients saw.
    pub history: History,
    /// What the arena saw.
    pub record: Record,
}

/// What the arena saw. It holds simulated time only, so that the same trial gives the same record, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub schema_version: u32,
    /// The digest of every input of every node with its time: 32 hexadecimal digits.
    pub digest: String,
    /// The digest as it stood along the way, so that a replay that differs can say where.
    pub marks: Marks,
    /// How many inputs the nodes took.
    pub inputs: u64,
    /// Whether somebody interrupted the trial.
    pub interrupted: bool,
    /// When the trial ended, in simulated nanoseconds.
    pub ended_ns: u64,
    /// When everything was healed, in simulated nanoseconds.
    pub healed_ns: u64,
    /// What the network carried.
    pub traffic: Traffic,
    /// What the machines went through.
    pub wear: Wear,
    /// The faults, in the order of the schedule, as they really went.
    pub faults: Vec<FaultRecord>,
    /// What the nodes noted, in order.
    pub facts: Vec<FactRecord>,
    /// What broke inside the cluster. What clients saw broken is for the checker to say.
    pub violations: Vec<Violation>,
}

/// The digest along the way, cut short: two bytes after every so many inputs.
///
/// There are never more than a quarter of a million: when there would be, every second one goes and the distance doubles. So a run of up
/// to that many inputs says exactly which input was the first to differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// How many inputs lie between two marks.
    pub every: u64,
    /// The marks, four hexadecimal digits each.
    pub digits: String,
}

/// What the network carried, in frames between nodes and between nodes and clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Handed to the network.
    pub sent: u64,
    /// Cut by a fault.
    pub cut: u64,
    /// Lost one by one.
    pub lost: u64,
    /// Delayed by a fault.
    pub slowed: u64,
    /// Held until a fault was over.
    pub held: u64,
    /// Sent so that later ones overtake them.
    pub reordered: u64,
    /// Sent twice.
    pub duplicated: u64,
    /// Sent with a bit flipped.
    pub corrupted: u64,
    /// Found to be damaged by those who received them.
    pub rejected: u64,
    /// Lost together with their connection.
    pub reset: u64,
}

/// What the machines under the nodes went through, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wear {
    /// Inputs that had to wait because their node stood still.
    pub inputs_held: u64,
    /// Steps that took time.
    pub steps_slowed: u64,
    /// Readings of a clock that was wrong.
    pub clock_readings_bent: u64,
    /// Syncs that took longer.
    pub syncs_slowed: u64,
    /// Syncs that said they were done and were not.
    pub syncs_lied: u64,
    /// Disks that failed loudly.
    pub disks_failed: u64,
    /// Batches that were not synced and are gone.
    pub unsynced_lost: u64,
    /// Batches that were said to be synced and are gone or altered.
    pub synced_lost: u64,
    /// Writes of which a crash left a part.
    pub writes_torn: u64,
    /// Writes that landed on others.
    pub writes_misdirected: u64,
    /// Disks that were found damaged at a start, which the node refused.
    pub disks_refused: u64,
}

/// How one planned fault really went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its number in the schedule.
    pub id: u32,
    /// What kind it is.
    pub kind: FaultKind,
    /// The nodes it befell, resolved.
    pub nodes: Vec<NodeId>,
    /// When it began, in simulated nanoseconds; absent if it never did.
    pub from_ns: Option<u64>,
    /// When it was over, in simulated nanoseconds.
    pub until_ns: Option<u64>,
    /// Whether it happened.
    pub status: FaultStatus,
    /// What it did, counted: frames cut, frames slowed or nodes stopped.
    pub effects: u64,
}

/// Whether a planned fault happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultStatus {
    /// It was set up and did something.
    Installed,
    /// It was not set up.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It was set up, and nothing shows that it did anything.
    Indeterminate {
        /// What is missing.
        reason: String,
    },
}

/// A fact, and where and when it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactRecord {
    /// When, in simulated nanoseconds.
    pub time_ns: u64,
    /// Which node.
    pub node: NodeId,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// A law broken inside the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The kind of law.
    pub kind: ViolationKind,
    /// The law's name, as `election-safety`.
    pub name: String,
    /// When it was seen, in simulated nanoseconds.
    pub time_ns: u64,
    /// Where, if at one node.
    pub node: Option<NodeId>,
    /// What was seen.
    pub message: String,
}

/// The kind of law a violation breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViolationKind {
    /// An invariant of the protocol.
    Invariant,
    /// An assert fired, or a node panicked.
    Panic,
    /// The host of a node stopped with an error nobody planned.
    Host,
    /// The cluster was whole and made no progress.
    Progress,
    /// A client was answered with something that is no answer.
    Protocol,
    /// The trial would not have ended: a node did not give the processor back, time stood still, or messages multiplied.
    Hang,
    /// Stormglass itself wrote down what did not happen. Nothing is known of the cluster.
    Harness,
}
