//! The few decisions on which the safety of Zab rests.
//!
//! Each is a small pure function that says what a paper says. The phases decide nothing of this kind themselves: they ask. A
//! [mutant](super::mutants) replaces exactly one of these functions, which keeps the phases free of planted bugs.
//!
//! Papers: *Zab* (Junqueira, Reed, Serafini, DSN 2011), *Zab 1.0* (the phases as ZooKeeper has them since 3.3.3, in its wiki), *ZooKeeper's
//! atomic broadcast protocol* (Medeiros 2012) for fast leader election.

use super::habits::Habits;
use super::message::{Epoch, Vote, Zxid};
use super::{harmless, mutants};

/// One function for each decision.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`supersedes`].
    pub supersedes: fn(vote: &Vote, known: &Vote) -> bool,
    /// See [`history_ends`].
    pub history_ends: fn(last: Zxid, delivered: Zxid) -> Zxid,
    /// See [`is_quorum`].
    pub is_quorum: fn(count: usize, nodes: usize) -> bool,
    /// See [`epoch_after`].
    pub epoch_after: fn(accepted: Epoch) -> Epoch,
    /// See [`accepts_epoch`].
    pub accepts_epoch: fn(accepted: Epoch, proposed: Epoch) -> Acceptance,
    /// See [`accepted_epoch_to_persist`].
    pub accepted_epoch_to_persist: fn(accepted: Epoch, current: Epoch) -> Epoch,
    /// See [`may_claim`].
    pub may_claim: fn(claim: Claim, writes_under_way: usize) -> bool,
    /// See [`may_lead`].
    pub may_lead: fn(own: Recency, follower: Recency) -> bool,
    /// See [`way_to_synchronise`].
    pub way_to_synchronise: fn(follower: Zxid, window: Window) -> Way,
    /// See [`order_of_writes`].
    pub order_of_writes: fn() -> [Part; 3],
    /// See [`hears_proposals`].
    pub hears_proposals: fn(stage: Stage) -> bool,
    /// See [`next_zxid`].
    pub next_zxid: fn(last: Zxid, epoch: Epoch, counter_max: u64) -> Option<Zxid>,
    /// See [`is_committed`].
    pub is_committed: fn(acks: usize, nodes: usize) -> bool,
    /// What no safety rests on.
    pub habits: Habits,
}

/// What a node can claim to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// An epoch that it accepted.
    Epoch,
    /// The leader's history, and its epoch.
    History,
    /// A proposal.
    Proposal,
}

/// Whether a node takes part in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It does, from now on.
    New,
    /// It does, and said so before.
    Again,
    /// It has accepted a later one.
    Refused,
}

/// How recent a history is: the epoch it was last synchronised in, and its last transaction.
pub type Recency = (Epoch, Zxid);

/// What a leader has of its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The last transaction that it dropped.
    pub dropped: Zxid,
    /// The last that it has up to where the follower's history ends. The last dropped one when there is none.
    pub shared: Zxid,
}

/// How a follower comes to have its leader's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It lacks what comes after this transaction, and has nothing else.
    Diff {
        /// Which.
        after: Zxid,
    },
    /// It gives up what it has after this transaction, and lacks what comes after it.
    Trunc {
        /// Which.
        to: Zxid,
    },
    /// It gives up all it has.
    Snap,
}

/// A part of what a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The accepted epoch.
    AcceptedEpoch,
    /// Transactions, and what they replace.
    History,
    /// The epoch of the history.
    CurrentEpoch,
}

/// How far the conversation with a follower has come, as its leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It has turned to the leader.
    Joined,
    /// It has accepted the leader's epoch.
    Accepted,
    /// The leader's history was sent to it.
    Sent,
    /// It has that history, durably.
    Current,
}

impl Rules {
    /// The rules of the papers.
    pub const PAPER: Rules = Rules {
        supersedes,
        history_ends,
        is_quorum,
        epoch_after,
        accepts_epoch,
        accepted_epoch_to_persist,
        may_claim,
        may_lead,
        way_to_synchronise,
        order_of_writes,
        hears_proposals,
        next_zxid,
        is_committed,
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

/// Which of two votes is better: the one whose history was synchronised in the later epoch; of equals the one whose history goes further; of
/// equals the one for the node with the greater id. The order is total, so all who hear the same votes want the same leader (Medeiros 2012,
/// on fast leader election).
pub fn supersedes(vote: &Vote, known: &Vote) -> bool {
    (vote.epoch, vote.last, vote.leader) > (known.epoch, known.last, known.leader)
}

/// What a node says its history ends with: the last transaction it has accepted, delivered or not. Leaders are chosen and followers are
/// synchronised by it, and what it leaves out nobody takes away (Zab 2011, section 3.3: a history is of accepted transactions).
pub fn history_ends(last: Zxid, _delivered: Zxid) -> Zxid {
    last
}

/// A quorum is more than half of the nodes: any two have a node in common (Zab 2011, section 3.1).
pub fn is_quorum(count: usize, nodes: usize) -> bool {
    2 * count > nodes
}

/// A leader's epoch is above all that a quorum has accepted. Whoever had an earlier epoch accepted by a quorum is met in it, so the epoch
/// is new (Zab 2011, section 4.1, step l.1.1).
pub fn epoch_after(accepted: Epoch) -> Epoch {
    accepted.next()
}

/// A follower acknowledges an epoch that is above all it has accepted, once. One that is below is refused: a later leader counts on that. The
/// same one again does not count again, for it may be another's (Zab 1.0, phase 1: acceptedEpoch).
pub fn accepts_epoch(accepted: Epoch, proposed: Epoch) -> Acceptance {
    match proposed.cmp(&accepted) {
        std::cmp::Ordering::Greater => Acceptance::New,
        std::cmp::Ordering::Equal => Acceptance::Again,
        std::cmp::Ordering::Less => Acceptance::Refused,
    }
}

/// An accepted epoch outlives a crash, or its node would accept it from another leader again (Zab 1.0, phase 1: acceptedEpoch is stored
/// before ACKEPOCH is sent).
pub fn accepted_epoch_to_persist(accepted: Epoch, _current: Epoch) -> Epoch {
    accepted
}

/// What a node acknowledges is on its disk: the epoch it accepts, the history it takes over, each proposal. So an acknowledgement leaves only
/// when nothing that was written is still under way (Zab 2011, section 4.1: accepting is writing to stable storage).
pub fn may_claim(_claim: Claim, writes_under_way: usize) -> bool {
    writes_under_way == 0
}

/// Of the quorum that accepted its epoch, no follower has a more recent history than the leader: one that was committed would be missing from
/// the new epoch. Election has seen to it nearly always, and here it is made sure (Zab 1.0, phase 1: the leader waits for a quorum of ACKEPOCH
/// and gives up if one is more recent).
pub fn may_lead(own: Recency, follower: Recency) -> bool {
    follower <= own
}

/// How a follower comes to have its leader's history. Where its own ends with a transaction that the leader has, it lacks only what comes
/// after that. Where it goes on with what the leader has not, that was never committed and must go: back to the last one both have, if
/// that is of the same epoch, for then it is certain that the follower has it too; it is not when the epochs differ, and a snapshot replaces all. So
/// does a snapshot when the leader dropped what the follower lacks (Zab 1.0, phase 2: DIFF, TRUNC and SNAP).
pub fn way_to_synchronise(follower: Zxid, window: Window) -> Way {
    let Window { dropped, shared } = window;
    if follower < dropped {
        Way::Snap
    } else if follower == shared {
        Way::Diff { after: shared }
    } else if follower.epoch == shared.epoch {
        Way::Trunc { to: shared }
    } else {
        Way::Snap
    }
}

/// A crash keeps a beginning of what a step writes. The epoch of a history comes after the history: it says that all that was committed before
/// that epoch is there. And it comes after the accepted epoch, above which it must never be (Zab 1.0, phase 2: currentEpoch is stored when
/// NEWLEADER is acknowledged).
pub fn order_of_writes() -> [Part; 3] {
    [Part::AcceptedEpoch, Part::History, Part::CurrentEpoch]
}

/// From the moment in which the leader's history was sent to a follower, it is sent every proposal: what is proposed before it has
/// acknowledged that history is not in it (Zab 1.0, phase 2: the leader queues outstanding proposals for a follower it synchronises).
pub fn hears_proposals(stage: Stage) -> bool {
    stage >= Stage::Sent
}

/// Transactions of an epoch are counted from 1. When the counter is used up, the epoch is: `None`, and its leader leads no more (Zab 2011,
/// section 4.2; ZooKeeper gives the counter 32 bits and renews the epoch).
pub fn next_zxid(last: Zxid, epoch: Epoch, counter_max: u64) -> Option<Zxid> {
    let counter = match last.epoch == epoch {
        true => last.counter + 1,
        false => 1,
    };
    (counter <= counter_max).then_some(Zxid { epoch, counter })
}

/// A transaction is committed when a quorum has accepted it (Zab 2011, section 4.1, step l.3.2).
pub fn is_committed(acks: usize, nodes: usize) -> bool {
    is_quorum(acks, nodes)
}
