//! The run cut into stretches of equal time, and what is counted over each.

use crate::calls::{Call, Ending};
use crate::units::round_step;
use std::collections::BTreeMap;

/// About how many stretches a run is cut into.
const STRETCHES: f64 = 70.0;

/// The stretches of a run, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretches {
    width: f64,
    span: f64,
    count: usize,
}

impl Stretches {
    pub(crate) fn of(ended_ns: u64) -> Self {
        let span = ended_ns as f64 / 1e9;
        let width = round_step(span, STRETCHES);
        // What remains at the end belongs to the last stretch: a rate over a moment would say nothing.
        let count = ((span / width).floor() as usize).max(1);
        Self { width, span, count }
    }

    /// The same cut into fewer stretches: as many neighbours become one as it takes to have at most so many.
    pub(crate) fn merged(self, count_max: usize) -> Self {
        let neighbours = self.count.div_ceil(count_max.max(1));
        Self {
            width: self.width * neighbours as f64,
            count: (self.count / neighbours).max(1),
            ..self
        }
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.count
    }

    fn position(self, time_ns: u64) -> usize {
        ((time_ns as f64 / 1e9 / self.width) as usize).min(self.count - 1)
    }

    /// Where a stretch begins and ends, in seconds.
    pub(crate) fn extent(self, position: usize) -> (f64, f64) {
        let from = position as f64 * self.width;
        let until = if position + 1 == self.count {
            self.span
        } else {
            from + self.width
        };
        (from, until)
    }

    /// How many calls a second returned, by how they ended. What never returned counts at the end.
    pub(crate) fn rates(self, calls: &[Call<'_>], ended_ns: u64) -> BTreeMap<Ending, Vec<f64>> {
        let mut rates: BTreeMap<Ending, Vec<f64>> = BTreeMap::new();
        for call in calls {
            let position = self.position(call.until_ns(ended_ns));
            let rates = rates
                .entry(call.ending())
                .or_insert_with(|| vec![0.0; self.count]);
            let (from, until) = self.extent(position);
            rates[position] += 1.0 / (until - from);
        }
        rates
    }

    /// How many calls were made, by how they ended.
    pub(crate) fn calls(self, calls: &[Call<'_>]) -> BTreeMap<Ending, Vec<u64>> {
        let mut counts: BTreeMap<Ending, Vec<u64>> = BTreeMap::new();
        for call in calls {
            let counts = counts
                .entry(call.ending())
                .or_insert_with(|| vec![0; self.count]);
            counts[self.position(call.called_ns())] += 1;
        }
        counts
    }
}

/// Latencies of what ended ok, in nanoseconds, by stretch of their call.
pub(crate) struct Quantiles {
    stretches: Stretches,
    sorted: Vec<Vec<u64>>,
}

impl Quantiles {
    pub(crate) fn of(calls: &[Call<'_>], stretches: Stretches) -> Self {
        let mut sorted = vec![Vec::new(); stretches.count];
        for call in calls.iter().filter(|call| call.ending() == Ending::Ok) {
            sorted[stretches.position(call.called_ns())].extend(call.latency_ns());
        }
        for latencies in &mut sorted {
            latencies.sort_unstable();
        }
        Self { stretches, sorted }
    }

    /// The quantile of one stretch, in nanoseconds.
    pub(crate) fn at(&self, position: usize, thousandths: usize) -> Option<u64> {
        quantile(&self.sorted[position], thousandths)
    }

    /// How many ended ok in one stretch.
    pub(crate) fn ok(&self, position: usize) -> u64 {
        self.sorted[position].len() as u64
    }

    /// The quantile over time, in seconds and milliseconds. Where nothing ended ok the line is broken.
    pub(crate) fn lines(&self, thousandths: usize) -> Vec<Vec<(f64, f64)>> {
        let mut lines = vec![Vec::new()];
        for position in 0..self.sorted.len() {
            match self.at(position, thousandths) {
                Some(ns) => {
                    let (from, until) = self.stretches.extent(position);
                    lines
                        .last_mut()
                        .expect("there is always a line")
                        .push(((from + until) / 2.0, ns as f64 / 1e6));
                }
                None => lines.push(Vec::new()),
            }
        }
        lines.retain(|line| !line.is_empty());
        lines
    }
}

/// The nearest-rank quantile of sorted numbers, the share given in thousandths: one of the numbers.
pub(crate) fn quantile<T: Copy>(sorted: &[T], thousandths: usize) -> Option<T> {
    sorted.get(rank(sorted.len(), thousandths)).copied()
}

/// At which place of so many sorted numbers a quantile stands, from 0.
pub(crate) fn rank(count: usize, thousandths: usize) -> usize {
    (count * thousandths).div_ceil(1_000).max(1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_number_that_was_seen() {
        assert_eq!(quantile::<u64>(&[], 500), None);
        assert_eq!(quantile(&[1, 2, 3, 4], 500), Some(2));
        assert_eq!(quantile(&[1, 2, 3, 4], 990), Some(4));
        assert_eq!(quantile(&[7], 0), Some(7));
        let thousand: Vec<u64> = (1..=1_000).collect();
        assert_eq!(
            [0, 1, 500, 900, 990, 999, 1_000].map(|share| quantile(&thousand, share)),
            [1, 1, 500, 900, 990, 999, 1_000].map(Some)
        );
    }

    #[test]
    fn merged_stretches_end_where_some_stretch_ended() {
        let stretches = Stretches::of(61_900_000_000);
        assert_eq!(stretches.count(), 61);
        assert_eq!(stretches.merged(61), stretches);
        let merged = stretches.merged(60);
        assert_eq!(merged.count(), 30);
        assert_eq!(merged.extent(0), (0.0, 2.0));
        assert_eq!(merged.extent(29), (58.0, 61.9));
        assert_eq!(stretches.merged(0).count(), 1);
    }

    #[test]
    fn the_last_stretch_takes_what_remains() {
        let stretches = Stretches::of(60_060_000_000);
        assert_eq!((stretches.count, stretches.extent(0)), (60, (0.0, 1.0)));
        assert_eq!(stretches.extent(59), (59.0, 60.06));
        assert_eq!(
            [0, 59_999_999_999, 60_050_000_000, u64::MAX].map(|at| stretches.position(at)),
            [0, 59, 59, 59]
        );
        for ended_ns in [1, 999, 1_000_000_007, 3_600_000_000_000, u64::MAX] {
            assert!(
                (20..=STRETCHES as usize).contains(&Stretches::of(ended_ns).count),
                "{ended_ns}"
            );
        }
    }
}
