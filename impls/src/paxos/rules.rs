//! The few decisions on which the safety of Paxos rests.
//!
//! Each is a small pure function that says what a paper says. The roles decide nothing of this kind themselves: they ask. A
//! [mutant](super::mutants) replaces exactly one of these functions, which keeps the roles free of planted bugs.
//!
//! Papers: *Paxos Made Simple* (Lamport 2001), *Paxos Made Live* (Chandra, Griesemer, Redstone 2007), *Stoppable Paxos* (Lamport, Malkhi,
//! Zhou 2008), *Flexible Paxos* (Howard, Malkhi, Spiegelman 2016), *Linearizable Quorum Reads in Paxos* (Charapko, Ailijiang, Demirbas 2019).

use super::habits::Habits;
use super::message::{Ballot, Slot};
use super::{harmless, mutants};
use crate::contract::NodeId;

/// One function for each decision.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`ballot_after`].
    pub ballot_after: fn(highest_seen: Ballot, own: NodeId) -> Ballot,
    /// See [`promise_to_persist`].
    pub promise_to_persist: fn(promised: Ballot) -> Ballot,
    /// See [`may_claim`].
    pub may_claim: fn(claim: Claim, writes_under_way: usize) -> bool,
    /// See [`may_promise`].
    pub may_promise: fn(promised: Ballot, prepare: Ballot) -> bool,
    /// See [`must_report`].
    pub must_report: fn(accepted: Ballot, prepare: Ballot) -> bool,
    /// See [`is_prepared`].
    pub is_prepared: fn(promises: usize, quorum_1: usize) -> bool,
    /// See [`adopts`].
    pub adopts: fn(reported: &[Ballot]) -> Option<usize>,
    /// See [`seal_stands`].
    pub seal_stands: fn(seal: Ballot, later: Ballot) -> bool,
    /// See [`may_accept`].
    pub may_accept: fn(promised: Ballot, accept: Ballot) -> bool,
    /// See [`promised_by_accepting`].
    pub promised_by_accepting: fn(promised: Ballot, accept: Ballot) -> Ballot,
    /// See [`is_chosen`].
    pub is_chosen: fn(acceptances: usize, quorum_2: usize) -> bool,
    /// See [`may_learn`].
    pub may_learn: fn(accepted: Ballot, leader: Ballot) -> bool,
    /// See [`applies_next`].
    pub applies_next: fn(applied: Slot, slot: Slot) -> bool,
    /// See [`snapshot_covers`].
    pub snapshot_covers: fn(applied: Slot) -> Slot,
    /// See [`may_serve_read`].
    pub may_serve_read: fn(highest: Slot, applied: Slot) -> bool,
    /// See [`may_take_part`].
    pub may_take_part: fn(applied: Slot, era_after: Slot) -> bool,
    /// What no safety rests on.
    pub habits: Habits,
}

/// What a node can claim to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A ballot of its own: it will not be used again.
    Ballot,
    /// A promise.
    Promise,
    /// An acceptance.
    Acceptance,
}

impl Rules {
    /// The rules of the papers.
    pub const PAPER: Rules = Rules {
        ballot_after,
        promise_to_persist,
        may_claim,
        may_promise,
        must_report,
        is_prepared,
        adopts,
        seal_stands,
        may_accept,
        promised_by_accepting,
        is_chosen,
        may_learn,
        applies_next,
        snapshot_covers,
        may_serve_read,
        may_take_part,
        habits: Habits::USUAL,
    };

    /// The rules with a change planted, a mutant or a harmless one; those of the papers without one. `None` when there is no such change.
    pub fn planted(change: Option<&str>) -> Option<Rules> {
        match change {
            None => Some(Rules::PAPER),
            Some(id) => mutants::rules(id).or_else(|| harmless::rules(id)),
        }
    }
}

/// A proposer takes a ballot above all it has seen, and no other node ever takes the same: different proposers choose their numbers from
/// disjoint sets (Paxos Made Simple, 2.5). Its own promise is among what it has seen, so a restart does not bring it back to a ballot it used.
pub fn ballot_after(highest_seen: Ballot, own: NodeId) -> Ballot {
    Ballot {
        number: highest_seen.number + 1,
        node: own,
    }
}

/// A promise outlives a crash: an acceptor remembers the highest numbered prepare request to which it has responded (Paxos Made Simple, 2.5;
/// Paxos Made Live, 5.1, on what a disk that forgets does to it).
pub fn promise_to_persist(promised: Ballot) -> Ballot {
    promised
}

/// Stable storage, preserved during failures, holds what an acceptor must remember: it records its response before it sends it. And
/// each proposer remembers the highest number it has tried to use, and begins phase 1 with a higher one (Paxos Made Simple, 2.5). So a
/// prepare, a promise and an acceptance leave only when nothing that was written is still under way.
pub fn may_claim(_claim: Claim, writes_under_way: usize) -> bool {
    writes_under_way == 0
}

/// An acceptor responds to a prepare whose number is greater than that of any to which it has responded (Paxos Made Simple, 2.2, phase 1b).
/// The same prepare may be answered again: as ballots are unique, it is the same proposer that did not hear the first answer.
pub fn may_promise(promised: Ballot, prepare: Ballot) -> bool {
    prepare >= promised
}

/// A promise reports the proposal that the acceptor accepted in a slot, however long ago (Paxos Made Simple, 2.2, phase 1b). Only a slot
/// that is known to be chosen needs no report.
pub fn must_report(_accepted: Ballot, _prepare: Ballot) -> bool {
    true
}

/// Phase 1 is complete with the promises of a phase 1 quorum. All that is asked of the two kinds of quorum is that any of one meets any of the
/// other (Flexible Paxos 2016).
pub fn is_prepared(promises: usize, quorum_1: usize) -> bool {
    promises >= quorum_1
}

/// Which of the reported proposals of a slot is proposed again: the highest numbered. Where none was reported the proposer is free (Paxos
/// Made Simple, 2.2, P2c and phase 2a); what it proposes in a gap is a no-op (section 3).
pub fn adopts(reported: &[Ballot]) -> Option<usize> {
    let highest = reported
        .iter()
        .enumerate()
        .max_by_key(|(_, ballot)| **ballot);
    highest.map(|(at, _)| at)
}

/// Whether a reported seal still ends the log, where `later` is the highest ballot reported for any slot behind it (Stoppable Paxos 2008).
///
/// A leader proposes nothing behind its own seal. So what stands behind a seal in a *lower* ballot came from a leader that did not know
/// of the seal, and cannot have been chosen: the seal's leader would have seen it, and proposed its own seal further on. It is dropped.
///
/// What stands behind it in a *higher* ballot came from a leader that finished its phase 1 after the seal was proposed. Had the seal been
/// chosen, that leader would have seen it and proposed nothing behind it. So the seal was not chosen, nor will it be, as every later leader sees
/// either this or a value in its place; but what stands behind it may have been chosen, and must not be dropped. The seal is void, and a no-op
/// takes its place. To keep both would let two eras decide one slot; to keep the seal alone would undo a decision. Learners learn in order here, so
/// none can have learned of it yet; but that what a quorum accepted stays is the law on which every other argument rests, and it has no exception.
pub fn seal_stands(seal: Ballot, later: Ballot) -> bool {
    later <= seal
}

/// An acceptor accepts a proposal unless it has responded to a prepare with a greater number: the number that it promised itself is good
/// (Paxos Made Simple, 2.2, P1a and phase 2b).
pub fn may_accept(promised: Ballot, accept: Ballot) -> bool {
    accept >= promised
}

/// To accept is to promise: an acceptor that accepted in a ballot takes part in none below, although it may never have seen that
/// ballot's prepare (Paxos Made Simple, 2.2: without it, P2b does not follow from P2c).
pub fn promised_by_accepting(promised: Ballot, accept: Ballot) -> Ballot {
    promised.max(accept)
}

/// A value is chosen when a phase 2 quorum has accepted it in one ballot (Paxos Made Simple, 2.2; Flexible Paxos 2016).
pub fn is_chosen(acceptances: usize, quorum_2: usize) -> bool {
    acceptances >= quorum_2
}

/// A learner that hears from the leader of a ballot that a slot is chosen knows what was chosen there if it accepted a proposal in that
/// slot in that very ballot: a ballot has one proposal a slot, and a leader that proposed in a slot knows it to be chosen only by counting that
/// ballot's acceptances. What the learner accepted in another ballot may be another value (Paxos Made Simple, 2.3).
pub fn may_learn(accepted: Ballot, leader: Ballot) -> bool {
    accepted == leader
}

/// Commands are executed in the order of their slots, and none before all that come earlier are known (Paxos Made Simple, section 3).
pub fn applies_next(applied: Slot, slot: Slot) -> bool {
    slot == applied.next()
}

/// A snapshot is of the state after the last slot applied, and says so: whoever installs it goes on with the next (Paxos Made Live, 5.5: a
/// snapshot and its log must be consistent).
pub fn snapshot_covers(applied: Slot) -> Slot {
    applied
}

/// A phase 1 quorum was asked, after the read came, for the highest slot in which each has accepted anything. What was chosen before the
/// read is among that, as the quorum meets every phase 2 quorum. What of it is still open is completed first: somebody may have seen it chosen
/// already (Linearizable Quorum Reads 2019).
pub fn may_serve_read(highest: Slot, applied: Slot) -> bool {
    applied >= highest
}

/// A node takes part in an era only with the state that the era begins with: it has applied every slot up to the seal. Else it would take for
/// undecided what the acceptors before it decided (Stoppable Paxos 2008: the next state machine begins with the final state of the one before).
pub fn may_take_part(applied: Slot, era_after: Slot) -> bool {
    applied >= era_after
}
