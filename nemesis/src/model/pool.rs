//! Things that are kept once, however often they occur, and called by a number.
//!
//! A global state of a model is a few such numbers. Which number a thing gets depends on when it was first seen, and with several threads on
//! luck; so nothing but lookups may rest on it. What a thing is made of gives it its *digest*, which is the same in every run.

use rustc_hash::FxHashMap;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::sync::Mutex;

/// The digest of what a thing is made of. With 128 bits, nobody ever sees two things with one.
pub(super) fn digest(feed: impl FnOnce(&mut dyn Hasher)) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(0x5354_4f52_4d47_4c41, 0x5353_204d_4f44_454c);
    feed(&mut hasher);
    hasher.finish128().as_u128()
}

/// A thing's shares of the sums by which states are told apart: one for each way to name the nodes, the way they are named first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys(pub(super) [u64; NAMINGS_MAX]);

/// The most ways to name the nodes: all of three nodes that are alike.
pub(super) const NAMINGS_MAX: usize = 6;

impl Keys {
    /// Of a thing in which no node is named.
    pub(super) fn nameless(digest: u128) -> Self {
        Self([digest as u64; NAMINGS_MAX])
    }

    pub(super) fn add(&mut self, other: &Keys) {
        for (sum, key) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_add(key);
        }
    }

    pub(super) fn subtract(&mut self, other: &Keys) {
        for (sum, key) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_sub(key);
        }
    }

    /// Every key turned by some bits, where a place in a row matters.
    pub(super) fn turned(&self, bits: u32) -> Self {
        Self(self.0.map(|key| key.rotate_left(bits)))
    }
}

/// Things by number.
pub(super) struct Pool<T> {
    items: boxcar::Vec<T>,
    known: Mutex<FxHashMap<u128, u32>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            items: boxcar::Vec::new(),
            known: Mutex::default(),
        }
    }
}

impl<T> Pool<T> {
    /// The number of the thing with this digest. It is made when it is new.
    pub(super) fn intern(&self, digest: u128, make: impl FnOnce() -> T) -> u32 {
        let mut known = self
            .known
            .lock()
            .expect("whoever makes a thing does not panic");
        *known.entry(digest).or_insert_with(|| {
            let at = self.items.push(make());
            u32::try_from(at).expect("memory ends before the numbers do")
        })
    }

    /// The thing of a number.
    pub(super) fn get(&self, number: u32) -> &T {
        &self.items[number as usize]
    }

    /// How many things there are.
    pub(super) fn len(&self) -> usize {
        self.items.count()
    }
}

/// Answers that were worked out, by a question in 64 bits.
#[derive(Default)]
pub(super) struct Memo {
    known: Mutex<FxHashMap<u64, u32>>,
}

impl Memo {
    pub(super) fn get(&self, question: u64) -> Option<u32> {
        let known = self
            .known
            .lock()
            .expect("nobody panics with a memo in hand");
        known.get(&question).copied()
    }

    /// Keeps an answer. Gives whether it is the first to that question.
    pub(super) fn keep(&self, question: u64, answer: u32) -> bool {
        let mut known = self
            .known
            .lock()
            .expect("nobody panics with a memo in hand");
        known.insert(question, answer).is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.known.lock().map_or(0, |known| known.len())
    }
}
