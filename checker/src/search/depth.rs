//! The depth-first search: one way the past may have gone at a time, the most promising first.
//!
//! It obeys laws 1 and 2 of the [search](super) and takes one transition at a time. Where several are possible it looks ahead: first those
//! after which the operation that returns is settled, then those that leave the fewest operations in flight waiting for a place; operations
//! of unknown outcome come last. What was tried is remembered by what decides the future and nothing else: the return that is judged, the
//! settled and the applied operations in flight, the state, and the operations of unknown outcome that were used. On a wide history that is
//! easy it walks straight to the end where a frontier would carry thousands of configurations along; on a hard one it tries what a frontier
//! would have merged. So it is given a share of the steps, and keeps its place between shares.
//!
//! An answer of "illegal" is exact: it is given only when every choice was tried.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::classes::Classes;
use super::crashed::{NONE_USED, UsedSets};
use super::mask::Mask;
use super::states::States;
use super::table::Table;
use super::{Found, IN_FLIGHT_A_STEP, Item, Moment, Refusal};
use crate::limits::{Meter, Reason};
use crate::specification::{Effect, Specification};

/// A choice: to let the operation return that is settled already.
const RETURN: u32 = u32::MAX;

/// Marks a choice as a class of operations of unknown outcome, and a place on the way as one that a later place of the same operation replaces.
const MARK: u32 = 1 << 31;

pub(super) struct DepthFirst<'a, S: Specification, M> {
    specification: &'a S,
    items: &'a [Item<'a, S::Op>],
    returns: Vec<Return>,
    /// Items called, by the return that follows.
    called: Vec<u32>,
    /// Items in flight at each return.
    in_flight: Vec<u32>,
    slot_of: Vec<u32>,
    classes: Classes,
    states: States<S>,
    used_sets: UsedSets,
    tried: Vec<Node<M>>,
    table: Table,
    /// The items placed so far; with [`MARK`], tentatively.
    path: Vec<u32>,
    frames: Vec<Frame<M>>,
    choices: Vec<u32>,
    /// The furthest return that was judged.
    deepest: usize,
    /// Where the search goes on, when it was interrupted.
    pending: Option<Node<M>>,
}

/// What happens up to one return and at it.
struct Return {
    item: u32,
    slot: u32,
    position: usize,
    called_to: u32,
    in_flight_to: u32,
}

/// What decides the future.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node<M> {
    /// The return that is judged.
    at: u32,
    state: u32,
    used: u32,
    /// The returning operation was settled before, and the way is followed only to apply it after all.
    known: bool,
    satisfied: M,
    applied: M,
}

impl<M: Mask> Node<M> {
    /// Memory outside the node itself.
    fn heap_bytes(&self) -> u64 {
        self.satisfied.heap_bytes() + self.applied.heap_bytes()
    }
}

/// Where a walk led.
enum Walk<M> {
    On(Node<M>),
    /// To the end of the history.
    End,
    /// Nowhere, and no choice is left.
    Exhausted,
}

/// A node with choices left.
struct Frame<M> {
    node: Node<M>,
    path: usize,
    next: usize,
    choices: usize,
    /// What else may happen is listed only when it is asked for.
    unlisted: bool,
}

impl<'a, S: Specification, M: Mask> DepthFirst<'a, S, M> {
    pub(super) fn new(
        specification: &'a S,
        items: &'a [Item<'a, S::Op>],
        moments: &[Moment],
        slots: u32,
        initial: &S::State,
        meter: &mut Meter,
    ) -> Result<Self, Reason> {
        let classes = Classes::new(specification, items, moments, meter)?;
        let used_sets = UsedSets::new(&classes);
        let mut states = States::new();
        let state = states.intern(specification, initial.clone(), meter)?;
        let mut search = Self {
            specification,
            items,
            returns: Vec::new(),
            called: Vec::new(),
            in_flight: Vec::new(),
            slot_of: vec![0; items.len()],
            classes,
            states,
            used_sets,
            tried: Vec::new(),
            table: Table::new(),
            path: Vec::new(),
            frames: Vec::new(),
            choices: Vec::new(),
            deepest: 0,
            pending: None,
        };
        search.lay_out(moments, slots, meter)?;
        // Most ways to the end are about as long as the history.
        meter.take(items.len() as u64 * 4)?;
        search.path.reserve_exact(items.len());
        let mut start = Node {
            at: 0,
            state,
            used: NONE_USED,
            known: false,
            satisfied: M::empty(slots),
            applied: M::empty(slots),
        };
        search.call(&mut start, meter)?;
        search.pending = Some(start);
        Ok(search)
    }

    /// Notes for each return what was called since the one before, and what is in flight.
    fn lay_out(&mut self, moments: &[Moment], slots: u32, meter: &mut Meter) -> Result<(), Reason> {
        let mut free: Vec<u32> = (0..slots).rev().collect();
        let mut open: Vec<u32> = Vec::new();
        for moment in moments {
            let item = moment.item;
            if self.items[item as usize].deadline.is_none() {
                continue;
            }
            if !moment.returns {
                self.slot_of[item as usize] = free.pop().unwrap_or_default();
                self.called.push(item);
                open.push(item);
                continue;
            }
            meter.take(open.len() as u64 * 4 + size_of::<Return>() as u64)?;
            let slot = self.slot_of[item as usize];
            self.in_flight.extend_from_slice(&open);
            self.returns.push(Return {
                item,
                slot,
                position: moment.position,
                called_to: self.called.len() as u32,
                in_flight_to: u32::try_from(self.in_flight.len()).map_err(|_| Reason::Bytes)?,
            });
            open.retain(|other| *other != item);
            free.push(slot);
        }
        Ok(())
    }

    /// The steps one look at every return costs, about.
    pub(super) fn one_way(&self) -> u64 {
        let flights = (0..self.returns.len()).map(|at| self.flight(at).len() as u64);
        flights.map(|flight| flight * flight).sum()
    }

    /// Goes on for at most `steps`. `None` when they were not enough.
    pub(super) fn run(
        &mut self,
        steps: u64,
        meter: &mut Meter,
    ) -> Result<Option<Found<S::State>>, Reason> {
        let until = meter.work.steps.saturating_add(steps);
        while let Some(node) = self.pending.take() {
            if meter.work.steps >= until {
                self.pending = Some(node);
                return Ok(None);
            }
            match self.descend(node, meter)? {
                Walk::On(node) => self.pending = Some(node),
                Walk::End => return Ok(Some(Found::Legal(self.order()))),
                Walk::Exhausted => return Ok(Some(self.refused())),
            }
        }
        Ok(None)
    }

    /// How far it came: the position of the furthest return it judged.
    pub(super) fn position(&self) -> usize {
        let furthest = self.returns.get(self.deepest).or(self.returns.last());
        furthest.map_or(0, |back| back.position)
    }

    /// Walks on as long as there is one way only, then lists the choices and takes the first.
    fn descend(&mut self, mut node: Node<M>, meter: &mut Meter) -> Result<Walk<M>, Reason> {
        loop {
            let at = node.at as usize;
            self.deepest = self.deepest.max(at);
            let Some(back) = self.returns.get(at) else {
                return Ok(Walk::End);
            };
            let reads = self.items[back.item as usize].effect == Effect::Reads;
            if node.applied.has(back.slot) || reads && node.satisfied.has(back.slot) {
                self.go_on(&mut node, meter)?;
                continue;
            }
            if self.is_new(&node, meter)? {
                self.list_choices(&node, meter)?;
            }
            let next = self.next_choice(meter)?;
            return Ok(next.map_or(Walk::Exhausted, Walk::On));
        }
    }

    /// Takes the next choice of the last frame that has one.
    fn next_choice(&mut self, meter: &mut Meter) -> Result<Option<Node<M>>, Reason> {
        while let Some(frame) = self.frames.last_mut() {
            self.path.truncate(frame.path);
            let Some(choice) = self.choices.get(frame.next).copied() else {
                if std::mem::take(&mut frame.unlisted) {
                    let node = frame.node.clone();
                    self.list_transitions(&node, meter)?;
                } else {
                    self.choices.truncate(frame.choices);
                    meter.give(frame.node.heap_bytes());
                    self.frames.pop();
                }
                continue;
            };
            frame.next += 1;
            let mut node = frame.node.clone();
            if choice == RETURN {
                self.go_on(&mut node, meter)?;
                return Ok(Some(node));
            }
            if let Some(item) = self.item_of(&node, choice) {
                let (to, after) = self.transition(&node, choice, item, true, meter)?;
                let Some(after) = after else { continue };
                node = to;
                node.state = self.states.intern(self.specification, after, meter)?;
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// The returning operation returns, and what is called before the next return is called.
    fn go_on(&mut self, node: &mut Node<M>, meter: &mut Meter) -> Result<(), Reason> {
        let slot = self.returns[node.at as usize].slot;
        node.satisfied.clear(slot);
        node.applied.clear(slot);
        node.known = false;
        node.at += 1;
        self.call(node, meter)
    }

    /// Settles what is called before the return at which `node` stands and leaves the state as it is.
    fn call(&mut self, node: &mut Node<M>, meter: &mut Meter) -> Result<(), Reason> {
        let at = node.at as usize;
        let Some(back) = self.returns.get(at) else {
            return Ok(());
        };
        let from = at
            .checked_sub(1)
            .map_or(0, |before| self.returns[before].called_to);
        let state = self.states.get(node.state);
        for item in &self.called[from as usize..back.called_to as usize] {
            meter.step(1)?;
            let op = self.items[*item as usize].op;
            if self.specification.step(state, op).as_ref() == Some(state) {
                node.satisfied.set(self.slot_of[*item as usize]);
                meter.room(&mut self.path)?;
                self.path.push(item | MARK);
            }
        }
        Ok(())
    }

    fn is_new(&mut self, node: &Node<M>, meter: &mut Meter) -> Result<bool, Reason> {
        let hash = FxBuildHasher.hash_one(node);
        meter.step(1)?;
        let tried = &self.tried;
        if self
            .table
            .find(hash, |at| tried[at as usize] == *node)
            .is_some()
        {
            return Ok(false);
        }
        let number = u32::try_from(self.tried.len()).map_err(|_| Reason::Bytes)?;
        meter.take(node.heap_bytes())?;
        meter.room(&mut self.tried)?;
        self.table.insert(hash, number, meter)?;
        self.tried.push(node.clone());
        Ok(true)
    }

    fn flight(&self, at: usize) -> &[u32] {
        let from = at
            .checked_sub(1)
            .map_or(0, |before| self.returns[before].in_flight_to);
        &self.in_flight[from as usize..self.returns[at].in_flight_to as usize]
    }

    /// Lists what may happen next, the most promising first.
    fn list_choices(&mut self, node: &Node<M>, meter: &mut Meter) -> Result<(), Reason> {
        let slot = self.returns[node.at as usize].slot;
        let may_return = node.satisfied.has(slot) && !node.known;
        meter.take(node.heap_bytes())?;
        meter.room(&mut self.frames)?;
        self.frames.push(Frame {
            node: node.clone(),
            path: self.path.len(),
            next: self.choices.len(),
            choices: self.choices.len(),
            unlisted: may_return,
        });
        if may_return {
            meter.room(&mut self.choices)?;
            self.choices.push(RETURN);
            return Ok(());
        }
        self.list_transitions(node, meter)
    }

    /// Lists the operations that may take effect next, the most promising first.
    fn list_transitions(&mut self, node: &Node<M>, meter: &mut Meter) -> Result<(), Reason> {
        let at = node.at as usize;
        let back = &self.returns[at];
        let (slot, position) = (back.slot, back.position);
        let mut ranked: Vec<(u64, u32)> = Vec::new();
        let in_flight = self.flight(at).iter().copied();
        let open = in_flight.filter(|item| {
            !node.applied.has(self.slot_of[*item as usize])
                && self.items[*item as usize].effect != Effect::Reads
        });
        let mut candidates: Vec<u32> = open.collect();
        meter.step(self.classes.list.len() as u64 / IN_FLIGHT_A_STEP)?;
        for number in 0..self.classes.list.len() as u32 {
            if let Some(item) = self.item_of(node, number | MARK)
                && self.items[item as usize].call < position
            {
                candidates.push(number | MARK);
            }
        }
        let most = self.flight(at).len() as u64;
        for choice in candidates {
            meter.step(1)?;
            let Some(item) = self.item_of(node, choice) else {
                continue;
            };
            let (to, after) = self.transition(node, choice, item, false, meter)?;
            if after.is_none() {
                continue;
            }
            let settled = to.applied.has(slot) || to.satisfied.has(slot);
            let waiting = most + u64::from(to.applied.count()) - u64::from(to.satisfied.count());
            let crashed = choice & MARK != 0;
            let rank = (u64::from(crashed) << 41 | u64::from(!settled) << 40) + (waiting << 8);
            ranked.push((rank, choice));
        }
        ranked.sort_unstable();
        for (_, choice) in ranked {
            meter.room(&mut self.choices)?;
            self.choices.push(choice);
        }
        Ok(())
    }

    /// The item a choice stands for. A class may have none left.
    fn item_of(&self, node: &Node<M>, choice: u32) -> Option<u32> {
        if choice & MARK == 0 {
            return Some(choice);
        }
        let class = choice & !MARK;
        let counts = self.used_sets.get(node.used);
        let used = counts
            .binary_search_by_key(&class, |count| count.0)
            .map_or(0, |at| counts[at].1);
        let items = &self.classes.list.get(class as usize)?.items;
        items.get(used as usize).copied()
    }

    /// Applies `item`, and settles what it hides and what leaves the state after it as it is. The state is `None` when it is not allowed or changes
    /// nothing. With `firmly`, the places go on the way.
    fn transition(
        &mut self,
        from: &Node<M>,
        choice: u32,
        item: u32,
        firmly: bool,
        meter: &mut Meter,
    ) -> Result<(Node<M>, Option<S::State>), Reason> {
        let mut to = from.clone();
        let back = &self.returns[from.at as usize];
        let (returning, slot) = (back.item, back.slot);
        meter.step(1 + self.flight(from.at as usize).len() as u64 / IN_FLIGHT_A_STEP)?;
        let state = self.states.get(from.state);
        let op = &self.items[item as usize];
        let after = self.specification.step(state, op.op);
        let Some(after) = after.filter(|after| after != state) else {
            return Ok((to, None));
        };
        if choice & MARK != 0 {
            if firmly {
                to.used = self.used_sets.with(from.used, choice & !MARK, meter)?;
            }
        } else {
            to.applied.set(self.slot_of[item as usize]);
            to.satisfied.set(self.slot_of[item as usize]);
        }
        to.known = from.satisfied.has(slot);
        let overwrites = op.effect == Effect::Overwrites;
        let end = self.path.len();
        let at = from.at as usize;
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.returns[before].in_flight_to);
        for index in start..self.returns[at].in_flight_to {
            let number = self.in_flight[index as usize];
            let other = self.slot_of[number as usize];
            if to.satisfied.has(other) {
                continue;
            }
            let waiting = &self.items[number as usize];
            if overwrites && waiting.effect == Effect::Overwrites {
                // The one that returns is not hidden but applied; the other can still be applied after it.
                if number != returning {
                    to.satisfied.set(other);
                    if firmly {
                        meter.room(&mut self.path)?;
                        self.path.push(number | MARK);
                    }
                    continue;
                }
            }
            meter.step(1)?;
            if self.specification.step(&after, waiting.op).as_ref() == Some(&after) {
                to.satisfied.set(other);
                if firmly {
                    meter.room(&mut self.path)?;
                    self.path.push(number | MARK);
                }
            }
        }
        if firmly {
            meter.room(&mut self.path)?;
            self.place(end, item);
        }
        Ok((to, Some(after)))
    }

    /// Puts `item` behind what it hides and before what it satisfies, all of which stand from `end` on.
    fn place(&mut self, end: usize, item: u32) {
        let overwrites = self.items[item as usize].effect == Effect::Overwrites;
        let hidden = |placed: &u32| {
            overwrites && self.items[(placed & !MARK) as usize].effect == Effect::Overwrites
        };
        let (mut before, after): (Vec<u32>, Vec<u32>) =
            self.path.split_off(end).into_iter().partition(hidden);
        before.push(item);
        self.path.extend(before);
        self.path.extend(after);
    }

    /// The order found: the firm place of an item wins over its tentative ones, and of these the last.
    fn order(&self) -> Vec<usize> {
        let mut placed = vec![false; self.items.len()];
        let mut order = Vec::new();
        for link in self.path.iter().rev() {
            let item = (link & !MARK) as usize;
            if !std::mem::replace(&mut placed[item], true) {
                order.push(item);
            }
        }
        order.reverse();
        order
    }

    fn refused(&self) -> Found<S::State> {
        let item = self
            .returns
            .get(self.deepest)
            .map_or(0, |back| back.item as usize);
        Found::Illegal(Refusal {
            item,
            states: Vec::new(),
            culprits: None,
        })
    }
}
