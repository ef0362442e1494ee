//! The few decisions on which Raft's safety rests.
//!
//! Each is a small pure function that says what the paper says. The roles decide nothing of this kind themselves: they ask. A
//! [mutant](super::mutants) replaces exactly one of these functions, which keeps the roles free of planted bugs.

use super::habits::Habits;
use super::message::{Index, Position, Round, Term};
use super::{harmless, mutants};
use crate::contract::NodeId;

/// One function for each decision.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`may_grant_vote`].
    pub may_grant_vote: fn(
        leads: bool,
        vote: Option<NodeId>,
        candidate: NodeId,
        own: Position,
        candidates: Position,
    ) -> bool,
    /// See [`may_count_vote`].
    pub may_count_vote: fn(vote: Term, own: Term) -> bool,
    /// See [`wins_election`].
    pub wins_election: fn(votes: usize, nodes: usize) -> bool,
    /// See [`term_to_persist`].
    pub term_to_persist: fn(term: Term) -> Term,
    /// See [`vote_to_persist`].
    pub vote_to_persist: fn(vote: Option<NodeId>) -> Option<NodeId>,
    /// See [`may_claim`].
    pub may_claim: fn(copy: bool, writes_under_way: usize) -> bool,
    /// See [`conflict_removes`].
    pub conflict_removes: fn(entry: Index, conflict: Index, last_new: Index) -> bool,
    /// See [`may_commit`].
    pub may_commit: fn(entry: Term, leader: Term, replicas: usize, nodes: usize) -> bool,
    /// See [`follower_commit`].
    pub follower_commit: fn(own: Index, leader: Index, last_new: Index, last: Index) -> Index,
    /// See [`knows_read_index`].
    pub knows_read_index: fn(committed: Term, leader: Term) -> bool,
    /// See [`may_serve_read`].
    pub may_serve_read: fn(confirmations: usize, nodes: usize) -> bool,
    /// See [`round_to_answer`].
    pub round_to_answer: fn(round: Round, append: Term, own: Term) -> Round,
    /// What no safety rests on.
    pub habits: Habits,
}

impl Rules {
    /// The rules of the paper.
    pub const PAPER: Rules = Rules {
        may_grant_vote,
        may_count_vote,
        wins_election,
        term_to_persist,
        vote_to_persist,
        may_claim,
        conflict_removes,
        may_commit,
        follower_commit,
        knows_read_index,
        may_serve_read,
        round_to_answer,
        habits: Habits::USUAL,
    };

    /// The rules with a change planted, a mutant or a harmless one; those of the paper without one. `None` when there is no such change.
    pub fn planted(change: Option<&str>) -> Option<Rules> {
        match change {
            None => Some(Rules::PAPER),
            Some(id) => mutants::rules(id).or_else(|| harmless::rules(id)),
        }
    }
}

/// A node votes for at most one candidate a term, first come first served, and only for one whose log is at least as up to date as its
/// own: the later last term wins, and among equal terms the longer log (Raft 5.2, 5.4.1). A leader has voted: for itself.
pub fn may_grant_vote(
    leads: bool,
    vote: Option<NodeId>,
    candidate: NodeId,
    own: Position,
    candidates: Position,
) -> bool {
    !leads && is_free(vote, candidate) && is_up_to_date(candidates, own)
}

/// Whether a node has not voted yet, or for this very candidate (Raft 5.2).
pub fn is_free(vote: Option<NodeId>, candidate: NodeId) -> bool {
    vote.is_none_or(|given| given == candidate)
}

/// Whether a log that ends at `candidates` is at least as up to date as one that ends at `own` (Raft 5.4.1).
pub fn is_up_to_date(candidates: Position, own: Position) -> bool {
    (candidates.term, candidates.index) >= (own.term, own.index)
}

/// A vote counts in the term in which it was given; one of an older term says nothing about this one (Raft 5.1, 5.2).
pub fn may_count_vote(vote: Term, own: Term) -> bool {
    vote == own
}

/// A candidate wins with the votes of a majority of the whole cluster (Raft 5.2).
pub fn wins_election(votes: usize, nodes: usize) -> bool {
    is_majority(votes, nodes)
}

/// The term is stored, so that a restart does not take the node back to one it has left (Raft, figure 2: persistent state).
pub fn term_to_persist(term: Term) -> Term {
    term
}

/// The vote is stored together with its term, so that a restart does not forget it (Raft, figure 2: persistent state).
pub fn vote_to_persist(vote: Option<NodeId>) -> Option<NodeId> {
    vote
}

/// What a node claims to hold durably, be it a copy of entries or a term and a vote, may be said and counted only when nothing it wrote
/// is still under way (Raft, figure 2: updated on stable storage before responding).
pub fn may_claim(_copy: bool, writes_under_way: usize) -> bool {
    writes_under_way == 0
}

/// A conflict shows that the entry there and all that follow it are not the leader's, however few come in their place: all of them go
/// (Raft, figure 2: AppendEntries, step 3).
pub fn conflict_removes(entry: Index, conflict: Index, _last_new: Index) -> bool {
    entry >= conflict
}

/// A leader commits by counting replicas only entries of its own term; older ones are committed with them (Raft 5.4.2, figure 8).
pub fn may_commit(entry: Term, leader: Term, replicas: usize, nodes: usize) -> bool {
    entry == leader && is_majority(replicas, nodes)
}

/// A follower knows an entry to be committed when its leader says so and the entry is known to agree with the leader's: up to the last
/// new one, and not up to its own last, for what stands between may be another leader's (Raft, figure 2: AppendEntries, step 5). It
/// never goes back.
pub fn follower_commit(own: Index, leader: Index, last_new: Index, _last: Index) -> Index {
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

/// Rounds are counted within a leadership. The round of an append is answered in the term of that append; what a node says in a later
/// term confirms none, for its receiver may lead that term and count rounds of its own (Raft dissertation 6.4, step 3).
pub fn round_to_answer(round: Round, append: Term, own: Term) -> Round {
    if append == own { round } else { Round(0) }
}

/// More than half of the cluster.
pub fn is_majority(count: usize, nodes: usize) -> bool {
    count > nodes / 2
}
