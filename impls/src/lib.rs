//! Reference clusters: protocols as pure cores, the state machines they replicate, and the host that runs them.
//!
//! # What
//!
//! Each protocol is a *core*: a value that is moved by inputs and answers with effects. It does no I/O and knows no time but what it is
//! told. What ships is what is model checked, because there is nothing else.
//!
//! # Entry points
//!
//! [`contract`] is the agreement every core keeps: read it first. [`raft`] is the first protocol. [`catalog::systems`] lists the clusters
//! one can run, each behind the object-safe face of [`system`].
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`contract`] | inputs, effects and the laws between a core and its driver |
//! | [`facts`] | the kinds of fact a node can note |
//! | [`machine`] | state machines to replicate: the cache |
//! | [`session`] | at-most-once execution of client commands |
//! | [`knobs`] | what can be set about a protocol |
//! | [`manage`] | what an operator asks of a cluster |
//! | [`snapshot`] | a state as bytes, and how it travels in chunks |
//! | `claims`, `fixed` | what waits for the disk; what a node is told once |
//! | `aside`, `fnv` | what stands beside a state; digests of states |
//! | [`node_set`] | sets of nodes |
//! | [`raft`] | Raft: essay, roles, rules, invariants, mutants, scripts |
//! | [`paxos`] | Multi-Paxos: the same rooms |
//! | [`zab`] | Zab: the same rooms |
//! | [`zookeeper`], [`etcd`] | coordination services, over Zab and over Raft |
//! | [`parcel`], [`system`] | a core with its types put away, for drivers that know no protocol |
//! | [`explored`] | a core as an exhaustive search sees it |
//! | [`catalog`] | the clusters by name |
//! | `play` | scripts that move a cluster step by step (feature `play`) |
//! | `host` | the asynchronous host (feature `host`): sockets, timers, write-ahead log, gate |
//!
//! # Invariants
//!
//! The cores compile without tokio, turmoil, stateright or any source of randomness (`--no-default-features`). No core holds a
//! hash-ordered container. Node ids are dense.
//!
//! # Not here
//!
//! Clients (crate `workloads`), faults (crate `nemesis`), and any judgement of what clients saw (crate `checker`, which knows nothing
//! of this crate).

mod aside;
pub mod catalog;
mod claims;
pub mod contract;
pub mod etcd;
pub mod explored;
pub mod facts;
mod fixed;
mod fnv;
pub mod knobs;
pub mod machine;
pub mod manage;
pub mod node_set;
pub mod parcel;
pub mod paxos;
pub mod raft;
pub mod session;
pub mod snapshot;
pub mod system;
pub mod wire;
pub mod zab;
pub mod zookeeper;

#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "play")]
pub mod play;
