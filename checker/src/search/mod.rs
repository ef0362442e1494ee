//! The search: is there an order of the operations that the object allows?
//!
//! It is asked where no [monitor](crate::monitors) answers. The question is NP-complete, even for a register (Gibbons and Korach, "Testing
//! Shared Memories", SIAM J. Comput. 1997), so some histories take exponential time. All the care taken here is for the others.
//!
//! **Exact:** within [`Limits`](crate::Limits) it finds an order if and only if there is one, provided that the hints of the
//! [`Specification`] are true. A false hint cannot make a valid verdict that [`verify`](crate::verify()) accepts; it
//! can make a legal history look illegal. **Not exact:** nothing but the limits. Who reaches them gets
//! [`Unknown`](crate::Verdict::Unknown).
//!
//! # Just in time
//! Events are taken in the order of the history. A call only says that an operation may take effect from now on. A return forces a
//! decision: the operation must have taken effect by now. So nothing is placed before some operation returns, and every sequence that is
//! then placed ends with the one that returns. This is just-in-time linearization (Lowe, "Testing for Linearizability", Concurrency and
//! Computation 2017). It loses nothing, for what stands behind the returning operation in an order can as well be placed when it, or the
//! next one, returns.
//!
//! What may be the case at one point of the history is a *configuration*: the state of the object; which operations in flight are
//! *settled*, that is, may return; which of these were *applied*, that is, changed the state; and which operations of unknown outcome were
//! used.
//!
//! # Four laws
//! They keep the number of configurations small, and each loses nothing, because whoever is dropped can do no more than somebody who is
//! kept.
//!
//! 1. **What changes nothing is settled at once.** An operation in flight that the state allows and that leaves the state as it is may
//!    return, and keeps its right to change the state later. All reads are settled so, and so is the write of what is there already.
//! 2. **An overwriting operation hides the others.** What overwrites makes all that was before forgotten. So every other overwriting
//!    operation in flight may have come just before it, and is settled. It may also still be applied later.
//! 3. **An unknown outcome is used only where it is noticed.** An operation that need not take effect now, for it is settled already or its
//!    outcome is unknown, is applied only if it settles another, or if the very next one would do otherwise without it. What overwrites
//!    does not notice.
//! 4. **Dominance.** Of two configurations with the same state and the same settled operations, the one that applied fewer of them and used
//!    fewer of unknown outcome can do whatever the other can. It stands for both.
//!
//! When an operation returns and no configuration can place it, everything up to that return is illegal.
//!
//! # Unknown outcomes
//! Such an operation may take effect at any time from its call on, or never. A history with many of them is what makes the search hard:
//! each may double the number of configurations, and none ever returns. Three things are done about it.
//!
//! - **Classes.** Operations that act alike in every state ([`interchangeable`](crate::Specification::interchangeable)) form a class, and
//!   only the number that was used counts. The one called first stands for any other: whatever a later one can do, it can.
//! - **[`unseen`](crate::Specification::unseen).** A specification may name those whose effect nobody can have seen; they are left out
//!   before the search begins. If that were wrong, an order that is found would still be an order, in which they never take effect.
//! - **Used by all.** What every configuration has used is subtracted from all, so that the sets stay small in a long history.
//!
//! One of unknown outcome that only reads is left out: it changes nothing, and need not have happened.
//!
//! # Quiescence
//! At a quiescent moment nothing is in flight, but perhaps operations of unknown outcome. Then no operation is settled or applied, and
//! configurations differ only in the state and in what they used. Law 4 merges all that agree in both, so a history with quiescent moments
//! is judged nearly as if it were several short ones, and the search has no special case for them. The links from which an order is read
//! back, and states that nobody is in, are collected between events, so the memory follows the width of the frontier and the length of the
//! history, not the work done.
//!
//! # Two engines
//! The *frontier* walks forward once and keeps every configuration. It is sure of most violations at once, since it merges whatever can be
//! merged. But a wide history, with dozens of writes in flight, may have thousands of configurations of which any would do.
//!
//! The *depth-first search* follows one configuration at a time, the most promising first, and remembers each that it has tried by all that
//! decides the future: the return that is judged, the settled and the applied operations, the state, and what was used. It finds most
//! orders in one straight walk. On a hard history it tries one by one what the frontier would have merged. It keeps laws 1 and 2; in place
//! of 3 and 4 it tries unknown outcomes last, and remembers.
//!
//! Steps are shared between them by turns:
//!
//! | turn | engine | steps | may answer |
//! | --- | --- | --- | --- |
//! | 1 | depth first | as many as a look at every return costs | both ways |
//! | 2 | a frontier that gives up where it would grow too wide | what it takes | both ways |
//! | 3, 5, ... | depth first, from where it stood | as many as the turn before | both ways |
//! | 4, 6, ... | a beam: a frontier that keeps only the cheapest, each time more of them | what it takes | legal, if it dropped some; else both ways |
//! | last | the frontier that keeps all | what is left | both ways |
//!
//! The depth-first search that would go beyond the limit of bytes is given up, and the frontiers go on alone.
//!
//! A beam that dropped configurations and failed proves nothing, and never answers "illegal". An order is an order, whoever found it. Until
//! the last turn the depth-first search has had as many steps as all frontiers together, so neither keeps the other waiting for long.
//! [`Judge`] asks for one engine alone, so that they can be held against each other.
//!
//! # Determinism and threads
//! Turns are measured in steps, that is, in counted work, never in time; tables are hashed without a random seed and never iterated; ties
//! are broken by the order of calls. So the same engine gives the same answer and the same order on every machine. A part of a history is
//! searched by one thread. Several parts may be searched at a time ([`Limits::threads`](crate::Limits::threads)); the share of steps and
//! memory that a part may take does not depend on how many threads there are.
//!
//! # Others
//! - **Wing and Gong** ("Testing and Verifying Concurrent Objects", JPDC 1993): depth first, one operation at a time, undoing it where it
//!   leads nowhere. Nothing is remembered, so the same configuration is tried again and again. Operations are placed as soon as they may
//!   be, not when they must.
//! - **Lowe** (2017): remembers what was tried, for that search and for his own, the just-in-time one. The engines here are these two
//!   ideas, with laws 1 to 4 added. His counterpart of law 4 is that equal configurations are one.
//! - **Porcupine** (Athalye, 2017): Wing and Gong's search with Lowe's memory, keyed by the bit set of all operations placed and the state,
//!   and split by keys (Horn and Kroening, "Faster Linearizability Checking via P-Compositionality", FORTE 2015). Each configuration it
//!   remembers is as long as the part has operations; here it is as long as operations are in flight at once. An operation of unknown
//!   outcome is written as one that returns at the end of the history. Its only limit is time.
//! - **Knossos**: runs both of Lowe's searches against each other and takes whoever answers first, so the time of the machine decides
//!   which. Unknown outcomes (`info`) are in flight for ever, as here, but are told apart one by one.
//!
//! What is added here: the laws beyond memory, classes of unknown outcomes, two engines that share counted steps in place of time, monitors
//! that are asked first, and an order that a separate function verifies.

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

/// To copy a set of operations in flight and look through it takes time, too: one step more for so many of them.
const IN_FLIGHT_A_STEP: u64 = 64;

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
            open = open.saturating_sub(1);
        } else if items[moment.item as usize].deadline.is_some() {
            open += 1;
            most = most.max(open);
        }
    }
    most
}
