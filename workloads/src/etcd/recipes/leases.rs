//! Leases: clients grant them, put keys with them, keep them alive in time and too late, revoke them, and look what is left.

use super::{Dice, Recipe, delete, get, local_get, numbered, put, txn, write};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Ask, Error, Keys, LeaseId, Op, Put, TxnOp};

/// Where the keys are.
const ROOT: &str = "leased";

/// How many leases a client knows of at a time.
const KNOWN_MAX: usize = 4;

/// Clients whose keys go with leases.
pub(super) struct Leases {
    keys: u32,
    /// The leases that a client granted, and does not know to be over. Whether one was granted at all it need not know.
    known: BTreeMap<u32, Vec<LeaseId>>,
}

impl Leases {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            known: BTreeMap::new(),
        }
    }

    fn learns(&mut self, client: u32, lease: LeaseId) {
        let known = self.known.entry(client).or_default();
        if known.len() == KNOWN_MAX {
            known.remove(0);
        }
        known.push(lease);
    }

    fn forgets(&mut self, client: u32, lease: LeaseId) {
        let known = self.known.entry(client).or_default();
        known.retain(|known| *known != lease);
    }
}

/// The lease that an operation is about.
fn lease_of(asked: &Asked) -> Option<LeaseId> {
    let Asked::Ask(request) = asked else {
        return None;
    };
    match &request.ask {
        Ask::KeepAlive { lease } | Ask::TimeToLive { lease } => Some(*lease),
        Ask::Write(Op::Put(put)) => Some(put.lease),
        Ask::Write(Op::Grant { lease, .. } | Op::Revoke { lease }) => Some(*lease),
        Ask::Write(Op::Txn(txn)) => txn.success.iter().find_map(|part| match part {
            TxnOp::Put(put) => Some(put.lease),
            TxnOp::Range(_) | TxnOp::DeleteRange(_) => None,
        }),
        _ => None,
    }
}

impl Recipe for Leases {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let key = format!("{ROOT}/k{}", dice.key());
        let own = format!("{key}/c{}", dice.client);
        let known = self
            .known
            .get(&dice.client)
            .filter(|known| !known.is_empty());
        let lease = known.map(|known| {
            let lot = dice.below(Purpose::Detail, known.len() as u64);
            known[lot as usize]
        });
        let with = |key: &String, lease, part| Put {
            lease,
            ..put(key.clone(), dice.value(part))
        };
        let shared = dice.percent(Purpose::Other, 50);
        let one = if shared { &key } else { &own };
        match (dice.below(Purpose::Function, 100), lease) {
            (0..10, _) => write(Op::Grant {
                lease: dice.lease(),
                ttl_ms: dice.config.ttl_ms,
            }),
            (10..30, Some(lease)) => write(Op::Put(with(one, lease, 0))),
            (30..35, Some(lease)) => {
                let parts = [with(&key, lease, 0), with(&own, lease, 1)];
                txn(Vec::new(), parts.map(TxnOp::Put).to_vec(), Vec::new())
            }
            (35..50, Some(lease)) => Asked::ask(Ask::KeepAlive { lease }),
            (50..57, Some(lease)) => Asked::ask(Ask::TimeToLive { lease }),
            (57..60, Some(lease)) => write(Op::Revoke { lease }),
            (60..66, _) => write(Op::Put(put(one.clone(), dice.value(0)))),
            (66..69, _) => delete(Keys::one(one.clone()), false),
            (69..81, _) => get(Keys::one(one.clone())),
            (81..88, _) => get(Keys::prefix(&format!("{ROOT}/"))),
            (88..95, _) => local_get(Keys::prefix(&key)),
            (95..100, Some(_)) => Asked::Rest {
                ms: dice.rest_ms(80),
            },
            _ => write(Op::Grant {
                lease: dice.lease(),
                ttl_ms: dice.config.ttl_ms,
            }),
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let Some(lease) = lease_of(asked) else { return };
        match (asked.function(), &ended.result) {
            ("grant", Ok(_)) => self.learns(client, lease),
            // One that was revoked is asked for once more: it must not live.
            (_, Err(Error::LeaseNotFound)) => self.forgets(client, lease),
            _ => {}
        }
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        if let (Some(lease), "grant") = (lease_of(asked), asked.function()) {
            self.learns(client, lease);
        }
    }

    fn finals(&self) -> Vec<Asked> {
        let keys = numbered(ROOT, self.keys);
        keys.map(|key| get(Keys::prefix(&key))).collect()
    }
}
