//! Numbers that a server gives out to tell one holder or one value from another.

use serde_json::Value;

use super::values::{has_fraction, whole};
use crate::specification::SpecificationError;

/// A token that a server gave: a whole number from 0 on. `None` for another number, which no server that keeps its promise gives.
///
/// # Errors
/// When it is no number, or one of more than 64 bits.
pub(super) fn token(value: &Value) -> Result<Option<u64>, SpecificationError> {
    let expected = || SpecificationError::new("a token, a whole number from 0 on", value);
    match whole(value) {
        Some(number) if number < 0 => Ok(None),
        Some(number) => u64::try_from(number).map(Some).map_err(|_| expected()),
        None if has_fraction(value) => Ok(None),
        None => Err(expected()),
    }
}

/// The token of a request.
pub(super) fn asked_token(value: &Value) -> Result<u64, SpecificationError> {
    token(value)?.ok_or_else(|| SpecificationError::new("a token, a whole number from 0 on", value))
}

/// The tokens and one more; both ascend.
pub(super) fn including(tokens: &[u64], token: u64) -> Box<[u64]> {
    let mut list = tokens.to_vec();
    if let Err(at) = list.binary_search(&token) {
        list.insert(at, token);
    }
    list.into_boxed_slice()
}

/// What the tokens take on the heap.
pub(super) fn list_bytes(tokens: &[u64]) -> u64 {
    match tokens {
        [] => 0,
        tokens => size_of_val(tokens) as u64 + 16,
    }
}
