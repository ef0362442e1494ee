//! A coordination service in the manner of ZooKeeper, over [Zab](crate::zab).

pub mod habits;
pub mod harmless;
pub mod mutants;
pub mod rules;
pub mod tree;
pub mod words;
pub mod znodes;
