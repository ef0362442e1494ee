//! A cache that drops what it likes.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct EvictingCaches {
    tokens: bool,
    evicts: Random,
    /// The value and its token.
    stored: Option<(Value, u64)>,
    last_token: u64,
}

impl EvictingCaches {
    pub(crate) fn new(tokens: bool, random: &mut Random) -> Self {
        Self {
            tokens,
            evicts: Random(random.next()),
            stored: None,
            last_token: 0,
        }
    }

    fn store(&mut self, value: &Value) {
        self.last_token += 1;
        self.stored = Some((value.clone(), self.last_token));
    }
}

impl Player for EvictingCaches {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        let value = json!(random.below(3));
        let f = match random.below(if self.tokens { 14 } else { 9 }) {
            0..=2 => "get",
            3 | 4 => "set",
            5 => "add",
            6 => "replace",
            7 => "delete",
            8..=11 if self.tokens => "gets",
            12.. => {
                let token = self.last_token.saturating_sub(random.below(2));
                return (None, "cas", json!([token, value]));
            }
            _ => "get",
        };
        let argument = matches!(f, "set" | "add" | "replace");
        (None, f, if argument { value } else { Value::Null })
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        if self.evicts.below(6) == 0 {
            self.stored = None;
        }
        match (f, &self.stored) {
            ("get", stored) => {
                return Ok(stored
                    .as_ref()
                    .map_or(Value::Null, |(value, _)| value.clone()));
            }
            ("gets", stored) => {
                return Ok(stored.as_ref().map_or(Value::Null, |stored| json!(stored)));
            }
            ("set", _) | ("add", None) | ("replace", Some(_)) => self.store(input),
            ("delete", Some(_)) => self.stored = None,
            ("cas", Some((_, token))) if input[0] == json!(token) => self.store(&input[1]),
            _ => return Err(()),
        }
        Ok(Value::Null)
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        let value = match random.below(4) {
            3 => {
                return if f.starts_with("get") {
                    Value::Null
                } else {
                    result.clone()
                };
            }
            value => json!(value),
        };
        match f {
            "get" => value,
            "gets" if result.is_null() || random.below(2) == 0 => {
                json!([value, random.below(self.last_token + 2)])
            }
            "gets" if random.below(8) == 0 => json!([result[0], -1]),
            "gets" => json!([result[0], random.below(self.last_token + 2)]),
            _ => result.clone(),
        }
    }
}
