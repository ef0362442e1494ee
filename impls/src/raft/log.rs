//! The log of one node, in memory; and what its disk holds.

use super::message::{Entry, Hint, Index, Position, Term, Write};
use crate::contract::{Data, Disk, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// A log: entries of index 1, 2, 3 and so on. Their terms never fall: a leader's own entries are of its term, which is none below, and
/// what a follower takes continues an entry that the leader has too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Log<C> {
    entries: Vec<Entry<C>>,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<C> Debug for Log<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.fmt(f)
    }
}

impl<C: Clone> Log<C> {
    /// Where the log ends; `0@0` when it is empty.
    pub fn last(&self) -> Position {
        self.entries
            .last()
            .map(|entry| entry.position)
            .unwrap_or_default()
    }

    /// The entry at an index.
    pub fn get(&self, index: Index) -> Option<&Entry<C>> {
        let at = index.0.checked_sub(1)?;
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// The position of the entry at an index; that of index 0 is `0@0`.
    pub fn position(&self, index: Index) -> Option<Position> {
        if index == Index(0) {
            return Some(Position::default());
        }
        self.get(index).map(|entry| entry.position)
    }

    /// Whether the log has that very entry, and so, by log matching, all before it.
    pub fn contains(&self, position: Position) -> bool {
        self.position(position.index) == Some(position)
    }

    /// The entries after an index.
    pub fn after(&self, index: Index) -> &[Entry<C>] {
        &self.entries[(index.0 as usize).min(self.entries.len())..]
    }

    /// The entries after one index up to another that the log has; none when that one is not behind.
    pub fn between(&self, after: Index, up_to: Index) -> &[Entry<C>] {
        let count = up_to.0.saturating_sub(after.0) as usize;
        &self.after(after)[..count]
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: Entry<C>) {
        assert!(
            entry.position.index == self.last().index.next(),
            "a log has no gap"
        );
        self.entries.push(entry);
    }

    /// Removes the entries from an index on.
    pub fn truncate(&mut self, from: Index) {
        self.entries.truncate(from.previous().0 as usize);
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
        Index(
            self.entries
                .partition_point(|entry| entry.position.term < term) as u64
                + 1,
        )
    }
}

/// What the disk of a node holds: the state that Raft requires to survive a crash (Raft, figure 2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RaftDisk<C> {
    /// The newest term seen.
    pub term: Term,
    /// Who got the vote in that term.
    pub vote: Option<NodeId>,
    /// The log.
    pub log: Log<C>,
}

impl<C> Default for RaftDisk<C> {
    fn default() -> Self {
        Self {
            term: Term::default(),
            vote: None,
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
        }
    }
}
