//! No event comes twice.
//!
//! > an event will never appear on a watch twice
//! >
//! > *etcd API guarantees*, Watch APIs, Unique
//!
//! Counterexample: a watch is resumed at another member, and tells once more of what it had told last.

use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::{Breach, Promise};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watch-unique",
    quote: "\"an event will never appear on a watch twice\" (etcd API guarantees, Watch APIs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    for telling in &ground.watches().tellings {
        let told = telling.changes();
        let told = told.map(|(by, change)| (change.kv.mod_revision, change.kv.key.as_str(), by));
        let mut told: Vec<_> = told.collect();
        told.sort();
        let mut pairs = told.windows(2);
        if let Some(pair) = pairs.find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            let said = format!(
                "A watch of {} told twice of what became of {} at revision {}.",
                telling.asked.keys, pair[0].1, pair[0].0
            );
            return Breach::of([telling.begun, pair[0].2, pair[1].2], said);
        }
    }
    Ok(())
}
