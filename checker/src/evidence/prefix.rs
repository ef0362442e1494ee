//! One key's share of a prefix, and trials on it with some operations set free.

use super::{Refused, SHRINKING_STEPS, prose};
use crate::history::History;
use crate::limits::Meter;
use crate::operation::{Operation, Outcome, pair};
use crate::oracle;
use crate::scope::Scope;
use crate::search::{Found, Item, Judge, Recorder, Refusal, Snapshot, decide};
use crate::specification::{Effect, Specification};

/// How far back from the violation the search looks for a point to begin a shorter story, in operations.
pub(super) const LOOK_BACK_OPERATIONS: usize = 256;

/// How many operations the oracle is asked about, and how many attempts to place one it may make.
const ORACLE_OPERATIONS_MAX: usize = 12;
const ORACLE_STEPS_MAX: u64 = 200_000;

/// The same operation when it may happen at any time, with whatever result, or never.
fn free(operation: &Operation) -> Operation {
    Operation {
        outcome: Outcome::Unknown,
        call: 0,
        ret: None,
        ret_time: None,
        ..operation.clone()
    }
}

/// What one key did in a prefix of the history.
pub(super) struct PrefixPart<Op> {
    pub(super) operations: Vec<Operation>,
    /// What each operation means, or `None` if it tells nothing.
    meanings: Vec<Option<Op>>,
    /// What it means when set free: outcome unknown. `None` if it then tells nothing.
    free_meanings: Vec<Option<Op>>,
}

/// How an operation takes part in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Kept,
    /// May happen at any time, or never.
    Free,
    Absent,
}

/// Roles for all operations, and where the trial begins.
pub(super) struct Plan<State> {
    roles: Vec<Role>,
    initial: Vec<State>,
    /// False when a limit left some operation untried.
    pub(super) complete: bool,
}

impl<State> Plan<State> {
    pub(super) fn kept(&self) -> usize {
        self.roles
            .iter()
            .filter(|role| **role == Role::Kept)
            .count()
    }
}

/// A later point of the history, and the plan that begins there.
pub(super) type Later<'a, State> = (&'a Snapshot<State>, Plan<State>);

impl<Op> PrefixPart<Op> {
    pub(super) fn new<S: Specification<Op = Op>>(
        specification: &S,
        history: &History,
        scope: &Scope,
        prefix_events: usize,
    ) -> Option<Self> {
        let prefix = history.events.get(..prefix_events)?;
        let operations = pair(prefix, "history", |position| position + 1).ok()?;
        let operations = scope.among(specification, operations);
        let mut meanings = Vec::new();
        let mut free_meanings = Vec::new();
        for operation in &operations {
            meanings.push(specification.parse(operation).ok()?);
            // A refused comparison changed nothing; free of its observation, it does not exist.
            let refused = operation.outcome == Outcome::Mismatch;
            free_meanings.push(if refused {
                None
            } else {
                specification.parse(&free(operation)).ok()?
            });
        }
        Some(Self {
            operations,
            meanings,
            free_meanings,
        })
    }

    pub(super) fn all_kept<S: Specification<Op = Op>>(&self, specification: &S) -> Plan<S::State> {
        let roles = vec![Role::Kept; self.operations.len()];
        Plan {
            roles,
            initial: vec![specification.initial()],
            complete: false,
        }
    }

    /// Searches for an order under `plan`. A refusal names the position in [`PrefixPart::operations`].
    pub(super) fn judge<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        plan: &Plan<S::State>,
        meter: &mut Meter,
        recorder: Option<&mut Recorder<S::State>>,
    ) -> Found<S::State> {
        let items = self.items(specification, plan);
        let found = decide(
            Judge::Any,
            specification,
            &plan.initial,
            &items,
            meter,
            recorder,
        );
        self.named(found, &items)
    }

    /// The same by the search alone, which tells the states that were possible.
    pub(super) fn search<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        plan: &Plan<S::State>,
        meter: &mut Meter,
    ) -> Found<S::State> {
        let items = self.items(specification, plan);
        let found = decide(
            Judge::Frontier,
            specification,
            &plan.initial,
            &items,
            meter,
            None,
        );
        self.named(found, &items)
    }

    fn items<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        plan: &Plan<S::State>,
    ) -> Vec<Item<'_, Op>> {
        let mut items = Vec::new();
        for (id, operation) in self.operations.iter().enumerate() {
            let (meaning, call, deadline) = match plan.roles[id] {
                Role::Kept => (&self.meanings[id], operation.call, operation.deadline()),
                Role::Free => (&self.free_meanings[id], 0, None),
                Role::Absent => continue,
            };
            if let Some(op) = meaning {
                items.push(Item {
                    id,
                    op,
                    effect: specification.effect(op),
                    call,
                    deadline,
                });
            }
        }
        items
    }

    /// Names items by their positions in [`PrefixPart::operations`].
    fn named<State>(&self, found: Found<State>, items: &[Item<'_, Op>]) -> Found<State> {
        match found {
            Found::Illegal(refusal) => Found::Illegal(Refusal {
                item: items[refusal.item].id,
                states: refusal.states,
                culprits: refusal
                    .culprits
                    .map(|list| list.into_iter().map(|item| items[item].id).collect()),
            }),
            other => other,
        }
    }

    /// Only these kept, all others free.
    pub(super) fn only<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        kept: &[usize],
    ) -> Plan<S::State> {
        let mut roles = vec![Role::Free; self.operations.len()];
        kept.iter().for_each(|at| roles[*at] = Role::Kept);
        Plan {
            roles,
            initial: vec![specification.initial()],
            complete: false,
        }
    }

    /// Whether the oracle that tries every order finds none under `plan`, too. `None` when that would take too long, or when the story does not
    /// begin at the beginning.
    pub(super) fn oracle_agrees<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        plan: &Plan<S::State>,
    ) -> Option<bool> {
        if plan.initial != [specification.initial()] {
            return None;
        }
        let mut trial = Vec::new();
        for (operation, role) in self.operations.iter().zip(&plan.roles) {
            match role {
                Role::Kept => trial.push(operation.clone()),
                Role::Free if operation.outcome == Outcome::Mismatch => {}
                Role::Free => trial.push(free(operation)),
                Role::Absent => return None,
            }
        }
        if trial.len() > ORACLE_OPERATIONS_MAX {
            return None;
        }
        let legal = oracle::is_legal_within(specification, &trial, ORACLE_STEPS_MAX).ok()??;
        Some(!legal)
    }

    /// Sets free whatever may be free while the rest stays illegal: halves first, then quarters, down to single ones.
    /// One pass over single ones is enough, since what is needed stays needed when others are set free.
    pub(super) fn shrink<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        mut plan: Plan<S::State>,
        trial_steps: u64,
        meter: &mut Meter,
    ) -> Plan<S::State> {
        let until = meter.work.steps + (trial_steps * 2).max(SHRINKING_STEPS);
        let mut size = plan.kept().div_ceil(2).max(1);
        loop {
            let mut kept: Vec<usize> = (0..plan.roles.len())
                .filter(|at| plan.roles[*at] == Role::Kept)
                .collect();
            // Observations first: a story told by the changes that were made is the clearer one.
            let changes = |op: &Op| specification.effect(op) != Effect::Reads;
            kept.sort_by_key(|at| self.meanings[*at].as_ref().is_some_and(changes));
            plan.complete = true;
            for group in kept.chunks(size) {
                if meter.steps_left() == 0 || meter.work.steps >= until {
                    plan.complete = false;
                    return plan;
                }
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
    pub(super) fn look_back_position(&self) -> usize {
        let first = self.operations.len().saturating_sub(LOOK_BACK_OPERATIONS);
        self.operations
            .get(first)
            .map_or(0, |operation| operation.call)
    }

    /// The latest point from which the rest is illegal, whatever the states known there and whatever operations then in
    /// flight do. Steps back twice as far each time.
    pub(super) fn later_beginning<'a, S: Specification<Op = Op>>(
        &self,
        specification: &S,
        snapshots: &'a [Snapshot<S::State>],
        trial_steps: u64,
        meter: &mut Meter,
    ) -> Option<Later<'a, S::State>> {
        let mut back = 1;
        while back <= snapshots.len() {
            let snapshot = &snapshots[snapshots.len() - back];
            let role = |operation: &Operation| {
                if operation.call >= snapshot.position {
                    Role::Kept
                } else if operation
                    .deadline()
                    .is_some_and(|deadline| deadline < snapshot.position)
                {
                    Role::Absent
                } else {
                    Role::Free
                }
            };
            let roles = self.operations.iter().map(role).collect();
            let plan = Plan {
                roles,
                initial: snapshot.states.clone(),
                complete: false,
            };
            meter.allow(trial_steps);
            if let Found::Illegal(_) = self.judge(specification, &plan, meter, None) {
                return Some((snapshot, plan));
            }
            back *= 2;
        }
        None
    }

    pub(super) fn culprits<State>(&self, plan: &Plan<State>) -> Vec<Operation> {
        let kept = self
            .operations
            .iter()
            .zip(&plan.roles)
            .filter(|(_, role)| **role == Role::Kept);
        kept.map(|(operation, _)| operation.clone()).collect()
    }

    /// Of those that are kept, the one that returned last.
    pub(super) fn last_kept<State>(&self, plan: &Plan<State>) -> Option<usize> {
        (0..self.operations.len())
            .filter(|at| plan.roles[*at] == Role::Kept)
            .max_by_key(|at| self.operations[*at].deadline())
    }

    pub(super) fn refused<S: Specification<Op = Op>>(
        &self,
        specification: &S,
        refusal: &Refusal<S::State>,
    ) -> Refused {
        let described = refusal.states.iter().take(prose::STATES_MAX);
        Refused {
            operation: self.operations[refusal.item].clone(),
            meaning: self.meanings[refusal.item]
                .as_ref()
                .map_or_else(String::new, |op| specification.describe(op)),
            states: described
                .map(|state| specification.describe_state(state))
                .collect(),
            states_total: refusal.states.len(),
        }
    }
}
