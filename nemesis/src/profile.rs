//! Schedules made from a seed.
//!
//! A storm is a row of faults in a rhythm that each seed has for itself, from three a second to one in a few seconds; what a fast rhythm
//! brings is short. Faults overlap now and then. The shape is what finds bugs: blips shorter than an election timeout, cuts long enough
//! for a new leader to be chosen behind them, and leaders stopped as soon as they lead.
//!
//! See [`crate::swarm`] for what else a seed draws.

use crate::faults::FaultKind;
use crate::schedule::{
    Action, Change, ClockBend, DiskTrouble, Disturbance, Fault, Leaves, Links, Target, Trigger,
    When,
};
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

/// What a fault does, and how long it lasts from short to long, in milliseconds.
type Shape = (Action, u64, u64);

impl Storm {
    /// The schedule of this storm. The calm at its start lets a first leader come up; the one at its end is the healing.
    pub fn schedule(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let fits = |kind: &FaultKind| self.nodes >= kind.info().nodes_min && self.can_draw(*kind);
        let kinds: Vec<FaultKind> = self.kinds.iter().copied().filter(fits).collect();
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

    /// Whether there is something to draw a fault of this kind from.
    fn can_draw(&self, kind: FaultKind) -> bool {
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

    /// A node drawn for a fault.
    fn node(&self, id: u32) -> NodeId {
        NodeId(self.draw(id, Purpose::Node, 1, self.nodes.into()) as u8)
    }

    /// One node: named, or the leader, or one that is behind.
    fn one(&self, id: u32) -> Target {
        match self.draw(id, Purpose::Which, 0, 9) {
            0..=3 => Target::Leader,
            4 => Target::Behind,
            _ => Target::Node(self.node(id)),
        }
    }

    /// A minority, or all, or one.
    fn several(&self, id: u32) -> Target {
        match self.draw(id, Purpose::Which, 0, 5) {
            0 => Target::Nodes(NodeId::all(self.nodes).collect()),
            1 | 2 => Target::Nodes(self.groups(id).0),
            _ => self.one(id),
        }
    }

    /// All nodes, in an order drawn for one fault.
    fn shuffled(&self, fault: u32) -> Vec<NodeId> {
        let draws = Draws::new(self.seed, "storm order");
        let mut nodes: Vec<NodeId> = NodeId::all(self.nodes).collect();
        nodes.sort_by_key(|node| draws.at(&[fault.into(), Purpose::Order as u64, node.0.into()]));
        nodes
    }

    /// A minority, and the others.
    fn groups(&self, id: u32) -> (Vec<NodeId>, Vec<NodeId>) {
        let order = self.shuffled(id);
        let minority =
            self.draw(id, Purpose::Size, 1, u64::from((self.nodes - 1) / 2).max(1)) as usize;
        let (some, others) = order.split_at(minority.min(order.len()));
        (some.to_vec(), others.to_vec())
    }

    /// From some to all the others, or back, or between all.
    fn some_links(&self, id: u32) -> Links {
        let (some, others) = self.groups(id);
        match self.draw(id, Purpose::Leader, 0, 3) {
            0 => Links::OneWay {
                from: some,
                to: others,
            },
            1 => Links::OneWay {
                from: others,
                to: some,
            },
            2 => Links::Between {
                left: some,
                right: others,
            },
            _ => {
                let all: Vec<NodeId> = NodeId::all(self.nodes).collect();
                Links::OneWay {
                    from: all.clone(),
                    to: all,
                }
            }
        }
    }

    fn partition(&self, id: u32, kind: FaultKind) -> Shape {
        let (some, others) = self.groups(id);
        let links = match kind {
            FaultKind::FlakyLinks => {
                let period_ms = self.draw(id, Purpose::Delay, 10, 300);
                let (links, disturbance) = (self.some_links(id), Disturbance::Flaky { period_ms });
                return (Action::Disturb { links, disturbance }, 500, 4_000);
            }
            FaultKind::PartitionOne => Links::Around {
                target: Target::Node(self.node(id)),
            },
            FaultKind::PartitionLeader => Links::Around {
                target: Target::Leader,
            },
            FaultKind::PartitionOneWay if self.draw(id, Purpose::Leader, 0, 1) == 0 => {
                Links::OneWay {
                    from: some,
                    to: others,
                }
            }
            FaultKind::PartitionOneWay => Links::OneWay {
                from: others,
                to: some,
            },
            FaultKind::PartitionRing => Links::AcrossRing {
                order: self.shuffled(id),
            },
            FaultKind::PartitionBridge => {
                let order = self.shuffled(id);
                let (left, right) = order[1..].split_at((order.len() - 1) / 2);
                Links::Between {
                    left: left.to_vec(),
                    right: right.to_vec(),
                }
            }
            FaultKind::PartitionElection => {
                // As even as can be: of an even number of nodes no half can do anything alone.
                let order = self.shuffled(id);
                let (left, right) = order.split_at(order.len() / 2);
                Links::Between {
                    left: left.to_vec(),
                    right: right.to_vec(),
                }
            }
            FaultKind::PartitionRandom => Links::Pairs(self.some_pairs(id)),
            _ => Links::Between {
                left: some,
                right: others,
            },
        };
        let disturbance = Disturbance::Cut;
        let action = Action::Disturb { links, disturbance };
        match kind {
            // So short that the first words of a leader are lost, and what it says next is heard.
            FaultKind::PartitionElection if self.draw(id, Purpose::Size, 0, 1) == 0 => {
                (action, 2, 30)
            }
            _ => (action, 200, 4_000),
        }
    }

    /// Each pair of nodes or not, as it falls; one at least.
    fn some_pairs(&self, id: u32) -> Vec<(NodeId, NodeId)> {
        let draws = Draws::new(self.seed, "storm pairs");
        let nodes = NodeId::all(self.nodes);
        let all = nodes.clone().flat_map(|one| {
            nodes
                .clone()
                .filter(move |other| one < *other)
                .map(move |other| (one, other))
        });
        let all: Vec<(NodeId, NodeId)> = all.collect();
        let falls = |(one, other): &(NodeId, NodeId)| {
            draws.percent(&[id.into(), one.0.into(), other.0.into()], 50)
        };
        let some: Vec<(NodeId, NodeId)> = all.iter().copied().filter(falls).collect();
        if some.is_empty() {
            all[..1].to_vec()
        } else {
            some
        }
    }

    fn disturbance(&self, id: u32, kind: FaultKind) -> Shape {
        let percent = |low, high| self.draw(id, Purpose::Percent, low, high);
        let delay = |low, high| self.draw(id, Purpose::Delay, low, high);
        let disturbance = match kind {
            FaultKind::LoseMessages => Disturbance::Lose {
                percent: percent(5, 60),
                only: None,
            },
            FaultKind::LoseKind => {
                let which = self.draw(id, Purpose::Which, 0, self.message_kinds.len() as u64 - 1);
                let only = Some(self.message_kinds[which as usize].to_string());
                Disturbance::Lose {
                    percent: percent(50, 100),
                    only,
                }
            }
            FaultKind::ReorderMessages => Disturbance::Reorder {
                percent: percent(10, 60),
                late_ms_max: delay(5, 600),
            },
            FaultKind::DuplicateMessages => Disturbance::Duplicate {
                percent: percent(10, 60),
                apart_ms_max: delay(1, 400),
            },
            FaultKind::CorruptMessages => Disturbance::Corrupt {
                percent: percent(1, 10),
            },
            FaultKind::ResetLinks => Disturbance::Reset {
                percent: percent(1, 10),
            },
            FaultKind::ClogLinks => Disturbance::Clog,
            _ => Disturbance::Slow {
                delay_ms_min: 5,
                // Half of them longer than an election takes: then answers of one term arrive in the next.
                delay_ms_max: match self.draw(id, Purpose::Which, 0, 1) {
                    0 => delay(20, 200),
                    _ => delay(200, 1_000),
                },
            },
        };
        let links = match kind {
            FaultKind::SlowLinks => {
                let (from, to) = (self.groups(id).0, NodeId::all(self.nodes).collect());
                Links::OneWay { from, to }
            }
            FaultKind::SlowNode => Links::Around {
                target: self.one(id),
            },
            _ => self.some_links(id),
        };
        (Action::Disturb { links, disturbance }, 300, 5_000)
    }

    fn crash(&self, id: u32, kind: FaultKind) -> Shape {
        let blip_ms = self.election_timeout_ms_min.saturating_sub(10).max(20);
        let all = || Target::Nodes(NodeId::all(self.nodes).collect());
        let down_ms = self.draw(id, Purpose::Down, 10, 300);
        let (target, low_ms, high_ms) = match kind {
            FaultKind::CrashLoop => {
                let (target, up_ms) = (self.one(id), self.draw(id, Purpose::Delay, 30, 400));
                return (
                    Action::CrashLoop {
                        target,
                        up_ms,
                        down_ms,
                    },
                    400,
                    3_000,
                );
            }
            FaultKind::RollingRestart => {
                let order = self.shuffled(id);
                let lasts_ms = order.len() as u64 * (down_ms + 100);
                return (
                    Action::RollingRestart { order, down_ms },
                    lasts_ms,
                    lasts_ms * 2,
                );
            }
            FaultKind::CrashAll => (all(), 20, 2_000),
            FaultKind::PowerBlip if self.draw(id, Purpose::Size, 0, 1) == 0 => (all(), 10, blip_ms),
            FaultKind::PowerBlip => (Target::Nodes(self.groups(id).0), 10, blip_ms),
            FaultKind::KillFreshLeader | FaultKind::KillWriter => (Target::Subject, 20, 600),
            FaultKind::KillVoter => (Target::Subject, 10, blip_ms),
            FaultKind::KillNewcomer => (Target::Newcomer, 20, 600),
            _ => (self.one(id), 20, 3_000),
        };
        let leaves = match self.draw(id, Purpose::Percent, 0, 2) {
            0 => Leaves::Synced,
            _ => Leaves::Some,
        };
        (Action::Crash { target, leaves }, low_ms, high_ms)
    }

    fn pause(&self, id: u32, kind: FaultKind) -> Shape {
        match kind {
            FaultKind::PauseLeader => (
                Action::Pause {
                    target: Target::Leader,
                },
                100,
                3_000,
            ),
            FaultKind::SlowCpu => {
                let step_ms_max = self.draw(id, Purpose::Delay, 2, 30);
                let target = self.one(id);
                (
                    Action::SlowCpu {
                        target,
                        step_ms_min: 1,
                        step_ms_max,
                    },
                    300,
                    3_000,
                )
            }
            _ => (
                Action::Pause {
                    target: self.several(id),
                },
                50,
                3_000,
            ),
        }
    }

    fn disk(&self, id: u32, kind: FaultKind) -> Shape {
        let crash = |target, leaves| (Action::Crash { target, leaves }, 20, 1_000);
        let trouble = match kind {
            FaultKind::LoseUnsynced | FaultKind::TornWrite => {
                let target = match self.draw(id, Purpose::Which, 0, 1) {
                    0 => Target::Nodes(NodeId::all(self.nodes).collect()),
                    _ => Target::Subject,
                };
                let torn = kind == FaultKind::TornWrite;
                return crash(target, if torn { Leaves::Torn } else { Leaves::Synced });
            }
            FaultKind::BitFlip => return crash(self.one(id), Leaves::FlippedBit),
            FaultKind::Wipe => return crash(self.one(id), Leaves::Nothing),
            FaultKind::SlowDisk => {
                let delay_ms_max = self.draw(id, Purpose::Delay, 10, 300);
                DiskTrouble::Slow {
                    delay_ms_min: 1,
                    delay_ms_max,
                }
            }
            FaultKind::DiskError => DiskTrouble::Fails,
            FaultKind::DiskFull => DiskTrouble::Full,
            FaultKind::LyingFsync => DiskTrouble::Lies,
            _ => DiskTrouble::Misdirects,
        };
        let target = self.one(id);
        (Action::Disk { target, trouble }, 200, 3_000)
    }

    /// A change of members. It lasts long enough for most of them to be made.
    fn change(&self, id: u32, kind: FaultKind) -> Shape {
        match kind {
            FaultKind::KillChanger => {
                let (target, leaves) = (Target::Subject, Leaves::Some);
                return (Action::Crash { target, leaves }, 20, 1_500);
            }
            FaultKind::PartitionLeaver => {
                let target = Target::Subject;
                let (links, disturbance) = (Links::Around { target }, Disturbance::Cut);
                return (Action::Disturb { links, disturbance }, 200, 2_000);
            }
            _ => {}
        }
        let voters = self.nodes - self.spares;
        let voter = NodeId(self.draw(id, Purpose::Node, 1, voters.into()) as u8);
        let change = match kind {
            FaultKind::TransferLeader => Change::Transfer(Target::Node(voter)),
            FaultKind::RemoveNode => Change::Without(match self.draw(id, Purpose::Which, 0, 1) {
                0 => Target::Leader,
                _ => Target::Node(voter),
            }),
            FaultKind::ReplaceNode | FaultKind::AddNode => {
                let spares = u64::from(self.spares);
                let spare = voters + self.draw(id, Purpose::Delay, 1, spares) as u8;
                let adds = kind == FaultKind::AddNode;
                let stay = NodeId::all(voters).filter(|node| adds || *node != voter);
                Change::Voters(stay.chain([NodeId(spare)]).collect())
            }
            _ => {
                // As many as a voter may miss, or more, up to all nodes there are.
                let size = self.draw(id, Purpose::Size, 1, self.nodes.into());
                let mut some = self.shuffled(id);
                some.truncate(size as usize);
                some.sort_unstable();
                Change::Voters(some)
            }
        };
        (Action::Manage { change }, 500, 6_000)
    }

    fn clock(&self, id: u32, kind: FaultKind) -> Shape {
        let ahead = self.draw(id, Purpose::Leader, 0, 1) == 0;
        let signed = |size: u64| if ahead { size as i64 } else { -(size as i64) };
        let ms = signed(self.draw(id, Purpose::Size, 1, 3_600_000));
        let bend = match kind {
            FaultKind::ClockJump => ClockBend::Jump { ms },
            FaultKind::ClockDrift => {
                let percent = self.draw(id, Purpose::Percent, 1, self.drift_percent_max.min(90));
                ClockBend::Drift {
                    percent: signed(percent),
                }
            }
            _ => ClockBend::Strobe {
                ms,
                period_ms: self.draw(id, Purpose::Delay, 2, 200),
            },
        };
        let target = self.several(id);
        (Action::Clock { target, bend }, 300, 5_000)
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
