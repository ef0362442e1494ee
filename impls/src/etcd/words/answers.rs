//! What members say to clients, and what goes into the log.

use super::{Identity, LeaseId, Op, Revision, WatchId};
use crate::manage::Report;
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};

/// A key as it is, or was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "KeyValueList", into = "KeyValueList")]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// What it holds.
    pub value: String,
    /// The revision at which it was made.
    pub create_revision: Revision,
    /// The revision at which it was set last; of one that is deleted, at which it was.
    pub mod_revision: Revision,
    /// How often it was set since it was made; of one that is deleted, 0.
    pub version: u64,
    /// The lease it goes with; 0 for none.
    pub lease: LeaseId,
}

/// See [`KeyValue`]: histories show it as this list.
type KeyValueList = (String, String, Revision, Revision, u64, LeaseId);

impl From<KeyValueList> for KeyValue {
    fn from(list: KeyValueList) -> Self {
        let (key, value, create_revision, mod_revision, version, lease) = list;
        Self {
            key,
            value,
            create_revision,
            mod_revision,
            version,
            lease,
        }
    }
}

impl From<KeyValue> for KeyValueList {
    fn from(kv: KeyValue) -> Self {
        (
            kv.key,
            kv.value,
            kv.create_revision,
            kv.mod_revision,
            kv.version,
            kv.lease,
        )
    }
}

/// What a client is told when its request was carried out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// By whom, and when.
    pub header: Header,
    /// What was done, or why nothing was.
    pub result: Result<Done, Error>,
}

/// What stands above every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Header {
    /// Which cluster.
    pub cluster: u64,
    /// Of a write: the store's revision right after it. Of everything else: the store's revision at the member that answers, as it answers.
    pub revision: Revision,
    /// The member's term.
    pub term: u64,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// Keys were read.
    Range {
        /// Those that are there, in order, as far as the limit goes.
        kvs: Vec<KeyValue>,
        /// How many there are without the limit.
        count: u64,
    },
    /// A key was set.
    Put {
        /// What it was, if that was asked and it was there.
        prev_kv: Option<KeyValue>,
    },
    /// Keys were deleted.
    DeleteRange {
        /// How many.
        deleted: u64,
        /// What they were, if that was asked.
        prev_kvs: Vec<KeyValue>,
    },
    /// A transaction was carried out.
    Txn {
        /// Whether all comparisons held.
        succeeded: bool,
        /// What came of its parts, in order.
        responses: Vec<Done>,
    },
    /// What keys were before a revision is forgotten.
    Compact,
    /// There is a lease.
    Grant {
        /// Its number.
        lease: LeaseId,
        /// How long it lives without being kept alive, in milliseconds.
        ttl_ms: u64,
    },
    /// A lease is over.
    Revoke,
    /// A lease lives on.
    KeepAlive {
        /// Which.
        lease: LeaseId,
        /// For how long, in milliseconds.
        ttl_ms: u64,
    },
    /// How a lease is.
    TimeToLive {
        /// Which.
        lease: LeaseId,
        /// How long it lives without being kept alive, in milliseconds.
        granted_ms: u64,
        /// How much of that is left.
        remaining_ms: u64,
        /// The keys that go with it, in order.
        keys: Vec<String>,
    },
    /// Rights were changed, or somebody has shown a password.
    Auth {
        /// How often rights have changed so far.
        auth_revision: u64,
    },
    /// A watch has begun.
    Watch {
        /// The first revision that it tells of.
        start_revision: Revision,
    },
    /// It was heard: a watch is over, or will tell how far it is.
    Heard,
    /// Everything that the member has stored.
    Snapshot(Image),
    /// How the member is.
    Status(Report),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Error {
    /// What keys were at that revision is forgotten.
    Compacted {
        /// Up to which revision it is, without that one.
        compact_revision: Revision,
    },
    /// There is no such revision yet.
    FutureRevision,
    /// There is no such lease.
    LeaseNotFound,
    /// There is such a lease already.
    LeaseExists,
    /// A transaction changes a key twice.
    DuplicateKey,
    /// A key is empty, a lease has number 0 or lives for no time at all, a range ends before it begins.
    BadArguments,
    /// There is no such watch.
    WatchNotFound,
    /// Whoever asks has no right to it.
    PermissionDenied,
    /// Rights are looked at, and nobody said who asks.
    UserEmpty,
    /// Rights have changed since whoever asks has shown a password.
    OldAuthRevision,
    /// There is no such user, or that is not its password.
    AuthFailed,
    /// Rights are not looked at.
    AuthNotEnabled,
    /// There is no user `root`, or it has not the role `root`.
    RootMissing,
    /// There is such a user already.
    UserExists,
    /// There is no such user.
    UserNotFound,
    /// There is such a role already.
    RoleExists,
    /// There is no such role.
    RoleNotFound,
    /// The user has not this role.
    RoleNotGranted,
    /// The role may do nothing with exactly these keys.
    PermissionNotGranted,
}

/// What a client is told unasked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Watched keys changed.
    Changes {
        /// Which watch tells it.
        watch: WatchId,
        /// The store's revision at this member, as it tells.
        revision: Revision,
        /// The changes, in order: those of one revision are never parted from each other, but for fragments.
        changes: Vec<Change>,
        /// Whether more of the last of these revisions is to come.
        fragment: bool,
    },
    /// A watch was told all that happened up to a revision.
    Progress {
        /// Which watch.
        watch: WatchId,
        /// Up to which.
        revision: Revision,
    },
    /// A watch is over: what it is to tell next is forgotten.
    Compacted {
        /// Which watch.
        watch: WatchId,
        /// Up to which revision it is, without that one.
        compact_revision: Revision,
    },
}

impl Event {
    /// Which watch it is of.
    pub fn watch(&self) -> WatchId {
        match self {
            Event::Changes { watch, .. }
            | Event::Progress { watch, .. }
            | Event::Compacted { watch, .. } => *watch,
        }
    }
}

/// What happened to a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Change {
    /// As it is from then on. One that was deleted has its name, and the revision at which it was.
    pub kv: KeyValue,
    /// As it was before, if that was asked and it was there.
    #[serde(default)]
    pub prev_kv: Option<KeyValue>,
}

impl Change {
    /// Whether the key was deleted.
    pub fn is_delete(&self) -> bool {
        self.kv.version == 0
    }
}

/// What goes into the log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Command {
    /// A client's change.
    Do {
        /// As whom.
        as_user: Option<Identity>,
        /// What.
        op: Op,
    },
    /// The leader found that a lease was not kept alive.
    Expire(Grant),
    /// The leader says how much time leases have left: the next leader begins with that.
    Checkpoint {
        /// Which leases, and how many milliseconds.
        remaining_ms: Vec<(Grant, u64)>,
    },
}

/// A lease as it was granted once. A client may revoke it and grant it again while what its leader says of it is on its way into the log: that is about
/// another lease of the same name then, and nothing to the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Which lease.
    pub lease: LeaseId,
    /// At which place of the log it was granted. 0 before the cluster was restored.
    pub at: u64,
}

/// What comes of a command.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Output {
    /// The store's revision right after it.
    pub revision: Revision,
    /// What was done, or why nothing was.
    pub result: Result<Done, Error>,
}
