//! Transactions over several lists: a client reads some of them at once, and then, if none of them has changed, appends to some and reads the others.
//! The second of these is the transaction; the first says what it depends on.

use super::lists::{ROOT, appended};
use super::memory::Memory;
use super::{Dice, Recipe, carried_out, get, numbered, put, txn, txn_get, unchanged};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Keys, TxnOp};

/// The most lists of one transaction.
const LISTS_MAX: u64 = 4;

/// Clients of several lists at once.
pub(super) struct Transactions {
    keys: u32,
    memory: Memory,
    /// The lists that a client has read for its transaction.
    read: BTreeMap<u32, Vec<String>>,
}

impl Transactions {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            memory: Memory::default(),
            read: BTreeMap::new(),
        }
    }

    /// Some lists that lie together, the first of them that which is in turn.
    fn some(&self, dice: &Dice<'_>) -> Vec<String> {
        let count = u64::from(self.keys);
        let some = 1 + dice.below(Purpose::Detail, LISTS_MAX.min(count));
        let first = dice.key_in_turn();
        let numbers = (first..first + some).map(|number| number % count);
        numbers.map(|number| format!("{ROOT}/k{number}")).collect()
    }

    /// The transaction that follows the reads.
    fn second(&self, dice: &Dice<'_>, lists: &[String]) -> Option<Asked> {
        let mut compare = Vec::new();
        let mut success = Vec::new();
        let changed = 1 + dice.below(Purpose::Detail, (1 << lists.len()) - 1);
        for (part, list) in lists.iter().enumerate() {
            let seen = self.memory.seen(dice.client, list)?;
            compare.push(unchanged(list, seen.mod_revision()));
            success.push(match changed >> part & 1 {
                0 => txn_get(Keys::one(list)),
                _ => {
                    let longer = appended(seen.value(), &dice.value(part));
                    TxnOp::Put(put(list.clone(), longer))
                }
            });
        }
        Some(txn(compare, success, all_read(lists)))
    }
}

fn all_read(lists: &[String]) -> Vec<TxnOp> {
    let lists = lists.iter();
    lists.map(|list| txn_get(Keys::one(list))).collect()
}

impl Recipe for Transactions {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let read = self.read.remove(&dice.client);
        // What it has read it may still only have wanted to know.
        let read = read.filter(|_| dice.percent(Purpose::Function, 85));
        if let Some(second) = read.and_then(|lists| self.second(dice, &lists)) {
            return second;
        }
        let lists = self.some(dice);
        txn(Vec::new(), all_read(&lists), Vec::new())
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        self.memory.ended(client, asked, ended);
        let Some((_, parts, _)) = carried_out(asked, ended) else {
            return;
        };
        // Whatever was only read is a beginning: also what was read because something had changed.
        let read = parts.iter().map(|part| match part {
            TxnOp::Range(range) => Some(range.keys.key.clone()),
            TxnOp::Put(_) | TxnOp::DeleteRange(_) => None,
        });
        if let Some(lists) = read.collect() {
            self.read.insert(client, lists);
        }
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        self.memory.lost(client, asked);
    }

    fn finals(&self) -> Vec<Asked> {
        let keys = numbered(ROOT, self.keys);
        keys.map(|key| get(Keys::one(key))).collect()
    }
}
