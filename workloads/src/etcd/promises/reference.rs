//! A service in one piece, for the tests of the promises: it makes histories as clients would see them, step by step.

use super::generate::store::Store;
use super::story::Story;
use super::{Breach, Promise};
use crate::etcd::dialect::{Asked, Ended, Stored};
use std::ops::RangeInclusive;
use stormglass_checker::History;
use stormglass_checker::history::{Event as Line, Kind, Process};
use stormglass_impls::etcd::words::{
    Ask, Compare, CompareResult, DeleteRange, Done, Error, Event, Identity, KeyValue, Keys,
    LeaseId, Op, Put, Range, Request, Revision, Target, Txn, TxnOp, Watch, WatchId,
};

#[derive(Default)]
struct Client {
    process: u64,
    identity: Option<Identity>,
    asked: Option<Asked>,
    ended: Option<Ended>,
    events: Vec<Event>,
    stored: Option<Stored>,
}

/// See [the module](self).
pub(super) struct Service {
    pub(super) store: Store,
    /// The time of what is recorded next.
    pub(super) now_ms: u64,
    pub(super) history: History,
    clients: Vec<Client>,
}

impl Service {
    /// With so many clients.
    pub(super) fn new(clients: u64) -> Self {
        let client = |process| Client {
            process,
            ..Client::default()
        };
        Self {
            store: Store::default(),
            now_ms: 0,
            history: History::default(),
            clients: (0..clients).map(client).collect(),
        }
    }

    pub(super) fn now(&self) -> Revision {
        self.store.revision
    }

    /// A client is somebody from now on.
    pub(super) fn is(&mut self, client: usize, user: &str, auth_revision: u64) {
        let user = user.to_string();
        self.clients[client].identity = Some(Identity {
            user,
            auth_revision,
        });
    }

    /// Does something whole.
    pub(super) fn ask(&mut self, client: usize, ask: Ask) -> Result<Done, Error> {
        self.call(client, ask);
        self.apply(client);
        self.answer(client)
    }

    pub(super) fn write(&mut self, client: usize, op: Op) -> Result<Done, Error> {
        self.ask(client, Ask::Write(op))
    }

    pub(super) fn put(&mut self, client: usize, key: &str, value: &str) {
        self.write(client, put(key, value, 0)).unwrap();
    }

    pub(super) fn get(&mut self, client: usize, keys: Keys) -> Vec<KeyValue> {
        let done = self.ask(client, Ask::Range(Range::of(keys)));
        kvs(done.unwrap())
    }

    /// Reads by what a member has that has come to a revision.
    pub(super) fn get_local(&mut self, client: usize, keys: Keys, at: Revision) {
        let range = Range {
            serializable: true,
            ..Range::of(keys)
        };
        self.call(client, Ask::Range(range.clone()));
        let result = self.store.read(&range, at, 0);
        self.end(client, at, result);
        self.answer(client).unwrap();
    }

    pub(super) fn call(&mut self, client: usize, ask: Ask) {
        let as_user = self.clients[client].identity.clone();
        self.called(client, Asked::Ask(Request { as_user, ask }));
    }

    fn called(&mut self, client: usize, asked: Asked) {
        self.record(client, Kind::Invoke, &asked, None);
        self.clients[client].asked = Some(asked);
    }

    /// What was called takes place.
    pub(super) fn apply(&mut self, client: usize) {
        let asked = self.clients[client].asked.clone().unwrap();
        let Asked::Ask(request) = asked else {
            return self.end(client, 0, Ok(Done::Heard));
        };
        let identity = request.as_user.as_ref();
        let now = self.store.revision;
        let result = match &request.ask {
            Ask::Write(op) => self.store.apply(identity, op, self.now_ms * 1_000_000),
            Ask::Range(range) => {
                let allowed = self.store.auth.allow_read(identity, &range.keys);
                allowed.and_then(|()| self.store.read(range, now, self.store.compacted))
            }
            Ask::Watch(watch) => Ok(Done::Watch {
                start_revision: match watch.start_revision {
                    0 => now + 1,
                    asked => asked,
                },
            }),
            Ask::KeepAlive { lease } => match self.store.leases.get(lease) {
                Some(kept) => Ok(Done::KeepAlive {
                    lease: *lease,
                    ttl_ms: kept.ttl_ms,
                }),
                None => Err(Error::LeaseNotFound),
            },
            Ask::Authenticate { user, password } => {
                let shown = self.store.auth.authenticate(user, password);
                shown.map(|auth_revision| Done::Auth { auth_revision })
            }
            _ => Ok(Done::Heard),
        };
        self.end(client, self.store.revision, result);
    }

    fn end(&mut self, client: usize, revision: Revision, result: Result<Done, Error>) {
        self.clients[client].ended = Some(Ended {
            revision,
            term: 1,
            server: 0,
            result,
            events: Vec::new(),
            stored: None,
        });
    }

    pub(super) fn answer(&mut self, client: usize) -> Result<Done, Error> {
        let mut ended = self.clients[client].ended.take().unwrap();
        let asked = self.clients[client].asked.take().unwrap();
        ended.events = std::mem::take(&mut self.clients[client].events);
        ended.stored = self.clients[client].stored.take();
        self.record(client, Kind::Ok, &asked, Some(&ended));
        ended.result
    }

    /// The client gives up, and goes on as another process.
    pub(super) fn lose(&mut self, client: usize) {
        let asked = self.clients[client].asked.take().unwrap();
        self.record(client, Kind::Info, &asked, None);
        self.clients[client].ended = None;
        self.clients[client].process += self.clients.len() as u64;
    }

    /// The client rests, and hears what its watches told.
    pub(super) fn rest(&mut self, client: usize) {
        self.called(client, Asked::Rest { ms: 1 });
        self.apply(client);
        self.answer(client).unwrap();
    }

    pub(super) fn store_with(&mut self, client: usize, token: u64, (taken, turn): (bool, u64)) {
        let (ms, lock) = (1, "locks/l/".to_string());
        self.called(client, Asked::Store { ms, lock, token });
        self.apply(client);
        self.clients[client].stored = Some(Stored { taken, turn });
        self.answer(client).unwrap();
    }

    pub(super) fn watch(&mut self, client: usize, watch: WatchId, keys: Keys, start: Revision) {
        let watch = Watch {
            watch,
            keys,
            start_revision: start,
            prev_kv: true,
            progress_notify: false,
            fragment: false,
        };
        self.ask(client, Ask::Watch(watch)).unwrap();
    }

    /// A watch of some keys tells what happened at some revisions, in one list.
    pub(super) fn tell(
        &mut self,
        client: usize,
        watch: WatchId,
        keys: &Keys,
        revisions: RangeInclusive<Revision>,
    ) {
        let revision = self.store.revision;
        let changes = revisions.flat_map(|at| self.store.told(keys, at, true, 0));
        let event = Event::Changes {
            watch,
            revision,
            changes: changes.collect(),
            fragment: false,
        };
        self.clients[client].events.push(event);
    }

    pub(super) fn tell_progress(&mut self, client: usize, watch: WatchId, revision: Revision) {
        let event = Event::Progress { watch, revision };
        self.clients[client].events.push(event);
    }

    pub(super) fn tell_compacted(&mut self, client: usize, watch: WatchId, revision: Revision) {
        let compact_revision = revision;
        self.clients[client].events.push(Event::Compacted {
            watch,
            compact_revision,
        });
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
        self.history.events.push(Line {
            index: self.history.events.len() as u64,
            time: self.now_ms * 1_000_000,
            process: Process::Client(self.clients[client].process),
            kind,
            f: operation.f.to_string(),
            key: operation.key,
            value: ended.map_or(operation.value, Ended::value),
            version: None,
            error: None,
        });
    }
}

pub(super) fn put(key: &str, value: &str, lease: LeaseId) -> Op {
    Op::Put(a_put(key, value, lease))
}

pub(super) fn a_put(key: &str, value: &str, lease: LeaseId) -> Put {
    let (key, value) = (key.to_string(), value.to_string());
    Put {
        key,
        value,
        lease,
        prev_kv: false,
    }
}

pub(super) fn delete(keys: Keys) -> Op {
    Op::DeleteRange(DeleteRange {
        keys,
        prev_kv: false,
    })
}

pub(super) fn grant(lease: LeaseId, ttl_ms: u64) -> Op {
    Op::Grant { lease, ttl_ms }
}

/// A comparison for equality.
pub(super) fn equal(key: &str, target: Target) -> Compare {
    Compare {
        keys: Keys::one(key),
        result: CompareResult::Equal,
        target,
    }
}

pub(super) fn txn(compare: Vec<Compare>, success: Vec<TxnOp>, failure: Vec<TxnOp>) -> Op {
    Op::Txn(Txn {
        compare,
        success,
        failure,
    })
}

pub(super) fn kvs(done: Done) -> Vec<KeyValue> {
    match done {
        Done::Range { kvs, .. } => kvs,
        _ => panic!("keys were to be read"),
    }
}

/// The keys that an answer shows.
pub(super) fn shown(ended: &mut Ended) -> &mut Vec<KeyValue> {
    match &mut ended.result {
        Ok(Done::Range { kvs, .. }) => kvs,
        _ => panic!("keys were to be shown"),
    }
}
