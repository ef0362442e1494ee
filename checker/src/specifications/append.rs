//! The append-only list, one a key: whoever reads it sees everything that was appended before, in order.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::values::{Scalar, Values};
use crate::monitors::{self, Finding, Observed};
use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

/// A list a key that only grows. It is empty at first.
///
/// | `f` | argument | result | outcome unknown |
/// | --- | --- | --- | --- |
/// | `append` | a JSON scalar | ignored | it may be appended at any later time, or never |
/// | `read` | ignored | the whole list, a JSON array of scalars | tells nothing |
///
/// A refused append (`mismatch`) changed nothing and is left out.
///
/// ```
/// use stormglass_checker::{Append, History, Limits, Verdict, check};
///
/// let history = History::parse_jsonl(
///     "example",
///     r#"{"process":0,"type":"invoke","f":"append","key":"x","value":1}
/// {"process":0,"type":"ok","f":"append","key":"x","value":1}
/// {"process":1,"type":"invoke","f":"read","key":"x","value":null}
/// {"process":1,"type":"ok","f":"read","key":"x","value":[]}
/// "#
///     .as_bytes(),
/// )?;
/// let judgement = check(&Append::default(), &history, &Limits::default())?;
/// assert!(matches!(judgement.verdict, Verdict::Invalid(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If each key is given every value at most once, [`monitors::append`] judges it in time n log n.
#[derive(Debug, Default)]
pub struct Append {
    values: Values,
    lists: Mutex<Lists>,
}

/// A number that stands for one list: 0 for the empty one. All lists that are not the beginning of one that somebody read have
/// one number together. Whatever is appended to such a list, it stays one, and no operation tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List(u32);

/// An operation on a list, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppendOp {
    /// The list ends with this from now on.
    Append(Scalar),
    /// The list was this.
    Read(List),
}

/// Each list that somebody read and each beginning of it once, as the list it extends and what it adds to it, so that a step
/// costs the same for short lists and long ones, and makes no new one.
#[derive(Debug, Default)]
struct Lists {
    /// List number n is at n - 1; the empty list is nowhere.
    longer: Vec<Longer>,
    /// Never iterated.
    numbers: FxHashMap<(List, Scalar), List>,
}

/// A list that extends another by one element.
#[derive(Debug, Clone, Copy)]
struct Longer {
    shorter: List,
    last: Scalar,
    length: usize,
}

impl List {
    /// The list before anything was appended.
    pub(crate) const EMPTY: Self = Self(0);

    /// Any list that nobody read in whole, nor as the beginning of another.
    const UNSEEN: Self = Self(u32::MAX);
}

impl Lists {
    fn get(&self, list: List) -> Option<Longer> {
        self.longer.get((list.0 as usize).checked_sub(1)?).copied()
    }

    fn length(&self, list: List) -> usize {
        self.get(list).map_or(0, |longer| longer.length)
    }

    fn extend(&mut self, shorter: List, last: Scalar) -> List {
        let next = List(self.longer.len() as u32 + 1);
        let list = *self.numbers.entry((shorter, last)).or_insert(next);
        if list == next {
            let length = self.length(shorter) + 1;
            self.longer.push(Longer {
                shorter,
                last,
                length,
            });
        }
        list
    }
}

impl Append {
    /// How many elements `list` has.
    pub(crate) fn length(&self, list: List) -> usize {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.length(list)
    }

    /// The elements of `list` from the first on, each with the list that it is the last of.
    pub(crate) fn growth(&self, list: List) -> Vec<(Scalar, List)> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mut growth = Vec::new();
        let mut rest = list;
        while let Some(longer) = lists.get(rest) {
            growth.push((longer.last, rest));
            rest = longer.shorter;
        }
        growth.reverse();
        growth
    }

    fn list(&self, value: &Value) -> Result<List, SpecificationError> {
        let elements = self.values.scalars(value)?;
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(elements
            .into_iter()
            .fold(List::EMPTY, |list, element| lists.extend(list, element)))
    }

    fn text(&self, list: List) -> String {
        if list == List::UNSEEN {
            return "a list that nobody read".to_owned();
        }
        let elements: Vec<Scalar> = self
            .growth(list)
            .into_iter()
            .map(|(last, _)| last)
            .collect();
        format!("[{}]", self.values.list(&elements))
    }
}

impl Specification for Append {
    type Op = AppendOp;
    type State = List;

    fn name(&self) -> &str {
        "append"
    }

    fn promise(&self) -> &str {
        "linearizability of an append-only list: \"each operation applied by concurrent processes takes effect \
         instantaneously at some point between its invocation and its response\" (Herlihy and Wing, 1990)"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<AppendOp>, SpecificationError> {
        let op = match (operation.f.as_str(), &operation.outcome) {
            ("append" | "read", Outcome::Mismatch) | ("read", Outcome::Unknown) => return Ok(None),
            ("append", _) => AppendOp::Append(self.values.scalar(&operation.input)?),
            ("read", Outcome::Ok(value)) => AppendOp::Read(self.list(value)?),
            (other, _) => return Err(SpecificationError::new("append or read", other)),
        };
        Ok(Some(op))
    }

    fn initial(&self) -> List {
        List::EMPTY
    }

    fn step(&self, state: &List, op: &AppendOp) -> Option<List> {
        match *op {
            AppendOp::Append(element) => {
                let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
                let longer = lists.numbers.get(&(*state, element)).copied();
                Some(longer.unwrap_or(List::UNSEEN))
            }
            AppendOp::Read(seen) => (*state == seen).then_some(seen),
        }
    }

    fn describe(&self, op: &AppendOp) -> String {
        match *op {
            AppendOp::Append(element) => format!("append of {}", self.values.text(element)),
            AppendOp::Read(seen) => format!("read of {}", self.text(seen)),
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &List) -> String {
        self.text(*state)
    }

    fn effect(&self, op: &AppendOp) -> Effect {
        match op {
            AppendOp::Append(_) => Effect::Depends,
            AppendOp::Read(_) => Effect::Reads,
        }
    }

    fn interchangeable(&self, left: &AppendOp, right: &AppendOp) -> bool {
        left == right
    }

    fn monitor(&self, observed: &[Observed<'_, AppendOp>]) -> Option<Finding> {
        monitors::append::judge(self, observed)
    }
}
