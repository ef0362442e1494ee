//! The specification: what a sequential object may do, written from its promise.
//!
//! A history is *linearizable* if its operations can be put in an order that keeps real time and that the sequential object allows, after
//! operations of unknown outcome are each given an effect or left out (Herlihy and Wing, TOPLAS 1990, section 2). The sequential object is
//! all that the judge needs to be told. A [`Specification`] tells it in three functions: read an operation, begin, take a step.
//! [`specifications`](crate::specifications) are those that are written here.
//!
//! # What must hold
//! - `parse`, `initial` and `step` are functions: the same input gives the same answer. States that are equal act alike, and equal states
//!   have equal hashes.
//! - An operation of unknown outcome is parsed to an op that allows every result that the real one might have had.
//! - If `per_key` is true, or `keys` names some, operations on different keys do not see each other.
//!
//! # Hints
//! `effect`, `interchangeable`, `unseen` and `monitor` make judging faster and are believed. A false one cannot make a valid verdict that
//! [`verify`](crate::verify()) accepts, for `verify` asks for none of them. It can make a legal history look illegal. So try a new hint
//! against [`oracle::is_legal`](crate::oracle::is_legal), which asks for none of them, either.
//!
//! # Objects with unseen choices
//! `step` gives one state. An object that may do several things that no client sees at once is a
//! [`Nondeterministic`](crate::Nondeterministic).

use std::fmt::Debug;
use std::hash::Hash;

use thiserror::Error;

use crate::monitors::{Finding, Observed};
use crate::operation::Operation;

/// A sequential object: what one client alone, one operation at a time, would see.
///
/// Three pure functions make it: [`parse`](Specification::parse), [`initial`](Specification::initial) and
/// [`step`](Specification::step). Write them from what the system's documentation promises, never from its code, so
/// that two independent texts must agree. The remaining functions are names for people, and hints that make the
/// search faster; their defaults are always right.
///
/// # Example: a stack
/// ```
/// use serde_json::Value;
/// use stormglass_checker::{History, Limits, Operation, Outcome, Specification, SpecificationError, Verdict, check};
///
/// struct Stack;
///
/// #[derive(Debug)]
/// enum StackOp {
///     Push(u64),
///     /// What the client popped; `None` when it does not know.
///     Pop(Option<u64>),
/// }
///
/// impl Specification for Stack {
///     type Op = StackOp;
///     type State = Vec<u64>;
///
///     fn name(&self) -> &str {
///         "stack"
///     }
///     fn promise(&self) -> &str {
///         "last in, first out (the manual, page 1)"
///     }
///     fn parse(&self, operation: &Operation) -> Result<Option<StackOp>, SpecificationError> {
///         let number = |value: &Value| {
///             value.as_u64().ok_or_else(|| SpecificationError::new("a whole number", value))
///         };
///         match (operation.f.as_str(), &operation.outcome) {
///             ("push", _) => Ok(Some(StackOp::Push(number(&operation.input)?))),
///             ("pop", Outcome::Ok(popped)) => Ok(Some(StackOp::Pop(Some(number(popped)?)))),
///             ("pop", Outcome::Unknown) => Ok(Some(StackOp::Pop(None))),
///             _ => Err(SpecificationError::new("push or pop", &operation.f)),
///         }
///     }
///     fn initial(&self) -> Vec<u64> {
///         Vec::new()
///     }
///     fn step(&self, state: &Vec<u64>, op: &StackOp) -> Option<Vec<u64>> {
///         let mut next = state.clone();
///         match op {
///             StackOp::Push(value) => next.push(*value),
///             StackOp::Pop(seen) => {
///                 let popped = next.pop()?;
///                 if seen.is_some_and(|seen| seen != popped) {
///                     return None;
///                 }
///             }
///         }
///         Some(next)
///     }
///     fn describe(&self, op: &StackOp) -> String {
///         format!("{op:?}")
///     }
///     fn per_key(&self) -> bool {
///         false
///     }
/// }
///
/// let history = History::parse_jsonl(
///     "example",
///     r#"{"process":0,"type":"invoke","f":"push","value":1}
/// {"process":0,"type":"ok","f":"push","value":1}
/// {"process":0,"type":"invoke","f":"push","value":2}
/// {"process":0,"type":"ok","f":"push","value":2}
/// {"process":1,"type":"invoke","f":"pop","value":null}
/// {"process":1,"type":"ok","f":"pop","value":1}
/// "#
///     .as_bytes(),
/// )?;
/// let judgement = check(&Stack, &history, &Limits::default())?;
/// let Verdict::Invalid(evidence) = judgement.verdict else { panic!("2 was on top") };
/// assert_eq!(evidence.prefix_events, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Specification: Sync {
    /// What an operation means, with what is known of its result.
    type Op: Send + Sync;
    /// The whole state of the object. For keyed objects, of one key.
    type State: Clone + Eq + Hash + Debug + Send;

    /// A short name, such as `register`.
    fn name(&self) -> &str;

    /// What is tested: a short quotation from the system's documentation, with its source.
    fn promise(&self) -> &str;

    /// Reads an operation. `None` when it tells nothing and changes nothing, such as a read of unknown result.
    ///
    /// All operations of a history are parsed before the first step, so a specification may learn from them which states
    /// ever matter.
    ///
    /// An operation of [`Outcome::Unknown`](crate::Outcome::Unknown) must become an op that allows every result the
    /// real one might have had. The judge adds that it may happen late or never.
    ///
    /// # Errors
    /// When the function or a value is not one the object has.
    fn parse(&self, operation: &Operation) -> Result<Option<Self::Op>, SpecificationError>;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `op`; `None` when `op`, with the result it had, is not allowed in `state`.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// The operation in words, for evidence.
    fn describe(&self, op: &Self::Op) -> String;

    /// Whether each key is an object of its own. If so, keys are judged one by one, which is much faster.
    fn per_key(&self) -> bool;

    /// The state in words, for evidence.
    fn describe_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// How `op` acts on any state. A hint: [`Effect::Depends`] is always right.
    fn effect(&self, _op: &Self::Op) -> Effect {
        Effect::Depends
    }

    /// True when the two ops act alike in every state. A hint, asked of operations of unknown outcome; `false` is
    /// always right.
    fn interchangeable(&self, _left: &Self::Op, _right: &Self::Op) -> bool {
        false
    }

    /// The keys that `operation` touches, for objects that are not one a key but whose operations each concern a few keys:
    /// a key-value store with transactions. Operations that share no key, directly or through others, are judged apart.
    /// Asked only when [`per_key`](Specification::per_key) is false; `None` says that it may concern the whole object, and then everything is judged
    /// together.
    fn keys(&self, _operation: &Operation) -> Option<Vec<String>> {
        None
    }

    /// Judges `observed`, the operations of one part in the order of their calls, from the initial state, faster than the
    /// search would, if it is of a shape that allows it. `None` when it is not; that is always right. See [`crate::monitors`].
    fn monitor(&self, _observed: &[Observed<'_, Self::Op>]) -> Option<Finding> {
        None
    }

    /// The operations of unknown outcome among `observed` that nobody can have seen, so that leaving them out loses no order. A hint: none is always right.
    fn unseen(&self, _observed: &[Observed<'_, Self::Op>]) -> Vec<usize> {
        Vec::new()
    }

    /// What `op` saw and what it left, for an object that holds one content at a time, such as a register. Guarantees that
    /// speak of which write a read saw can then be judged, see [`crate::guarantees`]. `None` for any other object.
    ///
    /// It must be exact: an op of known outcome that saw a content is allowed when the state holds that and nothing else, what it
    /// left is what the state holds afterwards, and an op that left nothing changes nothing.
    fn access(&self, _op: &Self::Op) -> Option<Access> {
        None
    }

    /// The memory of one state in bytes, with what it owns on the heap. States that own much should say so, since
    /// [`Limits::bytes`](crate::Limits::bytes) rests on it.
    fn state_bytes(&self, _state: &Self::State) -> u64 {
        size_of::<Self::State>() as u64
    }
}

/// What an op on a register saw and left. Contents are numbers; equal numbers are equal contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// What it held when the op took effect; for an op of unknown outcome, if it took effect. `None` when that is not known.
    pub seen: Option<u64>,
    /// What it held from then on; `None` when the op changed nothing.
    pub left: Option<u64>,
}

/// How an op acts on any state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Never changes the state: `step` returns the same state or `None`.
    Reads,
    /// Allowed in every state, and leads from all of them to one and the same.
    Overwrites,
    /// Neither is promised.
    Depends,
}

/// An operation that is not one of the object's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected {expected}, found {found}")]
pub struct SpecificationError {
    /// What the specification understands.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl SpecificationError {
    /// Says what was expected and what was found instead.
    pub fn new(expected: impl Into<String>, found: impl ToString) -> Self {
        Self {
            expected: expected.into(),
            found: crate::error::excerpt(&found.to_string()),
        }
    }
}
