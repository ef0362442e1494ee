//! Checks the order behind a satisfied guarantee without the search.

use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification};

use super::Guarantee;

/// Checks that `order` shows `operations` to be sequentially consistent or, with [`Guarantee::OrderedSequential`], ordered sequentially
/// consistent: every operation that returned is there, none twice, each process keeps its order, every step is allowed,
/// and what returned before a mutation was called comes before it. Takes time in proportion to the history.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn verify_order<S: Specification>(
    specification: &S,
    operations: &[Operation],
    order: &[usize],
    guarantee: Guarantee,
) -> Result<(), String> {
    use std::collections::BTreeMap;
    let mut placed = vec![false; operations.len()];
    let mut latest: BTreeMap<u64, usize> = BTreeMap::new();
    let mut states: BTreeMap<Option<&str>, S::State> = BTreeMap::new();
    // Of the mutations so far, the call of the one called last. Nothing after it may have returned before.
    let mut latest_call: Option<usize> = None;
    for id in order {
        let operation = operations
            .get(*id)
            .ok_or_else(|| format!("there is no operation #{id}"))?;
        if std::mem::replace(&mut placed[*id], true) {
            return Err(format!("operation #{id} is placed twice"));
        }
        if let Some(earlier) = latest.insert(operation.process, operation.call)
            && earlier > operation.call
        {
            return Err(format!(
                "operation #{id} is placed after a later one of its process"
            ));
        }
        let op = specification
            .parse(operation)
            .map_err(|error| format!("operation #{id}: {error}"))?
            .ok_or_else(|| format!("operation #{id} tells nothing and has no place"))?;
        if guarantee == Guarantee::OrderedSequential {
            let late = |call| operation.deadline().is_some_and(|deadline| deadline < call);
            if latest_call.is_some_and(late) {
                return Err(format!(
                    "operation #{id} returned before a mutation was called, but is placed after it"
                ));
            }
            if specification.effect(&op) != Effect::Reads {
                latest_call = latest_call.max(Some(operation.call));
            }
        }
        let key = operation.key.as_deref().filter(|_| specification.per_key());
        let state = states.entry(key).or_insert_with(|| specification.initial());
        *state = specification.step(state, &op).ok_or_else(|| {
            format!(
                "operation #{id}, {}, is not allowed",
                specification.describe(&op)
            )
        })?;
    }
    for operation in operations.iter().filter(|operation| !placed[operation.id]) {
        let tells = specification.parse(operation).map(|op| op.is_some());
        let must = operation.outcome != Outcome::Unknown;
        if must && tells.map_err(|error| format!("operation #{}: {error}", operation.id))? {
            return Err(format!(
                "operation #{} returned but is not placed",
                operation.id
            ));
        }
    }
    Ok(())
}
