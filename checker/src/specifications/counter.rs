//! The counter, one a key: it is added to, and read.

use serde_json::Value;

use super::values::{has_fraction, whole};
use crate::monitors::{self, Finding, Observed};
use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

/// A counter a key. It is 0 at first.
///
/// | `f` | argument | result | outcome unknown |
/// | --- | --- | --- | --- |
/// | `add` | a whole number, which may be negative | ignored | it may be added at any later time, or never |
/// | `inc`, `dec` | ignored | ignored | the same, with 1 or -1 |
/// | `read` | ignored | a number; no counter allows one that is not whole | tells nothing |
///
/// An operation that was refused (`mismatch`) changed nothing and is left out.
///
/// ```
/// use stormglass_checker::{Counter, History, Limits, Verdict, check};
///
/// let history = History::parse_jsonl(
///     "example",
///     r#"{"process":0,"type":"invoke","f":"add","value":2}
/// {"process":0,"type":"ok","f":"add","value":2}
/// {"process":1,"type":"invoke","f":"read","value":null}
/// {"process":1,"type":"ok","f":"read","value":1}
/// "#
///     .as_bytes(),
/// )?;
/// let judgement = check(&Counter, &history, &Limits::default())?;
/// assert!(matches!(judgement.verdict, Verdict::Invalid(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If all that is added is the same number, [`monitors::counter`] judges it in time n log n.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counter;

/// An operation on a counter, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CounterOp {
    /// The counter is greater by this from now on. Never 0.
    Add(i128),
    /// The counter was this.
    Read(i128),
    /// A read of a number that is not whole. No counter allows it.
    Fraction,
}

/// Whole numbers of at most 64 bits, so that no sum of them can overflow.
fn number(value: &Value) -> Result<i128, SpecificationError> {
    whole(value).ok_or_else(|| SpecificationError::new("a whole number of 64 bits", value))
}

impl Specification for Counter {
    type Op = CounterOp;
    type State = i128;

    fn name(&self) -> &str {
        "counter"
    }

    fn promise(&self) -> &str {
        "linearizability of a counter: \"each operation applied by concurrent processes takes effect instantaneously at \
         some point between its invocation and its response\" (Herlihy and Wing, 1990)"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<CounterOp>, SpecificationError> {
        let op = match (operation.f.as_str(), &operation.outcome) {
            ("add" | "inc" | "dec" | "read", Outcome::Mismatch) | ("read", Outcome::Unknown) => {
                return Ok(None);
            }
            ("add", _) => match number(&operation.input)? {
                0 => return Ok(None),
                number => CounterOp::Add(number),
            },
            ("inc", _) => CounterOp::Add(1),
            ("dec", _) => CounterOp::Add(-1),
            ("read", Outcome::Ok(value)) if has_fraction(value) => CounterOp::Fraction,
            ("read", Outcome::Ok(value)) => CounterOp::Read(number(value)?),
            (other, _) => return Err(SpecificationError::new("add, inc, dec or read", other)),
        };
        Ok(Some(op))
    }

    fn initial(&self) -> i128 {
        0
    }

    fn step(&self, state: &i128, op: &CounterOp) -> Option<i128> {
        match *op {
            CounterOp::Add(number) => state.checked_add(number),
            CounterOp::Read(seen) => (*state == seen).then_some(seen),
            CounterOp::Fraction => None,
        }
    }

    fn describe(&self, op: &CounterOp) -> String {
        match op {
            CounterOp::Add(number) => format!("add of {number}"),
            CounterOp::Read(seen) => format!("read of {seen}"),
            CounterOp::Fraction => "read of a number that is not whole".to_owned(),
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn effect(&self, op: &CounterOp) -> Effect {
        match op {
            CounterOp::Add(_) => Effect::Depends,
            CounterOp::Read(_) | CounterOp::Fraction => Effect::Reads,
        }
    }

    fn interchangeable(&self, left: &CounterOp, right: &CounterOp) -> bool {
        left == right
    }

    fn monitor(&self, observed: &[Observed<'_, CounterOp>]) -> Option<Finding> {
        monitors::counter::judge(observed)
    }
}
