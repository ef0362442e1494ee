//! Attacks a cluster and writes down what happened.
//!
//! # What
//!
//! A [`trial::Trial`] is a whole experiment as data. An arena runs it and gives back a [`record::Run`]: the history its clients saw and
//! the record of what the arena saw. [`judge::judge`] says what both mean.
//!
//! # Entry points
//!
//! [`swarm::draw`] makes everything of a trial from a seed, the faults among it. [`arena::run`] runs a trial in the arena it names.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`trial`], [`schedule`], [`record`] | the experiment, its faults, and what came back: data |
//! | [`faults`] | the kinds of fault: names, arenas, demands |
//! | [`profile`], [`swarm`] | schedules made from a seed, and all else a seed draws |
//! | [`judge`] | the verdict on a run, vacuity among it |
//! | [`stops`] | when faults had nodes down |
//! | [`wiretap`] | what went over the network in a stretch of a trial, frame by frame |
//! | [`states`] | the object's state around each operation, in the order that the judge found |
//! | [`conditions`]: [`weather`], [`machines`] | what becomes of every frame now, and of every pause, disk and clock: one for all arenas |
//! | [`conductor`] | begins and ends faults, by time and by fact: one for all arenas |
//! | [`operator`] | the client that changes members and leaders |
//! | [`observer`] | digest, facts and invariants around every step of a node: one for all arenas |
//! | [`shrink`] | a trial that breaks something made smaller, for as long as it breaks the same |
//! | [`regression`] | small trials that are kept, and run before anything else |
//! | [`hunt`] | planted bugs: a trial that may catch one, and whether it did |
//! | [`harness`] | bugs of the harness to plant, and the audit that must notice them |
//! | [`desk`] | gives the clients their work and writes the history: one for all arenas |
//! | [`replay`] | whether two runs are the same, and where they first differ |
//! | [`watchdog`] | notices a node that does not give the processor back |
//! | [`simulator`] | the cores on a heap of events |
//! | `model` | every interleaving of the cores within bounds (feature `model`) |
//! | `turmoil` | the real host inside turmoil (feature `turmoil`) |
//! | `foreign` | somebody else's server inside turmoil, attacked with turmoil's own means (feature `turmoil`) |
//!
//! # Invariants
//!
//! The same source, the same `Cargo.lock` and the same trial give the same digest and the same history, byte for byte. Every draw is
//! keyed by what it is for. A fault that did nothing is not recorded as installed. A panic in a node is a violation, never a crash of
//! the tool.
//!
//! # Not here
//!
//! Protocols and the host (crate `impls`), clients and operations (crate `workloads`), pages (crate `reports`).

pub mod arena;
pub mod conditions;
pub mod conductor;
pub mod desk;
pub mod faults;
#[cfg(feature = "turmoil")]
pub mod foreign;
pub mod harness;
pub mod hunt;
pub mod judge;
pub mod machines;
#[cfg(feature = "model")]
pub mod model;
pub mod observer;
pub mod operator;
pub mod profile;
mod quiet;
pub mod record;
pub mod regression;
pub mod replay;
pub mod schedule;
pub mod shrink;
pub mod simulator;
pub mod states;
pub mod stops;
pub mod swarm;
pub mod trial;
#[cfg(feature = "turmoil")]
pub mod turmoil;
pub mod watchdog;
pub mod weather;
pub mod wiretap;
