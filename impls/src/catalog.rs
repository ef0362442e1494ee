//! The clusters one can run, by name.

use crate::etcd::Etcd;
use crate::explored::Explored;
use crate::machine::cache::Cache;
use crate::paxos::Paxos;
use crate::raft::Raft;
use crate::system::{Reference, System};
use crate::zab::Zab;
use crate::zookeeper::Zookeeper;
use crate::{etcd, paxos, raft, zab, zookeeper};
use std::rc::Rc;
use std::sync::Arc;

fn raft_cache() -> Reference<Raft<Cache>> {
    raft::system("raft-cache", "a cache replicated by Raft")
}

fn paxos_cache() -> Reference<Paxos<Cache>> {
    paxos::system("paxos-cache", "a cache replicated by Multi-Paxos")
}

fn zab_cache() -> Reference<Zab<Cache>> {
    zab::system("zab-cache", "a cache replicated by Zab")
}

fn zookeeper() -> Reference<Zookeeper> {
    zookeeper::system(
        "zookeeper",
        "a tree of znodes with sessions, watches and rights, over Zab",
    )
}

fn etcd() -> Reference<Etcd> {
    etcd::system(
        "etcd",
        "keys with revisions, transactions, watches, leases and rights, over Raft",
    )
}

/// All of them, in the order in which lists show them.
pub fn systems() -> Vec<Rc<dyn System>> {
    vec![
        Rc::new(raft_cache()),
        Rc::new(paxos_cache()),
        Rc::new(zab_cache()),
        Rc::new(zookeeper()),
        Rc::new(etcd()),
    ]
}

/// The cluster of that name.
pub fn system(name: &str) -> Option<Rc<dyn System>> {
    systems().into_iter().find(|system| system.name() == name)
}

/// The cluster of that name, as an exhaustive search takes it.
pub fn explored(name: &str) -> Option<Arc<dyn Explored>> {
    match name {
        "raft-cache" => Some(Arc::new(raft_cache())),
        "paxos-cache" => Some(Arc::new(paxos_cache())),
        "zab-cache" => Some(Arc::new(zab_cache())),
        "zookeeper" => Some(Arc::new(zookeeper())),
        "etcd" => Some(Arc::new(etcd())),
        _ => None,
    }
}
