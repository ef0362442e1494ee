//! A counter, an object whose states no law of the search can merge.

use serde_json::{Value, json};
use stormglass_checker::{History, Kind, Operation, Outcome, Specification, SpecificationError};

use super::{event, history, ok};

/// A counter: `add` and `get`. The sums of subsets make every set of unknown adds a state of its own.
pub(crate) struct Counter;

pub(crate) enum CounterOp {
    Add(u64),
    Get(u64),
}

impl Specification for Counter {
    type Op = CounterOp;
    type State = u64;

    fn name(&self) -> &str {
        "counter"
    }
    fn promise(&self) -> &str {
        "an exact counter"
    }
    fn parse(&self, operation: &Operation) -> Result<Option<CounterOp>, SpecificationError> {
        let number = |value: &Value| {
            value
                .as_u64()
                .ok_or_else(|| SpecificationError::new("a number", value))
        };
        Ok(match (operation.f.as_str(), &operation.outcome) {
            ("get", Outcome::Ok(value)) => Some(CounterOp::Get(number(value)?)),
            ("get", _) => None,
            _ => Some(CounterOp::Add(number(&operation.input)?)),
        })
    }
    fn initial(&self) -> u64 {
        0
    }
    fn step(&self, state: &u64, op: &CounterOp) -> Option<u64> {
        match op {
            CounterOp::Add(more) => state.checked_add(*more),
            CounterOp::Get(seen) => (seen == state).then_some(*state),
        }
    }
    fn describe(&self, op: &CounterOp) -> String {
        match op {
            CounterOp::Add(more) => format!("add of {more}"),
            CounterOp::Get(seen) => format!("get of {seen}"),
        }
    }
    fn per_key(&self) -> bool {
        true
    }
}

/// Forty adds of unknown outcome, each a power of three, and a read of a sum no subset has.
pub(crate) fn subset_sums() -> History {
    let mut events = Vec::new();
    for exponent in 0..40 {
        let value = json!(3_u64.pow(exponent));
        events.push(event(exponent.into(), Kind::Invoke, "add", value.clone()));
        events.push(event(exponent.into(), Kind::Info, "add", value));
    }
    events.extend(ok(1000, "get", Value::Null, json!(2)));
    history(events)
}
