//! The definition itself, for small stories: a story is legal if there is an order of zxids that explains it.
//!
//! Zxid by zxid everything is tried that may have happened there: the write that is known to have that zxid, one of unknown outcome, the end of a session,
//! or nothing. What was answered must be what the tree gives then. At last each session must have had a way through the zxids on which it heard just the
//! events that it heard. This takes exponential time, and says neither when it would take too much.

use crate::zookeeper::dialect::{Asked, Ended, Fired};
use crate::zookeeper::promises::generate::service::{Act, News, Tree, missed_change};
use crate::zookeeper::promises::generate::{fires, watch_of};
use crate::zookeeper::promises::story::{Deed, Story};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::words::{Error, Mode, Op, SessionId, Watch, ZxidNumber};

/// How much is tried for one story.
const STEPS_MAX: u32 = 20_000;

/// Whether a story is legal; `None` when that would take too long to find out.
pub(super) fn is_legal(story: &Story) -> Option<bool> {
    if !in_order(story) {
        return Some(false);
    }
    let Some(mut search) = Search::of(story) else {
        return Some(false);
    };
    let found = search.place(1, &Tree::default(), &mut Vec::new());
    match (found, search.steps < STEPS_MAX) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

fn answered_before<'a>(story: &'a Story, deed: &Deed) -> impl Iterator<Item = &'a Ended> {
    let call = deed.call;
    let earlier = story.deeds.iter().filter(move |other| other.answer < call);
    earlier.filter_map(|other| other.ended.as_ref())
}

/// The newest zxid that anybody had been told before an operation was called.
fn floor(story: &Story, deed: &Deed) -> ZxidNumber {
    let told = answered_before(story, deed).map(|ended| {
        let events = ended.events.iter().map(|fired| fired.zxid);
        events.fold(ended.zxid, ZxidNumber::max)
    });
    told.max().unwrap_or(0)
}

/// What the order in time asks of each answer.
fn in_order(story: &Story) -> bool {
    story.deeds.iter().all(|deed| {
        let Some(ended) = &deed.ended else {
            return true;
        };
        let own = answered_before(story, deed).filter(|other| other.session == ended.session);
        let told = own.map(|other| other.zxid).max().unwrap_or(0);
        match deed.asked {
            Asked::Write(_) => ended.zxid > floor(story, deed).max(ended.session.0),
            Asked::Sync => ended.zxid >= floor(story, deed).max(ended.session.0),
            _ => ended.zxid >= told.max(ended.session.0),
        }
    })
}

/// What happened at one zxid.
type Moment = (Tree, News);

struct Search<'a> {
    story: &'a Story,
    writes: BTreeMap<ZxidNumber, &'a Deed>,
    reads: BTreeMap<ZxidNumber, Vec<&'a Deed>>,
    opened: BTreeSet<ZxidNumber>,
    /// Sessions in which somebody was told that they had ended.
    expired: BTreeSet<SessionId>,
    /// What of unknown outcome is not placed, with the zxids above which it must be.
    wishes: Vec<(&'a Op, ZxidNumber)>,
    /// Zxids at which nothing happened that is seen: sessions may have been opened there.
    free: Vec<ZxidNumber>,
    last: ZxidNumber,
    steps: u32,
}

impl<'a> Search<'a> {
    /// `None` when two things have one zxid.
    fn of(story: &'a Story) -> Option<Self> {
        let mut search = Self {
            story,
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            opened: BTreeSet::new(),
            expired: BTreeSet::new(),
            wishes: Vec::new(),
            free: Vec::new(),
            last: 0,
            steps: 0,
        };
        for deed in &story.deeds {
            match (&deed.asked, &deed.ended) {
                (asked, Some(ended)) => {
                    search.opened.insert(ended.session.0);
                    if ended.result == Err(Error::SessionExpired) {
                        search.expired.insert(ended.session);
                    }
                    let events = ended.events.iter().map(|fired| fired.zxid);
                    search.last = events.fold(search.last.max(ended.zxid), ZxidNumber::max);
                    let is_second =
                        asked.is_write() && search.writes.insert(ended.zxid, deed).is_some();
                    if is_second {
                        return None;
                    }
                    if let Asked::Read(_) = asked {
                        search.reads.entry(ended.zxid).or_default().push(deed);
                    }
                }
                (Asked::Write(op), None) if !matches!(op, Op::Close | Op::Check { .. }) => {
                    search.wishes.push((op, floor(story, deed)));
                }
                _ => {}
            }
        }
        let shared = search
            .opened
            .iter()
            .any(|zxid| search.writes.contains_key(zxid));
        (!shared).then_some(search)
    }

    /// Tries all that may have happened from a zxid on.
    fn place(&mut self, zxid: ZxidNumber, tree: &Tree, moments: &mut Vec<Moment>) -> bool {
        self.steps += 1;
        if self.steps >= STEPS_MAX {
            return false;
        }
        if zxid > self.last {
            return self.sessions_agree(moments);
        }
        if let Some(deed) = self.writes.get(&zxid).copied() {
            let (Some(op), Some(ended)) = (deed.op(), &deed.ended) else {
                return false;
            };
            let mut next = tree.clone();
            let (result, news) = next.apply(zxid, ended.session, &Act::Do(op.clone()));
            return result == ended.result && self.go_on(zxid, next, news, moments);
        }
        if self.opened.contains(&zxid) {
            let mut next = tree.clone();
            let (_, news) = next.apply(zxid, SessionId::NONE, &Act::Open);
            return self.go_on(zxid, next, news, moments);
        }
        self.free.push(zxid);
        let nothing = self.go_on(zxid, tree.clone(), News::new(), moments);
        self.free.pop();
        nothing || self.an_end(zxid, tree, moments) || self.a_wish(zxid, tree, moments)
    }

    /// A session ended here.
    fn an_end(&mut self, zxid: ZxidNumber, tree: &Tree, moments: &mut Vec<Moment>) -> bool {
        let hidden = self.free.iter().map(|zxid| SessionId(*zxid));
        let sessions: Vec<_> = tree.sessions().iter().copied().chain(hidden).collect();
        sessions.into_iter().any(|session| {
            let mut next = tree.clone();
            let (_, news) = next.apply(zxid, session, &Act::Expire);
            let shows = !news.is_empty() || self.expired.contains(&session);
            shows && self.go_on(zxid, next, news, moments)
        })
    }

    /// Something of unknown outcome was done here.
    fn a_wish(&mut self, zxid: ZxidNumber, tree: &Tree, moments: &mut Vec<Moment>) -> bool {
        for at in 0..self.wishes.len() {
            let (op, floor) = self.wishes[at];
            if floor >= zxid {
                continue;
            }
            self.wishes.remove(at);
            let hidden = self.free.iter().map(|zxid| SessionId(*zxid));
            let mut sessions: Vec<_> = tree.sessions().iter().copied().chain(hidden).collect();
            if !makes_ephemeral(op) {
                // In which session makes no difference.
                sessions = vec![SessionId(ZxidNumber::MAX)];
            }
            for session in sessions {
                let mut next = tree.clone();
                if !tree.sessions().contains(&session) {
                    let _opened = next.apply(session.0, SessionId::NONE, &Act::Open);
                }
                let (result, news) = next.apply(zxid, session, &Act::Do(op.clone()));
                if result.is_ok() && self.go_on(zxid, next, news, moments) {
                    return true;
                }
            }
            self.wishes.insert(at, (op, floor));
        }
        false
    }

    /// Goes on if what was read at this zxid is so.
    fn go_on(
        &mut self,
        zxid: ZxidNumber,
        tree: Tree,
        news: News,
        moments: &mut Vec<Moment>,
    ) -> bool {
        let mut reads = self.reads.get(&zxid).into_iter().flatten();
        let agree = reads.all(|deed| match (&deed.asked, &deed.ended) {
            (Asked::Read(read), Some(ended)) => tree.read(read) == ended.result,
            _ => false,
        });
        if !agree {
            return false;
        }
        moments.push((tree.clone(), news));
        let found = self.place(zxid + 1, &tree, moments);
        moments.pop();
        found
    }

    /// Whether each session had a way to hear what it heard.
    fn sessions_agree(&self, moments: &[Moment]) -> bool {
        self.opened.iter().all(|session| {
            let own = self.story.deeds.iter();
            let own = own.filter(|deed| deed.session() == Some(SessionId(*session)));
            let mut own: Vec<&Deed> = own.collect();
            own.sort_by_key(|deed| deed.answer);
            let mut way = Way {
                answers: &own,
                moments,
                tried: BTreeSet::new(),
            };
            way.exists((0, 0, *session), &BTreeSet::new())
        })
    }
}

fn makes_ephemeral(op: &Op) -> bool {
    match op {
        Op::Create { mode, .. } => matches!(mode, Mode::Ephemeral | Mode::EphemeralSequential),
        Op::Multi(ops) => ops.iter().any(makes_ephemeral),
        _ => false,
    }
}

/// The way of one session through the zxids.
struct Way<'a> {
    answers: &'a [&'a Deed],
    /// What happened at each zxid, from 1.
    moments: &'a [Moment],
    /// From where it went on already.
    tried: BTreeSet<(Place, BTreeSet<Watch>)>,
}

/// So many answers, and of the next so many events, have come; the client has all up to a zxid.
type Place = (usize, usize, ZxidNumber);

impl Way<'_> {
    /// Whether there is one from here.
    fn exists(&mut self, place: Place, watches: &BTreeSet<Watch>) -> bool {
        if !self.tried.insert((place, watches.clone())) {
            return false;
        }
        let (next, heard, zxid) = place;
        let Some(deed) = self.answers.get(next).copied() else {
            return true;
        };
        let Some(ended) = &deed.ended else {
            return false;
        };
        // Events with the first answer are those of the session before.
        let events = if next == 0 { &[][..] } else { &ended.events };
        let is_time = match deed.asked {
            Asked::Read(_) | Asked::Sync => ended.zxid == zxid,
            Asked::Write(_) => ended.zxid <= zxid,
            Asked::Rest { .. } | Asked::Store { .. } => true,
        };
        if is_time && heard == events.len() {
            let mut watches = watches.clone();
            if let (Asked::Read(read), Ok(done)) = (&deed.asked, &ended.result) {
                watches.extend(watch_of(read, done));
            }
            if self.exists((next + 1, 0, zxid), &watches) {
                return true;
            }
        }
        let last = self.moments.len() as ZxidNumber;
        let ways = (zxid + 1..=last).map(|to| (to, to > zxid + 1));
        let ways = ways.chain((zxid < last).then_some((zxid + 1, true)));
        for (to, away) in ways {
            let mut left = watches.clone();
            let fired = match away {
                true => self.overdue(&mut left, zxid, to),
                false => self.fired(&mut left, to),
            };
            let fits = events[heard..].starts_with(&fired);
            if fits && self.exists((next, heard + fired.len(), to), &left) {
                return true;
            }
        }
        false
    }

    /// What a client hears of one zxid that is connected.
    fn fired(&self, watches: &mut BTreeSet<Watch>, zxid: ZxidNumber) -> Vec<Fired> {
        let mut fired = Vec::new();
        for (change, path) in &self.moments[zxid as usize - 1].1 {
            let before = watches.len();
            watches.retain(|watch| watch.path != *path || !fires(*change, watch.what));
            if watches.len() < before {
                let (change, path) = (*change, path.clone());
                fired.push(Fired { change, path, zxid });
            }
        }
        fired
    }

    /// What a client hears that was away.
    fn overdue(
        &self,
        watches: &mut BTreeSet<Watch>,
        seen: ZxidNumber,
        zxid: ZxidNumber,
    ) -> Vec<Fired> {
        let tree = &self.moments[zxid as usize - 1].0;
        let mut told = BTreeSet::new();
        watches.retain(|watch| {
            let Some(change) = missed_change(watch.what, tree.stat(&watch.path).as_ref(), seen)
            else {
                return true;
            };
            told.insert((change, watch.path.clone()));
            false
        });
        let told = told.into_iter();
        told.map(|(change, path)| Fired { change, path, zxid })
            .collect()
    }
}
