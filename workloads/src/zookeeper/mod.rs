//! Workloads for a ZooKeeper-style service, and what it promises.

pub mod dialect;
pub mod promises;
