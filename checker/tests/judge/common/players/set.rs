//! A set.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct Sets {
    /// Values are 0 up to this; 0 when they never repeat.
    values: u64,
    removes: bool,
    added: u64,
    held: Vec<u64>,
}

impl Sets {
    pub(crate) fn new(values: u64, removes: bool) -> Self {
        Self {
            values,
            removes,
            added: 0,
            held: Vec::new(),
        }
    }

    fn some(&self, random: &mut Random) -> u64 {
        match self.values {
            0 => random.below(self.added + 2),
            values => random.below(values),
        }
    }
}

impl Player for Sets {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        match random.below(8) {
            0..=2 => (None, "read", Value::Null),
            3 => (None, "contains", json!(self.some(random))),
            4 if self.removes => (None, "remove", json!(self.some(random))),
            _ => {
                self.added += 1;
                let value = match self.values {
                    0 => self.added,
                    values => random.below(values),
                };
                (None, "add", json!(value))
            }
        }
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        let element = input.as_u64().unwrap_or_default();
        match f {
            "read" => return Ok(json!(self.held)),
            "contains" => return Ok(json!(self.held.contains(&element))),
            "add" if !self.held.contains(&element) => self.held.push(element),
            "remove" => self.held.retain(|held| *held != element),
            _ => {}
        }
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, _f: &str, result: &Value) -> Value {
        if let Some(held) = result.as_bool() {
            return json!(!held);
        }
        let Some(list) = result.as_array() else {
            return result.clone();
        };
        let mut list = list.clone();
        if !list.is_empty() && random.below(8) == 0 {
            // Named twice.
            list.push(list[0].clone());
        } else if random.below(2) == 0 && !list.is_empty() {
            list.remove(random.below(list.len() as u64) as usize);
        } else {
            let more = json!(self.some(random));
            if !list.contains(&more) {
                list.push(more);
            }
        }
        json!(list)
    }
}
