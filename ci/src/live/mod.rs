//! Clusters of real processes on this machine: real sockets, real files, real deaths.
//!
//! # What
//!
//! A cluster lives in a directory. `cluster.json` is its [`Plan`]: the system, the addresses of its nodes, the knobs. Beside it each node has
//! a directory with its write-ahead log, the text it printed, and a lock. Whoever holds the lock is the node: it says its process id in it, so
//! that a node can be found, stopped and killed by anybody, and no two processes ever write one log.
//!
//! | module | what is there |
//! | --- | --- |
//! | [`plan`] | what a cluster is, as a file |
//! | [`lock`] | who runs a node |
//! | [`node`] | runs one node in this process |
//! | [`process`] | starts a node as a process, and ends it |
//! | [`asking`] | asks a cluster one thing |
//! | [`backup`] | what a member has stored, as a file, and a cluster made of it |
//! | [`arena`] | runs a trial on real processes |
//!
//! # Not here
//!
//! The command line, and what is printed (`command` in the binary).

pub mod arena;
pub mod asking;
pub mod backup;
pub mod lock;
pub mod node;
pub mod plan;
pub mod process;

pub use plan::{Plan, PlanError};

/// Sixty-four bits that nobody can foresee: the seed of what need not be repeated.
pub fn chance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds its hash maps from the operating system.
    std::hash::RandomState::new().build_hasher().finish()
}
