//! Which operations of unknown outcome a configuration has used.
//!
//! Operations that act alike form a class, and only their number counts: whoever uses the earliest called first loses
//! nothing. A set is a short sorted list of classes with counts, kept once each and named by a number. What all
//! configurations have used is subtracted now and then, so that lists stay short in long histories. Where the counts of all classes fit side by
//! side into one wide number, sets are found and compared by that.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::classes::Classes;
use super::table::Table;
use crate::limits::{Meter, Reason};

/// The number of the empty set.
pub(crate) const NONE_USED: u32 = 0;

/// A class and how many of its operations were used.
pub(crate) type Count = (u32, u32);

/// All sets that live configurations may name.
pub(crate) struct UsedSets {
    sets: Vec<Box<[Count]>>,
    /// The counts of each set side by side. All zero where there is no packing.
    packed: Vec<u128>,
    packing: Option<Packing>,
    table: Table,
    collect_at: usize,
}

/// Where in a wide number the count of each class stands. Above each count one bit is always clear, so that all counts are compared by one subtraction.
struct Packing {
    /// The lowest bit of each class.
    shifts: Vec<u32>,
    /// The clear bits.
    guards: u128,
}

impl Packing {
    /// `None` when there are too many to count.
    fn new(classes: &Classes) -> Option<Self> {
        let mut packing = Self {
            shifts: Vec::with_capacity(classes.list.len().min(64)),
            guards: 0,
        };
        let mut end: u32 = 0;
        for class in &classes.list {
            packing.shifts.push(end);
            end += class.items.len().checked_ilog2().unwrap_or_default() + 2;
            if end > u128::BITS {
                return None;
            }
            packing.guards |= 1 << (end - 1);
        }
        Some(packing)
    }

    fn pack(&self, counts: &[Count]) -> u128 {
        let place = |(class, count): &Count| u128::from(*count) << self.shifts[*class as usize];
        counts.iter().map(place).sum()
    }
}

impl UsedSets {
    pub(crate) fn new(classes: &Classes) -> Self {
        Self {
            sets: vec![Box::default()],
            packed: vec![0],
            packing: Packing::new(classes),
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
        if let Some(packing) = &self.packing {
            let wanted = self.packed[set as usize] + (1 << packing.shifts[class as usize]);
            if let Some(found) = self.find_packed(wanted) {
                return Ok(found);
            }
        }
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
        if let Some(Packing { guards, .. }) = self.packing {
            let (left, right) = (self.packed[left as usize], self.packed[right as usize]);
            return ((right | guards) - left) & guards == guards;
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
        meter.take(size_of::<(Box<[Count]>, u128)>() as u64)?;
        let old = std::mem::replace(&mut self.sets, vec![Box::default()]);
        let old_packed = std::mem::replace(&mut self.packed, vec![0]);
        self.table.clear();
        for set in live {
            let counts = old[*set as usize].to_vec();
            *set = self.intern(counts, meter)?;
        }
        let lists = old.iter().map(|set| set_bytes(set)).sum::<u64>();
        meter.give(lists + (old.capacity() + old_packed.capacity()) as u64 * 16);
        self.collect_at = 2 * self.sets.len() + 1024;
        Ok(())
    }

    fn find_packed(&self, wanted: u128) -> Option<u32> {
        let same = |set: u32| self.packed[set as usize] == wanted;
        self.table.find(FxBuildHasher.hash_one(wanted), same)
    }

    fn intern(&mut self, counts: Vec<Count>, meter: &mut Meter) -> Result<u32, Reason> {
        if counts.is_empty() {
            return Ok(NONE_USED);
        }
        let sets = &self.sets;
        let (packed, hash, found) = match &self.packing {
            Some(packing) => {
                let packed = packing.pack(&counts);
                let hash = FxBuildHasher.hash_one(packed);
                (packed, hash, self.find_packed(packed))
            }
            None => {
                let hash = FxBuildHasher.hash_one(&counts);
                let same = |set: u32| *sets[set as usize] == *counts;
                (0, hash, self.table.find(hash, same))
            }
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let number = u32::try_from(self.sets.len()).map_err(|_| Reason::Bytes)?;
        let counts = counts.into_boxed_slice();
        meter.take(set_bytes(&counts))?;
        meter.room(&mut self.sets)?;
        meter.room(&mut self.packed)?;
        self.table.insert(hash, number, meter)?;
        self.sets.push(counts);
        self.packed.push(packed);
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

#[cfg(test)]
mod tests {
    use super::super::classes::Class;
    use super::*;
    use crate::limits::Limits;

    /// Classes of these sizes.
    fn classes(sizes: &[u32]) -> Classes {
        let class = |size: &u32| Class {
            items: (0..*size).collect(),
            called: *size,
            used_by_all: 0,
        };
        Classes {
            list: sizes.iter().map(class).collect(),
            class_of: Vec::new(),
        }
    }

    /// Every set over `classes`, each reached by adding one operation to a smaller one.
    fn all_sets(classes: &Classes, sets: &mut UsedSets) -> Vec<u32> {
        let mut meter = Meter::new(Limits::default());
        let mut reached = vec![NONE_USED];
        for (class, Class { items, .. }) in classes.list.iter().enumerate() {
            let mut last = reached.clone();
            for _ in items {
                let more = |set: &u32| sets.with(*set, class as u32, &mut meter);
                last = last.iter().map(more).collect::<Result<_, _>>().unwrap();
                reached.extend(&last);
            }
        }
        reached
    }

    /// Which sets lie within which, and which remain when what all share is taken away.
    fn relations(sets: &mut UsedSets, reached: &[u32]) -> Vec<(Vec<Count>, bool, Vec<Count>)> {
        let mut meter = Meter::new(Limits::default());
        let mut found = Vec::new();
        for left in reached {
            for right in reached {
                let common = sets.common([*left, *right].into_iter());
                let rest = sets.without(*left, &common, &mut meter).unwrap();
                let within = sets.within(*left, *right);
                assert_eq!(within, rest == NONE_USED, "{:?}", sets.get(*left));
                found.push((common, within, sets.get(rest).to_vec()));
            }
        }
        found
    }

    #[test]
    fn sets_compared_as_one_number_and_as_lists_agree() {
        for sizes in [&[1, 1, 1, 1, 1][..], &[3, 1, 4], &[7, 8], &[2, 2, 2, 2]] {
            let classes = classes(sizes);
            let mut packed = UsedSets::new(&classes);
            assert!(packed.packing.is_some());
            let mut listed = UsedSets::new(&classes);
            listed.packing = None;
            let (some, same) = (
                all_sets(&classes, &mut packed),
                all_sets(&classes, &mut listed),
            );
            assert_eq!(some, same, "numbered alike");
            let lists = |sets: &UsedSets| some.iter().map(|set| sets.get(*set).to_vec()).collect();
            let (left, right): (Vec<_>, Vec<_>) = (lists(&packed), lists(&listed));
            assert_eq!(left, right);
            assert_eq!(
                relations(&mut packed, &some),
                relations(&mut listed, &same),
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn more_classes_than_one_number_holds_are_compared_as_lists() {
        assert!(UsedSets::new(&classes(&[1; 64])).packing.is_some());
        assert!(UsedSets::new(&classes(&[1; 65])).packing.is_none());
    }
}
