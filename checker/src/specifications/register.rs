//! The register: read, write and compare-and-set, one independent register a key.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::monitors::{Finding, Observed, cas_chain};
use crate::operation::{Operation, Outcome};
use crate::specification::{Access, Effect, Specification, SpecificationError};

/// A compare-and-set register. Values are JSON scalars. A compare-and-set has the value `[old, new]`.
///
/// Values are kept once each, and the search works on small numbers in their place.
#[derive(Debug)]
pub struct Register {
    initial: Content,
    values: Mutex<Values>,
}

/// The content of a register: a number that stands for one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content(u32);

impl Content {
    /// Small, and the same for the same value of one register.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

/// An operation on a register, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// The register held this.
    Read(Content),
    /// The register holds this from now on.
    Write(Content),
    /// It held the first and holds the second from now on.
    Cas(Content, Content),
    /// It did not hold this: a compare-and-set was refused.
    Differs(Content),
    /// If it held the first, it holds the second from now on; otherwise nothing changed. The result is unknown.
    MaybeCas(Content, Content),
}

/// Each distinct value once, in order of first appearance.
#[derive(Debug, Default)]
struct Values {
    by_number: Vec<Value>,
    by_spelling: BTreeMap<Spelling, u32>,
}

/// What makes two values the same. Whole numbers are by far the most, and are not written out for it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    Whole(i128),
    /// The JSON text of anything else.
    Text(String),
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
        let mut values = Values::default();
        let initial = values.number(initial);
        Self {
            initial,
            values: Mutex::new(values),
        }
    }

    fn content(&self, value: &Value) -> Result<Content, SpecificationError> {
        if value.is_array() || value.is_object() {
            return Err(SpecificationError::new("a JSON scalar", value));
        }
        Ok(self
            .values
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .number(value))
    }

    pub(super) fn pair(&self, value: &Value) -> Result<(Content, Content), SpecificationError> {
        match value.as_array().map(Vec::as_slice) {
            Some([old, new]) => Ok((self.content(old)?, self.content(new)?)),
            _ => Err(SpecificationError::new(
                "a compare-and-set of [old, new]",
                value,
            )),
        }
    }

    fn text(&self, content: Content) -> String {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values
            .by_number
            .get(content.0 as usize)
            .map_or_else(|| "?".to_owned(), Value::to_string)
    }
}

impl Values {
    fn number(&mut self, value: &Value) -> Content {
        let next = self.by_number.len() as u32;
        let number = *self.by_spelling.entry(spelling(value)).or_insert(next);
        if number == next {
            self.by_number.push(value.clone());
        }
        Content(number)
    }
}

/// One spelling for each value. Some tools write every number as a double: 1 and 1.0 are the same value.
fn spelling(value: &Value) -> Spelling {
    // Up to here every whole number is a double of its own (2^53).
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_u64() {
        return Spelling::Whole(number.into());
    }
    if let Some(number) = value.as_i64() {
        return Spelling::Whole(number.into());
    }
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => {
            Spelling::Whole(number as i128)
        }
        _ => Spelling::Text(value.to_string()),
    }
}

impl Specification for Register {
    type Op = RegisterOp;
    type State = Content;

    fn name(&self) -> &str {
        "register"
    }

    fn promise(&self) -> &str {
        "linearizability: \"each operation applied by concurrent processes takes effect instantaneously at some point \
         between its invocation and its response\" (Herlihy and Wing, 1990)"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<RegisterOp>, SpecificationError> {
        let op = match (operation.f.as_str(), &operation.outcome) {
            ("read", Outcome::Ok(value)) => RegisterOp::Read(self.content(value)?),
            ("read", Outcome::Unknown | Outcome::Mismatch) => return Ok(None),
            // A refused write changed nothing and saw nothing that a register can say.
            ("write", Outcome::Mismatch) => return Ok(None),
            ("write", _) => RegisterOp::Write(self.content(&operation.input)?),
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

    fn initial(&self) -> Content {
        self.initial
    }

    fn step(&self, state: &Content, op: &RegisterOp) -> Option<Content> {
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
            RegisterOp::Read(seen) => format!("read of {}", self.text(seen)),
            RegisterOp::Write(new) => format!("write of {}", self.text(new)),
            RegisterOp::Cas(old, new) => {
                format!(
                    "compare-and-set of {} to {}",
                    self.text(old),
                    self.text(new)
                )
            }
            RegisterOp::Differs(old) => {
                format!(
                    "compare-and-set refused because the value was not {}",
                    self.text(old)
                )
            }
            RegisterOp::MaybeCas(old, new) => {
                format!(
                    "compare-and-set of {} to {}, result unknown",
                    self.text(old),
                    self.text(new)
                )
            }
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &Content) -> String {
        self.text(*state)
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
