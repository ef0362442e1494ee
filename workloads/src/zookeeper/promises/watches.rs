//! Who watches a node hears of its change, once, before seeing what the change made.
//!
//! > A client will see a watch event for a znode it is watching before seeing the new data that corresponds to that znode.
//! >
//! > *ZooKeeper Programmer's Guide*, What ZooKeeper Guarantees about Watches
//!
//! A read leaves a watch. From the first certain change after the read's zxid on, every answer in the session that is as new as the change must
//! come after the event. A client that was not connected when a node came hears of it only if the node is still there when it is connected again, so there
//! the answer must be from a time when the node certainly was. Each event uses up what it fires; an event without a watch, or of a change that
//! others saw not happening, is false.
//!
//! Watches end with their session. A client may hear an event in its old session and show it with the first answer in the new one: the events of a
//! session's first answer count for nothing.

mod changes;

use super::facts::Moment;
use super::ground::Ground;
use super::session_view::by_session;
use super::story::{Deed, Story};
use super::{Breach, Promise};
use crate::zookeeper::dialect::{Asked, Ended, Fired};
use changes::Changes;
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{
    Change, Done, Error, Op, SessionId, Watched, What, ZxidNumber,
};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watches",
    quote: "\"A client will see a watch event for a znode it is watching before seeing the new data that corresponds to that znode\" (ZooKeeper Programmer's Guide, What ZooKeeper Guarantees about Watches)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let watches = |deed: &Deed| matches!(&deed.asked, Asked::Read(read) if read.watch);
    let fired = |deed: &Deed| {
        deed.ended
            .as_ref()
            .is_some_and(|ended| !ended.events.is_empty())
    };
    if !story.deeds.iter().any(|deed| watches(deed) || fired(deed)) {
        return Ok(());
    }
    let facts = ground.facts();
    let changes = Changes::of(facts);
    let lost = lost_reads(story);
    for (session, answers) in by_session(story) {
        let view = View {
            session,
            answers: &answers,
            newest: newest(&answers, shows),
            newest_read: newest(&answers, |deed, ended| {
                shows(deed, ended) && !deed.asked.is_write()
            }),
        };
        view.told_in_time(&changes)?;
        view.told_once_and_truly(&changes, &lost)?;
    }
    Ok(())
}

/// The first read of each path with a watch of which nobody knows what became: when it was called.
fn lost_reads(story: &Story) -> BTreeMap<&str, usize> {
    let mut lost = BTreeMap::new();
    for deed in &story.deeds {
        if let (Asked::Read(read), None) = (&deed.asked, &deed.ended)
            && read.watch
        {
            lost.entry(read.path.as_str()).or_insert(deed.call);
        }
    }
    lost
}

/// The watch that a read left.
fn left_by(deed: &Deed) -> Option<(Watched, &str)> {
    let Asked::Read(read) = &deed.asked else {
        return None;
    };
    let done = deed.ended.as_ref()?.result.as_ref().ok()?;
    let watched = match (read.what, done) {
        (What::Exists, Done::Exists(None)) => Watched::Exists,
        (What::Exists | What::Data, _) => Watched::Data,
        (What::Children, _) => Watched::Children,
        (What::Acl, _) => return None,
    };
    read.watch.then_some((watched, read.path.as_str()))
}

/// Whether an event uses up a watch of the node.
fn uses_up(change: Change, watched: Watched) -> bool {
    match change {
        Change::Created | Change::DataChanged => watched != Watched::Children,
        Change::Deleted => true,
        Change::ChildrenChanged => watched == Watched::Children,
    }
}

/// Whether an answer shows the state at its zxid. After a rest the client may know of a zxid whose events are still on their way.
fn shows(deed: &Deed, ended: &Ended) -> bool {
    if ended.result == Err(Error::SessionExpired) {
        return false;
    }
    match &deed.asked {
        Asked::Read(_) | Asked::Sync => true,
        Asked::Write(op) => *op != Op::Close,
        Asked::Rest { .. } | Asked::Store { .. } => false,
    }
}

/// For each answer the newest zxid that was shown up to it, by those that count.
fn newest(answers: &[(&Deed, &Ended)], shows: impl Fn(&Deed, &Ended) -> bool) -> Vec<ZxidNumber> {
    let mut newest = 0;
    let shown = answers.iter().map(|(deed, ended)| {
        if shows(deed, ended) {
            newest = newest.max(ended.zxid);
        }
        newest
    });
    shown.collect()
}

/// The first answer that shows this zxid or a newer one.
fn first_showing(newest: &[ZxidNumber], zxid: ZxidNumber) -> usize {
    newest.partition_point(|newest| *newest < zxid)
}

/// What one session was told.
struct View<'b, 'a> {
    session: SessionId,
    answers: &'b [(&'a Deed, &'a Ended)],
    newest: Vec<ZxidNumber>,
    /// The same by reads and syncs alone. A write that was asked again is answered with its own zxid by a server that may be far ahead of it.
    newest_read: Vec<ZxidNumber>,
}

/// A watch that a session has.
#[derive(Clone, Copy)]
struct Watch {
    /// At which zxid it was left.
    zxid: ZxidNumber,
    /// By which answer of the session.
    at: usize,
}

impl View<'_, '_> {
    /// Each change of what is watched is told with the first answer that shows it, or before.
    fn told_in_time(&self, changes: &Changes<'_>) -> Result<(), Breach> {
        // Going backwards: with which answer what uses up a watch came next.
        let mut next: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        for (at, (deed, ended)) in self.answers.iter().enumerate().rev() {
            if let Some((watched, path)) = left_by(deed) {
                let is_of_children = watched == Watched::Children;
                let told = next.get(&(is_of_children, path));
                let told = told.copied().unwrap_or(self.answers.len());
                let watch = Watch {
                    zxid: ended.zxid,
                    at,
                };
                self.told_by(watch, watched, path, told, changes)?;
            }
            for fired in &ended.events {
                for (watched, is_of_children) in [(Watched::Data, false), (Watched::Children, true)]
                {
                    if uses_up(fired.change, watched) {
                        next.insert((is_of_children, &fired.path), at);
                    }
                }
            }
        }
        Ok(())
    }

    fn told_by(
        &self,
        watch: Watch,
        watched: Watched,
        path: &str,
        told: usize,
        changes: &Changes<'_>,
    ) -> Result<(), Breach> {
        let Some(known) = changes.of_path(path) else {
            return Ok(());
        };
        let late = match watched {
            Watched::Exists => {
                let from = known
                    .lives
                    .partition_point(|life| life.from <= Moment::after(watch.zxid));
                let lives = known.lives[from..].iter();
                let mut shown = lives.map(|life| {
                    let newest = match life.until {
                        Moment::END => &self.newest,
                        _ => &self.newest_read,
                    };
                    (life, first_showing(newest, life.from.zxid()))
                });
                let untold = shown.find(|(life, shown)| {
                    let there =
                        |(_, ended): &(&Deed, &Ended)| Moment::after(ended.zxid) <= life.until;
                    *shown >= told
                        || *shown > watch.at && self.answers.get(*shown).is_some_and(there)
                });
                untold.map(|(life, shown)| (life.from.zxid(), life.last.by, shown))
            }
            Watched::Data | Watched::Children => {
                let list = match watched {
                    Watched::Children => &known.children,
                    _ => &known.node,
                };
                let first = list.partition_point(|(zxid, _)| *zxid <= watch.zxid);
                list.get(first)
                    .map(|(zxid, by)| (*zxid, *by, first_showing(&self.newest, *zxid)))
            }
        };
        let Some((zxid, by, shown)) =
            late.filter(|(.., shown)| (watch.at + 1..told).contains(shown))
        else {
            return Ok(());
        };
        let (reader, _) = self.answers[watch.at];
        let (shower, _) = self.answers[shown];
        Err(Breach {
            culprits: vec![reader.id, by, shower.id],
            explanation: format!(
                "Session {} watched {path} from zxid {} on. It changed at zxid {zxid}, and the session was shown zxid {} without having been told.",
                self.session, watch.zxid, self.answers[shown].1.zxid
            ),
        })
    }

    /// Each event fires a watch that is there, and tells of a change that was.
    fn told_once_and_truly(
        &self,
        changes: &Changes<'_>,
        lost: &BTreeMap<&str, usize>,
    ) -> Result<(), Breach> {
        let mut watches: BTreeMap<(&str, Watched), Watch> = BTreeMap::new();
        for (at, (deed, ended)) in self.answers.iter().enumerate() {
            for fired in ended.events.iter().filter(|_| at > 0) {
                let path = fired.path.as_str();
                let kinds = [Watched::Data, Watched::Exists, Watched::Children];
                let kinds = kinds
                    .into_iter()
                    .filter(|kind| uses_up(fired.change, *kind));
                let used: Vec<Watch> = kinds
                    .filter_map(|kind| watches.remove(&(path, kind)))
                    .collect();
                let excused = lost.get(path).is_some_and(|call| *call < deed.answer);
                if !excused {
                    self.true_event(deed, fired, &used, changes)?;
                }
            }
            if let Some((watched, path)) = left_by(deed) {
                let zxid = ended.zxid;
                watches.entry((path, watched)).or_insert(Watch { zxid, at });
            }
        }
        Ok(())
    }

    fn true_event(
        &self,
        deed: &Deed,
        fired: &Fired,
        used: &[Watch],
        changes: &Changes<'_>,
    ) -> Result<(), Breach> {
        let path = &fired.path;
        let Some(first) = used.iter().min_by_key(|watch| watch.zxid) else {
            return Err(Breach {
                culprits: vec![deed.id],
                explanation: format!(
                    "Session {} was told of a change of {path} at zxid {} that it did not watch, or had been told of.",
                    self.session, fired.zxid
                ),
            });
        };
        let known = changes.of_path(path);
        match known.and_then(|known| known.unchanged(fired.change, first.zxid, fired.zxid)) {
            None => Ok(()),
            Some(by) => Err(Breach {
                culprits: vec![self.answers[first.at].0.id, deed.id, by],
                explanation: format!(
                    "Session {} watched {path} from zxid {} on and was told of a change up to zxid {}, and there was none.",
                    self.session, first.zxid, fired.zxid
                ),
            }),
        }
    }
}
