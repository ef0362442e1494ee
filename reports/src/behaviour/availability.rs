//! How much of what was asked was answered while each fault was in force, against the calm before the first.

use super::sight::{Called, Sight};
use crate::bands::Band;
use crate::stretches::quantile;
use serde::Serialize;
use std::collections::BTreeMap;
use stormglass_nemesis::faults::FaultKind;

/// What was asked and answered, in calm and under each fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Availability {
    /// Before the first fault; the whole run, if there was none.
    pub calm: Served,
    /// While each fault was in force, in the order in which they began.
    pub windows: Vec<Window>,
    /// The same by kind of fault.
    pub kinds: Vec<KindWindows>,
}

/// What was called in a stretch of time, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Served {
    /// Where the stretch begins, in nanoseconds.
    pub from_ns: u64,
    /// Where it ends, in nanoseconds.
    pub until_ns: u64,
    /// How many operations were called in it.
    pub operations: u64,
    /// How many of them ended ok, in it or later.
    pub ok: u64,
    /// How many of them ended ok before the stretch was over.
    pub ok_within: u64,
    /// How many of them ended ok or certainly changed nothing, in it or later.
    pub answered: u64,
    /// How many of them did so before the stretch was over.
    pub answered_within: u64,
    /// The median latency of those that ended ok, in nanoseconds.
    pub median_ns: Option<u64>,
    /// The longest time without any return that was ok, in nanoseconds, of those that share a moment with the stretch; in calm, of those that
    /// were over by its end. None where nobody waited for anything.
    pub stall_ns: Option<u64>,
}

/// What was called while a fault was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The fault's number in the schedule.
    pub fault: u32,
    /// Its kind.
    pub kind: FaultKind,
    /// Whom it befell: `n1 n3`.
    pub nodes: String,
    /// Whether it is known to have done something.
    pub certain: bool,
    /// What was called, and what came of it.
    pub served: Served,
}

/// What was called while faults of a kind were in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindWindows {
    /// The kind.
    pub kind: FaultKind,
    /// How many there were.
    pub windows: u64,
    /// How many operations were called in them; one that was called in two counts twice.
    pub operations: u64,
    /// The share that ended ok, then or later. Windows in which nothing was called have none.
    pub ok_share: Option<Spread<f64>>,
    /// The share that ended ok or certainly changed nothing.
    pub answered_share: Option<Spread<f64>>,
    /// The median latency, in nanoseconds.
    pub median_ns: Option<Spread<u64>>,
    /// The longest time without any return that was ok, in nanoseconds.
    pub stall_ns: Option<Spread<u64>>,
}

/// How something was over several windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread<T> {
    /// In the middle one: the nearest rank.
    pub median: T,
    /// In the worst.
    pub worst: T,
}

impl Served {
    fn of(called: Called, (from_ns, until_ns): (u64, u64), stall_ns: Option<u64>) -> Self {
        Self {
            from_ns,
            until_ns,
            operations: called.operations,
            ok: called.ok,
            ok_within: called.ok_within,
            answered: called.answered,
            answered_within: called.answered_within,
            median_ns: called.median_ns,
            stall_ns,
        }
    }

    /// The share of a count in what was called; none where nothing was.
    pub fn share(&self, count: u64) -> Option<f64> {
        (self.operations > 0).then(|| count as f64 / self.operations as f64)
    }
}

pub(super) fn availability(sight: &Sight, bands: &[Band], ended_ns: u64) -> Availability {
    let calm_ns = bands
        .first()
        .map_or(ended_ns.saturating_add(1), |band| band.from_ns);
    let stall_ns = sight.stall_over_ns(calm_ns);
    let windows: Vec<Window> = bands.iter().map(|band| window(sight, band)).collect();
    Availability {
        calm: Served::of(
            sight.called(0, calm_ns),
            (0, calm_ns.min(ended_ns)),
            stall_ns,
        ),
        kinds: kinds(&windows),
        windows,
    }
}

fn window(sight: &Sight, band: &Band) -> Window {
    let span = (band.from_ns, band.until_ns);
    let stall_ns = sight.stall_ns(band.from_ns, band.until_ns);
    Window {
        fault: band.id,
        kind: band.kind,
        nodes: band.nodes.clone(),
        certain: band.certain,
        served: Served::of(sight.called(band.from_ns, band.until_ns), span, stall_ns),
    }
}

fn kinds(windows: &[Window]) -> Vec<KindWindows> {
    let mut by_kind: BTreeMap<FaultKind, Vec<&Served>> = BTreeMap::new();
    for window in windows {
        by_kind.entry(window.kind).or_default().push(&window.served);
    }
    let row = |(kind, served): (FaultKind, Vec<&Served>)| {
        let share = |count: fn(&Served) -> u64| {
            let shares = served
                .iter()
                .filter_map(|served| served.share(count(served)));
            let mut shares: Vec<f64> = shares.collect();
            // What is worst comes last.
            shares.sort_by(|one, other| other.total_cmp(one));
            spread(&shares)
        };
        let time = |time: fn(&Served) -> Option<u64>| {
            let mut times: Vec<u64> = served.iter().filter_map(|served| time(served)).collect();
            times.sort_unstable();
            spread(&times)
        };
        KindWindows {
            kind,
            windows: served.len() as u64,
            operations: served.iter().map(|served| served.operations).sum(),
            ok_share: share(|served| served.ok),
            answered_share: share(|served| served.answered),
            median_ns: time(|served| served.median_ns),
            stall_ns: time(|served| served.stall_ns),
        }
    };
    by_kind.into_iter().map(row).collect()
}

/// The middle and the last of what is sorted from good to bad.
fn spread<T: Copy>(sorted: &[T]) -> Option<Spread<T>> {
    Some(Spread {
        median: quantile(sorted, 500)?,
        worst: *sorted.last()?,
    })
}
