//! What the rights were at each auth revision, and at which of them an operation can have taken place.

use super::rights::Rights;
use crate::etcd::promises::story::{Deed, Story};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use stormglass_impls::etcd::words::{Ask, AuthOp, Done, Op, Revision};

/// So many possibilities are kept apart. Where there are more, nothing is known.
const POSSIBILITIES_MAX: usize = 32;

/// All changes of rights.
pub(super) struct Changes<'a> {
    /// By the auth revision that each made, who made it.
    pub(super) made: BTreeMap<u64, (usize, &'a AuthOp)>,
    /// By auth revision, from the first on, what the rights may have been; `None` where that is not known.
    possible: Vec<Option<Vec<Rights>>>,
    /// For each operation, the newest auth revision that anybody had been shown before it was called, and who was.
    pub(super) floors: Vec<(u64, usize)>,
    /// By call, the oldest auth revision of those changes that were called then or later.
    later: Vec<(usize, u64)>,
    /// The changes with the store's revision at which they were made, while these grow together.
    at: Vec<(Revision, u64)>,
}

/// A change of rights.
pub(super) fn change(deed: &Deed) -> Option<&AuthOp> {
    match deed.op()? {
        Op::Auth(op) => Some(op),
        _ => None,
    }
}

/// The auth revision that an answer shows.
fn shown(deed: &Deed) -> Option<u64> {
    match deed.done()? {
        Done::Auth { auth_revision } => Some(*auth_revision),
        _ => None,
    }
}

impl<'a> Changes<'a> {
    pub(super) fn of(story: &'a Story) -> Self {
        let mut made: BTreeMap<u64, (usize, &AuthOp)> = BTreeMap::new();
        let mut unknown: Vec<&AuthOp> = Vec::new();
        for deed in &story.deeds {
            match (change(deed), shown(deed)) {
                (Some(op), Some(auth_revision)) => {
                    made.entry(auth_revision).or_insert((deed.id, op));
                }
                (Some(op), None) if deed.ended.is_none() => unknown.push(op),
                _ => {}
            }
        }
        let mut later: Vec<(usize, u64)> = made
            .iter()
            .map(|(auth_revision, (by, _))| (story.deeds[*by].call, *auth_revision))
            .collect();
        later.sort_unstable();
        let mut oldest = u64::MAX;
        for (_, auth_revision) in later.iter_mut().rev() {
            oldest = oldest.min(*auth_revision);
            *auth_revision = oldest;
        }
        let at = made.iter();
        let at: Vec<(Revision, u64)> = at
            .filter_map(|(auth_revision, (by, _))| {
                Some((story.deeds[*by].revision()?, *auth_revision))
            })
            .collect();
        Self {
            possible: possible(&made, &unknown),
            made,
            floors: story.floors(shown),
            later,
            at: if at.is_sorted() { at } else { Vec::new() },
        }
    }

    /// The newest auth revision at which anything may have taken place.
    fn last(&self) -> u64 {
        self.possible.len() as u64
    }

    /// At which auth revisions an operation can have taken place.
    pub(super) fn when(&self, deed: &Deed) -> RangeInclusive<u64> {
        let next = self.later.partition_point(|(call, _)| *call <= deed.answer);
        let later = self.later.get(next);
        let later = later.map(|(_, oldest)| oldest.saturating_sub(1));
        let mut to = later.unwrap_or(u64::MAX).min(self.last());
        if !deed.is_linearizable() {
            return 1..=to;
        }
        let mut from = self.floors[deed.id].0.max(1);
        if let Some(revision) = deed.revision() {
            // What made a revision came after all changes of rights at older ones.
            let is_change = deed.own_revision().is_some();
            let before = self.at.partition_point(|(at, _)| *at < revision);
            let after = self
                .at
                .partition_point(|(at, _)| *at < revision + u64::from(!is_change));
            let last_before = before.checked_sub(1).map(|last| self.at[last].1);
            from = from.max(last_before.unwrap_or(1));
            let first_after = self.at.get(after);
            let first_after = first_after.map(|(_, made)| made.saturating_sub(1));
            to = to.min(first_after.unwrap_or(u64::MAX));
        }
        from..=to
    }

    /// What the rights may have been at an auth revision; `None` where that is not known.
    pub(super) fn at(&self, auth_revision: u64) -> Option<&[Rights]> {
        let place = auth_revision.checked_sub(1)? as usize;
        self.possible.get(place)?.as_deref()
    }
}

/// What the rights may have been, one auth revision after the other.
fn possible(
    made: &BTreeMap<u64, (usize, &AuthOp)>,
    unknown: &[&AuthOp],
) -> Vec<Option<Vec<Rights>>> {
    let newest = made.last_key_value().map_or(1, |(newest, _)| *newest);
    // Numbers that nobody can have reached are not reckoned with.
    let newest = newest.min((made.len() + unknown.len()) as u64 + 1);
    let last = newest + unknown.len() as u64;
    let mut all = vec![Some(vec![Rights::default()])];
    for auth_revision in 2..=last {
        let before = all.last().and_then(Option::as_ref);
        let next = before.and_then(|before| {
            let known = made.get(&auth_revision).map(|(_, op)| *op);
            let ops = match &known {
                Some(op) => std::slice::from_ref(op),
                None => unknown,
            };
            let mut next: Vec<Rights> = Vec::new();
            for rights in before {
                for op in ops {
                    match rights.change(op) {
                        Ok(changed) if !next.contains(&changed) => next.push(changed),
                        _ => {}
                    }
                }
            }
            (next.len() <= POSSIBILITIES_MAX && !next.is_empty()).then_some(next)
        });
        all.push(next);
    }
    all
}

/// What a client said to be somebody.
pub(super) fn login(deed: &Deed) -> Option<(&str, &str)> {
    match &deed.request()?.ask {
        Ask::Authenticate { user, password } => Some((user, password)),
        _ => None,
    }
}
