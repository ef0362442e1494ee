//! Which states were seen, and from where each was reached first.
//!
//! Sixteen bytes a state: its fingerprint, and in one word the level at which it was reached and as much of its parent's fingerprint as fits. All
//! threads write to one table without locks. Of several parents on one level the one with the smallest fingerprint is kept, so that
//! what is told of a search does not depend on which thread was first.

use std::cell::Cell;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The table.
pub(super) struct Visited {
    table: RwLock<Vec<Slot>>,
    count: AtomicUsize,
}

#[derive(Default)]
struct Slot {
    /// 0 where there is none.
    fingerprint: AtomicU64,
    /// The level in the upper 8 bits, the upper 56 bits of the parent's fingerprint below.
    parent: AtomicU64,
}

/// How many slots a table begins with.
const SLOTS_MIN: usize = 1 << 16;

/// So many states may come in between two looks at [`Visited::has_room`], from each thread.
pub(super) const BATCH_MAX: usize = 8_192;

/// A slot names the level after its own, so that its word is never 0, up to this one. Beyond it the first parent is kept, whichever it is.
const LEVEL_MAX: u64 = 255;

/// A table in use by one thread: it does not grow while anybody holds one.
pub(super) struct View<'a> {
    table: std::sync::RwLockReadGuard<'a, Vec<Slot>>,
    count: &'a AtomicUsize,
    /// How many it has put in; counted when it is given back.
    new: Cell<usize>,
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.count.fetch_add(self.new.get(), Ordering::Relaxed);
    }
}

impl Visited {
    pub(super) fn new() -> Self {
        Self {
            table: RwLock::new(slots(SLOTS_MIN)),
            count: AtomicUsize::new(0),
        }
    }

    /// How many states there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many bytes the table takes.
    pub(super) fn bytes(&self) -> usize {
        self.view().table.len() * size_of::<Slot>()
    }

    /// How many bytes it takes while it grows: the old table and one twice as large.
    pub(super) fn bytes_to_grow(&self) -> usize {
        3 * self.bytes()
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            table: self.table.read().expect("a table is never left half done"),
            count: &self.count,
            new: Cell::new(0),
        }
    }

    /// Whether so many threads can each put in a batch.
    pub(super) fn has_room(&self, threads: usize) -> bool {
        let slots = self.view().table.len();
        self.len() + threads * BATCH_MAX < slots / 8 * 7
    }

    /// Doubles the table, unless there is room by now. Waits for whoever has a view.
    pub(super) fn grow(&self, threads: usize) {
        let mut table = self.table.write().expect("a table is never left half done");
        if self.len() + threads * BATCH_MAX < table.len() / 8 * 7 {
            return;
        }
        let larger = slots(table.len() * 2);
        for slot in table.iter() {
            let fingerprint = slot.fingerprint.load(Ordering::Relaxed);
            if fingerprint != 0 {
                let at = probe(&larger, fingerprint)
                    .find(|at| larger[*at].fingerprint.load(Ordering::Relaxed) == 0);
                let free = &larger[at.expect("the larger table has room")];
                free.fingerprint.store(fingerprint, Ordering::Relaxed);
                free.parent
                    .store(slot.parent.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        *table = larger;
    }
}

fn slots(count: usize) -> Vec<Slot> {
    std::iter::repeat_with(Slot::default).take(count).collect()
}

/// The places where a fingerprint may stand, best first. The first lies by its upper bits, so that a part of it is enough to find it.
fn probe(table: &[Slot], fingerprint: u64) -> impl Iterator<Item = usize> {
    let mask = table.len() - 1;
    let first = (fingerprint >> (64 - table.len().trailing_zeros())) as usize;
    (0..table.len()).map(move |step| (first + step) & mask)
}

fn parent_word(level: usize, parent: u64) -> u64 {
    (level as u64 + 1).min(LEVEL_MAX) << 56 | parent >> 8
}

impl View<'_> {
    /// A state was reached on a level, from a parent; 0 for none. Gives whether it is new.
    pub(super) fn insert(&self, fingerprint: u64, level: usize, parent: u64) -> bool {
        let word = parent_word(level, parent);
        for at in probe(&self.table, fingerprint) {
            let slot = &self.table[at];
            let mut here = slot.fingerprint.load(Ordering::Acquire);
            if here == 0 {
                let won = slot.fingerprint.compare_exchange(
                    0,
                    fingerprint,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                match won {
                    Ok(_) => {
                        slot.parent.store(word, Ordering::Release);
                        self.new.set(self.new.get() + 1);
                        return true;
                    }
                    Err(other) => here = other,
                }
            }
            if here == fingerprint {
                self.meet(slot, word);
                return false;
            }
        }
        unreachable!("a table is grown before it is full")
    }

    /// Another way to a state. It counts if it is no longer, and its parent comes first.
    fn meet(&self, slot: &Slot, word: u64) {
        let mut held = slot.parent.load(Ordering::Acquire);
        while held == 0 {
            // Another thread has just put the state in, and is about to say from where.
            std::hint::spin_loop();
            held = slot.parent.load(Ordering::Acquire);
        }
        let same_level = held >> 56 == word >> 56;
        if held > word && same_level && held >> 56 < LEVEL_MAX {
            slot.parent.fetch_min(word, Ordering::AcqRel);
        }
    }

    /// The state whose fingerprint begins with these bits, and where it was reached from: its parent's fingerprint, of which the lower 8 bits are
    /// missing. 0 for a state that all began with.
    pub(super) fn parent(&self, fingerprint: u64, known_bits: u32) -> Option<(u64, u64)> {
        let unknown = 64 - known_bits;
        for at in probe(&self.table, fingerprint) {
            let here = self.table[at].fingerprint.load(Ordering::Acquire);
            if here == 0 {
                return None;
            }
            if here >> unknown == fingerprint >> unknown {
                let word = self.table[at].parent.load(Ordering::Acquire);
                return Some((here, word << 8));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Fingerprints that crowd at one place of the table, as well as spread ones.
    fn fingerprints() -> impl Iterator<Item = u64> {
        (1..60_000u64).map(|number| match number % 3 {
            0 => number,
            1 => number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            _ => u64::MAX - number,
        })
    }

    #[test]
    fn what_was_put_in_is_found_with_its_first_parent_however_often_the_table_grew() {
        let visited = Visited::new();
        let mut known: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
        for (step, fingerprint) in fingerprints().chain(fingerprints()).enumerate() {
            let (level, parent) = (step / 10_000, (step as u64 + 1) << 8);
            if !visited.has_room(1) {
                visited.grow(1);
            }
            let is_new = visited.view().insert(fingerprint, level, parent);
            assert_eq!(is_new, !known.contains_key(&fingerprint), "{fingerprint:x}");
            let first = known.entry(fingerprint).or_insert((level, parent));
            if first.0 == level {
                first.1 = first.1.min(parent);
            }
        }
        assert_eq!(visited.len(), known.len());
        for (fingerprint, (_, parent)) in known {
            assert_eq!(
                visited.view().parent(fingerprint, 64),
                Some((fingerprint, parent))
            );
        }
        assert_eq!(visited.view().parent(0x1234_5678_9abc_def0, 64), None);
    }

    #[test]
    fn two_threads_keep_the_parent_that_comes_first() {
        let visited = Visited::new();
        let insert = |parent: u64| {
            let view = visited.view();
            for fingerprint in 1..4_000u64 {
                view.insert(fingerprint << 40 | 7, 3, parent << 8);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| insert(9));
            scope.spawn(|| insert(5));
        });
        assert_eq!(visited.len(), 3_999);
        for fingerprint in 1..4_000u64 {
            let found = visited.view().parent(fingerprint << 40 | 7, 64);
            assert_eq!(found.map(|(_, parent)| parent), Some(5 << 8));
        }
    }
}
