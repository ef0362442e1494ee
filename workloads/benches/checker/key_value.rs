//! The key-value store that the `kv` rows are judged by. A stand-in: once the checker has a specification of its own for `get`, `put` and
//! `append`, this file becomes `pub(crate) use` of it, and nothing else changes.

use serde_json::Value;
use stormglass_checker::{Operation, Outcome, Specification, SpecificationError};

/// Each key a text, initially empty.
pub(crate) struct KeyValue;

/// An operation on one key.
pub(crate) enum KeyValueOp {
    Get(String),
    Put(String),
    Append(String),
}

impl Specification for KeyValue {
    type Op = KeyValueOp;
    type State = String;

    fn name(&self) -> &str {
        "kv"
    }

    fn promise(&self) -> &str {
        "linearizable get, put and append"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<KeyValueOp>, SpecificationError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(match (operation.f.as_str(), &operation.outcome) {
            ("get", Outcome::Ok(value)) => Some(KeyValueOp::Get(text(value))),
            ("get", _) => None,
            ("put", _) => Some(KeyValueOp::Put(text(&operation.input))),
            ("append", _) => Some(KeyValueOp::Append(text(&operation.input))),
            (other, _) => return Err(SpecificationError::new("get, put or append", other)),
        })
    }

    fn initial(&self) -> String {
        String::new()
    }

    fn step(&self, state: &String, op: &KeyValueOp) -> Option<String> {
        match op {
            KeyValueOp::Get(value) => (value == state).then(|| state.clone()),
            KeyValueOp::Put(value) => Some(value.clone()),
            KeyValueOp::Append(value) => Some(state.clone() + value),
        }
    }

    fn describe(&self, op: &KeyValueOp) -> String {
        match op {
            KeyValueOp::Get(value) => format!("get of {value:?}"),
            KeyValueOp::Put(value) => format!("put of {value:?}"),
            KeyValueOp::Append(value) => format!("append of {value:?}"),
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn state_bytes(&self, state: &String) -> u64 {
        (size_of::<String>() + state.capacity() + 16) as u64
    }
}
