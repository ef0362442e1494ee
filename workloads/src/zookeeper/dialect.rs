//! How a history shows what was asked of a ZooKeeper-style service, and what came of it.
//!
//! A call's value is an [`Asked`] as JSON, an answer's an [`Ended`]. An error of the service is an answer, too: it says how the tree was at
//! a zxid.

use crate::client::session::Call;
pub use crate::resource::Stored;
use crate::workload::Operation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stormglass_impls::zookeeper::words::{
    Change, Done, Error, Op, Read, Request, SessionId, What, ZxidNumber,
};

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Reads one node, at the server that it is connected to.
    Read(Read),
    /// Changes something.
    Write(Op),
    /// Waits until its server is in step.
    Sync,
    /// Stands still, as in a long garbage collection.
    Rest {
        /// For how long, in milliseconds.
        ms: u64,
    },
    /// Writes to something outside the service that a lock is to protect: each key has one such resource.
    Store {
        /// How long it stands still before that, in milliseconds.
        ms: u64,
        /// Which resource: the path of its lock.
        path: String,
        /// The zxid at which the node was made by which it holds the lock.
        token: ZxidNumber,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// For a write, its own zxid; otherwise the last that the server had delivered. After a rest, the newest that the client was told.
    pub zxid: ZxidNumber,
    /// In which session.
    pub session: SessionId,
    /// Which server answered.
    pub server: u8,
    /// What was done, or why not.
    pub result: Result<Done, Error>,
    /// The watches that fired since the client's operation before this one ended, in the order in which it heard of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Fired>,
    /// Of a store: what the resource did with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

/// A watch that fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// What happened.
    pub change: Change,
    /// To which node.
    pub path: String,
    /// At which zxid; of what happened before the connection began, the last that the server had delivered then.
    pub zxid: ZxidNumber,
}

/// What operations can do.
pub const FUNCTIONS: &[&str] = &[
    "exists", "get", "children", "get-acl", "create", "delete", "set", "set-acl", "check", "multi",
    "auth", "close", "sync", "rest", "store",
];

/// Which of these read and change nothing.
pub const READS: &[&str] = &["exists", "get", "children", "get-acl"];

impl Asked {
    /// What it does: one of [`FUNCTIONS`].
    pub fn function(&self) -> &'static str {
        match self {
            Asked::Read(read) => match read.what {
                What::Exists => "exists",
                What::Data => "get",
                What::Children => "children",
                What::Acl => "get-acl",
            },
            Asked::Write(op) => match op {
                Op::Create { .. } => "create",
                Op::Delete { .. } => "delete",
                Op::Set { .. } => "set",
                Op::SetAcl { .. } => "set-acl",
                Op::Check { .. } => "check",
                Op::Multi(_) => "multi",
                Op::AddAuth { .. } => "auth",
                Op::Close => "close",
            },
            Asked::Sync => "sync",
            Asked::Rest { .. } => "rest",
            Asked::Store { .. } => "store",
        }
    }

    /// The node that it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Asked::Read(read) => Some(&read.path),
            Asked::Write(op) => path_of(op),
            Asked::Store { path, .. } => Some(path),
            Asked::Sync | Asked::Rest { .. } => None,
        }
    }

    /// It as an operation of a history.
    pub fn operation(&self) -> Operation {
        Operation {
            f: self.function(),
            key: self.path().map(str::to_owned),
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
            Asked::Read(read) => Call::Ask(Request::Read(read.clone())),
            Asked::Write(op) => Call::Ask(Request::Write(op.clone())),
            Asked::Sync => Call::Ask(Request::Sync),
            Asked::Rest { ms } | Asked::Store { ms, .. } => Call::Rest { ms: *ms },
        }
    }

    /// Whether it goes through the log.
    pub fn is_write(&self) -> bool {
        matches!(self, Asked::Write(_))
    }
}

/// The node that a change is about; a multi, a login and a close are about none.
pub fn path_of(op: &Op) -> Option<&str> {
    match op {
        Op::Create { path, .. }
        | Op::Delete { path, .. }
        | Op::Set { path, .. }
        | Op::SetAcl { path, .. }
        | Op::Check { path, .. } => Some(path),
        Op::Multi(_) | Op::AddAuth { .. } | Op::Close => None,
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
