//! Queues: producers put items at the end, consumers take the first.

use super::{Dice, Purpose, Recipe, delete, directories, made, ordinal, read, reads_of};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Done, Mode, What};

/// Where queues are.
const ROOT: &str = "/queues";

/// Clients that produce and consume.
pub(super) struct Queues {
    keys: u32,
    /// What a consumer is about to do next.
    next: BTreeMap<u32, Asked>,
}

impl Queues {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            next: BTreeMap::new(),
        }
    }
}

impl Recipe for Queues {
    fn roots(&self) -> Vec<Asked> {
        directories(ROOT, self.keys)
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        if let Some(next) = self.next.remove(&dice.client) {
            return next;
        }
        let queue = format!("{ROOT}/k{}", dice.key());
        match dice.percent(Purpose::Function, 25) {
            true => made(
                format!("{queue}/q-"),
                dice.data(),
                Mode::PersistentSequential,
            ),
            false => read(What::Children, queue),
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let (Some(path), Ok(done)) = (asked.path(), &ended.result) else {
            return;
        };
        let next = match done {
            Done::Children(names, _) => {
                let first = names.iter().min_by_key(|name| ordinal(name));
                first.map(|name| read(What::Data, format!("{path}/{name}")))
            }
            Done::Data(..) => Some(delete(path.to_string())),
            _ => None,
        };
        if let Some(next) = next {
            self.next.insert(client, next);
        }
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(ROOT, self.keys, What::Children)
    }
}
