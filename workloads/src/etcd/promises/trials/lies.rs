//! Lies: a story with one answer changed.

use crate::draw::Draws;
use crate::etcd::dialect::Ended;
use crate::etcd::promises::story::{Deed, Story};
use crate::etcd::promises::{
    Promise, compaction, leases, permissions, revision_order, revisions_grow, serializable_reads,
    transactions, watches,
};
use stormglass_impls::etcd::words::{Ask, Done, Error, Event, KeyValue, Op, Range, Revision};

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// A read shows another value.
    Value,
    /// A read shows a version that is one more.
    Version,
    /// A read shows a create revision that is one less.
    Create,
    /// A read shows a key as it was before it was set last.
    Older,
    /// A key that is there is shown as missing.
    Missing,
    /// A list lacks its last key.
    Shorter,
    /// One key more is said to have been deleted.
    Deleted,
    /// A transaction whose comparisons held is said to have done nothing.
    Branch,
    /// What was there before a put is said to be nothing.
    NothingBefore,
    /// A write has the revision of another.
    SameRevision,
    /// A write is as old as what had been answered.
    OldWrite,
    /// A linearizable read is of an older revision than had been answered.
    OldRead,
    /// A serializable read shows another value.
    LocalValue,
    /// A serializable read shows a key as it was before it was set last.
    LocalOlder,
    /// A revision is not told.
    NoEvent,
    /// A list of events is told twice.
    SecondEvent,
    /// Two lists of events are told in the wrong order.
    LateEvent,
    /// One of the events of a revision is not told.
    HalfRevision,
    /// Progress is said to be further.
    EarlyProgress,
    /// A watch is said to start later.
    LaterStart,
    /// A read at an old revision is refused as compacted.
    Refused,
    /// A read at a revision that is compacted is answered.
    Uncompacted,
    /// A lease that is kept alive is said to be missing.
    LeaseMissing,
    /// A lease that is missing is said to be kept alive.
    LeaseKept,
    /// A read without the right to it is answered.
    Granted,
    /// A serializable read without the right to it is answered.
    LocalGranted,
    /// A read with the right to it is refused.
    Denied,
    /// A login is as old as before rights were changed last.
    OldLogin,
    /// A deletion between two other events is not told, whoever it was by.
    NoDeletion,
    /// An element at the end of a list of appended ones is missing.
    LostAppend,
}

const WATCHES: &[Promise] = &[
    watches::reliable::PROMISE,
    watches::resumable::PROMISE,
    watches::bookmarkable::PROMISE,
    watches::atomic::PROMISE,
];

const ORDER: &[Promise] = &[revision_order::PROMISE];
const TIME: &[Promise] = &[revisions_grow::PROMISE];
const LOCAL: &[Promise] = &[serializable_reads::PROMISE];

/// Which promises break, one of them at least, and how often that must be seen, in percent.
pub(super) const EXPECTED: &[(Lie, &[Promise], u64)] = &[
    (Lie::Value, ORDER, 95),
    (Lie::Version, ORDER, 95),
    (Lie::Create, ORDER, 95),
    (Lie::Older, ORDER, 95),
    (Lie::Missing, ORDER, 90),
    (Lie::Shorter, ORDER, 90),
    (Lie::Deleted, ORDER, 90),
    (Lie::Branch, ORDER, 90),
    (Lie::NothingBefore, ORDER, 90),
    (Lie::SameRevision, TIME, 100),
    (Lie::OldWrite, TIME, 100),
    (Lie::OldRead, TIME, 100),
    (Lie::LocalValue, LOCAL, 95),
    (Lie::LocalOlder, LOCAL, 90),
    (Lie::NoEvent, WATCHES, 80),
    (Lie::SecondEvent, &[watches::unique::PROMISE], 88),
    (Lie::LateEvent, &[watches::ordered::PROMISE], 90),
    (Lie::HalfRevision, &[watches::atomic::PROMISE], 88),
    (Lie::EarlyProgress, &[watches::bookmarkable::PROMISE], 65),
    (Lie::LaterStart, &[watches::resumable::PROMISE], 100),
    (Lie::Refused, &[compaction::PROMISE], 100),
    (Lie::Uncompacted, &[compaction::PROMISE], 72),
    (
        Lie::LeaseMissing,
        &[leases::kept::PROMISE, leases::over::PROMISE],
        88,
    ),
    (
        Lie::LeaseKept,
        &[leases::over::PROMISE, leases::kept::PROMISE],
        35,
    ),
    (Lie::Granted, &[permissions::PROMISE], 95),
    (Lie::LocalGranted, &[permissions::PROMISE], 90),
    (Lie::OldLogin, &[permissions::PROMISE], 100),
    (Lie::NoDeletion, WATCHES, 90),
    (Lie::Denied, &[permissions::PROMISE], 90),
    (Lie::LostAppend, &[transactions::PROMISE], 80),
];

/// Whether it is a lie of keys and watches alone.
pub(super) fn is_of_keys(lie: Lie) -> bool {
    !matches!(
        lie,
        Lie::Refused
            | Lie::Uncompacted
            | Lie::LeaseMissing
            | Lie::LeaseKept
            | Lie::Granted
            | Lie::LocalGranted
            | Lie::Denied
            | Lie::OldLogin
            | Lie::LostAppend
    )
}

/// The story without some of its answers: it is no lie not to know. Answers with events, and to what concerns watches, stay: an event that nobody knows of
/// is one that was lost.
pub(super) fn forgotten(story: &Story, seed: u64, percent: u64) -> Story {
    let draws = Draws::new(seed, "forget");
    let mut story = story.clone();
    for deed in &mut story.deeds {
        let of_watch = matches!(
            deed.request().map(|request| &request.ask),
            Some(Ask::Watch(_) | Ask::CancelWatch { .. } | Ask::Progress { .. })
        );
        let may_go = deed.events().is_empty() && !of_watch;
        if may_go && draws.percent(&[deed.id as u64], percent) {
            deed.ended = None;
            deed.answer = usize::MAX;
            deed.answer_ns = u64::MAX;
        }
    }
    story
}

/// The story with a lie in it; `None` where there is no occasion for it.
pub(super) fn told(lie: Lie, story: &Story, seed: u64) -> Option<Story> {
    let count = story.deeds.len() as u64;
    let first = Draws::new(seed, "lie").within(&[lie as u64], 0..=count - 1);
    let mut places = (first..count).chain(0..first);
    places.find_map(|at| {
        let ended = tell(lie, story, at as usize)?;
        let mut story = story.clone();
        story.deeds[at as usize].ended = Some(ended);
        Some(story)
    })
}

/// The answer of the operation at this place, changed.
fn tell(lie: Lie, story: &Story, at: usize) -> Option<Ended> {
    let before = &story.deeds[at];
    let mut ended = before.ended.clone()?;
    let is_local = before.range().is_some_and(|range| range.serializable);
    let of_reads = matches!(
        lie,
        Lie::Value | Lie::Version | Lie::Create | Lie::Older | Lie::Missing | Lie::Shorter
    );
    let of_local = matches!(lie, Lie::LocalValue | Lie::LocalOlder);
    if (of_reads || of_local) && (is_local != of_local || before.range().is_none()) {
        return None;
    }
    let shown = || answered(story, before).filter_map(Deed::newest).max();
    let others = || story.deeds.iter().filter(|deed| deed.id != at);
    let own = before.own_revision();
    match lie {
        Lie::Value | Lie::LocalValue => first_shown(&mut ended.result)?.value.push('x'),
        Lie::Version => first_shown(&mut ended.result)?.version += 1,
        Lie::Create => first_shown(&mut ended.result)?.create_revision -= 1,
        Lie::Older | Lie::LocalOlder => {
            let older = older_version(story, before)?;
            let Ok(Done::Range { kvs, .. }) = &mut ended.result else {
                return None;
            };
            let newer = kvs.iter_mut().find(|kv| kv.key == older.key)?;
            *newer = older;
        }
        Lie::Missing | Lie::Shorter => {
            let Ok(Done::Range { kvs, count }) = &mut ended.result else {
                return None;
            };
            let is_one = before.range()?.keys.range_end.is_none();
            if is_one != (lie == Lie::Missing) || kvs.len() as u64 != *count {
                return None;
            }
            kvs.pop()?;
            *count -= 1;
        }
        Lie::Deleted => match (&mut ended.result, before.op()?) {
            (Ok(Done::DeleteRange { deleted, prev_kvs }), Op::DeleteRange(delete))
                if prev_kvs.is_empty() && !delete.prev_kv =>
            {
                *deleted += 1;
            }
            _ => return None,
        },
        Lie::Branch => match (&mut ended.result, before.op()?) {
            (
                Ok(Done::Txn {
                    succeeded,
                    responses,
                }),
                Op::Txn(txn),
            ) if *succeeded && txn.failure.is_empty() && !txn.compare.is_empty() => {
                *succeeded = false;
                responses.clear();
                ended.revision -= u64::from(own.is_some());
            }
            _ => return None,
        },
        Lie::NothingBefore => match &mut ended.result {
            Ok(Done::Put { prev_kv }) => drop(prev_kv.take()?),
            _ => return None,
        },
        Lie::SameRevision => {
            let other = others().find_map(Deed::own_revision);
            ended.revision = other.filter(|_| own.is_some())?;
        }
        Lie::OldWrite => ended.revision = shown().filter(|_| own.is_some())?,
        Lie::OldRead => {
            let is_read = before.range().is_some() && before.is_linearizable();
            ended.revision = shown()?.checked_sub(1).filter(|at| is_read && *at > 0)?;
        }
        Lie::NoEvent
        | Lie::SecondEvent
        | Lie::LateEvent
        | Lie::HalfRevision
        | Lie::EarlyProgress
        | Lie::NoDeletion => of_events(lie, &mut ended.events)?,
        Lie::LaterStart => match &mut ended.result {
            Ok(Done::Watch { start_revision }) => *start_revision += 1,
            _ => return None,
        },
        Lie::Refused => {
            let asked = before.range().filter(|range| range.revision > 0)?.revision;
            before.done()?;
            let compact_revision = asked;
            ended.result = Err(Error::Compacted { compact_revision });
        }
        Lie::Uncompacted => {
            let is_gone = matches!(ended.result, Err(Error::Compacted { .. }));
            before
                .range()
                .filter(|range| is_gone && !range.serializable)?;
            ended.result = nothing();
        }
        Lie::LeaseMissing => match ended.result {
            Ok(Done::KeepAlive { .. }) => ended.result = Err(Error::LeaseNotFound),
            _ => return None,
        },
        Lie::LeaseKept => {
            let Ask::KeepAlive { lease } = before.request()?.ask else {
                return None;
            };
            before.error()?;
            let ttl_ms = others().find_map(|deed| match deed.op()? {
                Op::Grant { lease: of, ttl_ms } if *of == lease => Some(*ttl_ms),
                _ => None,
            })?;
            ended.result = Ok(Done::KeepAlive { lease, ttl_ms });
        }
        Lie::Granted | Lie::LocalGranted => {
            let is_denied = matches!(
                ended.result,
                Err(Error::PermissionDenied | Error::OldAuthRevision)
            );
            let wants_local = lie == Lie::LocalGranted;
            let range = before.range();
            range.filter(|range| is_denied && range.serializable == wants_local)?;
            ended.result = nothing();
        }
        Lie::OldLogin => {
            let shown = answered(story, before).filter_map(|deed| match deed.done() {
                Some(Done::Auth { auth_revision }) => Some(*auth_revision),
                _ => None,
            });
            before.op().map_or(Some(()), |_| None)?;
            match &mut ended.result {
                Ok(Done::Auth { auth_revision }) => *auth_revision = shown.max()?.checked_sub(1)?,
                _ => return None,
            }
        }
        Lie::Denied => {
            let is_somebody = before.request()?.as_user.is_some();
            let now = before.range().filter(|range| !range.serializable);
            now.filter(|_| is_somebody && ended.result.is_ok())?;
            ended.result = Err(Error::PermissionDenied);
        }
        Lie::LostAppend => {
            let range = before.range().filter(|range| !range.serializable)?;
            if !range.keys.key.starts_with("lists/") {
                return None;
            }
            let list = &mut first_shown(&mut ended.result)?.value;
            let last = list.rfind(' ')?;
            list.truncate(last);
        }
    }
    Some(ended)
}

fn nothing() -> Result<Done, Error> {
    let (kvs, count) = (Vec::new(), 0);
    Ok(Done::Range { kvs, count })
}

fn of_events(lie: Lie, events: &mut Vec<Event>) -> Option<()> {
    let told = |event: &Event| matches!(event, Event::Changes { .. });
    let first = events.iter().position(told)?;
    match lie {
        Lie::NoEvent => {
            let Event::Changes { changes, .. } = &mut events[first] else {
                return None;
            };
            let gone = changes.first()?.kv.mod_revision;
            changes.retain(|change| change.kv.mod_revision != gone);
            if changes.is_empty() {
                events.remove(first);
            }
        }
        Lie::NoDeletion => {
            let lists = events.iter_mut().filter_map(|event| match event {
                Event::Changes { changes, .. } => Some(changes),
                _ => None,
            });
            // Somewhere in the middle, so that something is told before it and after it.
            let list = lists.max_by_key(|changes| changes.len())?;
            let middle = 1..list.len().saturating_sub(1);
            let gone = middle.into_iter().find(|place| {
                let alone =
                    |other: usize| list[other].kv.mod_revision != list[*place].kv.mod_revision;
                list[*place].is_delete() && alone(place - 1) && alone(place + 1)
            })?;
            list.remove(gone);
        }
        Lie::SecondEvent => events.insert(first, events[first].clone()),
        Lie::LateEvent => {
            let watch = events[first].watch();
            let rest = &events[first + 1..];
            let second = rest
                .iter()
                .position(|event| told(event) && event.watch() == watch)?;
            events.swap(first, first + 1 + second);
        }
        Lie::HalfRevision => {
            let Event::Changes { changes, .. } = &mut events[first] else {
                return None;
            };
            let mut pairs = changes.windows(2);
            let half = pairs.position(|pair| pair[0].kv.mod_revision == pair[1].kv.mod_revision)?;
            changes.remove(half);
        }
        _ => {
            let progress = events.iter_mut().find_map(|event| match event {
                Event::Progress { revision, .. } => Some(revision),
                _ => None,
            });
            *progress? += 5;
        }
    }
    Some(())
}

fn first_shown(result: &mut Result<Done, Error>) -> Option<&mut KeyValue> {
    match result.as_mut().ok()? {
        Done::Range { kvs, .. } => kvs.first_mut(),
        _ => None,
    }
}

/// What had been answered before an operation was called.
fn answered<'s>(story: &'s Story, deed: &Deed) -> impl Iterator<Item = &'s Deed> + use<'s> {
    let call = deed.call;
    story.deeds.iter().filter(move |other| other.answer < call)
}

/// An older version of a key that an operation shows, as another shows it.
fn older_version(story: &Story, deed: &Deed) -> Option<KeyValue> {
    let Some(Done::Range { kvs, .. }) = deed.done() else {
        return None;
    };
    let range: &Range = deed.range()?;
    let at: Revision = match range.revision {
        0 => deed.revision()?,
        asked => asked,
    };
    let others = story.deeds.iter().filter_map(Deed::done);
    let others = others.filter_map(|done| match done {
        Done::Range { kvs, .. } => Some(kvs),
        _ => None,
    });
    others.flatten().find_map(|old| {
        let newer = |kv: &&KeyValue| kv.key == old.key && kv.mod_revision > old.mod_revision;
        let is_older = kvs.iter().any(|kv| newer(&kv)) && old.mod_revision <= at;
        is_older.then(|| old.clone())
    })
}
