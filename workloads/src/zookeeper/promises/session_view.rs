//! What a session is shown never goes back.
//!
//! > Single System Image: A client will see the same view of the service regardless of the server that it connects to. i.e., a client will never see an
//! > older view of the system even if the client fails over to a different server with the same session.
//! >
//! > *ZooKeeper Programmer's Guide*, Consistency Guarantees
//!
//! A read or a sync shows its server's state: that is no older than anything the session was told before the operation was called, and no older than the
//! events that came with the answer. A write shows its own zxid, which is newer than anything the session was told before; the answer to a write
//! that was asked again may be older than the events that came with it.

use super::ground::Ground;
use super::story::{Deed, Story};
use super::{Breach, Promise};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{SessionId, ZxidNumber};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "session-view",
    quote: "\"a client will never see an older view of the system even if the client fails over to a different server with the same session\" (ZooKeeper Programmer's Guide, Consistency Guarantees)",
    judge,
};

/// The answers of each session, in the order in which they came.
pub fn by_session(story: &Story) -> BTreeMap<SessionId, Vec<(&Deed, &Ended)>> {
    let mut sessions: BTreeMap<SessionId, Vec<(&Deed, &Ended)>> = BTreeMap::new();
    for deed in &story.deeds {
        if let (Some(session), Some(ended)) = (deed.session(), &deed.ended) {
            sessions.entry(session).or_default().push((deed, ended));
        }
    }
    for answers in sessions.values_mut() {
        answers.sort_by_key(|(deed, _)| deed.answer);
    }
    sessions
}

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    for (session, answers) in by_session(story) {
        one_view(session, &answers)?;
    }
    Ok(())
}

fn one_view(session: SessionId, answers: &[(&Deed, &Ended)]) -> Result<(), Breach> {
    let mut calls: Vec<_> = answers.to_vec();
    calls.sort_by_key(|(deed, _)| deed.call);
    let mut told = session.0;
    let mut by = None;
    let mut next = 0;
    for (deed, ended) in calls {
        while let Some((earlier, answer)) = answers.get(next)
            && earlier.answer < deed.call
        {
            // Events with a session's first answer may have come in the session before it.
            let events = own_events(answer, next == 0);
            let newest = events.fold(answer.zxid, ZxidNumber::max);
            if newest > told {
                (told, by) = (newest, Some(earlier.id));
            }
            next += 1;
        }
        let is_first = answers[0].0.id == deed.id;
        let (low, why) = match deed.asked {
            Asked::Write(_) => (told + 1, by),
            _ => {
                let with_it = own_events(ended, is_first).max().unwrap_or(0);
                match with_it > told {
                    true => (with_it, Some(deed.id)),
                    false => (told, by),
                }
            }
        };
        if ended.zxid < low {
            let shown = match deed.asked {
                Asked::Write(_) => "wrote at",
                _ => "was shown",
            };
            return Err(Breach {
                culprits: why.into_iter().chain([deed.id]).collect(),
                explanation: format!(
                    "Session {session} had been told of zxid {}, and {shown} zxid {}.",
                    match deed.asked {
                        Asked::Write(_) => told,
                        _ => low,
                    },
                    ended.zxid
                ),
            });
        }
    }
    Ok(())
}

fn own_events(ended: &Ended, is_first: bool) -> impl Iterator<Item = ZxidNumber> + '_ {
    let events = ended.events.iter().filter(move |_| !is_first);
    events.map(|fired| fired.zxid)
}
