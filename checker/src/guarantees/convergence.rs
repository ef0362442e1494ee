//! Eventual convergence: when nothing is written any more, all see the same.
//!
//! A history is finite and cannot show what happens at last. It shows its final reads: those called after every mutation of known outcome
//! had returned, and of each process and key the last of them. The workload must let the system rest before it makes them. They must agree,
//! and see what some write of the key left. Where operations of unknown outcome may still be in flight, a disagreement that one of them
//! explains is no violation.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::CheckError;
use crate::history::History;
use crate::operation::Operation;
use crate::specification::{Specification, SpecificationError};

use super::program::{Node, Program};
use super::violation::{Violation, opening};
use super::{Answer, Guarantee, Unproven, Witness, foreign};

/// "If no new updates are made to the object, eventually all accesses will return the last updated value" (Vogels, Eventually Consistent, CACM
/// 2009, on eventual consistency).
pub const DEFINITION: &str = "convergence: \"if no new updates are made to the object, eventually all accesses will return the last updated value\" \
     (Vogels, 2009)";

/// Judges the final reads.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(specification: &S, history: &History) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    of_operations(specification, &operations)
        .map_err(|(id, error)| foreign(specification, &operations, id, error))
}

pub(super) fn of_operations<S: Specification>(
    specification: &S,
    operations: &[Operation],
) -> Result<Answer, (usize, SpecificationError)> {
    let program = Program::new(specification, operations)
        .map_err(|(operation, error)| (operation.id, error))?;
    if !program.is_register() || program.nodes.is_empty() {
        return Ok(Answer::Unknown(Unproven::NoRegister));
    }
    let mutations = program.nodes.iter().filter(|node| node.left().is_some());
    let quiet_from = mutations.filter_map(|node| node.operation.deadline()).max();
    let mut open = None;
    for key in 0..program.keys.len() {
        let nodes = || program.nodes.iter().filter(|node| node.key == key);
        // A later read of the same process takes the place of an earlier one.
        let finals: BTreeMap<usize, &Node<'_, S::Op>> = nodes()
            .filter(|node| node.left().is_none() && node.seen().is_some())
            .filter(|node| quiet_from.is_none_or(|quiet| quiet < node.operation.call))
            .map(|node| (node.queue, node))
            .collect();
        let finals: Vec<&Node<'_, S::Op>> = finals.into_values().collect();
        match of_key(&finals, &nodes().collect::<Vec<_>>(), program.initial) {
            Key::Agrees => {}
            Key::Open(why) => open = open.or(Some(why)),
            Key::Broken(culprits, why) => return Ok(violated(&culprits, why)),
        }
    }
    Ok(open.map_or(Answer::Satisfied(Witness::Agreement), Answer::Unknown))
}

enum Key<'a> {
    Agrees,
    Open(Unproven),
    Broken(Vec<&'a Operation>, &'static str),
}

fn of_key<'a, Op>(
    finals: &[&Node<'a, Op>],
    nodes: &[&Node<'a, Op>],
    initial: Option<u64>,
) -> Key<'a> {
    if finals.is_empty() {
        return Key::Open(Unproven::NoFinalReads);
    }
    let left = |unknown_only: bool| -> BTreeSet<u64> {
        let writes = nodes.iter().filter(|node| !unknown_only || !node.known());
        writes.filter_map(|node| node.left()).collect()
    };
    let (written, in_flight) = (left(false), left(true));
    let acknowledged = nodes
        .iter()
        .find(|node| node.known() && node.left().is_some());
    let mut values: BTreeMap<u64, &'a Operation> = BTreeMap::new();
    for node in finals {
        let Some(seen) = node.seen() else { continue };
        values.entry(seen).or_insert(node.operation);
        if written.contains(&seen) {
            continue;
        }
        match acknowledged {
            _ if initial != Some(seen) => {
                return Key::Broken(vec![node.operation], "nobody can have written what it saw");
            }
            Some(write) => {
                return Key::Broken(
                    vec![write.operation, node.operation],
                    "the key was written, and the read saw what was there before any write",
                );
            }
            None => {}
        }
    }
    let certain: Vec<&'a Operation> = values
        .iter()
        .filter(|(value, _)| !in_flight.contains(value))
        .map(|(_, read)| *read)
        .collect();
    match (values.len(), certain.as_slice()) {
        (1, _) => Key::Agrees,
        (_, [first, second, ..]) => Key::Broken(
            vec![first, second],
            "both were called after the last mutation had returned, and they disagree",
        ),
        _ => Key::Open(Unproven::StillInFlight),
    }
}

fn violated(culprits: &[&Operation], why: &str) -> Answer {
    let mut culprits: Vec<Operation> = culprits.iter().map(|culprit| (*culprit).clone()).collect();
    culprits.sort_by_key(|operation| operation.id);
    let mut explanation = opening(Guarantee::Convergence, &culprits, "");
    explanation.push_str(&format!("The reason: {why}."));
    Answer::Violated(Box::new(Violation {
        guarantee: Guarantee::Convergence,
        key: culprits.first().and_then(|operation| operation.key.clone()),
        culprits,
        minimal: true,
        links: Vec::new(),
        explanation,
    }))
}
