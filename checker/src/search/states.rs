//! States of the object, each kept once and named by a number.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::table::Table;
use crate::limits::{Meter, Reason};
use crate::specification::Specification;

pub(crate) struct States<S: Specification> {
    states: Vec<S::State>,
    table: Table,
    collect_at: usize,
}

impl<S: Specification> States<S> {
    pub(crate) fn new() -> Self {
        Self {
            states: Vec::new(),
            table: Table::new(),
            collect_at: 1024,
        }
    }

    pub(crate) fn get(&self, state: u32) -> &S::State {
        &self.states[state as usize]
    }

    pub(crate) fn intern(
        &mut self,
        specification: &S,
        state: S::State,
        meter: &mut Meter,
    ) -> Result<u32, Reason> {
        let hash = FxBuildHasher.hash_one(&state);
        let states = &self.states;
        if let Some(found) = self
            .table
            .find(hash, |number| states[number as usize] == state)
        {
            return Ok(found);
        }
        let number = u32::try_from(self.states.len()).map_err(|_| Reason::Bytes)?;
        meter.take(heap_bytes(specification, &state))?;
        meter.room(&mut self.states)?;
        self.table.insert(hash, number, meter)?;
        self.states.push(state);
        Ok(number)
    }

    pub(crate) fn wants_collection(&self) -> bool {
        self.states.len() >= self.collect_at
    }

    /// Forgets every state that none of `live` names, and rewrites `live`.
    pub(crate) fn collect<'a>(
        &mut self,
        specification: &S,
        live: impl Iterator<Item = &'a mut u32>,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let old = std::mem::take(&mut self.states);
        self.table.clear();
        for state in live {
            *state = self.intern(specification, old[*state as usize].clone(), meter)?;
        }
        let slots = old.capacity() as u64 * size_of::<S::State>() as u64;
        meter.give(
            old.iter()
                .map(|state| heap_bytes(specification, state))
                .sum::<u64>()
                + slots,
        );
        self.collect_at = 2 * self.states.len() + 1024;
        Ok(())
    }
}

/// What a state owns beside its slot in the list.
fn heap_bytes<S: Specification>(specification: &S, state: &S::State) -> u64 {
    specification
        .state_bytes(state)
        .saturating_sub(size_of::<S::State>() as u64)
}
