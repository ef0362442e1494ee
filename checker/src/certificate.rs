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
use crate::scope::keys_of;
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
    let parse = |operation| {
        specification
            .parse(operation)
            .map_err(|error| error.to_string())
    };
    let ops: Vec<_> = operations.iter().map(parse).collect::<Result<_, _>>()?;
    let mut placed = vec![false; operations.len()];
    let mut owners: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for (number, part) in certificate.parts.iter().enumerate() {
        let mut state = specification.initial();
        // Of the operations so far, the one called last. Nothing after it may have returned before that call.
        let mut latest: Option<&Operation> = None;
        for id in &part.order {
            let wrong = |what: &str| Err(format!("operation #{id} {what}"));
            let Some(operation) = operations.get(*id) else {
                return wrong("does not exist");
            };
            if std::mem::replace(&mut placed[*id], true) {
                return wrong("is placed twice");
            }
            // Parts prove the whole because they share nothing: each key is in one part only, and a part of one key has no other.
            let keys = keys_of(specification, operation);
            if specification.per_key() && operation.key != part.key {
                return wrong("is not of the key of its part");
            }
            if keys.is_empty() && certificate.parts.len() > 1 {
                return wrong("may concern everything, but there are several parts");
            }
            let owned = |key| *owners.entry(key).or_insert(number) == number;
            if !keys.into_iter().all(owned) {
                return wrong("is of a key that another part has, too");
            }
            if latest.is_some_and(|earlier| operation.precedes(earlier)) {
                return wrong("returned before one was called that it is placed after");
            }
            if latest.is_none_or(|earlier| earlier.call < operation.call) {
                latest = Some(operation);
            }
            let Some(op) = &ops[*id] else {
                return wrong("tells nothing and has no place");
            };
            let Some(next) = specification.step(&state, op) else {
                let held = specification.describe_state(&state);
                return wrong(&format!("is not allowed when the state is {held}"));
            };
            state = next;
        }
    }
    for (id, operation) in operations.iter().enumerate() {
        if !placed[id] && operation.outcome != Outcome::Unknown && ops[id].is_some() {
            return Err(format!("operation #{id} returned but is not placed"));
        }
    }
    Ok(())
}
