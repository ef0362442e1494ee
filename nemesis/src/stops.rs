//! When faults had nodes down, as far as a record tells: it says when a fault began and ended, and the schedule what it did in between.

use crate::record::{FaultRecord, FaultStatus, Record};
use crate::schedule::{Action, DiskTrouble, Fault};
use crate::trial::Trial;
use std::collections::BTreeMap;
use stormglass_impls::contract::NodeId;

/// A node that was down from a time until another, in simulated nanoseconds.
pub type Stop = (NodeId, u64, u64);

/// Every stop of every fault that really happened, in the order of the schedule. Where two faults stop one node, both say so.
pub fn stops(trial: &Trial, record: &Record, ended_ns: u64) -> Vec<Stop> {
    each(trial, record, |fault, went| of(fault, went, ended_ns))
}

/// When a node had been started anew at the latest, by faults of which nobody knows when they stopped it: disks that fail, and disks that
/// are found damaged at a start.
pub fn restarts(trial: &Trial, record: &Record) -> Vec<(NodeId, u64)> {
    each(trial, record, |fault, went| {
        let stopped = matches!(
            fault.action,
            Action::Disk {
                trouble: DiskTrouble::Fails
                    | DiskTrouble::Full
                    | DiskTrouble::Lies
                    | DiskTrouble::Misdirects,
                ..
            }
        );
        let until_ns = went.until_ns.filter(|_| stopped);
        let nodes = went.nodes.iter();
        nodes.filter_map(|node| Some((*node, until_ns?))).collect()
    })
}

fn each<T>(trial: &Trial, record: &Record, of: impl Fn(&Fault, &FaultRecord) -> Vec<T>) -> Vec<T> {
    let planned: BTreeMap<u32, &Fault> = trial
        .schedule
        .iter()
        .map(|fault| (fault.id, fault))
        .collect();
    let happened = record
        .faults
        .iter()
        .filter(|went| went.status == FaultStatus::Installed);
    happened
        .filter_map(|went| Some(of(planned.get(&went.id)?, went)))
        .flatten()
        .collect()
}

/// The stops of one fault: rounds as the conductor makes them.
pub(crate) fn of(fault: &Fault, went: &FaultRecord, ended_ns: u64) -> Vec<Stop> {
    const NS_PER_MS: u64 = 1_000_000;
    let Some(from_ns) = went.from_ns else {
        return Vec::new();
    };
    let until_ns = went.until_ns.unwrap_or(ended_ns).max(from_ns);
    let mut stops = Vec::new();
    match &fault.action {
        Action::CrashLoop { up_ms, down_ms, .. } => {
            let (down_ns, up_ns) = (
                down_ms.saturating_mul(NS_PER_MS),
                up_ms.saturating_mul(NS_PER_MS),
            );
            let (down_ns, up_ns) = (down_ns.max(NS_PER_MS), up_ns.max(NS_PER_MS));
            let mut at_ns = from_ns;
            while at_ns < until_ns {
                let up_again_ns = at_ns.saturating_add(down_ns).min(until_ns);
                stops.extend(went.nodes.iter().map(|node| (*node, at_ns, up_again_ns)));
                at_ns = up_again_ns.saturating_add(up_ns);
            }
        }
        Action::RollingRestart { order, down_ms } => {
            let pace_ms = (fault.lasts_ms / order.len().max(1) as u64).max(down_ms + 1);
            for (turn, node) in (0..).zip(order) {
                let at_ns =
                    from_ns.saturating_add(pace_ms.saturating_mul(turn).saturating_mul(NS_PER_MS));
                if at_ns >= until_ns {
                    break;
                }
                let up_again_ns = at_ns.saturating_add(down_ms * NS_PER_MS).min(until_ns);
                stops.push((*node, at_ns, up_again_ns));
            }
        }
        _ if went.kind.keeps_down() => {
            stops.extend(went.nodes.iter().map(|node| (*node, from_ns, until_ns)));
        }
        _ => {}
    }
    stops
}
