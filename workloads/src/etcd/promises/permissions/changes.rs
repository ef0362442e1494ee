//! What the rights were at each auth revision, and at which of them an operation can have taken place.

use super::rights::Rights;
use crate::etcd::promises::Breach;
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
    /// What the rights may have been.
    possible: Possible,
    /// For each operation, the newest auth revision that anybody had been shown before it was called, and who was.
    pub(super) floors: Vec<(u64, usize)>,
    /// By call, the oldest auth revision of those changes that were called then or later.
    later: Vec<(usize, u64)>,
    /// When the changes were called that were made, or may have been, in order.
    calls: Vec<usize>,
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
        let floors = story.floors(shown);
        let mut unknown = Unknown::default();
        let mut calls = Vec::new();
        for deed in &story.deeds {
            match (change(deed), shown(deed)) {
                (Some(op), Some(auth_revision)) => {
                    made.entry(auth_revision).or_insert((deed.id, op));
                    calls.push(deed.call);
                }
                (Some(op), None) if deed.ended.is_none() => {
                    unknown.add(op, floors[deed.id].0);
                    calls.push(deed.call);
                }
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
            possible: Possible::of(&made, &unknown),
            made,
            floors,
            later,
            calls,
            at: if at.is_sorted() { at } else { Vec::new() },
        }
    }

    /// The newest auth revision that there can have been before an event of the history: each change that was called by then makes one.
    fn last(&self, before: usize) -> u64 {
        let called = self.calls.partition_point(|call| *call < before);
        1 + called as u64
    }

    /// An auth revision that somebody was shown, or was shown a later one, was made by somebody.
    pub(super) fn each_was_made(&self) -> Result<(), Breach> {
        let Some(nobody) = self.possible.nobody else {
            return Ok(());
        };
        let later = self.made.range(nobody..).next();
        let said = format!("Auth revision {nobody} is there, and nobody can have made it.");
        Breach::of(later.map(|(_, (by, _))| *by), said)
    }

    /// At which auth revisions an operation can have taken place. Its rights and its revision are those of one moment, at whichever member.
    pub(super) fn when(&self, deed: &Deed) -> RangeInclusive<u64> {
        let next = self.later.partition_point(|(call, _)| *call <= deed.answer);
        let later = self.later.get(next);
        let later = later.map(|(_, oldest)| oldest.saturating_sub(1));
        let mut to = later.unwrap_or(u64::MAX).min(self.last(deed.answer));
        let mut from = match deed.is_linearizable() {
            true => self.floors[deed.id].0.max(1),
            false => 1,
        };
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

    /// Whether rights are certainly looked at where nothing more is known of them.
    pub(super) fn are_looked_at(&self) -> bool {
        self.possible.are_looked_at
    }

    /// What the rights may have been at an auth revision; `None` where that is not known.
    pub(super) fn at(&self, auth_revision: u64) -> Option<&[Rights]> {
        let place = auth_revision.checked_sub(1)? as usize;
        self.possible.rights.get(place).map(Vec::as_slice)
    }
}

/// Changes of unknown outcome. Equal ones are as good as each other.
#[derive(Default)]
struct Unknown<'a> {
    ops: Vec<&'a AuthOp>,
    /// For each of these, how often it was asked for: with the newest auth revision that anybody had been shown by then, in order.
    floors: Vec<Vec<u64>>,
    places: BTreeMap<&'a AuthOp, usize>,
}

impl<'a> Unknown<'a> {
    fn add(&mut self, op: &'a AuthOp, floor: u64) {
        let next = self.ops.len();
        let place = *self.places.entry(op).or_insert(next);
        if place == next {
            self.ops.push(op);
            self.floors.push(Vec::new());
        }
        // Operations come by call, so that floors never fall.
        self.floors[place].push(floor);
    }

    /// How many there are.
    fn count(&self) -> u64 {
        self.floors.iter().map(|floors| floors.len() as u64).sum()
    }

    /// Those that may have made an auth revision, by place; not those that were called when it, or a later one, had been shown.
    fn before(&self, auth_revision: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
        let asked = self.floors.iter().enumerate().map(move |(place, floors)| {
            let asked = floors.partition_point(|floor| *floor < auth_revision);
            (place, asked as u64)
        });
        asked.filter(|(_, asked)| *asked > 0)
    }
}

/// How often each change of unknown outcome was certainly made, by its place among them.
type Used = BTreeMap<usize, u64>;

/// What the rights may have been.
struct Possible {
    /// One auth revision after the other, from the first on, as far as that is known.
    rights: Vec<Vec<Rights>>,
    /// The first auth revision that was there and that nobody can have made.
    nobody: Option<u64>,
    /// Whether rights are certainly looked at where nothing more is known.
    are_looked_at: bool,
}

impl Possible {
    fn of(made: &BTreeMap<u64, (usize, &AuthOp)>, unknown: &Unknown<'_>) -> Self {
        let newest = made.last_key_value().map_or(1, |(newest, _)| *newest);
        // Numbers that nobody can have reached are not reckoned with.
        let reached = newest.min(made.len() as u64 + unknown.count() + 1);
        let last = reached + unknown.count();
        let mut possible = Self {
            rights: vec![vec![Rights::default()]],
            nobody: None,
            are_looked_at: false,
        };
        let mut now: Vec<(Rights, Used)> = vec![(Rights::default(), Used::new())];
        for auth_revision in 2..=last {
            let next = match made.get(&auth_revision) {
                Some((_, op)) => made_by(&now, op),
                None => made_by_any(&now, unknown, auth_revision),
            };
            if next.is_empty() && auth_revision < newest && !made.contains_key(&auth_revision) {
                possible.nobody = Some(auth_revision);
            }
            if next.is_empty() || next.len() > POSSIBILITIES_MAX {
                break;
            }
            let rights = next.iter().map(|(rights, _)| rights.clone());
            possible.rights.push(rights.collect());
            now = next;
        }
        let unknown_from = possible.rights.len() as u64 + 1;
        let made = made.range(unknown_from..).map(|(_, (_, op))| *op);
        let mut later = made.chain(unknown.ops.iter().copied());
        possible.are_looked_at = now.iter().all(|(rights, _)| rights.are_looked_at)
            && later.all(|op| *op != AuthOp::Disable);
        possible
    }
}

fn made_by(now: &[(Rights, Used)], op: &AuthOp) -> Vec<(Rights, Used)> {
    let mut next = Vec::new();
    for (rights, used) in now {
        if let Ok(changed) = rights.change(op) {
            join(&mut next, changed, used.clone());
        }
    }
    next
}

fn made_by_any(
    now: &[(Rights, Used)],
    unknown: &Unknown<'_>,
    auth_revision: u64,
) -> Vec<(Rights, Used)> {
    let mut next = Vec::new();
    for (rights, used) in now {
        for (place, asked) in unknown.before(auth_revision) {
            let made = used.get(&place).copied().unwrap_or(0);
            if made == asked {
                continue;
            }
            if let Ok(changed) = rights.change(unknown.ops[place]) {
                let mut used = used.clone();
                used.insert(place, made + 1);
                join(&mut next, changed, used);
            }
            if next.len() > POSSIBILITIES_MAX {
                return next;
            }
        }
    }
    next
}

/// The same rights are kept once: what was made for them is what was made in either case.
fn join(next: &mut Vec<(Rights, Used)>, rights: Rights, used: Used) {
    match next.iter_mut().find(|(same, _)| *same == rights) {
        None => next.push((rights, used)),
        Some((_, other)) => {
            other.retain(|place, made| {
                *made = used.get(place).copied().unwrap_or(0).min(*made);
                *made > 0
            });
        }
    }
}

/// What a client said to be somebody.
pub(super) fn login(deed: &Deed) -> Option<(&str, &str)> {
    match &deed.request()?.ask {
        Ask::Authenticate { user, password } => Some((user, password)),
        _ => None,
    }
}
