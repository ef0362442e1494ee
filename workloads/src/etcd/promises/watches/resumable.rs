//! A watch tells of everything from the revision at which it starts, and of nothing else.
//!
//! > A broken watch can be resumed by establishing a new watch starting after the last revision received in a watch event before the break, so long as
//! > the revision is in the history window.
//! >
//! > *etcd API guarantees*, Watch APIs, Resumable
//!
//! It starts at the revision that was asked for, or at the next after the one with which it is answered.
//!
//! It tells of no progress before that either: whoever went on from there would be told again of what was told.
//!
//! Counterexample: a watch starts at revision 5, and the first that it tells of is revision 7, though its key was set at 6.

use super::Telling;
use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::{Breach, Promise};
use stormglass_impls::etcd::words::Event;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watch-resumable",
    quote: "\"A broken watch can be resumed by establishing a new watch starting after the last revision received in a watch event before the break\" \
            (etcd API guarantees, Watch APIs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    for telling in &ground.watches().tellings {
        let begun = &ground.story.deeds[telling.begun];
        let start = match telling.asked.start_revision {
            0 => begun.revision().map_or(0, |revision| revision + 1),
            asked => asked,
        };
        if start != telling.start {
            let said = format!(
                "A watch of {} that was to start at revision {start} starts at revision {}.",
                telling.asked.keys, telling.start
            );
            return Breach::of([telling.begun], said);
        }
        from_its_start(telling)?;
        never_back(telling)?;
    }
    Ok(())
}

/// It cannot be further back than where it was to start, or than it has told.
fn never_back(telling: &Telling<'_>) -> Result<(), Breach> {
    let mut reached = (telling.start.saturating_sub(1), telling.begun);
    for (by, event) in &telling.told {
        match event {
            Event::Progress { revision, .. } if *revision < reached.0 => {
                let said = format!(
                    "A watch of {} from revision {} on, which was at revision {}, told of progress up to revision {revision}.",
                    telling.asked.keys, telling.start, reached.0
                );
                return Breach::of([telling.begun, reached.1, *by], said);
            }
            Event::Progress { revision, .. } => reached = (*revision, *by),
            Event::Changes { changes, .. } => {
                let last = changes.last().map_or(0, |change| change.kv.mod_revision);
                reached = reached.max((last, *by));
            }
            Event::Compacted { .. } => {}
        }
    }
    Ok(())
}

fn from_its_start(telling: &Telling<'_>) -> Result<(), Breach> {
    let keys = &telling.asked.keys;
    for (by, change) in telling.changes() {
        let (key, at) = (&change.kv.key, change.kv.mod_revision);
        if at < telling.start || !keys.hold(key) {
            let said = format!(
                "A watch of {keys} from revision {} on told what became of {key} at revision {at}.",
                telling.start
            );
            return Breach::of([telling.begun, by], said);
        }
    }
    let mut told = telling.changes();
    let first = told.next();
    let first = first.map(|(by, change)| (by, change.kv.mod_revision));
    if let (Some((by, at)), Some(missing)) = (first, telling.missing.first())
        && missing.revision < at
    {
        let said = format!(
            "A watch of {keys} from revision {} on told first of revision {at}, and not of what became of {} at revision {}.",
            telling.start, missing.key, missing.revision
        );
        return Breach::of([telling.begun, by, missing.by], said);
    }
    Ok(())
}
