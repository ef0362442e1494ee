//! Writes are done one after the other, in the order of their zxids, and that order is the order in time.
//!
//! > Linearizable writes: all requests that update the state of ZooKeeper are serializable and respect precedence.
//! >
//! > Hunt and others, *ZooKeeper: Wait-free coordination for Internet-scale systems* (USENIX ATC 2010), 2.3
//!
//! A zxid belongs to one write, or to the opening of one session. Whatever anybody was answered had been committed by then, so a write that was called
//! later has a later zxid.

use super::facts::Ledger;
use super::ground::Ground;
use super::story::Story;
use super::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::ZxidNumber;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "write-order",
    quote: "\"all requests that update the state of ZooKeeper are serializable and respect precedence\" (Hunt and others 2010, 2.3)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let ledger = &ground.facts().ledger;
    one_write_for_a_zxid(story, ledger)?;
    for (zxid, by) in ledger.writes() {
        let (floor, told) = ledger.floor(*by);
        if *zxid <= floor {
            return Err(Breach {
                culprits: vec![told, *by],
                explanation: format!(
                    "A write has zxid {zxid}, and zxid {floor} had been answered before it was called."
                ),
            });
        }
    }
    Ok(())
}

fn one_write_for_a_zxid(story: &Story, ledger: &Ledger) -> Result<(), Breach> {
    for pair in ledger.writes().windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(Breach {
                culprits: vec![pair[0].1, pair[1].1],
                explanation: format!("Two writes have zxid {}.", pair[0].0),
            });
        }
    }
    let mut sessions: BTreeMap<ZxidNumber, usize> = BTreeMap::new();
    for deed in &story.deeds {
        if let Some(session) = deed.session() {
            sessions.entry(session.0).or_insert(deed.id);
        }
    }
    for (zxid, told) in sessions {
        if let Some(by) = ledger.owner(zxid) {
            return Err(Breach {
                culprits: vec![told, by],
                explanation: format!(
                    "A session was opened at zxid {zxid}, and a write has it, too."
                ),
            });
        }
    }
    Ok(())
}
