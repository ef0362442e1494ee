//! Values that specifications keep once each, so that states can be small numbers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::specification::SpecificationError;

/// A JSON scalar, named by a small number. Null is always the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Known(u32);

impl Known {
    /// The JSON null.
    pub const NULL: Self = Self(0);
}

/// Each distinct scalar once, in order of first appearance.
#[derive(Debug)]
pub(super) struct Values {
    list: Mutex<List>,
}

#[derive(Debug)]
struct List {
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

impl Default for Values {
    fn default() -> Self {
        let null = Value::Null;
        let list = List {
            by_spelling: BTreeMap::from([(spelling(&null), Known::NULL.0)]),
            by_number: vec![null],
        };
        Self {
            list: Mutex::new(list),
        }
    }
}

impl Values {
    /// The number of `value`.
    pub(super) fn known(&self, value: &Value) -> Result<Known, SpecificationError> {
        if value.is_array() || value.is_object() {
            return Err(SpecificationError::new("a JSON scalar", value));
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let next = list.by_number.len() as u32;
        let number = *list.by_spelling.entry(spelling(value)).or_insert(next);
        if number == next {
            list.by_number.push(value.clone());
        }
        Ok(Known(number))
    }

    /// The JSON text of a value.
    pub(super) fn text(&self, known: Known) -> String {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.by_number
            .get(known.0 as usize)
            .map_or_else(|| "?".to_owned(), Value::to_string)
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
