//! Elections: whoever is first in a line leads, and writes down its term for as long as its candidacy stands.

use super::line::Place;
use super::{Dice, Purpose, Recipe, directories, reads_of, set};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Op, What};

/// Where candidates stand.
const ROOT: &str = "/elections";
/// Where terms are written down.
const TERMS: &str = "/terms";

/// Clients that want to lead.
pub(super) struct Elections {
    keys: u32,
    places: BTreeMap<u32, Place>,
    /// How much a client has left to do before it resigns.
    left: BTreeMap<u32, u64>,
}

impl Elections {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            places: BTreeMap::new(),
            left: BTreeMap::new(),
        }
    }
}

impl Recipe for Elections {
    fn roots(&self) -> Vec<Asked> {
        let mut roots = directories(ROOT, self.keys);
        roots.extend(directories(TERMS, self.keys));
        roots
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let place = self.places.entry(dice.client).or_default();
        if place.directory().is_none() {
            place.enter(format!("{ROOT}/k{}", dice.key()));
            self.left
                .insert(dice.client, 1 + dice.below(Purpose::Detail, 6));
        }
        let left = self.left.entry(dice.client).or_default();
        if let Some((node, term)) = place.first() {
            if *left > 0 {
                *left -= 1;
                if dice.percent(Purpose::Function, 20) {
                    return Asked::Rest {
                        ms: dice.rest_ms(30),
                    };
                }
                let directory = place.directory().unwrap_or_default();
                let terms = directory.replacen(ROOT, TERMS, 1);
                return Asked::Write(Op::Multi(vec![
                    Op::Check {
                        path: node.to_string(),
                        version: None,
                    },
                    set(terms, term.to_string(), None),
                ]));
            }
            place.leave();
        }
        place
            .next()
            .expect("a client that is not first has something to do")
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let place = self.places.entry(client).or_default();
        match (place.first(), asked, &ended.result) {
            // Its candidacy is gone.
            (Some(_), Asked::Write(Op::Multi(_)), Err(_)) => place.is_out(),
            _ => place.ended(asked, ended),
        }
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        let place = self.places.entry(client).or_default();
        // A term that may be written down twice does no harm; a candidacy that nobody knows of does.
        if place.first().is_none() {
            place.lost(asked);
        }
    }

    fn anew(&mut self, client: u32) {
        self.places.entry(client).or_default().anew();
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(TERMS, self.keys, What::Data)
    }
}
