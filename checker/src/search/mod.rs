//! The search: is there an order of the operations that the object allows?
//!
//! Two engines share the work. The [depth-first search](depth) follows one way at a time and finds most orders at once; the [frontier](engine) keeps every way
//! and is sure of most violations at once. The depth-first search begins, with as many steps as a look at every return costs; then a frontier that gives up
//! where it would grow too wide; then, by turns, beams of growing width, which may only find an order, and the depth-first search from where it stood,
//! with as many steps as the beam took; at last the frontier that keeps all. Steps are counted work, never time, so the same engine answers on every machine.
//!
//! The frontier walks the history forward and keeps every way the past may have gone: a frontier of configurations. Nothing is
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

mod classes;
mod crashed;
mod depth;
mod engine;
mod layer;
mod links;
mod mask;
mod states;
mod table;

use crate::limits::{Meter, Reason};
use crate::monitors::{Finding, Observed};
use crate::specification::{Effect, Specification};

use depth::DepthFirst;
use engine::Engine;
use mask::{Mask, Wide};

/// Which of the judges may answer. All of them must give the same answer; asking one alone is for holding them against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// A monitor, where the specification has one and its precondition holds; else the two searches in turn.
    Any,
    /// The depth-first search alone.
    Depth,
    /// The frontier that keeps every configuration alone.
    Frontier,
}

/// How often the depth-first search, which comes first, may look at every return before a frontier has its turn. After each of those it has as many
/// steps as that took.
const LOOKS: u64 = 1;

/// How many configurations a frontier keeps at a return.
#[derive(Debug, Clone, Copy)]
struct Beam {
    width: usize,
    /// Where there are more: give up the search. Or go on with the cheapest, those that used the fewest operations of unknown outcome; if that
    /// finds an order, it is an order, and if not, nothing is known.
    capped: bool,
}

/// The frontiers, in turn. Most histories that are illegal are decided by the first: it is wide, for on those all beams and the depth-first search are in vain.
const BEAMS: &[Beam] = &[
    Beam {
        width: 1024,
        capped: true,
    },
    Beam {
        width: 16,
        capped: false,
    },
    Beam {
        width: 64,
        capped: false,
    },
    Beam {
        width: 256,
        capped: false,
    },
    Beam {
        width: 1024,
        capped: false,
    },
    Beam {
        width: 4096,
        capped: false,
    },
];

/// The last frontier.
const ALL: Beam = Beam {
    width: usize::MAX,
    capped: false,
};

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

impl<Op> Clone for Item<'_, Op> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Op> Copy for Item<'_, Op> {}

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

/// Decides as [`decide_unchecked`] does, and believes nothing that a step of the specification said after it reached a limit.
pub(crate) fn decide<S: Specification>(
    judge: Judge,
    specification: &S,
    initial: &[S::State],
    items: &[Item<'_, S::Op>],
    meter: &mut Meter,
    recorder: Option<&mut Recorder<S::State>>,
) -> Found<S::State> {
    meter.lend();
    let found = decide_unchecked(judge, specification, initial, items, meter, recorder);
    match meter.take_back() {
        Ok(()) => found,
        Err(reason) => Found::Stopped(
            reason,
            match found {
                Found::Stopped(_, position) => position,
                _ => items.first().map_or(0, |item| item.call),
            },
        ),
    }
}

/// Decides whether `items` have a legal order from any of the states `initial`: by a monitor where one answers, by the search where none does.
fn decide_unchecked<S: Specification>(
    judge: Judge,
    specification: &S,
    initial: &[S::State],
    items: &[Item<'_, S::Op>],
    meter: &mut Meter,
    recorder: Option<&mut Recorder<S::State>>,
) -> Found<S::State> {
    if judge == Judge::Any && recorder.is_none() && *initial == [specification.initial()] {
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
    if items.iter().all(|item| item.deadline.is_some()) {
        return search(judge, specification, initial, items, meter, recorder);
    }
    let observed: Vec<_> = items.iter().map(Item::observed).collect();
    let mut seen = vec![true; items.len()];
    for at in specification.unseen(&observed) {
        if let (Some(mark), None) = (
            seen.get_mut(at),
            items.get(at).and_then(|item| item.deadline),
        ) {
            *mark = false;
        }
    }
    let kept: Vec<usize> = (0..items.len()).filter(|at| seen[*at]).collect();
    if kept.len() == items.len() {
        return search(judge, specification, initial, items, meter, recorder);
    }
    let fewer: Vec<Item<'_, S::Op>> = kept.iter().map(|at| items[*at]).collect();
    match search(judge, specification, initial, &fewer, meter, recorder) {
        Found::Legal(order) => Found::Legal(order.into_iter().map(|at| kept[at]).collect()),
        Found::Illegal(refusal) => Found::Illegal(Refusal {
            item: kept[refusal.item],
            ..refusal
        }),
        stopped => stopped,
    }
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
    judge: Judge,
    specification: &S,
    initial: &[S::State],
    items: &[Item<'_, S::Op>],
    meter: &mut Meter,
    recorder: Option<&mut Recorder<S::State>>,
) -> Found<S::State> {
    let moments = moments(items);
    let slots = slots_needed(&moments, items);
    let history = Laid {
        judge,
        specification,
        initial,
        items,
        moments: &moments,
        slots,
    };
    if slots <= 64 {
        history.search::<u64>(meter, recorder)
    } else {
        history.search::<Wide>(meter, recorder)
    }
}

/// A history laid out for the search.
struct Laid<'a, S: Specification> {
    judge: Judge,
    specification: &'a S,
    initial: &'a [S::State],
    items: &'a [Item<'a, S::Op>],
    moments: &'a [Moment],
    slots: u32,
}

impl<S: Specification> Laid<'_, S> {
    /// All engines in turn, until one answers.
    fn search<M: Mask>(
        &self,
        meter: &mut Meter,
        mut recorder: Option<&mut Recorder<S::State>>,
    ) -> Found<S::State> {
        let begun = meter.held();
        // Who asks for the states on the way wants them of every configuration.
        let mut depth = None;
        let alone = self.judge != Judge::Any;
        if recorder.is_none() && self.initial.len() == 1 && self.judge != Judge::Frontier {
            match self.depth::<M>(meter) {
                Ok(search) => depth = Some(search),
                Err(reason) if reason != Reason::Bytes => return self.stopped(reason, 0),
                Err(_) => meter.give_back_to(begun),
            }
        }
        let one_way = depth.as_ref().map_or(0, DepthFirst::one_way);
        let mut share = if alone { u64::MAX } else { LOOKS * one_way };
        let mut beams = if alone { [].iter() } else { BEAMS.iter() };
        loop {
            if let Some(search) = &mut depth {
                match search.run(share, meter) {
                    Ok(Some(found)) => {
                        meter.give_back_to(begun);
                        return found;
                    }
                    Ok(None) => {}
                    Err(Reason::Bytes) => {
                        depth = None;
                        meter.give_back_to(begun);
                    }
                    Err(reason) => {
                        let position = search.position();
                        return self.stopped(reason, position);
                    }
                }
            }
            let before = meter.work.steps;
            let beam = beams.next().unwrap_or(&ALL);
            if let Some(found) = self.frontier::<M>(*beam, meter, recorder.as_deref_mut()) {
                return found;
            }
            share = meter.work.steps - before;
        }
    }

    fn depth<M: Mask>(&self, meter: &mut Meter) -> Result<DepthFirst<'_, S, M>, Reason> {
        let Self {
            specification,
            initial,
            items,
            moments,
            slots,
            ..
        } = self;
        DepthFirst::new(*specification, items, moments, *slots, &initial[0], meter)
    }

    /// The frontier, kept to `width`. With `capped` it gives up as soon as it grows wider; without, it goes on with the cheapest. `None` when it failed, but not for
    /// certain.
    fn frontier<M: Mask>(
        &self,
        beam: Beam,
        meter: &mut Meter,
        mut recorder: Option<&mut Recorder<S::State>>,
    ) -> Option<Found<S::State>> {
        if let Err(reason) = meter.step(self.moments.len() as u64) {
            return Some(self.stopped(reason, 0));
        }
        if let Some(recorder) = recorder.as_deref_mut() {
            recorder.snapshots.clear();
        }
        let held = meter.held();
        let engine = Engine::<S, M>::new(self.specification, self.items, self.slots, beam);
        let found = engine.run(self.initial, self.moments, meter, recorder);
        meter.give_back_to(held);
        found
    }

    fn stopped(&self, reason: Reason, position: usize) -> Found<S::State> {
        let first = self.moments.first().map_or(0, |moment| moment.position);
        Found::Stopped(reason, position.max(first))
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
