//! Faults as data: an explicit list, made from a seed by a [profile](crate::profile) and then fixed.

use serde::{Deserialize, Serialize};
use stormglass_impls::contract::{Fact, NodeId};

/// A day, in milliseconds: longer than any delay a trial may name.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// One planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its number within the trial. Removing other faults leaves it, and the draws made for it, as they are.
    pub id: u32,
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

/// A kind of fact that can start a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A node became leader.
    BecameLeader,
    /// A node gave its vote to another.
    Voted,
}

impl Trigger {
    /// Whether a fact, seen at a node, is of this kind.
    pub fn matches(self, node: NodeId, fact: &Fact) -> bool {
        match (self, fact) {
            (Trigger::BecameLeader, Fact::BecameLeader { .. }) => true,
            (Trigger::Voted, Fact::Voted { candidate, .. }) => *candidate != node,
            _ => false,
        }
    }
}

/// A node named by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This node.
    Node(NodeId),
    /// Whoever led last, if it is up.
    Leader,
    /// The node that the triggering fact is about.
    Subject,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Cuts both ways between two groups. Nodes in neither group hear both.
    Split {
        /// One group.
        left: Vec<NodeId>,
        /// The other.
        right: Vec<NodeId>,
    },
    /// Cuts both ways between one node and all others.
    Isolate {
        /// Which node.
        target: Target,
    },
    /// Cuts one way: what these nodes send does not arrive at those.
    OneWay {
        /// The senders.
        from: Vec<NodeId>,
        /// The receivers.
        to: Vec<NodeId>,
    },
    /// Leaves each node only its two neighbours on a ring.
    Ring {
        /// The nodes in the order of the ring.
        order: Vec<NodeId>,
    },
    /// Stops a node, losing what it had not synced, and starts it again at the end.
    Crash {
        /// Which node.
        target: Target,
    },
    /// Stops all of these nodes at once, losing what they had not synced, and starts them again at the end.
    PowerBlip {
        /// Which nodes.
        nodes: Vec<NodeId>,
    },
    /// Adds a delay to every frame from these nodes to those.
    SlowLinks {
        /// The senders.
        from: Vec<NodeId>,
        /// The receivers.
        to: Vec<NodeId>,
        /// The shortest added delay, in milliseconds.
        delay_ms_min: u64,
        /// The longest.
        delay_ms_max: u64,
    },
}

/// The kinds of fault one can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A majority and a minority that cannot hear each other.
    PartitionHalves,
    /// One node cut off.
    PartitionOne,
    /// The leader cut off.
    PartitionLeader,
    /// A cut in one direction only.
    PartitionOneWay,
    /// Each node hears only its neighbours on a ring.
    PartitionRing,
    /// One node stopped and restarted.
    Crash,
    /// Nodes stopped together and restarted before anyone misses them.
    PowerBlip,
    /// A leader stopped as soon as it leads.
    KillFreshLeader,
    /// Links that delay what they carry.
    SlowLinks,
}

/// A kind of fault, for lists and for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultInfo {
    /// Which.
    pub kind: FaultKind,
    /// Its name, as given to `--faults`.
    pub name: &'static str,
    /// The family it belongs to, which `--faults` takes too.
    pub family: &'static str,
    /// What happens, in a sentence.
    pub summary: &'static str,
}

/// All kinds of fault, in the order in which lists show them.
pub const FAULTS: &[FaultInfo] = &[
    info(
        FaultKind::PartitionHalves,
        "partition-halves",
        "partition",
        "a majority and a minority cannot hear each other",
    ),
    info(
        FaultKind::PartitionOne,
        "partition-one",
        "partition",
        "one node is cut off from all others",
    ),
    info(
        FaultKind::PartitionLeader,
        "partition-leader",
        "partition",
        "the leader is cut off from all others",
    ),
    info(
        FaultKind::PartitionOneWay,
        "partition-one-way",
        "partition",
        "what some nodes send does not arrive at the others",
    ),
    info(
        FaultKind::PartitionRing,
        "partition-ring",
        "partition",
        "each node hears only its two neighbours on a ring",
    ),
    info(
        FaultKind::Crash,
        "crash",
        "crash",
        "a node stops, loses what it had not synced, and restarts",
    ),
    info(
        FaultKind::PowerBlip,
        "power-blip",
        "crash",
        "nodes stop together and are back before an election timeout",
    ),
    info(
        FaultKind::KillFreshLeader,
        "kill-fresh-leader",
        "crash",
        "a node is stopped just after it became leader",
    ),
    info(
        FaultKind::SlowLinks,
        "slow-links",
        "slow",
        "frames on some links are delayed",
    ),
];

const fn info(
    kind: FaultKind,
    name: &'static str,
    family: &'static str,
    summary: &'static str,
) -> FaultInfo {
    FaultInfo {
        kind,
        name,
        family,
        summary,
    }
}

impl FaultKind {
    /// Its name, as given to `--faults`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Its entry in the list.
    pub fn info(self) -> &'static FaultInfo {
        FAULTS
            .iter()
            .find(|info| info.kind == self)
            .expect("every kind is listed")
    }
}

impl Fault {
    /// Which kind of fault this is.
    pub fn kind(&self) -> FaultKind {
        match (&self.action, self.when) {
            (Action::Split { .. }, _) => FaultKind::PartitionHalves,
            (
                Action::Isolate {
                    target: Target::Leader,
                },
                _,
            ) => FaultKind::PartitionLeader,
            (Action::Isolate { .. }, _) => FaultKind::PartitionOne,
            (Action::OneWay { .. }, _) => FaultKind::PartitionOneWay,
            (Action::Ring { .. }, _) => FaultKind::PartitionRing,
            (
                Action::Crash { .. },
                When::OnFact {
                    fact: Trigger::BecameLeader,
                    ..
                },
            ) => FaultKind::KillFreshLeader,
            (Action::Crash { .. }, _) => FaultKind::Crash,
            (Action::PowerBlip { .. }, _) => FaultKind::PowerBlip,
            (Action::SlowLinks { .. }, _) => FaultKind::SlowLinks,
        }
    }

    /// Checks that it fits a cluster of that size. The error names the field.
    pub fn validate(&self, nodes: u8) -> Result<(), String> {
        let group = |field: &str, ids: &[NodeId]| {
            if ids.is_empty() {
                return Err(format!("{field}: no node is named"));
            }
            if let Some(id) = ids.iter().find(|id| id.0 == 0 || id.0 > nodes) {
                return Err(format!("{field}: there is no {id} in a cluster of {nodes}"));
            }
            match ids
                .iter()
                .enumerate()
                .find(|(at, id)| ids[..*at].contains(id))
            {
                Some((_, id)) => Err(format!("{field}: {id} is named twice")),
                None => Ok(()),
            }
        };
        let target = |target: &Target| match target {
            Target::Node(id) => group("target", &[*id]),
            Target::Leader => Ok(()),
            Target::Subject if matches!(self.when, When::OnFact { .. }) => Ok(()),
            Target::Subject => Err(
                "target: `subject` needs a fact to start it, and this fault starts at a time"
                    .to_string(),
            ),
        };
        let within = |field: &str, ms: u64, ms_max: u64| match ms <= ms_max {
            true => Ok(()),
            false => Err(format!("{field}: {ms} ms is more than {ms_max} ms")),
        };
        match self.when {
            When::AtMs(at_ms) => within("at_ms", at_ms, 7 * DAY_MS)?,
            When::OnFact {
                from_ms, after_ms, ..
            } => {
                within("from_ms", from_ms, 7 * DAY_MS).and(within("after_ms", after_ms, DAY_MS))?;
            }
        }
        within("lasts_ms", self.lasts_ms, 7 * DAY_MS)?;
        match &self.action {
            Action::Split { left, right } => group("left", left).and(group("right", right)),
            Action::Isolate { target: who } | Action::Crash { target: who } => target(who),
            Action::OneWay { from, to } => group("from", from).and(group("to", to)),
            Action::Ring { order } => group("order", order),
            Action::PowerBlip { nodes } => group("nodes", nodes),
            Action::SlowLinks {
                from,
                to,
                delay_ms_min,
                delay_ms_max,
            } => {
                if delay_ms_min > delay_ms_max || *delay_ms_max == 0 {
                    return Err(
                        "delay_ms_min, delay_ms_max: from short to long, and not nothing"
                            .to_string(),
                    );
                }
                within("delay_ms_max", *delay_ms_max, DAY_MS)?;
                group("from", from).and(group("to", to))
            }
        }
    }
}
