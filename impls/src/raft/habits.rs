//! What a node does in one way and might as well do in another: Raft leaves it open, and nothing but speed rests on it.
//!
//! These are kept apart from the [rules](super::rules) so that a [harmless change](super::harmless) can be planted as a mutant is.

use super::message::Index;
use crate::contract::NodeId;

/// How a node behaves where Raft does not care.
#[derive(Clone, Copy)]
pub struct Habits {
    /// How often a leader lets itself be heard in one heartbeat interval. At least once.
    pub heartbeats_per_interval: u64,
    /// How often each message is sent. At least once.
    pub copies_per_message: usize,
    /// How many no-ops a new leader appends. At least one: it commits what earlier terms left.
    pub noops_per_election: usize,
    /// See [`node_at`].
    pub node_at: fn(place: u8, nodes: u8) -> NodeId,
    /// See [`puts_into_log`].
    pub puts_into_log: fn(known: bool) -> bool,
    /// See [`resume_at`].
    pub resume_at: fn(refused: Index, hinted: Index) -> Index,
}

impl Habits {
    /// The habits of this Raft.
    pub const USUAL: Habits = Habits {
        heartbeats_per_interval: 1,
        copies_per_message: 1,
        noops_per_election: 1,
        node_at,
        puts_into_log,
        resume_at,
    };
}

/// In which order a node turns to the nodes of its cluster: at place 1 to the first, and so on.
pub fn node_at(place: u8, _nodes: u8) -> NodeId {
    NodeId(place)
}

/// Whether a command that came from a client goes into the log. One that is known, applied or on its way, need not go there again; if
/// it did, the session table would still see that it runs once (Raft dissertation 6.3).
pub fn puts_into_log(known: bool) -> bool {
    !known
}

/// Where a leader goes on when a base was refused: where the follower's hint takes it, which skips whole terms (Raft 5.3). Never behind
/// the refused base, which would be refused again.
pub fn resume_at(refused: Index, hinted: Index) -> Index {
    hinted.min(refused)
}
