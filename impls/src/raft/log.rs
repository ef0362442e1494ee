//! The log of one node, in memory; and what its disk holds.

use super::members::Members;
use super::message::{Entry, Hint, Index, Payload, Position, Snapshot, Term, Write};
use crate::contract::{Data, Disk, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// A log: entries of one index after the other, from behind the last that was compacted. Their terms never fall: a leader's own entries
/// are of its term, which is none below, and what a follower takes continues an entry that the leader has too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Log<C> {
    /// The entry before the first: the last that was compacted, or `0@0`.
    base: Position,
    /// The members as of `base`.
    base_members: Members,
    entries: Vec<Entry<C>>,
    /// The entries that change the members, oldest first.
    changes: Vec<(Index, Members)>,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self {
            base: Position::default(),
            base_members: Members::default(),
            entries: Vec::new(),
            changes: Vec::new(),
        }
    }
}

/// The entries; where some are compacted, the last of those and `..` come first.
impl<C> Debug for Log<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.base != Position::default() {
            write!(f, "{:?}..", self.base)?;
        }
        self.entries.fmt(f)
    }
}

impl<C: Clone> Log<C> {
    /// Says who the members are before any entry changes them. A log that was compacted knows.
    pub fn found(&mut self, members: Members) {
        if self.base.index == Index(0) {
            self.base_members = members;
        }
    }

    /// The entry before the first.
    pub fn base(&self) -> Position {
        self.base
    }

    /// Where the log ends; `0@0` when nothing was ever in it.
    pub fn last(&self) -> Position {
        self.entries
            .last()
            .map_or(self.base, |entry| entry.position)
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at an index.
    pub fn get(&self, index: Index) -> Option<&Entry<C>> {
        let at = index.0.checked_sub(self.base.index.0 + 1)?;
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// The position of the entry at an index, if that is known: that of the base is, and none before it.
    pub fn position(&self, index: Index) -> Option<Position> {
        if index == self.base.index {
            return Some(self.base);
        }
        self.get(index).map(|entry| entry.position)
    }

    /// Whether the log has that very entry, and so, by log matching, all before it.
    pub fn contains(&self, position: Position) -> bool {
        self.position(position.index) == Some(position)
    }

    /// The entries after an index, as far as they are not compacted.
    pub fn after(&self, index: Index) -> &[Entry<C>] {
        let skip = index.0.saturating_sub(self.base.index.0) as usize;
        &self.entries[skip.min(self.entries.len())..]
    }

    /// The entries after one index, which is not compacted, up to another that the log has; none when that one is not behind.
    pub fn between(&self, after: Index, up_to: Index) -> &[Entry<C>] {
        let count = up_to.0.saturating_sub(after.0) as usize;
        &self.after(after)[..count]
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: Entry<C>) {
        let Position { index, .. } = entry.position;
        assert!(index == self.last().index.next(), "a log has no gap");
        if let Payload::Members(members) = &entry.payload {
            self.changes.push((index, *members));
        }
        self.entries.push(entry);
    }

    /// Removes the entries from an index on.
    pub fn truncate(&mut self, from: Index) {
        let keep = from.0.saturating_sub(self.base.index.0 + 1) as usize;
        self.entries.truncate(keep);
        self.changes.retain(|(index, _)| *index < from);
    }

    /// Forgets the entries up to an index that it has, as of which these were the members.
    pub fn compact(&mut self, up_to: Index, members: Members) {
        if up_to <= self.base.index {
            return;
        }
        let base = self.position(up_to).expect("what is compacted is there");
        self.base_members = members;
        self.changes.retain(|(index, _)| *index > up_to);
        self.entries.drain(..(up_to.0 - self.base.index.0) as usize);
        self.base = base;
    }

    /// Begins anew behind a snapshot. What follows its last entry stays if `keeps_tail`.
    pub fn install(&mut self, last: Position, members: Members, keeps_tail: bool) {
        let tail = if keeps_tail {
            self.after(last.index).to_vec()
        } else {
            Vec::new()
        };
        *self = Self {
            base: last,
            base_members: members,
            ..Self::default()
        };
        tail.into_iter().for_each(|entry| self.push(entry));
    }

    /// The same with its members and entries changed, each where it is.
    pub(super) fn map(
        &self,
        members: impl Fn(&Members) -> Members,
        entry: impl Fn(&Entry<C>) -> Entry<C>,
    ) -> Self {
        let changes = self.changes.iter();
        Self {
            base: self.base,
            base_members: members(&self.base_members),
            entries: self.entries.iter().map(entry).collect(),
            changes: changes
                .map(|(at, changed)| (*at, members(changed)))
                .collect(),
        }
    }

    /// The newest members it knows of, committed or not.
    pub fn members(&self) -> Members {
        self.changes
            .last()
            .map_or(self.base_members, |(_, members)| *members)
    }

    /// Which entry says so; the base without one.
    pub fn members_index(&self) -> Index {
        self.changes
            .last()
            .map_or(self.base.index, |(index, _)| *index)
    }

    /// The members as of an index that is not compacted.
    pub fn members_at(&self, index: Index) -> Members {
        let known = self.changes.iter().rfind(|(at, _)| *at <= index);
        known.map_or(self.base_members, |(_, members)| *members)
    }

    /// The members as of an index that is not compacted, and all that follow.
    pub fn members_from(&self, index: Index) -> impl Iterator<Item = Members> {
        let later = self.changes.iter().filter(move |(at, _)| *at > index);
        std::iter::once(self.members_at(index)).chain(later.map(|(_, members)| *members))
    }

    /// How many entries after an index change the members.
    pub fn changes_after(&self, index: Index) -> usize {
        let changes = self.changes.iter().rev();
        changes.take_while(|(at, _)| *at > index).count()
    }

    /// What to tell a leader whose base this log does not have.
    pub fn hint(&self, base: Index) -> Hint {
        let Some(refused) = self.position(base) else {
            return Hint {
                term: None,
                index: self.last().index.next(),
            };
        };
        Hint {
            term: Some(refused.term),
            index: self.first_of_term(refused.term),
        }
    }

    /// Where a leader with this log goes on after a hint: behind its own last entry of the hinted term, if it has one, and else at
    /// the first index the follower has of that term. Terms are skipped as a whole.
    pub fn resume(&self, hint: Hint) -> Index {
        let Some(term) = hint.term else {
            return hint.index;
        };
        let after = self
            .entries
            .partition_point(|entry| entry.position.term <= term);
        match after.checked_sub(1).map(|at| self.entries[at].position) {
            Some(position) if position.term == term => position.index.next(),
            _ => hint.index,
        }
    }

    fn first_of_term(&self, term: Term) -> Index {
        let before = self
            .entries
            .partition_point(|entry| entry.position.term < term);
        Index(self.base.index.0 + before as u64 + 1)
    }
}

/// What the disk of a node holds: the state that Raft requires to survive a crash (Raft, figure 2), and the newest snapshot (Raft 7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RaftDisk<C> {
    /// The newest term seen.
    pub term: Term,
    /// Who got the vote in that term.
    pub vote: Option<NodeId>,
    /// The newest snapshot. The log begins at its last entry or before.
    pub snapshot: Option<Snapshot>,
    /// The log.
    pub log: Log<C>,
}

impl<C> Default for RaftDisk<C> {
    fn default() -> Self {
        Self {
            term: Term::default(),
            vote: None,
            snapshot: None,
            log: Log::default(),
        }
    }
}

impl<C: Data> Disk<Write<C>> for RaftDisk<C> {
    fn apply(&mut self, write: &Write<C>) {
        match write {
            Write::HardState { term, vote } => (self.term, self.vote) = (*term, *vote),
            Write::Truncate { from } => self.log.truncate(*from),
            Write::Append(entries) => entries
                .iter()
                .for_each(|entry| self.log.push(entry.clone())),
            Write::Snapshot(snapshot) => self.snapshot = Some(snapshot.clone()),
            Write::Compact { up_to, members } => self.log.compact(*up_to, *members),
            Write::Install {
                snapshot,
                keeps_tail,
            } => {
                self.log
                    .install(snapshot.last, snapshot.members, *keeps_tail);
                self.snapshot = Some(snapshot.clone());
            }
        }
    }
}
