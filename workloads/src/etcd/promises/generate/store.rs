//! The store of the service that keeps all promises: what it was at every revision.

use super::auth::Auth;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use stormglass_impls::etcd::words::{
    Change, Compare, CompareResult, DeleteRange, Done, Error, Identity, KeyValue, Keys, LeaseId,
    Op, Put, Range, Revision, Target, Txn, TxnOp,
};

/// A lease.
#[derive(Clone, Debug)]
pub struct Lease {
    /// How long it lives without being kept alive.
    pub ttl_ms: u64,
    /// When it was kept alive last, in nanoseconds.
    pub kept_ns: u64,
    /// The keys that go with it.
    pub keys: BTreeSet<String>,
}

/// See [the module](self).
#[derive(Clone, Debug)]
pub struct Store {
    /// The newest revision.
    pub revision: Revision,
    /// What is forgotten up to, without that revision.
    pub compacted: Revision,
    /// The leases.
    pub leases: BTreeMap<LeaseId, Lease>,
    /// Who may do what.
    pub auth: Auth,
    /// Each key as it was set or deleted, by revision.
    keys: BTreeMap<String, Vec<KeyValue>>,
    /// What happened at each revision, from the second on.
    changes: Vec<Vec<Change>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            revision: 1,
            compacted: 0,
            leases: BTreeMap::new(),
            auth: Auth::default(),
            keys: BTreeMap::new(),
            changes: Vec::new(),
        }
    }
}

impl Store {
    /// A key as it was at a revision.
    pub fn get(&self, key: &str, at: Revision) -> Option<&KeyValue> {
        let versions = self.keys.get(key)?;
        let next = versions.partition_point(|kv| kv.mod_revision <= at);
        versions[..next].last().filter(|kv| kv.version > 0)
    }

    /// The keys of a range as they were at a revision, in order.
    pub fn all<'s>(
        &'s self,
        keys: &'s Keys,
        at: Revision,
    ) -> impl Iterator<Item = &'s KeyValue> + 's {
        let from = (Bound::Included(keys.key.as_str()), Bound::Unbounded);
        let held = self.keys.range::<str, _>(from);
        let held = held.take_while(|(key, _)| keys.hold(key));
        held.filter_map(move |(key, _)| self.get(key, at))
    }

    /// Reads, where the store is at `now` and has forgotten what was before `compacted`.
    ///
    /// # Errors
    /// When the revision that is asked for is not there.
    pub fn read(&self, range: &Range, now: Revision, compacted: Revision) -> Result<Done, Error> {
        let at = match range.revision {
            0 => now,
            revision if revision > now => return Err(Error::FutureRevision),
            revision if revision < compacted => {
                return Err(Error::Compacted {
                    compact_revision: compacted,
                });
            }
            revision => revision,
        };
        let mut kvs: Vec<KeyValue> = self.all(&range.keys, at).cloned().collect();
        let count = kvs.len() as u64;
        if range.limit > 0 {
            kvs.truncate(range.limit as usize);
        }
        Ok(Done::Range { kvs, count })
    }

    /// What happened to some keys at a revision.
    pub fn told(
        &self,
        keys: &Keys,
        at: Revision,
        prev_kv: bool,
        compacted: Revision,
    ) -> Vec<Change> {
        let place = (at as usize).checked_sub(2);
        let changes = place.and_then(|place| self.changes.get(place));
        let changes = changes.into_iter().flatten();
        let told = changes.filter(|change| keys.hold(&change.kv.key));
        let told = told.map(|change| Change {
            kv: change.kv.clone(),
            prev_kv: change.prev_kv.clone().filter(|_| prev_kv && at > compacted),
        });
        told.collect()
    }

    /// Carries something out.
    pub fn apply(
        &mut self,
        identity: Option<&Identity>,
        op: &Op,
        now_ns: u64,
    ) -> Result<Done, Error> {
        let with_lease = |lease: LeaseId| {
            let keys = self.leases.get(&lease).map(|lease| &lease.keys);
            keys.into_iter().flatten().cloned().collect()
        };
        self.auth.allow_op(identity, op, with_lease)?;
        match op {
            Op::Put(_) | Op::DeleteRange(_) => {
                let part = match op {
                    Op::Put(put) => TxnOp::Put(put.clone()),
                    Op::DeleteRange(delete) => TxnOp::DeleteRange(delete.clone()),
                    _ => return Err(Error::BadArguments),
                };
                let mut done = self.all_parts(std::slice::from_ref(&part))?;
                done.pop().ok_or(Error::BadArguments)
            }
            Op::Txn(txn) => self.txn(txn),
            Op::Compact { revision } => {
                if *revision > self.revision {
                    return Err(Error::FutureRevision);
                }
                if *revision <= self.compacted {
                    return Err(Error::Compacted {
                        compact_revision: self.compacted,
                    });
                }
                self.compacted = *revision;
                Ok(Done::Compact)
            }
            Op::Grant { lease, ttl_ms } => {
                if *lease == 0 || *ttl_ms == 0 {
                    return Err(Error::BadArguments);
                }
                if self.leases.contains_key(lease) {
                    return Err(Error::LeaseExists);
                }
                let new = Lease {
                    ttl_ms: *ttl_ms,
                    kept_ns: now_ns,
                    keys: BTreeSet::new(),
                };
                self.leases.insert(*lease, new);
                let (lease, ttl_ms) = (*lease, *ttl_ms);
                Ok(Done::Grant { lease, ttl_ms })
            }
            Op::Revoke { lease } => match self.end(*lease) {
                true => Ok(Done::Revoke),
                false => Err(Error::LeaseNotFound),
            },
            Op::Auth(op) => {
                self.auth.change(op)?;
                let auth_revision = self.auth.revision;
                Ok(Done::Auth { auth_revision })
            }
        }
    }

    /// A lease ends, and its keys go. Whether there was one.
    pub fn end(&mut self, lease: LeaseId) -> bool {
        let Some(over) = self.leases.remove(&lease) else {
            return false;
        };
        let next = self.revision + 1;
        for key in &over.keys {
            self.delete(key, next);
        }
        if !over.keys.is_empty() {
            self.revision = next;
        }
        true
    }

    fn txn(&mut self, txn: &Txn) -> Result<Done, Error> {
        let is_double = [&txn.success, &txn.failure].into_iter().any(|branch| {
            let puts = branch
                .iter()
                .enumerate()
                .filter_map(|(place, part)| match part {
                    TxnOp::Put(put) => Some((place, put)),
                    _ => None,
                });
            let mut puts = puts;
            puts.any(|(place, put)| {
                branch.iter().enumerate().any(|(other, part)| match part {
                    TxnOp::Put(same) => other != place && same.key == put.key,
                    TxnOp::DeleteRange(delete) => delete.keys.hold(&put.key),
                    TxnOp::Range(_) => false,
                })
            })
        });
        if is_double {
            return Err(Error::DuplicateKey);
        }
        let succeeded = txn.compare.iter().all(|compare| self.holds(compare));
        let branch = match succeeded {
            true => &txn.success,
            false => &txn.failure,
        };
        let responses = self.all_parts(branch)?;
        Ok(Done::Txn {
            succeeded,
            responses,
        })
    }

    fn all_parts(&mut self, parts: &[TxnOp]) -> Result<Vec<Done>, Error> {
        for part in parts {
            match part {
                TxnOp::Range(range) => drop(self.read(range, self.revision, self.compacted)?),
                TxnOp::Put(put) if put.key.is_empty() => return Err(Error::BadArguments),
                TxnOp::Put(put) if put.lease != 0 && !self.leases.contains_key(&put.lease) => {
                    return Err(Error::LeaseNotFound);
                }
                TxnOp::Put(_) | TxnOp::DeleteRange(_) => {}
            }
        }
        let (next, mut is_changed) = (self.revision + 1, false);
        let mut all = Vec::new();
        for part in parts {
            let done = match part {
                TxnOp::Range(range) if range.revision > 0 => {
                    self.read(range, self.revision, self.compacted)?
                }
                TxnOp::Range(range) => self.read(range, next, 0)?,
                TxnOp::Put(put) => {
                    is_changed = true;
                    self.put(put, next)
                }
                TxnOp::DeleteRange(delete) => {
                    let done = self.delete_all(delete, next);
                    is_changed |= !matches!(done, Done::DeleteRange { deleted: 0, .. });
                    done
                }
            };
            all.push(done);
        }
        if is_changed {
            self.revision = next;
        }
        Ok(all)
    }

    fn put(&mut self, put: &Put, at: Revision) -> Done {
        let before = self.get(&put.key, at).cloned();
        let kv = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: before.as_ref().map_or(at, |kv| kv.create_revision),
            mod_revision: at,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            lease: put.lease,
        };
        if let Some(old) = before
            .as_ref()
            .and_then(|kv| self.leases.get_mut(&kv.lease))
        {
            old.keys.remove(&put.key);
        }
        if let Some(lease) = self.leases.get_mut(&put.lease) {
            lease.keys.insert(put.key.clone());
        }
        self.change(kv, before.clone());
        Done::Put {
            prev_kv: before.filter(|_| put.prev_kv),
        }
    }

    fn delete_all(&mut self, delete: &DeleteRange, at: Revision) -> Done {
        let before: Vec<KeyValue> = self.all(&delete.keys, at).cloned().collect();
        for kv in &before {
            self.delete(&kv.key, at);
        }
        Done::DeleteRange {
            deleted: before.len() as u64,
            prev_kvs: match delete.prev_kv {
                true => before,
                false => Vec::new(),
            },
        }
    }

    fn delete(&mut self, key: &str, at: Revision) {
        let Some(before) = self.get(key, at).cloned() else {
            return;
        };
        if let Some(lease) = self.leases.get_mut(&before.lease) {
            lease.keys.remove(key);
        }
        let kv = KeyValue {
            key: key.to_string(),
            value: String::new(),
            create_revision: 0,
            mod_revision: at,
            version: 0,
            lease: 0,
        };
        self.change(kv, Some(before));
    }

    fn change(&mut self, kv: KeyValue, prev_kv: Option<KeyValue>) {
        let place = kv.mod_revision as usize - 2;
        if self.changes.len() <= place {
            self.changes.resize(place + 1, Vec::new());
        }
        self.keys
            .entry(kv.key.clone())
            .or_default()
            .push(kv.clone());
        self.changes[place].push(Change { kv, prev_kv });
    }

    fn holds(&self, compare: &Compare) -> bool {
        let is_one = compare.keys.range_end.is_none();
        let mut there = self.all(&compare.keys, self.revision).peekable();
        if is_one && there.peek().is_none() {
            return holds_of(compare, None);
        }
        there.all(|kv| holds_of(compare, Some(kv)))
    }
}

fn holds_of(compare: &Compare, kv: Option<&KeyValue>) -> bool {
    let number = |of: fn(&KeyValue) -> u64| kv.map_or(0, of);
    let order = match &compare.target {
        Target::Version(other) => number(|kv| kv.version).cmp(other),
        Target::CreateRevision(other) => number(|kv| kv.create_revision).cmp(other),
        Target::ModRevision(other) => number(|kv| kv.mod_revision).cmp(other),
        Target::Lease(other) => number(|kv| kv.lease).cmp(other),
        Target::Value(other) => match kv {
            Some(kv) => kv.value.cmp(other),
            None => return false,
        },
    };
    match compare.result {
        CompareResult::Equal => order.is_eq(),
        CompareResult::NotEqual => order.is_ne(),
        CompareResult::Greater => order.is_gt(),
        CompareResult::Less => order.is_lt(),
    }
}
