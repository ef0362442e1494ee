//! Lists: a key holds words with blanks between them. A client reads one, and appends a word if nobody else has.

use super::memory::Memory;
use super::{Dice, Recipe, get, local_get, numbered, put_if_unchanged};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use stormglass_impls::etcd::words::Keys;

/// Where lists are.
pub(super) const ROOT: &str = "lists";

/// Clients that append to lists.
pub(super) struct Lists {
    keys: u32,
    memory: Memory,
}

impl Lists {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            memory: Memory::default(),
        }
    }
}

/// A list with a word more.
pub(super) fn appended(list: &str, word: &str) -> String {
    match list {
        "" => word.to_string(),
        list => format!("{list} {word}"),
    }
}

impl Recipe for Lists {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let key = format!("{ROOT}/k{}", dice.key_in_turn());
        let wants_to_read = dice.percent(Purpose::Function, dice.config.reads_percent);
        match self.memory.seen(dice.client, &key) {
            Some(seen) if !wants_to_read => {
                let list = appended(seen.value(), &dice.value(0));
                put_if_unchanged(&key, seen.mod_revision(), list)
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
