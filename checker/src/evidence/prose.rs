//! Evidence told in words.

use std::fmt::Write;

use super::Refused;
use crate::operation::{Operation, Outcome};
use crate::verdict::Evidence;

/// The most states that are listed.
pub(super) const STATES_MAX: usize = 8;

/// The most operations and orderings that are listed.
const LINES_MAX: usize = 12;

/// Tells what collides, what must come before what, and why the last return cannot be.
pub(super) fn explain(evidence: &Evidence, refused: &Refused) -> String {
    let mut text = opening(evidence);
    if let Some(context) = &evidence.context {
        let _ = writeln!(
            text,
            "After the first {} events the state is {} in every order that is consistent so far, but for operations \
             still in flight.",
            context.after_events,
            alternatives(&context.states, context.states.len()),
        );
    }
    // Of a long list, those that are nearest to the end.
    let left_out = evidence.culprits.len().saturating_sub(LINES_MAX);
    let culprits = &evidence.culprits[left_out..];
    match evidence.culprits.len() {
        1 if evidence.context.is_some() => {
            text.push_str(
                "From there on this operation cannot be explained, whatever the others did:
",
            );
        }
        1 => text.push_str(
            "This operation alone cannot be explained, whatever all others did and when:
",
        ),
        _ => text.push_str(
            "These operations collide, even if every other one may happen at any time or never:\n",
        ),
    }
    if left_out > 0 {
        let _ = writeln!(text, "  {left_out} earlier ones, and");
    }
    for operation in culprits {
        let _ = writeln!(text, "  {}: {}", label(operation), interval(operation));
    }
    for (before, after) in orderings(culprits).into_iter().take(LINES_MAX) {
        let _ = writeln!(
            text,
            "{} comes before {}, because it returned at event {} and the other was called only at event {}.",
            label(before),
            label(after),
            before.deadline().unwrap_or_default(),
            after.call,
        );
    }
    text.push_str(&contradiction(refused));
    if !evidence.minimal {
        text.push_str("\nThe list of colliding operations may be longer than it need be: the work for it is bounded.");
    }
    text
}

/// Why the last one of them cannot be.
fn contradiction(refused: &Refused) -> String {
    let (last, at) = (label(&refused.operation), refused.operation.deadline());
    let at = at.unwrap_or_default();
    let states = alternatives(&refused.states, refused.states_total);
    let meaning = &refused.meaning;
    match refused.states_total {
        0 => format!(
            "Whatever order these are put in, by the time {last} returned at event {at} one of them could not have been as it was: a contradiction."
        ),
        1 => format!(
            "When {last} returned at event {at}, the state could only be {states}, and the {meaning} is not allowed then: a contradiction."
        ),
        _ => format!(
            "When {last} returned at event {at}, the state could only be {states}, and the {meaning} is allowed in none of these: a contradiction."
        ),
    }
}

/// What can be said when the work for a list of operations was too much.
pub(super) fn without_culprits(evidence: &Evidence) -> String {
    opening(evidence)
        + "The operations that collide were not singled out: the work for it is bounded."
}

fn opening(evidence: &Evidence) -> String {
    let of_key = evidence
        .key
        .as_ref()
        .map_or_else(String::new, |key| format!(" of key {key}"));
    format!(
        "Promised is {}. The first {} events break it: no order of the operations{of_key} explains them.\n",
        evidence.promise, evidence.prefix_events
    )
}

/// `#4 (process 2: read x -> 1)`.
fn label(operation: &Operation) -> String {
    format!(
        "#{} (process {}: {operation})",
        operation.id, operation.process
    )
}

fn interval(operation: &Operation) -> String {
    match (operation.deadline(), &operation.outcome) {
        (Some(deadline), Outcome::Mismatch) => {
            format!(
                "called at event {}, refused by event {deadline}",
                operation.call
            )
        }
        (Some(deadline), _) => format!(
            "called at event {}, returned at event {deadline}",
            operation.call
        ),
        (None, _) => format!(
            "called at event {}, outcome unknown, so at any time from there on",
            operation.call
        ),
    }
}

/// Pairs of which the first returned before the second was called, without those that follow from two others.
fn orderings(culprits: &[Operation]) -> Vec<(&Operation, &Operation)> {
    let mut pairs = Vec::new();
    for before in culprits {
        for after in culprits.iter().filter(|after| before.precedes(after)) {
            let follows = culprits
                .iter()
                .any(|between| before.precedes(between) && between.precedes(after));
            if !follows {
                pairs.push((before, after));
            }
        }
    }
    pairs
}

/// `1`, `1 or 2`, `1, 2, or one of 7 more`.
fn alternatives(states: &[String], total: usize) -> String {
    let mut text = String::new();
    for (at, state) in states.iter().enumerate() {
        let last = at + 1 == states.len() && total == states.len();
        text.push_str(match at {
            0 => "",
            _ if last => " or ",
            _ => ", ",
        });
        text.push_str(state);
    }
    if total > states.len() {
        let _ = write!(text, ", or one of {} more", total - states.len());
    }
    text
}
