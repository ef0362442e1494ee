//! Sets of operations in flight, one bit a slot: one machine word when that is enough, a slice of words when not.

use std::hash::Hash;

/// A set of slots.
pub(crate) trait Mask: Clone + Eq + Hash {
    /// The empty set over `slots` slots.
    fn empty(slots: u32) -> Self;
    fn has(&self, slot: u32) -> bool;
    fn set(&mut self, slot: u32);
    fn clear(&mut self, slot: u32);
    fn subset_of(&self, other: &Self) -> bool;
    fn count(&self) -> u32;
    /// Memory outside the value itself.
    fn heap_bytes(&self) -> u64;
}

impl Mask for u64 {
    fn empty(_slots: u32) -> Self {
        0
    }

    fn has(&self, slot: u32) -> bool {
        self >> slot & 1 == 1
    }

    fn set(&mut self, slot: u32) {
        *self |= 1 << slot;
    }

    fn clear(&mut self, slot: u32) {
        *self &= !(1 << slot);
    }

    fn subset_of(&self, other: &Self) -> bool {
        self & !other == 0
    }

    fn count(&self) -> u32 {
        self.count_ones()
    }

    fn heap_bytes(&self) -> u64 {
        0
    }
}

/// A set over more than 64 slots.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wide(Box<[u64]>);

impl Mask for Wide {
    fn empty(slots: u32) -> Self {
        Self(vec![0; slots.div_ceil(64) as usize].into_boxed_slice())
    }

    fn has(&self, slot: u32) -> bool {
        self.0[slot as usize / 64].has(slot % 64)
    }

    fn set(&mut self, slot: u32) {
        self.0[slot as usize / 64].set(slot % 64);
    }

    fn clear(&mut self, slot: u32) {
        self.0[slot as usize / 64].clear(slot % 64);
    }

    fn subset_of(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(&other.0)
            .all(|(mine, theirs)| mine.subset_of(theirs))
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn heap_bytes(&self) -> u64 {
        // The allocator keeps about two words beside each block.
        self.0.len() as u64 * 8 + 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_masks_work_past_the_first_word() {
        let mut small = Wide::empty(130);
        small.set(129);
        let mut large = small.clone();
        large.set(3);
        assert!(small.has(129) && !small.has(65) && !small.has(1));
        assert!(small.subset_of(&large) && !large.subset_of(&small));
        large.clear(129);
        assert!(!large.has(129) && !small.subset_of(&large));
    }
}
