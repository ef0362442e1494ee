//! A coordination service in the manner of ZooKeeper, over [Zab](crate::zab).

pub mod words;
