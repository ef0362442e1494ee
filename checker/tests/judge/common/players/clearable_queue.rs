//! A queue that can be cleared. It has no keys, and its operations have every kind of effect.

use serde_json::{Value, json};
use stormglass_checker::{Effect, Operation, Outcome, Specification, SpecificationError};

use crate::common::Random;
use crate::common::fuzz::Player;

/// A queue, as a user would write it: first in, first out; `null` when empty.
pub(crate) struct ClearableQueue;

#[derive(Debug)]
pub(crate) enum QueueOp {
    Enqueue(u64),
    Dequeue(Option<u64>),
    DequeueUnknown,
    Clear,
}

impl Specification for ClearableQueue {
    type Op = QueueOp;
    type State = Vec<u64>;

    fn name(&self) -> &str {
        "clearable queue"
    }
    fn promise(&self) -> &str {
        "first in, first out"
    }
    fn parse(&self, operation: &Operation) -> Result<Option<QueueOp>, SpecificationError> {
        Ok(Some(match (operation.f.as_str(), &operation.outcome) {
            ("enqueue", _) => QueueOp::Enqueue(operation.input.as_u64().unwrap()),
            ("dequeue", Outcome::Ok(value)) => QueueOp::Dequeue(value.as_u64()),
            ("dequeue", _) => QueueOp::DequeueUnknown,
            ("clear", _) => QueueOp::Clear,
            (other, _) => return Err(SpecificationError::new("enqueue, dequeue or clear", other)),
        }))
    }
    fn initial(&self) -> Vec<u64> {
        Vec::new()
    }
    fn step(&self, state: &Vec<u64>, op: &QueueOp) -> Option<Vec<u64>> {
        let mut next = state.clone();
        match op {
            QueueOp::Enqueue(value) => next.push(*value),
            QueueOp::Dequeue(None) => return state.is_empty().then_some(next),
            QueueOp::Dequeue(Some(value)) => {
                if state.first() != Some(value) {
                    return None;
                }
                next.remove(0);
            }
            QueueOp::DequeueUnknown => {
                if !next.is_empty() {
                    next.remove(0);
                }
            }
            QueueOp::Clear => next.clear(),
        }
        Some(next)
    }
    fn describe(&self, op: &QueueOp) -> String {
        format!("{op:?}")
    }
    fn per_key(&self) -> bool {
        false
    }
    fn effect(&self, op: &QueueOp) -> Effect {
        match op {
            QueueOp::Clear => Effect::Overwrites,
            QueueOp::Dequeue(None) => Effect::Reads,
            _ => Effect::Depends,
        }
    }
    fn interchangeable(&self, left: &QueueOp, right: &QueueOp) -> bool {
        matches!(
            (left, right),
            (QueueOp::DequeueUnknown, QueueOp::DequeueUnknown)
        )
    }
}

#[derive(Default)]
pub(crate) struct ClearableQueues {
    content: Vec<u64>,
}

impl Player for ClearableQueues {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        match random.below(9) {
            0..=3 => (None, "enqueue", json!(random.below(3))),
            4 => (None, "clear", Value::Null),
            _ => (None, "dequeue", Value::Null),
        }
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        match f {
            "enqueue" => self.content.extend(input.as_u64()),
            "clear" => self.content.clear(),
            _ if self.content.is_empty() => {}
            _ => return Ok(json!(self.content.remove(0))),
        }
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        match f {
            "dequeue" if random.below(4) == 0 => Value::Null,
            "dequeue" => json!(random.below(3)),
            _ => result.clone(),
        }
    }
}
