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

    /// Applies a command. `at` is where it stands in the order that was agreed on, as the protocol counts: an index, a slot, a zxid as one number. It
    /// grows from one command to the next.
    fn apply(&mut self, at: u64, command: &Self::Command) -> Self::Output;

    /// Answers a query.
    fn query(&self, query: &Self::Query) -> Self::Output;

    /// About how many bytes a command takes on the wire and in a log: what windows and bounds count.
    fn weight(command: &Self::Command) -> u64;

    /// Whether a bug to plant is one of the machine's own, and none of the protocol's.
    fn has_mutant(_id: &str) -> bool {
        false
    }

    /// Told once of a machine that was made, or read from a snapshot: which bug is planted, if any. The place to make what is no part of the state.
    fn settle_in(&mut self, _mutant: Option<&str>) {}

    /// What a snapshot holds, where that is not the machine as it is.
    fn for_snapshot(&self) -> Option<Self> {
        None
    }
}
