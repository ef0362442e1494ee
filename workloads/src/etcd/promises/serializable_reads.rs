//! A serializable read may be old, and is true of what was once.
//!
//! > clients can configure a request's consistency mode to `serializable`, which may access stale data with respect to quorum
//! >
//! > *etcd API guarantees*, Linearizability
//!
//! It shows the store at one revision, that of its answer or the one that was asked for, and what it shows of each key must have been so then. Stale is no
//! breach, see [`stale`](super::stale). That its revision was there by then is [`revisions_grow`](super::revisions_grow).
//!
//! Counterexample: two keys are set at once at revision 5, and a serializable read shows one of them as it was at 4 and the other as it was at 5.

use super::facts::lists::{self, List, impossible_alone, impossible_key};
use super::facts::{Facts, Span, State};
use super::ground::Ground;
use super::story::Deed;
use super::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Done, KeyValue, Range, Revision};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "serializable-reads",
    quote: "\"clients can configure a request's consistency mode to serializable, which may access stale data with respect to quorum\" \
            (etcd API guarantees, Linearizability)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let reads = ground.story.deeds.iter().filter_map(read);
    let reads: Vec<Read<'_>> = reads.collect();
    if reads.is_empty() {
        return Ok(());
    }
    let facts = ground.facts();
    let mut telling = Telling::new(facts);
    let mut lists = Vec::new();
    for read in &reads {
        if let Some(why) = impossible_alone(read.range, read.kvs, read.count) {
            let said = format!("The answer to {:?} contradicts itself: {why}.", read.range);
            return Breach::of([read.by], said);
        }
        for kv in read.kvs {
            was_so(&mut telling, kv, read)?;
        }
        let keys = &read.range.keys;
        if keys.range_end.is_some() || read.kvs.is_empty() {
            lists.push(List {
                at: read.at,
                by: read.by,
                keys,
                kvs: Some(read.kvs),
                count: read.count,
                earlier: &[],
            });
        }
    }
    lists::judge(facts, &lists)
}

/// A serializable read that was answered.
struct Read<'a> {
    by: usize,
    range: &'a Range,
    kvs: &'a [KeyValue],
    count: u64,
    /// At which revision.
    at: Revision,
}

fn read(deed: &Deed) -> Option<Read<'_>> {
    let range = deed.range().filter(|range| range.serializable)?;
    let Done::Range { kvs, count } = deed.done()? else {
        return None;
    };
    let at = match range.revision {
        0 => deed.revision()?,
        revision => revision,
    };
    Some(Read {
        by: deed.id,
        range,
        kvs,
        count: *count,
        at,
    })
}

/// Which spans of each key say since when it was there, or that it was not.
struct Telling<'f, 'a> {
    facts: &'f Facts<'a>,
    /// For each key that somebody asked for, the places of such spans.
    places: BTreeMap<usize, Vec<usize>>,
    /// How many spans were looked at.
    looked_at: u64,
}

impl<'f, 'a> Telling<'f, 'a> {
    fn new(facts: &'f Facts<'a>) -> Self {
        Self {
            facts,
            places: BTreeMap::new(),
            looked_at: 0,
        }
    }

    /// The last such span of a key before one of its spans.
    fn before(&mut self, number: usize, place: usize) -> Option<&'f Span<'a>> {
        let spans = &self.facts.spans[number];
        let places = self.places.entry(number).or_insert_with(|| {
            self.looked_at += spans.len() as u64;
            let tells = |span: &Span<'_>| match &span.state {
                State::Absent => true,
                State::Alive(create) => create.is_some(),
                State::Is(version) => version.create.is_some(),
            };
            let all = spans.iter().enumerate();
            all.filter(|(_, span)| tells(span))
                .map(|(place, _)| place)
                .collect()
        });
        let next = places.partition_point(|other| *other < place);
        Some(&spans[places[next.checked_sub(1)?]])
    }
}

/// Whether a key can have been so from when it was set until it was read. It was there since it was made: the last that is known from before it was set says
/// as much as all.
fn was_so<'a>(telling: &mut Telling<'_, 'a>, kv: &KeyValue, read: &Read<'_>) -> Result<(), Breach> {
    let said = |why: &str| {
        format!(
            "A serializable read showed {kv:?} at revision {}, and that cannot be: {why}.",
            read.at
        )
    };
    let facts = telling.facts;
    if let Some(why) = impossible_key(kv, read.at) {
        return Breach::of([read.by], said(why));
    }
    let Some(number) = facts.number(&kv.key) else {
        return Breach::of([read.by], said("nobody ever set it"));
    };
    let spans = &facts.spans[number];
    let first = spans.partition_point(|span| span.until < kv.mod_revision);
    let before = telling.before(number, first);
    let before = before.filter(|span| span.until >= kv.create_revision);
    let during = spans[first..].iter();
    let during = during.take_while(|span| span.from <= read.at);
    for span in before.into_iter().chain(during) {
        telling.looked_at += 1;
        let fits = match &span.state {
            State::Absent => false,
            State::Alive(create) => create.is_none_or(|create| create == kv.create_revision),
            State::Is(version) => {
                let same = |one: Option<u64>, other: u64| one.is_none_or(|one| one == other);
                let is_same = version.set == kv.mod_revision;
                same(version.create, kv.create_revision)
                    && (is_same || version.set < kv.mod_revision)
                    && (is_same || span.until < kv.mod_revision)
                    && (!is_same
                        || same(version.version, kv.version)
                            && version.value.is_none_or(|value| value == kv.value)
                            && same(version.lease, kv.lease))
            }
        };
        if !fits {
            let why = format!(
                "it was another from revision {} until revision {} at least",
                span.from,
                span.until.min(read.at)
            );
            return Breach::of(span.by.into_iter().chain([read.by]), said(&why));
        }
    }
    written(facts, number, kv, read)
}

/// Somebody set it so.
fn written<'a>(
    facts: &Facts<'a>,
    number: usize,
    kv: &'a KeyValue,
    read: &Read<'a>,
) -> Result<(), Breach> {
    let known = &facts.known[number];
    let set = kv.mod_revision;
    let from = known.shown.partition_point(|shown| shown.set < set);
    let is_known = known.shown.get(from).is_some_and(|shown| shown.set == set);
    let may_be = !known.may_have_set((&kv.value, kv.lease), set).is_empty();
    let owner = facts.ledger.owner(set);
    if is_known || (owner.is_none() && may_be) {
        return Ok(());
    }
    let said = format!(
        "A serializable read showed {kv:?} at revision {}, and nobody can have set it so.",
        read.at
    );
    Breach::of(owner.into_iter().chain([read.by]), said)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, a_put, shown, txn};
    use super::super::stale::stale_reads;
    use super::{Facts, PROMISE, Telling};
    use stormglass_impls::etcd::words::{Keys, TxnOp};

    /// `a` and `b` are set at once, twice: revisions 2 and 3.
    fn at_once() -> Service {
        let mut service = Service::new(2);
        for value in ["1", "2"] {
            let both = ["a", "b"].map(|key| TxnOp::Put(a_put(key, value, 0)));
            service
                .write(0, txn(vec![], both.to_vec(), vec![]))
                .unwrap();
        }
        service
    }

    #[test]
    fn old_reads_are_as_promised_and_counted() {
        let mut service = at_once();
        for at in [2, 1, 3] {
            service.get_local(1, Keys::from("a"), at);
        }
        service.keeps(PROMISE);
        assert_eq!(stale_reads(&service.story()), (2, 3));
    }

    #[test]
    fn a_read_of_two_revisions_at_once_is_a_breach() {
        let mut service = at_once();
        service.get_local(1, Keys::from("a"), 3);
        service.lie(0, |ended| {
            let kv = &mut shown(ended)[0];
            (kv.value, kv.mod_revision, kv.version) = ("1".to_string(), 2, 1);
        });
        service.breaks(PROMISE, "it was another from revision 3");
    }

    #[test]
    fn what_nobody_set_is_a_breach() {
        let mut service = at_once();
        service.get_local(1, Keys::one("a"), 3);
        service.lie(0, |ended| shown(ended)[0].key = "c".to_string());
        service.breaks(PROMISE, "a key that was not asked for");
        service.get_local(1, Keys::from("a"), 3);
        service.lie(1, |ended| shown(ended)[0].key = "a".to_string());
        service.lie(0, |ended| shown(ended)[1].key = "c".to_string());
        service.breaks(PROMISE, "nobody ever set it");
    }

    #[test]
    fn a_list_that_lacks_a_key_is_a_breach() {
        let mut service = at_once();
        service.get_local(1, Keys::from("a"), 2);
        service.lie(0, |ended| {
            if let Ok(stormglass_impls::etcd::words::Done::Range { kvs, count }) = &mut ended.result
            {
                kvs.remove(0);
                *count = 1;
            }
        });
        service.breaks(PROMISE, "was not among the keys");
    }

    /// A key is set so often, and then read as often by a member that has come as far.
    fn long(puts: u64) -> Service {
        let mut service = Service::new(1);
        for value in 0..puts {
            service.put(0, "a", &value.to_string());
        }
        for _ in 0..puts {
            service.get_local(0, Keys::one("a"), puts + 1);
        }
        service
    }

    #[test]
    fn a_read_costs_no_more_after_a_long_life_than_after_a_short_one() {
        let looked_at = |puts: u64| {
            let story = long(puts).story();
            let facts = Facts::of(&story);
            let mut telling = Telling::new(&facts);
            for read in story.deeds.iter().filter_map(super::read) {
                super::was_so(&mut telling, &read.kvs[0], &read).unwrap();
            }
            telling.looked_at
        };
        assert!(looked_at(400) <= 5 * looked_at(100), "{}", looked_at(400));
    }

    #[test]
    fn a_life_that_began_later_is_a_breach() {
        let mut service = Service::new(1);
        for value in ["1", "2", "3", "4"] {
            service.put(0, "a", value);
        }
        service.get_local(0, Keys::one("a"), 5);
        service.keeps(PROMISE);
        service.lie(0, |ended| {
            let kv = &mut shown(ended)[0];
            (kv.create_revision, kv.version) = (3, 3);
        });
        service.breaks(PROMISE, "it was another from revision 4");
    }
}
