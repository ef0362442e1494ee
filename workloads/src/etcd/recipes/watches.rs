//! Watches over keys and ranges, begun now, in the past and in the future, cancelled and begun again, while what is watched changes.

use super::memory::Memory;
use super::{Dice, Recipe, delete, get, local_get, numbered, put, txn, write};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{
    Ask, DeleteRange, Done, Error, Event, Keys, Op, Revision, TxnOp, Watch, WatchId,
};

/// Where watched keys are.
const ROOT: &str = "watched";

/// How many watches a client has at a time.
const OPEN_MAX: usize = 3;

/// How many keys lie below each.
const BELOW: u64 = 3;

/// Clients that watch what they change.
pub(super) struct Watched {
    keys: u32,
    memory: Memory,
    watchers: BTreeMap<u32, Watcher>,
}

/// The watches of one client, as far as it knows.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    open: Vec<WatchId>,
    /// How many it has begun, or tried to. No number comes twice.
    begun: WatchId,
}

impl Watcher {
    /// Begins another watch.
    pub(super) fn begin(&mut self, keys: Keys, start_revision: Revision, dice: &Dice<'_>) -> Ask {
        self.begun += 1;
        let flags = dice.below(Purpose::Length, 8);
        Ask::Watch(Watch {
            watch: self.begun,
            keys,
            start_revision,
            prev_kv: flags & 1 == 0,
            progress_notify: flags & 2 == 0,
            fragment: flags & 4 == 0,
        })
    }

    /// One of its watches, if it has any.
    pub(super) fn one(&self, dice: &Dice<'_>) -> Option<WatchId> {
        let lot = dice.below(Purpose::Detail, self.open.len() as u64);
        self.open.get(lot as usize).copied()
    }

    /// Whether it has so many that another would be too much.
    pub(super) fn has_enough(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }

    /// What it did ended so.
    pub(super) fn ended(&mut self, asked: &Asked, ended: &Ended) {
        if let Asked::Ask(request) = asked {
            match (&request.ask, &ended.result) {
                (Ask::Watch(watch), Ok(Done::Watch { .. })) => self.open.push(watch.watch),
                (Ask::CancelWatch { watch }, Ok(_) | Err(Error::WatchNotFound)) => {
                    self.open.retain(|open| open != watch);
                }
                _ => {}
            }
        }
        for event in &ended.events {
            if let Event::Compacted { watch, .. } = event {
                self.open.retain(|open| open != watch);
            }
        }
    }
}

impl Watched {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            memory: Memory::default(),
            watchers: BTreeMap::new(),
        }
    }

    /// From where a watch is to tell.
    fn start(&self, dice: &Dice<'_>) -> Revision {
        let newest = self.memory.newest(dice.client);
        let far = dice.below(Purpose::Other, 12);
        match dice.below(Purpose::Detail, 20) {
            0..10 => 0,
            10..17 => newest.saturating_sub(far).max(1),
            _ => newest + 1 + far,
        }
    }

    /// Several changes at one revision.
    fn several(&self, dice: &Dice<'_>, key: String) -> Asked {
        let lot = dice.below(Purpose::Other, 1 << BELOW);
        let mut parts = vec![TxnOp::Put(put(key.clone(), dice.value(0)))];
        for below in 0..BELOW {
            let name = below_key(&key, below);
            parts.push(match lot >> below & 1 {
                0 => TxnOp::Put(put(name, dice.value(below as usize + 1))),
                _ => TxnOp::DeleteRange(DeleteRange {
                    keys: Keys::one(name),
                    prev_kv: false,
                }),
            });
        }
        txn(Vec::new(), parts, Vec::new())
    }
}

fn below_key(key: &str, below: u64) -> String {
    format!("{key}/{}", ["a", "b", "c"][below as usize % 3])
}

impl Recipe for Watched {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let key = format!("{ROOT}/k{}", dice.key());
        let below = below_key(&key, dice.below(Purpose::Other, BELOW));
        let all_below = Keys::prefix(&format!("{key}/"));
        let start_revision = self.start(dice);
        let watcher = self.watchers.entry(dice.client).or_default();
        match (dice.below(Purpose::Function, 100), watcher.one(dice)) {
            (0..14, one) => {
                let keys = match dice.below(Purpose::Other, 8) {
                    0..3 => Keys::one(key),
                    3 => Keys::one(below),
                    4..6 => all_below,
                    6 => Keys::from(key),
                    _ => Keys::prefix(&format!("{ROOT}/")),
                };
                match one.filter(|_| watcher.has_enough()) {
                    None => Asked::ask(watcher.begin(keys, start_revision, dice)),
                    Some(watch) => Asked::ask(Ask::CancelWatch { watch }),
                }
            }
            (14..17, Some(watch)) => Asked::ask(Ask::CancelWatch { watch }),
            (17..23, Some(watch)) => Asked::ask(Ask::Progress { watch }),
            (23..25, _) => Asked::Rest {
                ms: dice.rest_ms(40),
            },
            (25..43, _) => write(Op::Put(put(key, dice.value(0)))),
            (43..55, _) => write(Op::Put(put(below, dice.value(0)))),
            (55..60, _) => delete(Keys::one(key), false),
            (60..66, _) => delete(Keys::one(below), false),
            (66..70, _) => delete(all_below, true),
            (70..84, _) => self.several(dice, key),
            (84..92, _) => get(Keys::prefix(&key)),
            _ => local_get(Keys::one(key)),
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        self.memory.ended(client, asked, ended);
        let watcher = self.watchers.entry(client).or_default();
        watcher.ended(asked, ended);
    }

    fn finals(&self) -> Vec<Asked> {
        let keys = numbered(ROOT, self.keys);
        let reads = keys.flat_map(|key| {
            let below = Keys::prefix(&format!("{key}/"));
            [get(Keys::one(key)), get(below)]
        });
        reads.collect()
    }
}
