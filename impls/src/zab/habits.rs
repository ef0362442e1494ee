//! What a node does in one way and might as well do in another: Zab leaves it open, and nothing but speed rests on it.
//!
//! These are kept apart from the [rules](super::rules) so that a [harmless change](super::harmless) can be planted as a mutant is.

use crate::contract::NodeId;

/// How a node behaves where Zab does not care.
#[derive(Clone, Copy)]
pub struct Habits {
    /// How often a leader lets itself be heard in one heartbeat interval, and who looks says again whom it wants. At least once.
    pub heartbeats_per_interval: u64,
    /// How many no-ops a new leader proposes. None is needed.
    pub noops_per_leadership: usize,
    /// Whether a node waits for a better vote when a quorum wants the same leader as it does.
    pub waits_to_settle: bool,
    /// Whether a leader prefers a snapshot where less would do.
    pub prefers_snapshots: bool,
    /// See [`node_at`].
    pub node_at: fn(place: u8, nodes: u8) -> NodeId,
    /// See [`puts_into_log`].
    pub puts_into_log: fn(known: bool) -> bool,
}

impl Habits {
    /// The habits of this Zab.
    pub const USUAL: Habits = Habits {
        heartbeats_per_interval: 1,
        noops_per_leadership: 0,
        waits_to_settle: true,
        prefers_snapshots: false,
        node_at,
        puts_into_log,
    };
}

/// In which order a node turns to the nodes of its cluster: at place 1 to the first, and so on.
pub fn node_at(place: u8, _nodes: u8) -> NodeId {
    NodeId(place)
}

/// Whether a command that came from a client is proposed. One that is known, applied or open, need not be proposed again; if it were, the
/// session table would still see that it runs once.
pub fn puts_into_log(known: bool) -> bool {
    !known
}
