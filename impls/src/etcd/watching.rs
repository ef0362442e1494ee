//! Watches. One that is *in step* is told of a change when it is applied here. One that begins in the past, or was told too much at once, is *behind*, and
//! is told bit by bit until it is in step.

use super::words::{Change, Done, Event, Keys, Revision, Watch, WatchId};
use super::{Etcd, Turn};
use crate::contract::ClientId;

/// One watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watcher {
    keys: Keys,
    prev_kv: bool,
    progress_notify: bool,
    fragment: bool,
    /// The first revision of which it was not told.
    next: Revision,
    /// Whether it is told of changes as they come.
    pub(super) in_step: bool,
    /// Up to which revision its client knows that it was told everything.
    known: Revision,
    /// Whether its client asked for that.
    pub(super) wants_progress: bool,
}

/// A watch of a client, by which a member knows it.
type Name = (ClientId, WatchId);

impl Etcd {
    /// Begins a watch.
    pub(super) fn watch(&mut self, client: ClientId, watch: &Watch) -> Done {
        let current = self.state().store().revision();
        let next = match watch.start_revision {
            0 => current + 1,
            start => start,
        };
        let watcher = Watcher {
            keys: watch.keys.clone(),
            prev_kv: watch.prev_kv,
            progress_notify: watch.progress_notify,
            fragment: watch.fragment,
            next,
            in_step: next > current,
            known: current,
            wants_progress: false,
        };
        self.watchers.insert((client, watch.watch), watcher);
        Done::Watch {
            start_revision: next,
        }
    }

    /// Tells the watches that are in step of what was applied.
    pub(super) fn tell(&mut self, turn: &mut Turn<'_>) {
        let current = self.state().store().revision();
        if current == self.told {
            return;
        }
        // A store that was taken over may be behind what was told: nothing of it is new until it is not.
        let from = self.told.min(current) + 1;
        self.told = current;
        let names: Vec<Name> = self.in_step(true);
        for name in names {
            self.tell_one(name, from, turn);
        }
    }

    fn in_step(&self, in_step: bool) -> Vec<Name> {
        let watchers = self.watchers.iter();
        let watchers = watchers.filter(|(_, watcher)| watcher.in_step == in_step);
        watchers.map(|(name, _)| *name).collect()
    }

    /// Tells a watch that is in step of everything from a revision on; or, if that is too much at once, lets it fall behind.
    fn tell_one(&mut self, name: Name, from: Revision, turn: &mut Turn<'_>) {
        let (is_told, falls_behind_at) = (self.rules().is_told, self.rules().falls_behind_at);
        let at_once = self.rules().habits.changes_at_once;
        let store = self.raft.sessions().machine().store();
        let (current, compacted) = (store.revision(), store.compacted());
        let Some(watcher) = self.watchers.get_mut(&name) else {
            return;
        };
        let revisions = || (from..=current).filter(|revision| is_told(watcher.next, *revision));
        let Some(first) = revisions().next() else {
            return;
        };
        if first < compacted {
            return self.end_compacted(name, turn);
        }
        let mut changes: Vec<Change> = Vec::new();
        for revision in revisions() {
            changes.extend(store.changes(&watcher.keys, revision));
            if changes.len() > at_once {
                break;
            }
        }
        if changes.len() > at_once {
            watcher.in_step = false;
            watcher.next = falls_behind_at(first, current);
            return;
        }
        watcher.next = watcher.next.max(current + 1);
        self.say(name, changes, turn);
    }

    /// Tells the watches that are behind a bit more; says to those who want to know how far theirs are.
    pub(super) fn look_after_watches(&mut self, turn: &mut Turn<'_>) {
        for name in self.in_step(false) {
            self.catch_up(name, turn);
        }
        let progress_of = self.rules().progress_of;
        let current = self.state().store().revision();
        for ((client, watch), watcher) in &mut self.watchers {
            let is_new = watcher.progress_notify && watcher.known < current;
            if !(is_new || watcher.wants_progress) {
                continue;
            }
            if let Some(revision) = progress_of(watcher.next, current, watcher.in_step) {
                watcher.wants_progress = false;
                watcher.known = revision;
                let watch = *watch;
                turn.notify(*client, Event::Progress { watch, revision });
            }
        }
    }

    /// Tells a watch that is behind of some revisions.
    fn catch_up(&mut self, name: Name, turn: &mut Turn<'_>) {
        let (in_step_from, at_once) = (
            self.rules().in_step_from,
            self.rules().habits.changes_at_once,
        );
        let store = self.raft.sessions().machine().store();
        let (current, compacted) = (store.revision(), store.compacted());
        let Some(watcher) = self.watchers.get_mut(&name) else {
            return;
        };
        if watcher.next < compacted {
            return self.end_compacted(name, turn);
        }
        let mut changes: Vec<Change> = Vec::new();
        while watcher.next <= current && changes.len() < at_once {
            changes.extend(store.changes(&watcher.keys, watcher.next));
            watcher.next += 1;
        }
        if watcher.next > current {
            watcher.in_step = true;
            let from = in_step_from(watcher.next);
            let again = (from..watcher.next)
                .flat_map(|revision| store.changes(&watcher.keys, revision))
                .collect();
            self.say(name, changes, turn);
            return self.say(name, again, turn);
        }
        self.say(name, changes, turn);
    }

    /// What a watch is to tell next is forgotten.
    fn end_compacted(&mut self, name: Name, turn: &mut Turn<'_>) {
        self.watchers.remove(&name);
        let (client, watch) = name;
        let compact_revision = self.state().store().compacted();
        turn.notify(
            client,
            Event::Compacted {
                watch,
                compact_revision,
            },
        );
    }

    /// Tells a watch of changes, all of them or part by part.
    fn say(&mut self, name: Name, mut changes: Vec<Change>, turn: &mut Turn<'_>) {
        let in_fragment = self.rules().habits.changes_in_fragment;
        let revision = self.state().store().revision();
        let Some(watcher) = self.watchers.get_mut(&name) else {
            return;
        };
        let Some(last) = changes.last() else { return };
        watcher.known = last.kv.mod_revision;
        if !watcher.prev_kv {
            changes.iter_mut().for_each(|change| change.prev_kv = None);
        }
        let length = if watcher.fragment {
            in_fragment
        } else {
            changes.len()
        };
        let (client, watch) = name;
        let mut rest = changes.chunks(length).peekable();
        let revision_of = |change: Option<&Change>| change.map(|change| change.kv.mod_revision);
        while let Some(part) = rest.next() {
            let next = rest.peek().and_then(|part| revision_of(part.first()));
            let fragment = next.is_some() && next == revision_of(part.last());
            let event = Event::Changes {
                watch,
                revision,
                changes: part.to_vec(),
                fragment,
            };
            turn.notify(client, event);
        }
    }
}
