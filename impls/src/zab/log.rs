//! The history of one node, in memory; and what its disk holds.

use super::message::{Epoch, Place, Txn, Write, Zxid};
use crate::contract::{Data, Disk};
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// The transactions that a node has, in the order in which they came. The first of them may have been dropped: they are in a snapshot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Log<C> {
    /// How many were dropped: the place of the last of them.
    dropped: Place,
    /// The last that was dropped.
    dropped_zxid: Zxid,
    txns: Vec<Txn<C>>,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self::behind(Place(0), Zxid::NONE)
    }
}

impl<C> Debug for Log<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.txns).finish()
    }
}

impl<C> Log<C> {
    /// A log of which everything up to a transaction is in a snapshot, and nothing follows.
    pub fn behind(dropped: Place, dropped_zxid: Zxid) -> Self {
        Self {
            dropped,
            dropped_zxid,
            txns: Vec::new(),
        }
    }

    /// The last transaction dropped.
    pub fn dropped(&self) -> (Place, Zxid) {
        (self.dropped, self.dropped_zxid)
    }

    /// The last transaction.
    pub fn last(&self) -> Zxid {
        self.txns.last().map_or(self.dropped_zxid, |txn| txn.zxid)
    }

    /// The place of the last transaction.
    pub fn last_place(&self) -> Place {
        Place(self.dropped.0 + self.txns.len() as u64)
    }

    /// What stands in a place, unless it was dropped.
    pub fn get(&self, place: Place) -> Option<&Txn<C>> {
        let at = place.0.checked_sub(self.dropped.0 + 1)?;
        self.txns.get(at as usize)
    }

    /// Which transaction stands in a place. It is known of the last that was dropped, too.
    pub fn zxid_at(&self, place: Place) -> Option<Zxid> {
        match place == self.dropped {
            true => Some(self.dropped_zxid),
            false => self.get(place).map(|txn| txn.zxid),
        }
    }

    /// Where a transaction stands, if it is there or is the last that was dropped. The newest are found first.
    pub fn place_of(&self, zxid: Zxid) -> Option<Place> {
        let kept = self.txns.iter().rposition(|txn| txn.zxid == zxid);
        let kept = kept.map(|at| Place(self.dropped.0 + 1 + at as u64));
        kept.or((zxid == self.dropped_zxid).then_some(self.dropped))
    }

    /// The last transaction that is not above this one; the last dropped one if there is none.
    pub fn last_up_to(&self, zxid: Zxid) -> Zxid {
        let kept = self.txns.iter().rev().find(|txn| txn.zxid <= zxid);
        kept.map_or(self.dropped_zxid, |txn| txn.zxid)
    }

    /// What stands after a place, in order.
    pub fn after(&self, place: Place) -> &[Txn<C>] {
        let skip = place.0.saturating_sub(self.dropped.0) as usize;
        &self.txns[skip.min(self.txns.len())..]
    }

    /// Appends a transaction.
    pub fn append(&mut self, txn: Txn<C>) {
        self.txns.push(txn);
    }

    /// Removes what stands after a place.
    pub fn truncate(&mut self, after: Place) {
        assert!(
            after >= self.dropped,
            "what is in a snapshot is not truncated"
        );
        self.txns.truncate((after.0 - self.dropped.0) as usize);
    }

    /// Drops what stands up to a place.
    pub fn drop_through(&mut self, place: Place) {
        if place > self.dropped {
            let zxid = self.zxid_at(place);
            self.dropped_zxid = zxid.expect("what is dropped was there");
            self.txns.drain(..(place.0 - self.dropped.0) as usize);
            self.dropped = place;
        }
    }
}

/// A state, as an image of the machine with its clients after a transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last transaction in it.
    pub zxid: Zxid,
    /// The place of that.
    pub place: Place,
    /// The state.
    pub image: Image,
}

/// What the disk of a node holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZabDisk<C> {
    /// The newest epoch that was accepted: the node takes part in no older one.
    pub accepted: Epoch,
    /// The epoch in which the history was last synchronised. Never above the accepted one.
    pub current: Epoch,
    /// The history.
    pub log: Log<C>,
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
}

impl<C> Default for ZabDisk<C> {
    fn default() -> Self {
        Self {
            accepted: Epoch(0),
            current: Epoch(0),
            log: Log::default(),
            snapshot: None,
        }
    }
}

impl<C: Data> Disk<Write<C>> for ZabDisk<C> {
    fn apply(&mut self, write: &Write<C>) {
        match write {
            Write::AcceptedEpoch(epoch) => self.accepted = *epoch,
            Write::Truncate { after } => self.log.truncate(*after),
            Write::Install { snapshot, txns } => {
                self.snapshot = snapshot.clone();
                self.log = beginning(snapshot.as_ref());
                txns.iter().cloned().for_each(|txn| self.log.append(txn));
            }
            Write::Append(txns) => txns.iter().cloned().for_each(|txn| self.log.append(txn)),
            Write::CurrentEpoch(epoch) => self.current = *epoch,
            Write::Snapshot { snapshot, drops } => {
                self.snapshot = Some(snapshot.clone());
                self.log.drop_through(*drops);
            }
        }
    }
}

/// The log that begins with a snapshot, or at the very beginning.
pub(super) fn beginning<C>(snapshot: Option<&Snapshot>) -> Log<C> {
    snapshot.map_or_else(Log::default, |snapshot| {
        Log::behind(snapshot.place, snapshot.zxid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zab::message::Value;

    fn zxid(epoch: u64, counter: u64) -> Zxid {
        Zxid {
            epoch: Epoch(epoch),
            counter,
        }
    }

    fn log(zxids: &[(u64, u64)]) -> Log<()> {
        let mut log = Log::default();
        for (epoch, counter) in zxids {
            let value = Value::Noop;
            log.append(Txn {
                zxid: zxid(*epoch, *counter),
                value,
            });
        }
        log
    }

    #[test]
    fn places_go_on_where_the_beginning_was_dropped() {
        let mut log = log(&[(1, 1), (1, 2), (2, 1)]);
        assert_eq!(log.place_of(zxid(2, 1)), Some(Place(3)));
        log.drop_through(Place(2));
        assert_eq!((log.last_place(), log.last()), (Place(3), zxid(2, 1)));
        assert_eq!(log.place_of(zxid(1, 2)), Some(Place(2)));
        assert_eq!(log.place_of(zxid(1, 1)), None);
        assert_eq!(log.zxid_at(Place(2)), Some(zxid(1, 2)));
        assert!(log.get(Place(2)).is_none());
        assert_eq!(log.after(Place(0)).len(), 1);
        assert_eq!(log.last_up_to(zxid(1, 9)), zxid(1, 2));
        log.truncate(Place(2));
        assert_eq!((log.last_place(), log.last()), (Place(2), zxid(1, 2)));
    }
}
