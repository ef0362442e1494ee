//! What a node does in one way and might as well do in another: Paxos leaves it open, and nothing but speed rests on it.
//!
//! These are kept apart from the [rules](super::rules) so that a [harmless change](super::harmless) can be planted as a mutant is.

use crate::contract::{DelayRange, NodeId};

/// How a node behaves where Paxos does not care.
#[derive(Clone, Copy)]
pub struct Habits {
    /// How often a leader lets itself be heard in one heartbeat interval. At least once.
    pub heartbeats_per_interval: u64,
    /// How often each message is sent. At least once.
    pub copies_per_message: usize,
    /// How many no-ops a new leader proposes. None is needed: what earlier ballots left is proposed again.
    pub noops_per_leadership: usize,
    /// See [`node_at`].
    pub node_at: fn(place: u8, nodes: u8) -> NodeId,
    /// See [`puts_into_log`].
    pub puts_into_log: fn(known: bool) -> bool,
    /// See [`backoff`].
    pub backoff: fn(timeout: DelayRange, defeats: u32) -> DelayRange,
}

impl Habits {
    /// The habits of this Paxos.
    pub const USUAL: Habits = Habits {
        heartbeats_per_interval: 1,
        copies_per_message: 1,
        noops_per_leadership: 0,
        node_at,
        puts_into_log,
        backoff,
    };
}

/// In which order a node turns to the nodes of its cluster: at place 1 to the first, and so on.
pub fn node_at(place: u8, _nodes: u8) -> NodeId {
    NodeId(place)
}

/// Whether a command that came from a client is proposed. One that is known, applied or open in a slot, need not be proposed again; if it were,
/// the session table would still see that it runs once.
pub fn puts_into_log(known: bool) -> bool {
    !known
}

/// How long a proposer waits after so many defeats in a row. Two that wait equally long can go on for ever, each preparing a
/// higher ballot before the other's proposals are accepted (Paxos Made Simple, 2.4): the range grows until one has the time it needs.
pub fn backoff(timeout: DelayRange, defeats: u32) -> DelayRange {
    let width_ns = (timeout.max_ns - timeout.min_ns).max(timeout.min_ns / 2);
    let grown_ns = width_ns << defeats.min(DEFEATS_COUNTED_MAX);
    DelayRange {
        min_ns: timeout.min_ns,
        max_ns: if defeats == 0 {
            timeout.max_ns
        } else {
            timeout.min_ns + grown_ns
        },
    }
}

/// Defeats beyond this many make nobody wait longer: a cluster that has healed should not be waited for.
const DEFEATS_COUNTED_MAX: u32 = 3;
