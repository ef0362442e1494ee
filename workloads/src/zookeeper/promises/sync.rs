//! After a sync a client is shown all that had been answered when it asked.
//!
//! > sync causes a server to apply all pending write requests before processing the read without the overhead of a full write.
//! >
//! > Hunt and others, *ZooKeeper: Wait-free coordination for Internet-scale systems* (USENIX ATC 2010), 2.3
//!
//! A write that had returned, to anybody, before the sync was called is not pending any more, nor is one that a read had shown. So the zxid that a sync
//! answers is no older than any that anybody had been answered before. That reads in the same session
//! after a sync, or after a write of its own, show at least as much follows from this and from [`session_view`](super::session_view).

use super::ground::Ground;
use super::{Breach, Promise};
use crate::zookeeper::dialect::Asked;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "sync",
    quote: "\"sync causes a server to apply all pending write requests before processing the read\" (Hunt and others 2010, 2.3)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let ledger = &ground.facts().ledger;
    for deed in &story.deeds {
        let Some(ended) = deed.ended.as_ref() else {
            continue;
        };
        let (floor, by) = ledger.floor(deed.id);
        if deed.asked == Asked::Sync && ended.result.is_ok() && ended.zxid < floor {
            return Err(Breach {
                culprits: vec![by, deed.id],
                explanation: format!(
                    "Zxid {floor} had been answered before a sync was called, and the sync was answered at zxid {}.",
                    ended.zxid
                ),
            });
        }
    }
    Ok(())
}
