//! The few decisions on which Raft's safety rests.
//!
//! Each is a small pure function that says what the paper says. The roles decide nothing of this kind themselves: they ask. A
//! [mutant](super::mutants) replaces exactly one of these functions, which keeps the roles free of planted bugs.

use super::habits::Habits;
use super::members::Members;
use super::message::{Index, Position, Round, Term};
use super::{harmless, mutants};
use crate::contract::{ClientId, NodeId};
use crate::node_set::NodeSet;

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
    /// See [`heeds_candidates`].
    pub heeds_candidates: fn(trusts: bool, asked_by_leader: bool) -> bool,
    /// See [`answers_older`].
    pub answers_older: fn(pre: bool) -> bool,
    /// See [`may_count_vote`].
    pub may_count_vote: fn(vote: Term, own: Term) -> bool,
    /// See [`wins_election`].
    pub wins_election: fn(votes: NodeSet, members: &Members) -> bool,
    /// See [`tail_of_new_leader`].
    pub tail_of_new_leader: fn(commit: Index, last: Index) -> Index,
    /// See [`term_to_persist`].
    pub term_to_persist: fn(term: Term) -> Term,
    /// See [`vote_to_persist`].
    pub vote_to_persist: fn(vote: Option<NodeId>) -> Option<NodeId>,
    /// See [`may_claim`].
    pub may_claim: fn(copy: bool, writes_under_way: usize) -> bool,
    /// See [`base_conflicts`].
    pub base_conflicts: fn(here: Option<Term>, base: Term) -> bool,
    /// See [`conflict_removes`].
    pub conflict_removes: fn(entry: Index, conflict: Index, last_new: Index) -> bool,
    /// See [`may_commit`].
    pub may_commit: fn(entry: Term, leader: Term, replicas: NodeSet, members: &Members) -> bool,
    /// See [`follower_commit`].
    pub follower_commit: fn(own: Index, leader: Index, last_new: Index, last: Index) -> Index,
    /// See [`after_refusal`].
    pub after_refusal: fn(base: Index, resume: Index, matched: Index, next: Index) -> Option<Index>,
    /// See [`knows_read_index`].
    pub knows_read_index: fn(committed: Term, leader: Term) -> bool,
    /// See [`may_serve_read`].
    pub may_serve_read: fn(confirmations: NodeSet, members: &Members) -> bool,
    /// See [`round_to_answer`].
    pub round_to_answer: fn(round: Round, append: Term, own: Term) -> Round,
    /// See [`lease_ns`].
    pub lease_ns: fn(election_min_ns: u64, drift_percent: u64) -> u64,
    /// See [`lease_holds`].
    pub lease_holds: fn(since_sent_ns: u64, lease_ns: u64, handed_over: bool) -> bool,
    /// See [`members_in_force`].
    pub members_in_force: fn(newest: Members, committed: Members) -> Members,
    /// See [`may_stand`].
    pub may_stand: fn(has_vote: bool, may_have_vote: bool) -> bool,
    /// See [`may_change_members`].
    pub may_change_members: fn(committed: Term, leader: Term, change_under_way: bool) -> bool,
    /// See [`snapshot_end`].
    pub snapshot_end: fn(applied: Index, last: Index) -> Index,
    /// See [`goes_into_snapshot`].
    pub goes_into_snapshot: fn(client: ClientId) -> bool,
    /// See [`may_install`].
    pub may_install: fn(commit: Index, snapshot: Index) -> bool,
    /// See [`keeps_tail`].
    pub keeps_tail: fn(here: Option<Term>, snapshot: Term) -> bool,
    /// What no safety rests on.
    pub habits: Habits,
}

impl Rules {
    /// The rules of the paper.
    pub const PAPER: Rules = Rules {
        may_grant_vote,
        heeds_candidates,
        answers_older,
        may_count_vote,
        wins_election,
        tail_of_new_leader,
        term_to_persist,
        vote_to_persist,
        may_claim,
        base_conflicts,
        conflict_removes,
        may_commit,
        follower_commit,
        after_refusal,
        knows_read_index,
        may_serve_read,
        round_to_answer,
        lease_ns,
        lease_holds,
        members_in_force,
        may_stand,
        may_change_members,
        snapshot_end,
        goes_into_snapshot,
        may_install,
        keeps_tail,
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

/// Who heard a leader within the shortest election timeout trusts it, and neither votes nor moves to a newer term because somebody else did
/// not hear it; unless the leader itself asked that other to stand (dissertation 4.2.3). Leases rest on it (dissertation 6.4.1).
pub fn heeds_candidates(trusts: bool, asked_by_leader: bool) -> bool {
    !trusts || asked_by_leader
}

/// Who is asked in an older term answers in its own, so that the one who asks learns of it. That holds for pre-votes, too: a node in a newer
/// term with an old log can neither win nor be left behind otherwise (Raft 5.1; dissertation 9.6).
pub fn answers_older(_pre: bool) -> bool {
    true
}

/// A vote counts in the term in which it was given; one of an older term says nothing about this one (Raft 5.1, 5.2).
pub fn may_count_vote(vote: Term, own: Term) -> bool {
    vote == own
}

/// A candidate wins with the votes of a majority of the whole cluster, and of both majorities while two sets of voters share the say
/// (Raft 5.2, 6).
pub fn wins_election(votes: NodeSet, members: &Members) -> bool {
    members.agree(votes)
}

/// A new leader keeps all of its log: what is not known to be committed may be, and a leader never overwrites its own entries (Raft 5.3,
/// leader append-only).
pub fn tail_of_new_leader(_commit: Index, last: Index) -> Index {
    last
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

/// An entry of another term where a leader's base should be is not the leader's: it was never committed, and goes with all behind it. Where
/// there is no entry, because the log ends before or begins behind, nothing conflicts: what was compacted was committed, and so is
/// in every leader's log (Raft, figure 2: AppendEntries, steps 2 and 3; Raft 7).
pub fn base_conflicts(here: Option<Term>, base: Term) -> bool {
    here.is_some_and(|here| here != base)
}

/// A conflict shows that the entry there and all that follow it are not the leader's, however few come in their place: all of them go
/// (Raft, figure 2: AppendEntries, step 3).
pub fn conflict_removes(entry: Index, conflict: Index, _last_new: Index) -> bool {
    entry >= conflict
}

/// A leader commits by counting replicas only entries of its own term; older ones are committed with them (Raft 5.4.2, figure 8).
pub fn may_commit(entry: Term, leader: Term, replicas: NodeSet, members: &Members) -> bool {
    entry == leader && members.agree(replicas)
}

/// A follower knows an entry to be committed when its leader says so and the entry is known to agree with the leader's: up to the last
/// new one, and not up to its own last, for what stands between may be another leader's (Raft, figure 2: AppendEntries, step 5). It
/// never goes back.
pub fn follower_commit(own: Index, leader: Index, last_new: Index, _last: Index) -> Index {
    own.max(leader.min(last_new))
}

/// Where a leader goes on after a refusal: where the follower's hint leads it, and never to what the follower is known to hold. A refusal of a
/// base that it is known to hold, or that was not sent since, was overtaken and says nothing (Raft 5.3).
pub fn after_refusal(base: Index, resume: Index, matched: Index, next: Index) -> Option<Index> {
    let overtaken = base <= matched || base >= next;
    (!overtaken).then_some(resume.max(matched.next()))
}

/// A new leader knows how far the log is committed only when an entry of its own term is (Raft dissertation 6.4, step 1).
pub fn knows_read_index(committed: Term, leader: Term) -> bool {
    committed == leader
}

/// A read may be served when a majority, the leader among it, has answered in a round that began after the read came: then no other
/// leader had been elected by that time (Raft dissertation 6.4, step 3).
pub fn may_serve_read(confirmations: NodeSet, members: &Members) -> bool {
    members.agree(confirmations)
}

/// Rounds are counted within a leadership. The round of an append is answered in the term of that append; what a node says in a later
/// term confirms none, for its receiver may lead that term and count rounds of its own (Raft dissertation 6.4, step 3).
pub fn round_to_answer(round: Round, append: Term, own: Term) -> Round {
    if append == own { round } else { Round(0) }
}

/// How long a majority's answer to a round lets the leader answer reads alone, by its own clock. The majority trusts it for the shortest
/// election timeout, by clocks that may run fast, while its own may run slow: with a drift of d either way, that is a share of
/// (1 - d) / (1 + d) (dissertation 6.4.1).
pub fn lease_ns(election_min_ns: u64, drift_percent: u64) -> u64 {
    let slow = 100 - drift_percent.min(100);
    election_min_ns / (100 + drift_percent) * slow
}

/// A lease counts from when the round was sent, for the majority's trust may have begun right then. Who was asked to hand over has none for
/// the rest of the term: the one it asked is heeded by those who trust it, now or whenever the message arrives (dissertation 6.4.1, 3.10).
pub fn lease_holds(since_sent_ns: u64, lease_ns: u64, handed_over: bool) -> bool {
    !handed_over && since_sent_ns < lease_ns
}

/// The newest members in the log are in force from when they are appended, committed or not: whoever has them must count as the leader
/// that appended them does (Raft 6).
pub fn members_in_force(newest: Members, _committed: Members) -> Members {
    newest
}

/// Who has a vote by the newest members in its log may stand for election. So may who has one by any members before them that may be the newest
/// committed ones: it may hold the only copy of the entry that takes its vote away, with which it gives nobody else its vote. It counts no vote of
/// its own (dissertation 4.2.2).
pub fn may_stand(_has_vote: bool, may_have_vote: bool) -> bool {
    may_have_vote
}

/// The members may change when an entry of the leader's own term is committed, so that no change of an older leader can come back, and when no
/// other change is under way (dissertation 4.1; Ongaro on raft-dev, 2015).
pub fn may_change_members(committed: Term, leader: Term, change_under_way: bool) -> bool {
    committed == leader && !change_under_way
}

/// A snapshot says that it ends with the last entry that was applied to what is in it (Raft 7).
pub fn snapshot_end(applied: Index, _last: Index) -> Index {
    applied
}

/// Every client's newest answer is part of a snapshot as it is part of the state: what ran before it must not run again (dissertation 6.3).
pub fn goes_into_snapshot(_client: ClientId) -> bool {
    true
}

/// A snapshot is installed where it brings something new; an older one that arrives late must not take the machine back (Raft 7, figure 13,
/// step 5).
pub fn may_install(commit: Index, snapshot: Index) -> bool {
    snapshot > commit
}

/// The entries behind a snapshot's last entry stay if that very entry is there; an entry of another term in its place shows that they are
/// another leader's (Raft 7, figure 13, steps 6 and 7).
pub fn keeps_tail(here: Option<Term>, snapshot: Term) -> bool {
    here == Some(snapshot)
}
