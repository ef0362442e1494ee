//! Evidence: the smallest illegal prefix, and in it the few operations that collide.
//!
//! To show that an operation does not matter, it is not removed, for then a read of what it wrote would look like a
//! read of nothing. It is set free: it may happen at any time or never. If the rest still has no order, the operation
//! is no part of the collision. All of this is bounded by steps, not by time, so that evidence is the same everywhere.

mod prose;

use crate::history::History;
use crate::limits::{Limits, Meter};
use crate::operation::{Operation, Outcome, pair};
use crate::search::{Found, Item, Recorder, Refusal, Snapshot, search};
use crate::specification::{Effect, Specification};
use crate::verdict::{Context, Evidence};

/// The steps that all work on one piece of evidence may take.
const STEPS_MAX: u64 = 20_000_000;

/// A collision of up to this many operations is told from the beginning of the history.
const STORY_OPERATIONS_MAX: usize = 8;

/// How far back from the violation the search looks for a point to begin a shorter story, in operations.
const LOOK_BACK_OPERATIONS: usize = 256;

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
pub(crate) fn locate<S: Specification>(
    specification: &S,
    history: &History,
    key: Option<&str>,
    at_least: usize,
    limits: &Limits,
) -> Breach {
    let mut meter = bounded_meter(limits);
    let mut certain = true;
    let mut illegal = |events: usize| {
        let Some(part) = PrefixPart::new(specification, history, key, events) else { return false };
        match part.judge(specification, &part.all_kept(specification), &mut meter, None) {
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
    Breach { key: key.map(str::to_owned), prefix_events: high, prefix_smallest: certain }
}

/// Gathers the evidence for a breach.
pub(crate) fn collect<S: Specification>(
    specification: &S,
    history: &History,
    breach: Breach,
    limits: &Limits,
) -> Evidence {
    let Breach { key, prefix_events, prefix_smallest } = breach;
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
    let mut meter = bounded_meter(limits);
    let part = PrefixPart::new(specification, history, evidence.key.as_deref(), prefix_events);
    let Some(part) = part else { return evidence };
    let mut recorder = Recorder {
        from: part.look_back_position(),
        states_max: BEGINNING_STATES_MAX,
        snapshots: Vec::new(),
    };
    let everything = part.judge(specification, &part.all_kept(specification), &mut meter, Some(&mut recorder));
    let Found::Illegal(refusal) = everything else {
        // It was found illegal with more steps than are granted here.
        evidence.explanation = prose::without_culprits(&evidence);
        return evidence;
    };
    let trial_steps = (meter.work.steps * 4).max(200_000);
    let mut story = part.shrink(specification, part.all_kept(specification), trial_steps, &mut meter);
    let mut beginning: Option<&Snapshot<S::State>> = None;
    if story.kept() > STORY_OPERATIONS_MAX {
        if let Some((snapshot, plan)) = part.later_beginning(specification, &recorder.snapshots, trial_steps, &mut meter) {
            let shorter = part.shrink(specification, plan, trial_steps, &mut meter);
            if shorter.kept() < story.kept() {
                story = shorter;
                beginning = Some(snapshot);
            }
        }
    }
    evidence.minimal = story.complete;
    evidence.culprits = part.culprits(&story);
    evidence.context = beginning.map(|snapshot| Context {
        after_events: snapshot.position,
        states: snapshot.states.iter().map(|state| specification.describe_state(state)).collect(),
    });
    let refused = part.refused(specification, &refusal);
    evidence.explanation = prose::explain(&evidence, &refused);
    evidence
}

fn bounded_meter(limits: &Limits) -> Meter {
    Meter::new(Limits { steps: STEPS_MAX.min(limits.steps), bytes: limits.bytes, time: None })
}

/// The operation that could not return, in words.
struct Refused {
    operation: Operation,
    meaning: String,
    states: Vec<String>,
    states_total: usize,
}

/// What one key did in a prefix of the history.
struct PrefixPart<Op> {
    operations: Vec<Operation>,
    /// What each operation means, or `None` if it tells nothing.
    meanings: Vec<Option<Op>>,
    /// What it means when set free: outcome unknown. `None` if it then tells nothing.
    free_meanings: Vec<Option<Op>>,
}

/// How an operation takes part in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Kept,
    /// May happen at any time, or never.
    Free,
    Absent,
}

/// Roles for all operations, and where the trial begins.
struct Plan<State> {
    roles: Vec<Role>,
    initial: Vec<State>,
    /// False when a limit left some operation untried.
    complete: bool,
}

impl<State> Plan<State> {
    fn kept(&self) -> usize {
        self.roles.iter().filter(|role| **role == Role::Kept).count()
    }
}

impl<Op> PrefixPart<Op> {
    fn new<S: Specification<Op = Op>>(
        specification: &S,
        history: &History,
        key: Option<&str>,
        prefix_events: usize,
    ) -> Option<Self> {
        let prefix = history.events.get(..prefix_events)?;
        let mut operations = pair(prefix, "history", |position| position + 1).ok()?;
        operations.retain(|operation| !specification.per_key() || operation.key.as_deref() == key);
        let mut meanings = Vec::new();
        let mut free_meanings = Vec::new();
        for operation in &operations {
            meanings.push(specification.parse(operation).ok()?);
            let free = Operation { outcome: Outcome::Unknown, ret: None, ret_time: None, ..operation.clone() };
            // A refused comparison changed nothing; free of its observation, it does not exist.
            let refused = operation.outcome == Outcome::Mismatch;
            free_meanings.push(if refused { None } else { specification.parse(&free).ok()? });
        }
        Some(Self { operations, meanings, free_meanings })
    }

    fn all_kept<S: Specification<Op = Op>>(&self, specification: &S) -> Plan<S::State> {
        let roles = vec![Role::Kept; self.operations.len()];
        Plan { roles, initial: vec![specification.initial()], complete: false }
    }

    /// Searches for an order under `plan`. A refusal names the position in [`PrefixPart::operations`].
    fn judge<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        plan: &Plan<S::State>,
        meter: &mut Meter,
        recorder: Option<&mut Recorder<S::State>>,
    ) -> Found<S::State> {
        let mut items = Vec::new();
        for (id, operation) in self.operations.iter().enumerate() {
            let (meaning, call, deadline) = match plan.roles[id] {
                Role::Kept => (&self.meanings[id], operation.call, operation.deadline()),
                Role::Free => (&self.free_meanings[id], 0, None),
                Role::Absent => continue,
            };
            if let Some(op) = meaning {
                items.push(Item { id, op, effect: specification.effect(op), call, deadline });
            }
        }
        match search(specification, &plan.initial, &items, usize::MAX, meter, recorder) {
            Found::Illegal(refusal) => {
                Found::Illegal(Refusal { item: items[refusal.item].id, states: refusal.states })
            }
            other => other,
        }
    }

    /// Sets free whatever may be free while the rest stays illegal: halves first, then quarters, down to single ones.
    /// One pass over single ones is enough, since what is needed stays needed when others are set free.
    fn shrink<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        mut plan: Plan<S::State>,
        trial_steps: u64,
        meter: &mut Meter,
    ) -> Plan<S::State> {
        let mut size = plan.kept().div_ceil(2).max(1);
        loop {
            let mut kept: Vec<usize> = (0..plan.roles.len()).filter(|at| plan.roles[*at] == Role::Kept).collect();
            // Observations first: a story told by the changes that were made is the clearer one.
            let changes = |op: &Op| specification.effect(op) != Effect::Reads;
            kept.sort_by_key(|at| self.meanings[*at].as_ref().is_some_and(changes));
            plan.complete = true;
            for group in kept.chunks(size) {
                group.iter().for_each(|at| plan.roles[*at] = Role::Free);
                meter.allow(trial_steps);
                match self.judge(specification, &plan, meter, None) {
                    Found::Illegal(_) => continue,
                    Found::Legal(_) => {}
                    Found::Stopped(..) => plan.complete = false,
                }
                group.iter().for_each(|at| plan.roles[*at] = Role::Kept);
            }
            if size == 1 {
                return plan;
            }
            size = size.div_ceil(2);
        }
    }

    /// The event at which the last operations begin that a shorter story may begin with.
    fn look_back_position(&self) -> usize {
        let first = self.operations.len().saturating_sub(LOOK_BACK_OPERATIONS);
        self.operations.get(first).map_or(0, |operation| operation.call)
    }

    /// The latest point from which the rest is illegal, whatever the states known there and whatever operations then in
    /// flight do. Steps back twice as far each time.
    fn later_beginning<'a, S: Specification<Op = Op>>(
        &self,
        specification: &S,
        snapshots: &'a [Snapshot<S::State>],
        trial_steps: u64,
        meter: &mut Meter,
    ) -> Option<(&'a Snapshot<S::State>, Plan<S::State>)> {
        let mut back = 1;
        while back <= snapshots.len() {
            let snapshot = &snapshots[snapshots.len() - back];
            let role = |operation: &Operation| {
                if operation.call >= snapshot.position {
                    Role::Kept
                } else if operation.deadline().is_some_and(|deadline| deadline < snapshot.position) {
                    Role::Absent
                } else {
                    Role::Free
                }
            };
            let roles = self.operations.iter().map(role).collect();
            let plan = Plan { roles, initial: snapshot.states.clone(), complete: false };
            meter.allow(trial_steps);
            if let Found::Illegal(_) = self.judge(specification, &plan, meter, None) {
                return Some((snapshot, plan));
            }
            back *= 2;
        }
        None
    }

    fn culprits<State>(&self, plan: &Plan<State>) -> Vec<Operation> {
        let kept = self.operations.iter().zip(&plan.roles).filter(|(_, role)| **role == Role::Kept);
        kept.map(|(operation, _)| operation.clone()).collect()
    }

    fn refused<S: Specification<Op = Op>>(&self, specification: &S, refusal: &Refusal<S::State>) -> Refused {
        let described = refusal.states.iter().take(prose::STATES_MAX);
        Refused {
            operation: self.operations[refusal.item].clone(),
            meaning: self.meanings[refusal.item].as_ref().map_or_else(String::new, |op| specification.describe(op)),
            states: described.map(|state| specification.describe_state(state)).collect(),
            states_total: refusal.states.len(),
        }
    }
}
