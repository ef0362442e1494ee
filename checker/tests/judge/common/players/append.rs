//! A list a key.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct Lists {
    keys: &'static [&'static str],
    /// Values are 0 up to this; 0 when they never repeat.
    values: u64,
    appended: u64,
    lists: Vec<Vec<Value>>,
}

impl Lists {
    pub(crate) fn new(keys: &'static [&'static str], values: u64) -> Self {
        Self {
            keys,
            values,
            appended: 0,
            lists: vec![Vec::new(); keys.len().max(1)],
        }
    }

    fn place(&self, key: Option<&str>) -> usize {
        let known = self.keys.iter().position(|known| Some(*known) == key);
        known.unwrap_or(0)
    }
}

impl Player for Lists {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        let key = (!self.keys.is_empty())
            .then(|| self.keys[random.below(self.keys.len() as u64) as usize]);
        if random.below(5) < 3 {
            return (key, "read", Value::Null);
        }
        self.appended += 1;
        let value = match self.values {
            0 => self.appended,
            values => random.below(values),
        };
        (key, "append", json!(value))
    }

    fn carry_out(&mut self, key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        let place = self.place(key);
        if f == "read" {
            return Ok(json!(self.lists[place]));
        }
        self.lists[place].push(input.clone());
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        let Some(list) = result.as_array().filter(|_| f == "read") else {
            return result.clone();
        };
        let mut list = list.clone();
        match random.below(4) {
            0 if !list.is_empty() => list.truncate(list.len() - 1),
            0 | 1 => list.push(json!(random.below(self.appended.max(self.values) + 2))),
            2 if list.len() > 1 => {
                let at = random.below(list.len() as u64 - 1) as usize;
                list.swap(at, at + 1);
            }
            _ if !list.is_empty() => {
                list.remove(random.below(list.len() as u64) as usize);
            }
            _ => {}
        }
        json!(list)
    }
}
