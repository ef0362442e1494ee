//! Locks: whoever is first in a line writes to what the lock protects, and is sometimes paused while it holds the lock.

use super::line::Place;
use super::{Dice, Purpose, Recipe, directories, reads_of};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::What;

/// Where locks are.
const ROOT: &str = "/locks";

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
    fn roots(&self) -> Vec<Asked> {
        directories(ROOT, self.keys)
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let place = self.places.entry(dice.client).or_default();
        if place.directory().is_none() {
            place.enter(format!("{ROOT}/k{}", dice.key()));
            self.left
                .insert(dice.client, 1 + dice.below(Purpose::Detail, 3));
        }
        let left = self.left.entry(dice.client).or_default();
        if let Some((_, token)) = place.first() {
            if *left > 0 {
                *left -= 1;
                return Asked::Store {
                    ms: dice.rest_ms(12),
                    path: place.directory().unwrap_or_default().to_string(),
                    token,
                };
            }
            place.leave();
        }
        place
            .next()
            .expect("a client that is not first has something to do")
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        self.places.entry(client).or_default().ended(asked, ended);
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        self.places.entry(client).or_default().lost(asked);
    }

    fn anew(&mut self, client: u32) {
        self.places.entry(client).or_default().anew();
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(ROOT, self.keys, What::Children)
    }
}
