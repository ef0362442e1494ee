//! Chaos tests for a replicated server or a protocol core of one's own.
//!
//! # What
//!
//! Runs an async server that uses turmoil's network and file system through storms of partitions, crashes and slow links, and checks
//! what its clients saw against the promise of a workload. A failure comes with an explanation, a report, and one command that repeats it.
//! A pure core is run through the same trial twice, in the simulator and in turmoil.
//!
//! `ci/GUIDE.md`, "Test your own system", builds one of each from nothing, to be followed word for word.
//!
//! ```no_run
//! use std::time::Duration;
//! use stormglass::{Caller, Chaos, Client, Ending, Node, Operation};
//! # mod server {
//! #     pub async fn serve(_: u8, _: Vec<String>) -> std::io::Result<()> { Ok(()) }
//! #     pub async fn ask(_: &str, _: &str) -> std::io::Result<serde_json::Value> { Ok(serde_json::Value::Null) }
//! # }
//!
//! struct Visitor(String);
//!
//! impl Client for Visitor {
//!     async fn call(&mut self, operation: &Operation) -> Ending {
//!         let question = format!("{operation:?}"); // what your server understands
//!         match server::ask(&self.0, &question).await {
//!             Ok(value) if operation.f == "read" => Ending::value(value),
//!             Ok(_) => Ending::done(operation),
//!             Err(error) => Ending::unknown(error),
//!         }
//!     }
//! }
//!
//! // In a `#[test]`:
//! Chaos::new("my-server")
//!     .nodes(3)
//!     .node(|node: Node| server::serve(node.id, node.peers()))
//!     .client(|caller: Caller| Visitor(caller.nodes[0].clone()))
//!     .faults("all")
//!     .time(Duration::from_secs(20))
//!     .seeds(0..10)
//!     .check();
//! ```
//!
//! # Entry points
//!
//! [`Chaos::new`] tests a server; [`Client`] is the one trait to implement. [`Chaos::core`] tests a core: a [`contract::Node`] that
//! [`Answers`] what a workload asks, as a [`Reference`]. Of the examples in `ci/examples`, `beacon` is a small server, `lighthouse` a larger one, and
//! `abd-register` a core.
//!
//! # Code map
//!
//! | name | what is there |
//! | --- | --- |
//! | [`chaos`] | the chaos test: building it, running it, repeating it, what it keeps, and the message of its failure |
//! | [`contract`], [`impls`] | what a core is, and the reference clusters that are made of such |
//! | [`checker`] | histories, promises, verdicts |
//! | [`workloads`] | what clients do |
//! | [`nemesis`] | trials, faults, arenas; [`nemesis::foreign`] says what turmoil can do to a server and what it cannot |
//! | [`reports`] | run directories and their pages |
//! | `live` | clusters of real processes (feature `live`) |
//! | [`turmoil`] | the very version the tests run on: a server must use no other |
//!
//! # Invariants
//!
//! The same source, the same `Cargo.lock` and the same trial give the same history and digest, as long as the server draws on no clock,
//! randomness or order of its own. A run that tested nothing is no pass, and neither is one the judge could not finish.
//!
//! # Not here
//!
//! The `stormglass` command (feature `command`); how a core is explored in every interleaving (feature `model`, for reference clusters).

pub mod chaos;
#[cfg(feature = "live")]
pub mod live;

pub use chaos::{Answers, Chaos, ChaosError, Survived};
pub use nemesis::desk::Ending;
pub use nemesis::foreign::{Caller, Client, Node};
pub use nemesis::trial::Arena;
pub use stormglass_checker as checker;
pub use stormglass_impls as impls;
pub use stormglass_impls::contract;
pub use stormglass_impls::facts::FactKind;
pub use stormglass_impls::node_set::NodeSet;
pub use stormglass_impls::system::{Budget, Mutant, Reference, Setup};
pub use stormglass_nemesis as nemesis;
pub use stormglass_reports as reports;
pub use stormglass_workloads as workloads;
pub use turmoil;
pub use workloads::register::RegisterConfig;
pub use workloads::workload::{Completion, Operation, WorkloadConfig};
