//! A service of one member without a network, for tests: it does what the words say, at once, and keeps every revision as a whole.

mod rights;

use rights::Rights;
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{
    Ask, Change, Compare, CompareResult, Done, Error, Event, Header, KeyValue, Keys, LeaseId, Op,
    Put, Range, Reply, Request, Revision, Target, Txn, TxnOp, Watch, WatchId,
};

type Keyed = BTreeMap<String, KeyValue>;

/// The service.
pub(super) struct Reference {
    /// By revision: all keys, and what has changed. Nothing has revision 0.
    past: Vec<(Keyed, Vec<Change>)>,
    compact_revision: Revision,
    /// By lease: how long it lives, and when it is over.
    leases: BTreeMap<LeaseId, (u64, u64)>,
    now_ms: u64,
    /// By client and number: the watch, and what it tells next.
    watches: BTreeMap<(u32, WatchId), (Watch, Revision)>,
    rights: Rights,
}

impl Reference {
    pub(super) fn new() -> Self {
        let nothing = || (Keyed::new(), Vec::new());
        Self {
            past: vec![nothing(), nothing()],
            compact_revision: 0,
            leases: BTreeMap::new(),
            now_ms: 0,
            watches: BTreeMap::new(),
            rights: Rights::default(),
        }
    }

    fn revision(&self) -> Revision {
        self.past.len() as Revision - 1
    }

    fn keys(&self) -> &Keyed {
        &self.past[self.past.len() - 1].0
    }

    /// Time goes on, and leases run out.
    pub(super) fn advance(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let over = self.leases.iter().filter(|(_, (_, end))| *end <= now_ms);
        for lease in over.map(|(lease, _)| *lease).collect::<Vec<_>>() {
            self.end(lease);
        }
    }

    fn end(&mut self, lease: LeaseId) {
        self.leases.remove(&lease);
        let mut draft = self.keys().clone();
        let mut changes = Vec::new();
        for key in self.keys_of(lease) {
            self.delete(&Keys::one(key), &mut draft, &mut changes);
        }
        self.commit(draft, changes);
    }

    fn keys_of(&self, lease: LeaseId) -> Vec<String> {
        let own = self.keys().values().filter(|kv| kv.lease == lease);
        own.map(|kv| kv.key.clone()).collect()
    }

    fn commit(&mut self, draft: Keyed, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.past.push((draft, changes));
        }
    }

    /// A client asks.
    pub(super) fn ask(&mut self, client: u32, request: &Request) -> Reply {
        let result = self.result(client, request);
        let header = Header {
            cluster: 1,
            revision: self.revision(),
            term: 1,
        };
        Reply { header, result }
    }

    fn result(&mut self, client: u32, request: &Request) -> Result<Done, Error> {
        let met: Vec<String> = match &request.ask {
            Ask::Write(Op::Put(Put { lease, .. }) | Op::Revoke { lease })
            | Ask::TimeToLive { lease }
                if *lease != 0 =>
            {
                self.keys_of(*lease)
            }
            _ => Vec::new(),
        };
        self.rights.permit(request, &met)?;
        match &request.ask {
            Ask::Range(range) => self.range(range, self.keys()),
            Ask::Write(op) => self.write(op),
            Ask::Watch(watch) => {
                let start_revision = match watch.start_revision {
                    0 => self.revision() + 1,
                    start => start,
                };
                let begun = (watch.clone(), start_revision);
                self.watches.insert((client, watch.watch), begun);
                Ok(Done::Watch { start_revision })
            }
            Ask::CancelWatch { watch } => {
                let watching = self.watches.remove(&(client, *watch));
                watching.map(|_| Done::Heard).ok_or(Error::WatchNotFound)
            }
            Ask::Progress { watch } => {
                let watching = self.watches.get(&(client, *watch));
                watching.map(|_| Done::Heard).ok_or(Error::WatchNotFound)
            }
            Ask::KeepAlive { lease } => {
                let known = self.leases.get_mut(lease).ok_or(Error::LeaseNotFound)?;
                known.1 = self.now_ms + known.0;
                Ok(Done::KeepAlive {
                    lease: *lease,
                    ttl_ms: known.0,
                })
            }
            Ask::TimeToLive { lease } => {
                let (ttl_ms, end_ms) = self.leases.get(lease).ok_or(Error::LeaseNotFound)?;
                Ok(Done::TimeToLive {
                    lease: *lease,
                    granted_ms: *ttl_ms,
                    remaining_ms: end_ms - self.now_ms,
                    keys: self.keys_of(*lease),
                })
            }
            Ask::Authenticate { user, password } => self.rights.authenticate(user, password),
            Ask::Snapshot | Ask::Manage(_) => panic!("no workload asks for {request:?}"),
        }
    }

    fn range(&self, range: &Range, now: &Keyed) -> Result<Done, Error> {
        let keys = match range.revision {
            0 => now,
            future if future > self.revision() => return Err(Error::FutureRevision),
            past if past < self.compact_revision => {
                let compact_revision = self.compact_revision;
                return Err(Error::Compacted { compact_revision });
            }
            past => &self.past[past as usize].0,
        };
        let all = keys.values().filter(|kv| range.keys.hold(&kv.key));
        let all: Vec<KeyValue> = all.cloned().collect();
        let count = all.len();
        let limit = if range.limit == 0 {
            count
        } else {
            range.limit as usize
        };
        Ok(Done::Range {
            kvs: all.into_iter().take(limit).collect(),
            count: count as u64,
        })
    }

    fn write(&mut self, op: &Op) -> Result<Done, Error> {
        let mut draft = self.keys().clone();
        let mut changes = Vec::new();
        let done = match op {
            Op::Put(put) => self.put(put, &mut draft, &mut changes)?,
            Op::DeleteRange(delete) => self.delete(&delete.keys, &mut draft, &mut changes),
            Op::Txn(txn) => self.txn(txn, &mut draft, &mut changes)?,
            Op::Compact { revision } => return self.compact(*revision),
            Op::Grant { lease, ttl_ms } => {
                if self.leases.contains_key(lease) {
                    return Err(Error::LeaseExists);
                }
                let (lease, ttl_ms) = (*lease, *ttl_ms);
                self.leases.insert(lease, (ttl_ms, self.now_ms + ttl_ms));
                Done::Grant { lease, ttl_ms }
            }
            Op::Revoke { lease } => {
                if !self.leases.contains_key(lease) {
                    return Err(Error::LeaseNotFound);
                }
                self.end(*lease);
                return Ok(Done::Revoke);
            }
            Op::Auth(op) => return self.rights.change(op),
        };
        self.commit(draft, changes);
        Ok(done)
    }

    fn compact(&mut self, revision: Revision) -> Result<Done, Error> {
        if revision > self.revision() {
            return Err(Error::FutureRevision);
        }
        if revision <= self.compact_revision {
            let compact_revision = self.compact_revision;
            return Err(Error::Compacted { compact_revision });
        }
        self.compact_revision = revision;
        Ok(Done::Compact)
    }

    fn put(&self, put: &Put, draft: &mut Keyed, changes: &mut Vec<Change>) -> Result<Done, Error> {
        if put.lease != 0 && !self.leases.contains_key(&put.lease) {
            return Err(Error::LeaseNotFound);
        }
        let revision = self.revision() + 1;
        let before = draft.get(&put.key).cloned();
        let (created, version) = before.as_ref().map_or((revision, 0), |before| {
            (before.create_revision, before.version)
        });
        let kv = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: created,
            mod_revision: revision,
            version: version + 1,
            lease: put.lease,
        };
        draft.insert(put.key.clone(), kv.clone());
        let prev_kv = before.clone();
        changes.push(Change { kv, prev_kv });
        let prev_kv = before.filter(|_| put.prev_kv);
        Ok(Done::Put { prev_kv })
    }

    fn delete(&self, keys: &Keys, draft: &mut Keyed, changes: &mut Vec<Change>) -> Done {
        let gone: Vec<KeyValue> = draft
            .values()
            .filter(|kv| keys.hold(&kv.key))
            .cloned()
            .collect();
        for before in &gone {
            draft.remove(&before.key);
            let kv = KeyValue {
                key: before.key.clone(),
                value: String::new(),
                create_revision: 0,
                mod_revision: self.revision() + 1,
                version: 0,
                lease: 0,
            };
            let prev_kv = Some(before.clone());
            changes.push(Change { kv, prev_kv });
        }
        Done::DeleteRange {
            deleted: gone.len() as u64,
            prev_kvs: Vec::new(),
        }
    }

    fn txn(&self, txn: &Txn, draft: &mut Keyed, changes: &mut Vec<Change>) -> Result<Done, Error> {
        for branch in [&txn.success, &txn.failure] {
            changes_each_key_once(branch)?;
        }
        let succeeded = txn.compare.iter().all(|compare| holds(compare, draft));
        let branch = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let mut responses = Vec::new();
        for part in branch {
            responses.push(match part {
                TxnOp::Range(range) => self.range(range, draft)?,
                TxnOp::Put(put) => self.put(put, draft, changes)?,
                TxnOp::DeleteRange(delete) => self.delete(&delete.keys, draft, changes),
            });
        }
        Ok(Done::Txn {
            succeeded,
            responses,
        })
    }

    /// What a client's watches have to tell.
    pub(super) fn tell(&mut self, client: u32) -> Vec<Event> {
        let revision = self.revision();
        let mut events = Vec::new();
        let mut over = Vec::new();
        for ((who, id), (watch, next)) in &mut self.watches {
            if *who != client {
                continue;
            }
            if *next < self.compact_revision {
                over.push((*who, *id));
                events.push(Event::Compacted {
                    watch: *id,
                    compact_revision: self.compact_revision,
                });
                continue;
            }
            let news = self.past.iter().skip(*next as usize);
            let news = news.flat_map(|(_, changes)| changes);
            let changes = news.filter(|change| watch.keys.hold(&change.kv.key));
            let changes: Vec<Change> = changes.cloned().collect();
            *next = (revision + 1).max(*next);
            if !changes.is_empty() {
                events.push(Event::Changes {
                    watch: *id,
                    revision,
                    changes,
                    fragment: false,
                });
            }
        }
        self.watches.retain(|which, _| !over.contains(which));
        events
    }
}

/// No part changes what another does.
fn changes_each_key_once(branch: &[TxnOp]) -> Result<(), Error> {
    let mut puts: Vec<&str> = Vec::new();
    let mut deletes: Vec<&Keys> = Vec::new();
    for part in branch {
        match part {
            TxnOp::Put(put) if puts.contains(&put.key.as_str()) => return Err(Error::DuplicateKey),
            TxnOp::Put(put) => puts.push(&put.key),
            TxnOp::DeleteRange(delete) => deletes.push(&delete.keys),
            TxnOp::Range(_) => {}
        }
    }
    let both = puts
        .iter()
        .any(|key| deletes.iter().any(|keys| keys.hold(key)));
    if both {
        Err(Error::DuplicateKey)
    } else {
        Ok(())
    }
}

/// Whether a comparison holds.
fn holds(compare: &Compare, keys: &Keyed) -> bool {
    let ordered = |ordering: std::cmp::Ordering| match compare.result {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
    };
    let one = |kv: Option<&KeyValue>| {
        let number = |of: fn(&KeyValue) -> u64| kv.map_or(0, of);
        match &compare.target {
            Target::Version(wanted) => ordered(number(|kv| kv.version).cmp(wanted)),
            Target::CreateRevision(wanted) => ordered(number(|kv| kv.create_revision).cmp(wanted)),
            Target::ModRevision(wanted) => ordered(number(|kv| kv.mod_revision).cmp(wanted)),
            Target::Lease(wanted) => ordered(number(|kv| kv.lease).cmp(wanted)),
            Target::Value(wanted) => kv.is_some_and(|kv| ordered(kv.value.cmp(wanted))),
        }
    };
    let mut all = keys.values().filter(|kv| compare.keys.hold(&kv.key));
    match all.next() {
        None => one(None),
        Some(first) => one(Some(first)) && all.all(|kv| one(Some(kv))),
    }
}
