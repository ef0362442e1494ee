//! What clients and members say to each other, and what goes into the log. The names are those of etcd's API, version 3.

mod answers;
mod notation;

pub use answers::*;

use crate::manage::Manage;
use serde::{Deserialize, Serialize};

/// A revision of the store. The empty store has 1; every change of keys makes the next.
pub type Revision = u64;

/// A lease. 0 is none.
pub type LeaseId = u64;

/// A watch, as its client numbers it.
pub type WatchId = u64;

/// The `range_end` that means: all keys from `key` on.
pub const TO_THE_END: &str = "\0";

/// What a client asks the member that it talks to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// As whom. Nobody in particular while rights are not looked at.
    #[serde(default)]
    pub as_user: Option<Identity>,
    /// What.
    pub ask: Ask,
}

/// Who somebody is: what a token says in etcd. It is worth nothing once rights have changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The name.
    pub user: String,
    /// How often rights had changed when the password was shown.
    pub auth_revision: u64,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Reads keys: as of now, or, if `serializable`, as this member has them.
    Range(Range),
    /// Changes something, through the log.
    Write(Op),
    /// Begins a watch at this member. One of the same number is over.
    Watch(Watch),
    /// Ends a watch.
    CancelWatch {
        /// Which.
        watch: WatchId,
    },
    /// Asks up to which revision a watch was told everything. The answer comes as a [`Event::Progress`], once the watch is in step.
    Progress {
        /// Which watch.
        watch: WatchId,
    },
    /// Keeps a lease alive: its time begins anew.
    KeepAlive {
        /// Which.
        lease: LeaseId,
    },
    /// Asks how much time a lease has left.
    TimeToLive {
        /// Which.
        lease: LeaseId,
    },
    /// Shows a password, and becomes somebody.
    Authenticate {
        /// Who.
        user: String,
        /// The password.
        password: String,
    },
    /// Asks for everything that this member has stored.
    Snapshot,
    /// Runs the cluster.
    Manage(Manage),
}

/// Which keys: one, or, with an end, all from the first up to the end without it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Keys {
    /// The key, or the first of them.
    pub key: String,
    /// The end; [`TO_THE_END`] for none.
    #[serde(default)]
    pub range_end: Option<String>,
}

impl Keys {
    /// One key.
    pub fn one(key: impl Into<String>) -> Self {
        let (key, range_end) = (key.into(), None);
        Self { key, range_end }
    }

    /// All keys that begin with this.
    pub fn prefix(prefix: &str) -> Self {
        let mut end = prefix.to_string();
        // The next text in order of all that begin so. Prefixes are plain text here, whose last letter has a successor.
        let next = end.pop().map(|last| char::from_u32(u32::from(last) + 1));
        match next.flatten() {
            Some(next) => end.push(next),
            None => end = TO_THE_END.to_string(),
        }
        Self {
            key: prefix.to_string(),
            range_end: Some(end),
        }
    }

    /// All keys from this on.
    pub fn from(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            range_end: Some(TO_THE_END.to_string()),
        }
    }

    /// Whether a key is one of them.
    pub fn hold(&self, key: &str) -> bool {
        match self.range_end.as_deref() {
            None => key == self.key,
            Some(TO_THE_END) => key >= self.key.as_str(),
            Some(end) => key >= self.key.as_str() && key < end,
        }
    }

    /// Whether all of those are among these.
    pub fn contain(&self, other: &Keys) -> bool {
        let ends = |keys: &Keys| keys.range_end.clone();
        match (ends(self), ends(other)) {
            (_, None) => self.hold(&other.key),
            (None, Some(_)) => false,
            (Some(own), Some(end)) => {
                let begins = self.key <= other.key;
                begins && (own == TO_THE_END || (end != TO_THE_END && end <= own))
            }
        }
    }
}

/// Reads keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Range {
    /// Which.
    pub keys: Keys,
    /// As they were at this revision; 0 for now.
    #[serde(default)]
    pub revision: Revision,
    /// The most keys to show; 0 for all.
    #[serde(default)]
    pub limit: u64,
    /// Whether what this member has is good enough. Has no meaning in a transaction.
    #[serde(default)]
    pub serializable: bool,
}

impl Range {
    /// Some keys as they are now.
    pub fn of(keys: Keys) -> Self {
        Self {
            keys,
            revision: 0,
            limit: 0,
            serializable: false,
        }
    }
}

/// A change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Sets a key.
    Put(Put),
    /// Deletes keys.
    DeleteRange(DeleteRange),
    /// Does one thing or another, at one revision.
    Txn(Txn),
    /// Forgets what keys were before a revision.
    Compact {
        /// Which.
        revision: Revision,
    },
    /// Makes a lease.
    Grant {
        /// Its number, which must be free.
        lease: LeaseId,
        /// How long it lives without being kept alive, in milliseconds.
        ttl_ms: u64,
    },
    /// Ends a lease, and deletes the keys that go with it.
    Revoke {
        /// Which.
        lease: LeaseId,
    },
    /// Changes who may do what.
    Auth(AuthOp),
}

/// Sets a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Put {
    /// Which.
    pub key: String,
    /// To what.
    pub value: String,
    /// The lease it goes with; 0 for none.
    #[serde(default)]
    pub lease: LeaseId,
    /// Whether to show what it was.
    #[serde(default)]
    pub prev_kv: bool,
}

/// Deletes keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeleteRange {
    /// Which.
    pub keys: Keys,
    /// Whether to show what they were.
    #[serde(default)]
    pub prev_kv: bool,
}

/// One list of operations if all comparisons hold, the other if not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Txn {
    /// What must hold, of the keys as they are before.
    pub compare: Vec<Compare>,
    /// What is done if it does.
    pub success: Vec<TxnOp>,
    /// What is done if not.
    pub failure: Vec<TxnOp>,
}

/// A part of a transaction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TxnOp {
    /// Reads keys, with what the parts before have made of them.
    Range(Range),
    /// Sets a key. No other part changes it.
    Put(Put),
    /// Deletes keys.
    DeleteRange(DeleteRange),
}

/// A comparison. Of a key that is not there every number is 0, and no comparison of its value holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Compare {
    /// Whose. With an end: of all keys there are in between; it holds if there is none.
    pub keys: Keys,
    /// How it is to be.
    pub result: CompareResult,
    /// To what.
    pub target: Target,
}

/// How what is there is to what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompareResult {
    /// The same.
    Equal,
    /// Another.
    NotEqual,
    /// Greater.
    Greater,
    /// Less.
    Less,
}

/// What is compared, and with what.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// How often the key was set since it was made.
    Version(u64),
    /// The revision at which it was made.
    CreateRevision(Revision),
    /// The revision at which it was set last.
    ModRevision(Revision),
    /// What it holds.
    Value(String),
    /// The lease it goes with.
    Lease(LeaseId),
}

/// Changes who may do what. Each raises the auth revision by one when it is done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthOp {
    /// From now on rights are looked at. There must be a user `root` with the role `root`, which may do everything.
    Enable,
    /// From now on they are not.
    Disable,
    /// Makes a user.
    AddUser {
        /// Its name.
        user: String,
        /// Its password.
        password: String,
    },
    /// Removes a user.
    DeleteUser {
        /// Which.
        user: String,
    },
    /// Makes a role.
    AddRole {
        /// Its name.
        role: String,
    },
    /// Removes a role, from all users that have it, too.
    DeleteRole {
        /// Which.
        role: String,
    },
    /// Gives a user a role.
    GrantRole {
        /// Whom.
        user: String,
        /// Which.
        role: String,
    },
    /// Takes it away.
    RevokeRole {
        /// From whom.
        user: String,
        /// Which.
        role: String,
    },
    /// A role may do something with keys. What it may do with exactly these keys is replaced.
    GrantPermission {
        /// Which role.
        role: String,
        /// What.
        permission: Permission,
        /// With which keys.
        keys: Keys,
    },
    /// It may do nothing with exactly these keys any more.
    RevokePermission {
        /// Which role.
        role: String,
        /// Which keys.
        keys: Keys,
    },
}

/// What may be done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Read them.
    Read,
    /// Put and delete them.
    Write,
    /// Both.
    ReadWrite,
}

impl Permission {
    /// Whether whoever may do this may do that.
    pub fn allows(self, wanted: Permission) -> bool {
        self == Permission::ReadWrite || self == wanted
    }
}

/// The user and the role that may do everything.
pub const ROOT: &str = "root";

/// A watch: tells of every change of some keys, from a revision on, in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watch {
    /// Its number.
    pub watch: WatchId,
    /// Which keys.
    pub keys: Keys,
    /// The first revision to tell of; 0: the next after the one with which the watch is answered.
    #[serde(default)]
    pub start_revision: Revision,
    /// Whether to show what the keys were before.
    #[serde(default)]
    pub prev_kv: bool,
    /// Whether to say now and then up to which revision everything was told.
    #[serde(default)]
    pub progress_notify: bool,
    /// Whether the changes of a revision may come in several parts, if they are many.
    #[serde(default)]
    pub fragment: bool,
}
