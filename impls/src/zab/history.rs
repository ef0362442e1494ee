//! What the [invariants](super::invariants) have to remember: who led, what was broadcast and delivered, ever. No node knows all of it,
//! and nothing of it ever becomes untrue.

use super::log::Snapshot;
use super::message::{Epoch, Place, Txn, Value, Zxid};
use crate::contract::NodeId;
use crate::snapshot::Image;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

/// How many snapshots are remembered, the newest ones.
const SNAPSHOTS_MAX: usize = 16;

/// The history of one cluster.
#[derive(Clone, Debug, Hash)]
pub(super) struct History<C> {
    /// Who first led in each epoch.
    leaders: BTreeMap<Epoch, NodeId>,
    /// What primaries broadcast, each in its own epoch.
    broadcast: BTreeMap<Zxid, Value<C>>,
    /// How much each primary had delivered when it began to broadcast.
    began: BTreeMap<Epoch, Place>,
    /// What was first delivered in each place.
    delivered: BTreeMap<Place, Txn<C>>,
    /// And where.
    places: BTreeMap<Zxid, Place>,
    /// The newest snapshots by the places of their last transactions.
    snapshots: BTreeMap<Place, Image>,
}

/// What was seen of one node.
#[derive(Clone, Debug, Hash)]
pub(super) struct Seen<C> {
    /// The epoch it leads in.
    pub(super) leads_in: Option<Epoch>,
    /// How much it has delivered since it booted, and the last of it.
    pub(super) delivered: Place,
    pub(super) last: Zxid,
    /// What it has accepted and not delivered. What a step delivers it may drop in the same step.
    pub(super) open: VecDeque<Txn<C>>,
}

impl<C> Default for Seen<C> {
    fn default() -> Self {
        Self {
            leads_in: None,
            delivered: Place(0),
            last: Zxid::NONE,
            open: VecDeque::new(),
        }
    }
}

impl<C> Default for History<C> {
    fn default() -> Self {
        Self {
            leaders: BTreeMap::new(),
            broadcast: BTreeMap::new(),
            began: BTreeMap::new(),
            delivered: BTreeMap::new(),
            places: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        }
    }
}

impl<C: Clone + Eq> History<C> {
    /// A node leads in an epoch. Gives who did before, if anybody.
    pub(super) fn led(&mut self, epoch: Epoch, node: NodeId) -> Option<NodeId> {
        let before = self.leaders.get(&epoch).copied();
        self.leaders.entry(epoch).or_insert(node);
        before
    }

    /// A primary broadcasts in its epoch, and has delivered so much. Gives whether it is the first that it broadcasts.
    pub(super) fn broadcasts(&mut self, txn: &Txn<C>, delivered: Place) -> bool {
        let known = self.broadcast.entry(txn.zxid);
        known.or_insert_with(|| txn.value.clone());
        let first = !self.began.contains_key(&txn.zxid.epoch);
        self.began.entry(txn.zxid.epoch).or_insert(delivered);
        first
    }

    /// Whether the primary of its epoch broadcast it.
    pub(super) fn was_broadcast(&self, txn: &Txn<C>) -> bool {
        self.broadcast.get(&txn.zxid) == Some(&txn.value)
    }

    /// What a primary broadcast between two transactions of its epoch, if anything: the first.
    pub(super) fn skipped(&self, last: Zxid, next: Zxid) -> Option<Zxid> {
        let begin = Zxid {
            epoch: next.epoch,
            counter: 0,
        };
        let between = (Excluded(last.max(begin)), Excluded(next));
        let mut skipped = (last < next).then(|| self.broadcast.range(between));
        skipped.as_mut()?.next().map(|(zxid, _)| *zxid)
    }

    /// The last place in which anything of an epoch before this one was delivered.
    pub(super) fn delivered_before(&self, epoch: Epoch) -> Place {
        let before = self.delivered.iter().rev();
        let mut before = before.filter(|(_, txn)| txn.zxid.epoch < epoch);
        before.next().map_or(Place(0), |(place, _)| *place)
    }

    /// The first primary of a later epoch that began to broadcast without having delivered what is in this place.
    pub(super) fn began_without(&self, txn: &Txn<C>, place: Place) -> Option<Epoch> {
        let later = self.began.range((Excluded(txn.zxid.epoch), Unbounded));
        let delivered = self.delivered.get(&place);
        let is_other = delivered.is_some_and(|known| known.zxid != txn.zxid);
        let mut without = later.filter(|(_, had)| place > **had || is_other);
        without.next().map(|(epoch, _)| *epoch)
    }

    /// What was first delivered in a place.
    pub(super) fn in_place(&self, place: Place) -> Option<&Txn<C>> {
        self.delivered.get(&place)
    }

    /// Where a transaction was first delivered.
    pub(super) fn place_of(&self, zxid: Zxid) -> Option<Place> {
        self.places.get(&zxid).copied()
    }

    /// A node delivers.
    pub(super) fn delivers(&mut self, txn: &Txn<C>, place: Place) {
        self.delivered.entry(place).or_insert_with(|| txn.clone());
        self.places.entry(txn.zxid).or_insert(place);
    }

    /// Another snapshot up to the same place that is not this one, or another transaction that was delivered in its last place.
    pub(super) fn differs(&mut self, snapshot: &Snapshot) -> bool {
        let last = self.delivered.get(&snapshot.place);
        if last.is_some_and(|txn| txn.zxid != snapshot.zxid) {
            return true;
        }
        let known = self.snapshots.entry(snapshot.place);
        let differs = *known.or_insert_with(|| snapshot.image.clone()) != snapshot.image;
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_first();
        }
        differs
    }
}
