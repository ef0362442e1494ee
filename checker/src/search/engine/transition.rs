//! What may happen before an operation returns: transitions, and the laws that spare most of them.

use super::{Engine, Returning};
use crate::limits::{Meter, Reason};
use crate::search::IN_FLIGHT_A_STEP;
use crate::search::layer::{Configuration, FRESH, Last, NO_STATE};
use crate::search::mask::Mask;
use crate::specification::{Effect, Specification};

/// When this many configurations were tried at one return for each that is kept in the end, no more operations of
/// unknown outcome are used.
const REACHED_A_WIDTH: usize = 16;

/// And when this many were tried, the rest is given up altogether.
const REACHED_A_WIDTH_MAX: usize = 128;

/// A change of the state that some configuration may make.
struct Transition {
    item: u32,
    /// Its slot, or its class when its outcome is unknown.
    place: Place,
    /// The configuration need not make it: the operation may return already, or may never happen.
    optional: bool,
}

enum Place {
    Slot(u32),
    Class(u32),
}

impl<S: Specification, M: Mask> Engine<'_, S, M> {
    /// Follows every way to the return, those first that use the fewest operations of unknown outcome.
    pub(super) fn expand_all(
        &mut self,
        returning: Returning,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let mut from = 0;
        while from < self.reached.len() {
            let mut at = from;
            while at < self.reached.len() {
                if self.reached.len() / REACHED_A_WIDTH_MAX >= self.beam.width {
                    self.narrowed = true;
                    return Ok(());
                }
                self.expand_in_flight(at, returning, meter)?;
                at += 1;
            }
            if self.open_classes.is_empty() {
                return Ok(());
            }
            if self.next.len() >= self.beam.width
                || self.reached.len() / REACHED_A_WIDTH >= self.beam.width
            {
                self.narrowed = true;
                return Ok(());
            }
            for at in std::mem::replace(&mut from, at)..at {
                self.expand_crashed(at, returning, meter)?;
            }
        }
        Ok(())
    }

    /// Tries every operation in flight on a configuration in which the returning one has not been applied.
    fn expand_in_flight(
        &mut self,
        at: usize,
        returning: Returning,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let Some(from) = self.reached.get(at).cloned() else {
            return Ok(());
        };
        for index in 0..self.in_flight.len() {
            let (slot, item) = self.in_flight[index];
            if from.applied.has(slot) || self.items[item as usize].effect == Effect::Reads {
                continue;
            }
            let optional = from.satisfied.has(slot);
            self.attempt(
                &from,
                Transition {
                    item,
                    place: Place::Slot(slot),
                    optional,
                },
                returning,
                meter,
            )?;
        }
        Ok(())
    }

    /// Tries every operation of unknown outcome on a configuration.
    fn expand_crashed(
        &mut self,
        at: usize,
        returning: Returning,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let Some(from) = self.reached.get(at).cloned() else {
            return Ok(());
        };
        let mut used = 0;
        for index in 0..self.open_classes.len() {
            let number = self.open_classes[index];
            let counts = self.used_sets.get(from.used);
            while counts.get(used).is_some_and(|count| count.0 < number) {
                used += 1;
            }
            let class = &self.classes.list[number as usize];
            let mine = counts
                .get(used)
                .filter(|count| count.0 == number)
                .map_or(0, |count| count.1);
            let first_unused = class.used_by_all + mine;
            meter.step(1)?;
            if first_unused < class.called {
                let item = class.items[first_unused as usize];
                self.attempt(
                    &from,
                    Transition {
                        item,
                        place: Place::Class(number),
                        optional: true,
                    },
                    returning,
                    meter,
                )?;
            }
        }
        Ok(())
    }

    /// Makes one transition, unless it leads nowhere new.
    fn attempt(
        &mut self,
        from: &Configuration<M>,
        transition: Transition,
        returning: Returning,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let item = &self.items[transition.item as usize];
        let overwrites = item.effect == Effect::Overwrites;
        meter.step(1 + self.in_flight.len() as u64 / IN_FLIGHT_A_STEP)?;
        let state = self.states.get(from.state);
        let Some(after) = self.specification.step(state, item.op) else {
            return Ok(());
        };
        if after == *state {
            return Ok(());
        }
        if from.last.before != NO_STATE {
            let before = self.states.get(from.last.before);
            // To hide an operation that must have happened, the next must really be applied: coming back to the state
            // before would leave it as settled by law 1, which hides nothing.
            let hides = from.last.hideable && overwrites && (from.last.idle || after != *before);
            if hides {
                return Ok(());
            }
            meter.step(1)?;
            if from.last.idle && self.specification.step(before, item.op).as_ref() == Some(&after) {
                return Ok(());
            }
        }
        let mut to = from.clone();
        match transition.place {
            Place::Slot(slot) => {
                to.applied.set(slot);
                to.satisfied.set(slot);
            }
            Place::Class(class) => to.used = self.used_sets.with(from.used, class, meter)?,
        }
        let noticed = self.settle(&mut to, &after, overwrites, returning, meter)?;
        to.state = self.states.intern(self.specification, after, meter)?;
        let idle = transition.optional && self.hidden.is_empty() && self.satisfied.is_empty();
        let hideable = (transition.optional || overwrites) && !noticed;
        to.last = if idle || hideable {
            Last {
                before: from.state,
                idle,
                hideable,
            }
        } else {
            FRESH
        };
        let known = from.satisfied.has(returning.slot);
        self.keep(to, transition.item, returning, known, meter)
    }

    /// Marks what may return after a transition to `after`: what it hides, and what leaves `after` as it is. True when
    /// an operation that does not overwrite was among them.
    fn settle(
        &mut self,
        to: &mut Configuration<M>,
        after: &S::State,
        overwrites: bool,
        returning: Returning,
        meter: &mut Meter,
    ) -> Result<bool, Reason> {
        self.hidden.clear();
        self.satisfied.clear();
        let mut noticed = false;
        for (slot, number) in &self.in_flight {
            if to.satisfied.has(*slot) {
                continue;
            }
            let item = &self.items[*number as usize];
            let may_hide = overwrites && item.effect == Effect::Overwrites;
            // The one that returns is not hidden but applied; the other can still be applied after it.
            if may_hide && *number != returning.item {
                to.satisfied.set(*slot);
                self.hidden.push(*number);
                continue;
            }
            meter.step(1)?;
            if self.specification.step(after, item.op).as_ref() == Some(after) {
                to.satisfied.set(*slot);
                self.satisfied.push(*number);
                noticed |= item.effect != Effect::Overwrites;
            }
        }
        Ok(noticed)
    }

    /// Adds a configuration where it belongs, with links for what was placed on the way. `known`: the returning
    /// operation was settled before, and the way is followed only to apply it after all.
    fn keep(
        &mut self,
        to: Configuration<M>,
        applied: u32,
        returning: Returning,
        known: bool,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let done = to.applied.has(returning.slot);
        let settled = to.satisfied.has(returning.slot);
        let parent = to.link;
        let mut in_next = None;
        if done || settled && !known {
            let returned = to.clone().returned(returning.slot);
            in_next = self.next.insert(returned, &self.used_sets, meter)?;
        }
        let mut in_reached = None;
        let may_change = self.items[returning.item as usize].effect != Effect::Reads;
        if !done && (!settled || may_change) {
            in_reached = self.reached.insert(to, &self.used_sets, meter)?;
        }
        if in_next.is_none() && in_reached.is_none() {
            return Ok(());
        }
        let mut link = parent;
        for hidden in &self.hidden {
            link = self.links.push(link, *hidden, true, meter)?;
        }
        link = self.links.push(link, applied, false, meter)?;
        for satisfied in &self.satisfied {
            link = self.links.push(link, *satisfied, true, meter)?;
        }
        if let Some(at) = in_next {
            self.next.set_link(at, link);
        }
        if let Some(at) = in_reached {
            self.reached.set_link(at, link);
        }
        Ok(())
    }
}
