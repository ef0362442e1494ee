//! What clients do with an etcd-style service: the recipes, each a small program of every client.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`memory`] | what clients remember of keys and revisions, which most recipes share |
//! | [`line`] | standing in line, which locks and elections share |
//! | [`registers`], [`sets`], [`counters`], [`lists`], [`transactions`] | data of one kind and another |
//! | [`watches`], [`leases`], [`compactions`] | what lives on, and what is forgotten |
//! | [`locks`], [`elections`] | whoever is first in a line may do something |
//! | [`permissions`] | users, roles, and what they may do |
//!
//! # Invariants
//!
//! A recipe goes on from anywhere: whatever is refused, lost, or over, each of its clients has something to do next that can lead on.

mod compactions;
mod counters;
mod elections;
mod leases;
mod line;
mod lists;
mod locks;
mod memory;
mod permissions;
mod registers;
mod sets;
mod transactions;
mod watches;

use super::dialect::{Asked, Ended};
use super::kinds::EtcdKind;
use super::kv::EtcdConfig;
use crate::dice::Purpose;
use stormglass_impls::etcd::words::{
    Ask, Compare, CompareResult, DeleteRange, Done, Keys, LeaseId, Op, Put, Range, Request,
    Revision, Target, Txn, TxnOp,
};

/// What all clients of a workload do.
pub(super) trait Recipe {
    /// What a client does next.
    fn next(&mut self, dice: &Dice<'_>) -> Asked;

    /// What a client did ended so.
    fn ended(&mut self, _client: u32, _asked: &Asked, _ended: &Ended) {}

    /// Nobody knows what became of what a client did.
    fn lost(&mut self, _client: u32, _asked: &Asked) {}

    /// The reads that show the final state, and what must come before them. What is about one key, or about none, is done in this order.
    fn finals(&self) -> Vec<Asked>;
}

/// What is drawn for one operation of one client.
pub(super) type Dice<'a> = crate::dice::Dice<'a, EtcdConfig>;

impl Dice<'_> {
    /// A value that nothing else has: `3.17`, and `3.17.1` for the second part of one operation.
    fn value(&self, part: usize) -> String {
        match part {
            0 => format!("{}.{}", self.client, self.n),
            part => format!("{}.{}.{part}", self.client, self.n),
        }
    }

    /// A lease that nobody else has, and this client not before.
    fn lease(&self) -> LeaseId {
        (u64::from(self.client) + 1) * 1_000_000 + self.n
    }

    /// One of the keys, mostly that which all clients turn to about now: data that grow are so shared out among the keys.
    fn key_in_turn(&self) -> u64 {
        let turn = self.n / 24 % u64::from(self.config.keys);
        match self.percent(Purpose::Length, 75) {
            true => turn,
            false => self.key(),
        }
    }
}

/// The recipe of a workload.
pub(super) fn recipe(config: &EtcdConfig) -> Box<dyn Recipe> {
    let keys = config.keys;
    match config.kind {
        EtcdKind::Register => Box::new(registers::Registers::new(keys)),
        EtcdKind::Set => Box::new(sets::Sets::new(keys)),
        EtcdKind::Counter => Box::new(counters::Counters::new(keys)),
        EtcdKind::Append => Box::new(lists::Lists::new(keys)),
        EtcdKind::Txn => Box::new(transactions::Transactions::new(keys)),
        EtcdKind::Watch => Box::new(watches::Watched::new(keys)),
        EtcdKind::Lease => Box::new(leases::Leases::new(keys)),
        EtcdKind::Lock | EtcdKind::FencedLock => Box::new(locks::Locks::new(keys)),
        EtcdKind::Election => Box::new(elections::Elections::new(keys)),
        EtcdKind::Compaction => Box::new(compactions::Compactions::new(keys)),
        EtcdKind::Permissions => Box::new(permissions::Permissions::new(keys)),
    }
}

/// Reads keys as they are now.
fn get(keys: Keys) -> Asked {
    Asked::ask(Ask::Range(Range::of(keys)))
}

/// Reads keys as the member has them.
fn local_get(keys: Keys) -> Asked {
    let serializable = true;
    Asked::ask(Ask::Range(Range {
        serializable,
        ..Range::of(keys)
    }))
}

/// Reads keys as they were, sometimes at this member and sometimes not.
fn get_at(keys: Keys, revision: Revision, serializable: bool) -> Asked {
    Asked::ask(Ask::Range(Range {
        revision,
        serializable,
        ..Range::of(keys)
    }))
}

/// Changes something.
fn write(op: Op) -> Asked {
    Asked::ask(Ask::Write(op))
}

/// Sets a key.
fn put(key: String, value: String) -> Put {
    Put {
        key,
        value,
        lease: 0,
        prev_kv: false,
    }
}

/// Deletes keys.
fn delete(keys: Keys, prev_kv: bool) -> Asked {
    write(Op::DeleteRange(DeleteRange { keys, prev_kv }))
}

/// Does one thing or another.
fn txn(compare: Vec<Compare>, success: Vec<TxnOp>, failure: Vec<TxnOp>) -> Asked {
    write(Op::Txn(Txn {
        compare,
        success,
        failure,
    }))
}

/// A read as a part of a transaction.
fn txn_get(keys: Keys) -> TxnOp {
    TxnOp::Range(Range::of(keys))
}

/// A key is as it is to be compared with.
fn equal(key: &str, target: Target) -> Compare {
    Compare {
        keys: Keys::one(key),
        result: CompareResult::Equal,
        target,
    }
}

/// A key was set at this revision last; 0: it is not there.
fn unchanged(key: &str, mod_revision: Revision) -> Compare {
    equal(key, Target::ModRevision(mod_revision))
}

/// Sets a key if it was set at this revision last, and reads it if not.
fn put_if_unchanged(key: &str, mod_revision: Revision, value: String) -> Asked {
    txn(
        vec![unchanged(key, mod_revision)],
        vec![TxnOp::Put(put(key.to_string(), value))],
        vec![txn_get(Keys::one(key))],
    )
}

/// Which branch of a transaction was carried out, and what came of its parts.
fn carried_out<'a>(asked: &'a Asked, ended: &'a Ended) -> Option<(bool, &'a [TxnOp], &'a [Done])> {
    let Asked::Ask(Request {
        ask: Ask::Write(Op::Txn(txn)),
        ..
    }) = asked
    else {
        return None;
    };
    let Ok(Done::Txn {
        succeeded,
        responses,
    }) = &ended.result
    else {
        return None;
    };
    let parts = if *succeeded {
        &txn.success
    } else {
        &txn.failure
    };
    Some((*succeeded, parts, responses))
}

/// `lists/k0`, `lists/k1` and so on.
fn numbered(root: &str, keys: u32) -> impl Iterator<Item = String> {
    (0..keys).map(move |key| format!("{root}/k{key}"))
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
