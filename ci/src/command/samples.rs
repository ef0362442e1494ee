//! How a number grew over time: a sample now and then, and never too many.

use std::sync::{Mutex, PoisonError};

/// How far apart samples are at first, in seconds. Twice as far each time there are too many.
const APART_S: f64 = 0.1;

/// The most samples.
const SAMPLES_MAX: usize = 400;

/// Samples of a number that several threads report.
#[derive(Debug)]
pub(super) struct Samples(Mutex<Taken>);

#[derive(Debug)]
struct Taken {
    apart_s: f64,
    samples: Vec<(f64, u64)>,
}

impl Default for Samples {
    fn default() -> Self {
        Self(Mutex::new(Taken {
            apart_s: APART_S,
            samples: Vec::new(),
        }))
    }
}

impl Samples {
    /// The number after so many seconds, unless it was noted a moment ago.
    pub(super) fn note(&self, seconds: f64, number: u64) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = taken.samples.last();
        if last.is_some_and(|(before, _)| seconds - before < taken.apart_s) {
            return;
        }
        taken.samples.push((seconds, number));
        if taken.samples.len() > SAMPLES_MAX {
            taken.apart_s *= 2.0;
            let mut position = 0;
            taken.samples.retain(|_| {
                position += 1;
                position % 2 == 0
            });
        }
    }

    /// All of them.
    pub(super) fn taken(self) -> Vec<(f64, u64)> {
        self.0
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_too_many_and_they_reach_to_the_end() {
        let samples = Samples::default();
        for at in 0..100_000u32 {
            samples.note(f64::from(at) * 0.05, u64::from(at));
        }
        let taken = samples.taken();
        assert!(
            (SAMPLES_MAX / 2 - 1..=SAMPLES_MAX).contains(&taken.len()),
            "{}",
            taken.len()
        );
        assert!(taken.last().unwrap().0 > 4_900.0);
        assert!(taken.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
