//! A service in one piece, for the tests of the promises: it makes histories as clients would see them, with one tree for each zxid.

use super::story::Story;
use super::{Breach, Promise};
use crate::zookeeper::dialect::{Asked, Ended, Stored};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_checker::History;
use stormglass_checker::history::{Event, Kind, Process};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{
    Acl, Done, Error, Mode, Op, Read, Rights, SessionId, Stat, What, Who, ZxidNumber, digest_of,
    open_to_all,
};

#[derive(Clone)]
struct Node {
    data: String,
    acl: Vec<Acl>,
    creates: u32,
    stat: Stat,
}

/// What there is at one zxid.
#[derive(Clone)]
struct State {
    nodes: BTreeMap<String, Node>,
    sessions: BTreeMap<SessionId, BTreeSet<(String, u64)>>,
}

struct Client {
    process: u64,
    session: Option<SessionId>,
    seen: ZxidNumber,
    asked: Option<Asked>,
    ended: Option<Ended>,
}

/// See [the module](self).
pub(super) struct Service {
    /// By zxid.
    states: Vec<State>,
    clients: Vec<Client>,
    processes: u64,
    /// The ephemeral nodes that there ever were, and when they were made.
    owned: BTreeMap<(SessionId, String), ZxidNumber>,
    /// Changes under way whose clients have given up.
    stray: Vec<(SessionId, Op)>,
    pub(super) history: History,
}

impl Service {
    /// With so many clients, and these nodes.
    pub(super) fn new(clients: u64, paths: &[&str]) -> Self {
        let root = Node {
            data: String::new(),
            acl: open_to_all(),
            creates: 0,
            stat: Stat::default(),
        };
        let client = |process| Client {
            process,
            session: None,
            seen: 0,
            asked: None,
            ended: None,
        };
        let mut service = Self {
            states: vec![State {
                nodes: BTreeMap::from([("/".to_string(), root)]),
                sessions: BTreeMap::new(),
            }],
            clients: (0..clients).map(client).collect(),
            processes: clients,
            owned: BTreeMap::new(),
            stray: Vec::new(),
            history: History::default(),
        };
        for path in paths {
            service
                .write(0, create(path, "", Mode::Persistent))
                .unwrap();
        }
        service
    }

    pub(super) fn now(&self) -> ZxidNumber {
        self.states.len() as u64 - 1
    }

    /// The names of a node's children that were ever a session's.
    pub(super) fn own(&self, session: SessionId, path: &str) -> BTreeSet<String> {
        let own = self.owned.keys().filter(|(owner, _)| *owner == session);
        let own = own.map(|(_, path)| parted(path));
        let own = own.filter(|(parent, _)| *parent == path);
        own.map(|(_, name)| name.to_string()).collect()
    }

    /// The name of one that was some session's, and is gone with it.
    pub(super) fn left_in(&self, path: &str, zxid: ZxidNumber) -> Option<String> {
        let state = &self.states[zxid as usize];
        let mut owned = self.owned.iter();
        let ((_, left), _) = owned.find(|((owner, other), made)| {
            let is_over = **made <= zxid && !state.sessions.contains_key(owner);
            is_over && parted(other).0 == path
        })?;
        Some(parted(left).1.to_string())
    }

    /// The list of a node, whoever asks.
    pub(super) fn acl(&self, path: &str, zxid: ZxidNumber) -> Done {
        let state = &self.states[zxid as usize];
        Done::Acl(state.nodes[path].acl.clone(), state.stat(path))
    }

    pub(super) fn session(&self, client: usize) -> Option<SessionId> {
        self.clients[client].session
    }

    /// Does something whole.
    pub(super) fn write(&mut self, client: usize, op: Op) -> Result<Done, Error> {
        self.call(client, Asked::Write(op));
        self.apply(client, ZxidNumber::MAX);
        self.answer(client)
    }

    /// Reads the newest.
    pub(super) fn read(&mut self, client: usize, what: What, path: &str) -> Result<Done, Error> {
        self.read_at(client, what, path, ZxidNumber::MAX)
    }

    /// Reads at a zxid, or the next that it may see.
    pub(super) fn read_at(
        &mut self,
        client: usize,
        what: What,
        path: &str,
        zxid: ZxidNumber,
    ) -> Result<Done, Error> {
        self.call(client, read(what, path));
        self.apply(client, zxid);
        self.answer(client)
    }

    pub(super) fn list(&mut self, client: usize, path: &str) -> Vec<String> {
        names(self.read(client, What::Children, path))
    }

    pub(super) fn is_idle(&self, client: usize) -> bool {
        self.clients[client].asked.is_none()
    }

    pub(super) fn is_applied(&self, client: usize) -> bool {
        self.clients[client].ended.is_some()
    }

    pub(super) fn call(&mut self, client: usize, asked: Asked) {
        self.record(client, Kind::Invoke, &asked, None);
        self.clients[client].asked = Some(asked);
    }

    /// What was called takes place: a read at a zxid, a write at the next. Without a session one is opened first.
    pub(super) fn apply(&mut self, client: usize, zxid: ZxidNumber) {
        let asked = self.clients[client].asked.clone().unwrap();
        let session = self.clients[client].session.filter(|session| {
            let now = self.states.last().unwrap();
            now.sessions.contains_key(session)
        });
        // Who rests opens no session.
        let rests = matches!(asked, Asked::Rest { .. } | Asked::Store { .. });
        let session = match (session, rests) {
            (None, false) => Some(self.open()),
            _ => session,
        };
        self.clients[client].session = session;
        let session = session.unwrap_or_default();
        // Its session is in all that it sees.
        let seen = self.clients[client].seen.max(session.0);
        let (zxid, result) = match &asked {
            Asked::Write(op) => self.change(session, op),
            Asked::Read(read) => {
                let zxid = zxid.clamp(seen, self.now());
                (zxid, self.look(session, read, zxid))
            }
            Asked::Sync => (self.now(), Ok(Done::Fine)),
            Asked::Rest { .. } | Asked::Store { .. } => (seen, Ok(Done::Fine)),
        };
        self.clients[client].ended = Some(Ended {
            zxid,
            session,
            server: 0,
            result,
            events: Vec::new(),
            stored: None,
        });
    }

    pub(super) fn answer(&mut self, client: usize) -> Result<Done, Error> {
        let ended = self.clients[client].ended.take().unwrap();
        let asked = self.clients[client].asked.take().unwrap();
        self.record(client, Kind::Ok, &asked, Some(&ended));
        self.clients[client].seen = self.clients[client].seen.max(ended.zxid);
        if asked == Asked::Write(Op::Close) {
            self.clients[client].session = None;
        }
        ended.result
    }

    /// The client gives up; what was not done yet may still be.
    pub(super) fn lose(&mut self, client: usize) {
        let asked = self.clients[client].asked.take().unwrap();
        self.record(client, Kind::Info, &asked, None);
        let done = self.clients[client].ended.take().is_some();
        let known = self.clients[client].session;
        if let (Asked::Write(op), Some(session), false) = (asked, known, done) {
            self.stray.push((session, op));
        }
        self.clients[client].process = self.processes;
        self.processes += 1;
    }

    /// Something that was given up is done after all. In its own session, or not at all.
    pub(super) fn stray(&mut self, at: u64) {
        if !self.stray.is_empty() {
            let at = at as usize % self.stray.len();
            let (session, op) = self.stray.remove(at);
            let _ = self.change(session, &op);
        }
    }

    pub(super) fn store(&mut self, client: usize, path: &str, token: u64, stored: (bool, u64)) {
        let (ms, path) = (1, path.to_string());
        self.call(client, Asked::Store { ms, path, token });
        self.apply(client, 0);
        let ended = self.clients[client].ended.as_mut().unwrap();
        let (taken, turn) = stored;
        ended.stored = Some(Stored { taken, turn });
        self.answer(client).unwrap();
    }

    /// The leader ends a client's session.
    pub(super) fn expire(&mut self, client: usize) {
        if let Some(session) = self.clients[client].session {
            let mut state = self.states.last().unwrap().clone();
            state.end(session, self.now() + 1);
            self.states.push(state);
        }
    }

    /// An answer becomes another: the last one, or one so many before it.
    pub(super) fn lie(&mut self, back: usize, lie: impl FnOnce(&mut Ended)) {
        let answers = self.history.events.iter_mut().rev();
        let mut answers = answers.filter(|event| event.kind == Kind::Ok);
        let event = answers.nth(back).unwrap();
        let mut ended = Ended::read(&event.value).unwrap();
        lie(&mut ended);
        event.value = ended.value();
    }

    pub(super) fn story(&self) -> Story {
        Story::read(&self.history).unwrap()
    }

    #[track_caller]
    pub(super) fn keeps(&self, promise: Promise) {
        if let Err(breach) = promise.judged(&self.story()) {
            panic!("{} is kept, but: {}", promise.name, breach.explanation);
        }
    }

    #[track_caller]
    pub(super) fn breaks(&self, promise: Promise, how: &str) -> Breach {
        let breach = promise.judged(&self.story()).unwrap_err();
        let explanation = &breach.explanation;
        assert!(
            explanation.contains(how),
            "{how:?} is not in: {explanation}"
        );
        breach
    }

    fn record(&mut self, client: usize, kind: Kind, asked: &Asked, ended: Option<&Ended>) {
        let operation = asked.operation();
        self.history.events.push(Event {
            index: self.history.events.len() as u64,
            time: self.history.events.len() as u64 * 1_000_000,
            process: Process::Client(self.clients[client].process),
            kind,
            f: operation.f.to_string(),
            key: operation.key,
            value: ended.map_or(operation.value, Ended::value),
            version: None,
            error: None,
        });
    }

    fn open(&mut self) -> SessionId {
        let mut state = self.states.last().unwrap().clone();
        let session = SessionId(self.now() + 1);
        state.sessions.insert(session, BTreeSet::new());
        self.states.push(state);
        session
    }

    fn change(&mut self, session: SessionId, op: &Op) -> (ZxidNumber, Result<Done, Error>) {
        let (before, zxid) = (self.states.last().unwrap().clone(), self.now() + 1);
        let mut after = before.clone();
        let result = after.act(session, op, zxid);
        for (path, node) in &after.nodes {
            if result.is_ok() && node.stat.czxid == zxid && node.stat.ephemeral_owner == session {
                self.owned.insert((session, path.clone()), zxid);
            }
        }
        self.states
            .push(if result.is_ok() { after } else { before });
        (zxid, result)
    }

    fn look(&self, session: SessionId, read: &Read, zxid: ZxidNumber) -> Result<Done, Error> {
        let state = &self.states[zxid as usize];
        let node = state.nodes.get(&read.path);
        if read.what == What::Exists {
            return Ok(Done::Exists(node.map(|_| state.stat(&read.path))));
        }
        let node = node.ok_or(Error::NoNode)?;
        let any_of: &[Rights] = match read.what {
            What::Acl => &[Rights::READ, Rights::ADMIN],
            _ => &[Rights::READ],
        };
        state.allow(session, &read.path, any_of)?;
        let stat = state.stat(&read.path);
        Ok(match read.what {
            What::Data => Done::Data(node.data.clone(), stat),
            What::Acl => Done::Acl(node.acl.clone(), stat),
            What::Children | What::Exists => Done::Children(state.children(&read.path), stat),
        })
    }
}

impl State {
    fn children(&self, path: &str) -> Vec<String> {
        let below = self.nodes.keys().filter(|other| *other != "/");
        let below = below.map(|other| parted(other));
        let names = below.filter(|(parent, _)| *parent == path);
        names.map(|(_, name)| name.to_string()).collect()
    }

    fn stat(&self, path: &str) -> Stat {
        self.nodes[path].stat
    }

    fn allow(&self, session: SessionId, path: &str, any_of: &[Rights]) -> Result<(), Error> {
        let node = self.nodes.get(path).ok_or(Error::NoNode)?;
        let nobody = BTreeSet::new();
        let users = self.sessions.get(&session).unwrap_or(&nobody);
        let gives = |entry: &Acl| {
            let meant = match &entry.who {
                Who::Digest { user, digest } => users.contains(&(user.clone(), *digest)),
                who => *who == Who::Anyone,
            };
            meant && any_of.iter().any(|right| entry.rights.holds(*right))
        };
        node.acl
            .iter()
            .any(gives)
            .then_some(())
            .ok_or(Error::NoAuth)
    }

    fn end(&mut self, session: SessionId, zxid: ZxidNumber) {
        self.sessions.remove(&session);
        let own = self.nodes.iter();
        let own = own.filter(|(_, node)| node.stat.ephemeral_owner == session);
        let own: Vec<String> = own.map(|(path, _)| path.clone()).collect();
        for path in own {
            self.remove(&path, zxid);
        }
    }

    fn remove(&mut self, path: &str, zxid: ZxidNumber) {
        self.nodes.remove(path);
        let above = self.nodes.get_mut(parted(path).0).unwrap();
        above.stat.pzxid = zxid;
        above.stat.children -= 1;
    }

    fn act(&mut self, session: SessionId, op: &Op, zxid: ZxidNumber) -> Result<Done, Error> {
        if !self.sessions.contains_key(&session) {
            return Err(Error::SessionExpired);
        }
        match op {
            Op::Multi(ops) => {
                let done = ops.iter().zip(0..).map(|(op, at)| {
                    let done = self.act(session, op, zxid);
                    let error = |error| Error::Multi {
                        at,
                        error: Box::new(error),
                    };
                    done.map_err(error)
                });
                Ok(Done::Multi(done.collect::<Result<_, _>>()?))
            }
            Op::AddAuth { user, password } => {
                let user = (user.clone(), digest_of(user, password));
                self.sessions.get_mut(&session).unwrap().insert(user);
                Ok(Done::Fine)
            }
            Op::Close => {
                self.end(session, zxid);
                Ok(Done::Fine)
            }
            Op::Create {
                path,
                data,
                mode,
                acl,
            } => self.create((session, zxid), path, data, *mode, acl),
            Op::Delete { path, version } => {
                let above = parted(path).0;
                let node = self.nodes.get(path).ok_or(Error::NoNode)?;
                let (stat, parent) = (node.stat, above.to_string());
                self.allow(session, &parent, &[Rights::DELETE])?;
                expect(stat.version, *version)?;
                if stat.children > 0 {
                    return Err(Error::NotEmpty);
                }
                self.remove(path, zxid);
                Ok(Done::Fine)
            }
            Op::Set {
                path,
                data,
                version,
            } => {
                self.allow(session, path, &[Rights::WRITE])?;
                let node = self.nodes.get_mut(path).unwrap();
                expect(node.stat.version, *version)?;
                node.data.clone_from(data);
                node.stat.version += 1;
                node.stat.mzxid = zxid;
                Ok(Done::Set(node.stat))
            }
            Op::SetAcl { path, acl, version } => {
                self.allow(session, path, &[Rights::ADMIN])?;
                let acl = self.stored(session, acl)?;
                let node = self.nodes.get_mut(path).unwrap();
                expect(node.stat.aversion, *version)?;
                node.acl = acl;
                node.stat.aversion += 1;
                Ok(Done::Set(node.stat))
            }
            Op::Check { path, version } => {
                self.allow(session, path, &[Rights::READ])?;
                expect(self.stat(path).version, *version)?;
                Ok(Done::Fine)
            }
        }
    }

    fn create(
        &mut self,
        (session, zxid): (SessionId, ZxidNumber),
        path: &str,
        data: &str,
        mode: Mode,
        acl: &[Acl],
    ) -> Result<Done, Error> {
        let acl = self.stored(session, acl)?;
        self.allow(session, parted(path).0, &[Rights::CREATE])?;
        let above = &self.nodes[parted(path).0];
        let path = match mode.is_sequential() {
            true => format!("{path}{:010}", above.creates),
            false => path.to_string(),
        };
        if self.nodes.contains_key(&path) {
            return Err(Error::NodeExists);
        }
        if above.stat.ephemeral_owner != SessionId::NONE {
            return Err(Error::NoChildrenForEphemerals);
        }
        let above = self.nodes.get_mut(parted(&path).0).unwrap();
        above.creates += 1;
        above.stat.children += 1;
        above.stat.pzxid = zxid;
        let stat = Stat {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ephemeral_owner: match mode.is_ephemeral() {
                true => session,
                false => SessionId::NONE,
            },
            ..Stat::default()
        };
        let (data, creates) = (data.to_string(), 0);
        let node = Node {
            data,
            acl,
            creates,
            stat,
        };
        self.nodes.insert(path.clone(), node);
        Ok(Done::Created { path, stat })
    }

    fn stored(&self, session: SessionId, acl: &[Acl]) -> Result<Vec<Acl>, Error> {
        let mut stored = Vec::new();
        for entry in acl {
            if entry.who != Who::Auth {
                stored.push(entry.clone());
                continue;
            }
            let users = self.sessions[&session].iter().cloned();
            stored.extend(users.map(|(user, digest)| Acl {
                who: Who::Digest { user, digest },
                rights: entry.rights,
            }));
        }
        match stored.is_empty() {
            true => Err(Error::InvalidAcl),
            false => Ok(stored),
        }
    }
}

fn expect(version: u32, expected: Option<u32>) -> Result<(), Error> {
    match expected.is_none_or(|expected| expected == version) {
        true => Ok(()),
        false => Err(Error::BadVersion),
    }
}

pub(super) fn create(path: &str, data: &str, mode: Mode) -> Op {
    Op::Create {
        path: path.to_string(),
        data: data.to_string(),
        mode,
        acl: open_to_all(),
    }
}

pub(super) fn delete(path: &str) -> Op {
    Op::Delete {
        path: path.to_string(),
        version: None,
    }
}

pub(super) fn set(path: &str, data: &str) -> Op {
    Op::Set {
        path: path.to_string(),
        data: data.to_string(),
        version: None,
    }
}

pub(super) fn read(what: What, path: &str) -> Asked {
    Asked::Read(Read {
        what,
        path: path.to_string(),
        watch: false,
    })
}

/// What a list names; nothing if there is none.
pub(super) fn names(result: Result<Done, Error>) -> Vec<String> {
    match result {
        Ok(Done::Children(names, _)) => names,
        _ => Vec::new(),
    }
}

/// Where something was made.
pub(super) fn made(result: Result<Done, Error>) -> String {
    match result {
        Ok(Done::Created { path, .. }) => path,
        other => panic!("a node is made, not {other:?}"),
    }
}
