//! How long it took until the cluster served again once something was healed.

use super::sight::{Forces, Sight};
use crate::bands::Band;
use crate::reigns::Reign;
use serde::Serialize;
use std::collections::BTreeSet;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::record::Record;

/// How the cluster recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Whether any node ever noted that it leads; without that nothing is known of leaders.
    pub leaders_known: bool,
    /// Every end of a fault, in order, and the healing at the end of the storm.
    pub heals: Vec<Heal>,
}

/// One healing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heal {
    /// Which fault ended, by number; none for the healing of everything.
    pub fault: Option<u32>,
    /// Its kind.
    pub kind: Option<FaultKind>,
    /// When it began, in nanoseconds.
    pub from_ns: Option<u64>,
    /// When it was healed, in nanoseconds.
    pub at_ns: u64,
    /// How many other faults were still in force just after.
    pub overlapped_by: u64,
    /// How long until the first operation called then or later returned ok.
    pub service: Back,
    /// For a fault that kept nodes down: how long until a node led, from the moment it began.
    pub leader_after_begin: Option<Back>,
    /// The same from the moment it was healed.
    pub leader_after_heal: Option<Back>,
}

/// How long something took to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Back {
    /// After so many nanoseconds.
    AfterNs(u64),
    /// It had not when the run ended.
    Never,
    /// Nobody asked: no operation was called then or later.
    Unasked,
}

impl Back {
    fn of(from_ns: u64, at_ns: Option<u64>) -> Self {
        at_ns.map_or(Back::Never, |at_ns| {
            Back::AfterNs(at_ns.saturating_sub(from_ns))
        })
    }
}

pub(super) fn recovery(
    sight: &Sight,
    forces: &Forces,
    bands: &[Band],
    reigns: &[Reign],
    record: &Record,
) -> Recovery {
    let leaders = Leaders::of(reigns);
    let leaders_known = !reigns.is_empty();
    // A fault that nobody lifted is not healed.
    let lifted: BTreeSet<u32> = record
        .faults
        .iter()
        .filter(|fault| fault.until_ns.is_some())
        .map(|fault| fault.id)
        .collect();
    let mut heals: Vec<Heal> = Vec::new();
    for band in bands.iter().filter(|band| lifted.contains(&band.id)) {
        let leader = |from_ns: u64| {
            let asked = leaders_known && band.stops_nodes() && band.certain;
            asked.then(|| Back::of(from_ns, leaders.led_ns(from_ns)))
        };
        heals.push(Heal {
            fault: Some(band.id),
            kind: Some(band.kind),
            from_ns: Some(band.from_ns),
            at_ns: band.until_ns,
            overlapped_by: forces.after(band.until_ns),
            service: service(sight, band.until_ns),
            leader_after_begin: leader(band.from_ns),
            leader_after_heal: leader(band.until_ns),
        });
    }
    // A storm that was cut short healed nothing, and where there was none there was nothing to heal.
    if record.healed_ns < record.ended_ns && !bands.is_empty() {
        let at_ns = record.healed_ns;
        heals.push(Heal {
            fault: None,
            kind: None,
            from_ns: None,
            at_ns,
            overlapped_by: forces.after(at_ns),
            service: service(sight, at_ns),
            leader_after_begin: None,
            leader_after_heal: leaders_known.then(|| Back::of(at_ns, leaders.led_ns(at_ns))),
        });
    }
    heals.sort_by_key(|heal| (heal.at_ns, heal.fault.is_none(), heal.fault));
    Recovery {
        leaders_known,
        heals,
    }
}

fn service(sight: &Sight, at_ns: u64) -> Back {
    if sight.any_called_since(at_ns) {
        Back::of(at_ns, sight.served_ns(at_ns))
    } else {
        Back::Unasked
    }
}

/// When some node led.
struct Leaders {
    from: Vec<u64>,
    /// The latest end of a reign that began as early as this one, or earlier.
    until: Vec<u64>,
}

impl Leaders {
    fn of(reigns: &[Reign]) -> Self {
        let mut spans: Vec<(u64, u64)> = reigns
            .iter()
            .map(|reign| (reign.from_ns, reign.until_ns))
            .collect();
        spans.sort_unstable();
        let until = spans.iter().scan(0, |latest, (_, until_ns)| {
            *latest = (*latest).max(*until_ns);
            Some(*latest)
        });
        Self {
            until: until.collect(),
            from: spans.iter().map(|(from_ns, _)| *from_ns).collect(),
        }
    }

    /// The first moment from one on at which a node led.
    fn led_ns(&self, at_ns: u64) -> Option<u64> {
        let began = self.from.partition_point(|from_ns| *from_ns <= at_ns);
        let leads = began > 0 && self.until[began - 1] > at_ns;
        if leads {
            Some(at_ns)
        } else {
            self.from.get(began).copied()
        }
    }
}
