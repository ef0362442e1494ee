//! Histories of a service that keeps all promises, made by seed: to try the judges on, and to measure them.
//!
//! Three members apply one log, each as far as it has come. Clients go from member to member, lose answers, watch, keep leases alive or do not, and show
//! passwords. What nobody was answered may still be done later, or never. The [`store`] and its rights ([`auth`]) are this module's own.

pub mod auth;
mod draws;
pub mod store;

use crate::etcd::dialect::{Asked, Ended};
pub(super) use draws::Dice;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use store::Store;
use stormglass_checker::{Event as Line, History, Kind, Process};
use stormglass_impls::etcd::words::{
    Ask, AuthOp, Done, Error, Event, Identity, Keys, LeaseId, Op, Permission, ROOT, Request,
    Revision, Watch, WatchId,
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
    /// How many keys of each kind.
    pub keys: u64,
    /// How many operations in a thousand lose their answers.
    pub lost_permille: u64,
    /// How many operations in a thousand ask for a watch.
    pub watch_permille: u64,
    /// How many operations in a thousand are of leases.
    pub lease_permille: u64,
    /// How many operations in a thousand compact.
    pub compact_permille: u64,
    /// Whether rights are looked at.
    pub rights: bool,
}

/// A history of that kind.
pub fn history(plan: Plan) -> History {
    let mut world = World::new(plan);
    while world.operations < plan.operations {
        world.step();
    }
    world.history
}

/// How far a member has come in the log.
#[derive(Clone, Copy, Debug)]
struct Mark {
    revision: Revision,
    compacted: Revision,
    /// The place of the rights in the list of all that there were.
    auth: usize,
}

/// What came of something that was put into the log, or read with the leader's word.
type Logged = (Revision, Result<Done, Error>);

/// An operation that is under way.
struct Open {
    asked: Asked,
    logged: Option<Logged>,
}

/// A watch at work.
struct Watching {
    watch: Watch,
    /// The revision that it tells of next, as far as its client knows.
    next: Revision,
    /// The same, as far as its member knows.
    cursor: Revision,
    /// Whether its client waits to hear how far it is.
    is_asked: bool,
}

struct Client {
    process: u64,
    member: usize,
    watches: BTreeMap<WatchId, Watching>,
    events: Vec<Event>,
    open: Option<Open>,
    /// What it does next whatever else it would.
    script: VecDeque<Asked>,
    user: &'static str,
    identity: Option<Identity>,
    leases: Vec<LeaseId>,
    /// The last key to append to that it read: its name, when it was set, and what it holds.
    read: Option<(String, Revision, String)>,
}

struct World {
    plan: Plan,
    dice: Dice,
    operations: u64,
    now_ns: u64,
    leases: LeaseId,
    store: Store,
    auths: Vec<auth::Auth>,
    marks: Vec<Mark>,
    members: [usize; 3],
    clients: Vec<Client>,
    /// What nobody was answered, and may still be done.
    ghosts: Vec<Request>,
    history: History,
}

impl World {
    fn new(plan: Plan) -> Self {
        let client = |process| Client {
            process,
            member: process as usize % 3,
            watches: BTreeMap::new(),
            events: Vec::new(),
            open: None,
            script: VecDeque::new(),
            user: ["alice", "bob", ROOT][process as usize % 3],
            identity: None,
            leases: Vec::new(),
            read: None,
        };
        let mut world = Self {
            plan,
            dice: Dice::new(plan.seed, "etcd history"),
            operations: 0,
            now_ns: 0,
            leases: 0,
            store: Store::default(),
            auths: vec![auth::Auth::default()],
            marks: Vec::new(),
            members: [0; 3],
            clients: (0..plan.clients).map(client).collect(),
            ghosts: Vec::new(),
            history: History::default(),
        };
        world.mark();
        if plan.rights {
            let script = rights().into_iter();
            world.clients[0].script = script
                .map(|op| Asked::ask(Ask::Write(Op::Auth(op))))
                .collect();
            while !world.clients[0].script.is_empty() || world.clients[0].open.is_some() {
                world.go_on(0);
            }
        }
        world
    }

    /// The log has grown by one.
    fn mark(&mut self) {
        if self.auths.last().map(|auth| auth.revision) != Some(self.store.auth.revision) {
            self.auths.push(self.store.auth.clone());
        }
        self.marks.push(Mark {
            revision: self.store.revision,
            compacted: self.store.compacted,
            auth: self.auths.len() - 1,
        });
    }

    fn step(&mut self) {
        let who = self.dice.below(self.plan.clients) as usize;
        if self.dice.permille(200) {
            let member = self.dice.below(3) as usize;
            let more = self.dice.below(4) as usize;
            self.members[member] = (self.members[member] + more).min(self.marks.len() - 1);
        }
        if self.dice.permille(30) {
            self.clients[who].member = self.dice.below(3) as usize;
            for watching in self.clients[who].watches.values_mut() {
                watching.cursor = watching.next;
            }
        }
        if !self.ghosts.is_empty() && self.dice.permille(100) {
            let ghost = self.dice.below(self.ghosts.len() as u64) as usize;
            let request = self.ghosts.swap_remove(ghost);
            let _nobody_hears = self.carry_out(&request);
        }
        if self.dice.permille(self.plan.lease_permille / 2) {
            self.expire();
        }
        if self.dice.permille(300) {
            self.tell(who);
        }
        match self.clients[who].open.is_some() && self.dice.permille(self.plan.lost_permille) {
            true => self.lose(who),
            false => self.go_on(who),
        }
    }

    fn go_on(&mut self, who: usize) {
        self.now_ns += self.dice.below(2_000_000);
        match &self.clients[who].open {
            None => self.call(who),
            Some(Open {
                asked: Asked::Ask(request),
                logged: None,
            }) if needs_leader(&request.ask) => {
                let logged = self.carry_out(&request.clone());
                if let Some(open) = &mut self.clients[who].open {
                    open.logged = Some(logged);
                }
            }
            Some(_) => self.answer(who),
        }
    }

    /// The leader does something.
    fn carry_out(&mut self, request: &Request) -> Logged {
        let identity = request.as_user.as_ref();
        let result = match &request.ask {
            Ask::Write(op) => {
                let result = self.store.apply(identity, op, self.now_ns);
                self.mark();
                result
            }
            Ask::Range(range) => self
                .store
                .auth
                .allow_read(identity, &range.keys)
                .and_then(|()| {
                    self.store
                        .read(range, self.store.revision, self.store.compacted)
                }),
            Ask::KeepAlive { lease } => match self.store.leases.get_mut(lease) {
                None => Err(Error::LeaseNotFound),
                Some(kept) => {
                    kept.kept_ns = self.now_ns;
                    let (lease, ttl_ms) = (*lease, kept.ttl_ms);
                    Ok(Done::KeepAlive { lease, ttl_ms })
                }
            },
            Ask::TimeToLive { lease } => match self.store.leases.get(lease) {
                None => Err(Error::LeaseNotFound),
                Some(kept) => Ok(Done::TimeToLive {
                    lease: *lease,
                    granted_ms: kept.ttl_ms,
                    remaining_ms: kept.ttl_ms,
                    keys: kept.keys.iter().cloned().collect(),
                }),
            },
            Ask::Authenticate { user, password } => {
                let shown = self.store.auth.authenticate(user, password);
                shown.map(|auth_revision| Done::Auth { auth_revision })
            }
            _ => Err(Error::BadArguments),
        };
        (self.store.revision, result)
    }

    /// A lease ends that was not kept alive for long enough; clocks run up to half as fast again.
    fn expire(&mut self) {
        let now = self.now_ns;
        let mut leases = self.store.leases.iter();
        let due = leases.find(|(_, lease)| lease.kept_ns + lease.ttl_ms * 670_000 < now);
        if let Some(lease) = due.map(|(lease, _)| *lease) {
            self.store.end(lease);
            self.mark();
        }
    }

    /// A client's member tells it what its watches are to tell.
    fn tell(&mut self, who: usize) {
        let mark = self.marks[self.members[self.clients[who].member]];
        let most = 1 + self.dice.below(20);
        let client = &mut self.clients[who];
        let mut over = Vec::new();
        for (number, watching) in &mut client.watches {
            let watch = &watching.watch;
            if watching.cursor < mark.compacted {
                client.events.push(Event::Compacted {
                    watch: *number,
                    compact_revision: mark.compacted,
                });
                over.push(*number);
                continue;
            }
            let mut changes = Vec::new();
            while watching.cursor <= mark.revision && (changes.len() as u64) < most {
                let told =
                    self.store
                        .told(&watch.keys, watching.cursor, watch.prev_kv, mark.compacted);
                if !told.is_empty() {
                    watching.next = watching.cursor + 1;
                }
                changes.extend(told);
                watching.cursor += 1;
            }
            if !changes.is_empty() {
                client.events.push(Event::Changes {
                    watch: *number,
                    revision: mark.revision,
                    changes,
                    fragment: false,
                });
            }
            let is_in_step = watching.cursor == mark.revision + 1;
            let is_time = watching.is_asked || (watch.progress_notify && most == 1);
            if is_in_step && is_time {
                watching.is_asked = false;
                watching.next = watching.cursor;
                client.events.push(Event::Progress {
                    watch: *number,
                    revision: mark.revision,
                });
            }
        }
        for number in over {
            client.watches.remove(&number);
        }
    }

    fn record(&mut self, who: usize, kind: Kind, asked: &Asked, value: Value) {
        let operation = asked.operation();
        self.history.events.push(Line {
            index: self.history.events.len() as u64,
            time: self.now_ns,
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
        let scripted = self.clients[who].script.pop_front();
        let asked = scripted.unwrap_or_else(|| self.ask(who));
        let value = asked.operation().value;
        self.record(who, Kind::Invoke, &asked, value);
        self.operations += 1;
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
        if let Asked::Ask(request) = &open.asked {
            match &request.ask {
                Ask::Write(_) if open.logged.is_none() => self.ghosts.push(request.clone()),
                Ask::Watch(Watch { watch, .. }) | Ask::CancelWatch { watch } => {
                    self.clients[who].watches.remove(watch);
                }
                _ => {}
            }
        }
        self.record(who, Kind::Info, &open.asked, Value::Null);
        self.clients[who].process += self.plan.clients;
    }

    fn answer(&mut self, who: usize) {
        let Some(Open { asked, logged }) = self.clients[who].open.take() else {
            return;
        };
        let member = self.clients[who].member;
        if let Some((revision, _)) = &logged {
            let needed = self.marks.partition_point(|mark| mark.revision < *revision);
            self.members[member] = self.members[member].max(needed);
        }
        let events = std::mem::take(&mut self.clients[who].events);
        let (revision, result) = match (&asked, logged) {
            (_, Some(logged)) => logged,
            (Asked::Ask(request), None) => self.answered_by_member(who, request),
            (Asked::Rest { .. } | Asked::Store { .. }, None) => (0, Ok(Done::Heard)),
        };
        let ended = Ended {
            revision,
            term: 1,
            server: member as u8,
            result,
            events,
            stored: None,
        };
        self.clients[who].learn(&asked, &ended);
        self.record(who, Kind::Ok, &asked, ended.value());
    }

    /// What a member answers by itself.
    fn answered_by_member(&mut self, who: usize, request: &Request) -> Logged {
        let mark = self.marks[self.members[self.clients[who].member]];
        let auth = &self.auths[mark.auth];
        let identity = request.as_user.as_ref();
        let client = &mut self.clients[who];
        let result = match &request.ask {
            Ask::Range(range) => auth
                .allow_read(identity, &range.keys)
                .and_then(|()| self.store.read(range, mark.revision, mark.compacted)),
            Ask::Watch(watch) => match auth.allow_read(identity, &watch.keys) {
                Err(error) => Err(error),
                Ok(()) => {
                    let start_revision = match watch.start_revision {
                        0 => mark.revision + 1,
                        asked => asked,
                    };
                    let watching = Watching {
                        watch: watch.clone(),
                        next: start_revision,
                        cursor: start_revision,
                        is_asked: false,
                    };
                    client.watches.insert(watch.watch, watching);
                    Ok(Done::Watch { start_revision })
                }
            },
            Ask::CancelWatch { watch } => match client.watches.remove(watch) {
                Some(_) => Ok(Done::Heard),
                None => Err(Error::WatchNotFound),
            },
            Ask::Progress { watch } => match client.watches.get_mut(watch) {
                Some(watching) => {
                    watching.is_asked = true;
                    Ok(Done::Heard)
                }
                None => Err(Error::WatchNotFound),
            },
            _ => Err(Error::BadArguments),
        };
        (mark.revision, result)
    }
}

impl Client {
    /// What an answer means for what it asks next.
    fn learn(&mut self, asked: &Asked, ended: &Ended) {
        let Asked::Ask(request) = asked else {
            return;
        };
        match (&request.ask, &ended.result) {
            (Ask::Authenticate { user, .. }, Ok(Done::Auth { auth_revision })) => {
                self.identity = Some(Identity {
                    user: user.clone(),
                    auth_revision: *auth_revision,
                });
            }
            (_, Err(Error::OldAuthRevision | Error::UserEmpty)) => self.identity = None,
            (Ask::Write(_), Ok(Done::Grant { lease, .. })) => self.leases.push(*lease),
            (_, Err(Error::LeaseNotFound)) => self.leases.clear(),
            (Ask::Range(range), Ok(Done::Range { kvs, .. }))
                if range.keys.key.starts_with("lists/") =>
            {
                let (key, kv) = (range.keys.key.clone(), kvs.first());
                let set = kv.map_or(0, |kv| kv.mod_revision);
                let value = kv.map_or(String::new(), |kv| kv.value.clone());
                self.read = Some((key, set, value));
            }
            _ => {}
        }
    }
}

fn needs_leader(ask: &Ask) -> bool {
    match ask {
        Ask::Range(range) => !range.serializable,
        Ask::Write(_)
        | Ask::Authenticate { .. }
        | Ask::KeepAlive { .. }
        | Ask::TimeToLive { .. } => true,
        _ => false,
    }
}

/// What there must be before rights are looked at.
fn rights() -> Vec<AuthOp> {
    let name = |name: &str| name.to_string();
    let user = |user: &str| AuthOp::AddUser {
        user: name(user),
        password: name("right"),
    };
    let role = |role: &str| AuthOp::AddRole { role: name(role) };
    let grant = |user: &str, role: &str| AuthOp::GrantRole {
        user: name(user),
        role: name(role),
    };
    let permit = |role: &str, permission, keys| AuthOp::GrantPermission {
        role: name(role),
        permission,
        keys,
    };
    vec![
        user(ROOT),
        role(ROOT),
        grant(ROOT, ROOT),
        user("alice"),
        user("bob"),
        role("reader"),
        role("writer"),
        grant("alice", "writer"),
        grant("bob", "reader"),
        permit("writer", Permission::ReadWrite, Keys::prefix("k/")),
        permit("writer", Permission::ReadWrite, Keys::prefix("l/")),
        permit("reader", Permission::Read, Keys::prefix("k/")),
        AuthOp::Enable,
    ]
}
