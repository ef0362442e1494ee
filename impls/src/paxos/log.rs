//! The log of one node, in memory; and what its disk holds.

use super::message::{Accepted, Ballot, Slot, Write};
use crate::contract::{Data, Disk};
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};

/// What a node accepted or learned, by slot. Slots are decided one by one, so there may be gaps where nothing is known yet; up to the last
/// slot that is known to be chosen there is none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Log<C> {
    /// What stood up to here was dropped: it is in a snapshot.
    dropped: Slot,
    entries: BTreeMap<Slot, Accepted<C>>,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self {
            dropped: Slot(0),
            entries: BTreeMap::new(),
        }
    }
}

impl<C> Debug for Log<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.values()).finish()
    }
}

impl<C> Log<C> {
    /// What stands in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Accepted<C>> {
        self.entries.get(&slot)
    }

    /// Up to where it was dropped.
    pub fn dropped(&self) -> Slot {
        self.dropped
    }

    /// The last slot in which anything stands or stood.
    pub fn last(&self) -> Slot {
        let last = self.entries.last_key_value().map(|(slot, _)| *slot);
        last.unwrap_or(self.dropped)
    }

    /// What stands after a slot, in order.
    pub fn after(&self, slot: Slot) -> impl DoubleEndedIterator<Item = &Accepted<C>> {
        self.entries.range(slot.next()..).map(|(_, entry)| entry)
    }

    /// Puts something into its slot, in place of what stood there.
    pub fn insert(&mut self, entry: Accepted<C>) {
        assert!(
            entry.slot > self.dropped,
            "what is in a snapshot is decided for good"
        );
        self.entries.insert(entry.slot, entry);
    }

    /// Removes what stands after a slot.
    pub fn truncate(&mut self, after: Slot) {
        self.entries.split_off(&after.next());
    }

    /// Drops what stands up to a slot.
    pub fn drop_through(&mut self, slot: Slot) {
        if slot > self.dropped {
            self.entries = self.entries.split_off(&slot.next());
            self.dropped = slot;
        }
    }
}

/// A state, as an image of the era and the machine with its clients after a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last slot in it.
    pub slot: Slot,
    /// The state.
    pub image: Image,
}

/// What the disk of a node holds: what an acceptor must remember (Paxos Made Simple, 2.5), and what spares a learner work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaxosDisk<C> {
    /// The highest ballot that was promised.
    pub promised: Ballot,
    /// What was accepted or learned.
    pub log: Log<C>,
    /// Every slot up to here is chosen. What is on the disk may be behind what the node knew.
    pub chosen: Slot,
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
}

impl<C> Default for PaxosDisk<C> {
    fn default() -> Self {
        Self {
            promised: Ballot::NONE,
            log: Log::default(),
            chosen: Slot(0),
            snapshot: None,
        }
    }
}

impl<C: Data> Disk<Write<C>> for PaxosDisk<C> {
    fn apply(&mut self, write: &Write<C>) {
        match write {
            Write::Truncate { after } => self.log.truncate(*after),
            Write::Learn(entries) => {
                for entry in entries {
                    self.log.insert(entry.clone());
                    self.chosen = self.chosen.max(entry.slot);
                }
            }
            Write::Snapshot { snapshot, drops } => {
                self.chosen = self.chosen.max(snapshot.slot);
                self.snapshot = Some(snapshot.clone());
                self.log.drop_through(*drops);
            }
            Write::Chosen(slot) => self.chosen = self.chosen.max(*slot),
            Write::Promise(ballot) => self.promised = *ballot,
            Write::Accept(accepted) => {
                accepted
                    .iter()
                    .for_each(|entry| self.log.insert(entry.clone()));
            }
        }
    }
}
