//! The judge of the judge: tries every order. Only for histories of a dozen operations.
//!
//! It exists so that the search can be compared with something too simple to be wrong. It places one operation after the other, any that
//! nothing unplaced precedes, takes back what leads nowhere, and remembers nothing (Wing and Gong, "Testing and Verifying Concurrent
//! Objects", JPDC 1993). It asks for no hint of the specification. Every fast judge of this crate is held against it on random histories,
//! and evidence is [`verified`](crate::Evidence::verified) by it where it is small enough.

use crate::operation::{Operation, Outcome};
use crate::specification::{Specification, SpecificationError};

/// True when some order of `operations` keeps the promise. Takes factorial time.
///
/// # Errors
/// When the specification does not understand an operation.
pub fn is_legal<S: Specification>(
    specification: &S,
    operations: &[Operation],
) -> Result<bool, SpecificationError> {
    Ok(is_legal_within(specification, operations, u64::MAX)?.unwrap_or(false))
}

/// The same, but gives up after `steps` attempts to place an operation: `None` then.
///
/// # Errors
/// As [`is_legal`].
pub fn is_legal_within<S: Specification>(
    specification: &S,
    operations: &[Operation],
    mut steps: u64,
) -> Result<Option<bool>, SpecificationError> {
    let mut keys: Vec<&Option<String>> =
        operations.iter().map(|operation| &operation.key).collect();
    keys.sort();
    keys.dedup();
    if !specification.per_key() {
        keys.truncate(1);
    }
    for key in keys {
        let mut part = Vec::new();
        for operation in operations {
            if specification.per_key() && operation.key != *key {
                continue;
            }
            if let Some(op) = specification.parse(operation)? {
                part.push((operation, op));
            }
        }
        let mut placed = vec![false; part.len()];
        let initial = specification.initial();
        match some_order(specification, &part, &mut placed, &initial, &mut steps) {
            Some(true) => {}
            other => return Ok(other),
        }
    }
    Ok(Some(true))
}

fn some_order<S: Specification>(
    specification: &S,
    part: &[(&Operation, S::Op)],
    placed: &mut [bool],
    state: &S::State,
    steps: &mut u64,
) -> Option<bool> {
    let must = |at: usize| part[at].0.outcome != Outcome::Unknown;
    if (0..part.len()).all(|at| placed[at] || !must(at)) {
        return Some(true);
    }
    for at in 0..part.len() {
        let too_early =
            (0..part.len()).any(|other| !placed[other] && part[other].0.precedes(part[at].0));
        if placed[at] || too_early {
            continue;
        }
        *steps = steps.checked_sub(1)?;
        if let Some(next) = specification.step(state, &part[at].1) {
            placed[at] = true;
            if some_order(specification, part, placed, &next, steps)? {
                return Some(true);
            }
            placed[at] = false;
        }
    }
    Some(false)
}
