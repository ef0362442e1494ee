//! The words of a trace that are the same for all protocols. What a protocol says itself stands in its own `Debug` form.

use crate::contract::{Answer, Fact, NodeId, Refusal};
use crate::parcel::Parcel;
use crate::zookeeper::message::{EXPIRER, OWN_REQUESTS};
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

/// A text in which a client's own requests are told from the others by their sign, `c1+2` and `c1#2`. In a log those are of a client
/// apart, and so are a leader's own: `expiry`.
pub(super) fn told_apart(text: &str) -> String {
    let (mut told, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['c', '#']) {
        let (before, word) = rest.split_at(at);
        let digits = word[1..].bytes().take_while(u8::is_ascii_digit).count();
        let (word, behind) = word.split_at(1 + digits);
        told += before;
        rest = behind;
        let number: u64 = word[1..].parse().unwrap_or(0);
        match word.starts_with('#') {
            true if number >= OWN_REQUESTS => {
                write!(told, "+{}", number - OWN_REQUESTS).expect("text can be written to");
            }
            false if number == u64::from(EXPIRER.0) => {
                // The lessor of the other service has the same number.
                told += "expiry";
                let number = |letter: char| letter == '#' || letter.is_ascii_digit();
                rest = rest.trim_start_matches(number);
            }
            false if number >> 31 == 1 => {
                write!(told, "c{}", number & !(1 << 31)).expect("text can be written to");
            }
            _ => told += word,
        }
    }
    told + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{ClientId, RequestId};
    use crate::zookeeper::message::opener;

    #[test]
    fn own_requests_are_told_from_others() {
        let own = RequestId(OWN_REQUESTS + 2);
        let (opener, client) = (opener(ClientId(1)), ClientId(1));
        let text = format!("[1:1={opener}{own} 1:2={client}#2 1:3={EXPIRER}#9] {client} {own} etc");
        assert_eq!(
            told_apart(&text),
            "[1:1=c1+2 1:2=c1#2 1:3=expiry] c1 +2 etc"
        );
    }
}
