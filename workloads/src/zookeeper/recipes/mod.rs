//! What clients do with znodes: the recipes, each a small program of every client.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`line`] | standing in line, which locks and elections share |
//! | [`plain`] | programs without a memory: registers, sets, watches, numbers, multis |
//! | [`locks`], [`elections`] | whoever is first in a line may do something |
//! | [`queues`], [`barriers`], [`groups`] | as their names say |
//! | [`sessions`] | sessions that end |
//! | [`rights`] | lists of who may do what |

mod barriers;
mod elections;
mod groups;
mod line;
mod locks;
mod plain;
mod queues;
mod rights;
mod sessions;

use super::dialect::{Asked, Ended};
use super::znodes::{ZnodesConfig, ZnodesKind};
use crate::dice::Purpose;
use stormglass_impls::zookeeper::words::{Mode, Op, Read, What, open_to_all};

/// What all clients of a workload do.
pub(super) trait Recipe {
    /// The nodes that must be there first, parents before children.
    fn roots(&self) -> Vec<Asked>;

    /// What a client does next.
    fn next(&mut self, dice: &Dice<'_>) -> Asked;

    /// What a client did ended so.
    fn ended(&mut self, _client: u32, _asked: &Asked, _ended: &Ended) {}

    /// Nobody knows what became of what a client did.
    fn lost(&mut self, _client: u32, _asked: &Asked) {}

    /// A client has another session than before: what went with the old one is gone.
    fn anew(&mut self, _client: u32) {}

    /// The reads that show the final state.
    fn finals(&self) -> Vec<Asked>;
}

/// What is drawn for one operation of one client.
pub(super) type Dice<'a> = crate::dice::Dice<'a, ZnodesConfig>;

/// The recipe of a workload.
pub(super) fn recipe(config: &ZnodesConfig) -> Box<dyn Recipe> {
    let keys = config.keys;
    match config.kind {
        ZnodesKind::Register => Box::new(plain::Plain::registers(keys)),
        ZnodesKind::Set => Box::new(plain::Plain::sets(keys)),
        ZnodesKind::Watch => Box::new(plain::Plain::watches(keys)),
        ZnodesKind::SequentialNumbering => Box::new(plain::Plain::numbers(keys)),
        ZnodesKind::Multi => Box::new(plain::Plain::multis(keys)),
        ZnodesKind::Queue => Box::new(queues::Queues::new(keys)),
        ZnodesKind::Lock | ZnodesKind::FencedLock => Box::new(locks::Locks::new(keys)),
        ZnodesKind::LeaderElection => Box::new(elections::Elections::new(keys)),
        ZnodesKind::Barrier => Box::new(barriers::Barriers::default()),
        ZnodesKind::SessionExpiry => Box::new(sessions::Sessions::new(keys)),
        ZnodesKind::GroupMembership => Box::new(groups::Groups::new(keys)),
        ZnodesKind::Rights => Box::new(rights::Guarded::new(keys)),
    }
}

/// Makes a node that anybody may do anything with.
pub(super) fn made(path: String, data: impl Into<String>, mode: Mode) -> Asked {
    Asked::Write(create(path, data, mode))
}

/// The same, as a part of a multi.
pub(super) fn create(path: String, data: impl Into<String>, mode: Mode) -> Op {
    Op::Create {
        path,
        data: data.into(),
        mode,
        acl: open_to_all(),
    }
}

/// Reads a node.
pub(super) fn read(what: What, path: String) -> Asked {
    Asked::Read(Read {
        what,
        path,
        watch: false,
    })
}

/// Reads a node, and wants to hear when it changes.
pub(super) fn watched(what: What, path: String) -> Asked {
    Asked::Read(Read {
        what,
        path,
        watch: true,
    })
}

/// Sets data.
pub(super) fn set(path: String, data: String, version: Option<u32>) -> Op {
    Op::Set {
        path,
        data,
        version,
    }
}

/// Removes a node, whatever its version.
pub(super) fn delete(path: String) -> Asked {
    Asked::Write(Op::Delete {
        path,
        version: None,
    })
}

/// A directory, and one below it for each key: `/locks`, `/locks/k0` and so on.
pub(super) fn directories(root: &str, keys: u32) -> Vec<Asked> {
    let below = (0..keys).map(|key| format!("{root}/k{key}"));
    let all = std::iter::once(root.to_string()).chain(below);
    all.map(|path| made(path, "", Mode::Persistent)).collect()
}

/// A read of that kind of each of these.
pub(super) fn reads_of(root: &str, keys: u32, what: What) -> Vec<Asked> {
    let paths = (0..keys).map(|key| format!("{root}/k{key}"));
    paths.map(|path| read(what, path)).collect()
}

/// The number at the end of a sequential node's name.
pub(super) fn ordinal(name: &str) -> Option<u64> {
    let digits = name.len().checked_sub(10)?;
    name.get(digits..)?.parse().ok()
}
