//! The few decisions on which the promises of the service rest.
//!
//! Each is a small pure function that says what the documentation says. A [mutant](super::mutants) replaces exactly one of them. The decisions of
//! the broadcast below are in [`zab::rules`](crate::zab::rules).
//!
//! Source: *ZooKeeper 3.9 Programmer's Guide* (here: Guide 3.9), by section; *ZooKeeper: wait-free coordination* (Hunt and others, ATC 2010).

use super::habits::Habits;
use super::tree::{Tree, Znode};
use super::words::{Acl, Change, Rights, SessionId, Stat, Watched, Who, ZxidNumber};
use super::{harmless, mutants};
use std::collections::{BTreeMap, BTreeSet};

/// One function for each decision.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`may_connect`].
    pub may_connect: fn(seen: ZxidNumber, delivered: ZxidNumber) -> bool,
    /// See [`missed`].
    pub missed: fn(what: Watched, now: Option<&Stat>, told: ZxidNumber) -> Option<Change>,
    /// See [`order_of_telling`].
    pub order_of_telling: fn() -> [Telling; 2],
    /// See [`asks_quorum_to_sync`].
    pub asks_quorum_to_sync: fn() -> bool,
    /// See [`is_expired`].
    pub is_expired: fn(silent_ms: u64, timeout_ms: u64) -> bool,
    /// What is decided where a command is applied.
    pub tree: TreeRules,
    /// What no promise rests on.
    pub habits: Habits,
}

/// The decisions of the replicated state.
#[derive(Clone, Copy)]
pub struct TreeRules {
    /// See [`may_act`].
    pub may_act: fn(session_is_open: bool) -> bool,
    /// See [`allows`].
    pub allows: fn(acl: &[Acl], users: &Users, wanted: Rights) -> bool,
    /// See [`rights_to_see_acl`].
    pub rights_to_see_acl: fn() -> &'static [Rights],
    /// See [`sequence_of`].
    pub sequence_of: fn(parent: &Znode) -> u32,
    /// See [`stays`].
    pub stays: fn(all_done: bool) -> bool,
    /// See [`ephemerals_of`].
    pub ephemerals_of: fn(tree: &Tree) -> Ephemerals,
    /// See [`snapshot_of`].
    pub snapshot_of: fn(tree: &Tree, last: ZxidNumber) -> Option<Tree>,
}

/// The users that a session is, with the digests of their passwords.
pub type Users = BTreeSet<(String, u64)>;

/// Which nodes go with which session.
pub type Ephemerals = BTreeMap<SessionId, BTreeSet<String>>;

/// What a server tells its clients when something was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// The watches that fire.
    Events,
    /// The answers to what was asked.
    Answers,
}

impl Rules {
    /// As documented.
    pub const DOCUMENTED: Rules = Rules {
        may_connect,
        missed,
        order_of_telling,
        asks_quorum_to_sync,
        is_expired,
        tree: TreeRules::DOCUMENTED,
        habits: Habits::USUAL,
    };

    /// The rules with a mutant or a harmless change planted; as documented when `id` is none of this service's. Changes of the broadcast are planted
    /// there.
    pub fn planted(id: Option<&str>) -> Rules {
        let planted = id.and_then(|id| mutants::rules(id).or_else(|| harmless::rules(id)));
        planted.unwrap_or(Rules::DOCUMENTED)
    }
}

impl TreeRules {
    /// As documented.
    pub const DOCUMENTED: TreeRules = TreeRules {
        may_act,
        allows,
        rights_to_see_acl,
        sequence_of,
        stays,
        ephemerals_of,
        snapshot_of,
    };
}

impl Default for TreeRules {
    fn default() -> Self {
        Self::DOCUMENTED
    }
}

/// Whether a server takes a client that has seen a zxid. One that is behind would show the client an older state than it has seen: a client has one
/// view of the system, whichever server it is connected to (Guide 3.9, Consistency Guarantees: Single System Image).
pub fn may_connect(seen: ZxidNumber, delivered: ZxidNumber) -> bool {
    seen <= delivered
}

/// What happened to a node that a client watches, since the last zxid up to which the client was told. A watch that a client brings along when it
/// connects is served as if it had been there all the time (Guide 3.9, ZooKeeper Watches).
pub fn missed(what: Watched, now: Option<&Stat>, told: ZxidNumber) -> Option<Change> {
    match (what, now) {
        (Watched::Exists, Some(_)) => Some(Change::Created),
        (Watched::Exists, None) => None,
        (_, None) => Some(Change::Deleted),
        (Watched::Data, Some(stat)) => (stat.mzxid > told).then_some(Change::DataChanged),
        (Watched::Children, Some(stat)) => (stat.pzxid > told).then_some(Change::ChildrenChanged),
    }
}

/// In which order clients are told: the event before the new data that it announces (Guide 3.9, What ZooKeeper Guarantees about Watches).
pub fn order_of_telling() -> [Telling; 2] {
    [Telling::Events, Telling::Answers]
}

/// Whether a leader asks a quorum if it still leads before it answers a sync. One that does not may have been replaced, and what it answers be old
/// (Hunt and others 2010, 4.4).
pub fn asks_quorum_to_sync() -> bool {
    true
}

/// Whether a leader ends a session: no sign of its client has come for longer than was agreed (Guide 3.9, ZooKeeper Sessions).
pub fn is_expired(silent_ms: u64, timeout_ms: u64) -> bool {
    silent_ms > timeout_ms
}

/// Whether what a client asked is done. Once a session has ended nothing more is done in it: an ephemeral node made later would never go
/// (Guide 3.9, Ephemeral Nodes).
pub fn may_act(session_is_open: bool) -> bool {
    session_is_open
}

/// Whether a list gives a right to someone (Guide 3.9, ZooKeeper access control using ACLs).
pub fn allows(acl: &[Acl], users: &Users, wanted: Rights) -> bool {
    acl.iter().any(|entry| {
        let meant = match &entry.who {
            Who::Anyone => true,
            Who::Digest { user, digest } => users.contains(&(user.clone(), *digest)),
            Who::Auth => false, // Never stored.
        };
        meant && entry.rights.holds(wanted)
    })
}

/// Any of which rights are needed to see who may do what with a node (CVE-2019-0201). As of ZooKeeper 3.5.5: before that it was none.
pub fn rights_to_see_acl() -> &'static [Rights] {
    &[Rights::READ, Rights::ADMIN]
}

/// The number of the next sequential child: how many there have ever been. It never goes back, or two children could get the same
/// (Guide 3.9, Sequence Nodes).
pub fn sequence_of(parent: &Znode) -> u32 {
    parent.creates
}

/// Whether what the parts of a multi have done stays: if all could be done, and otherwise nothing does
/// (ZooKeeper 3.9 API, multi).
pub fn stays(all_done: bool) -> bool {
    all_done
}

/// Which nodes go with which session, in a tree that was read from a snapshot: those that say so (Guide 3.9, Ephemeral Nodes).
pub fn ephemerals_of(tree: &Tree) -> Ephemerals {
    let mut ephemerals = Ephemerals::new();
    for (path, node) in tree.nodes() {
        if node.ephemeral_owner != SessionId::NONE {
            let own = ephemerals.entry(node.ephemeral_owner).or_default();
            own.insert(path.clone());
        }
    }
    ephemerals
}

/// What a snapshot holds, where that is not the tree as it is after the last zxid. A transaction is in it as a whole or not at all
/// (Hunt and others 2010, 4.3, on what a snapshot may not hold when it is taken while the tree changes).
pub fn snapshot_of(_tree: &Tree, _last: ZxidNumber) -> Option<Tree> {
    None
}
