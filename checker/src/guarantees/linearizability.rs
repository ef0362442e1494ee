//! Linearizability: every operation took effect at one moment between its call and its return.

use crate::check::{CheckError, check};
use crate::history::History;
use crate::limits::Limits;
use crate::specification::Specification;
use crate::verdict::Verdict;

use super::violation::Violation;
use super::{Answer, Guarantee, Unproven, Witness};

/// "Each operation applied by concurrent processes takes effect instantaneously at some point between its invocation and its
/// response" (Herlihy and Wing, Linearizability, TOPLAS 1990, abstract).
pub const DEFINITION: &str = "linearizability: \"each operation applied by concurrent processes takes effect instantaneously at some point \
     between its invocation and its response\" (Herlihy and Wing, 1990)";

/// Judges by [`check`]. The culprits are those of the smallest illegal prefix.
///
/// # Errors
/// Those of [`check`].
pub fn judge<S: Specification>(
    specification: &S,
    history: &History,
    limits: &Limits,
) -> Result<Answer, CheckError> {
    Ok(match check(specification, history, limits)?.verdict {
        Verdict::Valid(certificate) => Answer::Satisfied(Witness::Order(certificate)),
        Verdict::Unknown(unknown) => Answer::Unknown(Unproven::Limit(unknown.reason)),
        Verdict::Invalid(evidence) => Answer::Violated(Box::new(Violation {
            guarantee: Guarantee::Linearizability,
            key: evidence.key,
            culprits: evidence.culprits,
            minimal: evidence.minimal,
            links: Vec::new(),
            explanation: evidence.explanation,
        })),
    })
}
