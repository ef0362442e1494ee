//! What the invariants remember: every entry ever seen, and for each node what it holds.

use super::super::message::{Entry, Index, Payload, Position, Term, Write};
use crate::contract::NodeId;
use crate::explored::{Names, Renamed};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

/// Every entry any log ever held, by its position. Almost all indices only ever saw one, so those stand in a row: looking one up costs
/// the same however long the log is.
#[derive(Clone, Debug)]
pub(super) struct Entries<C> {
    /// The entry first seen at each index, that of index 1 first.
    first: Vec<(Term, Held<C>)>,
    /// Entries of other terms at the same indices.
    others: BTreeMap<Position, Held<C>>,
}

/// The term of the entry before an entry, and what it holds. By induction along a log, equal entries after equal entries make equal logs.
pub(super) type Held<C> = (Term, Payload<C>);

impl<C> Default for Entries<C> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            others: BTreeMap::new(),
        }
    }
}

/// Which of several entries at an index was seen first makes no difference.
impl<C: Hash> Hash for Entries<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (at, (term, held)) in self.first.iter().enumerate() {
            let index = Index(at as u64 + 1);
            let from = Position {
                index,
                term: Term(0),
            };
            let to = Position {
                index,
                term: Term(u64::MAX),
            };
            let mut here: Vec<(Term, &Held<C>)> = vec![(*term, held)];
            here.extend(
                self.others
                    .range(from..=to)
                    .map(|(place, held)| (place.term, held)),
            );
            here.sort_by_key(|(term, _)| *term);
            here.hash(state);
        }
        // A log with a gap is no reason to lose anything.
        let beyond = Index(self.first.len() as u64 + 1);
        let from = Position {
            index: beyond,
            term: Term(0),
        };
        self.others
            .range(from..)
            .for_each(|other| other.hash(state));
    }
}

impl<C: Clone> Renamed for Entries<C> {
    fn renamed(&self, names: &Names) -> Self {
        let held = |(before, payload): &Held<C>| (*before, payload.renamed(names));
        let others = self.others.iter();
        Self {
            first: self
                .first
                .iter()
                .map(|(term, known)| (*term, held(known)))
                .collect(),
            others: others.map(|(place, known)| (*place, held(known))).collect(),
        }
    }
}

impl<C: Clone> Entries<C> {
    /// What is known at a position: what was seen there before, or now this. And whether it was seen before.
    pub(super) fn known(
        &mut self,
        position: Position,
        before: Term,
        payload: &Payload<C>,
    ) -> (&Held<C>, bool) {
        let at = position.index.previous().0 as usize;
        let seen = self.first.len();
        if at == seen {
            self.first.push((position.term, (before, payload.clone())));
        }
        match self.first.get(at) {
            Some((term, held)) if *term == position.term => (held, at < seen),
            _ => {
                let was_there = self.others.contains_key(&position);
                let others = self.others.entry(position);
                let held = others.or_insert_with(|| (before, payload.clone()));
                (held, was_there)
            }
        }
    }
}

/// The terms of a log's entries. It forgets nothing but what a snapshot replaced, so it can be asked about what the log itself has compacted.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Mirror {
    base: Position,
    terms: Vec<Term>,
}

impl Mirror {
    /// The mirror of a log as it is read from a disk.
    pub(super) fn of<C>(base: Position, entries: &[Entry<C>]) -> Self {
        let terms = entries.iter().map(|entry| entry.position.term).collect();
        Self { base, terms }
    }

    pub(super) fn last(&self) -> Index {
        Index(self.base.index.0 + self.terms.len() as u64)
    }

    /// The position of the entry at an index, if it is known.
    pub(super) fn position(&self, index: Index) -> Option<Position> {
        if index == self.base.index {
            return Some(self.base);
        }
        let at = index.0.checked_sub(self.base.index.0 + 1)?;
        let term = *self.terms.get(at as usize)?;
        Some(Position { index, term })
    }

    /// Whether it has that very entry. Of what a snapshot replaced, that is taken for granted: the snapshot's own end was compared.
    pub(super) fn holds(&self, position: Position) -> bool {
        position.index < self.base.index || self.position(position.index) == Some(position)
    }

    fn truncate(&mut self, from: Index) {
        let keep = from.0.saturating_sub(self.base.index.0 + 1);
        self.terms.truncate(keep as usize);
    }

    /// Follows a write.
    pub(super) fn apply<C>(&mut self, change: &Change<C>) {
        match change {
            Change::Append(terms) => self.terms.extend(terms),
            Change::Truncate(from) => self.truncate(*from),
            Change::Install(last, keeps_tail) => {
                let skip = last.index.0.saturating_sub(self.base.index.0) as usize;
                let tail = match keeps_tail {
                    true => self.terms.split_off(skip.min(self.terms.len())),
                    false => Vec::new(),
                };
                *self = Self {
                    base: *last,
                    terms: tail,
                };
            }
            Change::Other(_) => {}
        }
    }
}

/// What a write changes about which entries there are.
#[derive(Clone, Debug, Hash)]
pub(super) enum Change<C> {
    Append(Vec<Term>),
    Truncate(Index),
    Install(Position, bool),
    Other(std::marker::PhantomData<C>),
}

impl<C> Change<C> {
    pub(super) fn of(write: &Write<C>) -> Self {
        match write {
            Write::Append(entries) => {
                Change::Append(entries.iter().map(|entry| entry.position.term).collect())
            }
            Write::Truncate { from } => Change::Truncate(*from),
            Write::Install {
                snapshot,
                keeps_tail,
            } => Change::Install(snapshot.last, *keeps_tail),
            Write::HardState { .. } | Write::Snapshot(_) | Write::Compact { .. } => {
                Change::Other(std::marker::PhantomData)
            }
        }
    }
}

/// What was seen of one node.
#[derive(Clone, Debug, Hash)]
pub(super) struct Seen<C> {
    pub(super) term: Term,
    pub(super) commit: Index,
    /// The newest term the node sent a message in: a restart must not forget it.
    pub(super) spoken: Term,
    /// The last vote it sent, its own candidacy included: the term, and to whom.
    pub(super) vote: Option<(Term, NodeId)>,
    /// Its log.
    pub(super) log: Mirror,
    /// As much of it as is durable.
    pub(super) durable: Mirror,
    /// What is on its way to the disk, oldest batch first.
    pub(super) under_way: VecDeque<Vec<Change<C>>>,
}

impl<C> Default for Seen<C> {
    fn default() -> Self {
        Self {
            term: Term::default(),
            commit: Index::default(),
            spoken: Term::default(),
            vote: None,
            log: Mirror::default(),
            durable: Mirror::default(),
            under_way: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64, term: u64) -> Position {
        Position {
            index: Index(index),
            term: Term(term),
        }
    }

    #[test]
    fn what_was_first_seen_at_a_position_stays_known() {
        let mut entries = Entries::<u8>::default();
        let noop = (Term(0), Payload::Noop);
        assert_eq!(*entries.known(at(1, 1), noop.0, &noop.1).0, noop);
        assert_eq!(
            entries.known(at(1, 1), Term(9), &Payload::Noop),
            (&noop, true),
            "another log that says otherwise is the one that is compared, not believed"
        );
        let later = (Term(1), Payload::Noop);
        assert_eq!(*entries.known(at(2, 1), later.0, &later.1).0, later);
        for before in [2, 3] {
            let known = entries.known(at(1, 4), Term(before), &Payload::Noop).0;
            assert_eq!(known.0, Term(2), "an entry of another term at that index");
        }
        assert_eq!(entries.known(at(1, 1), noop.0, &noop.1).0.0, Term(0));
        let beyond = entries.known(at(7, 5), Term(5), &Payload::Noop);
        assert_eq!(
            beyond.0.0,
            Term(5),
            "a log with a gap is no reason to panic"
        );
        assert_eq!(
            entries.known(at(7, 5), Term(4), &Payload::Noop).0.0,
            Term(5)
        );
    }

    #[test]
    fn a_mirror_follows_its_log() {
        let mut mirror = Mirror::default();
        let mut apply = |change: Change<u8>| {
            mirror.apply(&change);
            (mirror.last(), mirror.clone())
        };
        assert_eq!(
            apply(Change::Append(vec![Term(1), Term(1), Term(2)])).0,
            Index(3)
        );
        assert_eq!(apply(Change::Truncate(Index(3))).0, Index(2));
        assert!(apply(Change::Append(vec![Term(3)])).1.holds(at(3, 3)));
        let (last, kept) = apply(Change::Install(at(2, 1), true));
        assert!(last == Index(3) && kept.holds(at(3, 3)) && kept.holds(at(2, 1)));
        let (last, reset) = apply(Change::Install(at(9, 4), false));
        assert!(last == Index(9) && reset.holds(at(9, 4)) && !reset.holds(at(9, 3)));
    }
}
