//! What watches told, and what they should have.
//!
//! | file | what is promised |
//! | --- | --- |
//! | [`ordered`] | events come in the order of revisions |
//! | [`unique`] | none comes twice |
//! | [`reliable`] | none is left out between two |
//! | [`atomic`] | those of one revision come together |
//! | [`resumable`] | a watch tells of everything from the revision at which it starts, and of nothing else |
//! | [`bookmarkable`] | progress says up to where everything was told |
//!
//! A [`Telling`] is one watch as its client heard it, from the operation that began it. It goes on at other members and with other processes of the same
//! client: a client whose operation is of unknown outcome goes on as another process, and which one is found by what that one hears of watches that it
//! never began. Where that is not certain, and where it is not known whether a watch was begun, what is told counts for nothing.

pub mod atomic;
pub mod bookmarkable;
mod clients;
pub mod ordered;
pub mod reliable;
pub mod resumable;
pub mod unique;

use super::facts::Facts;
use super::story::{Deed, Story};
use clients::Clients;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{Ask, Change, Done, Event, Revision, Watch, WatchId};

/// One watch, as its client heard it.
pub struct Telling<'a> {
    /// The operation that began it.
    pub begun: usize,
    /// What was asked.
    pub asked: &'a Watch,
    /// The first revision that it is to tell of, as it was answered.
    pub start: Revision,
    /// What it told, in order, and with whose answer.
    pub told: Vec<(usize, &'a Event)>,
    /// Certain changes that it should have told of by then, in the order of revisions.
    pub missing: Vec<Missing<'a>>,
}

/// A change that was not told.
#[derive(Clone, Copy, Debug)]
pub struct Missing<'a> {
    /// When it was.
    pub revision: Revision,
    /// Of which key.
    pub key: &'a str,
    /// Who knows of it.
    pub by: usize,
}

impl<'a> Telling<'a> {
    /// The changes that were told, in order, and with whose answers.
    pub fn changes(&self) -> impl Iterator<Item = (usize, &'a Change)> + '_ {
        self.told.iter().flat_map(|(by, event)| {
            let changes = match event {
                Event::Changes { changes, .. } => changes.as_slice(),
                Event::Progress { .. } | Event::Compacted { .. } => &[],
            };
            changes.iter().map(|change| (*by, change))
        })
    }

    /// Up to which revision all should have been told by now, and with whose answer that was said.
    fn reach(&self) -> Option<(Revision, usize)> {
        let reach = self.told.iter().filter_map(|(by, event)| match event {
            Event::Changes { changes, .. } => Some((changes.last()?.kv.mod_revision, *by)),
            Event::Progress { revision, .. } => Some((*revision, *by)),
            Event::Compacted { .. } => None,
        });
        reach.max()
    }

    fn find_missing(&mut self, facts: &Facts<'a>) {
        let Some((reach, _)) = self.reach() else {
            return;
        };
        let told = self.changes().filter_map(|(_, change)| {
            Some((facts.number(&change.kv.key)?, change.kv.mod_revision))
        });
        let mut told: Vec<(usize, Revision)> = told.collect();
        told.sort_unstable();
        let (from, to) = facts.numbers(&self.asked.keys);
        for number in from..to {
            let changes = &facts.changes[number];
            let first = changes.partition_point(|(at, _)| *at < self.start);
            let last = changes.partition_point(|(at, _)| *at <= reach);
            for (revision, by) in changes.get(first..last).unwrap_or_default() {
                if told.binary_search(&(number, *revision)).is_err() {
                    self.missing.push(Missing {
                        revision: *revision,
                        key: facts.keys[number],
                        by: *by,
                    });
                }
            }
        }
        self.missing.sort_by_key(|missing| missing.revision);
    }
}

/// All that watches told.
pub struct Watches<'a> {
    /// Each from its beginning.
    pub tellings: Vec<Telling<'a>>,
}

impl<'a> Watches<'a> {
    /// What was told in a history.
    pub fn of(story: &'a Story, facts: &Facts<'a>) -> Self {
        let clients = Clients::of(story);
        let mut tellings: Vec<Telling<'a>> = Vec::new();
        // Which telling goes on; none where that is not known.
        let mut open: BTreeMap<(u64, WatchId), usize> = BTreeMap::new();
        // Numbers that were given to watches, by each client and by anybody.
        let mut numbers: BTreeSet<(u64, WatchId)> = BTreeSet::new();
        let mut taken: BTreeSet<WatchId> = BTreeSet::new();
        for deed in &story.deeds {
            let client = clients.of_process(deed.process);
            let ask = deed.request().map(|request| &request.ask);
            let begins = match ask {
                Some(Ask::Watch(asked)) => Some((client, asked.watch)),
                _ => None,
            };
            // What comes with the answer to who begins a watch is of the one that had its number before, if its client may have had one.
            let is_first = begins.is_some_and(|(client, watch)| {
                let is_own = numbers.insert((client, watch));
                let is_any = taken.insert(watch);
                is_any || is_own && clients.are_known()
            });
            if !is_first {
                hear(deed, client, &open, &mut tellings);
            }
            if let (Some(number), Some(Ask::Watch(asked))) = (begins, ask) {
                let before = open.remove(&number);
                let mut told = deed.events().iter();
                let is_doubtful =
                    told.any(|event| event.watch() == asked.watch) && before.is_none() && !is_first;
                if let (Some(Done::Watch { start_revision }), false) = (deed.done(), is_doubtful) {
                    open.insert(number, tellings.len());
                    tellings.push(Telling {
                        begun: deed.id,
                        asked,
                        start: *start_revision,
                        told: Vec::new(),
                        missing: Vec::new(),
                    });
                }
            }
            if is_first {
                hear(deed, client, &open, &mut tellings);
            }
            if let (Some(Ask::CancelWatch { watch }), Some(_)) = (ask, &deed.ended) {
                open.remove(&(client, *watch));
            }
        }
        for telling in &mut tellings {
            telling.find_missing(facts);
        }
        Self { tellings }
    }
}

/// What watches told when an operation of a client ended.
fn hear<'a>(
    deed: &'a Deed,
    client: u64,
    open: &BTreeMap<(u64, WatchId), usize>,
    tellings: &mut [Telling<'a>],
) {
    for event in deed.events() {
        if let Some(place) = open.get(&(client, event.watch())) {
            tellings[*place].told.push((deed.id, event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Promise;
    use super::super::reference::{Service, a_put, delete, grant, put, txn};
    use super::{atomic, bookmarkable, ordered, reliable, resumable, unique};
    use stormglass_impls::etcd::words::{Ask, Event, Keys, Op, TxnOp};

    const ALL: [Promise; 6] = [
        ordered::PROMISE,
        unique::PROMISE,
        reliable::PROMISE,
        atomic::PROMISE,
        resumable::PROMISE,
        bookmarkable::PROMISE,
    ];

    fn all() -> Keys {
        Keys::from("a")
    }

    /// Client 1 watches everything, and revisions 2 to 6 are made: at 4 two keys at once.
    fn watched() -> Service {
        let mut service = Service::new(2);
        service.watch(1, 7, all(), 0);
        service.put(0, "a", "1");
        service.put(0, "b", "2");
        let both = ["a", "b"].map(|key| TxnOp::Put(a_put(key, "3", 0)));
        service
            .write(0, txn(vec![], both.to_vec(), vec![]))
            .unwrap();
        service.put(0, "a", "4");
        service.put(0, "c", "5");
        service
    }

    #[track_caller]
    fn keeps(service: &Service) {
        ALL.iter().for_each(|promise| service.keeps(*promise));
    }

    #[test]
    fn whole_revisions_in_order_are_as_promised() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=3);
        service.rest(1);
        service.tell(1, 7, &all(), 4..=5);
        service.tell_progress(1, 7, 5);
        service.tell(1, 7, &all(), 6..=6);
        service.rest(1);
        keeps(&service);
        // What is told after an operation of unknown outcome is told to the same client.
        service.call(1, Ask::Write(put("d", "6", 0)));
        service.apply(1);
        service.lose(1);
        service.put(0, "a", "7");
        service.tell(1, 7, &all(), 7..=8);
        service.rest(1);
        keeps(&service);
        service.tell(1, 7, &all(), 8..=8);
        service.rest(1);
        service.breaks(unique::PROMISE, "told twice");
    }

    #[test]
    fn what_comes_with_the_first_answer_is_of_the_watch_unless_there_was_another() {
        let mut service = watched();
        service.tell(1, 8, &all(), 4..=5);
        service.watch(1, 8, all(), 4);
        service.tell(1, 8, &all(), 6..=6);
        service.rest(1);
        keeps(&service);
        service.tell(1, 8, &all(), 6..=6);
        service.watch(1, 8, all(), 6);
        service.breaks(unique::PROMISE, "told twice");
        service.lie(0, |ended| ended.events.clear());
        service.tell(1, 8, &all(), 6..=6);
        service.rest(1);
        keeps(&service);
    }

    #[test]
    fn what_is_told_late_is_a_breach_of_order() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=2);
        service.tell(1, 7, &all(), 4..=4);
        service.tell(1, 7, &all(), 3..=3);
        service.rest(1);
        service.breaks(
            ordered::PROMISE,
            "of revision 3 after it had told of revision 4",
        );
    }

    #[test]
    fn what_is_told_before_it_happens_is_a_breach_of_order() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=5);
        service.rest(1);
        service.lie(0, |ended| {
            if let Event::Changes { revision, .. } = &mut ended.events[0] {
                *revision = 4;
            }
        });
        service.breaks(ordered::PROMISE, "that was at revision 4");
    }

    #[test]
    fn a_revision_left_out_is_a_breach() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=2);
        service.tell(1, 7, &all(), 4..=5);
        service.rest(1);
        service.breaks(reliable::PROMISE, "of revisions 2 and 4");
        let mut service = watched();
        service.tell(1, 7, &all(), 3..=5);
        service.rest(1);
        service.breaks(resumable::PROMISE, "told first of revision 3");
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=5);
        service.tell_progress(1, 7, 6);
        service.rest(1);
        service.breaks(bookmarkable::PROMISE, "never what became of c");
    }

    /// Client 1 watches everything, and is told of revisions 2 and 4; at 3 the key is deleted by somebody who is not answered so.
    fn not_told_of_an_end(end: impl FnOnce(&mut Service)) -> Service {
        let mut service = Service::new(2);
        service.watch(1, 7, all(), 0);
        service.write(0, grant(5, 900)).unwrap();
        service.write(0, put("a", "1", 5)).unwrap();
        end(&mut service);
        service.get(1, Keys::one("a"));
        service.put(1, "b", "2");
        service
    }

    #[test]
    fn an_end_that_nobody_answers_for_is_told_too() {
        let by_lease = |service: &mut Service| {
            service.write(0, Op::Revoke { lease: 5 }).unwrap();
        };
        let by_time = |service: &mut Service| assert!(service.store.end(5));
        let unanswered = |service: &mut Service| {
            service.call(0, Ask::Write(delete(Keys::one("a"))));
            service.apply(0);
            service.lose(0);
        };
        let ends: [&dyn Fn(&mut Service); 3] = [&by_lease, &by_time, &unanswered];
        for end in ends {
            let mut service = not_told_of_an_end(end);
            service.tell(1, 7, &all(), 2..=4);
            service.rest(1);
            keeps(&service);
            let mut service = not_told_of_an_end(end);
            service.tell(1, 7, &all(), 2..=2);
            service.tell(1, 7, &all(), 4..=4);
            service.rest(1);
            service.breaks(reliable::PROMISE, "of revisions 2 and 4");
        }
        // That it was gone some time between two reads says nothing of when.
        let mut service = not_told_of_an_end(|service| {
            service.call(0, Ask::Write(put("c", "3", 0)));
            service.apply(0);
            service.lose(0);
            service.store.end(5);
        });
        service.tell(1, 7, &all(), 2..=2);
        service.tell(1, 7, &all(), 5..=5);
        service.rest(1);
        keeps(&service);
    }

    #[test]
    fn half_a_revision_is_a_breach() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=4);
        service.rest(1);
        service.lie(0, |ended| {
            if let Event::Changes { changes, .. } = &mut ended.events[0] {
                changes.pop();
            }
        });
        service.breaks(atomic::PROMISE, "not what became of b");
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=4);
        service.tell(1, 7, &all(), 4..=4);
        service.rest(1);
        service.lie(0, |ended| {
            if let Event::Changes { changes, .. } = &mut ended.events[0] {
                changes.pop();
            }
            if let Event::Changes { changes, .. } = &mut ended.events[1] {
                changes.remove(0);
            }
        });
        service.keeps(unique::PROMISE);
        service.breaks(atomic::PROMISE, "in two lists");
    }

    #[test]
    fn what_was_not_asked_for_is_a_breach() {
        let mut service = watched();
        service.watch(1, 8, Keys::one("a"), 4);
        service.tell(1, 8, &Keys::one("a"), 2..=5);
        service.rest(1);
        service.breaks(resumable::PROMISE, "told what became of a at revision 2");
        let mut service = watched();
        service.watch(1, 8, Keys::one("a"), 4);
        service.tell(1, 8, &all(), 4..=4);
        service.rest(1);
        service.breaks(resumable::PROMISE, "told what became of b");
    }

    #[test]
    fn what_was_there_before_is_told_who_asks() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=4);
        service.rest(1);
        service.lie(0, |ended| {
            if let Event::Changes { changes, .. } = &mut ended.events[0] {
                changes[2].prev_kv = None;
            }
        });
        service.breaks(reliable::PROMISE, "did not say what a was");
    }

    #[test]
    fn progress_that_is_too_early_is_a_breach() {
        let mut service = watched();
        service.tell(1, 7, &all(), 2..=4);
        service.tell_progress(1, 7, 5);
        service.tell(1, 7, &all(), 5..=5);
        service.rest(1);
        service.breaks(
            bookmarkable::PROMISE,
            "afterwards what became of a at revision 5",
        );
    }
}
