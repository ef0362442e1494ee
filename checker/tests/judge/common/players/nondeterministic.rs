//! A counter that may lose increments, as an example of an object with several outcomes.

use serde_json::{Value, json};
use stormglass_checker::{Nondeterministic, Operation, Outcome, SpecificationError};

use crate::common::Random;
use crate::common::fuzz::Player;

/// Its promise.
pub(crate) struct LossyCounter;

#[derive(PartialEq)]
pub(crate) enum LossyCounterOp {
    Increment,
    Read(u64),
}

impl Nondeterministic for LossyCounter {
    type Op = LossyCounterOp;
    type State = u64;

    fn name(&self) -> &str {
        "lossy-counter"
    }
    fn promise(&self) -> &str {
        "increments may be lost, but are never counted twice"
    }
    fn parse(&self, operation: &Operation) -> Result<Option<LossyCounterOp>, SpecificationError> {
        Ok(match (operation.f.as_str(), &operation.outcome) {
            ("increment", _) => Some(LossyCounterOp::Increment),
            ("read", Outcome::Ok(value)) => value.as_u64().map(LossyCounterOp::Read),
            _ => None,
        })
    }
    fn initial(&self) -> Vec<u64> {
        vec![0]
    }
    fn step(&self, state: &u64, op: &LossyCounterOp) -> Vec<u64> {
        match op {
            LossyCounterOp::Increment => vec![*state + 1, *state],
            LossyCounterOp::Read(seen) if seen == state => vec![*state],
            LossyCounterOp::Read(_) => vec![],
        }
    }
    fn describe(&self, op: &LossyCounterOp) -> String {
        match op {
            LossyCounterOp::Increment => "increment".to_owned(),
            LossyCounterOp::Read(seen) => format!("read of {seen}"),
        }
    }
    fn per_key(&self) -> bool {
        true
    }
    fn interchangeable(&self, left: &LossyCounterOp, right: &LossyCounterOp) -> bool {
        left == right
    }
}

pub(crate) struct LossyCounters {
    loses: Random,
    /// Half of them count some increments twice.
    breaks: bool,
    count: u64,
}

impl LossyCounters {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            loses: Random(random.next()),
            breaks: random.below(2) == 0,
            count: 0,
        }
    }
}

impl Player for LossyCounters {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        let read = random.below(5) < 3;
        (None, if read { "read" } else { "increment" }, Value::Null)
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, _input: &Value) -> Result<Value, ()> {
        if f == "read" {
            return Ok(json!(self.count));
        }
        let most = if self.breaks { 2 } else { 1 };
        self.count += self.loses.below(3).min(most);
        Ok(Value::Null)
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        match f {
            "read" => json!(random.below(self.count + 2)),
            _ => result.clone(),
        }
    }
}
