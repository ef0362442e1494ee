//! A hash table of small numbers, cleared in no time.
//!
//! It holds positions in somebody else's list and asks the caller whether a position is the one wanted. Its order never
//! reaches any output, its memory is known exactly, and clearing it costs nothing, which the search does at every event.

use crate::limits::{Meter, Reason};

/// Open addressing with linear probing. An entry counts only when its stamp is the current one.
pub(crate) struct Table {
    entries: Vec<Entry>,
    stamp: u32,
    used: usize,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    stamp: u32,
    hash: u32,
    position: u32,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            stamp: 1,
            used: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
        if self.stamp == u32::MAX {
            self.entries.fill(Entry::default());
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// The position of hash `hash` that `same` accepts.
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let mask = self.entries.len() - 1;
        let short = fold(hash);
        let mut at = short as usize & mask;
        loop {
            let entry = self.entries[at];
            if entry.stamp != self.stamp {
                return None;
            }
            if entry.hash == short && same(entry.position) {
                return Some(entry.position);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a position that is known to be absent.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        position: u32,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        if self.used * 4 >= self.entries.len() * 3 {
            self.grow(meter)?;
        }
        self.place(fold(hash), position);
        Ok(())
    }

    fn place(&mut self, hash: u32, position: u32) {
        let mask = self.entries.len() - 1;
        let mut at = hash as usize & mask;
        while self.entries[at].stamp == self.stamp {
            at = (at + 1) & mask;
        }
        self.entries[at] = Entry {
            stamp: self.stamp,
            hash,
            position,
        };
        self.used += 1;
    }

    fn grow(&mut self, meter: &mut Meter) -> Result<(), Reason> {
        let size = size_of::<Entry>() as u64;
        let length = (self.entries.len() * 2).max(16);
        meter.take(length as u64 * size)?;
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); length]);
        meter.give(old.len() as u64 * size);
        let stamp = std::mem::replace(&mut self.stamp, 1);
        self.used = 0;
        for entry in old.into_iter().filter(|entry| entry.stamp == stamp) {
            self.place(entry.hash, entry.position);
        }
        Ok(())
    }
}

/// The high bits of a multiplicative hash are the good ones.
fn fold(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}
