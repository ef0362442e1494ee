//! Registers: keys that are put, deleted, put on a condition, and read, now or as they were, alone or with others.

use super::memory::{Memory, Seen};
use super::{
    Dice, Recipe, delete, equal, get, get_at, local_get, numbered, put, txn, txn_get, unchanged,
    write,
};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use stormglass_impls::etcd::words::{Compare, DeleteRange, Keys, Op, Put, Target, TxnOp};

/// Where registers are.
const ROOT: &str = "registers";

/// Clients of registers.
pub(super) struct Registers {
    keys: u32,
    memory: Memory,
}

impl Registers {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            memory: Memory::default(),
        }
    }

    fn reads(&self, dice: &Dice<'_>, key: String, other: String) -> Asked {
        let back = dice.below(Purpose::Other, 8);
        let revision = self.memory.newest(dice.client).saturating_sub(back).max(1);
        match dice.below(Purpose::Detail, 20) {
            0..8 => get(Keys::one(key)),
            8..13 => local_get(Keys::one(key)),
            13..16 => get_at(Keys::one(key), revision, back.is_multiple_of(2)),
            16 => get(Keys::prefix(&format!("{ROOT}/"))),
            17 => local_get(Keys::prefix(&format!("{ROOT}/"))),
            18 => get_at(
                Keys::prefix(&format!("{ROOT}/")),
                revision,
                back.is_multiple_of(2),
            ),
            _ => {
                let parts = [key, other].map(|key| txn_get(Keys::one(key)));
                txn(Vec::new(), parts.to_vec(), Vec::new())
            }
        }
    }

    /// That a key is as its client saw it, in one way or another.
    fn as_seen(&self, dice: &Dice<'_>, key: &str) -> Compare {
        let seen = self.memory.seen(dice.client, key);
        let Some(Seen::There(kv)) = seen else {
            return unchanged(key, seen.map_or(0, Seen::mod_revision));
        };
        let target = match dice.below(Purpose::Other, 8) {
            0 => Target::Version(kv.version),
            1 => Target::CreateRevision(kv.create_revision),
            2 => Target::Value(kv.value.clone()),
            _ => return unchanged(key, kv.mod_revision),
        };
        equal(key, target)
    }
}

impl Recipe for Registers {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let number = dice.key();
        let name = |number| format!("{ROOT}/k{}", number % u64::from(self.keys));
        let (key, other) = (name(number), name(number + 1));
        let (reads, writes) = (dice.config.reads_percent, dice.config.writes_percent);
        let share = dice.below(Purpose::Function, 100);
        if share < reads {
            return self.reads(dice, key, other);
        }
        let detail = dice.below(Purpose::Detail, 20);
        let prev_kv = dice.percent(Purpose::Other, 40);
        if share < reads + writes {
            return match detail {
                0..3 => delete(Keys::one(key), prev_kv),
                3..5 if key != other => {
                    let parts = [put(key, dice.value(0)), put(other, dice.value(1))];
                    txn(Vec::new(), parts.map(TxnOp::Put).to_vec(), Vec::new())
                }
                _ => write(Op::Put(Put {
                    prev_kv,
                    ..put(key, dice.value(0))
                })),
            };
        }
        let condition = self.as_seen(dice, &key);
        let failure = vec![txn_get(Keys::one(key.clone()))];
        let change = match detail {
            0 => TxnOp::DeleteRange(DeleteRange {
                keys: Keys::one(key),
                prev_kv,
            }),
            _ => TxnOp::Put(put(key, dice.value(0))),
        };
        txn(vec![condition], vec![change], failure)
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        self.memory.ended(client, asked, ended);
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        self.memory.lost(client, asked);
    }

    fn finals(&self) -> Vec<Asked> {
        let keys = numbered(ROOT, self.keys);
        keys.map(|key| get(Keys::one(key))).collect()
    }
}
