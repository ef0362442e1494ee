//! A coordination service in the manner of etcd, over [Raft](crate::raft).

pub mod words;
