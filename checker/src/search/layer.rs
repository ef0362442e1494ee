//! Configurations: what may be the case at one point of the history.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::crashed::UsedSets;
use super::mask::Mask;
use super::table::Table;
use crate::limits::{Meter, Reason};

/// No state.
pub(crate) const NO_STATE: u32 = u32::MAX;

/// One way the past may have gone.
#[derive(Clone)]
pub(crate) struct Configuration<M> {
    /// The state of the object.
    pub(crate) state: u32,
    /// Which operations of unknown outcome took effect.
    pub(crate) used: u32,
    /// The operations in flight that have had their effect, or found a place where they have none. They may return.
    pub(crate) satisfied: M,
    /// Those among `satisfied` that changed the state, and so cannot do it again.
    pub(crate) applied: M,
    /// The last link of the way here.
    pub(crate) link: u32,
    /// How the last transition of this event came about.
    pub(crate) last: Last,
    /// False once another configuration does all this one can.
    alive: bool,
    /// The next of the same state and satisfied set.
    next: u32,
}

/// The last transition within the current event, as far as it spares transitions that would hide it.
#[derive(Clone, Copy)]
pub(crate) struct Last {
    /// The state before it, or [`NO_STATE`].
    pub(crate) before: u32,
    /// The operation need not have taken effect, and nothing was satisfied by it: the next must notice it.
    pub(crate) idle: bool,
    /// The operation overwrote, or need not have taken effect, and satisfied nothing an overwriting one would not:
    /// there is no use in overwriting it.
    pub(crate) hideable: bool,
}

/// Nothing was done in this event yet.
pub(crate) const FRESH: Last = Last {
    before: NO_STATE,
    idle: false,
    hideable: false,
};

impl<M: Mask> Configuration<M> {
    pub(crate) fn initial(state: u32, slots: u32, link: u32) -> Self {
        Self {
            state,
            used: super::crashed::NONE_USED,
            satisfied: M::empty(slots),
            applied: M::empty(slots),
            link,
            last: FRESH,
            alive: true,
            next: NONE,
        }
    }

    /// The same after the operation in `slot` has returned.
    pub(crate) fn returned(mut self, slot: u32) -> Self {
        self.satisfied.clear(slot);
        self.applied.clear(slot);
        self.last = FRESH;
        self
    }

    fn bytes(&self) -> u64 {
        self.satisfied.heap_bytes() + self.applied.heap_bytes()
    }
}

/// No further configuration in a chain.
const NONE: u32 = u32::MAX;

/// Configurations of which none can do all that another can.
///
/// Two that agree in state and satisfied set are compared: the one that applied less and used less can do whatever the
/// other can.
pub(crate) struct Layer<M> {
    configurations: Vec<Configuration<M>>,
    heads: Table,
    heap_bytes: u64,
}

impl<M: Mask> Layer<M> {
    pub(crate) fn new() -> Self {
        Self {
            configurations: Vec::new(),
            heads: Table::new(),
            heap_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.configurations.len()
    }

    pub(crate) fn clear(&mut self, meter: &mut Meter) {
        self.configurations.clear();
        self.heads.clear();
        meter.give(std::mem::take(&mut self.heap_bytes));
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Configuration<M>> {
        self.configurations
            .get(at)
            .filter(|configuration| configuration.alive)
    }

    /// All, outdone ones too unless they were swept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Configuration<M>> {
        self.configurations.iter()
    }

    /// For changes that keep configurations distinct, or that only make them alike.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Configuration<M>> {
        self.configurations.iter_mut()
    }

    /// Drops what was outdone. Positions change, and nothing may be inserted before the next [`Layer::clear`].
    pub(crate) fn sweep(&mut self, meter: &mut Meter) {
        let mut freed = 0;
        self.configurations.retain(|configuration| {
            freed += if configuration.alive {
                0
            } else {
                configuration.bytes()
            };
            configuration.alive
        });
        self.heap_bytes -= freed;
        meter.give(freed);
    }

    /// Keeps the `width` cheapest, earlier ones first among equals. True when some had to go.
    pub(crate) fn narrow(
        &mut self,
        width: usize,
        cost: impl Fn(&Configuration<M>) -> u64,
        meter: &mut Meter,
    ) -> bool {
        if self.configurations.len() <= width {
            return false;
        }
        let mut costs: Vec<(u64, usize)> = self
            .configurations
            .iter()
            .enumerate()
            .map(|(at, configuration)| (cost(configuration), at))
            .collect();
        costs.sort_unstable();
        for (_, at) in &costs[width..] {
            self.configurations[*at].alive = false;
        }
        self.sweep(meter);
        true
    }

    pub(crate) fn set_link(&mut self, at: usize, link: u32) {
        self.configurations[at].link = link;
    }

    /// Adds a configuration unless one is there that can do as much. Returns its position.
    pub(crate) fn insert(
        &mut self,
        mut configuration: Configuration<M>,
        used_sets: &UsedSets,
        meter: &mut Meter,
    ) -> Result<Option<usize>, Reason> {
        let hash = FxBuildHasher.hash_one((configuration.state, &configuration.satisfied));
        let list = &mut self.configurations;
        let head = self.heads.find(hash, |at| {
            let other = &list[at as usize];
            other.state == configuration.state && other.satisfied == configuration.satisfied
        });
        let position = u32::try_from(list.len())
            .ok()
            .filter(|at| *at != NONE)
            .ok_or(Reason::Bytes)?;
        let mut at = head.unwrap_or(NONE);
        while at != NONE {
            meter.step(1)?;
            let other = &mut list[at as usize];
            if other.alive {
                if other.applied.subset_of(&configuration.applied)
                    && used_sets.within(other.used, configuration.used)
                {
                    return Ok(None);
                }
                if configuration.applied.subset_of(&other.applied)
                    && used_sets.within(configuration.used, other.used)
                {
                    other.alive = false;
                }
            }
            at = other.next;
        }
        meter.step(1)?;
        meter.take(configuration.bytes())?;
        self.heap_bytes += configuration.bytes();
        meter.room(list)?;
        // The head of a chain stays its head, so that the table need not change.
        match head {
            Some(head) => {
                configuration.next = list[head as usize].next;
                list[head as usize].next = position;
            }
            None => {
                configuration.next = NONE;
                self.heads.insert(hash, position, meter)?;
            }
        }
        list.push(configuration);
        Ok(Some(position as usize))
    }
}
