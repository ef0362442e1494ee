//! Elections: whoever is first in a line leads, and proclaims its term for as long as its candidacy stands. The others look who leads.

use super::line::Place;
use super::{Dice, Recipe, carried_out, equal, get, local_get, numbered, put, txn};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Keys, Target, TxnOp};

/// Where candidates stand.
const ROOT: &str = "elections";
/// Where terms are proclaimed.
const TERMS: &str = "terms";

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

/// A term is the revision at which its leader's candidacy began, and what it is proclaimed by: `17 3.40`.
fn proclaims(place: &Place, terms: String, term: u64, value: String) -> Asked {
    txn(
        vec![equal(&place.key(), Target::CreateRevision(term))],
        vec![
            TxnOp::Put(put(terms, format!("{term} {value}"))),
            TxnOp::Put(place.put(value)),
        ],
        Vec::new(),
    )
}

impl Recipe for Elections {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let place = self.places.entry(dice.client).or_default();
        if let Some(asked) = place.tidies() {
            return asked;
        }
        if place.line().is_none() {
            place.enter(format!("{ROOT}/k{}/", dice.key()));
            self.left
                .insert(dice.client, 1 + dice.below(Purpose::Detail, 6));
        }
        let line = place.line().unwrap_or_default().to_string();
        let terms = line
            .replacen(ROOT, TERMS, 1)
            .trim_end_matches('/')
            .to_string();
        let left = self.left.entry(dice.client).or_default();
        if let Some(term) = place.first() {
            if *left > 0 {
                *left -= 1;
                return match dice.below(Purpose::Function, 100) {
                    0..15 => Asked::Rest {
                        ms: dice.rest_ms(40),
                    },
                    15..30 => place.keep_alive(),
                    _ => proclaims(place, terms, term, dice.value(0)),
                };
            }
            place.leave();
        }
        if place.waits() && dice.percent(Purpose::Function, 40) {
            return match dice.below(Purpose::Detail, 3) {
                0 => get(Keys::one(terms)),
                1 => local_get(Keys::one(terms)),
                _ => get(Keys::prefix(&line)),
            };
        }
        place
            .next(dice)
            .expect("a client that is not first has something to do")
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let place = self.places.entry(client).or_default();
        let proclaimed = place.first().is_some() && asked.function() == "txn";
        match carried_out(asked, ended) {
            Some((true, ..)) if proclaimed => {}
            // Its candidacy is gone.
            _ if proclaimed => place.is_out(),
            _ => place.ended(asked, ended),
        }
    }

    fn lost(&mut self, client: u32, asked: &Asked) {
        self.places.entry(client).or_default().lost(asked);
    }

    fn finals(&self) -> Vec<Asked> {
        let terms = numbered(TERMS, self.keys).map(|key| get(Keys::one(key)));
        let lines = numbered(ROOT, self.keys);
        let lines = lines.map(|line| get(Keys::prefix(&format!("{line}/"))));
        terms.chain(lines).collect()
    }
}
