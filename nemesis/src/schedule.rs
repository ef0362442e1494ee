//! Faults as data: an explicit list, made from a seed by a [profile](crate::profile) and then fixed.

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

    /// Checks that it is what its kind says, and fits a cluster of that size. The error names the field and the remedy.
    pub fn validate(&self, nodes: u8) -> Result<(), String> {
        if !self.kind.fits(&self.action) {
            let text = "kind: this action is no {}; name the kind after what is done";
            return Err(text.replace("{}", self.kind.name()));
        }
        let check = Check {
            nodes,
            on_fact: matches!(self.when, When::OnFact { .. }),
        };
        match self.when {
            When::AtMs(at_ms) => within("at_ms", at_ms, 7 * DAY_MS)?,
            When::AtNs(at_ns) => within("at_ns", at_ns / 1_000_000, 7 * DAY_MS)?,
            When::OnFact {
                from_ms, after_ms, ..
            } => {
                within("from_ms", from_ms, 7 * DAY_MS).and(within("after_ms", after_ms, DAY_MS))?;
            }
        }
        within("lasts_ms", self.lasts_ms, 7 * DAY_MS)?;
        check.action(&self.action)
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

/// Checks the parts of a fault. Every error names the field.
struct Check {
    nodes: u8,
    /// Whether a fact starts the fault, so that there is a subject.
    on_fact: bool,
}

impl Check {
    fn action(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::Disturb { links, disturbance } => self.links(links).and(disturbs(disturbance)),
            Action::Crash { target, .. } | Action::Pause { target } => self.target(target),
            Action::CrashLoop {
                target,
                up_ms,
                down_ms,
            } => {
                within("up_ms", *up_ms, DAY_MS)?;
                within("down_ms", *down_ms, DAY_MS)?;
                if up_ms + down_ms == 0 {
                    return Err("up_ms, down_ms: a round takes some time".to_string());
                }
                self.target(target)
            }
            Action::RollingRestart { order, down_ms } => {
                within("down_ms", *down_ms, DAY_MS).and(self.group("order", order))
            }
            Action::SlowCpu {
                target,
                step_ms_min,
                step_ms_max,
            } => {
                range("step_ms_min, step_ms_max", *step_ms_min, *step_ms_max)?;
                self.target(target)
            }
            Action::Disk { target, trouble } => {
                if let DiskTrouble::Slow {
                    delay_ms_min,
                    delay_ms_max,
                } = trouble
                {
                    range("delay_ms_min, delay_ms_max", *delay_ms_min, *delay_ms_max)?;
                }
                self.target(target)
            }
            Action::Clock { target, bend } => bends(bend).and(self.target(target)),
            Action::Manage { change } => match change {
                Change::Voters(voters) => self.group("voters", voters),
                Change::Without(target) | Change::Transfer(target) => self.target(target),
            },
        }
    }

    fn links(&self, links: &Links) -> Result<(), String> {
        match links {
            Links::Between { left, right } => {
                self.group("left", left).and(self.group("right", right))?;
                match left.iter().find(|node| right.contains(node)) {
                    Some(node) => Err(format!("right: {node} is on the left already")),
                    None => Ok(()),
                }
            }
            Links::OneWay { from, to } => self.group("from", from).and(self.group("to", to)),
            Links::Around { target } => self.target(target),
            Links::AcrossRing { order } => self.group("order", order),
            Links::Pairs(pairs) => {
                for (one, other) in pairs {
                    self.group("pairs", &[*one, *other])?;
                }
                match pairs.is_empty() {
                    true => Err("pairs: no pair is named".to_string()),
                    false => Ok(()),
                }
            }
        }
    }

    fn target(&self, target: &Target) -> Result<(), String> {
        match target {
            Target::Node(node) => self.group("target", &[*node]),
            Target::Nodes(nodes) => self.group("target", nodes),
            Target::Leader | Target::Behind | Target::Newcomer => Ok(()),
            Target::Subject if self.on_fact => Ok(()),
            Target::Subject => Err(
                "target: `subject` needs a fact to start it, and this fault starts at a time"
                    .to_string(),
            ),
        }
    }

    fn group(&self, field: &str, ids: &[NodeId]) -> Result<(), String> {
        if ids.is_empty() {
            return Err(format!("{field}: no node is named"));
        }
        if let Some(id) = ids.iter().find(|id| id.0 == 0 || id.0 > self.nodes) {
            return Err(format!(
                "{field}: there is no {id} in a cluster of {}",
                self.nodes
            ));
        }
        let twice = ids
            .iter()
            .enumerate()
            .find(|(at, id)| ids[..*at].contains(id));
        match twice {
            Some((_, id)) => Err(format!("{field}: {id} is named twice")),
            None => Ok(()),
        }
    }
}

fn disturbs(disturbance: &Disturbance) -> Result<(), String> {
    let share = |percent: u64| match percent {
        1..=100 => Ok(()),
        _ => Err(format!("percent: {percent} is not from 1 to 100")),
    };
    match disturbance {
        Disturbance::Cut | Disturbance::Clog => Ok(()),
        Disturbance::Lose { percent, .. }
        | Disturbance::Corrupt { percent }
        | Disturbance::Reset { percent } => share(*percent),
        Disturbance::Slow {
            delay_ms_min,
            delay_ms_max,
        } => range("delay_ms_min, delay_ms_max", *delay_ms_min, *delay_ms_max),
        Disturbance::Reorder {
            percent,
            late_ms_max,
        } => share(*percent).and(range("late_ms_max", 1, *late_ms_max)),
        Disturbance::Duplicate {
            percent,
            apart_ms_max,
        } => share(*percent).and(range("apart_ms_max", 1, *apart_ms_max)),
        Disturbance::Flaky { period_ms } => range("period_ms", 1, *period_ms),
    }
}

fn bends(bend: &ClockBend) -> Result<(), String> {
    let far = |ms: i64| match ms != 0 && ms.unsigned_abs() <= DAY_MS {
        true => Ok(()),
        false => Err(format!("ms: {ms} is not within a day, or is nothing")),
    };
    match bend {
        ClockBend::Jump { ms } => far(*ms),
        ClockBend::Strobe { ms, period_ms } => far(*ms).and(range("period_ms", 1, *period_ms)),
        ClockBend::Drift { percent } => match percent {
            -90..=-1 | 1..=900 => Ok(()),
            _ => Err(format!(
                "percent: {percent} is not from -90 to 900, or is nothing"
            )),
        },
    }
}

fn within(field: &str, ms: u64, ms_max: u64) -> Result<(), String> {
    match ms <= ms_max {
        true => Ok(()),
        false => Err(format!("{field}: {ms} ms is more than {ms_max} ms")),
    }
}

fn range(field: &str, min_ms: u64, max_ms: u64) -> Result<(), String> {
    if min_ms > max_ms || max_ms == 0 {
        return Err(format!("{field}: from short to long, and not nothing"));
    }
    within(field, max_ms, DAY_MS)
}
