//! A broken guarantee: which operations collide, and why, in words.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::operation::{Operation, Outcome};

use super::Guarantee;

/// A guarantee that a history breaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Which one.
    pub guarantee: Guarantee,
    /// The key, where the collision is of one key.
    pub key: Option<String>,
    /// The operations that collide, in order of call. Their ids are those of [`History::operations`](crate::History::operations), for
    /// linearizability those of the smallest illegal prefix.
    pub culprits: Vec<Operation>,
    /// True when every one of them is needed.
    pub minimal: bool,
    /// What comes before what, and why, up to the contradiction. Empty when there is no order for another reason.
    pub links: Vec<Link>,
    /// The same in prose.
    pub explanation: String,
}

/// One thing that comes before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The id of the operation.
    pub before: usize,
    /// The id of the one that follows.
    pub after: usize,
    /// Why, in words.
    pub because: String,
}

/// The most operations or links that are listed.
const LINES_MAX: usize = 12;

/// `#4 (process 2: read x -> 1)`.
pub(super) fn label(operation: &Operation) -> String {
    format!(
        "#{} (process {}: {operation})",
        operation.id, operation.process
    )
}

/// `Promised is ... These operations collide: ...`, without the reason.
pub(super) fn opening(guarantee: Guarantee, culprits: &[Operation], others: &str) -> String {
    let mut text = format!("Promised is {}.\n", guarantee.definition());
    let _ = match culprits.len() {
        1 => writeln!(
            text,
            "This operation alone breaks it, whatever all others did:"
        ),
        _ => writeln!(text, "These operations collide{others}:"),
    };
    for operation in culprits.iter().take(LINES_MAX) {
        let returned = match (operation.ret, &operation.outcome) {
            (Some(event), Outcome::Ok(_) | Outcome::Mismatch) => {
                format!("returned at event {event}")
            }
            _ => "outcome unknown".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {}: called at event {}, {returned}",
            label(operation),
            operation.call
        );
    }
    if culprits.len() > LINES_MAX {
        let _ = writeln!(text, "  and {} more", culprits.len() - LINES_MAX);
    }
    text
}

/// Tells the links, the last `circle` of which run in a circle.
pub(super) fn tell_links(
    text: &mut String,
    links: &[Link],
    circle: usize,
    operations: &[Operation],
) {
    let name = |id: usize| operations.get(id).map_or_else(|| format!("#{id}"), label);
    let derived = links.len().saturating_sub(circle);
    if links.len() > 2 * LINES_MAX {
        let _ = write!(
            text,
            "{} orderings follow from them, and they run in a circle.",
            links.len()
        );
        return;
    }
    for link in &links[..derived] {
        let _ = writeln!(
            text,
            "{} comes before {}, because {}.",
            name(link.before),
            name(link.after),
            link.because
        );
    }
    for (at, link) in links[derived..].iter().enumerate() {
        let lead = if at == 0 { "Now " } else { "and " };
        let end = if at + 1 == circle {
            ": a contradiction."
        } else {
            ",\n"
        };
        let _ = write!(
            text,
            "{lead}{} comes before {}, because {}{end}",
            name(link.before),
            name(link.after),
            link.because
        );
    }
}
