//! Schedules made from a seed.
//!
//! A storm is a row of faults in a rhythm that each seed has for itself, from three a second to one in a few seconds; what a fast rhythm
//! brings is short. Faults overlap now and then. The shape is what finds bugs: blips shorter than an election timeout, cuts long enough
//! for a new leader to be chosen behind them, and leaders stopped as soon as they lead.
//!
//! See [`crate::swarm`] for what else a seed draws.

mod shapes;

use crate::faults::FaultKind;
use crate::schedule::{Action, ClockBend, Fault, Target, Trigger, When};
use stormglass_impls::contract::NodeId;
use stormglass_workloads::draw::Draws;

/// How a storm is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How many nodes the cluster has, spares and all.
    pub nodes: u8,
    /// How many of them, the last ones, have no vote to begin with.
    pub spares: u8,
    /// How long it lasts, in milliseconds.
    pub storm_ms: u64,
    /// Below this, nobody misses a node: the shortest election timeout, in milliseconds.
    pub election_timeout_ms_min: u64,
    /// The kinds of fault to draw from.
    pub kinds: Vec<FaultKind>,
    /// The kinds of message the cluster sends, for faults that choose among them.
    pub message_kinds: &'static [&'static str],
    /// How far a monotonic clock may drift, in percent.
    pub drift_percent_max: u64,
    /// The seed.
    pub seed: u64,
}

/// What a draw is for: the last of its keys.
#[derive(Clone, Copy)]
enum Purpose {
    Pause,
    Kind,
    Lasts,
    Node,
    Size,
    Leader,
    After,
    Order,
    Delay,
    Percent,
    Which,
    Down,
}

impl Storm {
    /// The schedule of this storm. The calm at its start lets a first leader come up; the one at its end is the healing.
    pub fn schedule(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let fits = self.kinds.iter().copied().filter(|kind| self.fits(*kind));
        let kinds: Vec<FaultKind> = fits.collect();
        if kinds.is_empty() {
            return faults;
        }
        let beat_ms = self.beat_ms();
        let mut at_ms = 1_000;
        loop {
            let id = faults.len() as u32;
            at_ms += self.draw(id, Purpose::Pause, beat_ms / 2, beat_ms * 2);
            if at_ms + 100 > self.storm_ms {
                return faults;
            }
            let kind = kinds[self.draw(id, Purpose::Kind, 0, kinds.len() as u64 - 1) as usize];
            let row = match kind {
                FaultKind::KillFreshLeader => self.row(id, &kinds),
                FaultKind::ClockDrift if self.cuts_slow_leader(id, &kinds) => {
                    vec![kind, FaultKind::PartitionLeader]
                }
                kind => vec![kind],
            };
            for (id, kind) in (id..).zip(row) {
                faults.push(self.fault(id, kind, at_ms));
            }
            // A leader that is to be cut off with a slow clock is given one.
            if let (true, Action::Clock { target, bend }) = (
                kind == FaultKind::ClockDrift && faults.len() as u32 > id + 1,
                &mut faults[id as usize].action,
            ) {
                let percent = -(self.drift_percent_max.min(90) as i64);
                (*target, *bend) = (Target::Leader, ClockBend::Drift { percent });
            }
            // A row of kills begins with the leader of the day, whoever a crash was drawn for.
            if let (FaultKind::KillFreshLeader, Action::Crash { target, .. }) =
                (kind, &mut faults[id as usize].action)
            {
                *target = Target::Leader;
            }
        }
    }

    /// The schedule of this storm over a cluster of which nobody knows who leads: what would be aimed at a leader befalls a node drawn from the seed.
    pub fn leaderless_schedule(&self) -> Vec<Fault> {
        let draws = Draws::new(self.seed, "node in place of a leader");
        let mut schedule = self.schedule();
        for fault in &mut schedule {
            if let Some(target) = fault.action.target_mut()
                && matches!(target, Target::Leader | Target::Behind)
            {
                let node = draws.within(&[fault.id.into()], 1..=self.nodes.into());
                *target = Target::Node(NodeId(node as u8));
            }
        }
        schedule
    }

    /// Whether a fault of this kind can befall the cluster, and there is something to draw it from.
    pub fn fits(&self, kind: FaultKind) -> bool {
        self.nodes >= kind.info().nodes_min && self.has_means(kind)
    }

    fn has_means(&self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::LoseKind => !self.message_kinds.is_empty(),
            FaultKind::ClockDrift => self.drift_percent_max > 0,
            FaultKind::ReplaceNode | FaultKind::AddNode => self.spares > 0,
            FaultKind::RemoveNode | FaultKind::TransferLeader => self.nodes - self.spares > 1,
            _ => true,
        }
    }

    /// Whether a leader whose clock is slow is cut off at the same time: it believes to lead for longer than the others wait.
    fn cuts_slow_leader(&self, fault: u32, kinds: &[FaultKind]) -> bool {
        kinds.contains(&FaultKind::PartitionLeader) && self.draw(fault, Purpose::Size, 0, 1) == 0
    }

    /// A leader taken away, and those that follow it stopped one after the other: what each left in its own log is held by some nodes and
    /// committed by none.
    fn row(&self, fault: u32, kinds: &[FaultKind]) -> Vec<FaultKind> {
        let mut row =
            vec![FaultKind::KillFreshLeader; self.draw(fault, Purpose::Size, 1, 4) as usize];
        let cut = kinds.contains(&FaultKind::PartitionLeader);
        row.insert(
            0,
            if cut {
                FaultKind::PartitionLeader
            } else {
                FaultKind::Crash
            },
        );
        row
    }

    /// The rhythm of this seed: the mean time between two faults is a little above it, and no fault lasts much longer.
    fn beat_ms(&self) -> u64 {
        let draws = Draws::new(self.seed, "storm rhythm");
        // Even over the scales, not over the lengths: fast rhythms find other bugs than slow ones.
        [300, 600, 1_200, 2_400][draws.within(&[0], 0..=3) as usize] + draws.within(&[1], 0..=300)
    }

    fn draw(&self, fault: u32, purpose: Purpose, low: u64, high: u64) -> u64 {
        Draws::new(self.seed, "storm").within(&[fault.into(), purpose as u64], low..=high)
    }

    fn fault(&self, id: u32, kind: FaultKind, at_ms: u64) -> Fault {
        let (action, low_ms, high_ms) = match kind.info().family {
            "partition" => self.partition(id, kind),
            "message" | "slow" => self.disturbance(id, kind),
            "crash" => self.crash(id, kind),
            "pause" => self.pause(id, kind),
            "disk" => self.disk(id, kind),
            "membership" => self.change(id, kind),
            _ => self.clock(id, kind),
        };
        let high_ms = high_ms.min(self.beat_ms() * 5 / 4);
        Fault {
            id,
            kind,
            action,
            when: self.when(id, kind, at_ms),
            lasts_ms: self.draw(id, Purpose::Lasts, low_ms.min(high_ms), high_ms),
        }
    }

    fn when(&self, id: u32, kind: FaultKind, at_ms: u64) -> When {
        let soon = self.draw(id, Purpose::Leader, 0, 1) == 0;
        let (fact, after_ms_max) = match kind {
            FaultKind::KillFreshLeader => (Trigger::BecameLeader, if soon { 3 } else { 40 }),
            FaultKind::PartitionElection => (Trigger::BecameLeader, if soon { 3 } else { 40 }),
            // Who has just been elected has committed nothing yet: the worst time to be asked for other members.
            FaultKind::RemoveNode if soon && self.kinds.contains(&FaultKind::PartitionElection) => {
                (Trigger::BecameLeader, 3)
            }
            FaultKind::KillVoter => (Trigger::Voted, if soon { 3 } else { 20 }),
            FaultKind::KillWriter | FaultKind::TornWrite | FaultKind::LoseUnsynced => {
                (Trigger::Persisting, if soon { 0 } else { 3 })
            }
            FaultKind::KillChanger => (Trigger::MembersChanged, if soon { 3 } else { 40 }),
            FaultKind::PartitionLeaver => (Trigger::HandedOver, 1),
            _ => return When::AtMs(at_ms),
        };
        When::OnFact {
            fact,
            from_ms: at_ms,
            after_ms: self.draw(id, Purpose::After, 0, after_ms_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FAULTS;

    fn storm(nodes: u8, seed: u64) -> Storm {
        let kinds = FAULTS.iter().map(|info| info.kind).collect();
        Storm {
            nodes,
            spares: nodes / 3,
            storm_ms: 60_000,
            election_timeout_ms_min: 150,
            kinds,
            message_kinds: &["vote", "append"],
            drift_percent_max: 50,
            seed,
        }
    }

    #[test]
    fn a_schedule_is_what_its_seed_says_and_fits_its_cluster() {
        for nodes in 1..=9 {
            for seed in 0..50 {
                let schedule = storm(nodes, seed).schedule();
                assert_eq!(schedule, storm(nodes, seed).schedule());
                for fault in &schedule {
                    fault
                        .validate(nodes)
                        .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
                }
            }
        }
    }

    #[test]
    fn every_kind_comes_up() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..40 {
            seen.extend(storm(5, seed).schedule().iter().map(|fault| fault.kind));
        }
        let missing: Vec<_> = FAULTS
            .iter()
            .filter(|info| !seen.contains(&info.kind))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_power_blip_is_shorter_than_an_election_timeout() {
        let blips = (0..100).flat_map(|seed| storm(5, seed).schedule());
        let blips: Vec<_> = blips
            .filter(|fault| fault.kind == FaultKind::PowerBlip)
            .collect();
        assert!(blips.len() > 50);
        assert!(blips.iter().all(|fault| fault.lasts_ms < 150));
    }
}
