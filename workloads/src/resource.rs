//! What stands outside a service and is to be protected by its locks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a resource did with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Whether it took it. A resource with fencing takes no token that is older than one it took.
    pub taken: bool,
    /// How many stores had reached the resource before.
    pub turn: u64,
}

/// The resources of a workload, one for each lock.
pub(crate) struct Resources {
    is_fenced: bool,
    /// By lock: how many stores it had, and the newest token that came with one.
    all: BTreeMap<String, (u64, u64)>,
}

impl Resources {
    /// Resources that compare tokens, or do not.
    pub(crate) fn new(is_fenced: bool) -> Self {
        Self {
            is_fenced,
            all: BTreeMap::new(),
        }
    }

    /// A store reaches what a lock protects.
    pub(crate) fn store(&mut self, lock: &str, token: u64) -> Stored {
        let (turn, newest) = self.all.entry(lock.to_string()).or_default();
        let stored = Stored {
            taken: !self.is_fenced || token >= *newest,
            turn: *turn,
        };
        *turn += 1;
        *newest = token.max(*newest);
        stored
    }
}
