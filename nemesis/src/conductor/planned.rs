//! A fault in its life: what was planned, how far it has come, and whether it happened at all.

use crate::conditions::Conditions;
use crate::faults::FaultKind;
use crate::record::{FaultRecord, FaultStatus};
use crate::schedule::{Action, Fault, When};
use std::collections::BTreeSet;
use stormglass_impls::contract::NodeId;

/// A fault of the schedule, and what became of it so far.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    pub(super) record: FaultRecord,
    /// The node that fact is about.
    pub(super) subject: Option<NodeId>,
    /// How many rounds of a fault that has rounds are over.
    pub(super) round: usize,
    /// How many nodes it stopped.
    pub(super) stopped: u64,
    /// How often members or leaders changed while it lasted, where that is what it wants.
    pub(super) changes: u64,
}

impl Planned {
    /// Whether it has begun and is not over.
    pub(super) fn lasts(&self) -> bool {
        self.record.from_ns.is_some() && self.record.until_ns.is_none()
    }
}

/// Which of the faults wait for a fact.
pub(super) fn waits(faults: &[Planned]) -> BTreeSet<usize> {
    let waits = |(at, planned): (usize, &Planned)| {
        matches!(planned.fault.when, When::OnFact { .. }).then_some(at)
    };
    faults.iter().enumerate().filter_map(waits).collect()
}

/// Whether a fault has done its work when it has stopped a node. Others must show what they did to a disk.
fn counts_stops(kind: FaultKind) -> bool {
    kind.info().family == "crash" || kind == FaultKind::KillChanger
}

/// Decides from what a fault did whether it happened.
pub(super) fn settle(planned: &mut Planned, conditions: &Conditions, feigned: bool) {
    let record = &mut planned.record;
    if record.from_ns.is_none() {
        return;
    }
    record.effects = match counts_stops(record.kind) {
        _ if feigned => 1,
        true => planned.stopped,
        false if matches!(planned.fault.action, Action::Manage { .. }) => planned.changes,
        false => conditions.weather.met(record.id) + conditions.machines.met(record.id),
    };
    record.status = if record.effects > 0 {
        FaultStatus::Installed
    } else {
        let missing = match record.kind.info().family {
            "partition" | "message" | "slow" => "no frame met it",
            "pause" => "nothing waited for the node",
            "clock" => "nobody read the clock",
            "membership" => "the cluster did not get to it in time",
            _ => "the disk had nothing to lose",
        };
        FaultStatus::Indeterminate {
            reason: missing.to_string(),
        }
    };
}
