//! What is known of one key.

use super::Wish;
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{KeyValue, LeaseId, Revision};

/// The key as somebody was shown it, or set it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The revision at which it was set.
    pub set: Revision,
    /// Until when it was so for certain.
    pub until: Revision,
    /// Who was answered this.
    pub by: usize,
    /// As it was shown.
    pub kv: Option<&'a KeyValue>,
    /// What it was set to, by who set it: the value and the lease.
    pub put: Option<(&'a str, LeaseId)>,
}

/// All that is known of one key.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// How it was shown, by when it was set and how long it was so.
    pub shown: Vec<Shown<'a>>,
    /// When it was not there, and who was answered that.
    pub absent: Vec<(Revision, usize)>,
    /// When it was there, from somebody who was not shown more.
    pub alive: Vec<(Revision, usize)>,
    /// When it was gone by a change of that revision whether it had been there or not, and whose change it was.
    pub cleared: Vec<(Revision, usize)>,
    /// When it was certainly deleted, and who knows.
    pub deleted: Vec<(Revision, usize)>,
    /// What of unknown outcome would have set it, by the value and the lease that it would have set; each by call, so that floors never fall.
    pub put_wishes: BTreeMap<(&'a str, LeaseId), Vec<Wish>>,
    /// What of unknown outcome would have deleted it.
    pub delete_wishes: Vec<Wish>,
}

impl<'a> Known<'a> {
    /// The earliest revision after which something of unknown outcome may have set it.
    pub fn put_floor(&self) -> Revision {
        let first = self.put_wishes.values().filter_map(|wishes| wishes.first());
        let floors = first.map(|wish| wish.floor);
        floors.min().unwrap_or(Revision::MAX)
    }

    /// What of unknown outcome may have set it so at a revision.
    pub fn may_have_set(&self, put: (&'a str, LeaseId), at: Revision) -> &[Wish] {
        let wishes = self.put_wishes.get(&put).map_or(&[][..], Vec::as_slice);
        &wishes[..wishes.partition_point(|wish| wish.floor < at)]
    }

    /// The earliest revision after which something of unknown outcome may have deleted it.
    pub fn delete_floor(&self) -> Revision {
        let floors = self.delete_wishes.iter().map(|wish| wish.floor);
        floors.min().unwrap_or(Revision::MAX)
    }

    pub(super) fn sort(&mut self) {
        self.shown
            .sort_by_key(|shown| (shown.set, shown.until, shown.by));
        for list in [
            &mut self.absent,
            &mut self.alive,
            &mut self.cleared,
            &mut self.deleted,
        ] {
            list.sort_unstable();
            list.dedup();
        }
    }
}
