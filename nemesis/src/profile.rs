//! Schedules made from a seed.
//!
//! A storm is a row of faults in a rhythm that each seed has for itself, from three a second to one in a few seconds; what a fast rhythm
//! brings is short. Faults overlap now and then. The shape is what finds bugs: blips shorter than an election timeout, cuts long enough
//! for a new leader to be chosen behind them, and leaders stopped as soon as they lead.

use crate::schedule::{Action, Fault, FaultKind, Target, Trigger, When};
use stormglass_impls::contract::NodeId;
use stormglass_workloads::draw::Draws;

/// How a storm is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How many nodes the cluster has.
    pub nodes: u8,
    /// How long it lasts, in milliseconds.
    pub storm_ms: u64,
    /// Below this, nobody misses a node: the shortest election timeout, in milliseconds.
    pub election_timeout_ms_min: u64,
    /// The kinds of fault to draw from.
    pub kinds: Vec<FaultKind>,
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
}

impl Storm {
    /// The schedule of this storm. The calm at its start lets a first leader come up; the one at its end is the healing.
    pub fn schedule(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let kinds: Vec<FaultKind> = self
            .kinds
            .iter()
            .copied()
            .filter(|kind| self.nodes >= fewest_nodes(*kind))
            .collect();
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
            let row = if kind == FaultKind::KillFreshLeader {
                self.row(id, &kinds)
            } else {
                vec![kind]
            };
            for (id, kind) in (id..).zip(row) {
                faults.push(self.fault(id, kind, at_ms));
            }
            // A row of kills begins with the leader of the day, whoever a crash was drawn for.
            if let (FaultKind::KillFreshLeader, Action::Crash { target }) =
                (kind, &mut faults[id as usize].action)
            {
                *target = Target::Leader;
            }
        }
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
        let node = NodeId(self.draw(id, Purpose::Node, 1, self.nodes.into()) as u8);
        let order = self.shuffled(id);
        let minority =
            self.draw(id, Purpose::Size, 1, u64::from((self.nodes - 1) / 2).max(1)) as usize;
        let (some, others) = order.split_at(minority.min(order.len()));
        let blip_ms = self.election_timeout_ms_min.saturating_sub(10).max(20);
        let (action, low_ms, high_ms) = match kind {
            FaultKind::PartitionHalves => (
                Action::Split {
                    left: some.to_vec(),
                    right: others.to_vec(),
                },
                200,
                4_000,
            ),
            FaultKind::PartitionOne => (
                Action::Isolate {
                    target: Target::Node(node),
                },
                200,
                4_000,
            ),
            FaultKind::PartitionLeader => (
                Action::Isolate {
                    target: Target::Leader,
                },
                200,
                4_000,
            ),
            FaultKind::PartitionOneWay if self.draw(id, Purpose::Leader, 0, 1) == 0 => (
                Action::OneWay {
                    from: some.to_vec(),
                    to: others.to_vec(),
                },
                200,
                3_000,
            ),
            FaultKind::PartitionOneWay => (
                Action::OneWay {
                    from: others.to_vec(),
                    to: some.to_vec(),
                },
                200,
                3_000,
            ),
            FaultKind::PartitionRing => (
                Action::Ring {
                    order: order.clone(),
                },
                300,
                4_000,
            ),
            FaultKind::Crash => {
                let leader = self.draw(id, Purpose::Leader, 0, 1) == 0;
                let target = if leader {
                    Target::Leader
                } else {
                    Target::Node(node)
                };
                (Action::Crash { target }, 20, 3_000)
            }
            FaultKind::PowerBlip => {
                let all = self.draw(id, Purpose::Size, 0, 1) == 0;
                let nodes = if all {
                    NodeId::all(self.nodes).collect()
                } else {
                    some.to_vec()
                };
                (Action::PowerBlip { nodes }, 10, blip_ms)
            }
            FaultKind::KillFreshLeader => (
                Action::Crash {
                    target: Target::Subject,
                },
                20,
                600,
            ),
            FaultKind::SlowLinks => {
                let delay_ms_max = self.draw(id, Purpose::Delay, 20, 200);
                let (from, to) = (some.to_vec(), NodeId::all(self.nodes).collect());
                (
                    Action::SlowLinks {
                        from,
                        to,
                        delay_ms_min: 5,
                        delay_ms_max,
                    },
                    500,
                    5_000,
                )
            }
        };
        let when = match kind {
            FaultKind::KillFreshLeader => {
                let soon = self.draw(id, Purpose::Leader, 0, 1) == 0;
                let after_ms = self.draw(id, Purpose::After, 0, if soon { 3 } else { 40 });
                When::OnFact {
                    fact: Trigger::BecameLeader,
                    from_ms: at_ms,
                    after_ms,
                }
            }
            _ => When::AtMs(at_ms),
        };
        let high_ms = high_ms.min(self.beat_ms() * 5 / 4);
        Fault {
            id,
            action,
            when,
            lasts_ms: self.draw(id, Purpose::Lasts, low_ms.min(high_ms), high_ms),
        }
    }

    /// All nodes, in an order drawn for one fault.
    fn shuffled(&self, fault: u32) -> Vec<NodeId> {
        let draws = Draws::new(self.seed, "storm order");
        let mut nodes: Vec<NodeId> = NodeId::all(self.nodes).collect();
        nodes.sort_by_key(|node| draws.at(&[fault.into(), Purpose::Order as u64, node.0.into()]));
        nodes
    }
}

/// The smallest cluster in which a kind of fault means something.
pub fn fewest_nodes(kind: FaultKind) -> u8 {
    match kind {
        FaultKind::Crash | FaultKind::PowerBlip | FaultKind::KillFreshLeader => 1,
        FaultKind::PartitionRing => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::FAULTS;

    fn storm(nodes: u8, seed: u64) -> Storm {
        let kinds = FAULTS.iter().map(|info| info.kind).collect();
        Storm {
            nodes,
            storm_ms: 60_000,
            election_timeout_ms_min: 150,
            kinds,
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
                    fault.validate(nodes).unwrap();
                }
            }
        }
    }

    #[test]
    fn every_kind_comes_up_and_is_recognised() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            seen.extend(storm(5, seed).schedule().iter().map(Fault::kind));
        }
        assert_eq!(seen.len(), FAULTS.len(), "{seen:?}");
    }

    #[test]
    fn a_power_blip_is_shorter_than_an_election_timeout() {
        let blips = (0..50).flat_map(|seed| storm(5, seed).schedule());
        let blips: Vec<_> = blips
            .filter(|fault| fault.kind() == FaultKind::PowerBlip)
            .collect();
        assert!(blips.len() > 50);
        assert!(blips.iter().all(|fault| fault.lasts_ms < 150));
    }
}
