//! The clusters one can run, by name.

use crate::machine::cache::Cache;
use crate::system::System;
use crate::{paxos, raft};
use std::rc::Rc;

/// All of them, in the order in which lists show them.
pub fn systems() -> Vec<Rc<dyn System>> {
    vec![
        Rc::new(raft::system::<Cache>(
            "raft-cache",
            "a cache replicated by Raft",
        )),
        Rc::new(paxos::system::<Cache>(
            "paxos-cache",
            "a cache replicated by Multi-Paxos",
        )),
    ]
}

/// The cluster of that name.
pub fn system(name: &str) -> Option<Rc<dyn System>> {
    systems().into_iter().find(|system| system.name() == name)
}
