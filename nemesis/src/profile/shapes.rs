//! What a fault of each family does, whom it befalls and for how long, as a seed draws it.

use super::{Purpose, Storm};
use crate::faults::FaultKind;
use crate::schedule::{Action, Change, ClockBend, DiskTrouble, Disturbance, Leaves, Links, Target};
use stormglass_impls::contract::NodeId;
use stormglass_workloads::draw::Draws;

/// What a fault does, and how long it lasts from short to long, in milliseconds.
pub(super) type Shape = (Action, u64, u64);

impl Storm {
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

    pub(super) fn partition(&self, id: u32, kind: FaultKind) -> Shape {
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
        (action, 200, 4_000)
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

    pub(super) fn disturbance(&self, id: u32, kind: FaultKind) -> Shape {
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

    pub(super) fn crash(&self, id: u32, kind: FaultKind) -> Shape {
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

    pub(super) fn pause(&self, id: u32, kind: FaultKind) -> Shape {
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

    pub(super) fn disk(&self, id: u32, kind: FaultKind) -> Shape {
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
    pub(super) fn change(&self, id: u32, kind: FaultKind) -> Shape {
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

    pub(super) fn clock(&self, id: u32, kind: FaultKind) -> Shape {
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
