//! What goes over a connection, besides the messages of a protocol.

use crate::contract::{Answer, ClientId, NodeId, RequestId, Session};
use serde::{Deserialize, Serialize};

/// The first frame of every connection: who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hello {
    /// A node, which will send messages of the protocol and expects nothing back.
    Peer(NodeId),
    /// A client, which will send calls and expects answers.
    Client(ClientId),
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

/// Either end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Party {
    /// A node of the cluster.
    Node(NodeId),
    /// A client of it.
    Client(ClientId),
}
