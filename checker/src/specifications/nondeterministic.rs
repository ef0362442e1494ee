//! Objects of which one operation may have several outcomes that no client sees at once.
//!
//! A cache drops a value when it likes; a counter loses increments in a crash. Such an object is written as a
//! [`Nondeterministic`], whose step gives every state that may follow. [`Possibilities`] makes a [`Specification`] of it, by
//! the subset construction: its state is the set of all states the object may be in, and an operation is
//! allowed if it is allowed in one of them.
//!
//! Nothing is lost by this, and nothing gained: an order is legal for the set exactly if some choice of outcomes makes
//! it legal for the object. The price is that sets can be large. They are never cut, for a set with a member too few would call what is
//! legal illegal. Instead each is counted by its size against [`Limits::bytes`](crate::Limits::bytes), and each member of a
//! set is a step against [`Limits::steps`](crate::Limits::steps), so that a judgement that needs too much ends as unknown. One
//! set is built before its bytes are counted; so an object should give a few states a step, not thousands.
//!
//! An object whose unseen choices can be put off until somebody looks needs none of this: see [`EvictingCache`](super::EvictingCache), whose
//! state is a value that may or may not be there.
//!
//! # Example: a counter that may lose increments
//! ```
//! use stormglass_checker::{
//!     History, Limits, Nondeterministic, Operation, Outcome, Possibilities, SpecificationError, Verdict, check,
//! };
//!
//! struct LossyCounter;
//!
//! enum Op {
//!     Increment,
//!     Read(u64),
//! }
//!
//! impl Nondeterministic for LossyCounter {
//!     type Op = Op;
//!     type State = u64;
//!
//!     fn name(&self) -> &str {
//!         "lossy counter"
//!     }
//!     fn promise(&self) -> &str {
//!         "increments may be lost, but are never counted twice (the manual, page 7)"
//!     }
//!     fn parse(&self, operation: &Operation) -> Result<Option<Op>, SpecificationError> {
//!         Ok(match (operation.f.as_str(), &operation.outcome) {
//!             ("increment", _) => Some(Op::Increment),
//!             ("read", Outcome::Ok(value)) => value.as_u64().map(Op::Read),
//!             _ => None,
//!         })
//!     }
//!     fn initial(&self) -> Vec<u64> {
//!         vec![0]
//!     }
//!     fn step(&self, state: &u64, op: &Op) -> Vec<u64> {
//!         match op {
//!             Op::Increment => vec![*state, *state + 1],
//!             Op::Read(seen) if seen == state => vec![*state],
//!             Op::Read(_) => vec![],
//!         }
//!     }
//!     fn describe(&self, op: &Op) -> String {
//!         match op {
//!             Op::Increment => "increment".to_owned(),
//!             Op::Read(seen) => format!("read of {seen}"),
//!         }
//!     }
//!     fn per_key(&self) -> bool {
//!         true
//!     }
//! }
//!
//! let verdict = |seen: u64| {
//!     let text = format!(
//!         r#"{{"process":0,"type":"invoke","f":"increment"}}
//! {{"process":0,"type":"ok","f":"increment"}}
//! {{"process":0,"type":"invoke","f":"read"}}
//! {{"process":0,"type":"ok","f":"read","value":{seen}}}
//! "#
//!     );
//!     let history = History::parse_jsonl("example", text.as_bytes()).unwrap();
//!     check(&Possibilities(LossyCounter), &history, &Limits::default()).unwrap().verdict
//! };
//! assert!(matches!(verdict(0), Verdict::Valid(_)));
//! assert!(matches!(verdict(1), Verdict::Valid(_)));
//! assert!(matches!(verdict(2), Verdict::Invalid(_)));
//! ```

use std::fmt::Debug;
use std::hash::Hash;

use crate::limits::spend;
use crate::operation::Operation;
use crate::specification::{Specification, SpecificationError};

/// A sequential object whose steps may lead to one of several states. The functions are those of [`Specification`], except where said.
pub trait Nondeterministic: Sync {
    /// See [`Specification::Op`].
    type Op: Send + Sync;
    /// The whole state of the object. For keyed objects, of one key.
    type State: Clone + Ord + Hash + Debug + Send;

    /// See [`Specification::name`].
    fn name(&self) -> &str;

    /// See [`Specification::promise`].
    fn promise(&self) -> &str;

    /// See [`Specification::parse`].
    ///
    /// # Errors
    /// When the function or a value is not one the object has.
    fn parse(&self, operation: &Operation) -> Result<Option<Self::Op>, SpecificationError>;

    /// The states in which the object may begin.
    fn initial(&self) -> Vec<Self::State>;

    /// Every state that may follow, in any order; none when `op`, with the result it had, is not allowed in `state`.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Vec<Self::State>;

    /// See [`Specification::describe`].
    fn describe(&self, op: &Self::Op) -> String;

    /// See [`Specification::per_key`].
    fn per_key(&self) -> bool;

    /// See [`Specification::describe_state`].
    fn describe_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// See [`Specification::interchangeable`].
    fn interchangeable(&self, _left: &Self::Op, _right: &Self::Op) -> bool {
        false
    }

    /// See [`Specification::state_bytes`].
    fn state_bytes(&self, _state: &Self::State) -> u64 {
        size_of::<Self::State>() as u64
    }
}

/// The specification of a [`Nondeterministic`] object. Its states are the states that are possible: sorted, each once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Possibilities<N>(pub N);

/// Sorts, and drops what is there twice.
fn set<State: Ord>(mut states: Vec<State>) -> Box<[State]> {
    states.sort_unstable();
    states.dedup();
    states.into_boxed_slice()
}

impl<N: Nondeterministic> Specification for Possibilities<N> {
    type Op = N::Op;
    type State = Box<[N::State]>;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn promise(&self) -> &str {
        self.0.promise()
    }

    fn parse(&self, operation: &Operation) -> Result<Option<N::Op>, SpecificationError> {
        self.0.parse(operation)
    }

    fn initial(&self) -> Box<[N::State]> {
        set(self.0.initial())
    }

    fn step(&self, state: &Box<[N::State]>, op: &N::Op) -> Option<Box<[N::State]>> {
        if !spend(state.len() as u64) {
            return None;
        }
        let next: Vec<N::State> = state
            .iter()
            .flat_map(|state| self.0.step(state, op))
            .collect();
        (!next.is_empty()).then(|| set(next))
    }

    fn describe(&self, op: &N::Op) -> String {
        self.0.describe(op)
    }

    fn per_key(&self) -> bool {
        self.0.per_key()
    }

    fn describe_state(&self, state: &Box<[N::State]>) -> String {
        /// More than these are counted, not listed.
        const LISTED_MAX: usize = 4;
        let listed = state.iter().take(LISTED_MAX);
        let mut words: Vec<String> = listed.map(|state| self.0.describe_state(state)).collect();
        if state.len() > LISTED_MAX {
            words.push(format!("one of {} others", state.len() - LISTED_MAX));
        }
        words.join(" or ")
    }

    fn interchangeable(&self, left: &N::Op, right: &N::Op) -> bool {
        self.0.interchangeable(left, right)
    }

    fn state_bytes(&self, state: &Box<[N::State]>) -> u64 {
        let held = state.iter().map(|state| self.0.state_bytes(state));
        size_of::<Self::State>() as u64 + 16 + held.sum::<u64>()
    }
}
