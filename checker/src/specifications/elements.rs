//! The things that collections hold, each kept once and known by a small number.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::specification::SpecificationError;

/// A number that stands for one JSON scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element(pub(crate) u32);

/// Each distinct value once, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct Elements(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    values: Vec<Value>,
    /// Never iterated.
    numbers: FxHashMap<Spelling, u32>,
}

/// What makes two values the same. Whole numbers are by far the most, and are not written out for it.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Spelling {
    Whole(i128),
    /// The JSON text of anything else.
    Text(String),
}

impl Elements {
    /// The number of `value`.
    pub(crate) fn number(&self, value: &Value) -> Result<Element, SpecificationError> {
        if value.is_array() || value.is_object() {
            return Err(SpecificationError::new("a JSON scalar", value));
        }
        let spelling = match whole(value) {
            Some(number) => Spelling::Whole(number),
            None => Spelling::Text(value.to_string()),
        };
        let mut numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbered.values.len() as u32;
        let number = *numbered.numbers.entry(spelling).or_insert(next);
        if number == next {
            numbered.values.push(value.clone());
        }
        Ok(Element(number))
    }

    /// The numbers of a JSON array.
    pub(crate) fn numbers(&self, value: &Value) -> Result<Vec<Element>, SpecificationError> {
        let items = value
            .as_array()
            .ok_or_else(|| SpecificationError::new("a JSON array", value))?;
        items.iter().map(|item| self.number(item)).collect()
    }

    /// The value as JSON text.
    pub(crate) fn text(&self, element: Element) -> String {
        let numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = numbered.values.get(element.0 as usize);
        value.map_or_else(|| "?".to_owned(), Value::to_string)
    }

    /// The values with commas between them; of many, the first few and how many more there are.
    pub(crate) fn list(&self, elements: &[Element]) -> String {
        const SHOWN_MAX: usize = 20;
        let shown = elements.iter().take(SHOWN_MAX);
        let mut texts: Vec<String> = shown.map(|element| self.text(*element)).collect();
        if elements.len() > SHOWN_MAX {
            texts.push(format!("and {} more", elements.len() - SHOWN_MAX));
        }
        texts.join(", ")
    }
}

/// A whole number, also one that a tool wrote as a double: 1 and 1.0 are the same value.
pub(crate) fn whole(value: &Value) -> Option<i128> {
    // Up to here every whole number is a double of its own (2^53).
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_u64() {
        return Some(number.into());
    }
    if let Some(number) = value.as_i64() {
        return Some(number.into());
    }
    let number = value.as_f64()?;
    (number.fract() == 0.0 && number.abs() <= WHOLE_MAX).then_some(number as i128)
}
