//! A register a key.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

/// What its clients ask.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// Values are 0 up to this; with `unique`, writes count on from here.
    pub(crate) values: u64,
    pub(crate) keys: &'static [&'static str],
    /// Writes never repeat a value.
    pub(crate) unique: bool,
    pub(crate) cas: bool,
}

pub(crate) struct Registers {
    asked: Asked,
    contents: Vec<Value>,
    written: u64,
    /// Whether it sometimes confirms a compare-and-set that did not find the old value.
    lies: bool,
    lie_next: bool,
}

impl Registers {
    pub(crate) fn new(asked: Asked) -> Self {
        let contents = vec![Value::Null; asked.keys.len().max(1)];
        Self {
            asked,
            contents,
            written: asked.values,
            lies: false,
            lie_next: false,
        }
    }

    /// One that confirms a compare-and-set now and then that did not find the old value.
    pub(crate) fn lying(asked: Asked) -> Self {
        Self {
            lies: true,
            ..Self::new(asked)
        }
    }

    fn value(&mut self, random: &mut Random) -> Value {
        if self.asked.unique {
            self.written += 1;
            return json!(self.written);
        }
        json!(random.below(self.asked.values))
    }

    /// A value that some write has had, the initial one, or one that the next writes will have.
    fn known(&self, random: &mut Random) -> Value {
        match random.below(self.written - self.asked.values + 3) {
            0 => Value::Null,
            number => json!(self.asked.values + number),
        }
    }

    fn place(&self, key: Option<&str>) -> usize {
        self.asked
            .keys
            .iter()
            .position(|known| Some(*known) == key)
            .unwrap_or(0)
    }
}

impl Player for Registers {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        let key = (!self.asked.keys.is_empty())
            .then(|| self.asked.keys[random.below(self.asked.keys.len() as u64) as usize]);
        self.lie_next = self.lies && random.below(3) == 0;
        match random.below(6) {
            0..=2 => (key, "read", Value::Null),
            5 if self.asked.cas => {
                let old = if random.below(2) == 0 {
                    self.contents[self.place(key)].clone()
                } else if self.asked.unique {
                    self.known(random)
                } else {
                    json!(random.below(self.asked.values.max(1)))
                };
                let new = self.value(random);
                (key, "cas", json!([old, new]))
            }
            _ => (key, "write", self.value(random)),
        }
    }

    fn carry_out(&mut self, key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        let place = self.place(key);
        let content = &mut self.contents[place];
        match f {
            "read" => return Ok(content.clone()),
            "write" => *content = input.clone(),
            _ if *content == input[0] => *content = input[1].clone(),
            _ if !self.lie_next => return Err(()),
            // Half of the lies are even carried out.
            _ if input[1].as_u64().is_some_and(|new| new % 2 == 0) => *content = input[1].clone(),
            _ => {}
        }
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        match f {
            "read" if self.asked.unique => self.known(random),
            "read" => json!(random.below(self.asked.values)),
            _ => result.clone(),
        }
    }
}

/// A register whose every value is written once.
pub(crate) const UNIQUE: Asked = Asked {
    values: 0,
    keys: &[],
    unique: true,
    cas: false,
};

pub(crate) const UNIQUE_WITH_CAS: Asked = Asked {
    cas: true,
    ..UNIQUE
};
