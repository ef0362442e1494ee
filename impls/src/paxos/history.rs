//! What the [invariants](super::invariants) have to remember: who proposed and accepted what, ever. No node knows all of it, and nothing
//! of it ever becomes untrue.

use super::log::Snapshot;
use super::message::{Accepted, Ballot, Era, Slot, Value};
use crate::contract::NodeId;
use crate::node_set::NodeSet;
use crate::snapshot::Image;
use std::collections::{BTreeMap, VecDeque};

/// How many snapshots are remembered, the newest ones.
const SNAPSHOTS_MAX: usize = 16;

/// One life of a node, from a boot to a crash.
pub(super) type Life = (NodeId, u64);

/// The history of one cluster.
#[derive(Clone, Debug, Hash)]
pub(super) struct History<C> {
    /// Whose each ballot is: who first used it, and in which life.
    ballots: BTreeMap<Ballot, Life>,
    /// What happened in each slot, that of slot 1 first.
    slots: Vec<Decision<C>>,
    /// The eras whose seals are chosen, and the first.
    eras: Vec<Era>,
    /// The newest snapshots by their last slots.
    snapshots: BTreeMap<Slot, Image>,
    /// The last slot of any snapshot. What is before it may have been dropped before anybody looked.
    pub(super) settled: Slot,
}

/// What happened in a slot.
#[derive(Clone, Debug, Hash)]
pub(super) struct Decision<C> {
    /// What was proposed there, lower ballots first.
    ballots: Vec<Proposed<C>>,
    /// What a quorum of the acceptors of its era was first seen to have accepted durably, and in which ballot.
    pub(super) decided: Option<(Ballot, Value<C>)>,
    /// What was first seen to be learned.
    pub(super) learned: Option<Value<C>>,
}

/// What was proposed in a slot in one ballot.
#[derive(Clone, Debug, Hash)]
struct Proposed<C> {
    ballot: Ballot,
    value: Value<C>,
    /// The number of the era in which its proposer was.
    era: u64,
    /// Who accepted it durably.
    acceptors: NodeSet,
}

/// What was seen of one node.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Seen {
    /// How often it booted.
    pub(super) life: u64,
    pub(super) promised: Ballot,
    /// The highest ballot that the node said it promised, or of which the promise is durable: no restart takes it below that.
    pub(super) bound: Ballot,
    pub(super) chosen: Slot,
    /// What each batch under way makes durable, oldest first.
    pub(super) under_way: VecDeque<UnderWay>,
}

/// What a batch of writes makes durable.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct UnderWay {
    pub(super) promise: Ballot,
    pub(super) accepted: Vec<(Slot, Ballot)>,
}

impl<C> Default for History<C> {
    fn default() -> Self {
        Self {
            ballots: BTreeMap::new(),
            slots: Vec::new(),
            eras: Vec::new(),
            snapshots: BTreeMap::new(),
            settled: Slot(0),
        }
    }
}

impl<C: Clone + Eq> History<C> {
    /// Whose a ballot is: this life's, unless another used it before.
    pub(super) fn owner(&mut self, ballot: Ballot, user: Life) -> Life {
        *self.ballots.entry(ballot).or_insert(user)
    }

    /// Whether a ballot is a node's, in whichever life.
    pub(super) fn owns(&self, node: NodeId, ballot: Ballot) -> bool {
        let owner = self.ballots.get(&ballot);
        owner.is_some_and(|(owner, _)| *owner == node)
    }

    /// What happened in a slot.
    pub(super) fn slot(&mut self, slot: Slot) -> &mut Decision<C> {
        let length = slot.0 as usize;
        if self.slots.len() < length {
            let blank = || Decision {
                ballots: Vec::new(),
                decided: None,
                learned: None,
            };
            self.slots.resize_with(length, blank);
        }
        &mut self.slots[length - 1]
    }

    /// A node is in this era: the first to come there has seen the seal before it chosen.
    pub(super) fn enter(&mut self, era: Era) {
        if era.number == self.eras.len() as u64 {
            self.eras.push(era);
        }
    }

    /// Who decides a slot.
    pub(super) fn era_of(&self, slot: Slot) -> Option<Era> {
        self.eras.iter().rfind(|era| era.after < slot).copied()
    }

    /// An acceptance is durable. `needed`: how many of so many acceptors make a value chosen.
    pub(super) fn accept(
        &mut self,
        (slot, ballot): (Slot, Ballot),
        acceptor: NodeId,
        needed: impl Fn(NodeSet) -> usize,
    ) {
        let decision = &mut self.slots[slot.0 as usize - 1];
        let mut ballots = decision.ballots.iter_mut();
        let Some(known) = ballots.rfind(|known| known.ballot == ballot) else {
            return;
        };
        known.acceptors.insert(acceptor);
        let era = self.eras.iter().find(|era| era.number == known.era);
        if let (Some(era), None) = (era, &decision.decided)
            && known.acceptors.intersection(era.acceptors).len() >= needed(era.acceptors)
        {
            decision.decided = Some((ballot, known.value.clone()));
        }
    }

    /// Another snapshot up to the same slot that is not this one.
    pub(super) fn differs(&mut self, snapshot: &Snapshot) -> bool {
        self.settled = self.settled.max(snapshot.slot);
        let known = self.snapshots.entry(snapshot.slot);
        let differs = *known.or_insert_with(|| snapshot.image.clone()) != snapshot.image;
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_first();
        }
        differs
    }
}

impl<C: Clone + Eq> Decision<C> {
    /// The value of a ballot. What is seen first stays.
    pub(super) fn value(&self, ballot: Ballot) -> Option<&Value<C>> {
        let of_ballot = self.ballots.iter().rfind(|known| known.ballot == ballot);
        of_ballot.map(|known| &known.value)
    }

    /// Something was proposed.
    pub(super) fn propose(&mut self, entry: &Accepted<C>, era: u64) {
        if self.value(entry.ballot).is_none() {
            let lower = |known: &Proposed<C>| known.ballot < entry.ballot;
            let proposed = Proposed {
                ballot: entry.ballot,
                value: entry.value.clone(),
                era,
                acceptors: NodeSet::EMPTY,
            };
            let at = self.ballots.partition_point(lower);
            self.ballots.insert(at, proposed);
        }
    }

    /// How many acceptors of an era have durably accepted a value in one of its ballots: the most in any.
    pub(super) fn acceptances(&self, value: &Value<C>, era: Era) -> usize {
        let of_value = |known: &&Proposed<C>| known.era == era.number && known.value == *value;
        let of_value = self.ballots.iter().filter(of_value);
        let counts = of_value.map(|known| known.acceptors.intersection(era.acceptors).len());
        counts.max().unwrap_or(0)
    }
}
