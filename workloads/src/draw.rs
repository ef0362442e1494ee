//! Random draws keyed by what they are for.
//!
//! There is no generator with a hidden position: a draw is a keyed hash (SipHash-1-3) of the seed, a purpose and the numbers that say
//! which draw it is. Leaving one operation or one fault out of a trial therefore leaves every other draw as it was, which is what makes
//! shrinking work.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::ops::RangeInclusive;

/// The draws of one seed for one purpose.
///
/// ```
/// use stormglass_workloads::draw::Draws;
/// let delays = Draws::new(7, "delay");
/// assert_eq!(delays.at(&[1, 2, 30]), Draws::new(7, "delay").at(&[1, 2, 30]));
/// assert_ne!(delays.at(&[1, 2, 30]), delays.at(&[1, 2, 31]));
/// assert_ne!(delays.at(&[1, 2, 30]), Draws::new(7, "loss").at(&[1, 2, 30]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
    purpose: u64,
}

impl Draws {
    /// The draws of `seed` for `purpose`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = SipHasher13::new_with_keys(seed, 0);
        hasher.write(purpose.as_bytes());
        Self {
            seed,
            purpose: hasher.finish(),
        }
    }

    /// The draw named by `keys`: 64 even bits.
    pub fn at(&self, keys: &[u64]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.seed, self.purpose);
        for key in keys {
            hasher.write_u64(key.to_le());
        }
        hasher.finish()
    }

    /// The draw named by `keys`, within a range.
    ///
    /// # Panics
    /// When the range is empty.
    pub fn within(&self, keys: &[u64], range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        assert!(low <= high, "a draw needs something to draw from");
        if low == high {
            return low; // Many a timer waits a fixed time, and a draw would cost as much as the rest of setting it.
        }
        let span = u128::from(high - low) + 1;
        low + ((u128::from(self.at(keys)) * span) >> 64) as u64
    }

    /// Whether the draw named by `keys` falls into the given share of a hundred.
    pub fn percent(&self, keys: &[u64], percent: u64) -> bool {
        self.within(keys, 0..=99) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_cover_their_range_evenly() {
        let draws = Draws::new(1, "test");
        let mut counts = [0_u32; 6];
        for n in 0..60_000 {
            counts[draws.within(&[n], 0..=5) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_600..10_400).contains(count)),
            "{counts:?}"
        );
        assert_eq!(draws.within(&[1], 3..=3), 3);
        let whole = draws.within(&[1], 0..=u64::MAX);
        assert_eq!(whole, draws.at(&[1]), "the whole range is the draw itself");
    }
}
