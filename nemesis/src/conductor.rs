//! Begins and ends faults, by time and by fact. One for all arenas.
//!
//! The conductor knows which fault is where in its life, changes the [`Weather`] itself and tells the arena which nodes to stop and to
//! start. It writes down for each fault what really happened.

use crate::record::{FactRecord, FaultRecord, FaultStatus};
use crate::schedule::{Action, Fault, Target, When};
use crate::trial::Trial;
use crate::weather::{Disturbance, Weather};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::contract::{Fact, NodeId};

/// What the arena is to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stop it; what it had not synced is lost.
    Stop(NodeId),
    /// Start it again.
    Start(NodeId),
}

/// The faults of a trial under way.
#[derive(Debug)]
pub struct Conductor {
    nodes: u8,
    faults: Vec<Planned>,
    /// What to do when: by time, then in the order of the schedule.
    agenda: BTreeSet<(u64, usize, Cue)>,
    /// Which faults keep a node down.
    down: BTreeMap<NodeId, BTreeSet<u32>>,
    /// Who led last, and in which epoch.
    leader: Option<(u64, NodeId)>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    record: FaultRecord,
    /// Whether the fact it waits for has not come yet.
    waits: bool,
    /// The node that fact is about.
    subject: Option<NodeId>,
}

/// What to do with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cue {
    /// End it. Comes first, so that of two faults that meet in time the older is over.
    End,
    /// Begin it.
    Begin,
}

const NS_PER_MS: u64 = 1_000_000;

impl Conductor {
    /// The conductor of a trial, nothing begun.
    pub fn new(trial: &Trial) -> Self {
        let planned = |fault: &Fault| Planned {
            record: FaultRecord {
                id: fault.id,
                kind: fault.kind(),
                nodes: Vec::new(),
                from_ns: None,
                until_ns: None,
                status: FaultStatus::Skipped {
                    reason: "the trial ended before it was due".to_string(),
                },
                effects: 0,
            },
            waits: matches!(fault.when, When::OnFact { .. }),
            subject: None,
            fault: fault.clone(),
        };
        let faults: Vec<Planned> = trial.schedule.iter().map(planned).collect();
        let mut agenda = BTreeSet::new();
        for (at, planned) in faults.iter().enumerate() {
            if let When::AtMs(ms) = planned.fault.when {
                agenda.insert((ms * NS_PER_MS, at, Cue::Begin));
            }
        }
        Self {
            nodes: trial.nodes,
            faults,
            agenda,
            down: BTreeMap::new(),
            leader: None,
        }
    }

    /// When there is something to do next, in simulated nanoseconds.
    pub fn next_ns(&self) -> Option<u64> {
        self.agenda.first().map(|(at_ns, ..)| *at_ns)
    }

    /// A node noted a fact.
    pub fn noticed(&mut self, seen: &FactRecord) {
        match seen.fact {
            Fact::BecameLeader { epoch } if self.leader.is_none_or(|(known, _)| epoch >= known) => {
                self.leader = Some((epoch, seen.node));
            }
            Fact::SteppedDown { epoch } if self.leader == Some((epoch, seen.node)) => {
                self.leader = None
            }
            _ => {}
        }
        // A fact starts one fault, the first that waits for it: a row of them meets one leader after the other.
        for (at, planned) in self.faults.iter_mut().enumerate() {
            let When::OnFact {
                fact,
                from_ms,
                after_ms,
            } = planned.fault.when
            else {
                continue;
            };
            if planned.waits
                && seen.time_ns >= from_ms * NS_PER_MS
                && fact.matches(seen.node, &seen.fact)
            {
                planned.waits = false;
                planned.subject = Some(seen.node);
                self.agenda
                    .insert((seen.time_ns + after_ms * NS_PER_MS, at, Cue::Begin));
                break;
            }
        }
    }

    /// Does what is due, and says what the arena is to do.
    pub fn due(&mut self, now_ns: u64, weather: &mut Weather) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some((at_ns, at, cue)) = self.agenda.first().copied() {
            if at_ns > now_ns {
                break;
            }
            self.agenda.pop_first();
            match cue {
                Cue::Begin => self.begin(at, now_ns, weather, &mut orders),
                Cue::End => self.end(at, now_ns, weather, &mut orders),
            }
        }
        orders
    }

    /// Ends everything: the storm is over, and no fact starts a fault any more.
    pub fn heal(&mut self, now_ns: u64, weather: &mut Weather) -> Vec<Order> {
        self.agenda.clear();
        let mut orders = Vec::new();
        for at in 0..self.faults.len() {
            let waited = std::mem::replace(&mut self.faults[at].waits, false);
            let record = &mut self.faults[at].record;
            if record.from_ns.is_some() && record.until_ns.is_none() {
                self.end(at, now_ns, weather, &mut orders);
            } else if waited {
                let reason = "the fact that should start it did not come".to_string();
                self.faults[at].record.status = FaultStatus::Skipped { reason };
            }
        }
        orders
    }

    /// Whether a fault keeps this node down.
    pub fn is_down(&self, node: NodeId) -> bool {
        self.down
            .get(&node)
            .is_some_and(|faults| !faults.is_empty())
    }

    /// What became of every fault.
    pub fn finish(mut self, weather: &Weather) -> Vec<FaultRecord> {
        for planned in &mut self.faults {
            settle(planned, weather);
        }
        self.faults
            .into_iter()
            .map(|planned| planned.record)
            .collect()
    }

    fn begin(&mut self, at: usize, now_ns: u64, weather: &mut Weather, orders: &mut Vec<Order>) {
        let id = self.faults[at].fault.id;
        let action = self.faults[at].fault.action.clone();
        let installed = match &action {
            Action::Split { left, right } => {
                cut(weather, id, left, right);
                cut(weather, id, right, left);
                Ok([left.as_slice(), right].concat())
            }
            Action::Isolate { target } => self.resolve(at, *target).map(|node| {
                let others: Vec<NodeId> = NodeId::all(self.nodes)
                    .filter(|other| *other != node)
                    .collect();
                cut(weather, id, &[node], &others);
                cut(weather, id, &others, &[node]);
                vec![node]
            }),
            Action::OneWay { from, to } => {
                cut(weather, id, from, to);
                Ok([from.as_slice(), to].concat())
            }
            Action::Ring { order } => {
                for (place, node) in order.iter().enumerate() {
                    let distance = |other: usize| {
                        place
                            .abs_diff(other)
                            .min(order.len() - place.abs_diff(other))
                    };
                    let far: Vec<NodeId> = (0..order.len())
                        .filter(|other| distance(*other) > 1)
                        .map(|other| order[other])
                        .collect();
                    cut(weather, id, &[*node], &far);
                }
                Ok(order.clone())
            }
            Action::Crash { target } => self
                .resolve(at, *target)
                .and_then(|node| self.stop(id, &[node], orders)),
            Action::PowerBlip { nodes } => self.stop(id, nodes, orders),
            Action::SlowLinks {
                from,
                to,
                delay_ms_min,
                delay_ms_max,
            } => {
                let slow = Disturbance::Slow {
                    delay_ms_min: *delay_ms_min,
                    delay_ms_max: *delay_ms_max,
                };
                disturb(weather, id, from, to, slow);
                Ok([from.as_slice(), to].concat())
            }
        };
        let planned = &mut self.faults[at];
        match installed {
            Ok(nodes) => {
                let stops = matches!(action, Action::Crash { .. } | Action::PowerBlip { .. });
                planned.record.effects = if stops { nodes.len() as u64 } else { 0 };
                planned.record.nodes = nodes;
                planned.record.from_ns = Some(now_ns);
                self.agenda
                    .insert((now_ns + planned.fault.lasts_ms * NS_PER_MS, at, Cue::End));
            }
            Err(reason) => planned.record.status = FaultStatus::Skipped { reason },
        }
    }

    fn end(&mut self, at: usize, now_ns: u64, weather: &mut Weather, orders: &mut Vec<Order>) {
        let planned = &mut self.faults[at];
        planned.record.until_ns = Some(now_ns);
        weather.lift(planned.fault.id);
        for node in &planned.record.nodes {
            let Some(keepers) = self.down.get_mut(node) else {
                continue;
            };
            if keepers.remove(&planned.fault.id) && keepers.is_empty() {
                orders.push(Order::Start(*node));
            }
        }
        settle(planned, weather);
    }

    /// Stops those of the nodes that are up. The others are down already, and stay so for as long as their own fault says.
    fn stop(
        &mut self,
        fault: u32,
        nodes: &[NodeId],
        orders: &mut Vec<Order>,
    ) -> Result<Vec<NodeId>, String> {
        let up: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|node| !self.is_down(*node))
            .collect();
        if up.is_empty() {
            return Err(format!("{nodes:?} is down already"));
        }
        for node in &up {
            self.down.entry(*node).or_default().insert(fault);
            orders.push(Order::Stop(*node));
            if self.leader.is_some_and(|(_, leader)| leader == *node) {
                self.leader = None;
            }
        }
        Ok(up)
    }

    fn resolve(&self, at: usize, target: Target) -> Result<NodeId, String> {
        match target {
            Target::Node(node) => Ok(node),
            Target::Leader => match self.leader {
                Some((_, leader)) => Ok(leader),
                None => Err("no node leads".to_string()),
            },
            Target::Subject => self.faults[at]
                .subject
                .ok_or_else(|| "no fact started it".to_string()),
        }
    }
}

/// Decides from what a fault did whether it happened.
fn settle(planned: &mut Planned, weather: &Weather) {
    let record = &mut planned.record;
    if record.from_ns.is_none() {
        return;
    }
    let stops = matches!(
        planned.fault.action,
        Action::Crash { .. } | Action::PowerBlip { .. }
    );
    if !stops {
        record.effects = weather.met(record.id);
    }
    record.status = if record.effects > 0 {
        FaultStatus::Installed
    } else {
        FaultStatus::Indeterminate {
            reason: "no frame met it".to_string(),
        }
    };
}

fn cut(weather: &mut Weather, fault: u32, from: &[NodeId], to: &[NodeId]) {
    disturb(weather, fault, from, to, Disturbance::Cut);
}

fn disturb(
    weather: &mut Weather,
    fault: u32,
    from: &[NodeId],
    to: &[NodeId],
    disturbance: Disturbance,
) {
    for sender in from {
        for receiver in to.iter().filter(|receiver| *receiver != sender) {
            weather.disturb(fault, *sender, *receiver, disturbance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{FaultKind, Trigger};
    use crate::trial::Arena;
    use stormglass_workloads::workload::WorkloadConfig;

    fn conductor(schedule: Vec<Fault>) -> (Conductor, Weather) {
        let workload = WorkloadConfig::named("register").unwrap();
        let mut trial = Trial::calm("raft-cache", workload, Arena::Simulator, 1);
        trial.schedule = schedule;
        (Conductor::new(&trial), Weather::new(trial.network, 1))
    }

    fn kill(id: u32, after_ms: u64) -> Fault {
        let when = When::OnFact {
            fact: Trigger::BecameLeader,
            from_ms: 10,
            after_ms,
        };
        Fault {
            id,
            action: Action::Crash {
                target: Target::Subject,
            },
            when,
            lasts_ms: 100,
        }
    }

    fn leads(node: u8, at_ms: u64, epoch: u64) -> FactRecord {
        FactRecord {
            time_ns: at_ms * NS_PER_MS,
            node: NodeId(node),
            fact: Fact::BecameLeader { epoch },
        }
    }

    #[test]
    fn a_fact_starts_one_fault_and_the_next_fact_the_next() {
        let (mut conductor, mut weather) = conductor(vec![kill(0, 5), kill(1, 0)]);
        conductor.noticed(&leads(1, 5, 1));
        assert_eq!(conductor.next_ns(), None, "too early");
        conductor.noticed(&leads(1, 20, 2));
        assert_eq!(conductor.due(24 * NS_PER_MS, &mut weather), []);
        assert_eq!(
            conductor.due(25 * NS_PER_MS, &mut weather),
            [Order::Stop(NodeId(1))]
        );
        conductor.noticed(&leads(2, 30, 3));
        assert_eq!(
            conductor.due(30 * NS_PER_MS, &mut weather),
            [Order::Stop(NodeId(2))]
        );
        let started = conductor.due(130 * NS_PER_MS, &mut weather);
        assert_eq!(started, [Order::Start(NodeId(1)), Order::Start(NodeId(2))]);
        let records = conductor.finish(&weather);
        assert!(
            records
                .iter()
                .all(|record| record.status == FaultStatus::Installed
                    && record.kind == FaultKind::KillFreshLeader)
        );
    }

    #[test]
    fn after_the_healing_nothing_begins() {
        let (mut conductor, mut weather) = conductor(vec![kill(0, 5), kill(1, 0)]);
        conductor.noticed(&leads(1, 20, 2));
        assert_eq!(conductor.heal(22 * NS_PER_MS, &mut weather), []);
        conductor.noticed(&leads(2, 30, 3));
        assert_eq!(conductor.due(100 * NS_PER_MS, &mut weather), []);
        let records = conductor.finish(&weather);
        assert!(
            records
                .iter()
                .all(|record| matches!(record.status, FaultStatus::Skipped { .. })),
            "{records:?}"
        );
    }

    #[test]
    fn a_fault_that_met_no_frame_is_indeterminate_and_a_node_is_stopped_once() {
        let cut = Action::Isolate {
            target: Target::Node(NodeId(3)),
        };
        let crash = |id, at_ms| Fault {
            id,
            action: Action::Crash {
                target: Target::Node(NodeId(2)),
            },
            when: When::AtMs(at_ms),
            lasts_ms: 50,
        };
        let quiet = Fault {
            id: 0,
            action: cut,
            when: When::AtMs(1),
            lasts_ms: 5,
        };
        let (mut conductor, mut weather) = conductor(vec![quiet, crash(1, 10), crash(2, 20)]);
        conductor.due(30 * NS_PER_MS, &mut weather);
        assert_eq!(
            conductor.heal(40 * NS_PER_MS, &mut weather),
            [Order::Start(NodeId(2))]
        );
        let records = conductor.finish(&weather);
        assert!(matches!(
            records[0].status,
            FaultStatus::Indeterminate { .. }
        ));
        assert_eq!(records[1].status, FaultStatus::Installed);
        assert!(matches!(records[2].status, FaultStatus::Skipped { .. }));
    }
}
