//! A counter.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct Counters {
    /// What is added: one of these.
    amounts: &'static [i64],
    value: i64,
}

impl Counters {
    pub(crate) fn new(amounts: &'static [i64]) -> Self {
        Self { amounts, value: 0 }
    }
}

impl Player for Counters {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        if random.below(2) == 0 {
            return (None, "read", Value::Null);
        }
        match self.amounts[random.below(self.amounts.len() as u64) as usize] {
            1 if random.below(2) == 0 => (None, "inc", Value::Null),
            -1 if random.below(2) == 0 => (None, "dec", Value::Null),
            amount => (None, "add", json!(amount)),
        }
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        match f {
            "read" => return Ok(json!(self.value)),
            "inc" => self.value += 1,
            "dec" => self.value -= 1,
            _ => self.value += input.as_i64().unwrap_or_default(),
        }
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        let Some(value) = result.as_i64().filter(|_| f == "read") else {
            return result.clone();
        };
        let amount = self.amounts[random.below(self.amounts.len() as u64) as usize];
        match random.below(20) {
            19 => json!(value as f64 + 0.5),
            0..=4 => json!(value + 2 * amount),
            5..=14 => json!(value - amount),
            _ => json!(value + amount),
        }
    }
}
