//! What is asked of an etcd-style service, and what it promises.

pub mod dialect;
pub mod promises;
