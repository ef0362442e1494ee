//! Evidence: the smallest illegal prefix, and in it the few operations that collide.
//!
//! To show that an operation does not matter, it is not removed, for then a read of what it wrote would look like a read of nothing. It is
//! set free: it may happen at any time or never, with whatever result. If the rest still has no order, the operation is no part of the
//! collision. This is delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002) with "free" in
//! place of "removed"; since what is needed stays needed when others are set free, one pass over single operations ends it.
//!
//! All of it is bounded by steps, so evidence is the same everywhere; where a limit of time was set as well, that ends it, too, and a slower
//! machine may tell less. What was not finished within the bounds is said, not hidden:
//!
//! | field of [`Evidence`] | when true | when false |
//! | --- | --- | --- |
//! | `prefix_smallest` | no shorter prefix is illegal | a shorter one may be: some trial was cut short |
//! | `minimal` | set free any one culprit, and there is an order | some culprit may be needless |
//! | `verified` | the [oracle](crate::oracle) tried every order, too, and found none | there were too many operations for it, or the story begins later |
//!
//! A prefix is judged as it was known then: what had not returned is of unknown outcome. So the smallest illegal prefix may end later than
//! the return at which the search gave up: an operation that fails in the end may, until that is known, explain a read.
//!
//! If the story begins later than the history does, its [`Context`] tells the states the object could have been in. These come from the
//! search, so such a story is not `verified`.

mod prefix;
mod prose;

use std::ops::Range;

use crate::history::History;
use crate::limits::{Limits, Meter};
use crate::operation::Operation;
use crate::scope::Scope;
use crate::search::{Found, Recorder, Refusal, Snapshot};
use crate::specification::Specification;
use crate::verdict::{Context, Evidence};

use prefix::{LOOK_BACK_OPERATIONS, Plan, PrefixPart};

/// The steps that work on one piece of evidence may always take.
const STEPS_GRANTED: u64 = 20_000_000;

/// How many times the steps of the search it may take, if that is more.
const SEARCHES_GRANTED: u64 = 4;

/// The steps of one trial: twice those of judging everything, within these bounds. Setting operations free can make the search much harder.
const TRIAL_STEPS_MIN: u64 = 100_000;
const TRIAL_STEPS_MAX: u64 = 1_000_000;

/// The steps that making a story shorter may always take; otherwise twice those of a trial. Where setting operations free only makes the search harder, more would
/// bring nothing.
const SHRINKING_STEPS: u64 = 2_000_000;

/// A collision of up to this many operations is told from the beginning of the history.
const STORY_OPERATIONS_MAX: usize = 8;

/// A point with more possible states is no point to begin a story.
const BEGINNING_STATES_MAX: usize = 16;

/// A part of the history that is illegal, and from where.
pub(crate) struct Breach {
    scope: Scope,
    /// `events[..prefix_events]` is illegal for this part.
    pub(crate) prefix_events: usize,
    pub(crate) prefix_smallest: bool,
}

/// Finds the smallest prefix of a length within `lengths` that is illegal by itself, if there is one, and whether that is certain. No prefix shorter than these
/// is, and what ends beyond the history is the whole of it.
///
/// The search knows how each operation ended, and a prefix does not: a write that fails in the end may, before that is
/// known, explain a read. So the prefix may have to be longer than the point at which the search gave up.
/// `spent`: the steps of the search so far.
pub(crate) fn locate<S: Specification>(
    specification: &S,
    history: &History,
    scope: &Scope,
    lengths: Range<usize>,
    started: &Meter,
    spent: u64,
) -> (Option<Breach>, bool) {
    let mut meter = bounded_meter(started, spent);
    let mut certain = true;
    // Whether a prefix is illegal, and if so, the one after which those that collide have returned.
    let mut illegal = |events: usize| -> Option<usize> {
        // A call that fails later need not be one that the specification understands.
        let Some(part) = PrefixPart::new(specification, history, scope, events) else {
            certain = false;
            return None;
        };
        let everything = part.all_kept(specification);
        match part.judge(specification, &everything, &mut meter, None) {
            Found::Illegal(refusal) => {
                let culprits = refusal.culprits.unwrap_or_default();
                let returned = culprits.iter().map(|at| part.operations[*at].deadline());
                Some(returned.flatten().max().map_or(events, |last| last + 1))
            }
            Found::Legal(_) => None,
            Found::Stopped(..) => {
                certain = false;
                None
            }
        }
    };
    // Everything before `low` is legal, `high` events are not. The first guess is that the judge stopped just where it broke; then a few events before
    // what is known to be illegal, twice as many, and so on; then halves.
    let whole = history.events.len();
    let bounded = lengths.end <= whole;
    let (mut low, mut high) = (lengths.start, (lengths.end - 1).min(whole));
    let mut guess = lengths.start;
    if bounded || lengths.start == 0 {
        match illegal(high) {
            Some(collided) => guess = collided,
            None if bounded => return (None, certain),
            None => guess = high,
        }
    }
    let mut back = 1;
    while low < high {
        let tried = guess.clamp(low, high - 1);
        match illegal(tried) {
            Some(collided) => {
                high = tried;
                guess = collided;
            }
            None => {
                low = tried + 1;
                guess = high;
            }
        }
        if guess >= high && low < high {
            back = (back * 2).min(high - low);
            guess = if back < (high - low) / 2 {
                high - back
            } else {
                low + (high - low) / 2
            };
        }
    }
    let breach = Breach {
        scope: scope.clone(),
        prefix_events: high,
        prefix_smallest: certain,
    };
    (Some(breach), certain)
}

/// Gathers the evidence for a breach. `spent`: the steps of the search.
pub(crate) fn collect<S: Specification>(
    specification: &S,
    history: &History,
    breach: Breach,
    started: &Meter,
    spent: u64,
) -> Evidence {
    let Breach {
        scope,
        prefix_events,
        prefix_smallest,
    } = breach;
    let mut evidence = Evidence {
        promise: specification.promise().to_owned(),
        key: scope.key().map(str::to_owned),
        prefix_events,
        prefix_smallest,
        culprits: Vec::new(),
        minimal: false,
        verified: false,
        context: None,
        explanation: String::new(),
    };
    let mut meter = bounded_meter(started, spent);
    let part = PrefixPart::new(specification, history, &scope, prefix_events);
    let Some(part) = part else { return evidence };
    let everything = part.all_kept(specification);
    let Found::Illegal(refusal) = part.judge(specification, &everything, &mut meter, None) else {
        // It was found illegal with more steps than are granted here.
        evidence.explanation = prose::without_culprits(&evidence);
        return evidence;
    };
    let told = match &refusal.culprits {
        Some(culprits) => told_by_culprits(specification, &part, culprits, &mut meter),
        None => None,
    };
    let Some(told) = told.or_else(|| told_by_search(specification, &part, &mut meter)) else {
        evidence.explanation = prose::without_culprits(&evidence);
        return evidence;
    };
    evidence.minimal = told.story.complete;
    evidence.verified = part.oracle_agrees(specification, &told.story) == Some(true);
    evidence.culprits = part.culprits(&told.story);
    evidence.context = told.beginning.map(|snapshot| Context {
        after_events: snapshot.position,
        states: snapshot
            .states
            .iter()
            .map(|state| specification.describe_state(state))
            .collect(),
    });
    let refused = part.refused(specification, &told.refusal);
    evidence.explanation = prose::explain(&evidence, &refused);
    evidence
}

/// A collision: who is kept, from where, and who could not return.
struct Told<State> {
    story: Plan<State>,
    beginning: Option<Snapshot<State>>,
    refusal: Refusal<State>,
}

/// What a monitor says collides, made smaller.
fn told_by_culprits<S: Specification>(
    specification: &S,
    part: &PrefixPart<S::Op>,
    culprits: &[usize],
    meter: &mut Meter,
) -> Option<Told<S::State>> {
    let plan = part.only(specification, culprits);
    let Found::Illegal(_) = part.judge(specification, &plan, meter, None) else {
        return None;
    };
    let trial_steps = (meter.work.steps * 2).max(TRIAL_STEPS_MIN);
    let story = part.shrink(specification, plan, trial_steps, meter);
    // The search tells the states, if it can do so soon.
    meter.allow(trial_steps);
    let refusal = match part.search(specification, &story, meter) {
        Found::Illegal(refusal) => refusal,
        _ => Refusal {
            item: part.last_kept(&story)?,
            states: Vec::new(),
            culprits: None,
        },
    };
    Some(Told {
        story,
        beginning: None,
        refusal,
    })
}

/// The collision that the search ran into, made smaller.
fn told_by_search<S: Specification>(
    specification: &S,
    part: &PrefixPart<S::Op>,
    meter: &mut Meter,
) -> Option<Told<S::State>> {
    let mut recorder = Recorder {
        from: part.look_back_position(),
        states_max: BEGINNING_STATES_MAX,
        snapshots: Vec::new(),
    };
    meter.allow(u64::MAX);
    let everything = part.all_kept(specification);
    let before = meter.work.steps;
    let found = part.judge(specification, &everything, meter, Some(&mut recorder));
    let Found::Illegal(refusal) = found else {
        return None;
    };
    let trial_steps = ((meter.work.steps - before) * 2).clamp(TRIAL_STEPS_MIN, TRIAL_STEPS_MAX);
    // A long history is first cut down to its end; a short one is told from the beginning if the story is short.
    let long = part.operations.len() > 2 * LOOK_BACK_OPERATIONS;
    let from_beginning = |meter: &mut Meter| {
        let plan = part.all_kept(specification);
        part.shrink(specification, plan, trial_steps, meter)
    };
    let from_later = |meter: &mut Meter| {
        let (snapshot, plan) =
            part.later_beginning(specification, &recorder.snapshots, trial_steps, meter)?;
        let story = part.shrink(specification, plan, trial_steps, meter);
        Some((story, Some(snapshot)))
    };
    let (story, beginning) = if long {
        from_later(meter).unwrap_or_else(|| (from_beginning(meter), None))
    } else {
        let whole = from_beginning(meter);
        let later = if whole.kept() > STORY_OPERATIONS_MAX {
            from_later(meter)
        } else {
            None
        };
        later
            .filter(|(shorter, _)| shorter.kept() < whole.kept())
            .unwrap_or((whole, None))
    };
    Some(Told {
        story,
        beginning: beginning.cloned(),
        refusal,
    })
}

fn bounded_meter(started: &Meter, spent: u64) -> Meter {
    let steps = STEPS_GRANTED.max(spent.saturating_mul(SEARCHES_GRANTED));
    started.also(Limits {
        steps,
        ..*started.limits()
    })
}

/// The operation that could not return, in words.
struct Refused {
    operation: Operation,
    meaning: String,
    states: Vec<String>,
    states_total: usize,
}
