//! What goes over a connection, besides the messages of a protocol.

use crate::contract::{Answer, ClientId, NodeId, RequestId, Session};
use serde::{Deserialize, Serialize};

/// What the two ends of a connection say about the connection itself. No gate is asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Greeting {
    /// The first word of who was called: the number of this connection, above all that it gave before.
    Welcome {
        /// The number.
        connection: u64,
    },
    /// The first word of the caller. Its number proves that the caller was there when the connection was taken: whoever gave it up before greets
    /// no more, so the greatest number is the newest connection, however late a greeting is.
    Hello {
        /// The number it was welcomed with.
        connection: u64,
        /// Who it is.
        caller: Party,
    },
    /// A node to a node that it called: it also holds a connection from there.
    Paired {
        /// The number that the sender welcomed it with.
        taken: u64,
    },
}

/// A frame between a client and a node. Bodies are words of the system in their wire form, so that one client serves all systems.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClientFrame {
    /// Client to node: a request.
    Call {
        /// In which session.
        session: Session,
        /// Which request of the client.
        request_id: RequestId,
        /// The system's request.
        body: Vec<u8>,
    },
    /// Node to client: the answer to a request.
    Answer {
        /// Which request of the client.
        request_id: RequestId,
        /// The system's reply, or a refusal.
        answer: Answer<Vec<u8>>,
    },
    /// Node to client: something it did not just ask.
    Event(Vec<u8>),
}

impl ClientFrame {
    /// Reads one. An error when the bytes are none.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        postcard::from_bytes(payload).map_err(|error| error.to_string())
    }
}

/// Either end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Party {
    /// A node of the cluster.
    Node(NodeId),
    /// A client of it.
    Client(ClientId),
}
