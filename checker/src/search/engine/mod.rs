//! The frontier: walks a history forward and keeps every configuration, or the cheapest. Generic over the width of its sets.

mod transition;

use super::classes::{Classes, NO_CLASS};
use super::crashed::UsedSets;
use super::layer::{Configuration, FRESH, Layer};
use super::links::{Links, ROOT};
use super::mask::Mask;
use super::states::States;
use super::{Beam, Found, Item, Moment, Recorder, Refusal, Snapshot};
use crate::limits::{Meter, Reason};
use crate::specification::{Effect, Specification};

pub(super) struct Engine<'a, S: Specification, M> {
    specification: &'a S,
    items: &'a [Item<'a, S::Op>],
    slots: u32,
    /// The most configurations to keep. A narrow search that ends well proves as much as a wide one.
    beam: Beam,
    /// Whether some were given up to stay within `width`; a failure then proves nothing.
    narrowed: bool,
    states: States<S>,
    links: Links,
    used_sets: UsedSets,
    /// What may be the case now.
    frontier: Layer<M>,
    /// What may be the case after the return that is being judged.
    next: Layer<M>,
    /// What was reached on the way there.
    reached: Layer<M>,
    /// The operations in flight that will return: slot and item.
    in_flight: Vec<(u32, u32)>,
    free_slots: Vec<u32>,
    /// The operations of unknown outcome, by class.
    classes: Classes,
    /// Classes with an operation that somebody may still use, ascending.
    open_classes: Vec<u32>,
    /// Scratch of [`Engine::settle`]: items hidden by a transition, and items satisfied after it.
    hidden: Vec<u32>,
    satisfied: Vec<u32>,
}

/// The operation that returns.
#[derive(Clone, Copy)]
struct Returning {
    slot: u32,
    item: u32,
}

impl<'a, S: Specification, M: Mask> Engine<'a, S, M> {
    pub(super) fn new(
        specification: &'a S,
        items: &'a [Item<'a, S::Op>],
        slots: u32,
        beam: Beam,
    ) -> Self {
        let classes = Classes::none();
        Self {
            specification,
            items,
            slots,
            beam,
            narrowed: false,
            states: States::new(),
            links: Links::new(),
            used_sets: UsedSets::new(&classes),
            frontier: Layer::new(),
            next: Layer::new(),
            reached: Layer::new(),
            in_flight: Vec::new(),
            free_slots: (0..slots).rev().collect(),
            classes,
            open_classes: Vec::new(),
            hidden: Vec::new(),
            satisfied: Vec::new(),
        }
    }

    /// `None` when it failed, but not for certain.
    pub(super) fn run(
        mut self,
        initial: &[S::State],
        moments: &[Moment],
        meter: &mut Meter,
        mut recorder: Option<&mut Recorder<S::State>>,
    ) -> Option<Found<S::State>> {
        let start = moments.first().map_or(0, |moment| moment.position);
        if let Err(reason) = self.begin(initial, moments, meter) {
            return Some(Found::Stopped(reason, start));
        }
        for moment in moments {
            if let Some(recorder) = recorder.as_deref_mut() {
                self.record(recorder, moment.position);
            }
            let judged = if moment.returns {
                self.on_return(moment.item, meter)
            } else {
                self.on_call(moment.item, meter).map(|()| true)
            };
            match judged {
                Ok(_) if self.narrowed && self.beam.capped => return None,
                Ok(true) => {}
                Ok(false) if self.narrowed => return None,
                Ok(false) => {
                    let states = self.states_met();
                    return Some(Found::Illegal(Refusal {
                        item: moment.item as usize,
                        states,
                        culprits: None,
                    }));
                }
                Err(reason) => return Some(Found::Stopped(reason, moment.position)),
            }
        }
        let link = self
            .frontier
            .get(0)
            .map_or(ROOT, |configuration| configuration.link);
        Some(Found::Legal(self.links.path(link, self.items.len())))
    }

    fn begin(
        &mut self,
        initial: &[S::State],
        moments: &[Moment],
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        self.classes = Classes::new(self.specification, self.items, moments, meter)?;
        self.used_sets = UsedSets::new(&self.classes);
        for state in initial {
            let state = self
                .states
                .intern(self.specification, state.clone(), meter)?;
            let configuration = Configuration::initial(state, self.slots, ROOT);
            self.frontier
                .insert(configuration, &self.used_sets, meter)?;
        }
        Ok(())
    }

    fn on_call(&mut self, number: u32, meter: &mut Meter) -> Result<(), Reason> {
        let item = &self.items[number as usize];
        if item.deadline.is_none() {
            let class = self.classes.class_of[number as usize];
            if class != NO_CLASS {
                self.classes.list[class as usize].called += 1;
                if let Err(at) = self.open_classes.binary_search(&class) {
                    self.open_classes.insert(at, class);
                }
            }
            return Ok(());
        }
        // There are as many slots as operations in flight at the worst moment.
        let Some(slot) = self.free_slots.pop() else {
            return Ok(());
        };
        self.in_flight.push((slot, number));
        let Self {
            specification,
            states,
            frontier,
            links,
            ..
        } = self;
        for configuration in frontier.iter_mut() {
            meter.step(1)?;
            let state = states.get(configuration.state);
            if specification
                .step(state, item.op)
                .is_some_and(|after| after == *state)
            {
                configuration.satisfied.set(slot);
                configuration.link = links.push(configuration.link, number, true, meter)?;
            }
        }
        Ok(())
    }

    /// Judges a return. False when no configuration allows it; [`Engine::reached`] then holds what was tried.
    fn on_return(&mut self, number: u32, meter: &mut Meter) -> Result<bool, Reason> {
        let Some(at) = self.in_flight.iter().position(|(_, item)| *item == number) else {
            return Ok(true);
        };
        let slot = self.in_flight[at].0;
        let returning = Returning { slot, item: number };
        let effect = self.items[number as usize].effect;
        // What is settled and cannot change the state any more may simply return.
        let settled = |configuration: &Configuration<M>| {
            configuration.applied.has(slot)
                || effect == Effect::Reads && configuration.satisfied.has(slot)
        };
        meter.step(self.frontier.len() as u64)?;
        if self.frontier.iter().all(settled) {
            for configuration in self.frontier.iter_mut() {
                configuration.satisfied.clear(slot);
                configuration.applied.clear(slot);
            }
        } else {
            self.next.clear(meter);
            self.reached.clear(meter);
            for configuration in self.frontier.iter() {
                if configuration.satisfied.has(slot) {
                    let returned = configuration.clone().returned(slot);
                    self.next.insert(returned, &self.used_sets, meter)?;
                }
                if !settled(configuration) {
                    let mut start = configuration.clone();
                    start.last = FRESH;
                    self.reached.insert(start, &self.used_sets, meter)?;
                }
            }
            self.expand_all(returning, meter)?;
            if self.next.len() == 0 {
                return Ok(false);
            }
            self.next.sweep(meter);
            let used_sets = &self.used_sets;
            self.narrowed |= self.next.narrow(
                self.beam.width,
                |configuration| used_sets.total(configuration.used),
                meter,
            );
            std::mem::swap(&mut self.frontier, &mut self.next);
        }
        let most = self.frontier.len().max(self.reached.len()) as u64;
        meter.work.frontier_peak = meter.work.frontier_peak.max(most);
        self.in_flight.swap_remove(at);
        self.free_slots.push(slot);
        self.tidy(meter)?;
        Ok(true)
    }

    /// Forgets, between events, what no configuration needs.
    fn tidy(&mut self, meter: &mut Meter) -> Result<(), Reason> {
        self.forget_used_by_all(meter)?;
        if self.links.wants_collection() {
            self.links.collect(
                self.frontier
                    .iter_mut()
                    .map(|configuration| &mut configuration.link),
                meter,
            )?;
        }
        if self.used_sets.wants_collection() {
            self.used_sets.collect(
                self.frontier
                    .iter_mut()
                    .map(|configuration| &mut configuration.used),
                meter,
            )?;
        }
        if self.states.wants_collection() {
            let live = self
                .frontier
                .iter_mut()
                .map(|configuration| &mut configuration.state);
            self.states.collect(self.specification, live, meter)?;
        }
        Ok(())
    }

    /// Operations of unknown outcome that every configuration has used need not be told apart any more.
    fn forget_used_by_all(&mut self, meter: &mut Meter) -> Result<(), Reason> {
        let common = self
            .used_sets
            .common(self.frontier.iter().map(|configuration| configuration.used));
        if common.is_empty() {
            return Ok(());
        }
        for (class, count) in &common {
            self.classes.list[*class as usize].used_by_all += count;
        }
        for configuration in self.frontier.iter_mut() {
            configuration.used = self.used_sets.without(configuration.used, &common, meter)?;
        }
        let classes = &self.classes.list;
        self.open_classes.retain(|class| {
            let class = &classes[*class as usize];
            class.used_by_all < class.called
        });
        Ok(())
    }

    /// The distinct states of everything tried at the return that failed, in the order in which they were met.
    fn states_met(&self) -> Vec<S::State> {
        distinct(
            self.reached.iter().map(|configuration| configuration.state),
            usize::MAX,
        )
        .into_iter()
        .map(|state| self.states.get(state).clone())
        .collect()
    }

    fn record(&self, recorder: &mut Recorder<S::State>, position: usize) {
        if position < recorder.from {
            return;
        }
        let numbers = distinct(
            self.frontier
                .iter()
                .map(|configuration| configuration.state),
            recorder.states_max + 1,
        );
        if numbers.len() <= recorder.states_max {
            let states = numbers
                .into_iter()
                .map(|state| self.states.get(state).clone())
                .collect();
            recorder.snapshots.push(Snapshot { position, states });
        }
    }
}

/// The first `most` distinct numbers.
fn distinct(numbers: impl Iterator<Item = u32>, most: usize) -> Vec<u32> {
    let mut seen = std::collections::BTreeSet::new();
    numbers
        .filter(|number| seen.insert(*number))
        .take(most)
        .collect()
}
