//! The set, one a key: elements are added and removed, and can be read all at once or asked for one by one.

use std::sync::Arc;

use serde_json::Value;

use super::values::{Scalar, Values};
use crate::monitors::{self, Finding, Observed};
use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

/// A set a key. It is empty at first. To add what is there, or to remove what is not, changes nothing and is allowed.
///
/// | `f` | argument | result | outcome unknown |
/// | --- | --- | --- | --- |
/// | `add` | a JSON scalar | ignored | it may be added at any later time, or never |
/// | `remove` | a JSON scalar | ignored | it may be removed at any later time, or never |
/// | `read` | ignored | all elements, a JSON array in any order | tells nothing |
/// | `contains` | a JSON scalar | `true` or `false` | tells nothing |
///
/// An operation that was refused (`mismatch`) changed nothing and is left out. No set allows a read that names an element twice.
///
/// ```
/// use stormglass_checker::{History, Limits, Set, Verdict, check};
///
/// let history = History::parse_jsonl(
///     "example",
///     r#"{"process":0,"type":"invoke","f":"add","value":1}
/// {"process":0,"type":"ok","f":"add","value":1}
/// {"process":1,"type":"invoke","f":"contains","value":1}
/// {"process":1,"type":"ok","f":"contains","value":false}
/// "#
///     .as_bytes(),
/// )?;
/// let judgement = check(&Set::default(), &history, &Limits::default())?;
/// assert!(matches!(judgement.verdict, Verdict::Invalid(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If nothing is ever removed, [`monitors::set`] judges it in time n log n.
#[derive(Debug, Default)]
pub struct Set {
    values: Values,
}

/// What a set holds, ascending by number, each once. A read may claim more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Members(pub(crate) Arc<[Scalar]>);

/// An operation on a set, with what is known of its result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetOp {
    /// The set holds this from now on.
    Add(Scalar),
    /// The set does not hold this from now on.
    Remove(Scalar),
    /// The set held exactly these.
    Read(Members),
    /// The set held this, or did not.
    Contains(Scalar, bool),
}

impl Set {
    fn members(&self, value: &Value) -> Result<Members, SpecificationError> {
        let mut elements = self.values.scalars(value)?;
        elements.sort_unstable();
        Ok(Members(elements.into()))
    }
}

impl Specification for Set {
    type Op = SetOp;
    type State = Members;

    fn name(&self) -> &str {
        "set"
    }

    fn promise(&self) -> &str {
        "linearizability of a set: \"each operation applied by concurrent processes takes effect instantaneously at some \
         point between its invocation and its response\" (Herlihy and Wing, 1990)"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<SetOp>, SpecificationError> {
        let element = || self.values.scalar(&operation.input);
        let op = match (operation.f.as_str(), &operation.outcome) {
            ("add" | "remove" | "read" | "contains", Outcome::Mismatch)
            | ("read" | "contains", Outcome::Unknown) => return Ok(None),
            ("add", _) => SetOp::Add(element()?),
            ("remove", _) => SetOp::Remove(element()?),
            ("read", Outcome::Ok(value)) => SetOp::Read(self.members(value)?),
            ("contains", Outcome::Ok(value)) => {
                let held = value
                    .as_bool()
                    .ok_or_else(|| SpecificationError::new("true or false", value))?;
                SetOp::Contains(element()?, held)
            }
            (other, _) => {
                return Err(SpecificationError::new(
                    "add, remove, read or contains",
                    other,
                ));
            }
        };
        Ok(Some(op))
    }

    fn initial(&self) -> Members {
        Members(Arc::new([]))
    }

    fn step(&self, state: &Members, op: &SetOp) -> Option<Members> {
        match op {
            SetOp::Add(element) => Some(match state.0.binary_search(element) {
                Ok(_) => state.clone(),
                Err(place) => {
                    let (below, above) = state.0.split_at(place);
                    Members([below, &[*element], above].concat().into())
                }
            }),
            SetOp::Remove(element) => Some(match state.0.binary_search(element) {
                Ok(place) => {
                    let (below, above) = state.0.split_at(place);
                    Members([below, above.get(1..).unwrap_or_default()].concat().into())
                }
                Err(_) => state.clone(),
            }),
            SetOp::Read(seen) => (state == seen).then(|| state.clone()),
            SetOp::Contains(element, held) => {
                (state.0.binary_search(element).is_ok() == *held).then(|| state.clone())
            }
        }
    }

    fn describe(&self, op: &SetOp) -> String {
        match op {
            SetOp::Add(element) => format!("add of {}", self.values.text(*element)),
            SetOp::Remove(element) => format!("remove of {}", self.values.text(*element)),
            SetOp::Read(seen) => format!("read of {}", self.describe_state(seen)),
            SetOp::Contains(element, true) => {
                format!("the sight that {} is held", self.values.text(*element))
            }
            SetOp::Contains(element, false) => {
                format!("the sight that {} is not held", self.values.text(*element))
            }
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &Members) -> String {
        format!("{{{}}}", self.values.list(&state.0))
    }

    fn effect(&self, op: &SetOp) -> Effect {
        match op {
            SetOp::Add(_) | SetOp::Remove(_) => Effect::Depends,
            SetOp::Read(_) | SetOp::Contains(..) => Effect::Reads,
        }
    }

    fn interchangeable(&self, left: &SetOp, right: &SetOp) -> bool {
        left == right
    }

    fn monitor(&self, observed: &[Observed<'_, SetOp>]) -> Option<Finding> {
        monitors::set::judge(observed)
    }

    fn state_bytes(&self, state: &Members) -> u64 {
        // The shared slice has two counters in front.
        (size_of::<Members>() + 16 + size_of_val(&*state.0)) as u64
    }
}
