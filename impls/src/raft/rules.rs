//! The few decisions on which Raft's safety rests.
//!
//! Each is a small pure function that says what the paper says. The roles decide nothing of this kind themselves: they ask. A
//! [mutant](super::mutants) replaces exactly one of these functions, which keeps the roles free of planted bugs.

use super::message::{Index, Position, Term};
use crate::contract::NodeId;

/// One function for each decision.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`may_grant_vote`].
    pub may_grant_vote:
        fn(vote: Option<NodeId>, candidate: NodeId, own: Position, candidates: Position) -> bool,
    /// See [`wins_election`].
    pub wins_election: fn(votes: usize, nodes: usize) -> bool,
    /// See [`vote_to_persist`].
    pub vote_to_persist: fn(vote: Option<NodeId>) -> Option<NodeId>,
    /// See [`may_commit`].
    pub may_commit: fn(entry: Term, leader: Term, replicas: usize, nodes: usize) -> bool,
    /// See [`follower_commit`].
    pub follower_commit: fn(own: Index, leader: Index, last_new: Index) -> Index,
    /// See [`knows_read_index`].
    pub knows_read_index: fn(committed: Term, leader: Term) -> bool,
    /// See [`may_serve_read`].
    pub may_serve_read: fn(confirmations: usize, nodes: usize) -> bool,
}

impl Rules {
    /// The rules of the paper.
    pub const PAPER: Rules = Rules {
        may_grant_vote,
        wins_election,
        vote_to_persist,
        may_commit,
        follower_commit,
        knows_read_index,
        may_serve_read,
    };
}

/// A node votes for at most one candidate a term, first come first served, and only for one whose log is at least as up to date as its
/// own: the later last term wins, and among equal terms the longer log (Raft 5.2, 5.4.1).
pub fn may_grant_vote(
    vote: Option<NodeId>,
    candidate: NodeId,
    own: Position,
    candidates: Position,
) -> bool {
    let free = vote.is_none_or(|given| given == candidate);
    free && (candidates.term, candidates.index) >= (own.term, own.index)
}

/// A candidate wins with the votes of a majority of the whole cluster (Raft 5.2).
pub fn wins_election(votes: usize, nodes: usize) -> bool {
    is_majority(votes, nodes)
}

/// The vote is stored together with its term, so that a restart does not forget it (Raft, figure 2: persistent state).
pub fn vote_to_persist(vote: Option<NodeId>) -> Option<NodeId> {
    vote
}

/// A leader commits by counting replicas only entries of its own term; older ones are committed with them (Raft 5.4.2, figure 8).
pub fn may_commit(entry: Term, leader: Term, replicas: usize, nodes: usize) -> bool {
    entry == leader && is_majority(replicas, nodes)
}

/// A follower knows an entry to be committed when its leader says so and the entry is known to agree with the leader's (Raft, figure 2:
/// AppendEntries, step 5). It never goes back.
pub fn follower_commit(own: Index, leader: Index, last_new: Index) -> Index {
    own.max(leader.min(last_new))
}

/// A new leader knows how far the log is committed only when an entry of its own term is (Raft dissertation 6.4, step 1).
pub fn knows_read_index(committed: Term, leader: Term) -> bool {
    committed == leader
}

/// A read may be served when a majority, the leader among it, has answered in a round that began after the read came: then no other
/// leader had been elected by that time (Raft dissertation 6.4, step 3).
pub fn may_serve_read(confirmations: usize, nodes: usize) -> bool {
    is_majority(confirmations, nodes)
}

fn is_majority(count: usize, nodes: usize) -> bool {
    count > nodes / 2
}
