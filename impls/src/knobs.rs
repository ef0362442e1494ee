//! What can be set about a protocol, by a trial or by who runs a cluster.

use crate::contract::DelayRange;
use serde::{Deserialize, Serialize};

/// The protocol knobs a trial may turn. Some bugs live only at one setting of them. What a protocol has no use for it leaves alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// How long a node waits to hear from a leader before it stands for election.
    pub election_timeout: DelayRange,
    /// How often a leader lets itself be heard, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// The most log entries in one message.
    pub entries_per_append_max: usize,
    /// The most bytes of log entries in one message, but always one entry.
    pub append_bytes_max: u64,
    /// How many messages with entries may be on their way to one follower.
    pub appends_in_flight_max: usize,
    /// How many bytes of entries may be on their way to one follower, but always one message.
    pub bytes_in_flight_max: u64,
    /// How many entries may wait to be committed. A leader with more refuses commands.
    pub uncommitted_max: usize,
    /// How many bytes of entries may wait to be committed.
    pub uncommitted_bytes_max: u64,
    /// Whether a node asks if it could win an election before it begins a term.
    pub pre_vote: bool,
    /// Whether a leader steps down when a majority falls silent, and a node that hears a leader votes for nobody else.
    pub check_quorum: bool,
    /// How a read is made linearizable.
    pub reads: Reads,
    /// How much faster or slower than true time a clock may run, in percent: leases are shorter by it.
    pub clock_drift_percent_max: u64,
    /// How many entries are applied from one snapshot to the next; 0: never one.
    pub snapshot_every: u64,
    /// How many entries before a snapshot are kept for those who are a little behind.
    pub entries_kept: u64,
    /// The most bytes of a snapshot in one message.
    pub snapshot_chunk_bytes: usize,
    /// How long a client's session lives without a command, in milliseconds of replicated time; 0: for ever.
    pub session_ms: u64,
    /// How many nodes the two phases of Paxos need; a majority each when absent. Any two that are more than all nodes together.
    pub quorums: Option<(u8, u8)>,
}

/// How a read is made linearizable.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// A majority answers for each read, or for a batch of them.
    #[default]
    Quorum,
    /// The leader answers alone while a majority has promised it some time.
    Lease,
    /// The read goes through the log as a command does.
    Log,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            election_timeout: DelayRange::from_ms(150, 300),
            heartbeat_interval_ms: 50,
            entries_per_append_max: 64,
            append_bytes_max: 1 << 20,
            appends_in_flight_max: 256,
            bytes_in_flight_max: 4 << 20,
            uncommitted_max: 8_192,
            uncommitted_bytes_max: 16 << 20,
            pre_vote: false,
            check_quorum: false,
            reads: Reads::Quorum,
            clock_drift_percent_max: 50,
            snapshot_every: 0,
            entries_kept: 64,
            snapshot_chunk_bytes: 64 << 10,
            session_ms: 0,
            quorums: None,
        }
    }
}

impl Knobs {
    /// The settings of a cluster that serves: everything that keeps it steady and small is on.
    pub fn serving() -> Self {
        Self {
            election_timeout: DelayRange::from_ms(500, 1_000),
            heartbeat_interval_ms: 100,
            entries_per_append_max: 1_024,
            pre_vote: true,
            check_quorum: true,
            snapshot_every: 20_000,
            entries_kept: 5_000,
            session_ms: 3_600_000,
            ..Self::default()
        }
    }
}
