//! Histories of a service that keeps all promises, made by seed: to try the judges on, and to measure them.
//!
//! Three servers apply one log, each as far as it has come. Clients go from server to server, lose answers, and lose sessions. What nobody was answered may
//! still be done later, or never. The tree is this module's own, and knows no rights.

pub mod service;

use crate::draw::Draws;
use crate::zookeeper::dialect::{Asked, Ended, Fired};
use serde_json::Value;
use service::{Act, Tree, missed_change};
use std::collections::BTreeSet;
use stormglass_checker::{Event, History, Kind, Process};
use stormglass_impls::zookeeper::words::{
    Change, Done, Error, Mode, Op, Read, SessionId, Watch, Watched, What, ZxidNumber, open_to_all,
};

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// How many operations.
    pub operations: u64,
    /// How many clients.
    pub clients: u64,
    /// How many nodes below the root, each with as many names below it.
    pub nodes: u64,
    /// How many operations in a thousand lose their answers.
    pub lost_permille: u64,
    /// How many steps in a thousand end a session.
    pub expired_permille: u64,
}

/// A history of that kind.
pub fn history(plan: Plan) -> History {
    let mut world = World::new(plan);
    while world.operations < plan.operations {
        world.step();
    }
    world.history
}

/// An operation that is under way.
struct Open {
    asked: Asked,
    /// Its zxid and what came of it, once it is in the log; of a sync, the last zxid then.
    logged: Option<(ZxidNumber, Result<Done, Error>)>,
}

struct Client {
    process: u64,
    session: Option<SessionId>,
    server: usize,
    seen: ZxidNumber,
    watches: BTreeSet<Watch>,
    events: Vec<Fired>,
    open: Option<Open>,
}

/// A server: how far it has come in the log.
struct Server {
    applied: usize,
    tree: Tree,
}

struct World {
    plan: Plan,
    draws: Draws,
    drawn: u64,
    operations: u64,
    processes: u64,
    log: Vec<(ZxidNumber, SessionId, Act)>,
    /// The tree at the end of the log.
    leader: Tree,
    servers: Vec<Server>,
    clients: Vec<Client>,
    /// What nobody was answered, and may still be done.
    ghosts: Vec<(SessionId, Op)>,
    history: History,
}

impl World {
    fn new(plan: Plan) -> Self {
        let server = || Server {
            applied: 0,
            tree: Tree::default(),
        };
        let client = |process| Client {
            process,
            session: None,
            server: process as usize % 3,
            seen: 0,
            watches: BTreeSet::new(),
            events: Vec::new(),
            open: None,
        };
        Self {
            plan,
            draws: Draws::new(plan.seed, "zookeeper history"),
            drawn: 0,
            operations: 0,
            processes: plan.clients,
            log: Vec::new(),
            leader: Tree::default(),
            servers: vec![server(), server(), server()],
            clients: (0..plan.clients).map(client).collect(),
            ghosts: Vec::new(),
            history: History::default(),
        }
    }

    /// A number below `below`.
    fn draw(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        self.draws.within(&[self.drawn], 0..=below - 1)
    }

    fn permille(&mut self, permille: u64) -> bool {
        self.draw(1000) < permille
    }

    fn step(&mut self) {
        let who = self.draw(self.plan.clients) as usize;
        if self.permille(150) {
            let server = self.draw(3) as usize;
            let more = self.draw(4) as usize;
            self.advance(server, self.servers[server].applied + more);
        }
        if self.permille(self.plan.expired_permille) {
            return self.expire(who);
        }
        if self.permille(30) {
            let server = self.draw(3) as usize;
            self.reconnect(who, server);
        }
        if !self.ghosts.is_empty() && self.permille(100) {
            let ghost = self.draw(self.ghosts.len() as u64) as usize;
            let (session, op) = self.ghosts.swap_remove(ghost);
            let _nobody_hears = self.append(session, Act::Do(op));
        }
        let is_lost = self.permille(self.plan.lost_permille);
        match &self.clients[who].open {
            None => self.call(who),
            Some(_) if is_lost => self.lose(who),
            Some(Open {
                asked: Asked::Write(op),
                logged: None,
            }) => {
                let (op, session) = (op.clone(), self.clients[who].session.unwrap_or_default());
                let logged = self.append(session, Act::Do(op));
                self.set_logged(who, logged);
            }
            Some(Open {
                asked: Asked::Sync,
                logged: None,
            }) => {
                let last = self.log.last().map_or(0, |(zxid, ..)| *zxid);
                self.set_logged(who, (last, Ok(Done::Fine)));
            }
            Some(_) => self.answer(who),
        }
    }

    fn set_logged(&mut self, who: usize, logged: (ZxidNumber, Result<Done, Error>)) {
        if let Some(open) = &mut self.clients[who].open {
            open.logged = Some(logged);
        }
    }

    /// Puts something into the log: its zxid, and what came of it.
    fn append(&mut self, session: SessionId, act: Act) -> (ZxidNumber, Result<Done, Error>) {
        let last = self.log.last().map_or(0, |(zxid, ..)| *zxid);
        let zxid = match self.plan.operations > 100 && self.permille(2) {
            true => ((last >> 32) + 1) << 32 | 1,
            false => last + 1,
        };
        let result = self.leader.apply(zxid, session, &act).0;
        self.log.push((zxid, session, act));
        (zxid, result)
    }

    /// Lets a server apply the log up to a place in it, and tell its clients what they watch.
    fn advance(&mut self, server: usize, applied: usize) {
        while self.servers[server].applied < applied.min(self.log.len()) {
            let state = &mut self.servers[server];
            let (zxid, session, act) = &self.log[state.applied];
            let (_, news) = state.tree.apply(*zxid, *session, act);
            state.applied += 1;
            for client in self
                .clients
                .iter_mut()
                .filter(|client| client.server == server)
            {
                for (change, path) in &news {
                    client.hear(*change, path, *zxid);
                }
            }
        }
    }

    /// Lets a server apply the log up to a zxid.
    fn advance_to(&mut self, server: usize, zxid: ZxidNumber) {
        let place = self.log.partition_point(|(other, ..)| *other <= zxid);
        self.advance(server, place);
    }

    fn delivered(&self, server: usize) -> ZxidNumber {
        let last = self.servers[server].applied.checked_sub(1);
        last.map_or(0, |last| self.log[last].0)
    }

    /// A client goes on at another server, which has seen as much as the client, and tells it what it missed.
    fn reconnect(&mut self, who: usize, server: usize) {
        let seen = self.clients[who].seen;
        // Nobody is there while it catches up.
        self.clients[who].server = usize::MAX;
        self.advance_to(server, seen);
        let zxid = self.delivered(server);
        let client = &mut self.clients[who];
        client.server = server;
        let mut told = BTreeSet::new();
        let tree = &self.servers[server].tree;
        client.watches.retain(|watch| {
            let Some(change) = missed_change(watch.what, tree.stat(&watch.path).as_ref(), seen)
            else {
                return true;
            };
            told.insert((change, watch.path.clone()));
            false
        });
        for (change, path) in told {
            client.events.push(Fired { change, path, zxid });
        }
        client.seen = client.seen.max(zxid);
    }

    /// The leader ends a session, and its client hears of it.
    fn expire(&mut self, who: usize) {
        let Some(session) = self.clients[who].session else {
            return;
        };
        let _nobody_hears = self.append(session, Act::Expire);
        if self.clients[who].open.is_some() {
            self.lose(who);
        }
        let client = &mut self.clients[who];
        client.session = None;
        client.watches.clear();
    }

    fn record(&mut self, who: usize, kind: Kind, asked: &Asked, value: Value) {
        let operation = asked.operation();
        let index = self.history.events.len() as u64;
        self.history.events.push(Event {
            index,
            time: index * 1000,
            process: Process::Client(self.clients[who].process),
            kind,
            f: operation.f.to_string(),
            key: operation.key,
            value,
            version: None,
            error: None,
        });
    }

    fn call(&mut self, who: usize) {
        let asked = self.ask();
        let value = asked.operation().value;
        self.record(who, Kind::Invoke, &asked, value);
        self.operations += 1;
        if self.clients[who].session.is_none() {
            let (zxid, _) = self.append(SessionId::NONE, Act::Open);
            self.advance_to(self.clients[who].server, zxid);
            let client = &mut self.clients[who];
            client.session = Some(SessionId(zxid));
            client.seen = client.seen.max(zxid);
        }
        self.clients[who].open = Some(Open {
            asked,
            logged: None,
        });
    }

    /// Nobody will know what became of an operation.
    fn lose(&mut self, who: usize) {
        let Some(open) = self.clients[who].open.take() else {
            return;
        };
        if let (Asked::Write(op), None) = (&open.asked, open.logged) {
            let session = self.clients[who].session.unwrap_or_default();
            self.ghosts.push((session, op.clone()));
        }
        self.record(who, Kind::Info, &open.asked, Value::Null);
        self.clients[who].process = self.processes;
        self.processes += 1;
    }

    fn answer(&mut self, who: usize) {
        let server = self.clients[who].server;
        let Some(Open { asked, logged }) = self.clients[who].open.take() else {
            return;
        };
        if let Some((zxid, _)) = logged {
            self.advance_to(server, zxid);
        }
        let delivered = self.delivered(server);
        let is_rest = matches!(asked, Asked::Rest { .. });
        let (zxid, result) = match (&asked, logged) {
            (Asked::Read(read), _) => (delivered, self.servers[server].tree.read(read)),
            (Asked::Write(_), Some(logged)) => logged,
            _ if is_rest => (self.clients[who].seen, Ok(Done::Fine)),
            _ => (delivered, Ok(Done::Fine)),
        };
        let client = &mut self.clients[who];
        client.seen = client.seen.max(zxid).max(match is_rest {
            true => 0,
            false => delivered,
        });
        if let (Asked::Read(read), Ok(done)) = (&asked, &result) {
            client.watches.extend(watch_of(read, done));
        }
        let ended = Ended {
            zxid,
            session: client.session.unwrap_or_default(),
            server: server as u8,
            result,
            events: std::mem::take(&mut client.events),
            stored: None,
        };
        if asked == Asked::Write(Op::Close) {
            client.session = None;
            client.watches.clear();
        }
        self.record(who, Kind::Ok, &asked, ended.value());
    }

    fn path(&mut self) -> String {
        let node = self.draw(self.plan.nodes);
        match self.draw(3) {
            0 => format!("/n{node}"),
            _ => format!("/n{node}/c{}", self.draw(self.plan.nodes)),
        }
    }

    fn version(&mut self) -> Option<u32> {
        (self.draw(4) == 0).then(|| self.draw(3) as u32)
    }

    fn data(&mut self) -> String {
        match self.draw(10) {
            0 => String::new(),
            _ => format!("d{}", self.drawn),
        }
    }

    fn create(&mut self) -> Op {
        let mode = match self.draw(8) {
            // Nothing here deletes them, so that there must not be many.
            0 if self.draw(8) == 0 => Mode::PersistentSequential,
            0 | 1 => Mode::EphemeralSequential,
            2 | 3 => Mode::Ephemeral,
            _ => Mode::Persistent,
        };
        let mut path = self.path();
        if mode.is_sequential() {
            path.push('-');
        }
        Op::Create {
            path,
            data: self.data(),
            mode,
            acl: open_to_all(),
        }
    }

    fn change(&mut self) -> Op {
        match self.draw(20) {
            0..=6 => self.create(),
            7..=9 => Op::Delete {
                path: self.path(),
                version: self.version(),
            },
            10..=16 => Op::Set {
                path: self.path(),
                data: self.data(),
                version: self.version(),
            },
            17 => Op::SetAcl {
                path: self.path(),
                acl: open_to_all(),
                version: None,
            },
            _ => Op::Check {
                path: self.path(),
                version: self.version(),
            },
        }
    }

    fn ask(&mut self) -> Asked {
        match self.draw(100) {
            0..=44 => Asked::Read(Read {
                what: match self.draw(7) {
                    0..=1 => What::Exists,
                    2..=3 => What::Data,
                    4..=5 => What::Children,
                    _ => What::Acl,
                },
                path: self.path(),
                watch: self.draw(2) == 0,
            }),
            45..=84 => Asked::Write(self.change()),
            85..=92 => {
                let parts = 1 + self.draw(3);
                Asked::Write(Op::Multi((0..parts).map(|_| self.change()).collect()))
            }
            93..=96 => Asked::Sync,
            97..=98 => Asked::Rest { ms: 10 },
            _ => Asked::Write(Op::Close),
        }
    }
}

impl Client {
    /// Something happened at its server.
    fn hear(&mut self, change: Change, path: &str, zxid: ZxidNumber) {
        let before = self.watches.len();
        self.watches
            .retain(|watch| watch.path != path || !fires(change, watch.what));
        if self.watches.len() < before {
            self.seen = self.seen.max(zxid);
            let path = path.to_string();
            self.events.push(Fired { change, path, zxid });
        }
    }
}

/// Whether a change of a node fires a watch of it.
pub fn fires(change: Change, watched: Watched) -> bool {
    match watched {
        Watched::Data | Watched::Exists => change != Change::ChildrenChanged,
        Watched::Children => matches!(change, Change::Deleted | Change::ChildrenChanged),
    }
}

/// The watch that a read leaves.
pub fn watch_of(read: &Read, done: &Done) -> Option<Watch> {
    let what = match (read.what, done) {
        (What::Exists, Done::Exists(None)) => Watched::Exists,
        (What::Exists | What::Data, _) => Watched::Data,
        (What::Children, _) => Watched::Children,
        (What::Acl, _) => return None,
    };
    let path = read.path.clone();
    read.watch.then_some(Watch { what, path })
}
