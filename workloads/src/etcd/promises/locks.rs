//! What several promises of recipes make of keys that stand in a line: the one that was made first is at its head.

use super::facts::{Facts, State};
use super::story::Story;
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Keys, Revision};

/// A key is certainly there, and was made at this revision.
pub(super) struct Place {
    pub(super) create: Revision,
    pub(super) from: Revision,
    pub(super) until: Revision,
    /// Its number.
    pub(super) key: usize,
    pub(super) by: Option<usize>,
}

/// The keys of a line.
pub(super) struct Line {
    /// By when they were made.
    places: Vec<Place>,
    /// How long any of those up to each was there.
    longest: Vec<Revision>,
}

impl Line {
    /// The keys below this one.
    pub(super) fn of(facts: &Facts<'_>, name: &str) -> Self {
        let name = name.trim_end_matches('/');
        let (from, to) = facts.numbers(&Keys::prefix(&format!("{name}/")));
        let mut places = Vec::new();
        for key in from..to {
            for span in &facts.spans[key] {
                let create = match &span.state {
                    State::Absent => None,
                    State::Alive(create) => *create,
                    State::Is(version) => version.create,
                };
                places.extend(create.map(|create| Place {
                    create,
                    from: span.from,
                    until: span.until,
                    key,
                    by: span.by,
                }));
            }
        }
        places.sort_by_key(|place| (place.create, place.from));
        let mut longest = 0;
        let until = places.iter().map(|place| {
            longest = longest.max(place.until);
            longest
        });
        let longest = until.collect();
        Self { places, longest }
    }

    /// A key that was made before another, and was there at a revision.
    pub(super) fn ahead(&self, create: Revision, at: Revision) -> Option<&Place> {
        let before = self.places.partition_point(|place| place.create < create);
        let last = before.checked_sub(1)?;
        if self.longest[last] < at {
            return None;
        }
        let mut ahead = self.places[..before].iter();
        ahead.find(|place| (place.from..=place.until).contains(&at))
    }
}

/// From when to when each process was at work.
pub(super) struct Processes(BTreeMap<u64, (usize, usize)>);

impl Processes {
    pub(super) fn of(story: &Story) -> Self {
        let mut at_work: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for deed in &story.deeds {
            let (_, last) = at_work
                .entry(deed.process)
                .or_insert((deed.call, deed.call));
            *last = deed.call;
        }
        Self(at_work)
    }

    /// Whether two processes are certainly not one client: they are at work at the same time.
    pub(super) fn are_others(&self, one: u64, other: u64) -> bool {
        match (self.0.get(&one), self.0.get(&other)) {
            (Some(one), Some(other)) => one != other && one.0 <= other.1 && other.0 <= one.1,
            _ => false,
        }
    }
}
