//! What clients do, and what the answers must satisfy.
//!
//! # What
//!
//! A workload draws operations, puts them into the words of the system under test, reads the answers back and names the specification
//! that judges them. The client that carries them to the servers is a pure core, like the servers.
//!
//! # Entry points
//!
//! [`workload::WorkloadConfig`] is a workload as data; [`workload::Workload`] is one at work. [`client::Client`] is the client core.
//! [`generate::Plan`] makes a history to order.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`draw`] | random draws keyed by purpose |
//! | `dice` | what is drawn for one operation of a recipe |
//! | [`client`] | the client core: timeouts, redirects, sessions, watches, retries, the deadline |
//! | [`workload`] | workloads by name, and their face towards the arenas |
//! | [`register`] | read, write, compare-and-set over several keys |
//! | [`zookeeper`], [`etcd`] | workloads of coordination services, and what these promise |
//! | [`promises`] | how a service is judged by what it promises |
//! | [`resource`] | what locks are to protect |
//! | [`recorder`] | turns calls and outcomes into a history |
//! | [`generate`] | histories made to order, legal or with one read falsified |
//! | `driver` | runs a client core on tokio (feature `driver`) |
//!
//! # Invariants
//!
//! An operation is one call and one return, whatever retries it took. No outcome but an answer from the system is certain. The
//! specification that judges comes from the system's promise (crate `checker`), never from its implementation.
//!
//! # Not here
//!
//! Faults and arenas (crate `nemesis`); the judgement itself (crate `checker`).

pub mod client;
mod dice;
pub mod draw;
pub mod etcd;
pub mod generate;
pub mod promises;
pub mod recorder;
pub mod register;
pub mod resource;
pub mod workload;
pub mod zookeeper;

#[cfg(feature = "driver")]
pub mod driver;
