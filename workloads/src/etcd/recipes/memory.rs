//! What clients remember: the newest that each saw of a key, and the newest revision of which it heard.

use super::carried_out;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Ask, Done, KeyValue, Keys, Op, Revision, TxnOp};

/// What all clients remember.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By client and key.
    seen: BTreeMap<(u32, String), Seen>,
    newest: BTreeMap<u32, Revision>,
}

/// How a client saw a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was not there.
    Absent,
    /// It was there.
    There(KeyValue),
    /// The client set it itself, at this revision.
    Set(Revision, String),
}

impl Seen {
    /// The revision at which it was set last; 0 if it is not there.
    pub(super) fn mod_revision(&self) -> Revision {
        match self {
            Seen::Absent => 0,
            Seen::There(kv) => kv.mod_revision,
            Seen::Set(revision, _) => *revision,
        }
    }

    /// What it holds; empty if it is not there.
    pub(super) fn value(&self) -> &str {
        match self {
            Seen::Absent => "",
            Seen::There(kv) => &kv.value,
            Seen::Set(_, value) => value,
        }
    }
}

impl Memory {
    /// How a client saw a key last, unless it has reason to doubt it.
    pub(super) fn seen(&self, client: u32, key: &str) -> Option<&Seen> {
        self.seen.get(&(client, key.to_string()))
    }

    /// The newest revision of which a client heard. The empty store has 1.
    pub(super) fn newest(&self, client: u32) -> Revision {
        self.newest.get(&client).copied().unwrap_or(1)
    }

    /// What a client did ended so.
    pub(super) fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let newest = self.newest.entry(client).or_insert(1);
        *newest = ended.revision.max(*newest);
        if let Some((_, parts, responses)) = carried_out(asked, ended) {
            for (part, done) in parts.iter().zip(responses) {
                self.part(client, part, done, ended.revision);
            }
        }
        let Asked::Ask(request) = asked else { return };
        match (&request.ask, &ended.result) {
            (Ask::Range(range), Ok(Done::Range { kvs, .. })) if range.revision == 0 => {
                self.read(client, &range.keys, kvs);
            }
            (Ask::Write(Op::Put(put)), Ok(_)) => {
                self.set(client, &put.key, &put.value, ended.revision);
            }
            (Ask::Write(Op::DeleteRange(delete)), Ok(_)) => self.read(client, &delete.keys, &[]),
            _ => {}
        }
    }

    fn part(&mut self, client: u32, part: &TxnOp, done: &Done, revision: Revision) {
        match (part, done) {
            (TxnOp::Range(range), Done::Range { kvs, .. }) if range.revision == 0 => {
                self.read(client, &range.keys, kvs);
            }
            (TxnOp::Put(put), _) => self.set(client, &put.key, &put.value, revision),
            (TxnOp::DeleteRange(delete), _) => self.read(client, &delete.keys, &[]),
            (TxnOp::Range(_), _) => {}
        }
    }

    fn set(&mut self, client: u32, key: &str, value: &str, revision: Revision) {
        let seen = Seen::Set(revision, value.to_string());
        self.seen.insert((client, key.to_string()), seen);
    }

    /// A client saw these of some keys. Of several it remembers what is there and forgets the rest.
    fn read(&mut self, client: u32, keys: &Keys, kvs: &[KeyValue]) {
        match keys.range_end {
            None => {
                self.seen.insert((client, keys.key.clone()), Seen::Absent);
            }
            Some(_) => self
                .seen
                .retain(|(who, key), _| *who != client || !keys.hold(key)),
        }
        for kv in kvs {
            let seen = Seen::There(kv.clone());
            self.seen.insert((client, kv.key.clone()), seen);
        }
    }

    /// A client has lost what it did: what it may have changed, it has not seen.
    pub(super) fn lost(&mut self, client: u32, asked: &Asked) {
        let Asked::Ask(request) = asked else { return };
        let Ask::Write(op) = &request.ask else { return };
        let mut forget = |keys: &Keys| {
            self.seen
                .retain(|(who, key), _| *who != client || !keys.hold(key));
        };
        match op {
            Op::Put(put) => forget(&Keys::one(put.key.clone())),
            Op::DeleteRange(delete) => forget(&delete.keys),
            Op::Txn(txn) => {
                for part in txn.success.iter().chain(&txn.failure) {
                    match part {
                        TxnOp::Range(_) => {}
                        TxnOp::Put(put) => forget(&Keys::one(put.key.clone())),
                        TxnOp::DeleteRange(delete) => forget(&delete.keys),
                    }
                }
            }
            Op::Compact { .. } | Op::Grant { .. } | Op::Revoke { .. } | Op::Auth(_) => {}
        }
    }
}
