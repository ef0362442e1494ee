//! Evidence: the smallest illegal prefix, and in it the few operations that collide.
//!
//! To show that an operation does not matter, it is not removed, for then a read of what it wrote would look like a
//! read of nothing. It is set free: it may happen at any time or never. If the rest still has no order, the operation
//! is no part of the collision. All of this is bounded by steps, not by time, so that evidence is the same everywhere.

mod prefix;
mod prose;

use crate::history::History;
use crate::limits::{Limits, Meter};
use crate::operation::Operation;
use crate::search::{Found, Recorder};
use crate::specification::Specification;
use crate::verdict::{Context, Evidence};

use prefix::{LOOK_BACK_OPERATIONS, PrefixPart};

/// The steps that work on one piece of evidence may always take.
const STEPS_GRANTED: u64 = 20_000_000;

/// How many times the steps of the search it may take, if that is more.
const SEARCHES_GRANTED: u64 = 4;

/// A collision of up to this many operations is told from the beginning of the history.
const STORY_OPERATIONS_MAX: usize = 8;

/// A point with more possible states is no point to begin a story.
const BEGINNING_STATES_MAX: usize = 4;

/// A part of the history that is illegal, and from where.
pub(crate) struct Breach {
    key: Option<String>,
    /// `events[..prefix_events]` is illegal for this key.
    pub(crate) prefix_events: usize,
    prefix_smallest: bool,
}

/// Finds the smallest prefix that is illegal by itself. No prefix shorter than `at_least` is.
///
/// The search knows how each operation ended, and a prefix does not: a write that fails in the end may, before that is
/// known, explain a read. So the prefix may have to be longer than the point at which the search gave up.
/// `spent`: the steps of the search so far.
pub(crate) fn locate<S: Specification>(
    specification: &S,
    history: &History,
    key: Option<&str>,
    at_least: usize,
    limits: &Limits,
    spent: u64,
) -> Breach {
    let mut meter = bounded_meter(limits, spent);
    let mut certain = true;
    let mut illegal = |events: usize| {
        let Some(part) = PrefixPart::new(specification, history, key, events) else {
            return false;
        };
        match part.judge(
            specification,
            &part.all_kept(specification),
            &mut meter,
            None,
        ) {
            Found::Illegal(_) => true,
            Found::Legal(_) => false,
            Found::Stopped(..) => {
                certain = false;
                false
            }
        }
    };
    let (mut low, mut high) = (at_least, history.events.len());
    if illegal(low) {
        high = low;
    }
    // Everything before `low` is legal, `high` events are not.
    while low < high {
        let middle = low + (high - low) / 2;
        if illegal(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Breach {
        key: key.map(str::to_owned),
        prefix_events: high,
        prefix_smallest: certain,
    }
}

/// Gathers the evidence for a breach. `spent`: the steps of the search.
pub(crate) fn collect<S: Specification>(
    specification: &S,
    history: &History,
    breach: Breach,
    limits: &Limits,
    spent: u64,
) -> Evidence {
    let Breach {
        key,
        prefix_events,
        prefix_smallest,
    } = breach;
    let mut evidence = Evidence {
        promise: specification.promise().to_owned(),
        key,
        prefix_events,
        prefix_smallest,
        culprits: Vec::new(),
        minimal: false,
        context: None,
        explanation: String::new(),
    };
    let mut meter = bounded_meter(limits, spent);
    let part = PrefixPart::new(
        specification,
        history,
        evidence.key.as_deref(),
        prefix_events,
    );
    let Some(part) = part else { return evidence };
    let mut recorder = Recorder {
        from: part.look_back_position(),
        states_max: BEGINNING_STATES_MAX,
        snapshots: Vec::new(),
    };
    let everything = part.judge(
        specification,
        &part.all_kept(specification),
        &mut meter,
        Some(&mut recorder),
    );
    let Found::Illegal(refusal) = everything else {
        // It was found illegal with more steps than are granted here.
        evidence.explanation = prose::without_culprits(&evidence);
        return evidence;
    };
    let trial_steps = (meter.work.steps * 4).max(200_000);
    // A long history is first cut down to its end; a short one is told from the beginning if the story is short.
    let long = part.operations.len() > 2 * LOOK_BACK_OPERATIONS;
    let from_beginning = |meter: &mut Meter| {
        part.shrink(
            specification,
            part.all_kept(specification),
            trial_steps,
            meter,
        )
    };
    let from_later = |meter: &mut Meter| {
        let (snapshot, plan) =
            part.later_beginning(specification, &recorder.snapshots, trial_steps, meter)?;
        Some((
            part.shrink(specification, plan, trial_steps, meter),
            Some(snapshot),
        ))
    };
    let (story, beginning) = if long {
        from_later(&mut meter).unwrap_or_else(|| (from_beginning(&mut meter), None))
    } else {
        let whole = from_beginning(&mut meter);
        let later = if whole.kept() > STORY_OPERATIONS_MAX {
            from_later(&mut meter)
        } else {
            None
        };
        later
            .filter(|(shorter, _)| shorter.kept() < whole.kept())
            .unwrap_or((whole, None))
    };
    evidence.minimal = story.complete;
    evidence.culprits = part.culprits(&story);
    evidence.context = beginning.map(|snapshot| Context {
        after_events: snapshot.position,
        states: snapshot
            .states
            .iter()
            .map(|state| specification.describe_state(state))
            .collect(),
    });
    let refused = part.refused(specification, &refusal);
    evidence.explanation = prose::explain(&evidence, &refused);
    evidence
}

fn bounded_meter(limits: &Limits, spent: u64) -> Meter {
    let steps = STEPS_GRANTED.max(spent.saturating_mul(SEARCHES_GRANTED));
    Meter::new(Limits {
        steps,
        bytes: limits.bytes,
        time: None,
    })
}

/// The operation that could not return, in words.
struct Refused {
    operation: Operation,
    meaning: String,
    states: Vec<String>,
    states_total: usize,
}
