//! The search: is there an order of the operations that the object allows?
//!
//! It walks the history forward and keeps every way the past may have gone: a frontier of configurations. Nothing is
//! placed before it must be (Lowe's just-in-time linearization): only when an operation returns are operations in
//! flight given a place, and each such sequence ends with the one that returns. Four laws keep the frontier small, and
//! each loses nothing, because whoever is dropped can do no more than somebody who is kept:
//!
//! 1. An operation in flight that the state allows and that leaves the state as it is may return, and keeps its right
//!    to change the state later. All reads are settled so.
//! 2. An operation that overwrites hides every other overwriting one in flight: each may have come just before it.
//! 3. An operation of unknown outcome is used only if the very next operation notices, and what overwrites does not.
//! 4. Of two configurations with the same state and the same settled operations, the one that applied fewer and used
//!    fewer of unknown outcome stands for both.
//!
//! When an operation returns and no configuration can place it, everything up to that return is illegal.

mod crashed;
mod engine;
mod layer;
mod links;
mod mask;
mod states;
mod table;

use crate::limits::{Meter, Reason};
use crate::monitors::{Finding, Observed};
use crate::specification::{Effect, Specification};

use engine::Engine;
use mask::Wide;

/// The search first keeps only this many configurations, those that used the fewest operations of unknown outcome. If
/// that finds an order, it is an order. If not, it tries again with more, and at last with all.
const FIRST_WIDTH: usize = 16;

/// How much wider each try is.
const WIDENING: usize = 4;

/// After this width comes the search that keeps all.
const LAST_WIDTH: usize = 4096;

/// An operation as the search sees it.
pub(crate) struct Item<'a, Op> {
    /// The id of the operation.
    pub(crate) id: usize,
    pub(crate) op: &'a Op,
    pub(crate) effect: Effect,
    /// The position of its call.
    pub(crate) call: usize,
    /// The position by which it has had its effect; `None` when its outcome is unknown.
    pub(crate) deadline: Option<usize>,
}

impl<'a, Op> Item<'a, Op> {
    fn observed(&self) -> Observed<'a, Op> {
        Observed {
            op: self.op,
            call: self.call,
            deadline: self.deadline,
        }
    }
}

/// What the search found.
pub(crate) enum Found<State> {
    /// The positions of the items in one legal order; unused ones of unknown outcome are absent.
    Legal(Vec<usize>),
    Illegal(Refusal<State>),
    /// A limit was reached while judging the event at this position.
    Stopped(Reason, usize),
}

/// Where the history became illegal.
pub(crate) struct Refusal<State> {
    /// The item that could not return.
    pub(crate) item: usize,
    /// The states the object could have had before its return, in any consistent order; none where a monitor found it.
    pub(crate) states: Vec<State>,
    /// Where a monitor found it, the items that collide even if all others are free.
    pub(crate) culprits: Option<Vec<usize>>,
}

/// The distinct states before an event, seen on the way.
#[derive(Clone)]
pub(crate) struct Snapshot<State> {
    /// All events before this position are behind.
    pub(crate) position: usize,
    pub(crate) states: Vec<State>,
}

/// Asks for the states on the way.
pub(crate) struct Recorder<State> {
    /// From this position on.
    pub(crate) from: usize,
    /// At most this many states at a point; points with more are left out.
    pub(crate) states_max: usize,
    pub(crate) snapshots: Vec<Snapshot<State>>,
}

/// What happens at one position.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) position: usize,
    pub(super) returns: bool,
    pub(super) item: u32,
}

/// Decides whether `items` have a legal order from any of the states `initial`: by a monitor where one answers, by the search where none does.
pub(crate) fn decide<S: Specification>(
    specification: &S,
    initial: &[S::State],
    items: &[Item<'_, S::Op>],
    meter: &mut Meter,
    recorder: Option<&mut Recorder<S::State>>,
) -> Found<S::State> {
    if recorder.is_none() && *initial == [specification.initial()] {
        if let Err(reason) = meter.step(items.len() as u64) {
            return Found::Stopped(reason, 0);
        }
        match monitored(specification, items) {
            Some(Finding::Legal(order)) => return Found::Legal(order),
            Some(Finding::Illegal(culprits)) => {
                let last = culprits.iter().max_by_key(|item| items[**item].deadline);
                return Found::Illegal(Refusal {
                    item: last.copied().unwrap_or_default(),
                    states: Vec::new(),
                    culprits: Some(culprits),
                });
            }
            None => {}
        }
    }
    search(specification, initial, items, meter, recorder)
}

/// Asks the specification's monitor, with the operations in the order of their calls.
fn monitored<S: Specification>(specification: &S, items: &[Item<'_, S::Op>]) -> Option<Finding> {
    if items.is_sorted_by_key(|item| item.call) {
        let observed: Vec<_> = items.iter().map(Item::observed).collect();
        return specification.monitor(&observed);
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|at| items[*at].call);
    let sorted: Vec<_> = order.iter().map(|at| items[*at].observed()).collect();
    let back = |list: Vec<usize>| {
        list.into_iter()
            .filter_map(|at| order.get(at).copied())
            .collect()
    };
    Some(match specification.monitor(&sorted)? {
        Finding::Legal(list) => Finding::Legal(back(list)),
        Finding::Illegal(list) => Finding::Illegal(back(list)),
    })
}

/// Searches for a legal order of `items` from any of the states `initial`.
pub(crate) fn search<S: Specification>(
    specification: &S,
    initial: &[S::State],
    items: &[Item<'_, S::Op>],
    meter: &mut Meter,
    mut recorder: Option<&mut Recorder<S::State>>,
) -> Found<S::State> {
    let moments = moments(items);
    let slots = slots_needed(&moments, items);
    let mut width = FIRST_WIDTH;
    loop {
        if let Err(reason) = meter.step(moments.len() as u64) {
            return Found::Stopped(reason, moments.first().map_or(0, |moment| moment.position));
        }
        if let Some(recorder) = recorder.as_deref_mut() {
            recorder.snapshots.clear();
        }
        let recorder = recorder.as_deref_mut();
        let found = if slots <= 64 {
            Engine::<S, u64>::new(specification, items, slots, width)
                .run(initial, &moments, meter, recorder)
        } else {
            Engine::<S, Wide>::new(specification, items, slots, width)
                .run(initial, &moments, meter, recorder)
        };
        meter.give_all();
        match found {
            Some(found) => return found,
            None => {
                width = if width < LAST_WIDTH {
                    width * WIDENING
                } else {
                    usize::MAX
                }
            }
        }
    }
}

/// Calls and returns in the order in which they happened.
fn moments<Op>(items: &[Item<'_, Op>]) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(items.len() * 2);
    for (number, item) in items.iter().enumerate() {
        let moment = |position, returns| Moment {
            position,
            returns,
            item: number as u32,
        };
        moments.push(moment(item.call, false));
        moments.extend(item.deadline.map(|deadline| moment(deadline, true)));
    }
    moments.sort_by_key(|moment| (moment.position, moment.returns));
    moments
}

/// The most operations in flight at once, leaving out those of unknown outcome, which need no slot.
fn slots_needed<Op>(moments: &[Moment], items: &[Item<'_, Op>]) -> u32 {
    let mut open: u32 = 0;
    let mut most = 0;
    for moment in moments {
        if moment.returns {
            open -= 1;
        } else if items[moment.item as usize].deadline.is_some() {
            open += 1;
            most = most.max(open);
        }
    }
    most
}
