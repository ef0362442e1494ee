//! When each node certainly changed, and when it certainly did not.

use crate::zookeeper::promises::facts::{Facts, Life, Moment};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Change, ZxidNumber};

/// Of all nodes.
pub(super) struct Changes<'a> {
    paths: BTreeMap<&'a str, OfPath<'a>>,
}

/// Of one node.
#[derive(Default)]
pub(super) struct OfPath<'a> {
    /// When it came, went, or its data was set, and who saw that.
    pub(super) node: Vec<(ZxidNumber, usize)>,
    /// When a child came or went, or the node itself did.
    pub(super) children: Vec<(ZxidNumber, usize)>,
    /// When it was there, by incarnation.
    pub(super) lives: Vec<Life<'a>>,
    /// The oldest zxids that it was said to have been changed at, by anyone who saw it at this moment or later.
    unchanged: Vec<Unchanged>,
}

/// The oldest changes that were the last as seen from a moment on.
#[derive(Clone, Copy)]
struct Unchanged {
    at: Moment,
    /// When it was made, and who saw it.
    made: (ZxidNumber, usize),
    /// When its data was set.
    set: (ZxidNumber, usize),
    /// When a child came or went.
    children: (ZxidNumber, usize),
}

impl<'a> Changes<'a> {
    pub(super) fn of(facts: &'a Facts<'_>) -> Self {
        let mut paths: BTreeMap<&str, OfPath<'_>> = BTreeMap::new();
        for (path, known) in &facts.paths {
            let of_path = paths.entry(path).or_default();
            for seen in &known.seen {
                let stat = seen.stat;
                of_path.node.push((stat.czxid, seen.by));
                of_path.node.push((stat.mzxid, seen.by));
                of_path.children.push((stat.czxid, seen.by));
                if seen.whole {
                    of_path.children.push((stat.pzxid, seen.by));
                }
                if !seen.is_before_set {
                    let pzxid = if seen.whole {
                        stat.pzxid
                    } else {
                        ZxidNumber::MAX
                    };
                    of_path.unchanged.push(Unchanged {
                        at: seen.at,
                        made: (stat.czxid, seen.by),
                        set: (stat.mzxid, seen.by),
                        children: (pzxid, seen.by),
                    });
                }
            }
            of_path.node.extend(&known.deleted);
            of_path.children.extend(&known.deleted);
            of_path.lives = known.lives();
        }
        for (path, changes) in facts.child_changes() {
            if let Some(of_path) = paths.get_mut(path) {
                of_path.children.extend(changes);
            }
        }
        paths.values_mut().for_each(OfPath::sort);
        Self { paths }
    }

    pub(super) fn of_path(&self, path: &str) -> Option<&OfPath<'a>> {
        self.paths.get(path)
    }
}

impl OfPath<'_> {
    fn sort(&mut self) {
        for changes in [&mut self.node, &mut self.children] {
            changes.sort_unstable();
            changes.dedup_by_key(|(zxid, _)| *zxid);
        }
        self.unchanged.sort_by_key(|seen| seen.at);
        let mut later: Option<Unchanged> = None;
        for seen in self.unchanged.iter_mut().rev() {
            if let Some(later) = later {
                seen.made = seen.made.min(later.made);
                seen.set = seen.set.min(later.set);
                seen.children = seen.children.min(later.children);
            }
            later = Some(*seen);
        }
    }

    /// Who saw that there was no such change after one zxid and up to another.
    pub(super) fn unchanged(
        &self,
        change: Change,
        after: ZxidNumber,
        through: ZxidNumber,
    ) -> Option<usize> {
        let moment = Moment::after(through);
        let from = self.unchanged.partition_point(|seen| seen.at < moment);
        let seen = self.unchanged.get(from)?;
        let (zxid, by) = match change {
            Change::Created | Change::Deleted => seen.made,
            Change::DataChanged => seen.set,
            Change::ChildrenChanged => seen.children,
        };
        (zxid <= after).then_some(by)
    }
}
