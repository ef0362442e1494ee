//! The register: read, write and compare-and-set, one independent register a key.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::monitors::{Finding, Observed, cas_chain};
use crate::operation::{Operation, Outcome};
use crate::specification::{Access, Effect, Specification, SpecificationError};

use super::values::{Scalar, Values};

/// A compare-and-set register. Values are JSON scalars. A compare-and-set has the value `[old, new]`.
///
/// Values are kept once each, and the search works on small numbers in their place.
#[derive(Debug)]
pub struct Register {
    initial: Scalar,
    values: Values,
}

/// An operation on a register, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// The register held this.
    Read(Scalar),
    /// The register holds this from now on.
    Write(Scalar),
    /// It held the first and holds the second from now on.
    Cas(Scalar, Scalar),
    /// It did not hold this: a compare-and-set was refused.
    Differs(Scalar),
    /// If it held the first, it holds the second from now on; otherwise nothing changed. The result is unknown.
    MaybeCas(Scalar, Scalar),
}

impl Default for Register {
    /// A register that is null until first written.
    fn default() -> Self {
        Self::starting_at(&Value::Null)
    }
}

impl Register {
    /// A register that holds `initial` until first written.
    pub fn starting_at(initial: &Value) -> Self {
        let values = Values::default();
        let initial = values.any(initial);
        Self { initial, values }
    }

    pub(super) fn pair(&self, value: &Value) -> Result<(Scalar, Scalar), SpecificationError> {
        match value.as_array().map(Vec::as_slice) {
            Some([old, new]) => Ok((self.values.scalar(old)?, self.values.scalar(new)?)),
            _ => Err(SpecificationError::new(
                "a compare-and-set of [old, new]",
                value,
            )),
        }
    }
}

impl Specification for Register {
    type Op = RegisterOp;
    type State = Scalar;

    fn name(&self) -> &str {
        "register"
    }

    fn promise(&self) -> &str {
        "linearizability: \"each operation applied by concurrent processes takes effect instantaneously at some point \
         between its invocation and its response\" (Herlihy and Wing, 1990)"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<RegisterOp>, SpecificationError> {
        let op = match (operation.f.as_str(), &operation.outcome) {
            ("read", Outcome::Ok(value)) => RegisterOp::Read(self.values.scalar(value)?),
            ("read", Outcome::Unknown | Outcome::Mismatch) => return Ok(None),
            // A refused write changed nothing and saw nothing that a register can say.
            ("write", Outcome::Mismatch) => return Ok(None),
            ("write", _) => RegisterOp::Write(self.values.scalar(&operation.input)?),
            ("cas", outcome) => {
                let (old, new) = self.pair(&operation.input)?;
                match outcome {
                    Outcome::Ok(_) => RegisterOp::Cas(old, new),
                    Outcome::Mismatch => RegisterOp::Differs(old),
                    Outcome::Unknown if old == new => return Ok(None),
                    Outcome::Unknown => RegisterOp::MaybeCas(old, new),
                }
            }
            (other, _) => return Err(SpecificationError::new("read, write or cas", other)),
        };
        Ok(Some(op))
    }

    fn initial(&self) -> Scalar {
        self.initial
    }

    fn step(&self, state: &Scalar, op: &RegisterOp) -> Option<Scalar> {
        match *op {
            RegisterOp::Read(seen) => (*state == seen).then_some(seen),
            RegisterOp::Write(new) => Some(new),
            RegisterOp::Cas(old, new) => (*state == old).then_some(new),
            RegisterOp::Differs(old) => (*state != old).then_some(*state),
            RegisterOp::MaybeCas(old, new) => Some(if *state == old { new } else { *state }),
        }
    }

    fn describe(&self, op: &RegisterOp) -> String {
        match *op {
            RegisterOp::Read(seen) => format!("read of {}", self.values.text(seen)),
            RegisterOp::Write(new) => format!("write of {}", self.values.text(new)),
            RegisterOp::Cas(old, new) => {
                format!(
                    "compare-and-set of {} to {}",
                    self.values.text(old),
                    self.values.text(new)
                )
            }
            RegisterOp::Differs(old) => {
                format!(
                    "compare-and-set refused because the value was not {}",
                    self.values.text(old)
                )
            }
            RegisterOp::MaybeCas(old, new) => {
                format!(
                    "compare-and-set of {} to {}, result unknown",
                    self.values.text(old),
                    self.values.text(new)
                )
            }
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &Scalar) -> String {
        self.values.text(*state)
    }

    fn effect(&self, op: &RegisterOp) -> Effect {
        match *op {
            RegisterOp::Read(_) | RegisterOp::Differs(_) => Effect::Reads,
            RegisterOp::Cas(old, new) | RegisterOp::MaybeCas(old, new) if old == new => {
                Effect::Reads
            }
            RegisterOp::Write(_) => Effect::Overwrites,
            RegisterOp::Cas(..) | RegisterOp::MaybeCas(..) => Effect::Depends,
        }
    }

    /// A change to a value that nobody looks at later. Whatever came after it came before the next change, and saw neither.
    fn unseen(&self, observed: &[Observed<'_, RegisterOp>]) -> Vec<usize> {
        unseen(observed)
    }

    fn interchangeable(&self, left: &RegisterOp, right: &RegisterOp) -> bool {
        left == right
    }

    fn monitor(&self, observed: &[Observed<'_, RegisterOp>]) -> Option<Finding> {
        cas_chain::judge(self.initial, observed)
    }

    fn access(&self, op: &RegisterOp) -> Option<Access> {
        let (seen, left) = match *op {
            RegisterOp::Read(seen) => (Some(seen), None),
            RegisterOp::Write(new) => (None, Some(new)),
            RegisterOp::Differs(_) => (None, None),
            RegisterOp::Cas(old, new) | RegisterOp::MaybeCas(old, new) => {
                (Some(old), (old != new).then_some(new))
            }
        };
        Some(Access {
            seen: seen.map(|content| content.0.into()),
            left: left.map(|content| content.0.into()),
        })
    }
}

/// Changes of unknown outcome to a value that no later read or compare-and-set looks for. A refused compare-and-set looks for every value but one.
fn unseen(observed: &[Observed<'_, RegisterOp>]) -> Vec<usize> {
    let mut last_look: BTreeMap<u32, usize> = BTreeMap::new();
    // The refused comparison that returned last, and the last one with another value.
    let mut refusals: [Option<(u32, usize)>; 2] = [None, None];
    for seen in observed {
        let until = seen.deadline.unwrap_or(usize::MAX);
        match *seen.op {
            RegisterOp::Read(value)
            | RegisterOp::Cas(value, _)
            | RegisterOp::MaybeCas(value, _) => {
                let last = last_look.entry(value.0).or_insert(0);
                *last = until.max(*last);
            }
            RegisterOp::Differs(value) => match refusals {
                [Some((first, at)), _] if first == value.0 => {
                    refusals[0] = Some((first, at.max(until)));
                }
                [Some((_, at)), _] if at < until => {
                    refusals = [Some((value.0, until)), refusals[0]];
                }
                [Some(_), Some((_, at))] if at > until => {}
                [Some(_), _] => refusals[1] = Some((value.0, until)),
                [None, _] => refusals[0] = Some((value.0, until)),
            },
            RegisterOp::Write(_) => {}
        }
    }
    let looked_for = |value: u32, from: usize| {
        let refused = refusals
            .iter()
            .flatten()
            .any(|(other, until)| *other != value && *until > from);
        refused || last_look.get(&value).is_some_and(|until| *until > from)
    };
    let unseen = observed
        .iter()
        .enumerate()
        .filter(|(_, seen)| match *seen.op {
            RegisterOp::Write(new) | RegisterOp::MaybeCas(_, new) => {
                seen.deadline.is_none() && !looked_for(new.0, seen.call)
            }
            _ => false,
        });
    unseen.map(|(at, _)| at).collect()
}
