//! A key-value store of two keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;
use crate::common::independent::{append, transact};

const KEYS: [&str; 2] = ["x", "y"];

pub(crate) struct KeyValues {
    transactions: bool,
    /// What a missing key holds.
    missing: Value,
    held: BTreeMap<String, Value>,
}

impl KeyValues {
    pub(crate) fn new(transactions: bool, missing: Value) -> Self {
        Self {
            transactions,
            missing,
            held: BTreeMap::new(),
        }
    }

    fn get(&self, key: &str) -> Value {
        self.held.get(key).unwrap_or(&self.missing).clone()
    }

    fn value(random: &mut Random) -> Value {
        json!(["a", "ab", "b", "", 1])[random.below(5) as usize].clone()
    }

    fn transaction(&self, random: &mut Random) -> Value {
        let step = |_| {
            let key = KEYS[random.below(2) as usize];
            match random.below(5) {
                0 | 1 => json!(["r", key, null]),
                2 | 3 => json!(["w", key, Self::value(random)]),
                _ if random.below(3) > 0 => json!(["=", key, self.get(key)]),
                _ => json!(["=", key, Self::value(random)]),
            }
        };
        let steps: Vec<u64> = (0..=self.held.len().min(2) as u64).collect();
        steps.into_iter().map(step).collect()
    }
}

impl Player for KeyValues {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        if self.transactions && random.below(3) == 0 {
            return (None, "txn", self.transaction(random));
        }
        let key = KEYS[random.below(2) as usize];
        let value = Self::value(random);
        let (f, input) = match random.below(12) {
            0..=3 => ("get", Value::Null),
            4 | 5 => ("put", value),
            6..=8 => ("append", json!(["a", "b", "ab"][random.below(3) as usize])),
            9 => ("delete", Value::Null),
            _ if random.below(2) == 0 => ("cas", json!([self.get(key), value])),
            _ => ("cas", json!([Self::value(random), value])),
        };
        (Some(key), f, input)
    }

    fn carry_out(&mut self, key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        let Some(key) = key else {
            return transact(&mut self.held, input).ok_or(());
        };
        let before = self.get(key);
        let after = match f {
            "get" => return Ok(before),
            "put" => input.clone(),
            "append" => append(&before, input).ok_or(())?,
            "delete" if before == self.missing => return Err(()),
            "delete" => self.missing.clone(),
            _ if before == input[0] => input[1].clone(),
            _ => return Err(()),
        };
        self.held.insert(key.to_owned(), after);
        Ok(Value::Null)
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        let lies = [
            json!("a"),
            json!("ab"),
            json!("b"),
            json!("aab"),
            json!("abab"),
            json!("ba"),
            json!(1),
            Value::Null,
        ];
        let lie = lies[random.below(8) as usize].clone();
        match f {
            "get" => lie,
            "txn" => {
                let mut result = result.clone();
                let steps = result.as_array_mut().into_iter().flatten();
                let mut reads: Vec<&mut Value> = steps.filter(|step| step[0] == "r").collect();
                if !reads.is_empty() {
                    let at = random.below(reads.len() as u64) as usize;
                    reads[at][2] = lie;
                }
                result
            }
            _ => result.clone(),
        }
    }
}
