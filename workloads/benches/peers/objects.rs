//! Sequential objects in the plainest form, which every peer's own trait is made of.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use stormglass_checker::{Operation, Outcome};

/// A sequential object.
pub(crate) trait Sequential: Clone + Send + Sync + 'static {
    /// An operation with its result. One that crashed must be allowed in every state.
    type Op: Clone + Debug + Send + Sync;
    type State: Clone + Eq + Hash + Debug + Default + Send + Sync;
    /// What is remembered from one operation to the next while they are made.
    type Reader: Default;
    /// Whether each key is an object of its own.
    const PER_KEY: bool;

    /// `None` for an operation that tells nothing.
    fn read(reader: &mut Self::Reader, operation: &Operation) -> Option<Self::Op>;
    fn step(state: &Self::State, op: &Self::Op) -> Option<Self::State>;
}

/// A register; its values are numbers from 1 in the order in which they are met, and 0 is what was never written.
#[derive(Clone)]
pub(crate) struct Register;

#[derive(Clone, Copy, Debug)]
pub(crate) enum RegisterOp {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    Differs(u32),
    MaybeCas(u32, u32),
}

#[derive(Default)]
pub(crate) struct Numbers(BTreeMap<String, u32>);

impl Numbers {
    fn number(&mut self, value: &Value) -> u32 {
        if value.is_null() {
            return 0;
        }
        let next = self.0.len() as u32 + 1;
        *self.0.entry(value.to_string()).or_insert(next)
    }
}

impl Sequential for Register {
    type Op = RegisterOp;
    type State = u32;
    type Reader = Numbers;
    const PER_KEY: bool = true;

    fn read(numbers: &mut Numbers, operation: &Operation) -> Option<RegisterOp> {
        let input = &operation.input;
        Some(match (operation.f.as_str(), &operation.outcome) {
            ("read", Outcome::Ok(value)) => RegisterOp::Read(numbers.number(value)),
            ("write", Outcome::Ok(_) | Outcome::Unknown) => {
                RegisterOp::Write(numbers.number(input))
            }
            ("cas", outcome) => {
                let (old, new) = (numbers.number(&input[0]), numbers.number(&input[1]));
                match outcome {
                    Outcome::Ok(_) => RegisterOp::Cas(old, new),
                    Outcome::Mismatch => RegisterOp::Differs(old),
                    Outcome::Unknown => RegisterOp::MaybeCas(old, new),
                }
            }
            _ => return None,
        })
    }

    fn step(state: &u32, op: &RegisterOp) -> Option<u32> {
        match *op {
            RegisterOp::Read(seen) => (*state == seen).then_some(seen),
            RegisterOp::Write(new) => Some(new),
            RegisterOp::Cas(old, new) => (*state == old).then_some(new),
            RegisterOp::Differs(old) => (*state != old).then_some(*state),
            RegisterOp::MaybeCas(old, new) => Some(if *state == old { new } else { *state }),
        }
    }
}

/// One text of a key-value store.
#[derive(Clone)]
pub(crate) struct Text;

/// A whole key-value store, for measuring what it costs not to split it by key.
#[derive(Clone)]
pub(crate) struct Texts;

#[derive(Clone, Debug)]
pub(crate) enum TextOp {
    Get(String),
    Put(String),
    Append(String),
}

impl Sequential for Text {
    type Op = TextOp;
    type State = String;
    type Reader = ();
    const PER_KEY: bool = true;

    fn read(_: &mut (), operation: &Operation) -> Option<TextOp> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match (operation.f.as_str(), &operation.outcome) {
            ("get", Outcome::Ok(value)) => Some(TextOp::Get(text(value))),
            ("put", _) => Some(TextOp::Put(text(&operation.input))),
            ("append", _) => Some(TextOp::Append(text(&operation.input))),
            _ => None,
        }
    }

    fn step(state: &String, op: &TextOp) -> Option<String> {
        match op {
            TextOp::Get(seen) => (state == seen).then(|| state.clone()),
            TextOp::Put(text) => Some(text.clone()),
            TextOp::Append(text) => Some(state.clone() + text),
        }
    }
}

impl Sequential for Texts {
    type Op = (String, TextOp);
    type State = BTreeMap<String, String>;
    type Reader = ();
    const PER_KEY: bool = false;

    fn read(_: &mut (), operation: &Operation) -> Option<Self::Op> {
        let key = operation.key.clone().unwrap_or_default();
        Some((key, Text::read(&mut (), operation)?))
    }

    fn step(state: &Self::State, (key, op): &Self::Op) -> Option<Self::State> {
        let text = state.get(key).cloned().unwrap_or_default();
        let next = Text::step(&text, op)?;
        let mut state = state.clone();
        state.insert(key.clone(), next);
        Some(state)
    }
}
