//! A case: the operations of a history, read by a specification and split into parts, ready to be judged.
//!
//! # Why parts may be judged apart
//! Linearizability is local: a history of several objects that do not see each other is linearizable if and only if the history of each is
//! (Herlihy and Wing, TOPLAS 1990, theorem 1). So what costs exponential time at worst is paid for each part alone, and a register with a
//! thousand keys is a thousand small histories. What the objects are, the specification says:
//!
//! - [`per_key`](Specification::per_key): each key is one; operations without a key are one together.
//! - [`keys`](Specification::keys): each operation names the keys it concerns. Keys that some operation ties together, directly or through
//!   others, belong to one part, so two transactions that share no key, even through a third, are judged apart. This is the finest split
//!   that theorem 1 allows without looking into the operations.
//! - Neither: the whole history is one part.
//!
//! This is exact. Weaker guarantees are not local, and are judged by all keys at once: see [`guarantees`](crate::guarantees).
//!
//! # Shares
//! Each part first gets an equal share of the steps, so that one hard part cannot hide that another is broken; then those that had too
//! little get what is left, one after the other. [`check`](fn@crate::check) makes a verdict of it; a [`Case`] alone answers yes or no, and
//! can be asked of one judge alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::check::CheckError;
use crate::limits::{Limits, Meter, Reason, Work};
use crate::operation::Operation;
use crate::scope::{Scope, partition};
use crate::search::{Found, Item, Judge, decide};
use crate::specification::Specification;

/// The operations of a history as a specification reads them.
pub struct Case<'a, S: Specification> {
    specification: &'a S,
    pub(crate) parts: Vec<CasePart<'a, S::Op>>,
}

/// The operations that are judged together.
pub(crate) struct CasePart<'a, Op> {
    pub(crate) scope: Scope,
    operations: Vec<(&'a Operation, Op)>,
}

/// What became of one part.
pub(crate) enum Outcome {
    /// One legal order, as ids of operations.
    Legal(Vec<usize>),
    /// It is illegal, and no prefix of fewer events is, as far as the judge who found it knows.
    /// And about where it broke, for those who look for the first of several.
    Illegal { at_least: usize, about: usize },
    /// A limit was reached at the event of this position.
    Stopped(Reason, usize),
}

/// Whether a case keeps its promise, without proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// `None` when a limit was reached first.
    pub legal: Option<bool>,
    /// What it cost.
    pub work: Work,
}

/// The memory that a part may take when several are judged at a time, as a share of the limit. A part that needs more is judged
/// again by itself.
const BYTES_SHARES: u64 = 8;

impl<'a, S: Specification> Case<'a, S> {
    /// Reads `operations`, which are those of [`History::operations`](crate::History::operations). Those that tell nothing are
    /// left out.
    ///
    /// # Errors
    /// When an operation is not one of the specification's.
    pub fn new(specification: &'a S, operations: &'a [Operation]) -> Result<Self, CheckError> {
        let (scopes, part_of) = partition(specification, operations);
        let parts = scopes.into_iter().map(|scope| CasePart {
            scope,
            operations: Vec::new(),
        });
        let mut parts: Vec<CasePart<'a, S::Op>> = parts.collect();
        for (operation, part) in operations.iter().zip(part_of) {
            let op = specification.parse(operation).map_err(|source| {
                let (f, process) = (operation.f.clone(), operation.process);
                CheckError::Specification {
                    specification: specification.name().to_owned(),
                    event: operation.call,
                    f,
                    process,
                    source,
                }
            })?;
            parts[part].operations.extend(op.map(|op| (operation, op)));
        }
        Ok(Self {
            specification,
            parts,
        })
    }

    /// Decides, and keeps nothing to show for it.
    pub fn decide(&self, limits: &Limits) -> Decision {
        self.decide_by(Judge::Any, limits)
    }

    /// The same by one judge alone.
    pub fn decide_by(&self, judge: Judge, limits: &Limits) -> Decision {
        let (outcomes, work) = self.outcomes(judge, limits);
        let illegal = |outcome: &Outcome| matches!(outcome, Outcome::Illegal { .. });
        let stopped = |outcome: &Outcome| matches!(outcome, Outcome::Stopped(..));
        let legal = if outcomes.iter().any(illegal) {
            Some(false)
        } else if outcomes.iter().any(stopped) {
            None
        } else {
            Some(true)
        };
        Decision { legal, work }
    }

    /// Judges every part.
    ///
    /// Each first gets its share of the steps, so that one hard part cannot hide that another is broken; what is left over goes to those that had
    /// too little, one after the other. Shares do not depend on the number of threads, so outcomes do not.
    pub(crate) fn outcomes(&self, judge: Judge, limits: &Limits) -> (Vec<Outcome>, Work) {
        let count = self.parts.len();
        let several = count > 1;
        let share = Limits {
            steps: limits.steps / count.max(1) as u64,
            bytes: if several {
                limits.bytes / BYTES_SHARES
            } else {
                limits.bytes
            },
            ..*limits
        };
        let started = Meter::new(*limits);
        let mut judged = self.judge_all(judge, &share, &started);
        let mut work = Work::default();
        for (_, done) in &judged {
            work.add(done);
        }
        if several {
            for (number, done) in judged.iter_mut().enumerate() {
                let again = matches!(done.0, Outcome::Stopped(Reason::Steps | Reason::Bytes, _));
                let steps = limits.steps.saturating_sub(work.steps);
                if again && steps > 0 {
                    let rest = Limits { steps, ..*limits };
                    *done = self.judge(judge, number, started.also(rest));
                    work.add(&done.1);
                }
            }
        }
        (
            judged.into_iter().map(|(outcome, _)| outcome).collect(),
            work,
        )
    }

    fn judge_all(&self, judge: Judge, share: &Limits, started: &Meter) -> Vec<(Outcome, Work)> {
        let count = self.parts.len();
        let threads = share.threads.min(count).min(BYTES_SHARES as usize);
        if threads < 2 {
            return (0..count)
                .map(|number| self.judge(judge, number, started.also(*share)))
                .collect();
        }
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<Option<(Outcome, Work)>>> =
            Mutex::new((0..count).map(|_| None).collect());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return;
                        }
                        let outcome = self.judge(judge, number, started.also(*share));
                        done.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(outcome);
                    }
                });
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.into_iter().flatten().collect()
    }

    fn judge(&self, judge: Judge, number: usize, mut meter: Meter) -> (Outcome, Work) {
        let items = self.parts[number].items(self.specification);
        let initial = [self.specification.initial()];
        let outcome = match decide(
            judge,
            self.specification,
            &initial,
            &items,
            &mut meter,
            None,
        ) {
            Found::Legal(order) => {
                Outcome::Legal(order.into_iter().map(|item| items[item].id).collect())
            }
            Found::Illegal(refusal) => {
                let about = items.get(refusal.item).and_then(|item| item.deadline);
                let about = about.map_or(0, |deadline| deadline + 1);
                let at_least = if refusal.culprits.is_some() { 0 } else { about };
                Outcome::Illegal { at_least, about }
            }
            Found::Stopped(reason, position) => Outcome::Stopped(reason, position),
        };
        (outcome, meter.work)
    }
}

impl<Op> CasePart<'_, Op> {
    fn items<S: Specification<Op = Op>>(&self, specification: &S) -> Vec<Item<'_, Op>> {
        let items = self.operations.iter().map(|(operation, op)| Item {
            id: operation.id,
            op,
            effect: specification.effect(op),
            call: operation.call,
            deadline: operation.deadline(),
        });
        items.collect()
    }
}
