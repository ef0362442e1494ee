//! The faults in force, as bands of time.

use crate::units::{duration, moment};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::record::{FaultStatus, Record};

/// A fault that was set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    /// Its number in the schedule.
    pub(crate) id: u32,
    pub(crate) kind: FaultKind,
    /// When it began, in nanoseconds.
    pub(crate) from_ns: u64,
    /// When it was over, in nanoseconds; the end of the run, if it was not.
    pub(crate) until_ns: u64,
    /// Whom it befell: `n1 n3`.
    pub(crate) nodes: String,
    /// Whether it is known to have done something.
    pub(crate) certain: bool,
    /// On which row it stands, so that no two bands of a row overlap.
    pub(crate) row: usize,
}

/// The most rows; what finds no free row stands on the last.
const ROWS_MAX: usize = 6;

/// How close two bands of a row may come, as a share of the run: their labels need room.
const GAP_SHARE: u64 = 400;

/// The faults that were set up, in the order in which they began.
pub(crate) fn bands(record: &Record, ended_ns: u64) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for fault in &record.faults {
        let Some(from_ns) = fault.from_ns else {
            continue;
        };
        if matches!(fault.status, FaultStatus::Skipped { .. }) {
            continue;
        }
        bands.push(Band {
            id: fault.id,
            kind: fault.kind,
            from_ns,
            until_ns: fault.until_ns.unwrap_or(ended_ns).max(from_ns),
            nodes: fault
                .nodes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            certain: fault.status == FaultStatus::Installed,
            row: 0,
        });
    }
    bands.sort_by_key(|band| (band.from_ns, band.id));
    let mut free_from = [0; ROWS_MAX];
    for band in &mut bands {
        let row = free_from
            .iter()
            .position(|free| *free <= band.from_ns)
            .unwrap_or(ROWS_MAX - 1);
        band.row = row;
        free_from[row] = band.until_ns.saturating_add(ended_ns / GAP_SHARE);
    }
    bands
}

/// How many rows the bands take.
pub(crate) fn rows(bands: &[Band]) -> usize {
    bands.iter().map(|band| band.row + 1).max().unwrap_or(0)
}

impl Band {
    /// The family, which names its colour.
    pub(crate) fn family(&self) -> &'static str {
        self.kind.info().family
    }

    /// Whether it keeps its nodes down from its beginning to its end.
    pub(crate) fn stops_nodes(&self) -> bool {
        self.kind.keeps_down()
    }

    /// All of it in a line, for a tooltip.
    pub(crate) fn title(&self) -> String {
        format!(
            "{} (fault {}): {} from {} for {}{}",
            self.kind.name(),
            self.id,
            if self.nodes.is_empty() {
                "no node"
            } else {
                &self.nodes
            },
            moment(self.from_ns),
            duration(self.until_ns - self.from_ns),
            if self.certain {
                ""
            } else {
                "; nothing shows that it did anything"
            },
        )
    }
}
