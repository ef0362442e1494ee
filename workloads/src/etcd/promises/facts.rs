//! What the answers say of each key, at which revision: the ground on which several promises are judged.
//!
//! The store at a revision is one store. So a fact is a statement about one key at one revision, whoever was answered it: a key that is shown at revision 9,
//! and was set last at 5, was the same at all revisions from 5 to 9. What is certain is put together into [`Span`]s, and these are made longer as far as
//! nobody can have changed the key: each revision belongs to one change, and where that is known it changes what it says and nothing else. Only a revision
//! that belongs to nobody can be that of a change of unknown outcome, or of the end of a lease.
//!
//! A change of unknown outcome that alone explains what was seen at such a revision was done there.
//!
//! What serializable reads show is no fact: they are judged by facts.

mod answers;
mod gather;
mod known;
mod ledger;
pub mod lists;
mod resolve;
mod spans;

use super::Breach;
use super::story::Story;
use gather::Gatherer;
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Keys, LeaseId, Revision, TO_THE_END};

pub use known::{Known, Shown};
pub use ledger::{Ledger, Wish};
pub use lists::List;
pub use spans::{Span, State, Version};

/// All facts of a history.
pub struct Facts<'a> {
    /// The keys, in order.
    pub keys: Vec<&'a str>,
    /// What is known of each, in the same order.
    pub known: Vec<Known<'a>>,
    /// From when to when each was certainly what.
    pub spans: Vec<Vec<Span<'a>>>,
    /// When each certainly changed, and who knows, by revision.
    pub changes: Vec<Vec<(Revision, usize)>>,
    /// Which revision belongs to what.
    pub ledger: Ledger,
    /// What was answered of ranges of keys.
    pub lists: Vec<List<'a>>,
    /// The first contradiction, if there is one. Of a key with contradictions there are no spans.
    pub contradiction: Option<Breach>,
}

impl<'a> Facts<'a> {
    /// The facts of a history.
    pub fn of(story: &'a Story) -> Self {
        let mut ledger = Ledger::of(story);
        let mut gathered = Gatherer::gather(story, &ledger);
        let mut contradiction = gathered.contradiction.take();
        let resolved = resolve::resolve(&mut gathered, &mut ledger, story);
        contradiction = contradiction.or(resolved.err());
        let Gatherer {
            keys,
            known,
            lists,
            leases,
            ..
        } = gathered;
        let mut facts = Self {
            keys,
            known,
            spans: Vec::new(),
            changes: Vec::new(),
            ledger,
            lists,
            contradiction,
        };
        for number in 0..facts.keys.len() {
            let known = &facts.known[number];
            let spans = spans::of_key(facts.keys[number], known, &facts.ledger, &leases);
            facts.spans.push(spans.unwrap_or_else(|breach| {
                facts.contradiction.get_or_insert(breach);
                Vec::new()
            }));
        }
        let numbers = 0..facts.keys.len();
        facts.changes = numbers.map(|number| facts.changes_of(number)).collect();
        facts
    }

    /// When a key certainly changed.
    fn changes_of(&self, number: usize) -> Vec<(Revision, usize)> {
        let known = &self.known[number];
        let mut changes: Vec<(Revision, usize)> = known.deleted.clone();
        for shown in &known.shown {
            changes.push((shown.set, shown.by));
            let made = shown.kv.map(|kv| kv.create_revision);
            changes.extend(made.map(|made| (made, shown.by)));
        }
        // What was cleared and had been there was deleted.
        let there = |at: Revision| {
            let before = self.at(number, at.checked_sub(1)?)?;
            (before.state != State::Absent).then_some(())
        };
        let cleared = known.cleared.iter();
        changes.extend(cleared.filter(|(at, _)| there(*at).is_some()));
        // So was what was there and is missing right afterwards, whoever did it: by a lease's end, or by what nobody was answered.
        for pair in self.spans[number].windows(2) {
            let (span, next) = (&pair[0], &pair[1]);
            let is_gone = span.state != State::Absent && next.state == State::Absent;
            if is_gone && span.until + 1 == next.from {
                changes.extend(next.by.or(span.by).map(|by| (next.from, by)));
            }
        }
        changes.sort_unstable();
        changes.dedup_by_key(|(at, _)| *at);
        changes
    }

    /// The number of a key that somebody named.
    pub fn number(&self, key: &str) -> Option<usize> {
        self.keys.binary_search(&key).ok()
    }

    /// The numbers of those keys that somebody named: from, and up to without.
    pub fn numbers(&self, keys: &Keys) -> (usize, usize) {
        numbers(&self.keys, keys)
    }

    /// What a key certainly was at a revision.
    pub fn at(&self, number: usize, revision: Revision) -> Option<&Span<'a>> {
        let spans = &self.spans[number];
        let next = spans.partition_point(|span| span.from <= revision);
        let span = &spans[next.checked_sub(1)?];
        (revision <= span.until).then_some(span)
    }
}

/// Which of these keys, in order, a range holds.
fn numbers(sorted: &[&str], keys: &Keys) -> (usize, usize) {
    let from = sorted.partition_point(|key| *key < keys.key.as_str());
    let to = match keys.range_end.as_deref() {
        None => {
            let is_there = sorted.get(from).is_some_and(|key| *key == keys.key);
            from + usize::from(is_there)
        }
        Some(TO_THE_END) => sorted.len(),
        Some(end) => sorted.partition_point(|key| *key < end),
    };
    (from, to.max(from))
}

/// When leases may end that keys can go with: after which revision, at the earliest.
pub(super) type Leases = BTreeMap<LeaseId, Revision>;
