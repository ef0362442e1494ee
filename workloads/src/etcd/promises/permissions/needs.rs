//! What an operation needs rights for.

use super::rights::{Rights, Sure};
use stormglass_impls::etcd::words::{Ask, DeleteRange, Keys, Op, Permission, Put, TxnOp};

/// What somebody must be allowed to do.
#[derive(Default)]
pub(super) struct Needs<'a> {
    single: Vec<(&'a str, Permission)>,
    ranges: Vec<(&'a Keys, Permission)>,
    /// Everything.
    root: bool,
    /// More, that is not known: of the keys of a lease.
    more: bool,
}

impl<'a> Needs<'a> {
    /// `None` for what is allowed to anybody, or is nobody's business here.
    pub(super) fn of(ask: &'a Ask) -> Option<Self> {
        let mut needs = Needs::default();
        match ask {
            Ask::Range(range) => needs.ranges.push((&range.keys, Permission::Read)),
            Ask::Watch(watch) => needs.ranges.push((&watch.keys, Permission::Read)),
            Ask::Write(op) => needs.of_op(op),
            Ask::CancelWatch { .. }
            | Ask::Progress { .. }
            | Ask::KeepAlive { .. }
            | Ask::TimeToLive { .. }
            | Ask::Authenticate { .. }
            | Ask::Snapshot
            | Ask::Manage(_) => return None,
        }
        Some(needs)
    }

    fn of_op(&mut self, op: &'a Op) {
        match op {
            Op::Put(put) => self.put(put),
            Op::DeleteRange(delete) => self.delete(delete),
            Op::Txn(txn) => {
                let compared = txn.compare.iter();
                self.ranges
                    .extend(compared.map(|compare| (&compare.keys, Permission::Read)));
                for part in txn.success.iter().chain(&txn.failure) {
                    match part {
                        TxnOp::Range(range) => self.ranges.push((&range.keys, Permission::Read)),
                        TxnOp::Put(put) => self.put(put),
                        TxnOp::DeleteRange(delete) => self.delete(delete),
                    }
                }
            }
            Op::Revoke { .. } => self.more = true,
            Op::Auth(_) => self.root = true,
            Op::Compact { .. } | Op::Grant { .. } => {}
        }
    }

    fn put(&mut self, put: &'a Put) {
        self.single.push((&put.key, Permission::Write));
        if put.prev_kv {
            self.single.push((&put.key, Permission::Read));
        }
        self.more |= put.lease != 0;
    }

    fn delete(&mut self, delete: &'a DeleteRange) {
        self.ranges.push((&delete.keys, Permission::Write));
        if delete.prev_kv {
            self.ranges.push((&delete.keys, Permission::Read));
        }
    }

    /// Whether a user may do all of it.
    pub(super) fn granted(&self, rights: &Rights, user: &str) -> Sure {
        let mut granted = match self.root {
            true => rights.is_root(user),
            false => Sure::Yes,
        };
        for (key, wanted) in &self.single {
            granted = granted.and(rights.may(user, &Keys::one(*key), *wanted));
        }
        for (keys, wanted) in &self.ranges {
            granted = granted.and(rights.may(user, keys, *wanted));
        }
        match self.more && rights.is_root(user) != Sure::Yes {
            true => granted.and(Sure::Perhaps),
            false => granted,
        }
    }
}
