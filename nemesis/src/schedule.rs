//! Faults as data: an explicit list, made from a seed by a [profile](crate::profile) and then fixed.

mod check;

use crate::faults::FaultKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use stormglass_impls::contract::{Fact, NodeId};

/// A day, in milliseconds: longer than any delay a trial may name.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// One planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its number within the trial. Removing other faults leaves it, and the draws made for it, as they are.
    pub id: u32,
    /// What it is called: the name it was asked for by, and is reported under.
    pub kind: FaultKind,
    /// What is done.
    pub action: Action,
    /// When it begins.
    pub when: When,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: u64,
}

/// When a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// At a time, in milliseconds from the start.
    AtMs(u64),
    /// At a time, in nanoseconds from the start: a moment that was found by a fact, and is now fixed.
    AtNs(u64),
    /// At the first such fact from that time on that starts no other fault.
    OnFact {
        /// Which fact.
        fact: Trigger,
        /// The earliest time, in milliseconds from the start.
        from_ms: u64,
        /// How long after the fact, in milliseconds.
        after_ms: u64,
    },
}

impl When {
    /// The fixed moment, in nanoseconds from the start; `None` when a fact decides.
    pub fn at_ns(self) -> Option<u64> {
        match self {
            When::AtMs(ms) => Some(ms * 1_000_000),
            When::AtNs(ns) => Some(ns),
            When::OnFact { .. } => None,
        }
    }
}

/// A kind of fact that can start a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A node became leader.
    BecameLeader,
    /// A node gave its vote to another.
    Voted,
    /// A node gave its disk something to write, and that is not durable yet.
    Persisting,
    /// A node learned of other members.
    MembersChanged,
    /// A leader told another node to take over.
    HandedOver,
}

/// What an arena noticed at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The node noted a fact.
    Fact(Fact),
    /// The node gave its disk something to write.
    Persisting,
}

impl Trigger {
    /// Whether what was noticed at a node is of this kind.
    pub fn matches(self, node: NodeId, notice: &Notice) -> bool {
        match (self, notice) {
            (Trigger::BecameLeader, Notice::Fact(Fact::BecameLeader { .. })) => true,
            (Trigger::Voted, Notice::Fact(Fact::Voted { candidate, .. })) => *candidate != node,
            (Trigger::Persisting, Notice::Persisting) => true,
            (Trigger::MembersChanged, Notice::Fact(Fact::MembersChanged { .. })) => true,
            (Trigger::HandedOver, Notice::Fact(Fact::HandedOver { .. })) => true,
            _ => false,
        }
    }
}

/// Nodes named, or described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This node.
    Node(NodeId),
    /// These nodes together.
    Nodes(Vec<NodeId>),
    /// Whoever led last, if it is up.
    Leader,
    /// The node that has applied least of what the cluster agreed on, of those that are up and do not lead.
    Behind,
    /// The node that was started last, if it is up.
    Newcomer,
    /// The node that the triggering fact is about.
    Subject,
}

/// Links between nodes, by shape. A link has a direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Links {
    /// Both ways between two groups. Nodes in neither group are a bridge: they keep both.
    Between {
        /// One group.
        left: Vec<NodeId>,
        /// The other.
        right: Vec<NodeId>,
    },
    /// One way, from these nodes to those.
    OneWay {
        /// The senders.
        from: Vec<NodeId>,
        /// The receivers.
        to: Vec<NodeId>,
    },
    /// Both ways between a node and all others.
    Around {
        /// Which node.
        target: Target,
    },
    /// Every link but those between neighbours on a ring.
    AcrossRing {
        /// The nodes in the order of the ring.
        order: Vec<NodeId>,
    },
    /// These pairs, both ways.
    Pairs(Vec<(NodeId, NodeId)>),
}

/// What happens to the frames of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Disturbance {
    /// Nothing passes.
    Cut,
    /// Some frames are lost.
    Lose {
        /// How many of a hundred.
        percent: u64,
        /// Only messages of this kind; all when absent.
        only: Option<String>,
    },
    /// Every frame takes longer, and so do those behind it.
    Slow {
        /// The shortest added delay, in milliseconds.
        delay_ms_min: u64,
        /// The longest.
        delay_ms_max: u64,
    },
    /// Some frames are late, and those behind overtake them.
    Reorder {
        /// How many of a hundred.
        percent: u64,
        /// The longest added delay, in milliseconds.
        late_ms_max: u64,
    },
    /// Some frames arrive again.
    Duplicate {
        /// How many of a hundred.
        percent: u64,
        /// The longest time between the first and the second arrival, in milliseconds.
        apart_ms_max: u64,
    },
    /// Some frames arrive with a bit flipped.
    Corrupt {
        /// How many of a hundred.
        percent: u64,
    },
    /// Some frames are lost, and their connection with them.
    Reset {
        /// How many of a hundred.
        percent: u64,
    },
    /// Every frame is held until the fault is over, and then arrives.
    Clog,
    /// Nothing passes for a while, everything for a while, and so on.
    Flaky {
        /// How long each while is, in milliseconds.
        period_ms: u64,
    },
}

/// What a crash leaves of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaves {
    /// What was synced, and a part of what was not, cut at some write.
    Some,
    /// What was synced and nothing else.
    Synced,
    /// What was synced, and a part of what was not, cut in the middle of a write.
    Torn,
    /// Everything but one bit, flipped somewhere in what was synced.
    FlippedBit,
    /// Nothing: another disk is put in.
    Nothing,
}

/// What a disk does wrong while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DiskTrouble {
    /// A sync says that it is done and does nothing. The node is restarted at the end, and what was not synced is lost.
    Lies,
    /// The next sync fails.
    Fails,
    /// The next write finds no room.
    Full,
    /// Syncs take longer.
    Slow {
        /// The shortest added time, in milliseconds.
        delay_ms_min: u64,
        /// The longest.
        delay_ms_max: u64,
    },
    /// The next write lands on older ones. The node is restarted at the end, and reads what is there.
    Misdirects,
}

/// What is wrong with a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClockBend {
    /// The wall clock is off by so many milliseconds.
    Jump {
        /// Ahead, or behind when negative.
        ms: i64,
    },
    /// Both clocks run faster, or slower when negative.
    Drift {
        /// By so many of a hundred; above -100.
        percent: i64,
    },
    /// The wall clock jumps ahead and back.
    Strobe {
        /// How far, in milliseconds.
        ms: i64,
        /// How long it stays there, in milliseconds, and then here.
        period_ms: u64,
    },
}

/// What is changed about a cluster while it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// These nodes have a vote, until the fault is over.
    Voters(Vec<NodeId>),
    /// These have none, until the fault is over.
    Without(Target),
    /// This node is asked to lead.
    Transfer(Target),
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Disturbs links.
    Disturb {
        /// Which.
        links: Links,
        /// How.
        disturbance: Disturbance,
    },
    /// Stops nodes all at once, and starts them again at the end.
    Crash {
        /// Which.
        target: Target,
        /// What is left on their disks.
        leaves: Leaves,
    },
    /// Stops a node and starts it, again and again.
    CrashLoop {
        /// Which.
        target: Target,
        /// How long it stays up each time, in milliseconds.
        up_ms: u64,
        /// How long it stays down each time, in milliseconds.
        down_ms: u64,
    },
    /// Restarts nodes one after the other, within the time of the fault.
    RollingRestart {
        /// In which order.
        order: Vec<NodeId>,
        /// How long each is down, in milliseconds.
        down_ms: u64,
    },
    /// Holds nodes as they are. At the end they wake to their timers, then to their mail.
    Pause {
        /// Which.
        target: Target,
    },
    /// Lets every step of a node take time.
    SlowCpu {
        /// Which.
        target: Target,
        /// The shortest time, in milliseconds.
        step_ms_min: u64,
        /// The longest.
        step_ms_max: u64,
    },
    /// Gives nodes a bad disk.
    Disk {
        /// Which.
        target: Target,
        /// In which way it is bad.
        trouble: DiskTrouble,
    },
    /// Gives nodes a wrong clock.
    Clock {
        /// Which.
        target: Target,
        /// In which way it is wrong.
        bend: ClockBend,
    },
    /// Changes the members of the cluster, or who leads it.
    Manage {
        /// In which way.
        change: Change,
    },
}

impl Fault {
    /// The nodes it names by number, in order; those it only describes are found when it begins.
    pub fn names(&self) -> BTreeSet<NodeId> {
        let mut named = BTreeSet::new();
        match &self.action {
            Action::Disturb { links, .. } => match links {
                Links::Between {
                    left: one,
                    right: other,
                }
                | Links::OneWay {
                    from: one,
                    to: other,
                } => {
                    named.extend(one.iter().chain(other));
                }
                Links::Around { target } => named.extend(target.named()),
                Links::AcrossRing { order } => named.extend(order),
                Links::Pairs(pairs) => {
                    named.extend(pairs.iter().flat_map(|(one, other)| [one, other]))
                }
            },
            Action::RollingRestart { order, .. } => named.extend(order),
            Action::Manage {
                change: Change::Voters(voters),
            } => named.extend(voters),
            action => named.extend(action.target().into_iter().flat_map(Target::named)),
        }
        named
    }
}

impl Target {
    /// The nodes it names by number.
    pub fn named(&self) -> Vec<NodeId> {
        match self {
            Target::Node(node) => vec![*node],
            Target::Nodes(nodes) => nodes.clone(),
            Target::Leader | Target::Behind | Target::Newcomer | Target::Subject => Vec::new(),
        }
    }
}

impl Action {
    /// Whom it befalls, where that is a target.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Action::Crash { target, .. }
            | Action::CrashLoop { target, .. }
            | Action::Pause { target }
            | Action::SlowCpu { target, .. }
            | Action::Disk { target, .. }
            | Action::Clock { target, .. }
            | Action::Disturb {
                links: Links::Around { target },
                ..
            }
            | Action::Manage {
                change: Change::Without(target) | Change::Transfer(target),
            } => Some(target),
            Action::Disturb { .. } | Action::RollingRestart { .. } | Action::Manage { .. } => None,
        }
    }

    /// The same, to be replaced.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Action::Crash { target, .. }
            | Action::CrashLoop { target, .. }
            | Action::Pause { target }
            | Action::SlowCpu { target, .. }
            | Action::Disk { target, .. }
            | Action::Clock { target, .. }
            | Action::Disturb {
                links: Links::Around { target },
                ..
            }
            | Action::Manage {
                change: Change::Without(target) | Change::Transfer(target),
            } => Some(target),
            Action::Disturb { .. } | Action::RollingRestart { .. } | Action::Manage { .. } => None,
        }
    }
}
