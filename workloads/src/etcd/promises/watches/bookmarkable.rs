//! Who is told of progress up to a revision was told of everything up to there.
//!
//! > Progress notification events guarantee that all events up to a revision have been already delivered.
//! >
//! > *etcd API guarantees*, Watch APIs, Bookmarkable
//!
//! Counterexample: a watch tells of progress up to revision 9, and then of revision 8.

use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::{Breach, Promise};
use stormglass_impls::etcd::words::Event;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watch-bookmarkable",
    quote: "\"Progress notification events guarantee that all events up to a revision have been already delivered\" (etcd API guarantees, Watch APIs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    for telling in &ground.watches().tellings {
        let keys = &telling.asked.keys;
        let mut mark = (0, telling.begun);
        for (by, event) in &telling.told {
            match event {
                Event::Progress { revision, .. } => mark = mark.max((*revision, *by)),
                Event::Changes { changes, .. } => {
                    let late = changes
                        .iter()
                        .find(|change| change.kv.mod_revision <= mark.0);
                    if let Some(late) = late {
                        let said = format!(
                            "A watch of {keys} told of progress up to revision {}, and afterwards what became of {} at revision {}.",
                            mark.0, late.kv.key, late.kv.mod_revision
                        );
                        return Breach::of([telling.begun, mark.1, *by], said);
                    }
                }
                Event::Compacted { .. } => {}
            }
        }
        let last = telling.changes().last();
        let last = last.map_or(0, |(_, change)| change.kv.mod_revision);
        let mut missing = telling.missing.iter();
        if let Some(missing) =
            missing.find(|missing| missing.revision > last && missing.revision <= mark.0)
        {
            let said = format!(
                "A watch of {keys} told of progress up to revision {}, and never what became of {} at revision {}.",
                mark.0, missing.key, missing.revision
            );
            return Breach::of([telling.begun, mark.1, missing.by], said);
        }
    }
    Ok(())
}
