//! Which operations of unknown outcome a configuration has used.
//!
//! Operations that act alike form a class, and only their number counts: whoever uses the earliest called first loses
//! nothing. A set is a short sorted list of classes with counts, kept once each and named by a number. What all
//! configurations have used is subtracted now and then, so that lists stay short in long histories.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::table::Table;
use crate::limits::{Meter, Reason};

/// The number of the empty set.
pub(crate) const NONE_USED: u32 = 0;

/// A class and how many of its operations were used.
pub(crate) type Count = (u32, u32);

/// All sets that live configurations may name.
pub(crate) struct UsedSets {
    sets: Vec<Box<[Count]>>,
    table: Table,
    collect_at: usize,
}

impl UsedSets {
    pub(crate) fn new() -> Self {
        Self {
            sets: vec![Box::default()],
            table: Table::new(),
            collect_at: 1024,
        }
    }

    pub(crate) fn get(&self, set: u32) -> &[Count] {
        &self.sets[set as usize]
    }

    /// How many operations are in it.
    pub(crate) fn total(&self, set: u32) -> u64 {
        self.get(set).iter().map(|count| u64::from(count.1)).sum()
    }

    /// The set with one more operation of `class`.
    pub(crate) fn with(&mut self, set: u32, class: u32, meter: &mut Meter) -> Result<u32, Reason> {
        let mut counts = self.get(set).to_vec();
        meter.step(counts.len() as u64 / 16)?;
        match counts.binary_search_by_key(&class, |count| count.0) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (class, 1)),
        }
        self.intern(counts, meter)
    }

    /// True when `left` used no more of any class than `right`.
    pub(crate) fn within(&self, left: u32, right: u32) -> bool {
        if left == right || left == NONE_USED {
            return true;
        }
        let mut rest = self.get(right).iter();
        self.get(left).iter().all(|(class, count)| {
            rest.find(|(other, _)| other >= class)
                .is_some_and(|(other, more)| other == class && more >= count)
        })
    }

    /// What every one of `sets` has used.
    pub(crate) fn common(&self, mut sets: impl Iterator<Item = u32>) -> Vec<Count> {
        let Some(first) = sets.next() else {
            return Vec::new();
        };
        let mut common = self.get(first).to_vec();
        let mut last = first;
        for set in sets {
            if common.is_empty() {
                break;
            }
            if set == last {
                continue;
            }
            last = set;
            let other = self.get(set);
            common.retain_mut(|(class, count)| {
                match other.binary_search_by_key(class, |count| count.0) {
                    Ok(at) => {
                        *count = (*count).min(other[at].1);
                        true
                    }
                    Err(_) => false,
                }
            });
        }
        common
    }

    /// The set without `common`, which it contains.
    pub(crate) fn without(
        &mut self,
        set: u32,
        common: &[Count],
        meter: &mut Meter,
    ) -> Result<u32, Reason> {
        let mut counts = self.get(set).to_vec();
        counts.retain_mut(|(class, count)| {
            if let Ok(at) = common.binary_search_by_key(class, |count| count.0) {
                *count -= common[at].1;
            }
            *count > 0
        });
        self.intern(counts, meter)
    }

    pub(crate) fn wants_collection(&self) -> bool {
        self.sets.len() >= self.collect_at
    }

    /// Forgets every set that none of `live` names, and rewrites `live`.
    pub(crate) fn collect<'a>(
        &mut self,
        live: impl Iterator<Item = &'a mut u32>,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        meter.take(size_of::<Box<[Count]>>() as u64)?;
        let old = std::mem::replace(&mut self.sets, vec![Box::default()]);
        self.table.clear();
        for set in live {
            let counts = old[*set as usize].to_vec();
            *set = self.intern(counts, meter)?;
        }
        meter.give(old.iter().map(|set| set_bytes(set)).sum::<u64>() + old.capacity() as u64 * 16);
        self.collect_at = 2 * self.sets.len() + 1024;
        Ok(())
    }

    fn intern(&mut self, counts: Vec<Count>, meter: &mut Meter) -> Result<u32, Reason> {
        if counts.is_empty() {
            return Ok(NONE_USED);
        }
        let hash = FxBuildHasher.hash_one(&counts);
        let sets = &self.sets;
        if let Some(found) = self.table.find(hash, |set| *sets[set as usize] == *counts) {
            return Ok(found);
        }
        let number = u32::try_from(self.sets.len()).map_err(|_| Reason::Bytes)?;
        let counts = counts.into_boxed_slice();
        meter.take(set_bytes(&counts))?;
        meter.room(&mut self.sets)?;
        self.table.insert(hash, number, meter)?;
        self.sets.push(counts);
        Ok(number)
    }
}

/// The heap memory of one set, with what the allocator keeps beside it.
fn set_bytes(counts: &[Count]) -> u64 {
    if counts.is_empty() {
        0
    } else {
        size_of_val(counts) as u64 + 16
    }
}
