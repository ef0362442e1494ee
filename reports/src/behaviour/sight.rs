//! The calls and the faults of a run, sorted once, so that what is asked for each key and each fault takes a few binary searches.

use super::ranks::{Peaks, Ranks};
use crate::bands::Band;
use crate::calls::{Call, Ending};
use crate::stretches::rank;
use std::collections::BTreeMap;

/// The calls of a run, by time of call.
pub(super) struct Sight {
    /// When each was called, ascending.
    called: Vec<u64>,
    /// When each returned, ascending; those that never did, at the end of the run.
    returned: Vec<u64>,
    /// The earliest return of what was called then or later; those that never returned, never.
    earliest_return: Vec<u64>,
    ok: Returned,
    /// How long each of those took.
    ok_latencies: Ranks,
    /// What certainly changed nothing.
    fail: Returned,
    /// The moments between which nothing ended ok: the first call, every return that was ok, the last return.
    quiet: Vec<u64>,
    gaps: Peaks,
}

/// Some of the calls, by time of call.
struct Returned {
    called: Vec<u64>,
    returns: Ranks,
    /// The earliest return of those called then or later.
    earliest: Vec<u64>,
}

impl Returned {
    /// `calls` are ascending by time of call.
    fn of<'a>(calls: impl Iterator<Item = &'a Call<'a>>) -> Self {
        let times = calls.map(|call| (call.called_ns(), call.called_ns().max(returned_ns(call))));
        let (called, returns): (Vec<u64>, Vec<u64>) = times.unzip();
        Self {
            earliest: earliest(&returns),
            returns: Ranks::of(&returns),
            called,
        }
    }

    /// Those called from one moment to before another, by place.
    fn stretch(&self, from_ns: u64, until_ns: u64) -> (usize, usize) {
        (
            before(&self.called, from_ns),
            before(&self.called, until_ns),
        )
    }
}

/// When a call returned; never, if it did not.
fn returned_ns(call: &Call<'_>) -> u64 {
    call.completion
        .map_or(u64::MAX, |completion| completion.time)
}

/// How many of sorted moments are before one.
fn before(sorted: &[u64], at_ns: u64) -> usize {
    sorted.partition_point(|other| *other < at_ns)
}

/// How many of sorted moments are not after one.
fn until(sorted: &[u64], at_ns: u64) -> usize {
    sorted.partition_point(|other| *other <= at_ns)
}

/// The least of each number and those behind it.
fn earliest(moments: &[u64]) -> Vec<u64> {
    let mut earliest: Vec<u64> = moments.to_vec();
    for at in (1..moments.len()).rev() {
        earliest[at - 1] = earliest[at - 1].min(earliest[at]);
    }
    earliest
}

/// What was called in a stretch of time, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) operations: u64,
    /// Ended ok, then or later.
    pub(super) ok: u64,
    /// Ended ok before the stretch was over.
    pub(super) ok_within: u64,
    /// Ended ok or certainly changed nothing, then or later.
    pub(super) answered: u64,
    pub(super) answered_within: u64,
    /// The median latency of what ended ok.
    pub(super) median_ns: Option<u64>,
}

impl Sight {
    pub(super) fn of(calls: &[Call<'_>], ended_ns: u64) -> Self {
        let mut calls = calls.to_vec();
        calls.sort_by_key(Call::called_ns);
        let called: Vec<u64> = calls.iter().map(Call::called_ns).collect();
        let mut returned: Vec<u64> = calls.iter().map(|call| call.until_ns(ended_ns)).collect();
        let earliest_return = earliest(&calls.iter().map(returned_ns).collect::<Vec<u64>>());
        returned.sort_unstable();
        let mut ended: BTreeMap<Ending, Vec<Call<'_>>> = BTreeMap::new();
        for call in &calls {
            ended.entry(call.ending()).or_default().push(*call);
        }
        let ok = ended.remove(&Ending::Ok).unwrap_or_default();
        let fail = ended.remove(&Ending::Fail).unwrap_or_default();
        let latencies: Vec<u64> = ok.iter().filter_map(Call::latency_ns).collect();
        let mut quiet: Vec<u64> = ok.iter().map(|call| call.until_ns(ended_ns)).collect();
        quiet.extend(called.first());
        quiet.extend(returned.last());
        quiet.sort_unstable();
        let gaps: Vec<u64> = quiet.windows(2).map(|pair| pair[1] - pair[0]).collect();
        Self {
            ok: Returned::of(ok.iter()),
            ok_latencies: Ranks::of(&latencies),
            fail: Returned::of(fail.iter()),
            gaps: Peaks::of(&gaps),
            called,
            returned,
            earliest_return,
            quiet,
        }
    }

    /// What was called from one moment to before another.
    pub(super) fn called(&self, from_ns: u64, until_ns: u64) -> Called {
        let ok = self.ok.stretch(from_ns, until_ns);
        let fail = self.fail.stretch(from_ns, until_ns);
        let all = (
            before(&self.called, from_ns),
            before(&self.called, until_ns),
        );
        let count = |stretch: (usize, usize)| (stretch.1.saturating_sub(stretch.0)) as u64;
        let ok_within = self.ok.returns.below(ok, until_ns);
        Called {
            operations: count(all),
            ok: count(ok),
            ok_within,
            answered: count(ok) + count(fail),
            answered_within: ok_within + self.fail.returns.below(fail, until_ns),
            median_ns: self.ok_latencies.nth(ok, rank(count(ok) as usize, 500)),
        }
    }

    /// The longest time in which nothing returned ok, of those that share a moment with a stretch of time. Before the first call and after the
    /// last return nobody waited for anything.
    pub(super) fn stall_ns(&self, from_ns: u64, until_ns: u64) -> Option<u64> {
        let first = until(&self.quiet, from_ns).saturating_sub(1);
        let last = before(&self.quiet, until_ns.max(from_ns.saturating_add(1)));
        let last = last.min(self.quiet.len().saturating_sub(1));
        self.gaps.greatest(first, last)
    }

    /// The same of those that were over by then.
    pub(super) fn stall_over_ns(&self, until_ns: u64) -> Option<u64> {
        self.gaps
            .greatest(0, until(&self.quiet, until_ns).saturating_sub(1))
    }

    /// When the first operation that was called then or later returned ok.
    pub(super) fn served_ns(&self, from_ns: u64) -> Option<u64> {
        self.ok
            .earliest
            .get(before(&self.ok.called, from_ns))
            .copied()
    }

    /// Whether any operation was called then or later.
    pub(super) fn any_called_since(&self, at_ns: u64) -> bool {
        self.called.last().is_some_and(|called| *called >= at_ns)
    }

    /// How many operations were open at a moment.
    pub(super) fn open(&self, at_ns: u64) -> u64 {
        until(&self.called, at_ns).saturating_sub(before(&self.returned, at_ns)) as u64
    }

    /// Whether an operation was called and returned from one moment to another.
    pub(super) fn any_within(&self, from_ns: u64, until_ns: u64) -> bool {
        let first = self.earliest_return.get(before(&self.called, from_ns));
        first.is_some_and(|returned| *returned <= until_ns)
    }
}

/// When the faults of a run were in force.
pub(super) struct Forces {
    from: Vec<u64>,
    /// The ends, in the order of the beginnings.
    ends: Ranks,
    /// The ends, ascending.
    until: Vec<u64>,
}

impl Forces {
    /// `bands` are in the order in which they began.
    pub(super) fn of(bands: &[Band]) -> Self {
        let mut until: Vec<u64> = bands.iter().map(|band| band.until_ns).collect();
        let ends = Ranks::of(&until);
        until.sort_unstable();
        Self {
            from: bands.iter().map(|band| band.from_ns).collect(),
            ends,
            until,
        }
    }

    /// How many are in force just after a moment: what ends then is over.
    pub(super) fn after(&self, at_ns: u64) -> u64 {
        (until(&self.from, at_ns) - until(&self.until, at_ns)) as u64
    }

    /// How many were in force while any of some operations was open, each of them once. `open` is when they were called and returned; it is
    /// sorted here.
    ///
    /// Those that share a moment with one stretch are counted by their ends. Stretches that do not touch share the faults that reach over the
    /// gap between them.
    pub(super) fn met(&self, open: &mut [(u64, u64)]) -> u64 {
        open.sort_unstable();
        let mut met = 0;
        let mut last: Option<(u64, u64)> = None;
        let meets = |(from_ns, until_ns): (u64, u64)| {
            until(&self.from, until_ns) - before(&self.until, from_ns)
        };
        for next in open.iter().copied() {
            match &mut last {
                Some(stretch) if next.0 <= stretch.1 => stretch.1 = stretch.1.max(next.1),
                _ => {
                    if let Some(stretch) = last {
                        met += meets(stretch);
                        met -= self.spans(stretch.1, next.0);
                    }
                    last = Some(next);
                }
            }
        }
        (met + last.map_or(0, meets)) as u64
    }

    /// How many began by one moment and ended at another or later.
    fn spans(&self, began_ns: u64, ended_ns: u64) -> usize {
        let began = until(&self.from, began_ns);
        began - self.ends.below((0, began), ended_ns) as usize
    }
}
