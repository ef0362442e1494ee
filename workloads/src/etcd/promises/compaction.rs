//! What is compacted is refused, and nothing else is.
//!
//! > Both KV and Watch APIs allow access to not only the latest versions of keys, but also previous versions are accessible within a continuous history
//! > window, limited by a compaction operation.
//! >
//! > *etcd API guarantees*, APIs to consider
//!
//! An answer that something is compacted names a compaction that was asked for by then, up to a revision that was there, and is right for what was asked. A
//! linearizable read below a compaction that had been answered before it was called is refused; and any read, if its answer is of a later revision than that
//! of the compaction. A revision is in the future only if the store has not come to it. A watch is over only when what it is to tell next is gone.
//!
//! Counterexample: the store is compacted up to 9, which is answered; after that a linearizable read of revision 7 shows keys.

use super::ground::Ground;
use super::story::{Deed, Story};
use super::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Ask, Done, Error, Event, Op, Revision, Txn, TxnOp};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "compaction",
    quote: "\"previous versions are accessible within a continuous history window, limited by a compaction operation\" (etcd API guarantees, APIs to \
            consider)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let compactions = Compactions::of(story);
    for deed in &story.deeds {
        compactions.refused(deed)?;
        compactions.done(deed)?;
    }
    compactions.each_once(story)?;
    for telling in &ground.watches().tellings {
        let mut next = telling.start;
        let mut over = None;
        for (by, event) in &telling.told {
            if let Some(over) = over {
                let said = format!(
                    "A watch of {} was said to be over, and told something afterwards.",
                    telling.asked.keys
                );
                return Breach::of([telling.begun, over, *by], said);
            }
            match event {
                Event::Changes { changes, .. } => {
                    let last = changes.last().map_or(0, |change| change.kv.mod_revision);
                    next = next.max(last + 1);
                }
                Event::Progress { revision, .. } => next = next.max(revision + 1),
                Event::Compacted {
                    compact_revision, ..
                } => {
                    over = Some(*by);
                    let deed = &story.deeds[*by];
                    compactions.asked_by_then(deed, *compact_revision)?;
                    if *compact_revision <= next {
                        let said = format!(
                            "A watch of {} that was to tell of revision {next} next was said to be over by a compaction up to {compact_revision}.",
                            telling.asked.keys
                        );
                        return Breach::of([telling.begun, *by], said);
                    }
                }
            }
        }
    }
    Ok(())
}

struct Compactions {
    /// Each revision that anybody asked to compact up to, with the first call.
    asked: BTreeMap<Revision, usize>,
    /// For each operation, up to where compaction had been answered before it was called, and by whom.
    floors: Vec<(Revision, usize)>,
    /// By the revision at which it was done, the newest compaction up to then, and whose it was.
    at: BTreeMap<Revision, (Revision, usize)>,
}

/// Up to which revision somebody asked to compact, unless that was refused.
fn compacts(deed: &Deed) -> Option<Revision> {
    match deed.op()? {
        Op::Compact { revision } if deed.error().is_none() => Some(*revision),
        _ => None,
    }
}

/// The revisions that a read asks for, now apart; in a transaction, those of both branches or of the one that was taken.
fn explicit(deed: &Deed) -> Vec<Revision> {
    let of_branch = |branch: &[TxnOp]| -> Vec<Revision> {
        let ranges = branch.iter().filter_map(|part| match part {
            TxnOp::Range(range) => Some(range.revision),
            _ => None,
        });
        ranges.filter(|revision| *revision > 0).collect()
    };
    let of_txn = |txn: &Txn| match deed.done() {
        Some(Done::Txn {
            succeeded: true, ..
        }) => of_branch(&txn.success),
        Some(_) => of_branch(&txn.failure),
        None => [of_branch(&txn.success), of_branch(&txn.failure)].concat(),
    };
    match deed.request().map(|request| &request.ask) {
        Some(Ask::Range(range)) if range.revision > 0 => vec![range.revision],
        Some(Ask::Write(Op::Txn(txn))) => of_txn(txn),
        _ => Vec::new(),
    }
}

impl Compactions {
    fn of(story: &Story) -> Self {
        let mut asked = BTreeMap::new();
        for deed in &story.deeds {
            if let Some(revision) = compacts(deed) {
                asked.entry(revision).or_insert(deed.call);
            }
        }
        let floors = story.floors(|deed| compacts(deed).filter(|_| deed.done().is_some()));
        let mut at: BTreeMap<Revision, (Revision, usize)> = BTreeMap::new();
        for deed in story.deeds.iter().filter(|deed| deed.done().is_some()) {
            if let (Some(up_to), Some(revision)) = (compacts(deed), deed.revision()) {
                let newest = at.entry(revision).or_default();
                *newest = (up_to, deed.id).max(*newest);
            }
        }
        let mut newest = (0, 0);
        for all in at.values_mut() {
            newest = newest.max(*all);
            *all = newest;
        }
        Self { asked, floors, at }
    }

    /// Up to where all was compacted when an operation was answered, at least, and by whom.
    fn floor(&self, deed: &Deed) -> (Revision, usize) {
        let in_time = match deed.is_linearizable() {
            true => self.floors[deed.id],
            false => (0, deed.id),
        };
        // A member that is at a later revision has applied what was done at an earlier one.
        let before = self.at.range(..deed.revision().unwrap_or(0)).next_back();
        let by_revision = before.map_or((0, deed.id), |(_, newest)| *newest);
        match by_revision.0 > in_time.0 {
            true => by_revision,
            false => in_time,
        }
    }

    fn asked_by_then(&self, deed: &Deed, revision: Revision) -> Result<(), Breach> {
        let asked = self.asked.get(&revision);
        // Up to 0 it is from the beginning.
        if revision == 0 || asked.is_some_and(|call| *call < deed.answer) {
            return Ok(());
        }
        let said = format!(
            "A {} was told that all is compacted up to revision {revision}, and nobody had asked for that.",
            deed.asked.function()
        );
        Breach::of([deed.id], said)
    }

    fn refused(&self, deed: &Deed) -> Result<(), Breach> {
        let function = deed.asked.function();
        let own = match deed.op() {
            Some(Op::Compact { revision }) => Some(*revision),
            _ => None,
        };
        match deed.error() {
            Some(Error::Compacted { compact_revision }) => {
                self.asked_by_then(deed, *compact_revision)?;
                let explicit = explicit(deed);
                let mut gone = explicit.iter().filter(|asked| *asked < compact_revision);
                let is_right =
                    gone.next().is_some() || own.is_some_and(|own| own <= *compact_revision);
                if !is_right {
                    let said = format!(
                        "A {function} of {:?} was refused because all is compacted up to revision {compact_revision}, and that is none of it.",
                        deed.asked
                    );
                    return Breach::of([deed.id], said);
                }
                let now = deed.revision().unwrap_or(0);
                if *compact_revision > now {
                    let said = format!(
                        "A {function} was told that all is compacted up to revision {compact_revision}, and the store was at revision {now}."
                    );
                    return Breach::of([deed.id], said);
                }
                let (floor, by) = self.floor(deed);
                if *compact_revision < floor {
                    let said = format!(
                        "A {function} was told that all is compacted up to revision {compact_revision}, and a compaction up to {floor} had been done before."
                    );
                    return Breach::of([by, deed.id], said);
                }
            }
            Some(Error::FutureRevision) => {
                let mut asked = explicit(deed).into_iter().chain(own);
                let now = deed.revision().unwrap_or(0);
                if !asked.any(|asked| asked > now) {
                    let said = format!(
                        "A {function} was refused because its revision is in the future, and the store was at revision {now}."
                    );
                    return Breach::of([deed.id], said);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn done(&self, deed: &Deed) -> Result<(), Breach> {
        if deed.done().is_none() {
            return Ok(());
        }
        let (floor, by) = self.floor(deed);
        let now = deed.revision().unwrap_or(0);
        let function = deed.asked.function();
        for asked in explicit(deed).into_iter().chain(compacts(deed)) {
            if asked > now {
                let said = format!(
                    "A {function} asked for revision {asked} and was done, and the store was at revision {now}."
                );
                return Breach::of([deed.id], said);
            }
        }
        for asked in explicit(deed) {
            if asked < floor {
                let said = format!(
                    "A {function} of revision {asked} was answered at revision {now}, and a compaction up to {floor} had been done before."
                );
                return Breach::of([by, deed.id], said);
            }
        }
        if compacts(deed).is_some_and(|asked| asked <= floor) {
            let said = format!(
                "A compaction was done twice: up to {floor}, and after that up to {:?}.",
                compacts(deed).unwrap_or(0)
            );
            return Breach::of([by, deed.id], said);
        }
        Ok(())
    }

    /// What is compacted once cannot be compacted again.
    fn each_once(&self, story: &Story) -> Result<(), Breach> {
        let mut done: BTreeMap<Revision, usize> = BTreeMap::new();
        for deed in story.deeds.iter().filter(|deed| deed.done().is_some()) {
            let Some(revision) = compacts(deed) else {
                continue;
            };
            if let Some(other) = done.insert(revision, deed.id) {
                let said = format!("Two compactions up to revision {revision} were both done.");
                return Breach::of([other, deed.id], said);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, put};
    use super::PROMISE;
    use crate::etcd::dialect::Ended;
    use stormglass_impls::etcd::words::{Ask, Done, Error, Keys, Op, Range, Revision};

    /// Revisions 2 to 6, compacted up to 4.
    fn compacted() -> Service {
        let mut service = Service::new(2);
        for value in ["1", "2", "3", "4", "5"] {
            service.put(0, "a", value);
        }
        service.write(0, Op::Compact { revision: 4 }).unwrap();
        service
    }

    fn read(service: &mut Service, revision: Revision) -> Result<Done, Error> {
        let range = Range {
            revision,
            ..Range::of(Keys::one("a"))
        };
        service.ask(1, Ask::Range(range))
    }

    fn refused(compact_revision: Revision) -> impl FnOnce(&mut Ended) {
        move |ended| ended.result = Err(Error::Compacted { compact_revision })
    }

    #[test]
    fn what_is_gone_is_refused_and_the_rest_is_there() {
        let mut service = compacted();
        assert!(read(&mut service, 3).is_err());
        assert!(read(&mut service, 4).is_ok());
        assert!(read(&mut service, 9).is_err());
        let again = service.write(1, Op::Compact { revision: 4 });
        assert!(again.is_err());
        service.watch(1, 1, Keys::one("a"), 2);
        service.tell_compacted(1, 1, 4);
        service.rest(1);
        service.keeps(PROMISE);
    }

    #[test]
    fn a_read_of_what_is_gone_is_a_breach() {
        let mut service = compacted();
        let (kvs, count) = (Vec::new(), 0);
        assert!(read(&mut service, 3).is_err());
        service.lie(0, |ended| ended.result = Ok(Done::Range { kvs, count }));
        service.breaks(PROMISE, "had been done before");
    }

    #[test]
    fn a_member_that_has_come_further_has_compacted_too() {
        let mut service = compacted();
        service.put(0, "a", "6");
        let (revision, serializable) = (3, true);
        let range = Range {
            revision,
            serializable,
            ..Range::of(Keys::one("a"))
        };
        assert!(service.ask(1, Ask::Range(range)).is_err());
        let (kvs, count) = (Vec::new(), 0);
        service.lie(0, |ended| {
            ended.result = Ok(Done::Range { kvs, count });
            ended.revision = 6;
        });
        service.keeps(PROMISE);
        service.lie(0, |ended| ended.revision = 7);
        service.breaks(PROMISE, "was answered at revision 7");
    }

    #[test]
    fn nothing_is_compacted_beyond_what_is_there() {
        let mut service = compacted();
        service.call(0, Ask::Write(Op::Compact { revision: 100 }));
        service.lose(0);
        read(&mut service, 5).unwrap();
        service.lie(0, refused(100));
        service.breaks(PROMISE, "the store was at revision 6");
    }

    #[test]
    fn a_refusal_without_a_reason_is_a_breach() {
        let mut service = compacted();
        read(&mut service, 5).unwrap();
        service.lie(0, refused(4));
        service.breaks(PROMISE, "that is none of it");
        service.lie(0, refused(6));
        service.breaks(PROMISE, "nobody had asked for that");
        service.lie(0, |ended| ended.result = Err(Error::FutureRevision));
        service.breaks(PROMISE, "in the future");
    }

    #[test]
    fn a_compaction_that_is_done_twice_is_a_breach() {
        let mut service = compacted();
        let again = service.write(1, Op::Compact { revision: 4 });
        assert!(again.is_err());
        service.lie(0, |ended| ended.result = Ok(Done::Compact));
        service.breaks(PROMISE, "done twice");
    }

    #[test]
    fn a_watch_that_is_ended_for_nothing_is_a_breach() {
        let mut service = compacted();
        service.watch(1, 1, Keys::one("a"), 4);
        service.tell_compacted(1, 1, 4);
        service.rest(1);
        service.breaks(PROMISE, "was to tell of revision 4 next");
        let mut service = compacted();
        service.watch(1, 1, Keys::one("a"), 2);
        service.tell_compacted(1, 1, 4);
        service.tell(1, 1, &Keys::one("a"), 5..=5);
        service.rest(1);
        service.breaks(PROMISE, "told something afterwards");
    }

    #[test]
    fn a_compaction_of_unknown_outcome_may_have_been_done() {
        let mut service = Service::new(2);
        service.put(0, "a", "1");
        service.put(0, "a", "2");
        service.call(1, Ask::Write(Op::Compact { revision: 3 }));
        service.apply(1);
        service.lose(1);
        assert!(read(&mut service, 2).is_err());
        service.write(0, put("a", "3", 0)).unwrap();
        service.keeps(PROMISE);
    }
}
