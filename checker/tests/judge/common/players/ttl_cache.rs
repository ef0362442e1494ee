//! A cache whose values live for a time.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct TtlCaches {
    slack_ns: u64,
    /// How much too early or too late the next value vanishes.
    jitter: Random,
    /// Half of them are off by more than they may be.
    breaks: bool,
    now_ns: u64,
    stored: Option<Value>,
    over_at_ns: u64,
}

impl TtlCaches {
    pub(crate) fn new(slack_ns: u64, random: &mut Random) -> Self {
        Self {
            slack_ns,
            jitter: Random(random.next()),
            breaks: random.below(2) == 0,
            now_ns: 0,
            stored: None,
            over_at_ns: 0,
        }
    }
}

impl Player for TtlCaches {
    fn turn(&mut self, _process: u64, time_ns: u64) {
        self.now_ns = time_ns;
    }

    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        match random.below(10) {
            0..=5 => (None, "get", Value::Null),
            6 => (None, "delete", Value::Null),
            _ => {
                let ttl = match random.below(8) {
                    0 => Value::Null,
                    events => json!(events * 700),
                };
                (None, "set", json!([random.below(3), ttl]))
            }
        }
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        if self.now_ns >= self.over_at_ns {
            self.stored = None;
        }
        match f {
            "get" => return Ok(self.stored.clone().unwrap_or_default()),
            "set" => {
                self.stored = Some(input[0].clone());
                let off = self.slack_ns + if self.breaks { 4000 } else { 0 };
                let early = self.jitter.below(2 * off + 1);
                self.over_at_ns = input[1].as_u64().map_or(u64::MAX, |ttl| {
                    (self.now_ns + ttl + off).saturating_sub(early)
                });
            }
            _ if self.stored.is_none() => return Err(()),
            _ => self.stored = None,
        }
        Ok(Value::Null)
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        match f {
            "get" if random.below(2) == 0 => Value::Null,
            "get" => json!(random.below(3)),
            _ => result.clone(),
        }
    }
}
