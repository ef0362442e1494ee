//! The queue, one a key: first in, first out.

use super::values::{Scalar, Values};
use crate::monitors::{self, Finding, Observed};
use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

/// A queue a key. It is empty at first.
///
/// | `f` | argument | result | outcome unknown |
/// | --- | --- | --- | --- |
/// | `enqueue` | a JSON scalar, not null | ignored | it may be enqueued at any later time, or never |
/// | `dequeue` | ignored | what was taken; null when the queue was empty | it may take whatever is first at any later time, or nothing |
///
/// An operation that was refused (`mismatch`) changed nothing and is left out.
///
/// ```
/// use stormglass_checker::{History, Limits, Queue, Verdict, check};
///
/// let history = History::parse_jsonl(
///     "example",
///     r#"{"process":0,"type":"invoke","f":"enqueue","value":1}
/// {"process":0,"type":"ok","f":"enqueue","value":1}
/// {"process":1,"type":"invoke","f":"dequeue","value":null}
/// {"process":1,"type":"ok","f":"dequeue","value":null}
/// "#
///     .as_bytes(),
/// )?;
/// let judgement = check(&Queue::default(), &history, &Limits::default())?;
/// assert!(matches!(judgement.verdict, Verdict::Invalid(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If no key is given a value twice, [`monitors::queue`] judges it in time n log n.
#[derive(Debug, Default)]
pub struct Queue {
    values: Values,
}

/// What waits in a queue, the first in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Waiting(Vec<Scalar>);

/// An operation on a queue, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueOp {
    /// This is last from now on.
    Enqueue(Scalar),
    /// This was first, and was taken.
    Dequeue(Scalar),
    /// A dequeue found nothing.
    Empty,
    /// A dequeue whose result is unknown: what was first is taken, if anything was there.
    DequeueUnknown,
}

impl Specification for Queue {
    type Op = QueueOp;
    type State = Waiting;

    fn name(&self) -> &str {
        "queue"
    }

    fn promise(&self) -> &str {
        "linearizability of a queue, first in, first out: \"each operation applied by concurrent processes takes effect \
         instantaneously at some point between its invocation and its response\" (Herlihy and Wing, 1990)"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<QueueOp>, SpecificationError> {
        let op = match (operation.f.as_str(), &operation.outcome) {
            ("enqueue" | "dequeue", Outcome::Mismatch) => return Ok(None),
            ("enqueue", _) if operation.input.is_null() => {
                return Err(SpecificationError::new(
                    "a value that is not null",
                    &operation.input,
                ));
            }
            ("enqueue", _) => QueueOp::Enqueue(self.values.scalar(&operation.input)?),
            ("dequeue", Outcome::Ok(value)) if value.is_null() => QueueOp::Empty,
            ("dequeue", Outcome::Ok(value)) => QueueOp::Dequeue(self.values.scalar(value)?),
            ("dequeue", Outcome::Unknown) => QueueOp::DequeueUnknown,
            (other, _) => return Err(SpecificationError::new("enqueue or dequeue", other)),
        };
        Ok(Some(op))
    }

    fn initial(&self) -> Waiting {
        Waiting(Vec::new())
    }

    fn step(&self, state: &Waiting, op: &QueueOp) -> Option<Waiting> {
        let first = state.0.first();
        match op {
            QueueOp::Enqueue(element) => Some(Waiting([&state.0[..], &[*element]].concat())),
            QueueOp::Dequeue(taken) if first != Some(taken) => None,
            QueueOp::Dequeue(_) | QueueOp::DequeueUnknown => {
                Some(Waiting(state.0.iter().skip(1).copied().collect()))
            }
            QueueOp::Empty => first.is_none().then(|| state.clone()),
        }
    }

    fn describe(&self, op: &QueueOp) -> String {
        match op {
            QueueOp::Enqueue(element) => format!("enqueue of {}", self.values.text(*element)),
            QueueOp::Dequeue(taken) => format!("dequeue of {}", self.values.text(*taken)),
            QueueOp::Empty => "dequeue that found nothing".to_owned(),
            QueueOp::DequeueUnknown => "dequeue, result unknown".to_owned(),
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &Waiting) -> String {
        format!("[{}]", self.values.list(&state.0))
    }

    fn effect(&self, op: &QueueOp) -> Effect {
        match op {
            QueueOp::Empty => Effect::Reads,
            _ => Effect::Depends,
        }
    }

    fn interchangeable(&self, left: &QueueOp, right: &QueueOp) -> bool {
        left == right
    }

    fn monitor(&self, observed: &[Observed<'_, QueueOp>]) -> Option<Finding> {
        monitors::queue::judge(observed)
    }

    fn state_bytes(&self, state: &Waiting) -> u64 {
        (size_of::<Waiting>() + size_of_val(&state.0[..])) as u64
    }
}
