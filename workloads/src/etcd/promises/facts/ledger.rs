//! Which revision belongs to what, and what had been answered before what was called.

use crate::etcd::promises::story::{Deed, Story};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::Revision;

/// Something of unknown outcome that may have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who wished it.
    pub by: usize,
    /// If it was done, then at a later revision than this.
    pub floor: Revision,
}

/// Which revision belongs to what, and what had been shown before what was called.
pub struct Ledger {
    /// The changes by their revisions: those that were answered, and those of unknown outcome that can only have been done there.
    owners: Vec<(Revision, usize)>,
    /// The revisions that belong to nobody, as far as is known: from, to, and how many there are in all gaps before.
    gaps: Vec<(Revision, Revision, u64)>,
    /// For each operation the newest revision that anybody had been shown before it was called, and who was.
    floors: Vec<(Revision, usize)>,
    /// The newest revision that anybody was shown, and who was.
    newest: (Revision, usize),
}

impl Ledger {
    /// Reads a history.
    pub fn of(story: &Story) -> Self {
        let owners = story.deeds.iter();
        let mut owners: Vec<_> = owners
            .filter_map(|deed| Some((deed.own_revision()?, deed.id)))
            .collect();
        owners.sort_unstable();
        let newest = story.deeds.iter();
        let newest = newest.filter_map(|deed| Some((deed.newest()?, deed.id)));
        let newest = newest.max_by_key(|(revision, _)| *revision);
        let mut ledger = Self {
            owners,
            gaps: Vec::new(),
            floors: story.floors(Deed::newest),
            newest: newest.unwrap_or((1, 0)),
        };
        ledger.find_gaps();
        ledger
    }

    /// It is found out that these changes of unknown outcome were done, and at which revisions.
    pub(super) fn resolve(&mut self, found: &BTreeMap<Revision, usize>) {
        let found = found.iter().map(|(revision, by)| (*revision, *by));
        self.owners.extend(found);
        self.owners.sort_unstable();
        self.find_gaps();
    }

    fn find_gaps(&mut self) {
        self.gaps.clear();
        let mut before = 0;
        let mut next = 2;
        let ends = self.owners.iter().map(|(revision, _)| *revision);
        for revision in ends.chain([self.newest.0 + 1]) {
            if revision > next {
                self.gaps.push((next, revision - 1, before));
                before += revision - next;
            }
            next = next.max(revision + 1);
        }
    }

    /// The changes in the order of their revisions.
    pub fn owners(&self) -> &[(Revision, usize)] {
        &self.owners
    }

    /// Which change made this revision, if that is known.
    pub fn owner(&self, revision: Revision) -> Option<usize> {
        let at = self.owners.partition_point(|(own, _)| *own < revision);
        let (own, by) = self.owners.get(at)?;
        (*own == revision).then_some(*by)
    }

    /// The newest revision that anybody had been shown before an operation was called, and who was.
    pub fn floor(&self, id: usize) -> (Revision, usize) {
        self.floors[id]
    }

    /// The newest revision that anybody was shown at all, and who was.
    pub fn newest(&self) -> (Revision, usize) {
        self.newest
    }

    /// The runs of revisions that belong to nobody, from first to last.
    pub fn gaps(&self) -> impl Iterator<Item = (Revision, Revision)> {
        self.gaps.iter().map(|(from, to, _)| (*from, *to))
    }

    /// The first revision after this one that belongs to nobody. Behind the newest that was shown there is none: nothing is known from there.
    pub fn next_gap(&self, after: Revision) -> Option<Revision> {
        let at = self.gaps.partition_point(|(_, to, _)| *to <= after);
        let (from, ..) = self.gaps.get(at)?;
        Some((*from).max(after.saturating_add(1)))
    }

    /// The last revision up to this one that belongs to nobody.
    pub fn last_gap(&self, up_to: Revision) -> Option<Revision> {
        let at = self.gaps.partition_point(|(from, ..)| *from <= up_to);
        let (_, to, _) = self.gaps.get(at.checked_sub(1)?)?;
        Some((*to).min(up_to))
    }

    /// How many revisions up to this one belong to nobody.
    pub fn gaps_up_to(&self, revision: Revision) -> u64 {
        let at = self.gaps.partition_point(|(from, ..)| *from <= revision);
        let Some((from, to, before)) = at.checked_sub(1).map(|at| self.gaps[at]) else {
            return 0;
        };
        before + (to.min(revision) + 1 - from)
    }
}
