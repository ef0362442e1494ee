//! Workloads for an etcd-style service, and what it promises.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`dialect`] | how a history shows what was asked and what came of it |
//! | [`binding`] | from there to the words of the service's clients, and back |
//! | [`kinds`], [`kv`] | the workloads: what they are called, how they are set; one at work |
//! | `recipes` | what clients do, one program a file |
//! | [`promises`] | what the service promises |
//!
//! # Invariants
//!
//! A promise knows the service's words and nothing of how it is built. What a client knows it knows from answers: a recipe never looks at a member.

pub mod binding;
pub mod dialect;
pub mod kinds;
pub mod kv;
pub mod promises;
mod recipes;
