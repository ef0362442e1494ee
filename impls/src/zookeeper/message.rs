//! What servers say to each other: the broadcast's messages, and those by which a follower serves its clients.
//!
//! All of them travel on the links of the broadcast and belong to its conversations: when a link breaks, follower and leader part, and the follower's
//! clients go elsewhere. So none is ever sent again.

use super::words::{Command, SessionId, ZxidNumber};
use crate::contract::{ClientId, RequestId};
use crate::zab::message as zab;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// The messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Of the broadcast.
    Zab(zab::Message<Command>),
    /// To the leader: a client's change, to be proposed.
    Forward {
        /// Under which client it goes into the log.
        client: ClientId,
        /// Which of that client's requests.
        request_id: RequestId,
        /// What to propose. The leader adds the time.
        command: Command,
    },
    /// From the leader: it takes no more now.
    Overloaded {
        /// Whose change.
        client: ClientId,
        /// Which.
        request_id: RequestId,
        /// When to ask again, in milliseconds.
        retry_after_ms: u64,
    },
    /// To the leader: the clients of these sessions have given a sign of life.
    Alive {
        /// Which.
        sessions: Vec<SessionId>,
    },
    /// To the leader: does a session go on? A sign of life, if it does.
    Revalidate {
        /// Whose.
        client: ClientId,
        /// By which request of its client.
        request_id: RequestId,
        /// Which.
        session: SessionId,
    },
    /// From the leader: whether it does.
    Revalidated {
        /// Whose.
        client: ClientId,
        /// By which request of its client.
        request_id: RequestId,
        /// How long it lives without a sign of its client, in milliseconds; nothing when it has ended.
        timeout_ms: Option<u64>,
    },
    /// To the leader: what is committed?
    Sync {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
    },
    /// From the leader: everything up to here was, when it was asked.
    Synced {
        /// Who waits for it.
        client: ClientId,
        /// In which request.
        request_id: RequestId,
        /// Up to where.
        zxid: ZxidNumber,
    },
}

/// The kinds of message, as [`Message::kind`] names them: those of the broadcast first.
pub const KINDS: &[&str] = &[
    "notification",
    "follower-info",
    "leader-info",
    "ack-epoch",
    "diff",
    "trunc",
    "snap",
    "propose",
    "new-leader",
    "ack-new-leader",
    "up-to-date",
    "ack",
    "commit",
    "ping",
    "pong",
    "forward",
    "overloaded",
    "alive",
    "revalidate",
    "revalidated",
    "sync",
    "synced",
];

impl Message {
    /// Which of the [`KINDS`] it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Message::Zab(message) => message.kind(),
            Message::Forward { .. } => "forward",
            Message::Overloaded { .. } => "overloaded",
            Message::Alive { .. } => "alive",
            Message::Revalidate { .. } => "revalidate",
            Message::Revalidated { .. } => "revalidated",
            Message::Sync { .. } => "sync",
            Message::Synced { .. } => "synced",
        }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Zab(message) => message.fmt(f),
            Message::Forward {
                client, request_id, ..
            } => write!(f, "Forward {}", Asked(*client, *request_id)),
            Message::Overloaded {
                client,
                request_id,
                retry_after_ms,
            } => {
                let asked = Asked(*client, *request_id);
                write!(f, "Overloaded {asked}: again after {retry_after_ms} ms")
            }
            Message::Alive { sessions } => write!(f, "Alive {sessions:?}"),
            Message::Revalidate {
                client, session, ..
            } => write!(f, "Revalidate {client} {session}"),
            Message::Revalidated {
                client, timeout_ms, ..
            } => match timeout_ms {
                Some(timeout_ms) => write!(f, "Revalidated {client} for {timeout_ms} ms"),
                None => write!(f, "Revalidated {client} not"),
            },
            Message::Sync { client, request_id } => {
                write!(f, "Sync {}", Asked(*client, *request_id))
            }
            Message::Synced {
                client,
                request_id,
                zxid,
            } => {
                let (epoch, counter) = (zxid >> 32, zxid & 0xffff_ffff);
                let asked = Asked(*client, *request_id);
                write!(f, "Synced {asked} up to {epoch}:{counter}")
            }
        }
    }
}

/// A client's own requests, as the opening of a session, are numbered apart, from here on.
pub const OWN_REQUESTS: u64 = 1 << 63;

/// Under which client the opening of a client's session goes into the log: it is numbered apart.
pub fn opener(client: ClientId) -> ClientId {
    ClientId(client.0 | 1 << 31)
}

/// Under which client a leader ends sessions.
pub const EXPIRER: ClientId = ClientId(u32::MAX);

/// `c1#2`, or `c1+2` where the client's own requests are meant.
struct Asked(ClientId, RequestId);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = ClientId(self.0.0 & !(1 << 31));
        match self.1.0.checked_sub(OWN_REQUESTS) {
            Some(number) => write!(f, "{client}+{number}"),
            None => write!(f, "{client}{}", self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcasts_kinds_come_first() {
        assert_eq!(&KINDS[..zab::KINDS.len()], zab::KINDS);
    }
}
