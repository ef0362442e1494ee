//! The values of a history, each kept once and known by a small number, so that states are small and quick to compare.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::specification::SpecificationError;

/// A number that stands for one JSON scalar. Null is always the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scalar(pub(crate) u32);

impl Scalar {
    /// The JSON null.
    pub const NULL: Self = Self(0);

    /// Small, and the same for the same value of one specification.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

/// Each distinct value once, in order of first appearance after null.
#[derive(Debug)]
pub(crate) struct Values(Mutex<Numbered>);

#[derive(Debug)]
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

impl Default for Values {
    fn default() -> Self {
        let null = Value::Null;
        Self(Mutex::new(Numbered {
            numbers: std::iter::once((Spelling::of(&null), Scalar::NULL.0)).collect(),
            values: vec![null],
        }))
    }
}

impl Values {
    /// The number of `value`.
    pub(crate) fn scalar(&self, value: &Value) -> Result<Scalar, SpecificationError> {
        if value.is_array() || value.is_object() {
            return Err(SpecificationError::new("a JSON scalar", value));
        }
        Ok(self.any(value))
    }

    /// The number of `value`, whatever it is.
    pub(crate) fn any(&self, value: &Value) -> Scalar {
        let spelling = Spelling::of(value);
        let mut numbered = self.numbered();
        let next = numbered.values.len() as u32;
        let number = *numbered.numbers.entry(spelling).or_insert(next);
        if number == next {
            numbered.values.push(value.clone());
        }
        Scalar(number)
    }

    /// The numbers of a JSON array.
    pub(crate) fn scalars(&self, value: &Value) -> Result<Vec<Scalar>, SpecificationError> {
        let items = value
            .as_array()
            .ok_or_else(|| SpecificationError::new("a JSON array", value))?;
        items.iter().map(|item| self.scalar(item)).collect()
    }

    /// The value as JSON text.
    pub(crate) fn text(&self, scalar: Scalar) -> String {
        let numbered = self.numbered();
        let value = numbered.values.get(scalar.number());
        value.map_or_else(|| "?".to_owned(), Value::to_string)
    }

    /// The values with commas between them; of many, the first few and how many more there are.
    pub(crate) fn list(&self, scalars: &[Scalar]) -> String {
        const SHOWN_MAX: usize = 20;
        let shown = scalars.iter().take(SHOWN_MAX);
        let mut texts: Vec<String> = shown.map(|scalar| self.text(*scalar)).collect();
        if scalars.len() > SHOWN_MAX {
            texts.push(format!("and {} more", scalars.len() - SHOWN_MAX));
        }
        texts.join(", ")
    }

    fn numbered(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spelling {
    fn of(value: &Value) -> Self {
        match whole(value) {
            Some(number) => Self::Whole(number),
            None => Self::Text(value.to_string()),
        }
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

/// A number that is not whole: no object that counts can have given it.
pub(crate) fn has_fraction(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.fract() != 0.0)
}
