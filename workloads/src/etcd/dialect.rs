//! How a history shows what was asked of an etcd-style service, and what came of it.
//!
//! A call's value is an [`Asked`] as JSON, an answer's an [`Ended`]. An error of the service is an answer, too: it says something of the store at a
//! revision.

use crate::client::member::Call;
pub use crate::resource::Stored;
use crate::workload::Operation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stormglass_impls::etcd::words::{
    Ask, Done, Error, Event, Identity, Op, Request, Revision, TxnOp,
};

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Asks the member that it talks to.
    Ask(Request),
    /// Stands still, as in a long garbage collection.
    Rest {
        /// For how long, in milliseconds.
        ms: u64,
    },
    /// Writes to something outside the service that a lock is to protect: each lock has one such resource.
    Store {
        /// How long it stands still before that, in milliseconds.
        ms: u64,
        /// Which resource: the prefix of the keys of its lock.
        lock: String,
        /// The create revision of the key by which it holds the lock.
        token: Revision,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// For a write, the store's revision right after it; otherwise the store's revision at the member that answered, as it did. After a rest, 0.
    pub revision: Revision,
    /// In which term.
    pub term: u64,
    /// Which member answered.
    pub server: u8,
    /// What was done, or why not.
    pub result: Result<Done, Error>,
    /// What the client's watches told since its operation before this one ended, in the order in which it heard of it. Fragments are put together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Of a store: what the resource did with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

/// What operations can do.
pub const FUNCTIONS: &[&str] = &[
    "get",
    "local-get",
    "put",
    "delete",
    "txn",
    "compact",
    "grant",
    "revoke",
    "keep-alive",
    "time-to-live",
    "watch",
    "cancel-watch",
    "progress",
    "auth",
    "authenticate",
    "rest",
    "store",
];

/// Which of these read and change nothing.
pub const READS: &[&str] = &["get", "local-get", "time-to-live"];

impl Asked {
    /// To ask that, as nobody in particular.
    pub fn ask(ask: Ask) -> Self {
        Asked::Ask(Request { as_user: None, ask })
    }

    /// To ask that as somebody.
    pub fn ask_as(identity: Option<Identity>, ask: Ask) -> Self {
        let as_user = identity;
        Asked::Ask(Request { as_user, ask })
    }

    /// What it does: one of [`FUNCTIONS`].
    pub fn function(&self) -> &'static str {
        let request = match self {
            Asked::Ask(request) => request,
            Asked::Rest { .. } => return "rest",
            Asked::Store { .. } => return "store",
        };
        match &request.ask {
            Ask::Range(range) if range.serializable => "local-get",
            Ask::Range(_) => "get",
            Ask::Write(op) => match op {
                Op::Put(_) => "put",
                Op::DeleteRange(_) => "delete",
                Op::Txn(_) => "txn",
                Op::Compact { .. } => "compact",
                Op::Grant { .. } => "grant",
                Op::Revoke { .. } => "revoke",
                Op::Auth(_) => "auth",
            },
            Ask::Watch(_) => "watch",
            Ask::CancelWatch { .. } => "cancel-watch",
            Ask::Progress { .. } => "progress",
            Ask::KeepAlive { .. } => "keep-alive",
            Ask::TimeToLive { .. } => "time-to-live",
            Ask::Authenticate { .. } => "authenticate",
            // No workload asks for these.
            Ask::Snapshot | Ask::Manage(_) => "get",
        }
    }

    /// The key that it is about, the first of them, or the lock; a lease by its number.
    pub fn key(&self) -> Option<String> {
        let request = match self {
            Asked::Ask(request) => request,
            Asked::Rest { .. } => return None,
            Asked::Store { lock, .. } => return Some(lock.clone()),
        };
        match &request.ask {
            Ask::Range(range) => Some(range.keys.key.clone()),
            Ask::Watch(watch) => Some(watch.keys.key.clone()),
            Ask::KeepAlive { lease } | Ask::TimeToLive { lease } => Some(format!("lease {lease}")),
            Ask::Write(op) => match op {
                Op::Put(put) => Some(put.key.clone()),
                Op::DeleteRange(delete) => Some(delete.keys.key.clone()),
                Op::Txn(txn) => txn.success.first().map(|op| match op {
                    TxnOp::Range(range) => range.keys.key.clone(),
                    TxnOp::Put(put) => put.key.clone(),
                    TxnOp::DeleteRange(delete) => delete.keys.key.clone(),
                }),
                Op::Grant { lease, .. } | Op::Revoke { lease } => Some(format!("lease {lease}")),
                Op::Compact { .. } | Op::Auth(_) => None,
            },
            Ask::CancelWatch { .. }
            | Ask::Progress { .. }
            | Ask::Authenticate { .. }
            | Ask::Snapshot
            | Ask::Manage(_) => None,
        }
    }

    /// It as an operation of a history.
    pub fn operation(&self) -> Operation {
        Operation {
            f: self.function(),
            key: self.key(),
            value: serde_json::to_value(self).expect("words have text for keys"),
        }
    }

    /// What the value of a call says.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(value: &Value) -> Result<Self, String> {
        Self::deserialize(value).map_err(|error| format!("{value} asks nothing: {error}"))
    }

    /// It as a call of the client.
    pub fn call(&self) -> Call {
        match self {
            Asked::Ask(request) => Call::Ask(request.clone()),
            Asked::Rest { ms } | Asked::Store { ms, .. } => Call::Rest { ms: *ms },
        }
    }
}

impl Ended {
    /// What the value of an answer says.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(value: &Value) -> Result<Self, String> {
        Self::deserialize(value).map_err(|error| format!("{value} is no answer: {error}"))
    }

    /// It as the value of an answer.
    pub fn value(&self) -> Value {
        serde_json::to_value(self).expect("words have text for keys")
    }
}
