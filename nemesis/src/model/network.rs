//! What is under way between nodes: letters by their numbers, in a form that is the same whichever way a state was reached.
//!
//! Where messages are a set, a letter that was sent stays: that is loss, repetition and reordering at once, and the smallest space that has
//! them. Letters are sorted by number. Where they arrive in order, the letters of one pair stand together, the oldest first.

use super::bounds::Network;
use super::pool::Keys;
use super::space::Space;
use smallvec::SmallVec;
use stormglass_impls::contract::NodeId;

/// What is under way.
pub(super) type Letters = SmallVec<[u32; 28]>;

impl Space {
    /// The pair of a letter, as a number by which queues are sorted.
    fn pair(&self, letter: u32) -> (NodeId, NodeId) {
        let letter = self.letters.get(letter);
        (letter.to, letter.from)
    }

    /// Adds a letter. Gives whether anything changed.
    pub(super) fn put(&self, letters: &mut Letters, letter: u32) -> bool {
        match self.bounds.network {
            Network::Set => match letters.binary_search(&letter) {
                Ok(_) => false,
                Err(at) => {
                    letters.insert(at, letter);
                    true
                }
            },
            Network::Fifo => {
                let pair = self.pair(letter);
                let at = letters.partition_point(|other| self.pair(*other) <= pair);
                letters.insert(at, letter);
                true
            }
        }
    }

    /// Whether a letter may arrive next: the one at this place.
    pub(super) fn is_next(&self, letters: &Letters, at: usize) -> bool {
        match self.bounds.network {
            Network::Set => true,
            Network::Fifo => at == 0 || self.pair(letters[at - 1]) != self.pair(letters[at]),
        }
    }

    /// A letter arrived: the one at this place.
    pub(super) fn take(&self, letters: &mut Letters, at: usize) {
        if self.bounds.network == Network::Fifo {
            letters.remove(at);
        }
    }

    /// The connection of two nodes breaks.
    pub(super) fn cut(&self, letters: &mut Letters, one: NodeId, other: NodeId) {
        if self.bounds.network == Network::Fifo {
            letters.retain(|letter| {
                let pair = self.pair(*letter);
                pair != (one, other) && pair != (other, one)
            });
        }
    }

    /// The letters' share of the sums by which states are told apart.
    pub(super) fn sum(&self, letters: &Letters) -> Keys {
        let mut place = 0u32;
        let mut sum = Keys::default();
        for (at, letter) in letters.iter().enumerate() {
            let key = self.letter_key(*letter);
            if self.bounds.network == Network::Set {
                sum.add(key);
                continue;
            }
            place = if self.is_next(letters, at) {
                0
            } else {
                place + 1
            };
            sum.add(&key.turned(7 * place + 1));
        }
        sum
    }
}
