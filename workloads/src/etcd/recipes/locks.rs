//! Locks: whoever is first in a line writes to what the lock protects, and is sometimes paused while it holds the lock.

use super::line::Place;
use super::{Dice, Recipe, get, numbered};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::Keys;

/// Where locks are.
const ROOT: &str = "locks";

/// Clients that take locks.
pub(super) struct Locks {
    keys: u32,
    places: BTreeMap<u32, Place>,
    /// How many stores a client has left before it lets the lock go.
    left: BTreeMap<u32, u64>,
}

impl Locks {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            places: BTreeMap::new(),
            left: BTreeMap::new(),
        }
    }
}

impl Recipe for Locks {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let place = self.places.entry(dice.client).or_default();
        if let Some(asked) = place.tidies() {
            return asked;
        }
        if place.line().is_none() {
            place.enter(format!("{ROOT}/k{}/", dice.key()));
            self.left
                .insert(dice.client, 1 + dice.below(Purpose::Detail, 3));
        }
        let left = self.left.entry(dice.client).or_default();
        if let Some(token) = place.first() {
            if *left > 0 {
                if dice.percent(Purpose::Function, 30) {
                    return place.keep_alive();
                }
                *left -= 1;
                return Asked::Store {
                    ms: dice.rest_ms(12),
                    lock: place.line().unwrap_or_default().to_string(),
                    token,
                };
            }
            place.leave();
        }
        place
            .next(dice)
            .expect("a client that is not first has something to do")
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        self.places.entry(client).or_default().ended(asked, ended);
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        self.places.entry(client).or_default().lost(asked);
    }

    fn finals(&self) -> Vec<Asked> {
        let lines = numbered(ROOT, self.keys);
        lines
            .map(|line| get(Keys::prefix(&format!("{line}/"))))
            .collect()
    }
}
