//! What is put into a queue is taken once, and is there until it is.
//!
//! The items below a queue are sequential nodes. Who wants one lists them, reads the data of the lowest and deletes it; if the delete succeeds the item
//! is its own, and otherwise it goes on with the next.
//!
//! Counterexample: `n-0000000000` is offered at 3 and nobody asked to delete it, but the list at 8 is empty.

use super::changes::{
    Changes, child_of, is_directory_of, is_in, neighbours, numbered, parts, shown,
};
use super::ground::Ground;
use super::spans::{Deletes, Makers, Span, missing};
use super::story::{Deed, Story};
use super::{Breach, Promise};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Done, Op, SessionId, ZxidNumber};

/// Where the queues are.
const QUEUES: &str = "/queues";

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "queue",
    quote: "who wants an item lists them \"and begins processing nodes with the lowest number\" (ZooKeeper Recipes, Queues)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let all = ground.changes();
    let deletes = Deletes::of(all);
    let offers = Offers::of(all);
    taken_once(story, &offers, &deletes)?;
    offered_before(story, all)?;
    there_until_taken(all, &offers, &deletes)?;
    gone_when_taken(all, &offers, &deletes)?;
    lowest_first(story)
}

/// The creates of items that were answered ok, by path and zxid.
struct Offers<'a> {
    made: BTreeMap<&'a str, Vec<(ZxidNumber, usize)>>,
    in_doubt: Makers<'a>,
}

impl<'a> Offers<'a> {
    fn of(all: &Changes<'a>) -> Self {
        let mut made: BTreeMap<&str, Vec<(ZxidNumber, usize)>> = BTreeMap::new();
        for change in &all.made {
            if let Done::Created { path, .. } = change.done
                && is_in(path, QUEUES)
            {
                made.entry(path)
                    .or_default()
                    .push((change.zxid, change.deed));
            }
        }
        let in_doubt = Makers::in_doubt(&all.doubts);
        Self { made, in_doubt }
    }

    /// Whether an item may have been offered after one zxid and up to another. The number of a sequential one comes again only in a queue that was made
    /// again.
    fn again(
        &self,
        path: &str,
        (after, to): (ZxidNumber, ZxidNumber),
        deletes: &Deletes<'_>,
    ) -> bool {
        let mut made = self.made.get(path).into_iter().flatten();
        let in_doubt = match deletes.any(parted(path).0) {
            true => self.in_doubt.any(path),
            false => self.in_doubt.plain(path),
        };
        made.any(|(zxid, _)| (after..=to).contains(zxid)) || in_doubt.is_some_and(|at| at < to)
    }
}

fn taken_once(story: &Story, offers: &Offers<'_>, deletes: &Deletes<'_>) -> Result<(), Breach> {
    for (path, taken) in &deletes.made {
        if !is_in(path, QUEUES) {
            continue;
        }
        for ((first, one), (second, other)) in neighbours(taken) {
            if !offers.again(path, (*first, *second), deletes) {
                let (by, also) = (whose(story, *one), whose(story, *other));
                return Err(Breach {
                    culprits: vec![*one, *other],
                    explanation: format!(
                        "{path} was taken twice: by {by} at zxid {}, and by {also} at zxid {}.",
                        shown(*first),
                        shown(*second),
                    ),
                });
            }
        }
    }
    Ok(())
}

fn whose(story: &Story, deed: usize) -> SessionId {
    story.deeds[deed].session().unwrap_or_default()
}

/// Whatever is taken, or read, somebody had asked to put there.
fn offered_before(story: &Story, all: &Changes<'_>) -> Result<(), Breach> {
    let calls = Makers::by_call(story);
    let mut offered: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for deed in &story.deeds {
        for op in deed.op().map_or(&[][..], parts) {
            if let Op::Create { path, data, .. } | Op::Set { path, data, .. } = op {
                offered.entry((parted(path).0, data)).or_insert(deed.call);
            }
        }
    }
    for made in &all.made {
        let Op::Delete { path, .. } = made.op else {
            continue;
        };
        let answer = story.deeds[made.deed].answer as u64;
        if is_in(path, QUEUES) && calls.any(path).is_none_or(|call| call > answer) {
            return Err(Breach {
                culprits: vec![made.deed],
                explanation: format!("{path} was taken, and nobody had offered it."),
            });
        }
    }
    for deed in &story.deeds {
        let done = deed
            .ended
            .as_ref()
            .and_then(|ended| ended.result.as_ref().ok());
        let (Some(Done::Data(data, _)), Some(path)) = (done, deed.asked.path()) else {
            continue;
        };
        let call = offered.get(&(parted(path).0, data.as_str()));
        if is_in(path, QUEUES) && call.is_none_or(|call| *call > deed.answer) {
            return Err(Breach {
                culprits: vec![deed.id],
                explanation: format!("{path} held {data:?}, and nobody had offered that."),
            });
        }
    }
    Ok(())
}

fn there_until_taken(
    all: &Changes<'_>,
    offers: &Offers<'_>,
    deletes: &Deletes<'_>,
) -> Result<(), Breach> {
    let mut spans = Vec::new();
    for made in &all.made {
        if let (Op::Create { mode, .. }, Done::Created { path, .. }) = (made.op, made.done)
            && offers.made.contains_key(path.as_str())
            && !mode.is_ephemeral()
        {
            let (from, to) = (made.zxid, deletes.first_from(path, made.zxid));
            let deeds = vec![made.deed];
            spans.push(Span {
                path,
                from,
                to,
                deeds,
            });
        }
    }
    missing(&all.listings, spans)
}

fn gone_when_taken(
    all: &Changes<'_>,
    offers: &Offers<'_>,
    deletes: &Deletes<'_>,
) -> Result<(), Breach> {
    for listing in &all.listings {
        if !is_directory_of(listing.path, QUEUES) {
            continue;
        }
        for name in listing.names {
            let path = child_of(listing.path, name);
            let taken = deletes.made.get(path.as_str()).and_then(|taken| {
                let at = taken.partition_point(|(zxid, _)| *zxid <= listing.zxid);
                taken[..at].last()
            });
            let Some((zxid, deed)) = taken else { continue };
            if !offers.again(&path, (*zxid, listing.zxid), deletes) {
                return Err(Breach {
                    culprits: vec![*deed, listing.deed],
                    explanation: format!(
                        "{path} was taken at zxid {}, and the list at zxid {} still names it.",
                        shown(*zxid),
                        shown(listing.zxid),
                    ),
                });
            }
        }
    }
    Ok(())
}

/// What a session knows of a queue.
struct Known<'a> {
    listing: usize,
    names: &'a [String],
    /// What it has tried since.
    tried: BTreeSet<&'a str>,
}

/// Who takes an item was shown it, and had tried all that were lower.
fn lowest_first(story: &Story) -> Result<(), Breach> {
    let mut in_doubt: BTreeMap<&str, usize> = BTreeMap::new();
    for deed in story.deeds.iter().filter(|deed| deed.ended.is_none()) {
        if let Some(path) = deed.asked.path() {
            in_doubt.entry(path).or_insert(deed.call);
        }
    }
    let mut sessions: BTreeMap<(SessionId, &str), Known<'_>> = BTreeMap::new();
    for deed in &story.deeds {
        let (Some(session), Some(path)) = (deed.session(), deed.asked.path()) else {
            continue;
        };
        let done = deed
            .ended
            .as_ref()
            .and_then(|ended| ended.result.as_ref().ok());
        if let Some(Done::Children(names, _)) = done {
            let known = Known {
                listing: deed.id,
                names,
                tried: BTreeSet::new(),
            };
            sessions.insert((session, path), known);
            continue;
        }
        let Some(known) = sessions.get_mut(&(session, parted(path).0)) else {
            continue;
        };
        let takes = matches!(deed.op(), Some(Op::Delete { .. })) && done.is_some();
        if takes && is_in(path, QUEUES) {
            is_lowest(deed, path, known, &in_doubt)?;
        }
        known.tried.insert(path);
    }
    Ok(())
}

fn is_lowest(
    deed: &Deed,
    path: &str,
    known: &Known<'_>,
    in_doubt: &BTreeMap<&str, usize>,
) -> Result<(), Breach> {
    let (directory, name) = parted(path);
    let Some((_, number)) = numbered(name) else {
        return Ok(());
    };
    let passed_over = known.names.iter().find(|other| {
        let lower = numbered(other).is_some_and(|(_, other)| other < number);
        let path = child_of(directory, other);
        let path = path.as_str();
        let may_be_tried = in_doubt.get(path).is_some_and(|call| *call < deed.call);
        lower && !known.tried.contains(path) && !may_be_tried
    });
    let how = match passed_over {
        Some(other) => format!("passed over {other}"),
        None if !known.names.iter().any(|other| other == name) => "was not shown it".to_string(),
        None => return Ok(()),
    };
    Err(Breach {
        culprits: vec![known.listing, deed.id],
        explanation: format!("Who took {path} had listed the queue, and {how}."),
    })
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete, made};
    use super::PROMISE;
    use crate::zookeeper::dialect::{Asked, Ended};
    use stormglass_impls::zookeeper::words::{Done, Mode, What};

    const QUEUE: &str = "/queues/k0";

    fn offer(service: &mut Service, data: &str) -> String {
        let item = create("/queues/k0/n-", data, Mode::PersistentSequential);
        made(service.write(0, item))
    }

    /// Client 0 has offered two items.
    fn two() -> (Service, [String; 2]) {
        let mut service = Service::new(3, &["/queues", QUEUE]);
        let items = [offer(&mut service, "a"), offer(&mut service, "b")];
        (service, items)
    }

    fn take(service: &mut Service, client: usize, item: &str) {
        service.list(client, QUEUE);
        let _ = service.read(client, What::Data, item);
        let _ = service.write(client, delete(item));
    }

    fn edit(names: impl FnOnce(&mut Vec<String>)) -> impl FnOnce(&mut Ended) {
        |ended| match &mut ended.result {
            Ok(Done::Children(found, _)) => names(found),
            other => panic!("no list: {other:?}"),
        }
    }

    #[test]
    fn items_that_are_taken_once_are_as_promised() {
        let (mut service, [first, second]) = two();
        let before = service.now();
        service.list(1, QUEUE);
        take(&mut service, 2, &first);
        // The other comes too late, and goes on with the next.
        service.write(1, delete(&first)).unwrap_err();
        service.write(1, delete(&second)).unwrap();
        service.read_at(0, What::Children, QUEUE, before).unwrap();
        service.keeps(PROMISE);
    }

    #[test]
    fn an_item_that_is_taken_twice_is_a_breach() {
        let (mut service, [first, _]) = two();
        service.list(1, QUEUE);
        take(&mut service, 2, &first);
        service.write(1, delete(&first)).unwrap_err();
        service.lie(0, |ended| ended.result = Ok(Done::Fine));
        service.breaks(PROMISE, "was taken twice");
    }

    #[test]
    fn what_nobody_offered_is_not_taken_or_read() {
        let (mut service, _) = two();
        let foreign = "/queues/k0/m-0000000002";
        service.write(1, delete(foreign)).unwrap_err();
        service.lie(0, |ended| ended.result = Ok(Done::Fine));
        service.breaks(PROMISE, "nobody had offered it");
        let (mut service, [first, _]) = two();
        service.read(1, What::Data, &first).unwrap();
        service.keeps(PROMISE);
        service.lie(0, |ended| {
            let Ok(Done::Data(data, _)) = &mut ended.result else {
                unreachable!()
            };
            *data = "c".to_string();
        });
        service.breaks(PROMISE, "nobody had offered that");
    }

    #[test]
    fn an_item_that_is_lost_is_a_breach() {
        let (mut service, [first, _]) = two();
        service.list(1, QUEUE);
        service.lie(0, edit(|names| drop(names.remove(0))));
        service.breaks(PROMISE, "nobody may have removed it");
        // It is there until it is taken.
        take(&mut service, 2, &first);
        service.breaks(PROMISE, "do not name it");
        // A delete of unknown outcome may have taken it.
        let (mut service, [first, _]) = two();
        service.call(2, Asked::Write(delete(&first)));
        service.lose(2);
        service.list(1, QUEUE);
        service.lie(0, edit(|names| drop(names.remove(0))));
        service.keeps(PROMISE);
    }

    #[test]
    fn an_item_that_is_listed_when_it_was_taken_is_a_breach() {
        let (mut service, [first, _]) = two();
        take(&mut service, 2, &first);
        service.list(1, QUEUE);
        service.lie(0, edit(|names| names.push("n-0000000000".to_string())));
        service.breaks(PROMISE, "still names it");
    }

    #[test]
    fn who_passes_over_an_item_breaks_the_order() {
        let (mut service, [_, second]) = two();
        take(&mut service, 1, &second);
        service.breaks(PROMISE, "passed over n-0000000000");
        let (mut service, [first, _]) = two();
        take(&mut service, 1, &first);
        service.keeps(PROMISE);
        service.lie(2, edit(Vec::clear));
        assert!(PROMISE.judged(&service.story()).is_err());
    }
}
