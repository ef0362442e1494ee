//! From when to when a key was certainly what, and whether that is one story.

mod versions;

use super::known::Known;
use super::{Leases, Ledger};
use crate::etcd::promises::Breach;
use stormglass_impls::etcd::words::{LeaseId, Revision};
use versions::{Group, Life};

/// A key as it is from one set to the next, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// The revision at which it was set.
    pub set: Revision,
    /// The revision at which it was made.
    pub create: Option<Revision>,
    /// How often it was set since.
    pub version: Option<u64>,
    /// What it holds.
    pub value: Option<&'a str>,
    /// The lease it goes with; 0 for none.
    pub lease: Option<LeaseId>,
}

/// What a key certainly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// Not there.
    Absent,
    /// There, and who knows which version; since when, if that is known.
    Alive(Option<Revision>),
    /// This version.
    Is(Version<'a>),
}

/// A key is certainly one thing for some revisions.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The first of them.
    pub from: Revision,
    /// The last of them.
    pub until: Revision,
    /// Who was answered so; nobody where it is so from the beginning.
    pub by: Option<usize>,
    /// What it is.
    pub state: State<'a>,
}

/// One key while its spans are being found.
struct Key<'f, 'a> {
    name: &'f str,
    known: &'f Known<'a>,
    ledger: &'f Ledger,
    put_floor: Revision,
    delete_floor: Revision,
    /// After which revision any lease may end that this key may ever have gone with.
    lease_floor: Revision,
    leases: &'f Leases,
}

/// The spans of a key.
///
/// # Errors
/// When what is known of it contradicts itself.
pub(super) fn of_key<'a>(
    name: &str,
    known: &Known<'a>,
    ledger: &Ledger,
    leases: &Leases,
) -> Result<Vec<Span<'a>>, Breach> {
    let shown = known.shown.iter().filter_map(|shown| {
        let by_kv = shown.kv.map(|kv| kv.lease);
        by_kv.or(shown.put.map(|(_, lease)| lease))
    });
    let wished = known.put_wishes.keys().map(|(_, lease)| *lease);
    let with = shown.chain(wished).filter_map(|lease| leases.get(&lease));
    let key = Key {
        name,
        known,
        ledger,
        put_floor: known.put_floor(),
        delete_floor: known.delete_floor(),
        lease_floor: with.copied().min().unwrap_or(Revision::MAX),
        leases,
    };
    let mut groups = key.groups()?;
    let mut lives = key.lives(&groups)?;
    key.written(&groups, &lives)?;
    key.counted(&mut groups, &lives)?;
    let absent = key.absences(&groups, &lives)?;
    key.deleted_by_somebody()?;
    let mut spans = key.pieces(&mut groups, &mut lives, &absent);
    key.join(&mut spans)?;
    Ok(spans)
}

impl<'a> Key<'_, 'a> {
    fn breach<T>(
        &self,
        culprits: impl IntoIterator<Item = usize>,
        said: String,
    ) -> Result<T, Breach> {
        Breach::of(culprits, format!("{} {said}", self.name))
    }

    /// The first revision after this one at which something of unknown outcome may have happened that is wished after `floor`.
    fn loose(&self, after: Revision, floor: Revision) -> Revision {
        let gap = match floor {
            Revision::MAX => None,
            floor => self.ledger.next_gap(after.max(floor)),
        };
        gap.unwrap_or(Revision::MAX)
    }

    /// The first revision after this one at which a key in this state may have become another.
    fn may_change(&self, state: &State<'_>, after: Revision) -> Revision {
        match state {
            State::Absent => self.loose(after, self.put_floor),
            State::Alive(_) => self.may_go(state, after),
            State::Is(_) => self
                .loose(after, self.put_floor)
                .min(self.may_go(state, after)),
        }
    }

    /// The first revision after this one at which a key in this state may have gone without anybody being known to have deleted it.
    fn may_go(&self, state: &State<'_>, after: Revision) -> Revision {
        let lease_floor = match state {
            State::Is(Version {
                lease: Some(lease), ..
            }) => self.leases.get(lease).copied().unwrap_or(Revision::MAX),
            State::Absent | State::Alive(_) | State::Is(_) => self.lease_floor,
        };
        self.loose(after, self.delete_floor.min(lease_floor))
    }

    /// Where it was not there for certain, with who knows; and whether it was cleared just then.
    fn absences(
        &self,
        groups: &[Group<'a>],
        lives: &[Life],
    ) -> Result<Vec<(Revision, Option<usize>, bool)>, Breach> {
        // The store begins empty.
        let mut absent: Vec<(Revision, Option<usize>, bool)> =
            vec![(0, None, false), (1, None, false)];
        let known = &self.known;
        absent.extend(known.absent.iter().map(|(at, by)| (*at, Some(*by), false)));
        absent.extend(known.cleared.iter().map(|(at, by)| (*at, Some(*by), true)));
        let births = lives
            .iter()
            .map(|life| (life.create - 1, Some(life.by), false));
        absent.extend(births);
        absent.sort_unstable();
        for (at, by, _) in &absent {
            let next = lives.partition_point(|life| life.create <= *at);
            let life = next.checked_sub(1).map(|last| &lives[last]);
            let by_life = life.filter(|life| *at <= life.until);
            let next = groups.partition_point(|group| group.version.set <= *at);
            let group = next.checked_sub(1).map(|last| &groups[last]);
            let by_group = group.filter(|group| *at <= group.until);
            let there = by_life.map(|life| (life.create, life.until, life.by));
            let there = there.or(by_group.map(|group| (group.version.set, group.until, group.by)));
            if let Some((from, until, other)) = there {
                let said = format!(
                    "was there from revision {from} until revision {until} at least, and was missing at revision {at}."
                );
                return self.breach([other].into_iter().chain(*by), said);
            }
        }
        for (at, by) in &known.alive {
            let same = absent.binary_search_by_key(at, |(other, ..)| *other);
            if let Ok(same) = same {
                let said = format!("was both there and missing at revision {at}.");
                return self.breach([*by].into_iter().chain(absent[same].1), said);
            }
        }
        Ok(absent)
    }

    /// All that is certain, by revision, nothing made longer yet.
    fn pieces(
        &self,
        groups: &mut [Group<'a>],
        lives: &mut [Life],
        absent: &[(Revision, Option<usize>, bool)],
    ) -> Vec<Span<'a>> {
        let mut spans = vec![Span {
            from: 0,
            until: 1,
            by: None,
            state: State::Absent,
        }];
        for place in 0..groups.len() {
            let next = groups.get(place + 1).map(|next| next.version.set);
            let group = &mut groups[place];
            let at = lives.partition_point(|life| life.create <= group.version.set);
            let life = at.checked_sub(1).map(|last| &lives[last]);
            let life = life.filter(|life| group.version.set <= life.until);
            if let (Some(life), Some(next)) = (life, next)
                && next <= life.until
            {
                // It was there all the time: only another set can have come in between.
                let end = self.loose(group.until, self.put_floor).min(next) - 1;
                group.until = end.max(group.until);
                if group.until + 1 < next {
                    spans.push(Span {
                        from: group.until + 1,
                        until: next - 1,
                        by: Some(life.by),
                        state: State::Alive(Some(life.create)),
                    });
                }
            }
            if let Some(life) = life {
                group.version.create = Some(life.create);
            }
            spans.push(Span {
                from: group.version.set,
                until: group.until,
                by: Some(group.by),
                state: State::Is(group.version),
            });
        }
        for life in lives.iter() {
            let first = groups.partition_point(|group| group.version.set < life.create);
            let first = groups[first].version.set;
            if first > life.create {
                spans.push(Span {
                    from: life.create,
                    until: first - 1,
                    by: Some(life.by),
                    state: State::Alive(Some(life.create)),
                });
            }
        }
        let point = |at: Revision, by, state| Span {
            from: at,
            until: at,
            by,
            state,
        };
        for (at, by, _) in absent.iter().filter(|(at, ..)| *at > 1) {
            spans.push(point(*at, *by, State::Absent));
        }
        let alive = self.known.alive.iter();
        spans.extend(alive.map(|(at, by)| point(*at, Some(*by), State::Alive(None))));
        let weight = |state: &State<'_>| match state {
            State::Is(_) => 0,
            State::Alive(Some(_)) => 1,
            State::Alive(None) => 2,
            State::Absent => 3,
        };
        spans.sort_by_key(|span| (span.from, weight(&span.state)));
        spans.dedup_by(|later, earlier| later.from <= earlier.until);
        spans
    }

    /// Whether each piece can have come of the one before it; and makes them longer as far as nobody can have changed the key.
    fn join(&self, spans: &mut [Span<'a>]) -> Result<(), Breach> {
        for next in 1..=spans.len() {
            let (earlier, later) = spans.split_at_mut(next);
            let span = &mut earlier[next - 1];
            let change = self.may_change(&span.state, span.until);
            let Some(later) = later.first_mut() else {
                span.until = span.until.max(change - 1);
                if change == Revision::MAX {
                    span.until = change;
                }
                break;
            };
            self.follows(span, later)?;
            span.until = span.until.max((change - 1).min(later.from - 1));
            if later.state == State::Absent && !self.is_cleared(later.from) {
                self.begins_earlier(span, later);
            }
            if span.until + 1 == later.from {
                self.made_of(span, later)?;
            }
        }
        Ok(())
    }

    fn is_cleared(&self, at: Revision) -> bool {
        let cleared = self.known.cleared.binary_search_by_key(&at, |(at, _)| *at);
        cleared.is_ok()
    }

    /// Whether the key can have become what it was later, with nobody known to have changed it in between.
    fn follows(&self, span: &Span<'a>, later: &Span<'a>) -> Result<(), Breach> {
        let culprits = span.by.into_iter().chain(later.by);
        match (&span.state, &later.state) {
            (State::Is(_) | State::Alive(_), State::Absent) => {
                let any_put = self.loose(span.until, self.put_floor);
                let go = self.may_go(&span.state, span.until).min(any_put);
                if go > later.from && !self.is_cleared(later.from) {
                    let said = format!(
                        "was there at revision {} and missing at revision {}, and nothing deleted it in between.",
                        span.until, later.from
                    );
                    return self.breach(culprits, said);
                }
            }
            (State::Absent, State::Alive(None))
                if self.loose(span.until, self.put_floor) > later.from =>
            {
                let said = format!(
                    "was missing at revision {} and there at revision {}, and nobody made it in between.",
                    span.until, later.from
                );
                return self.breach(culprits, said);
            }
            _ => {}
        }
        Ok(())
    }

    /// A key that is missing was missing since it can have been changed last.
    fn begins_earlier(&self, span: &Span<'a>, later: &mut Span<'a>) {
        let floor = self
            .put_floor
            .min(self.delete_floor)
            .min(self.lease_floor)
            .max(span.until);
        if let Some(last) = self
            .ledger
            .last_gap(later.from)
            .filter(|last| *last > floor)
        {
            later.from = last.min(later.from);
        }
    }

    /// What is right before a set tells how often the key was set, and since when it was there.
    fn made_of(&self, span: &Span<'a>, later: &mut Span<'a>) -> Result<(), Breach> {
        let State::Is(version) = &mut later.state else {
            return Ok(());
        };
        let (create, number) = match &span.state {
            State::Absent => (Some(version.set), Some(1)),
            State::Alive(create) => (*create, None),
            State::Is(before) => (before.create, before.version.map(|number| number + 1)),
        };
        let other = |told: Option<u64>, made: Option<u64>| {
            told.zip(made).is_some_and(|(told, made)| told != made)
        };
        if other(version.create, create) || other(version.version, number) {
            let shown = |number: Option<u64>| number.map_or("?".to_string(), |n| n.to_string());
            let said = format!(
                "was set at revision {}, and was then of create revision {} and version {}; by what was there right before, these must be {} and {}.",
                version.set,
                shown(version.create),
                shown(version.version),
                shown(create),
                shown(number)
            );
            return self.breach(span.by.into_iter().chain(later.by), said);
        }
        version.create = version.create.or(create);
        version.version = version.version.or(number);
        Ok(())
    }
}
