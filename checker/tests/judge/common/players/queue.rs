//! A queue.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct Queues {
    /// Values are 0 up to this; 0 when they never repeat.
    values: u64,
    enqueued: u64,
    waiting: VecDeque<Value>,
}

impl Queues {
    pub(crate) fn new(values: u64) -> Self {
        Self {
            values,
            enqueued: 0,
            waiting: VecDeque::new(),
        }
    }
}

impl Player for Queues {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        if random.below(2) == 0 {
            return (None, "dequeue", Value::Null);
        }
        self.enqueued += 1;
        let value = match self.values {
            0 => self.enqueued,
            values => random.below(values),
        };
        (None, "enqueue", json!(value))
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        if f == "dequeue" {
            return Ok(self.waiting.pop_front().unwrap_or_default());
        }
        self.waiting.push_back(input.clone());
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        if f != "dequeue" {
            return result.clone();
        }
        match random.below(self.enqueued.max(self.values) + 2) {
            0 => Value::Null,
            number => json!(number),
        }
    }
}
