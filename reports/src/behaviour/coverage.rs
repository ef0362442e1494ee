//! What the faults of a run were put to: which kind, aimed at whom, while which operations were open.

use super::aim::Aim;
use super::sight::Sight;
use crate::bands::Band;
use crate::reigns::Reign;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::faults::{FAULTS, FaultKind};
use stormglass_nemesis::record::Record;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::Trial;

/// What the faults of a run were put to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultCoverage {
    /// The faults that did something, by kind and aim.
    pub rows: Vec<AimRow>,
    /// The kinds that could have been, and were not installed in this run.
    pub never: Vec<FaultKind>,
}

/// The faults of a kind with the same aim. A fault may count in several of the last three columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AimRow {
    /// The kind.
    pub kind: FaultKind,
    /// Whom they were aimed at.
    pub aim: Aim,
    /// How many did something.
    pub installed: u64,
    /// How many of them met no open operation at all.
    pub met_none: u64,
    /// How many began while an operation was open.
    pub open_at_begin: u64,
    /// How many ended while an operation was open.
    pub open_at_end: u64,
    /// How many saw an operation called and returned.
    pub some_within: u64,
}

pub(super) fn coverage(
    trial: &Trial,
    record: &Record,
    sight: &Sight,
    bands: &[Band],
    reigns: &[Reign],
) -> FaultCoverage {
    let planned: BTreeMap<u32, _> = trial
        .schedule
        .iter()
        .map(|fault| (fault.id, fault))
        .collect();
    let went: BTreeMap<u32, _> = record
        .faults
        .iter()
        .map(|fault| (fault.id, fault))
        .collect();
    let leaders = leaders_at(reigns, bands.iter().map(|band| band.from_ns));
    let mut rows: BTreeMap<(FaultKind, Aim), AimRow> = BTreeMap::new();
    for (band, leader) in bands.iter().zip(leaders).filter(|(band, _)| band.certain) {
        let Some(went) = went.get(&band.id) else {
            continue;
        };
        let aim = Aim::of(planned.get(&band.id).copied(), went, leader, trial.nodes);
        let row = rows.entry((band.kind, aim)).or_insert(AimRow {
            kind: band.kind,
            aim,
            installed: 0,
            met_none: 0,
            open_at_begin: 0,
            open_at_end: 0,
            some_within: 0,
        });
        let at_begin = sight.open(band.from_ns) > 0;
        let at_end = sight.open(band.until_ns) > 0;
        let within = sight.any_within(band.from_ns, band.until_ns);
        row.installed += 1;
        row.met_none += u64::from(!at_begin && !at_end && !within);
        row.open_at_begin += u64::from(at_begin);
        row.open_at_end += u64::from(at_end);
        row.some_within += u64::from(within);
    }
    let installed: BTreeSet<FaultKind> = rows.keys().map(|(kind, _)| *kind).collect();
    let mut never = possible(trial);
    never.retain(|kind| !installed.contains(kind));
    FaultCoverage {
        rows: rows.into_values().collect(),
        never,
    }
}

/// The kinds that the arena can make, the cluster is large enough for, and the trial may use.
fn possible(trial: &Trial) -> Vec<FaultKind> {
    let mut kinds = match catalog::system(&trial.cluster) {
        Some(system) => swarm::kinds_of(trial, system.as_ref()),
        None => FAULTS
            .iter()
            .filter(|info| info.foreign && info.arenas.contains(&trial.arena))
            .map(|info| info.kind)
            .collect(),
    };
    kinds.retain(|kind| trial.nodes >= kind.info().nodes_min);
    kinds
}

/// Who led at some moments: of several that believed so, the one in the latest term. Who is stopped at a moment led at it.
fn leaders_at(reigns: &[Reign], moments: impl Iterator<Item = u64>) -> Vec<Option<NodeId>> {
    // At one moment reigns begin first and end last.
    const BEGINS: u8 = 0;
    const ASKED: u8 = 1;
    const ENDS: u8 = 2;
    let mut turns: Vec<(u64, u8, usize)> = moments
        .enumerate()
        .map(|(at, moment_ns)| (moment_ns, ASKED, at))
        .collect();
    let mut leaders = vec![None; turns.len()];
    for (at, reign) in reigns.iter().enumerate() {
        turns.push((reign.from_ns, BEGINS, at));
        turns.push((reign.until_ns.max(reign.from_ns), ENDS, at));
    }
    turns.sort_unstable();
    let mut reigning: BTreeSet<(u64, usize)> = BTreeSet::new();
    for (_, turn, at) in turns {
        match turn {
            BEGINS => {
                reigning.insert((reigns[at].epoch, at));
            }
            ENDS => {
                reigning.remove(&(reigns[at].epoch, at));
            }
            _ => leaders[at] = reigning.last().map(|(_, reign)| reigns[*reign].node),
        }
    }
    leaders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reigns::ReignEnd;

    #[test]
    fn of_two_that_believe_to_lead_the_later_term_counts() {
        let reign = |node, epoch, from_ns, until_ns| Reign {
            node: NodeId(node),
            epoch,
            from_ns,
            until_ns,
            end: ReignEnd::SteppedDown,
        };
        let reigns = [
            reign(1, 1, 10, 40),
            reign(2, 2, 20, 30),
            reign(3, 3, 50, 50),
        ];
        let asked = [9, 10, 20, 30, 31, 40, 41, 50, 51];
        let leaders = leaders_at(&reigns, asked.into_iter());
        let wanted = [0, 1, 2, 2, 1, 1, 0, 3, 0];
        assert_eq!(
            leaders,
            wanted.map(|node| (node > 0).then_some(NodeId(node)))
        );
    }
}
