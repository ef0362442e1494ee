//! Events come in the order of revisions.
//!
//! > events are ordered by revision; an event will never appear on a watch if it precedes an event in time that has already been posted
//! >
//! > *etcd API guarantees*, Watch APIs, Ordered
//!
//! And none comes before it happened: the member that tells it is at its revision at least.
//!
//! Counterexample: a watch tells of revision 7, and then of revision 6.

use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::{Breach, Promise};
use stormglass_impls::etcd::words::Event;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watch-ordered",
    quote: "\"events are ordered by revision; an event will never appear on a watch if it precedes an event in time that has already been posted\" \
            (etcd API guarantees, Watch APIs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    for telling in &ground.watches().tellings {
        let (mut newest, mut newest_by) = (0, telling.begun);
        for (by, change) in telling.changes() {
            let at = change.kv.mod_revision;
            if at < newest {
                let said = format!(
                    "A watch of {} told of revision {at} after it had told of revision {newest}.",
                    telling.asked.keys
                );
                return Breach::of([telling.begun, newest_by, by], said);
            }
            (newest, newest_by) = (at, by);
        }
        for (by, event) in &telling.told {
            if let Event::Changes {
                changes, revision, ..
            } = event
                && let Some(early) = changes.iter().find(|told| told.kv.mod_revision > *revision)
            {
                let said = format!(
                    "A watch of {} told of revision {} by a member that was at revision {revision}.",
                    telling.asked.keys, early.kv.mod_revision
                );
                return Breach::of([telling.begun, *by], said);
            }
        }
    }
    Ok(())
}
