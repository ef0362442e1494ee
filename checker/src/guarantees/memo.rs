//! Configurations that led nowhere, each kept whole, so that two that look alike are never taken for one.

use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::limits::{Meter, Reason};

#[derive(Default)]
pub(super) struct Memo {
    /// Positions and states, one configuration after the other.
    numbers: Vec<u32>,
    /// The latest configuration of a hash; each names the one before it.
    latest: FxHashMap<u64, u32>,
    earlier: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Memo {
    pub(super) fn holds(
        &self,
        positions: &[u32],
        states: &[u32],
        meter: &mut Meter,
    ) -> Result<bool, Reason> {
        if self.earlier.is_empty() {
            return Ok(false);
        }
        let size = positions.len() + states.len();
        meter.step(1 + size as u64 / 8)?;
        let mut at = self
            .latest
            .get(&hash(positions, states))
            .copied()
            .unwrap_or(NONE);
        while let Some(earlier) = self.earlier.get(at as usize) {
            let kept = self.numbers.get(at as usize * size..).unwrap_or_default();
            let same = kept
                .iter()
                .zip(positions.iter().chain(states))
                .all(|(kept, now)| kept == now);
            if same && kept.len() >= size {
                return Ok(true);
            }
            at = *earlier;
        }
        Ok(false)
    }

    pub(super) fn insert(
        &mut self,
        positions: &[u32],
        states: &[u32],
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let number = u32::try_from(self.earlier.len()).map_err(|_| Reason::Bytes)?;
        // Lists double, and the map may be half empty.
        meter.take(((positions.len() + states.len()) * 8 + 64) as u64)?;
        meter.step(1)?;
        self.numbers.extend(positions.iter().chain(states));
        let earlier = self
            .latest
            .insert(hash(positions, states), number)
            .unwrap_or(NONE);
        self.earlier.push(earlier);
        Ok(())
    }
}

fn hash(positions: &[u32], states: &[u32]) -> u64 {
    FxBuildHasher.hash_one((positions, states))
}
