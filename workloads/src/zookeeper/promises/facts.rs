//! What the answers say of each node, at which zxid: the ground on which several promises are judged.
//!
//! The tree at a zxid is one tree. A fact is therefore a statement about one path at one [`Moment`], whoever was answered it. Only what is certain is
//! a fact: what the parts of a failed multi saw of each other is none.

mod gather;
mod ledger;

use super::story::Story;
use gather::Gatherer;
pub use gather::stem;
pub use ledger::{Ledger, Wish};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Stat, ZxidNumber};

/// A place between zxids: right before one, or right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Behind all others.
    pub const END: Moment = Moment(u64::MAX);

    /// Right before what happened at a zxid.
    pub fn before(zxid: ZxidNumber) -> Self {
        Self(zxid.saturating_mul(2).saturating_sub(1))
    }

    /// Right after it.
    pub fn after(zxid: ZxidNumber) -> Self {
        Self(zxid.saturating_mul(2))
    }

    /// The zxid that it is right before or after.
    pub fn zxid(self) -> ZxidNumber {
        self.0.div_ceil(2)
    }
}

/// A node as somebody was shown it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When it was so.
    pub at: Moment,
    /// Who was answered this.
    pub by: usize,
    /// What is known of it.
    pub stat: &'a Stat,
    /// Whether what the stat says of children held at that moment. Later parts of a multi may have changed it.
    pub whole: bool,
    /// What it held, where that was read or written.
    pub data: Option<&'a str>,
    /// Right before a set: the stat is that of the set, and the version was one less.
    pub is_before_set: bool,
}

impl Seen<'_> {
    /// How often its data had been set.
    pub fn version(&self) -> u32 {
        self.stat.version - u32::from(self.is_before_set && self.stat.version > 0)
    }
}

/// That a node was there, from somebody who was not shown its stat.
#[derive(Clone, Copy, Debug)]
pub struct There {
    /// When.
    pub at: Moment,
    /// Who was answered this.
    pub by: usize,
    /// What was said of its version: that it is this, or is not.
    pub version: Option<(bool, u32)>,
}

/// The names of a node's children, as somebody was shown them.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// When.
    pub at: Moment,
    /// To whom.
    pub by: usize,
    /// The names, as answered: sorted.
    pub names: &'a [String],
    /// How many children the stat beside them says.
    pub children: u32,
}

/// All that is known of one path.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// How it was shown, by incarnation and moment.
    pub seen: Vec<Seen<'a>>,
    /// When it was there, by moment.
    pub there: Vec<There>,
    /// When it was not, and who was answered that, by moment.
    pub absent: Vec<(Moment, usize)>,
    /// Its children.
    pub names: Vec<Names<'a>>,
    /// When it was deleted for certain, by zxid.
    pub deleted: Vec<(ZxidNumber, usize)>,
    /// What of unknown outcome would have made it.
    pub wished_creates: Vec<Wish>,
    /// What of unknown outcome would have deleted it.
    pub wished_deletes: Vec<Wish>,
    /// What of unknown outcome would have set its data.
    pub wished_sets: Vec<Wish>,
    /// Whether one multi may have changed it twice. Then little can be said of what happened in between.
    pub is_loose: bool,
}

/// From when to when one incarnation of a node was there for certain.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    /// Since it was made.
    pub from: Moment,
    /// Until it was last seen, or could first have been deleted.
    pub until: Moment,
    /// As it was seen last.
    pub last: Seen<'a>,
}

impl<'a> Known<'a> {
    /// Its incarnations, each as one slice of what was seen.
    pub fn incarnations(&self) -> impl Iterator<Item = &[Seen<'a>]> {
        let same = |one: &Seen<'_>, next: &Seen<'_>| one.stat.czxid == next.stat.czxid;
        self.seen.chunk_by(same)
    }

    /// When it was there, by incarnation.
    pub fn lives(&self) -> Vec<Life<'a>> {
        let lives = self.incarnations().map(|seen| {
            let last = seen[seen.len() - 1];
            Life {
                from: Moment::after(last.stat.czxid),
                until: self.until(&last),
                last,
            }
        });
        lives.collect()
    }

    /// Until when the incarnation that was seen last like this was there. An ephemeral node may go at any time; another stays until it is deleted.
    fn until(&self, last: &Seen<'_>) -> Moment {
        if self.is_loose || last.stat.ephemeral_owner.0 != 0 {
            return last.at;
        }
        self.undeleted_from(last.at)
    }

    /// Until when a node that is there at a moment was not deleted.
    pub fn undeleted_from(&self, at: Moment) -> Moment {
        let next = self
            .deleted
            .partition_point(|(zxid, _)| Moment::after(*zxid) <= at);
        let known = self.deleted.get(next);
        let known = known.map_or(Moment::END, |(zxid, _)| Moment::before(*zxid));
        let wished = self.wished_deletes.first();
        let wished = wished.map_or(Moment::END, |wish| Moment::after(wish.floor));
        known.min(wished).max(at)
    }

    /// The zxids of all certain changes to its data and its being, in their order.
    pub fn changes(&self) -> Vec<ZxidNumber> {
        let stats = self.seen.iter().map(|seen| seen.stat);
        let mut changes: Vec<_> = stats.flat_map(|stat| [stat.czxid, stat.mzxid]).collect();
        changes.extend(self.deleted.iter().map(|(zxid, _)| *zxid));
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    fn sort(&mut self) {
        self.seen
            .sort_by_key(|seen| (seen.stat.czxid, seen.at, seen.by));
        self.there.sort_by_key(|there| (there.at, there.by));
        self.absent.sort_unstable();
        self.names.sort_by_key(|names| (names.at, names.by));
        self.deleted.sort_unstable();
        for wishes in [
            &mut self.wished_creates,
            &mut self.wished_deletes,
            &mut self.wished_sets,
        ] {
            wishes.sort_unstable_by_key(|wish| (wish.floor, wish.by));
        }
    }
}

/// All facts of a history.
pub struct Facts<'a> {
    /// Of each path.
    pub paths: BTreeMap<String, Known<'a>>,
    /// Which zxid belongs to what, and what had been answered before what.
    pub ledger: Ledger,
}

impl<'a> Facts<'a> {
    /// The facts of a history.
    pub fn of(story: &'a Story) -> Self {
        let ledger = Ledger::of(story);
        let mut paths = Gatherer::gather(story, &ledger);
        for known in paths.values_mut() {
            known.sort();
        }
        Self { paths, ledger }
    }

    /// Of each node, the zxids at which children of it certainly came or went, in their order.
    pub fn child_changes(&self) -> BTreeMap<&str, Vec<(ZxidNumber, usize)>> {
        let mut changes: BTreeMap<&str, Vec<(ZxidNumber, usize)>> = BTreeMap::new();
        for (path, known) in &self.paths {
            if path == "/" {
                continue;
            }
            let above = changes.entry(parent(path)).or_default();
            above.extend(
                known
                    .incarnations()
                    .map(|seen| (seen[0].stat.czxid, seen[0].by)),
            );
            above.extend(&known.deleted);
        }
        for changes in changes.values_mut() {
            changes.sort_unstable();
        }
        changes
    }
}

/// The node above one.
pub fn parent(path: &str) -> &str {
    stormglass_impls::zookeeper::tree::parted(path).0
}
