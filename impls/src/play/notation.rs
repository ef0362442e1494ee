//! The words of a trace that are the same for all protocols. What a protocol says itself stands in its own `Debug` form.

use crate::contract::{Answer, Fact, NodeId, Refusal};
use crate::parcel::Parcel;
use std::fmt::Write;

/// `n1 leads @1` and the like.
pub(super) fn fact(node: NodeId, fact: Fact) -> String {
    match fact {
        Fact::Campaigned { epoch } => format!("{node} campaigns @{epoch}"),
        Fact::Voted { epoch, candidate } => format!("{node} votes for {candidate} @{epoch}"),
        Fact::BecameLeader { epoch } => format!("{node} leads @{epoch}"),
        Fact::SteppedDown { epoch } => format!("{node} steps down @{epoch}"),
        Fact::Truncated { from } => format!("{node} truncates from {from}"),
        Fact::MembersChanged { voters } => format!("{node} knows the voters {voters}"),
        Fact::SnapshotTaken { index } => format!("{node} has a snapshot up to {index}"),
        Fact::SnapshotInstalled { index } => format!("{node} installs a snapshot up to {index}"),
        Fact::HandedOver { to } => format!("{node} hands over to {to}"),
        Fact::ShouldNotHappen { branch } => {
            format!("{node} meets what should not happen: {branch}")
        }
    }
}

/// `Done(Stored)`, or why not.
pub(super) fn answer(answer: &Answer<Parcel>) -> String {
    match answer {
        Answer::Done(reply) => format!("Done({reply:?})"),
        Answer::Refused(Refusal::NotLeader {
            leader: Some(leader),
        }) => format!("Refused(not the leader: {leader} is)"),
        Answer::Refused(Refusal::NotLeader { leader: None }) => {
            "Refused(not the leader)".to_string()
        }
        Answer::Refused(Refusal::SessionOpened { session }) => {
            format!("Refused(session {session} was opened)")
        }
        Answer::Refused(Refusal::Overloaded { retry_after_ms }) => {
            format!("Refused(overloaded: again after {retry_after_ms} ms)")
        }
        Answer::Refused(refusal) => format!("Refused({})", refusal.claim().name),
    }
}

/// The words of a list with a space before each.
pub(super) fn words<T: std::fmt::Debug>(list: impl IntoIterator<Item = T>) -> String {
    list.into_iter().fold(String::new(), |mut text, word| {
        write!(text, " {word:?}").expect("text can be written to");
        text
    })
}
