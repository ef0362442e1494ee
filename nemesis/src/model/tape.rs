//! What every node did in an arena, written down to be held against the model.

use super::trace::state_digest;
use std::cell::RefCell;
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::explored::Outline;
use stormglass_impls::system::{Erased, Member};

/// What a node did, with the digest of its state behind it.
#[derive(Clone, Debug, PartialEq)]
pub enum Taped {
    /// It booted.
    Booted {
        /// Which.
        node: NodeId,
        /// See [`super::validation`].
        state: u128,
        /// Where it stands.
        outline: Outline,
    },
    /// It took an input.
    Stepped {
        /// Which.
        node: NodeId,
        /// What it took.
        input: Input<Erased>,
        /// See [`super::validation`].
        state: u128,
        /// Where it stands.
        outline: Outline,
    },
}

impl std::fmt::Display for Taped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Taped::Booted { node, .. } => write!(f, "{node} boots"),
            Taped::Stepped { node, input, .. } => write!(f, "{node} takes {input:?}"),
        }
    }
}

thread_local! {
    /// What nodes of this thread did, while somebody wants to know.
    static TAPE: RefCell<Option<Vec<Taped>>> = const { RefCell::new(None) };
}

/// Runs a trial and writes down what every node did. What is written down is no part of the record.
pub fn taping<T>(run: impl FnOnce() -> T) -> (T, Vec<Taped>) {
    TAPE.set(Some(Vec::new()));
    let result = run();
    (result, TAPE.take().unwrap_or_default())
}

/// Whether somebody wants to know.
pub(crate) fn is_on() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// Puts on the tape what a node did, if there is one and the node can be seen.
pub(crate) fn note(member: &dyn Member, taped: impl FnOnce(u128, Outline) -> Taped) {
    TAPE.with_borrow_mut(|tape| {
        if let (Some(tape), Some(state)) = (tape, member.state()) {
            tape.push(taped(state_digest(state), state.outline()));
        }
    });
}
