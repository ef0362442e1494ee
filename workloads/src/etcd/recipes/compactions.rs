//! The past is forgotten: clients read and watch what keys were, before and after the revision up to which it is.

use super::memory::Memory;
use super::watches::Watcher;
use super::{Dice, Recipe, delete, get, get_at, local_get, numbered, put, txn, write};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Ask, Error, Event, Keys, Op, Range, Request, Revision, TxnOp};

/// Where keys are.
const ROOT: &str = "compacted";

/// Clients that forget, and that want to know.
pub(super) struct Compactions {
    keys: u32,
    memory: Memory,
    watchers: BTreeMap<u32, Watcher>,
    /// Up to which revision, without that one, a client knows all to be forgotten.
    forgotten: BTreeMap<u32, Revision>,
}

impl Compactions {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            memory: Memory::default(),
            watchers: BTreeMap::new(),
            forgotten: BTreeMap::new(),
        }
    }

    /// A revision of the past; many lie near the one up to which all is forgotten.
    fn past(&self, dice: &Dice<'_>) -> Revision {
        let forgotten = self.forgotten.get(&dice.client).copied().unwrap_or(1);
        let near = (forgotten + dice.below(Purpose::Detail, 4)).saturating_sub(1);
        let newest = self.memory.newest(dice.client);
        let back = newest.saturating_sub(dice.below(Purpose::Detail, 40));
        match dice.percent(Purpose::Length, 40) {
            true => near.max(1),
            false => back.max(1),
        }
    }

    /// Up to which revision to forget: rarely one that is forgotten, or not there yet.
    fn compacted(&self, dice: &Dice<'_>) -> Revision {
        let newest = self.memory.newest(dice.client);
        let far = dice.below(Purpose::Detail, 25);
        match dice.below(Purpose::Other, 20) {
            0 => newest + 1 + far,
            1 => self.past(dice),
            _ => newest.saturating_sub(far).max(1),
        }
    }
}

impl Recipe for Compactions {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let key = format!("{ROOT}/k{}", dice.key());
        let other = format!("{ROOT}/k{}", dice.key() + 1);
        let all = Keys::prefix(&format!("{ROOT}/"));
        let past = self.past(dice);
        let local = dice.percent(Purpose::Other, 50);
        let watcher = self.watchers.entry(dice.client).or_default();
        match (dice.below(Purpose::Function, 100), watcher.one(dice)) {
            (0..24, _) => write(Op::Put(put(key, dice.value(0)))),
            (24..29, _) => delete(Keys::one(key), false),
            // It changes a key before it reads what may be forgotten: all of it happens, or nothing.
            (29..34, _) => {
                let old = Range {
                    revision: past,
                    ..Range::of(Keys::one(other))
                };
                let parts = vec![TxnOp::Put(put(key, dice.value(0))), TxnOp::Range(old)];
                txn(Vec::new(), parts, Vec::new())
            }
            (34..37, _) => {
                let parts = [put(key, dice.value(0)), put(other, dice.value(1))];
                txn(Vec::new(), parts.map(TxnOp::Put).to_vec(), Vec::new())
            }
            (37..55, _) => get_at(Keys::one(key), past, local),
            (55..63, _) => get_at(all, past, local),
            (63..68, _) => write(Op::Compact {
                revision: self.compacted(dice),
            }),
            (68..76, one) => {
                let keys = if local { all } else { Keys::one(key) };
                match one.filter(|_| watcher.has_enough()) {
                    None => Asked::ask(watcher.begin(keys, past, dice)),
                    Some(watch) => Asked::ask(Ask::CancelWatch { watch }),
                }
            }
            (76..78, Some(watch)) => Asked::ask(Ask::CancelWatch { watch }),
            (78..80, Some(watch)) => Asked::ask(Ask::Progress { watch }),
            (80..82, _) => Asked::Rest {
                ms: dice.rest_ms(40),
            },
            (82..92, _) => get(all),
            _ => local_get(Keys::one(key)),
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        self.memory.ended(client, asked, ended);
        let watcher = self.watchers.entry(client).or_default();
        watcher.ended(asked, ended);
        let own = match (asked, &ended.result) {
            (
                Asked::Ask(Request {
                    ask: Ask::Write(Op::Compact { revision }),
                    ..
                }),
                Ok(_),
            ) => Some(*revision),
            (_, Err(Error::Compacted { compact_revision })) => Some(*compact_revision),
            _ => None,
        };
        let told = ended.events.iter().filter_map(|event| match event {
            Event::Compacted {
                compact_revision, ..
            } => Some(*compact_revision),
            Event::Changes { .. } | Event::Progress { .. } => None,
        });
        let forgotten = self.forgotten.entry(client).or_insert(1);
        *forgotten = told.chain(own).fold(*forgotten, Revision::max);
    }

    fn finals(&self) -> Vec<Asked> {
        let keys = numbered(ROOT, self.keys);
        let all = get(Keys::prefix(&format!("{ROOT}/")));
        let reads = keys.map(|key| get(Keys::one(key)));
        reads.chain([all]).collect()
    }
}
