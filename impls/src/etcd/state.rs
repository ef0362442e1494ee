//! The replicated state: the keys, the leases, who may do what; and what a command makes of them. Rights are judged here, where the command is
//! applied, as they are at that place of the log.

use super::auth::Auth;
use super::mutants;
use super::rules::StateRules;
use super::store::Store;
use super::words::{
    Ask, Command, Compare, CompareResult, DeleteRange, Done, Error, Grant, KeyValue, Keys, LeaseId,
    Op, Output, Put, Range, Revision, TO_THE_END, Target, Txn, TxnOp,
};
use crate::aside::Aside;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The replicated state.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct State {
    pub(super) store: Store,
    leases: BTreeMap<LeaseId, Lease>,
    auth: Auth,
    /// Where the last command stands that was applied.
    applied: u64,
    #[serde(skip)]
    rules: Aside<StateRules>,
    /// What was done since somebody asked.
    #[serde(skip)]
    news: Aside<Vec<News>>,
}

/// What is known of a lease. When it ends its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// At which place of the log it was granted. 0 before the cluster was restored.
    pub granted_at: u64,
    /// How long it lives without being kept alive, in milliseconds.
    pub ttl_ms: u64,
    /// How much of that was left when a leader last said so, in milliseconds. It was not kept alive since.
    pub remaining_ms: Option<u64>,
}

impl Lease {
    /// Which it is, of all that had its name.
    pub(super) fn granted(&self, lease: LeaseId) -> Grant {
        Grant {
            lease,
            at: self.granted_at,
        }
    }
}

/// Something that a command did, for the member around the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A command that stands there was run.
    Ran {
        /// Where.
        at: u64,
    },
    /// There is a new lease.
    Granted {
        /// Which.
        lease: LeaseId,
        /// How long it lives, in milliseconds.
        ttl_ms: u64,
    },
    /// A lease is over.
    Ended {
        /// Which.
        lease: LeaseId,
    },
    /// A lease has its full time again, whatever was said to be left.
    Renewed {
        /// Which.
        lease: LeaseId,
        /// How long it lives, in milliseconds.
        ttl_ms: u64,
    },
}

impl Machine for State {
    type Command = Command;
    type Query = ();
    type Output = Output;

    fn apply(&mut self, at: u64, command: &Command) -> Output {
        self.applied = at;
        self.news.0.push(News::Ran { at });
        let result = match command {
            Command::Do { as_user, op } => {
                let permitted = self.auth.permits_write(as_user.as_ref(), op, &self.store);
                permitted.and_then(|()| self.change(op))
            }
            Command::Expire(grant) => match self.known(*grant) {
                Some(_) => self.end(grant.lease),
                None => Err(Error::LeaseNotFound),
            },
            Command::Checkpoint { remaining_ms } => {
                self.checkpoint(remaining_ms);
                Ok(Done::Heard)
            }
        };
        self.output(result)
    }

    fn query(&self, (): &()) -> Output {
        self.output(Ok(Done::Heard))
    }

    fn weight(command: &Command) -> u64 {
        match command {
            Command::Do { op, .. } => 24 + weight(op),
            Command::Expire(_) => 24,
            Command::Checkpoint { remaining_ms } => 24 * (1 + remaining_ms.len() as u64),
        }
    }

    fn has_mutant(id: &str) -> bool {
        mutants::rules(id).is_some() || super::harmless::rules(id).is_some()
    }

    fn settle_in(&mut self, mutant: Option<&str>) {
        self.rules = Aside(super::rules::Rules::planted(mutant).state);
        self.store.settle_in(&self.rules.0);
        self.auth = (self.rules.0.restored_auth)(std::mem::take(&mut self.auth));
        self.news.0.clear();
    }
}

/// About how many bytes a change takes.
fn weight(op: &Op) -> u64 {
    let of_put = |put: &Put| put.key.len() + put.value.len() + 16;
    let of_keys = |keys: &Keys| keys.key.len() + keys.range_end.as_ref().map_or(0, String::len) + 8;
    let of_part = |part: &TxnOp| match part {
        TxnOp::Range(range) => of_keys(&range.keys) + 16,
        TxnOp::Put(put) => of_put(put),
        TxnOp::DeleteRange(delete) => of_keys(&delete.keys),
    };
    let bytes = match op {
        Op::Put(put) => of_put(put),
        Op::DeleteRange(delete) => of_keys(&delete.keys),
        Op::Txn(txn) => {
            let compares = txn
                .compare
                .iter()
                .map(|compare| of_keys(&compare.keys) + 16);
            let parts = txn.success.iter().chain(&txn.failure).map(of_part);
            compares.chain(parts).sum()
        }
        Op::Compact { .. } | Op::Revoke { .. } => 8,
        Op::Grant { .. } => 16,
        Op::Auth(_) => 64,
    };
    bytes as u64
}

impl State {
    /// The keys.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The leases.
    pub fn leases(&self) -> &BTreeMap<LeaseId, Lease> {
        &self.leases
    }

    /// Who may do what.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Where the last command stands that was applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Applies a command to a state that lies on a disk: nobody wants news of it.
    pub(super) fn apply_stored(&mut self, at: u64, command: &Command) -> Output {
        let output = self.apply(at, command);
        self.news.0.clear();
        output
    }

    /// What was done since this was last asked.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news.0)
    }

    /// The revisions of a restored store go on far beyond those that were given, and what came before is compacted: see
    /// [`restore`](super::disk::restore).
    pub(super) fn bump(&mut self, revisions: u64) {
        let revision = self.store.revision() + revisions;
        self.store.compact(self.store.revision(), &self.rules.0);
        self.store.mark(revision);
        for lease in self.leases.values_mut() {
            (lease.granted_at, lease.remaining_ms) = (0, None);
        }
        // Whoever showed a password to the old cluster shows it again.
        self.auth.revision += revisions;
        self.applied = 0;
    }

    fn output(&self, result: Result<Done, Error>) -> Output {
        let revision = self.store.revision();
        Output { revision, result }
    }

    fn change(&mut self, op: &Op) -> Result<Done, Error> {
        match op {
            Op::Put(put) => {
                self.may_put(put)?;
                let revision = self.store.next_revision();
                let done = self.put(put, revision);
                self.store.complete(revision);
                Ok(done)
            }
            Op::DeleteRange(delete) => {
                sound(&delete.keys)?;
                let revision = self.store.next_revision();
                let (done, deleted) = self.delete(delete, revision);
                if deleted > 0 {
                    self.store.complete(revision);
                }
                Ok(done)
            }
            Op::Txn(txn) => self.transact(txn),
            Op::Compact { revision } => self.compact(*revision),
            Op::Grant { lease, ttl_ms } => self.grant(*lease, *ttl_ms),
            Op::Revoke { lease } => self.end(*lease),
            Op::Auth(op) => {
                let auth_revision = self.auth.change(op)?;
                Ok(Done::Auth { auth_revision })
            }
        }
    }

    fn may_put(&self, put: &Put) -> Result<(), Error> {
        if put.key.is_empty() {
            return Err(Error::BadArguments);
        }
        match put.lease == 0 || self.leases.contains_key(&put.lease) {
            true => Ok(()),
            false => Err(Error::LeaseNotFound),
        }
    }

    fn put(&mut self, put: &Put, revision: Revision) -> Done {
        let now = Keys::one(&put.key);
        let before = self.store.range(&now, revision).next();
        let prev_kv = before.filter(|_| put.prev_kv).cloned();
        self.store.put(&put.key, &put.value, put.lease, revision);
        Done::Put { prev_kv }
    }

    /// Gives also how many keys are gone.
    fn delete(&mut self, delete: &DeleteRange, revision: Revision) -> (Done, u64) {
        let gone: Vec<KeyValue> = self.store.range(&delete.keys, revision).cloned().collect();
        for kv in &gone {
            self.store.delete(&kv.key, revision);
        }
        let deleted = gone.len() as u64;
        let prev_kvs = if delete.prev_kv { gone } else { Vec::new() };
        (Done::DeleteRange { deleted, prev_kvs }, deleted)
    }

    /// Reads keys, at a revision that is under way where the range names none.
    ///
    /// # Errors
    /// When what keys were at that revision is forgotten, or the revision is yet to come.
    pub fn read(&self, range: &Range, under_way: Revision) -> Result<Done, Error> {
        sound(&range.keys)?;
        let compact_revision = self.store.compacted();
        let revision = match range.revision {
            0 => under_way,
            revision if revision > self.store.revision() => return Err(Error::FutureRevision),
            revision if revision < compact_revision => {
                return Err(Error::Compacted { compact_revision });
            }
            revision => revision,
        };
        let limit = match range.limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let mut all = self.store.range(&range.keys, revision);
        let kvs: Vec<KeyValue> = all.by_ref().take(limit).cloned().collect();
        let count = kvs.len() as u64 + all.count() as u64;
        Ok(Done::Range { kvs, count })
    }

    /// One list or the other, all of it or nothing.
    fn transact(&mut self, txn: &Txn) -> Result<Done, Error> {
        for compare in &txn.compare {
            sound(&compare.keys)?;
        }
        for branch in [&txn.success, &txn.failure] {
            changes_nothing_twice(branch)?;
        }
        let succeeded = txn.compare.iter().all(|compare| self.holds(compare));
        let branch = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let revision = self.store.next_revision();
        let (mut responses, mut changes) = (Vec::with_capacity(branch.len()), 0);
        for part in branch {
            let done = match part {
                TxnOp::Range(range) => self.read(range, revision),
                TxnOp::Put(put) => self.may_put(put).map(|()| {
                    changes += 1;
                    self.put(put, revision)
                }),
                TxnOp::DeleteRange(delete) => sound(&delete.keys).map(|()| {
                    let (done, deleted) = self.delete(delete, revision);
                    changes += deleted;
                    done
                }),
            };
            match done {
                Ok(done) => responses.push(done),
                Err(error) => {
                    if (self.rules.0.undoes_failed_txn)() {
                        self.store.undo(revision);
                    } else if changes > 0 {
                        self.store.complete(revision);
                    }
                    return Err(error);
                }
            }
        }
        if changes > 0 {
            self.store.complete(revision);
        }
        Ok(Done::Txn {
            succeeded,
            responses,
        })
    }

    fn holds(&self, compare: &Compare) -> bool {
        let revision = self.store.revision();
        let mut found = self.store.range(&compare.keys, revision).peekable();
        if found.peek().is_none() {
            return match compare.target {
                Target::Value(_) => false,
                _ => compares(None, compare),
            };
        }
        found.all(|kv| compares(Some(kv), compare))
    }

    fn compact(&mut self, revision: Revision) -> Result<Done, Error> {
        let compact_revision = self.store.compacted();
        if revision <= compact_revision {
            return Err(Error::Compacted { compact_revision });
        }
        if revision > self.store.revision() {
            return Err(Error::FutureRevision);
        }
        self.store.compact(revision, &self.rules.0);
        Ok(Done::Compact)
    }

    fn grant(&mut self, lease: LeaseId, ttl_ms: u64) -> Result<Done, Error> {
        if lease == 0 || ttl_ms == 0 {
            return Err(Error::BadArguments);
        }
        if self.leases.contains_key(&lease) {
            return Err(Error::LeaseExists);
        }
        let granted = Lease {
            granted_at: self.applied,
            ttl_ms,
            remaining_ms: None,
        };
        self.leases.insert(lease, granted);
        self.news.0.push(News::Granted { lease, ttl_ms });
        Ok(Done::Grant { lease, ttl_ms })
    }

    /// A lease is over, and its keys with it.
    fn end(&mut self, lease: LeaseId) -> Result<Done, Error> {
        self.leases.remove(&lease).ok_or(Error::LeaseNotFound)?;
        let keys: Vec<String> = self.store.keys_of(lease).cloned().collect();
        let revision = self.store.next_revision();
        for key in &keys {
            self.store.delete(key, revision);
        }
        if !keys.is_empty() {
            self.store.complete(revision);
        }
        self.news.0.push(News::Ended { lease });
        Ok(Done::Revoke)
    }

    /// A lease that lives as it was granted then.
    fn known(&mut self, grant: Grant) -> Option<&mut Lease> {
        let known = self.leases.get_mut(&grant.lease);
        known.filter(|known| known.granted(grant.lease) == grant)
    }

    fn checkpoint(&mut self, all: &[(Grant, u64)]) {
        for (grant, left_ms) in all {
            let Some(known) = self.known(*grant) else {
                continue;
            };
            known.remaining_ms = (*left_ms < known.ttl_ms).then_some(*left_ms);
            if known.remaining_ms.is_none() {
                let (lease, ttl_ms) = (grant.lease, known.ttl_ms);
                self.news.0.push(News::Renewed { lease, ttl_ms });
            }
        }
    }
}

/// Whether a key, or none where there is none, is as a comparison wants it.
fn compares(kv: Option<&KeyValue>, compare: &Compare) -> bool {
    let number = |of: fn(&KeyValue) -> u64| kv.map_or(0, of);
    let order = match &compare.target {
        Target::Version(version) => number(|kv| kv.version).cmp(version),
        Target::CreateRevision(revision) => number(|kv| kv.create_revision).cmp(revision),
        Target::ModRevision(revision) => number(|kv| kv.mod_revision).cmp(revision),
        Target::Lease(lease) => number(|kv| kv.lease).cmp(lease),
        Target::Value(value) => kv.map_or("", |kv| &kv.value).cmp(value),
    };
    match compare.result {
        CompareResult::Equal => order.is_eq(),
        CompareResult::NotEqual => order.is_ne(),
        CompareResult::Greater => order.is_gt(),
        CompareResult::Less => order.is_lt(),
    }
}

/// Keys that can be asked for.
fn sound(keys: &Keys) -> Result<(), Error> {
    let is_sound = match keys.range_end.as_deref() {
        None => !keys.key.is_empty(),
        Some(end) => end == TO_THE_END || end > keys.key.as_str(),
    };
    if is_sound {
        Ok(())
    } else {
        Err(Error::BadArguments)
    }
}

/// Whether something that is not written can be asked for.
///
/// # Errors
/// When it cannot.
pub(super) fn sound_ask(ask: &Ask) -> Result<(), Error> {
    match ask {
        Ask::Range(range) => sound(&range.keys),
        Ask::Watch(watch) => sound(&watch.keys),
        _ => Ok(()),
    }
}

/// A key changes at most once at a revision.
fn changes_nothing_twice(branch: &[TxnOp]) -> Result<(), Error> {
    let mut puts: Vec<&str> = Vec::new();
    for part in branch {
        if let TxnOp::Put(put) = part {
            if puts.contains(&put.key.as_str()) {
                return Err(Error::DuplicateKey);
            }
            puts.push(&put.key);
        }
    }
    let covered = branch.iter().any(|part| match part {
        TxnOp::DeleteRange(delete) => puts.iter().any(|key| delete.keys.hold(key)),
        TxnOp::Range(_) | TxnOp::Put(_) => false,
    });
    if covered {
        Err(Error::DuplicateKey)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
