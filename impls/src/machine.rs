//! State machines that a protocol replicates.

pub mod cache;

use crate::contract::Data;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use std::hash::Hash;

/// A deterministic state machine. Every replica that applies the same commands in the same order is in the same state.
pub trait Machine:
    Clone + Eq + Hash + Debug + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Changes the state.
    type Command: Data;
    /// Reads the state.
    type Query: Data;
    /// What either of them gives back.
    type Output: Data;

    /// Applies a command.
    fn apply(&mut self, command: &Self::Command) -> Self::Output;

    /// Answers a query.
    fn query(&self, query: &Self::Query) -> Self::Output;

    /// About how many bytes a command takes on the wire and in a log: what windows and bounds count.
    fn weight(command: &Self::Command) -> u64;
}
