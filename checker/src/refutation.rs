//! Verifies the evidence of a violation, by itself: it asks nothing of what gathered it.

use crate::case::Case;
use crate::history::History;
use crate::limits::Limits;
use crate::operation::{Operation, Outcome};
use crate::oracle;
use crate::scope::partition;
use crate::specification::Specification;
use crate::verdict::Evidence;

/// How a violation was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// By the [oracle](crate::oracle), which tries every order.
    Oracle,
    /// By the search, because there are too many operations for the oracle.
    Search,
}

/// More operations are left to the search.
const ORACLE_OPERATIONS_MAX: usize = 12;

/// How many attempts to place an operation the oracle may make.
const ORACLE_STEPS_MAX: u64 = 5_000_000;

/// Checks that `evidence` shows `history` illegal: its culprits are operations of the prefix it names, and they have no order even when every other operation
/// of the part may happen at any time or never. Where the story begins in the middle, the whole prefix is judged. Where it says so, also that one event
/// fewer is legal.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn verify_evidence<S: Specification>(
    specification: &S,
    history: &History,
    evidence: &Evidence,
    limits: &Limits,
) -> Result<Confirmed, String> {
    let all = history.operations().map_err(|error| error.to_string())?;
    let (scopes, _) = partition(specification, &all);
    let scope = scopes
        .iter()
        .find(|scope| scope.key() == evidence.key.as_deref())
        .ok_or_else(|| format!("there is no key {:?}", evidence.key))?;
    let part = |events: usize| -> Result<Vec<Operation>, String> {
        let prefix = history.events.get(..events);
        let prefix = prefix.ok_or_else(|| format!("there are no {events} events"))?;
        let prefix = History {
            events: prefix.to_vec(),
        };
        let operations = prefix.operations().map_err(|error| error.to_string())?;
        Ok(scope.among(specification, operations))
    };
    let prefix = part(evidence.prefix_events)?;
    for culprit in &evidence.culprits {
        if !prefix.contains(culprit) {
            return Err(format!("#{} is no operation of the prefix", culprit.id));
        }
    }
    let is_culprit = |id| evidence.culprits.iter().any(|culprit| culprit.id == id);
    let whole = evidence.context.is_some() || evidence.culprits.is_empty();
    let kept = |operation: &Operation| whole || is_culprit(operation.id);
    let mut trial = Vec::new();
    for operation in &prefix {
        if kept(operation) {
            trial.push(operation.clone());
        } else if operation.outcome != Outcome::Mismatch {
            trial.push(Operation {
                outcome: Outcome::Unknown,
                call: 0,
                ret: None,
                ..operation.clone()
            });
        }
    }
    let confirmed = refute(specification, &trial, limits)?;
    if evidence.prefix_smallest && evidence.prefix_events > 0 {
        let shorter = part(evidence.prefix_events - 1)?;
        let case = Case::new(specification, &shorter).map_err(|error| error.to_string())?;
        if case.decide(limits).legal == Some(false) {
            return Err("a shorter prefix is illegal, too".to_owned());
        }
    }
    Ok(confirmed)
}

fn refute<S: Specification>(
    specification: &S,
    trial: &[Operation],
    limits: &Limits,
) -> Result<Confirmed, String> {
    if trial.len() <= ORACLE_OPERATIONS_MAX {
        let legal = oracle::is_legal_within(specification, trial, ORACLE_STEPS_MAX);
        match legal.map_err(|error| error.to_string())? {
            Some(false) => return Ok(Confirmed::Oracle),
            Some(true) => return Err("the operations that should collide have an order".to_owned()),
            None => {}
        }
    }
    let case = Case::new(specification, trial).map_err(|error| error.to_string())?;
    match case.decide(limits).legal {
        Some(false) => Ok(Confirmed::Search),
        Some(true) => Err("the operations that should collide have an order".to_owned()),
        None => Err("a limit was reached before the collision was confirmed".to_owned()),
    }
}
