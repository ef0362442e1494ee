//! A lock with fencing tokens, and the resource it guards.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct FencedLocks {
    expires: bool,
    /// Whether the lock is lost before the next operation.
    loses: Random,
    /// Half of them break now and then, since tokens alone are seldom wrong.
    breaks: bool,
    granted: u64,
    held: bool,
    accepted: u64,
}

impl FencedLocks {
    pub(crate) fn new(expires: bool, random: &mut Random) -> Self {
        Self {
            expires,
            loses: Random(random.next()),
            breaks: random.below(2) == 0,
            granted: 0,
            held: false,
            accepted: 0,
        }
    }
}

impl Player for FencedLocks {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        let token = json!(self.granted.saturating_sub(random.below(2)));
        match random.below(5) {
            0 | 1 => (None, "acquire", Value::Null),
            2 => (None, "release", token),
            _ => (None, "write", token),
        }
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        let token = input.as_u64().unwrap_or(0);
        let lost = self.expires && self.loses.below(3) == 0;
        if self.breaks && self.loses.below(3) == 0 {
            return match f {
                "acquire" => Ok(json!(self.granted)),
                _ if self.loses.below(2) == 0 => Err(()),
                _ => Ok(Value::Null),
            };
        }
        match f {
            "acquire" if self.held && !lost => return Err(()),
            "acquire" => {
                self.granted += 1 + self.loses.below(2);
                self.held = true;
                return Ok(json!(self.granted));
            }
            "release" if self.held && token == self.granted && !lost => self.held = false,
            "release" if self.expires && self.loses.below(2) == 0 => {}
            "release" => return Err(()),
            _ if token < self.accepted => return Err(()),
            _ => self.accepted = token,
        }
        Ok(input.clone())
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        match f {
            "acquire" if random.below(16) == 0 => json!(-1),
            "acquire" => json!(random.below(self.granted + 2)),
            _ => result.clone(),
        }
    }
}
