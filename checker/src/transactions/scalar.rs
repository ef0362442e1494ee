//! Keys and values: JSON scalars, and what makes two of them the same.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::specifications::values::whole;

/// What makes two values the same. Some tools write every number as a double: 1 and 1.0 are one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scalar<'a> {
    Whole(i128),
    Text(&'a str),
    /// The JSON text of anything else. No JSON text is empty.
    Other(String),
}

impl<'a> Scalar<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match (value.as_str(), whole(value)) {
            (Some(text), _) => Self::Text(text),
            (None, Some(number)) => Self::Whole(number),
            (None, None) => Self::Other(value.to_string()),
        }
    }
}

/// True when the two are one value. Reads of long lists are compared by this, so that whole numbers take the short way.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left.as_u64(), right.as_u64()) {
        (Some(left), Some(right)) => left == right,
        _ => Scalar::of(left) == Scalar::of(right),
    }
}

/// How many leading elements the two lists have in common.
pub(super) fn common_length(left: &[Value], right: &[Value]) -> usize {
    left.iter()
        .zip(right)
        .take_while(|(left, right)| same(left, right))
        .count()
}

/// True when the two lists are one value.
pub(super) fn same_list(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && common_length(left, right) == left.len()
}

/// Keys as dense numbers, in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    by_number: Vec<&'a Value>,
    numbers: FxHashMap<Scalar<'a>, u32>,
}

impl<'a> Keys<'a> {
    pub(super) fn number(&mut self, key: &'a Value) -> u32 {
        let next = self.by_number.len() as u32;
        let number = *self.numbers.entry(Scalar::of(key)).or_insert(next);
        if number == next {
            self.by_number.push(key);
        }
        number
    }

    pub(super) fn value(&self, number: u32) -> &'a Value {
        self.by_number[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }
}
