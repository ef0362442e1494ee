//! Lies: a story with one answer changed.

use crate::draw::Draws;
use crate::zookeeper::dialect::{Asked, Ended};
use crate::zookeeper::promises::story::{Deed, Story};
use crate::zookeeper::promises::{Promise, multi, session_view, sync, tree, watches, write_order};
use stormglass_impls::zookeeper::words::{Done, Error, Op, Stat};

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// The version that a read shows is one more.
    Version,
    /// The czxid that a read shows is one less.
    Czxid,
    /// The number of changes to children that a read shows is two more.
    Cversion,
    /// A read shows other data.
    Data,
    /// A list of children lacks one.
    Child,
    /// A node that is there is shown as missing.
    Missing,
    /// A write has the zxid of another.
    SameZxid,
    /// A write is as old as what had been answered.
    OldWrite,
    /// A read is as if from the beginning of its session.
    OldRead,
    /// A sync is as if from the beginning of its session.
    OldSync,
    /// An event is not told.
    NoEvent,
    /// An event is told twice.
    SecondEvent,
    /// An event is told with the next answer.
    LateEvent,
    /// A part of a multi is at another zxid.
    PartElsewhere,
    /// A multi that was done is said to have failed.
    FailedMulti,
}

/// Which promise breaks, and how often it must be seen, in percent.
pub(super) const EXPECTED: &[(Lie, Promise, u64)] = &[
    (Lie::Version, tree::PROMISE, 90),
    (Lie::Czxid, tree::PROMISE, 90),
    (Lie::Cversion, tree::PROMISE, 85),
    (Lie::Data, tree::PROMISE, 90),
    (Lie::Child, tree::PROMISE, 90),
    (Lie::Missing, tree::PROMISE, 85),
    (Lie::SameZxid, write_order::PROMISE, 100),
    (Lie::OldWrite, write_order::PROMISE, 100),
    (Lie::OldRead, session_view::PROMISE, 90),
    (Lie::OldSync, sync::PROMISE, 90),
    (Lie::NoEvent, watches::PROMISE, 75),
    (Lie::SecondEvent, watches::PROMISE, 70),
    (Lie::LateEvent, watches::PROMISE, 50),
    (Lie::PartElsewhere, multi::PROMISE, 100),
    (Lie::FailedMulti, multi::PROMISE, 45),
];

/// The story without some of its answers: it is no lie not to know. Answers with events stay, for an event that nobody knows of is one that was lost.
/// `watches` says whether reads that leave watches may be forgotten, too.
pub(super) fn forgotten(story: &Story, seed: u64, percent: u64, watches: bool) -> Story {
    let draws = Draws::new(seed, "forget");
    let mut story = Story {
        deeds: story.deeds.clone(),
    };
    for deed in &mut story.deeds {
        let told = deed.ended.as_ref().map(|ended| ended.events.len());
        let leaves_watch = matches!(&deed.asked, Asked::Read(read) if read.watch);
        let may_go = told == Some(0) && (watches || !leaves_watch);
        if may_go && draws.percent(&[deed.id as u64], percent) {
            deed.ended = None;
            deed.answer = usize::MAX;
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
        let mut story = Story {
            deeds: story.deeds.clone(),
        };
        tell(lie, &mut story, at as usize)?;
        Some(story)
    })
}

/// Changes the answer of the operation at this place.
fn tell(lie: Lie, story: &mut Story, at: usize) -> Option<()> {
    story.deeds[at].ended.as_ref()?;
    let before = story.deeds.clone();
    let deed = &mut story.deeds[at];
    let call = deed.call;
    let is_read = matches!(deed.asked, Asked::Read(_));
    let is_write = deed.asked.is_write();
    let is_sync = deed.asked == Asked::Sync;
    let ended = deed.ended.as_mut()?;
    let answered = || before.iter().filter(|other| other.answer < call);
    match lie {
        Lie::Version => stat_of(&mut ended.result).filter(|_| is_read)?.version += 1,
        Lie::Czxid => {
            let stat = stat_of(&mut ended.result).filter(|_| is_read)?;
            stat.czxid = stat.czxid.checked_sub(1)?;
        }
        Lie::Cversion => stat_of(&mut ended.result).filter(|_| is_read)?.cversion += 2,
        Lie::Data => match &mut ended.result {
            Ok(Done::Data(data, _)) if !data.is_empty() => {
                let same_length = "x".repeat(data.len());
                *data = same_length;
            }
            _ => return None,
        },
        Lie::Child => match &mut ended.result {
            Ok(Done::Children(names, _)) => drop(names.pop()?),
            _ => return None,
        },
        Lie::Missing => match &mut ended.result {
            Ok(Done::Exists(stat)) => drop(stat.take()?),
            result @ Ok(Done::Data(..) | Done::Children(..)) => *result = Err(Error::NoNode),
            _ => return None,
        },
        Lie::SameZxid => {
            let mut others = before.iter().filter(|other| other.id != at);
            let own = others.find_map(Deed::own_zxid).filter(|_| is_write)?;
            ended.zxid = own;
        }
        Lie::OldWrite => {
            let answered = answered().filter_map(|other| Some(other.ended.as_ref()?.zxid));
            ended.zxid = answered.max().filter(|_| is_write)?;
        }
        Lie::OldRead => {
            let same = |other: &&Deed| other.session() == Some(ended.session);
            let told = answered().filter(same);
            let told = told.filter_map(|other| Some(other.ended.as_ref()?.zxid));
            let newest = told.max().filter(|newest| *newest > ended.session.0)?;
            ended.zxid = newest.checked_sub(1).filter(|_| is_read)?;
        }
        Lie::OldSync => {
            let told = answered().filter_map(|other| Some(other.ended.as_ref()?.zxid));
            ended.zxid = told.max()?.checked_sub(1).filter(|_| is_sync)?;
        }
        Lie::NoEvent => drop(ended.events.pop()?),
        Lie::SecondEvent => {
            let first = ended.events.last()?.clone();
            let session = ended.session;
            next_of(story, at, session)?.events.insert(0, first);
        }
        Lie::LateEvent => {
            let event = ended.events.pop()?;
            let session = ended.session;
            next_of(story, at, session)?.events.insert(0, event);
        }
        Lie::PartElsewhere => {
            let (Asked::Write(Op::Multi(ops)), Ok(Done::Multi(done))) =
                (&deed.asked, &mut ended.result)
            else {
                return None;
            };
            let mut parts = ops.iter().zip(done);
            parts.find_map(|part| match part {
                (Op::Set { .. }, Done::Set(stat))
                | (Op::Create { .. }, Done::Created { stat, .. }) => {
                    stat.mzxid += 1;
                    Some(())
                }
                _ => None,
            })?;
        }
        Lie::FailedMulti => match &mut ended.result {
            result @ Ok(Done::Multi(_)) => {
                *result = Err(Error::Multi {
                    at: 0,
                    error: Box::new(Error::BadArguments),
                });
            }
            _ => return None,
        },
    }
    Some(())
}

/// The next answer in a session.
fn next_of(
    story: &mut Story,
    at: usize,
    session: stormglass_impls::zookeeper::words::SessionId,
) -> Option<&mut Ended> {
    let answer = story.deeds[at].answer;
    let later = story.deeds.iter_mut();
    let later = later.filter(|deed| deed.answer > answer && deed.session() == Some(session));
    later.min_by_key(|deed| deed.answer)?.ended.as_mut()
}

fn stat_of(result: &mut Result<Done, Error>) -> Option<&mut Stat> {
    match result.as_mut().ok()? {
        Done::Exists(stat) => stat.as_mut(),
        Done::Data(_, stat) | Done::Children(_, stat) | Done::Acl(_, stat) => Some(stat),
        _ => None,
    }
}
