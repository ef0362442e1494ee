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
}

/// Latencies of what ended ok, in milliseconds, by stretch of their call.
pub(crate) struct Quantiles {
    stretches: Stretches,
    sorted: Vec<Vec<f64>>,
}

impl Quantiles {
    pub(crate) fn of(calls: &[Call<'_>], stretches: Stretches) -> Self {
        let mut sorted = vec![Vec::new(); stretches.count];
        for call in calls.iter().filter(|call| call.ending() == Ending::Ok) {
            let latency = call.latency_ns().map(|ns| ns as f64 / 1e6);
            sorted[stretches.position(call.called_ns())].extend(latency);
        }
        for latencies in &mut sorted {
            latencies.sort_by(f64::total_cmp);
        }
        Self { stretches, sorted }
    }

    /// The quantile over time. Where nothing ended ok the line is broken.
    pub(crate) fn lines(&self, share: f64) -> Vec<Vec<(f64, f64)>> {
        let mut lines = vec![Vec::new()];
        for (position, sorted) in self.sorted.iter().enumerate() {
            match quantile(sorted, share) {
                Some(ms) => {
                    let (from, until) = self.stretches.extent(position);
                    lines
                        .last_mut()
                        .expect("there is always a line")
                        .push(((from + until) / 2.0, ms));
                }
                None => lines.push(Vec::new()),
            }
        }
        lines.retain(|line| line.len() > 1);
        lines
    }
}

/// The nearest-rank quantile of sorted numbers.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_number_that_was_seen() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.99), Some(4.0));
        assert_eq!(quantile(&[7.0], 0.0), Some(7.0));
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
