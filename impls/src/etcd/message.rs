//! What members say to each other: the messages of the log, and those by which a member serves its clients. Any of them may be lost, repeated and
//! overtaken: whoever waits for an answer in vain asks again, and what is asked twice is done once.

use super::words::{Command, Done, Error, Identity, LeaseId};
use crate::contract::{ClientId, Refusal, RequestId};
use crate::raft::message::{self as raft, Index};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// A message. One of another cluster is not heard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Of which cluster.
    pub cluster: u64,
    /// What it says.
    pub body: Body,
}

/// The kinds of message. Those to the leader name the client for which they ask.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Body {
    /// Of the log.
    Raft(raft::Message<Command>),
    /// To the leader: put this into the log.
    Propose {
        /// Under which client.
        client: ClientId,
        /// Which of its requests.
        request_id: RequestId,
        /// What.
        command: Command,
    },
    /// To the leader: how far is the log committed?
    ReadIndex {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
    },
    /// From the leader: so far it was, when it was asked.
    ReadIndexed {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
        /// How far.
        index: Index,
    },
    /// To the leader, who knows how much time leases have.
    Lease {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
        /// As whom.
        as_user: Option<Identity>,
        /// Which.
        lease: LeaseId,
        /// Whether to keep it alive; otherwise only to tell how it is.
        keep_alive: bool,
    },
    /// From the leader: this is how it is.
    LeaseIs {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
        /// How it is, or why nobody can say.
        result: Result<Done, Error>,
    },
    /// From a member that was taken for the leader: it did not do it.
    Refused {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
        /// Why.
        refusal: Refusal,
    },
}

/// The kinds of message, as [`Message::kind`] names them: those of the log first.
pub const KINDS: &[&str] = &{
    const OWN: [&str; 6] = [
        "propose",
        "read-index",
        "read-indexed",
        "lease",
        "lease-is",
        "refused",
    ];
    let mut all = [""; raft::KINDS.len() + OWN.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at < raft::KINDS.len() {
            true => raft::KINDS[at],
            false => OWN[at - raft::KINDS.len()],
        };
        at += 1;
    }
    all
};

impl Message {
    /// Which of the [`KINDS`] it is.
    pub fn kind(&self) -> &'static str {
        match &self.body {
            Body::Raft(message) => message.kind(),
            Body::Propose { .. } => "propose",
            Body::ReadIndex { .. } => "read-index",
            Body::ReadIndexed { .. } => "read-indexed",
            Body::Lease { .. } => "lease",
            Body::LeaseIs { .. } => "lease-is",
            Body::Refused { .. } => "refused",
        }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Raft(message) => message.fmt(f),
            Body::Propose {
                client,
                request_id,
                command,
            } => write!(f, "Propose {client}{request_id} {command:?}"),
            Body::ReadIndex { client, request_id } => write!(f, "ReadIndex {client}{request_id}"),
            Body::ReadIndexed {
                client,
                request_id,
                index,
            } => write!(f, "ReadIndexed {client}{request_id} at {index}"),
            Body::Lease {
                client,
                request_id,
                lease,
                keep_alive,
                ..
            } => {
                let what = if *keep_alive { "keep alive" } else { "tell of" };
                write!(f, "Lease {client}{request_id} {what} {lease}")
            }
            Body::LeaseIs {
                client,
                request_id,
                result,
            } => match result {
                Ok(done) => write!(f, "LeaseIs {client}{request_id} {done:?}"),
                Err(error) => write!(f, "LeaseIs {client}{request_id} {error:?}"),
            },
            Body::Refused {
                client,
                request_id,
                refusal,
            } => write!(f, "Refused {client}{request_id} {}", refusal.claim().name),
        }
    }
}

/// Under which client a leader ends leases and says how much time they have.
pub const LESSOR: ClientId = ClientId(u32::MAX);

/// Under which client the time of a lease is given back that a client keeps alive: it is numbered apart from the client's own commands.
pub fn keeper(client: ClientId) -> ClientId {
    ClientId(client.0 | 1 << 31)
}

/// The client of a [`keeper`]; nothing for a client that is none.
pub fn kept_for(client: ClientId) -> Option<ClientId> {
    let is_keeper = client != LESSOR && client.0 >> 31 == 1;
    is_keeper.then_some(ClientId(client.0 & !(1 << 31)))
}

/// What a member waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// Of the log.
    Raft(raft::Timer),
    /// Time to look after leases, slow watches and the backend.
    Tick,
}

impl Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timer::Raft(timer) => timer.fmt(f),
            Timer::Tick => f.write_str("tick"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_the_log_come_first_and_none_comes_twice() {
        assert_eq!(&KINDS[..raft::KINDS.len()], raft::KINDS);
        let once: std::collections::BTreeSet<_> = KINDS.iter().collect();
        assert_eq!(once.len(), KINDS.len());
    }

    #[test]
    fn keepers_are_told_from_clients() {
        let client = ClientId(7);
        assert_eq!(kept_for(keeper(client)), Some(client));
        assert_eq!(kept_for(client), None);
        assert_eq!(kept_for(LESSOR), None);
    }
}
