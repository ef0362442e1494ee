//! Counters: a client reads one, and raises it by one if nobody else has.

use super::memory::Memory;
use super::{Dice, Recipe, get, local_get, numbered, put_if_unchanged};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use stormglass_impls::etcd::words::Keys;

/// Where counters are.
const ROOT: &str = "counters";

/// Clients that count.
pub(super) struct Counters {
    keys: u32,
    memory: Memory,
}

impl Counters {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            memory: Memory::default(),
        }
    }
}

impl Recipe for Counters {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let key = format!("{ROOT}/k{}", dice.key());
        let wants_to_read = dice.percent(Purpose::Function, dice.config.reads_percent);
        match self.memory.seen(dice.client, &key) {
            Some(seen) if !wants_to_read => {
                let count = seen.value().parse().unwrap_or(0_u64);
                put_if_unchanged(&key, seen.mod_revision(), (count + 1).to_string())
            }
            Some(_) if dice.percent(Purpose::Detail, 40) => local_get(Keys::one(key)),
            _ => get(Keys::one(key)),
        }
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
