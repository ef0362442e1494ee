//! The client of a cluster in which any member answers, and watches tell of changes as they come.

use serde::{Deserialize, Serialize};
use stormglass_impls::contract::NodeId;
use stormglass_impls::etcd::words::{Event, Reply, Request};

/// What a client is to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Call {
    /// Ask a member this.
    Ask(Request),
    /// Stand still, as in a long garbage collection. What comes meanwhile is taken in afterwards.
    Rest {
        /// For how long, in milliseconds.
        ms: u64,
    },
}

/// What came of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Returned {
    /// What the member said. After a rest, nothing.
    pub reply: Option<Reply>,
    /// Which member.
    pub server: NodeId,
    /// What the client's watches told since the operation before this one ended, in the order in which it heard of it. Fragments are put together.
    pub events: Vec<Event>,
}
