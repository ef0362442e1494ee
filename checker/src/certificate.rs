//! Verifies a certificate, by itself: it shares nothing with the search.
//!
//! A certificate is an order of the operations, for each part. That it shows the history to be linearizable follows from the definition
//! (Herlihy and Wing, TOPLAS 1990, section 2) and from locality (theorem 1): each operation that returned is there once, real time is kept,
//! the object allows each step, and parts share no key. That is all that [`verify`] asks, in one pass. Of a [`Specification`] it uses
//! `parse`, `initial`, `step` and what says which keys are apart; of the hints, none.
//!
//! An operation of unknown outcome may be absent. One that tells nothing, such as a read of unknown result, must be.

use std::collections::BTreeMap;

use crate::operation::{Operation, Outcome};
use crate::specification::Specification;
use crate::verdict::Certificate;

/// Checks that `certificate` proves `operations` legal: each part orders every operation of its key that returned,
/// exactly once, respects real time, and every step is one the object allows. Takes time in proportion to the history.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn verify<S: Specification>(
    specification: &S,
    operations: &[Operation],
    certificate: &Certificate,
) -> Result<(), String> {
    // All are parsed before the first step: a specification may learn from them which states ever matter.
    let mut ops = Vec::with_capacity(operations.len());
    for operation in operations {
        let op = specification.parse(operation);
        ops.push(op.map_err(|error| format!("operation #{}: {error}", operation.id))?);
    }
    let mut placed = vec![false; operations.len()];
    let mut owners: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for (number, part) in certificate.parts.iter().enumerate() {
        let mut state = specification.initial();
        // Of the operations so far, the one called last. Nothing after it may have returned before that call.
        let mut latest_call: Option<&Operation> = None;
        for id in &part.order {
            let operation = operations
                .get(*id)
                .ok_or_else(|| format!("there is no operation #{id}"))?;
            if std::mem::replace(&mut placed[*id], true) {
                return Err(format!("operation #{id} is placed twice"));
            }
            if specification.per_key() && operation.key != part.key {
                return Err(format!(
                    "operation #{id} is not of the key of its part, and each key is an object of its own"
                ));
            }
            // Parts prove the whole because they share nothing: each key is in one part only.
            let keys = keys_of(specification, operation);
            if keys.is_empty() && certificate.parts.len() > 1 {
                return Err(format!(
                    "operation #{id} may concern everything, but there are several parts"
                ));
            }
            for key in keys {
                if *owners.entry(key).or_insert(number) != number {
                    return Err(format!(
                        "operation #{id} is of a key that another part has, too"
                    ));
                }
            }
            if let Some(earlier) = latest_call.filter(|earlier| operation.precedes(earlier)) {
                let before = earlier.id;
                return Err(format!(
                    "operation #{id} returned before #{before} was called, but is placed after it"
                ));
            }
            if latest_call.is_none_or(|earlier| earlier.call < operation.call) {
                latest_call = Some(operation);
            }
            let op = ops[*id]
                .as_ref()
                .ok_or_else(|| format!("operation #{id} tells nothing and has no place"))?;
            state = specification.step(&state, op).ok_or_else(|| {
                let (op, state) = (
                    specification.describe(op),
                    specification.describe_state(&state),
                );
                format!("operation #{id}, {op}, is not allowed when the state is {state}")
            })?;
        }
    }
    for (id, operation) in operations.iter().enumerate() {
        if !placed[id] && operation.outcome != Outcome::Unknown && ops[id].is_some() {
            return Err(format!("operation #{id} returned but is not placed"));
        }
    }
    Ok(())
}

/// The keys of the independent objects an operation concerns. None when it may concern everything.
fn keys_of<S: Specification>(specification: &S, operation: &Operation) -> Vec<Option<String>> {
    if specification.per_key() {
        return vec![operation.key.clone()];
    }
    let keys = specification.keys(operation).unwrap_or_default();
    keys.into_iter().map(Some).collect()
}
