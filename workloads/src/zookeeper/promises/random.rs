//! Thousands of histories of a service that keeps all promises, with sessions that end, answers that get lost and reads that are old; and the same with
//! one answer that is a lie.

use super::reference::{Service, create, delete, read, set};
use super::{
    Promise, barrier, ephemerals, leader, lock, members, queue, rights, sequence,
    set as set_of_elements,
};
use crate::draw::Draws;
use crate::zookeeper::dialect::{Asked, Ended};
use stormglass_checker::Event;
use stormglass_checker::history::Kind;
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{
    Acl, Done, Error, Mode, Op, Rights, SessionId, What, Who, ZxidNumber, digest_of, open_to_all,
};

const LOCK: &str = "/locks/k0";
const QUEUE: &str = "/queues/k0";
const SET: &str = "/sets/k0";
const GROUP: &str = "/groups/g";

const PATHS: &[&str] = &[
    "/d", "/s", "/locks", LOCK, "/queues", QUEUE, "/sets", SET, "/groups", GROUP,
];

const PROMISES: &[Promise] = &[
    ephemerals::PROMISE,
    sequence::PROMISE,
    rights::PROMISE,
    lock::PROMISE,
    lock::FENCED,
    queue::PROMISE,
    leader::PROMISE,
    barrier::PROMISE,
    set_of_elements::PROMISE,
    members::PROMISE,
];

struct Dice {
    draws: Draws,
    thrown: u64,
}

impl Dice {
    fn new(seed: u64, purpose: &str) -> Self {
        let draws = Draws::new(seed, purpose);
        Self { draws, thrown: 0 }
    }

    /// One of so many, from 0.
    fn throw(&mut self, sides: u64) -> u64 {
        self.thrown += 1;
        self.draws.within(&[self.thrown], 0..=sides - 1)
    }

    fn percent(&mut self, share: u64) -> bool {
        self.throw(100) < share
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.throw(from.len() as u64) as usize]
    }
}

/// What a client does with a lock or a queue.
#[derive(Default)]
struct Memory {
    session: SessionId,
    /// Its node of the lock, and when it was made.
    ticket: Option<(String, ZxidNumber)>,
    holds: bool,
    /// The items that it was shown.
    items: Vec<String>,
}

/// One history: five clients, who do what the seed says.
struct Play {
    dice: Dice,
    service: Service,
    memories: Vec<Memory>,
    /// What the lock protects: its newest token, and how many stores there were.
    resource: (ZxidNumber, u64),
    offered: u64,
}

const CLIENTS: usize = 5;

fn play(seed: u64) -> Service {
    let mut play = Play {
        dice: Dice::new(seed, "play"),
        service: Service::new(CLIENTS as u64, PATHS),
        memories: (0..CLIENTS).map(|_| Memory::default()).collect(),
        resource: (0, 0),
        offered: 0,
    };
    for _ in 0..250 {
        play.step();
    }
    play.service
}

impl Play {
    fn step(&mut self) {
        let client = self.dice.throw(CLIENTS as u64) as usize;
        if self.dice.percent(2) {
            self.service.expire(client);
        }
        if self.dice.percent(3) {
            let which = self.dice.throw(8);
            self.service.stray(which);
        }
        if self.service.is_idle(client) {
            if let Some(asked) = self.next(client) {
                self.service.call(client, asked);
            }
        } else if self.dice.percent(5) {
            self.service.lose(client);
            self.memories[client] = Memory::default();
        } else if self.service.is_applied(client) {
            let before = self.service.history.events.len();
            let _ = self.service.answer(client);
            let event = self.service.history.events[before].clone();
            let ended = Ended::read(&event.value).unwrap();
            self.heard(client, event.key.as_deref(), &ended);
        } else {
            // Most servers are a little behind.
            let behind = self.dice.throw(6);
            let zxid = self.service.now().saturating_sub(behind);
            self.service.apply(client, zxid);
        }
    }

    /// What a client asks next. By its number it takes locks, serves queues, or does this and that.
    fn next(&mut self, client: usize) -> Option<Asked> {
        if self.memories[client].session != self.service.session(client).unwrap_or_default() {
            self.memories[client] = Memory::default();
        }
        Some(match client {
            _ if self.dice.percent(30) => self.anything(),
            0 | 1 => return self.locks(client),
            2 | 3 => self.queues(client),
            _ => self.anything(),
        })
    }

    fn locks(&mut self, client: usize) -> Option<Asked> {
        let memory = &mut self.memories[client];
        let Some((path, token)) = memory.ticket.clone() else {
            let path = format!("{LOCK}/n-");
            return Some(Asked::Write(create(&path, "", Mode::EphemeralSequential)));
        };
        if !memory.holds {
            return Some(read(What::Children, LOCK));
        }
        if self.dice.percent(50) {
            let (newest, turn) = self.resource;
            let taken = token >= newest;
            self.resource = (newest.max(token), turn + 1);
            self.service.store(client, LOCK, token, (taken, turn));
            return None;
        }
        *memory = Memory::default();
        Some(Asked::Write(delete(&path)))
    }

    fn queues(&mut self, client: usize) -> Asked {
        if self.dice.percent(40) {
            self.offered += 1;
            let (path, data) = (format!("{QUEUE}/n-"), self.offered.to_string());
            return Asked::Write(create(&path, &data, Mode::PersistentSequential));
        }
        let items = &mut self.memories[client].items;
        if items.is_empty() {
            return read(What::Children, QUEUE);
        }
        let path = format!("{QUEUE}/{}", items[0]);
        if self.dice.percent(40) {
            return read(What::Data, &path);
        }
        items.remove(0);
        Asked::Write(delete(&path))
    }

    fn anything(&mut self) -> Asked {
        let (user, password) = ("alice".to_string(), "a".to_string());
        let dice = &mut self.dice;
        match dice.throw(12) {
            0 => Asked::Write(Op::AddAuth { user, password }),
            1 => Asked::Write(set_acl(dice)),
            2 => Asked::Write(Op::Close),
            3 => read(What::Acl, dice.pick(&["/d", "/d/a"])),
            4 => {
                let parts = [some_write(dice), some_write(dice)];
                Asked::Write(Op::Multi(parts.to_vec()))
            }
            5..8 => {
                let what = [What::Exists, What::Data, What::Children][dice.throw(3) as usize];
                read(
                    what,
                    dice.pick(&["/d", "/d/a", "/d/b", "/s", SET, GROUP, LOCK]),
                )
            }
            _ => Asked::Write(some_write(dice)),
        }
    }

    fn heard(&mut self, client: usize, path: Option<&str>, ended: &Ended) {
        let memory = &mut self.memories[client];
        if memory.session != ended.session {
            *memory = Memory::default();
            memory.session = ended.session;
        }
        match (&ended.result, path) {
            (Ok(Done::Created { path, stat }), Some("/locks/k0/n-")) => {
                memory.ticket = Some((path.clone(), stat.czxid));
            }
            (Ok(Done::Children(names, _)), Some(LOCK)) => {
                let own = memory.ticket.as_ref().map(|(path, _)| parted(path).1);
                memory.holds = own.is_some() && names.first().map(String::as_str) == own;
            }
            (Ok(Done::Children(names, _)), Some(QUEUE)) => memory.items.clone_from(names),
            _ => {}
        }
    }
}

fn set_acl(dice: &mut Dice) -> Op {
    let (user, digest) = ("alice".to_string(), digest_of("alice", "a"));
    let who = [Who::Digest { user, digest }, Who::Auth][dice.throw(2) as usize].clone();
    let rights = Rights(dice.throw(32) as u8);
    let acl = match dice.percent(50) {
        true => open_to_all(),
        false => vec![Acl { who, rights }],
    };
    Op::SetAcl {
        path: dice.pick(&["/d", "/d/a"]).to_string(),
        acl,
        version: None,
    }
}

fn some_write(dice: &mut Dice) -> Op {
    let element = format!("{SET}/{}", dice.throw(12));
    let mode = [Mode::Persistent, Mode::Ephemeral][dice.throw(2) as usize];
    match dice.throw(16) {
        0..3 => create(&element, "", Mode::Persistent),
        3 => delete(&element),
        4..7 => create("/d/n-", "", Mode::EphemeralSequential),
        7..9 => create(dice.pick(&["/d/a", "/d/b"]), "", mode),
        9 => delete(dice.pick(&["/d/a", "/d/b", "/d/n-0000000001", "/groups/g/a"])),
        10 => set(dice.pick(&["/d", "/d/a", GROUP]), "x"),
        11 => create("/s/n-", "", Mode::PersistentSequential),
        12 => delete(dice.pick(&["/s/n-0000000000", "/s/n-0000000001", "/s"])),
        13 => create("/s", "", Mode::Persistent),
        _ => create(
            dice.pick(&["/groups/g/a", "/groups/g/b"]),
            "",
            Mode::Ephemeral,
        ),
    }
}

#[test]
fn histories_of_a_service_that_keeps_its_promises_are_kept() {
    let (mut stores, mut unknown, mut refused) = (0, 0, 0);
    for seed in 0..2500 {
        let story = play(seed).story();
        stores += lock::unsafe_stores(&story).1;
        unknown += story
            .deeds
            .iter()
            .filter(|deed| deed.ended.is_none())
            .count();
        let ends = story.deeds.iter().filter_map(|deed| deed.ended.as_ref());
        refused += ends
            .filter(|ended| ended.result == Err(Error::NoAuth))
            .count();
        for promise in PROMISES {
            if let Err(breach) = promise.judged(&story) {
                panic!("seed {seed}, {}: {}", promise.name, breach.explanation);
            }
        }
    }
    let witness = (stores, unknown, refused);
    assert!(
        stores > 2500 && unknown > 5000 && refused > 2500,
        "{witness:?}"
    );
}

/// Of the lies that can be told of a history of this kind, how many in a hundred are found out.
fn found_percent(promise: Promise, lie: impl Fn(&Service, &Event, &mut Ended) -> bool) -> u64 {
    let (mut told, mut found) = (0, 0);
    for seed in 0..600 {
        let mut service = play(seed);
        let mut lies: Vec<(usize, Ended)> = Vec::new();
        for (at, event) in service.history.events.iter().enumerate() {
            if event.kind == Kind::Ok {
                let mut ended = Ended::read(&event.value).unwrap();
                if lie(&service, event, &mut ended) {
                    lies.push((at, ended));
                }
            }
        }
        if lies.is_empty() {
            continue;
        }
        let which = Dice::new(seed, promise.name).throw(lies.len() as u64);
        let (at, ended) = &lies[which as usize];
        service.history.events[*at].value = ended.value();
        told += 1;
        found += u64::from(promise.judged(&service.story()).is_err());
    }
    assert!(
        told > 60,
        "only {told} histories had something to lie about"
    );
    found * 100 / told
}

/// The names that a list of a node shows.
fn listed<'a>(event: &Event, ended: &'a mut Ended, path: &str) -> Option<&'a mut Vec<String>> {
    let is_of = event.key.as_deref() == Some(path);
    match &mut ended.result {
        Ok(Done::Children(names, _)) if is_of => Some(names),
        _ => None,
    }
}

#[test]
fn nodes_that_outlive_their_sessions_are_found_out() {
    let found = found_percent(ephemerals::PROMISE, |service, event, ended| {
        let zxid = ended.zxid;
        let Some(names) = listed(event, ended, LOCK) else {
            return false;
        };
        let named = Some(names).zip(service.left_in(LOCK, zxid));
        named.map(|(names, left)| names.push(left)).is_some()
    });
    assert!(found >= 75, "{found} in a hundred");
}

#[test]
fn work_in_a_session_whose_nodes_are_gone_is_found_out() {
    // All of the session's nodes are missing, though it goes on.
    let found = found_percent(ephemerals::PROMISE, |_, event, ended| {
        listed(event, ended, LOCK).is_some_and(|names| !std::mem::take(names).is_empty())
    });
    assert!(found >= 90, "{found} in a hundred");
}

#[test]
fn numbers_that_come_again_are_found_out() {
    let found = found_percent(sequence::PROMISE, |_, _, ended| {
        let Ok(Done::Created { path, .. }) = &mut ended.result else {
            return false;
        };
        let Some((stem, number)) = super::changes::numbered(path) else {
            return false;
        };
        let before = number.checked_sub(1);
        let before = before.map(|number| format!("{stem}{number:010}"));
        before.map(|before| *path = before).is_some()
    });
    assert!(found >= 80, "{found} in a hundred");
}

#[test]
fn locks_that_two_hold_are_found_out() {
    // Whoever lists is shown its own node alone.
    let found = found_percent(lock::PROMISE, |service, event, ended| {
        let own = service.own(ended.session, LOCK);
        listed(event, ended, LOCK).is_some_and(|names| {
            let before = names.len();
            if names.first().is_none_or(|first| own.contains(first)) {
                return false;
            }
            names.retain(|name| own.contains(name));
            !names.is_empty() && names.len() < before
        })
    });
    assert!(found >= 60, "{found} in a hundred");
}

#[test]
fn items_that_are_taken_twice_are_found_out() {
    let found = found_percent(queue::PROMISE, |_, event, ended| {
        let is_late = ended.result == Err(Error::NoNode) && event.f == "delete";
        let of_queue = event
            .key
            .as_deref()
            .is_some_and(|path| parted(path).0 == QUEUE);
        if is_late && of_queue {
            ended.result = Ok(Done::Fine);
        }
        is_late && of_queue
    });
    assert!(found >= 80, "{found} in a hundred");
}

#[test]
fn items_that_are_lost_are_found_out() {
    let found = found_percent(queue::PROMISE, |_, event, ended| {
        listed(event, ended, QUEUE).is_some_and(|names| names.pop().is_some())
    });
    assert!(found >= 90, "{found} in a hundred");
}

#[test]
fn elements_that_are_lost_are_found_out() {
    let found = found_percent(set_of_elements::PROMISE, |_, event, ended| {
        listed(event, ended, SET).is_some_and(|names| names.pop().is_some())
    });
    assert!(found >= 80, "{found} in a hundred");
}

#[test]
fn lists_that_are_shown_to_who_has_no_right_are_found_out() {
    let found = found_percent(rights::PROMISE, |service, event, ended| {
        let Some(path) = event.key.clone() else {
            return false;
        };
        let is_hidden = event.f == "get-acl" && ended.result == Err(Error::NoAuth);
        if is_hidden {
            ended.result = Ok(service.acl(&path, ended.zxid));
        }
        is_hidden
    });
    assert!(found >= 55, "{found} in a hundred");
}

#[test]
fn members_that_are_missing_are_found_out() {
    let found = found_percent(members::PROMISE, |_, event, ended| {
        listed(event, ended, GROUP).is_some_and(|names| names.pop().is_some())
    });
    assert!(found >= 70, "{found} in a hundred");
}
