//! The kinds of workload of an etcd-style service: their names, what their clients do, and what they must have done to have tested anything.

use super::dialect::Ended;
use serde::{Deserialize, Serialize};
use stormglass_checker::{History, Kind};
use stormglass_impls::etcd::words::{Done, Error, Event};

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdKind {
    /// Registers.
    Register,
    /// Sets.
    Set,
    /// Counters.
    Counter,
    /// Lists.
    Append,
    /// Several lists at once.
    Txn,
    /// Watches.
    Watch,
    /// Leases.
    Lease,
    /// Locks without fencing.
    Lock,
    /// Locks with fencing.
    FencedLock,
    /// Elections.
    Election,
    /// The past is forgotten.
    Compaction,
    /// Users, roles, and what they may do.
    Permissions,
}

/// What is said of a kind.
pub struct KindInfo {
    /// The kind.
    pub kind: EtcdKind,
    /// Its name, as given to `--workload`.
    pub name: &'static str,
    /// What its clients do, in a sentence.
    pub summary: &'static str,
    /// How many keys it has where nobody says how many.
    pub(super) keys: u32,
    /// What must have ended ok once at least, lest it have tested nothing.
    pub(super) essential: Essential,
}

/// See [`KindInfo::essential`].
pub(super) struct Essential {
    /// Its name, for people.
    pub(super) name: &'static str,
    pub(super) is: fn(&str, &Ended) -> bool,
}

/// How many keys there are where what they hold grows: so many that a minute's busiest clients do not come round to the first again.
const MANY: u32 = 64;

/// All kinds, in the order in which lists show them.
pub const KINDS: &[KindInfo] = &[
    KindInfo {
        kind: EtcdKind::Register,
        name: "register",
        summary: "puts, deletes, conditional puts and reads of keys; reads are linearizable, local, or of an older revision",
        keys: 5,
        essential: Essential {
            name: "conditional put",
            is: |_, ended| has_changed(ended),
        },
    },
    KindInfo {
        kind: EtcdKind::Set,
        name: "set",
        summary: "elements are added as keys, and never lost",
        keys: MANY,
        essential: Essential {
            name: "list of elements",
            is: |_, ended| shows_keys(ended),
        },
    },
    KindInfo {
        kind: EtcdKind::Counter,
        name: "counter",
        summary: "counters are read, and raised by one if nobody else has",
        keys: 3,
        essential: Essential {
            name: "counter raised",
            is: |_, ended| has_changed(ended),
        },
    },
    KindInfo {
        kind: EtcdKind::Append,
        name: "append",
        summary: "lists are read, and appended to if nobody else has",
        keys: MANY,
        essential: Essential {
            name: "list appended to",
            is: |_, ended| has_changed(ended),
        },
    },
    KindInfo {
        kind: EtcdKind::Txn,
        name: "txn",
        summary: "transactions read several lists and append to some of them, if none has changed",
        keys: MANY,
        essential: Essential {
            name: "transaction",
            is: |_, ended| has_changed(ended),
        },
    },
    KindInfo {
        kind: EtcdKind::Watch,
        name: "watch",
        summary: "watches over keys and ranges, from now on, from the past and from the future, while what is watched changes",
        keys: 3,
        essential: Essential {
            name: "watch that told of a change",
            is: |_, ended| {
                let mut events = ended.events.iter();
                events.any(|event| matches!(event, Event::Changes { .. }))
            },
        },
    },
    KindInfo {
        kind: EtcdKind::Lease,
        name: "lease",
        summary: "keys go with leases that are kept alive, revoked, or left to run out",
        keys: 3,
        essential: Essential {
            name: "lease that was over",
            is: |_, ended| ended.result == Err(Error::LeaseNotFound),
        },
    },
    KindInfo {
        kind: EtcdKind::Lock,
        name: "lock",
        summary: "locks of keys with leases; holders are paused, and what the lock protects takes every store",
        keys: 2,
        essential: STORE,
    },
    KindInfo {
        kind: EtcdKind::FencedLock,
        name: "fenced-lock",
        summary: "the same, and what the lock protects takes no store with an older token than it took",
        keys: 2,
        essential: STORE,
    },
    KindInfo {
        kind: EtcdKind::Election,
        name: "election",
        summary: "the first of several candidates leads, and proclaims its term as long as its candidacy stands",
        keys: 2,
        essential: Essential {
            name: "term proclaimed",
            is: |_, ended| match &ended.result {
                // Who enters makes one key, and looks; who proclaims sets two.
                Ok(Done::Txn {
                    succeeded: true,
                    responses,
                }) => responses.iter().all(is_put),
                _ => false,
            },
        },
    },
    KindInfo {
        kind: EtcdKind::Compaction,
        name: "compaction",
        summary: "what keys were is read and watched while it is being forgotten",
        keys: 3,
        essential: Essential {
            name: "refusal for want of a past",
            is: |_, ended| {
                let mut events = ended.events.iter();
                matches!(ended.result, Err(Error::Compacted { .. }))
                    || events.any(|event| matches!(event, Event::Compacted { .. }))
            },
        },
    },
    KindInfo {
        kind: EtcdKind::Permissions,
        name: "permissions",
        summary: "three users read, change and watch what they may and may not, while that changes",
        keys: 3,
        essential: Essential {
            name: "refusal for want of a permission",
            is: |_, ended| ended.result == Err(Error::PermissionDenied),
        },
    },
];

const STORE: Essential = Essential {
    name: "store by a holder of a lock",
    is: |_, ended| ended.stored.is_some(),
};

/// Whether a transaction has changed something, since what it compared held.
fn has_changed(ended: &Ended) -> bool {
    match &ended.result {
        Ok(Done::Txn {
            succeeded: true,
            responses,
        }) => responses.iter().any(is_put),
        _ => false,
    }
}

fn is_put(done: &Done) -> bool {
    matches!(done, Done::Put { .. })
}

/// Whether it lists a key at least.
fn shows_keys(ended: &Ended) -> bool {
    matches!(&ended.result, Ok(Done::Range { kvs, .. }) if !kvs.is_empty())
}

impl EtcdKind {
    /// What is said of it.
    pub fn info(self) -> &'static KindInfo {
        let info = KINDS.iter().find(|info| info.kind == self);
        info.expect("every kind is in the list")
    }
}

impl KindInfo {
    /// What a history that put the workload to the test would show and this one does not, as a clause.
    pub(super) fn is_missing(&self, history: &History) -> Option<String> {
        let answers = history.events.iter().filter(|event| event.kind == Kind::Ok);
        let mut ended =
            answers.filter_map(|event| Some((event.f.as_str(), Ended::read(&event.value).ok()?)));
        let seen = ended.any(|(f, ended)| (self.essential.is)(f, &ended));
        (!seen).then(|| format!("there was no {}", self.essential.name))
    }
}
