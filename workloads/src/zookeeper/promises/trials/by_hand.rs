//! One small story for each promise, and the same with one lie in it.

use super::PROMISES;
use crate::zookeeper::dialect::{Asked, Ended, Fired};
use crate::zookeeper::promises::story::{Deed, Story};
use stormglass_impls::zookeeper::words::{
    Change, Done, Error, Mode, Op, Read, SessionId, Stat, What, ZxidNumber, open_to_all,
};

const ONE: SessionId = SessionId(1);
const TWO: SessionId = SessionId(2);

/// A story in which one thing is done after the other.
#[derive(Default)]
struct Tale(Vec<Deed>);

impl Tale {
    fn then(
        self,
        session: SessionId,
        asked: Asked,
        zxid: ZxidNumber,
        result: Result<Done, Error>,
    ) -> Self {
        self.told(session, asked, zxid, result, Vec::new())
    }

    fn told(
        mut self,
        session: SessionId,
        asked: Asked,
        zxid: ZxidNumber,
        result: Result<Done, Error>,
        events: Vec<Fired>,
    ) -> Self {
        let ended = Ended {
            zxid,
            session,
            server: 0,
            result,
            events,
            stored: None,
        };
        self.push(asked, Some(ended));
        self
    }

    fn lost(mut self, op: Op) -> Self {
        self.push(Asked::Write(op), None);
        self
    }

    fn push(&mut self, asked: Asked, ended: Option<Ended>) {
        let id = self.0.len();
        let answer = if ended.is_some() {
            2 * id + 1
        } else {
            usize::MAX
        };
        self.0.push(Deed {
            process: 0,
            id,
            asked,
            ended,
            call: 2 * id,
            answer,
            call_ns: 0,
            answer_ns: 0,
        });
    }

    /// The promises that are broken.
    fn broken(self) -> Vec<&'static str> {
        let story = Story { deeds: self.0 };
        let broken = PROMISES
            .iter()
            .filter(|promise| promise.judged(&story).is_err());
        broken.map(|promise| promise.name).collect()
    }
}

fn create(path: &str, data: &str) -> Op {
    Op::Create {
        path: path.into(),
        data: data.into(),
        mode: Mode::Persistent,
        acl: open_to_all(),
    }
}

fn set(path: &str, data: &str) -> Op {
    Op::Set {
        path: path.into(),
        data: data.into(),
        version: None,
    }
}

fn read(what: What, path: &str) -> Asked {
    Asked::Read(Read {
        what,
        path: path.into(),
        watch: false,
    })
}

fn watch(what: What, path: &str) -> Asked {
    Asked::Read(Read {
        what,
        path: path.into(),
        watch: true,
    })
}

/// The stat of a node with data of two letters.
fn stat(czxid: ZxidNumber, mzxid: ZxidNumber, version: u32) -> Stat {
    Stat {
        czxid,
        mzxid,
        pzxid: czxid,
        version,
        data_length: 2,
        ..Stat::default()
    }
}

fn data(text: &str, stat: Stat) -> Result<Done, Error> {
    Ok(Done::Data(text.into(), stat))
}

fn changed(zxid: ZxidNumber) -> Fired {
    Fired {
        change: Change::DataChanged,
        path: "/a".into(),
        zxid,
    }
}

/// A node was made at zxid 3.
fn made() -> Tale {
    let done = Done::Created {
        path: "/a".into(),
        stat: stat(3, 3, 0),
    };
    Tale::default().then(ONE, Asked::Write(create("/a", "aa")), 3, Ok(done))
}

fn set_at(zxid: ZxidNumber) -> (Asked, ZxidNumber, Result<Done, Error>) {
    let done = Done::Set(stat(3, zxid, 1));
    (Asked::Write(set("/a", "bb")), zxid, Ok(done))
}

/// It was set at zxid 4.
fn made_and_set() -> Tale {
    let (asked, zxid, result) = set_at(4);
    made().then(ONE, asked, zxid, result)
}

#[test]
fn a_stale_read_breaks_nothing_and_lost_data_breaks_the_tree() {
    let get = || read(What::Data, "/a");
    let stale = made_and_set().then(TWO, get(), 3, data("aa", stat(3, 3, 0)));
    assert_eq!(stale.broken(), [""; 0]);
    let lost = made_and_set().then(TWO, get(), 4, data("aa", stat(3, 3, 0)));
    assert_eq!(lost.broken(), ["tree"]);
    let gone = made_and_set().then(TWO, get(), 9, Err(Error::NoNode));
    assert_eq!(gone.broken(), ["tree"]);
}

#[test]
fn what_nobody_wrote_is_not_there() {
    let get = || read(What::Data, "/a");
    let seen = || data("cc", stat(3, 5, 1));
    assert_eq!(made().then(TWO, get(), 5, seen()).broken(), ["tree"]);
    let lost = || made().lost(set("/a", "cc"));
    assert_eq!(lost().then(TWO, get(), 5, seen()).broken(), [""; 0]);
    let twice = lost().then(TWO, get(), 5, seen());
    let twice = twice.then(TWO, get(), 6, data("cc", stat(3, 6, 2)));
    assert_eq!(twice.broken(), ["tree"]);
    let early = made_and_set().lost(set("/b", "cc"));
    let early = early.then(TWO, read(What::Data, "/b"), 5, data("cc", stat(2, 2, 0)));
    assert_eq!(early.broken(), ["tree"]);
}

#[test]
fn a_write_is_later_than_what_was_answered_before_it() {
    let (asked, _, result) = set_at(3);
    let broken = made().then(TWO, asked, 3, result).broken();
    assert!(broken.contains(&"write-order"), "{broken:?}");
    let read_ahead = made().then(ONE, Asked::Sync, 7, Ok(Done::Fine));
    let (asked, zxid, result) = set_at(6);
    assert_eq!(
        read_ahead.then(TWO, asked, zxid, result).broken(),
        ["write-order"]
    );
}

#[test]
fn a_session_does_not_go_back_and_others_may_be_behind() {
    let get = || read(What::Data, "/a");
    let old = || data("aa", stat(3, 3, 0));
    assert_eq!(made_and_set().then(TWO, get(), 3, old()).broken(), [""; 0]);
    assert_eq!(
        made_and_set().then(ONE, get(), 3, old()).broken(),
        ["session-view"]
    );
}

#[test]
fn a_sync_shows_what_had_returned() {
    let synced = |zxid| made_and_set().then(TWO, Asked::Sync, zxid, Ok(Done::Fine));
    assert_eq!(synced(4).broken(), [""; 0]);
    assert_eq!(synced(3).broken(), ["sync"]);
}

#[test]
fn an_event_comes_once_and_before_what_it_announces() {
    let get = || read(What::Data, "/a");
    let old = || data("aa", stat(3, 3, 0));
    let new = || data("bb", stat(3, 4, 1));
    let watched = || {
        let watched = made().then(TWO, watch(What::Data, "/a"), 3, old());
        let (asked, zxid, result) = set_at(4);
        watched.then(ONE, asked, zxid, result)
    };
    assert_eq!(watched().then(TWO, get(), 3, old()).broken(), [""; 0]);
    let told = || watched().told(TWO, get(), 4, new(), vec![changed(4)]);
    assert_eq!(told().broken(), [""; 0]);
    let untold = watched().then(TWO, get(), 4, new());
    assert_eq!(untold.broken(), ["watches"]);
    let late = watched().then(TWO, get(), 4, new());
    let late = late.told(TWO, get(), 4, new(), vec![changed(4)]);
    assert_eq!(late.broken(), ["watches"]);
    let twice = told().told(TWO, get(), 4, new(), vec![changed(4)]);
    assert_eq!(twice.broken(), ["watches"]);
    let own = made().then(ONE, watch(What::Data, "/a"), 3, old());
    let (asked, zxid, result) = set_at(4);
    let own_untold = own.then(ONE, asked, zxid, result);
    assert_eq!(own_untold.broken(), ["watches"]);
    let false_event = made().then(TWO, watch(What::Data, "/a"), 3, old());
    let false_event = false_event.told(TWO, get(), 8, old(), vec![changed(8)]);
    assert_eq!(false_event.broken(), ["watches"]);
}

#[test]
fn half_a_multi_is_none() {
    let both = Op::Multi(vec![set("/a", "cc"), create("/b", "dd")]);
    let made_b = || Done::Created {
        path: "/b".into(),
        stat: stat(4, 4, 0),
    };
    let done = Done::Multi(vec![Done::Set(stat(3, 4, 1)), made_b()]);
    let get = |path| read(What::Data, path);
    let whole = || made().then(ONE, Asked::Write(both.clone()), 4, Ok(done.clone()));
    let second = whole().then(TWO, get("/b"), 4, data("dd", stat(4, 4, 0)));
    assert_eq!(second.broken(), [""; 0]);
    let half = whole().then(TWO, get("/b"), 5, Err(Error::NoNode));
    assert_eq!(half.broken(), ["tree", "multi"]);
    // Nobody was told, and one part was seen: the other is there, too.
    let seen = || {
        let lost = made().lost(both.clone());
        lost.then(TWO, get("/a"), 4, data("cc", stat(3, 4, 1)))
    };
    let other = seen().then(TWO, get("/b"), 5, data("dd", stat(4, 4, 0)));
    assert_eq!(other.broken(), [""; 0]);
    let missing = seen().then(TWO, get("/b"), 5, Err(Error::NoNode));
    assert_eq!(missing.broken(), ["multi"]);
    let error = Error::Multi {
        at: 1,
        error: Box::new(Error::NoAuth),
    };
    let failed = made().then(ONE, Asked::Write(both.clone()), 4, Err(error));
    let failed = failed.then(TWO, get("/a"), 5, data("cc", stat(3, 4, 1)));
    assert_eq!(failed.broken(), ["tree", "multi"]);
}

#[test]
fn part_of_a_multi_at_another_zxid_breaks_it() {
    let both = Op::Multi(vec![set("/a", "cc")]);
    let done = Done::Multi(vec![Done::Set(stat(3, 5, 1))]);
    let elsewhere = made().then(ONE, Asked::Write(both), 4, Ok(done));
    assert!(elsewhere.broken().contains(&"multi"));
}

#[test]
fn children_that_were_there_are_named() {
    let list = |names: &[&str]| {
        let root = Stat {
            pzxid: 3,
            cversion: 1,
            children: 1,
            ..Stat::default()
        };
        let names = names.iter().map(ToString::to_string).collect();
        Ok(Done::Children(names, root))
    };
    let named = |names| made().then(TWO, read(What::Children, "/"), 3, list(names));
    assert_eq!(named(&["a"]).broken(), [""; 0]);
    assert_eq!(named(&[]).broken(), ["tree"]);
}

#[test]
fn a_set_on_a_condition_that_does_not_hold_is_refused() {
    let on = |version| {
        let op = Op::Set {
            path: "/a".into(),
            data: "bb".into(),
            version: Some(version),
        };
        let done = Ok(Done::Set(stat(3, 4, 1)));
        made().then(ONE, Asked::Write(op), 4, done).broken()
    };
    assert_eq!(on(0), Vec::<&str>::new());
    assert_eq!(on(3), ["tree"]);
}
