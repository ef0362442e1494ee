//! The events of one revision come together, and all of them.
//!
//! > a list of events is guaranteed to encompass complete revisions. Updates in the same revision over multiple keys will not be split over several lists
//! > of events.
//! >
//! > *etcd API guarantees*, Watch APIs, Atomic
//!
//! Fragments are put together before anybody counts.
//!
//! Counterexample: a transaction sets `a` and `b`, and a watch of both tells of `a` alone.

use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::{Breach, Promise};
use stormglass_impls::etcd::words::Event;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watch-atomic",
    quote: "\"a list of events is guaranteed to encompass complete revisions. Updates in the same revision over multiple keys will not be split over \
            several lists of events\" (etcd API guarantees, Watch APIs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    for telling in &ground.watches().tellings {
        let mut last = None;
        for (by, event) in &telling.told {
            let Event::Changes {
                changes, fragment, ..
            } = event
            else {
                continue;
            };
            let ends = changes.first().zip(changes.last());
            let Some((first, end)) = ends else { continue };
            if let Some((revision, before, false)) = last
                && first.kv.mod_revision == revision
            {
                let said = format!(
                    "A watch of {} told of revision {revision} in two lists.",
                    telling.asked.keys
                );
                return Breach::of([telling.begun, before, *by], said);
            }
            last = Some((end.kv.mod_revision, *by, *fragment));
        }
        for missing in &telling.missing {
            let mut told = telling.changes();
            let with = told.find(|(_, change)| change.kv.mod_revision == missing.revision);
            if let Some((by, change)) = with {
                let said = format!(
                    "A watch of {} told what became of {} at revision {}, and not what became of {}.",
                    telling.asked.keys, change.kv.key, missing.revision, missing.key
                );
                return Breach::of([telling.begun, by, missing.by], said);
            }
        }
    }
    Ok(())
}
