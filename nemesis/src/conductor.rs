//! Begins and ends faults, by time and by fact. One for all arenas.
//!
//! The conductor knows which fault is where in its life, changes the [`Conditions`] itself and tells the arena what to do with its nodes.
//! It writes down for each fault what really happened.

mod planned;
mod targets;

use crate::conditions::Conditions;
use crate::harness::Flaws;
use crate::record::{FaultRecord, FaultStatus};
use crate::schedule::{Action, Change, DiskTrouble, Disturbance, Fault, Leaves, Notice, When};
use crate::trial::{Healing, Rest, Trial};
use planned::{Planned, settle, waits};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_impls::node_set::NodeSet;
use targets::between;

/// What the arena is to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stop it. What is left of its disk, the machines say when it starts.
    Stop(NodeId),
    /// Start it again.
    Start(NodeId),
    /// It may have been held, and may go on now.
    Wake(NodeId),
    /// Its clock changed: when its timers are due has to be found anew.
    Reclock(NodeId),
    /// Not the arena but its operator is to see to it that these have the votes.
    Members(NodeSet),
    /// And this, that this node leads.
    Lead(NodeId),
}

/// The faults of a trial under way.
#[derive(Debug)]
pub struct Conductor {
    nodes: u8,
    /// Who has a vote when no fault changes it.
    voters: NodeSet,
    storm_ns: u64,
    healing: Healing,
    faults: Vec<Planned>,
    /// What to do when: by time, then in the order of the schedule.
    agenda: BTreeSet<(u64, usize, Cue)>,
    /// Which faults keep a node down.
    down: BTreeMap<NodeId, BTreeSet<u32>>,
    /// Who led last, and in which epoch.
    leader: Option<(u64, NodeId)>,
    /// Who was started last.
    newcomer: Option<NodeId>,
    /// Those of the faults that wait for a fact.
    waiting: BTreeSet<usize>,
    /// See [`Flaws::faults_feigned`].
    feigns: bool,
}

/// What to do with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cue {
    /// End it. Comes first, so that of two faults that meet in time the older is over.
    End,
    /// Begin its next round.
    Next,
    /// Begin it.
    Begin,
}

/// How far each node is, as the arena sees it: `None` when it is down.
pub type Progress<'a> = dyn Fn(NodeId) -> Option<u64> + 'a;

const NS_PER_MS: u64 = 1_000_000;

/// Stands among the faults that keep a node down for the healing that leaves it broken.
const HEALING: u32 = u32::MAX;
/// And this for a node that will never start again.
const DEAD: u32 = u32::MAX - 1;

impl Conductor {
    /// The conductor of a trial, nothing begun.
    pub fn new(trial: &Trial) -> Self {
        let planned = |fault: &Fault| Planned {
            record: FaultRecord {
                id: fault.id,
                kind: fault.kind,
                nodes: Vec::new(),
                from_ns: None,
                until_ns: None,
                status: FaultStatus::Skipped {
                    reason: "the trial ended before it was due".to_string(),
                },
                effects: 0,
            },
            subject: None,
            round: 0,
            stopped: 0,
            changes: 0,
            fault: fault.clone(),
        };
        let faults: Vec<Planned> = trial.schedule.iter().map(planned).collect();
        let begins =
            |(at, planned): (usize, &Planned)| Some((planned.fault.when.at_ns()?, at, Cue::Begin));
        Self {
            nodes: trial.nodes,
            voters: trial.voters(),
            storm_ns: trial.storm_ms * NS_PER_MS,
            healing: trial.healing.clone(),
            agenda: faults.iter().enumerate().filter_map(begins).collect(),
            waiting: waits(&faults),
            faults,
            down: BTreeMap::new(),
            leader: None,
            newcomer: None,
            feigns: Flaws::of(trial).faults_feigned,
        }
    }

    /// When there is something to do next, in simulated nanoseconds.
    pub fn next_ns(&self) -> Option<u64> {
        self.agenda.first().map(|(at_ns, ..)| *at_ns)
    }

    /// Something was noticed at a node.
    pub fn noticed(&mut self, time_ns: u64, node: NodeId, notice: &Notice) {
        match *notice {
            Notice::Fact(Fact::BecameLeader { epoch })
                if self.leader.is_none_or(|(known, _)| epoch >= known) =>
            {
                self.leader = Some((epoch, node));
            }
            Notice::Fact(Fact::SteppedDown { epoch }) if self.leader == Some((epoch, node)) => {
                self.leader = None
            }
            _ => {}
        }
        if !self.feigns {
            self.count_changes(notice);
        }
        let meant = |at: &usize| match self.faults[*at].fault.when {
            When::OnFact {
                fact,
                from_ms,
                after_ms,
            } => {
                let meant = time_ns >= from_ms * NS_PER_MS && fact.matches(node, notice);
                meant.then_some((*at, after_ms))
            }
            When::AtMs(_) | When::AtNs(_) => None,
        };
        // A fact starts one fault of a kind, the first that waits for it: a row of them meets one leader after the other.
        let mut kinds = BTreeSet::new();
        let starts = self.waiting.iter().filter_map(meant);
        let starts: Vec<(usize, u64)> = starts
            .filter(|(at, _)| kinds.insert(self.faults[*at].fault.kind))
            .collect();
        for (at, after_ms) in starts {
            self.waiting.remove(&at);
            self.faults[at].subject = Some(node);
            self.agenda
                .insert((time_ns + after_ms * NS_PER_MS, at, Cue::Begin));
        }
    }

    /// A node's disk failed, as a fault said it would, and the node stopped itself. It starts again when the fault is over.
    pub fn stopped_itself(&mut self, node: NodeId, fault: u32, now_ns: u64) {
        self.keep_down(node, fault);
        let Some(at) = self
            .faults
            .iter()
            .position(|planned| planned.fault.id == fault)
        else {
            return;
        };
        if self.faults[at].record.until_ns.is_some() {
            self.agenda.insert((now_ns + NS_PER_MS, at, Cue::End));
        }
    }

    /// A node found its disk damaged, as a fault said it would, and will not start again.
    pub fn refused_to_start(&mut self, node: NodeId) {
        self.keep_down(node, DEAD);
    }

    /// Does what is due, and says what the arena is to do.
    pub fn due(
        &mut self,
        now_ns: u64,
        conditions: &mut Conditions,
        progress: &Progress<'_>,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some((at_ns, at, cue)) = self.agenda.first().copied() {
            if at_ns > now_ns {
                break;
            }
            self.agenda.pop_first();
            match cue {
                Cue::Begin => self.begin(at, now_ns, conditions, progress, &mut orders),
                Cue::Next => self.next_round(at, now_ns, conditions, &mut orders),
                Cue::End => self.end(at, now_ns, conditions, &mut orders),
            }
        }
        orders
    }

    /// The storm is over: ends every fault, and no fact starts one any more. Then breaks for good what the healing leaves broken.
    pub fn heal(&mut self, now_ns: u64, conditions: &mut Conditions) -> Vec<Order> {
        self.agenda.clear();
        let mut orders = Vec::new();
        for at in 0..self.faults.len() {
            let waited = self.waiting.remove(&at);
            let record = &mut self.faults[at].record;
            if record.from_ns.is_some() && record.until_ns.is_none() {
                self.end(at, now_ns, conditions, &mut orders);
            } else if waited {
                let reason = "the fact that should start it did not come".to_string();
                self.faults[at].record.status = FaultStatus::Skipped { reason };
            }
        }
        let Healing::Core { core, rest } = self.healing.clone() else {
            return orders;
        };
        let others: Vec<NodeId> = NodeId::all(self.nodes)
            .filter(|node| !core.contains(node))
            .collect();
        match rest {
            Rest::Stopped => {
                self.stop(HEALING, &others, Leaves::Some, conditions, &mut orders);
            }
            Rest::CutOff => {
                for (from, to) in between(&core, &others) {
                    let weather = &mut conditions.weather;
                    weather.disturb(HEALING, (from, to), &Disturbance::Cut, (now_ns, u64::MAX));
                }
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
    pub fn finish(mut self, conditions: &Conditions) -> Vec<FaultRecord> {
        for planned in &mut self.faults {
            settle(planned, conditions, self.feigns);
        }
        self.faults
            .into_iter()
            .map(|planned| planned.record)
            .collect()
    }

    fn begin(
        &mut self,
        at: usize,
        now_ns: u64,
        conditions: &mut Conditions,
        progress: &Progress<'_>,
        orders: &mut Vec<Order>,
    ) {
        let until_ns = (now_ns + self.faults[at].fault.lasts_ms * NS_PER_MS).min(self.storm_ns);
        match self.install(at, (now_ns, until_ns), conditions, progress, orders) {
            Ok(nodes) => {
                let record = &mut self.faults[at].record;
                record.nodes = nodes;
                record.from_ns = Some(now_ns);
                self.agenda.insert((until_ns, at, Cue::End));
            }
            Err(reason) => self.faults[at].record.status = FaultStatus::Skipped { reason },
        }
    }

    /// Sets a fault up. Gives the nodes it befalls, or why it cannot be.
    fn install(
        &mut self,
        at: usize,
        span_ns: (u64, u64),
        conditions: &mut Conditions,
        progress: &Progress<'_>,
        orders: &mut Vec<Order>,
    ) -> Result<Vec<NodeId>, String> {
        let Fault { id, action, .. } = self.faults[at].fault.clone();
        let befallen = match action.target() {
            Some(target) => self.resolve(at, target, progress)?,
            None => self.faults[at].fault.names().into_iter().collect(),
        };
        if self.feigns {
            return Ok(befallen);
        }
        match &action {
            Action::Disturb { links, disturbance } => {
                for link in self.links(links, &befallen) {
                    conditions.weather.disturb(id, link, disturbance, span_ns);
                }
            }
            Action::Crash { leaves, .. } => {
                let stopped = self.stop(id, &befallen, *leaves, conditions, orders);
                return self.took_down(at, &befallen, stopped);
            }
            Action::CrashLoop { down_ms, .. } => {
                let stopped = self.stop(id, &befallen, Leaves::Some, conditions, orders);
                self.agenda
                    .insert((span_ns.0 + down_ms * NS_PER_MS, at, Cue::Next));
                return self.took_down(at, &befallen, stopped);
            }
            Action::RollingRestart { .. } => {
                self.agenda.insert((span_ns.0, at, Cue::Next));
            }
            Action::Pause { .. } => befallen
                .iter()
                .for_each(|node| conditions.machines.pause(id, *node)),
            Action::SlowCpu {
                step_ms_min,
                step_ms_max,
                ..
            } => {
                for node in &befallen {
                    conditions
                        .machines
                        .slow(id, *node, (*step_ms_min, *step_ms_max));
                }
            }
            Action::Disk { trouble, .. } => {
                befallen
                    .iter()
                    .for_each(|node| conditions.machines.trouble(id, *node, *trouble));
            }
            Action::Manage { change } => {
                if let Change::Transfer(_) = change {
                    orders.extend(befallen.first().copied().map(Order::Lead));
                }
                self.faults[at].record.nodes = befallen.clone();
                self.faults[at].record.from_ns = Some(span_ns.0);
                orders.extend(self.members(change));
            }
            Action::Clock { bend, .. } => {
                for node in &befallen {
                    conditions.machines.bend(id, *node, *bend, span_ns.0);
                    orders.push(Order::Reclock(*node));
                }
            }
        }
        Ok(befallen)
    }

    /// What the members should be, if this change is about them: those of the trial, as the faults that last change them, one after the other.
    fn members(&self, change: &Change) -> Option<Order> {
        if let Change::Transfer(_) = change {
            return None;
        }
        let lasting = self.faults.iter().filter(|planned| planned.lasts());
        let members = lasting.fold(self.voters, |voters, planned| {
            let nodes: NodeSet = planned.record.nodes.iter().copied().collect();
            match &planned.fault.action {
                Action::Manage {
                    change: Change::Voters(_),
                } => nodes,
                Action::Manage {
                    change: Change::Without(_),
                } if !nodes.is_empty() && !voters.difference(nodes).is_empty() => {
                    voters.difference(nodes)
                }
                _ => voters,
            }
        });
        Some(Order::Members(members))
    }

    /// Members or leaders changed: that is the work of the faults that want it.
    fn count_changes(&mut self, notice: &Notice) {
        let (members, leader) = match notice {
            Notice::Fact(Fact::MembersChanged { .. }) => (true, false),
            Notice::Fact(Fact::HandedOver { .. }) => (false, true),
            _ => return,
        };
        for planned in self.faults.iter_mut().filter(|planned| planned.lasts()) {
            if let Action::Manage { change } = &planned.fault.action {
                let about_leader = matches!(change, Change::Transfer(_));
                planned.changes += u64::from(if about_leader { leader } else { members });
            }
        }
    }

    fn took_down(
        &mut self,
        at: usize,
        wanted: &[NodeId],
        stopped: Vec<NodeId>,
    ) -> Result<Vec<NodeId>, String> {
        if stopped.is_empty() {
            return Err(format!("{wanted:?} is down already"));
        }
        self.faults[at].stopped += stopped.len() as u64;
        Ok(stopped)
    }

    /// The next round of a fault that has rounds.
    fn next_round(
        &mut self,
        at: usize,
        now_ns: u64,
        conditions: &mut Conditions,
        orders: &mut Vec<Order>,
    ) {
        let Planned {
            fault,
            record,
            round,
            ..
        } = &mut self.faults[at];
        if record.until_ns.is_some() || self.feigns {
            return;
        }
        *round += 1;
        let (id, round, nodes) = (fault.id, *round, record.nodes.clone());
        match fault.action.clone() {
            Action::CrashLoop { up_ms, down_ms, .. } => {
                let wait_ms = if round.is_multiple_of(2) {
                    let stopped = self.stop(id, &nodes, Leaves::Some, conditions, orders);
                    self.faults[at].stopped += stopped.len() as u64;
                    down_ms
                } else {
                    self.let_up(id, &nodes, orders);
                    up_ms
                };
                self.agenda
                    .insert((now_ns + wait_ms.max(1) * NS_PER_MS, at, Cue::Next));
            }
            Action::RollingRestart { order, down_ms } => {
                let lasts_ms = self.faults[at].fault.lasts_ms;
                // One node after the other goes down at an even pace; none goes before the one before it is up.
                let pace_ms = (lasts_ms / order.len() as u64).max(down_ms + 1);
                let (turn, goes_down) = (round.div_ceil(2), !round.is_multiple_of(2));
                let Some(node) = order.get(turn - 1) else {
                    return;
                };
                let wait_ms = if goes_down {
                    let stopped = self.stop(id, &[*node], Leaves::Some, conditions, orders);
                    self.faults[at].stopped += stopped.len() as u64;
                    down_ms
                } else {
                    self.let_up(id, &[*node], orders);
                    pace_ms - down_ms
                };
                self.agenda
                    .insert((now_ns + wait_ms * NS_PER_MS, at, Cue::Next));
            }
            _ => {}
        }
    }

    fn end(
        &mut self,
        at: usize,
        now_ns: u64,
        conditions: &mut Conditions,
        orders: &mut Vec<Order>,
    ) {
        let planned = &mut self.faults[at];
        planned.record.until_ns.get_or_insert(now_ns);
        let (id, nodes) = (planned.fault.id, planned.record.nodes.clone());
        let restarts = !self.feigns
            && matches!(
                planned.fault.action,
                Action::Disk {
                    trouble: DiskTrouble::Lies | DiskTrouble::Misdirects,
                    ..
                }
            );
        conditions.weather.lift(id);
        let reclocked = conditions.machines.lift(id, now_ns);
        orders.extend(reclocked.into_iter().map(Order::Reclock));
        orders.extend(nodes.iter().copied().map(Order::Wake));
        if let Action::Manage { change } = &self.faults[at].fault.action
            && !self.feigns
        {
            orders.extend(self.members(change));
        }
        if restarts {
            self.stop(id, &nodes, Leaves::Synced, conditions, orders);
        }
        self.let_up(id, &nodes, orders);
        settle(&mut self.faults[at], conditions, self.feigns);
    }

    /// Stops those of the nodes that are up, and gives them. The others are down already, and stay so for as long as their own fault says.
    fn stop(
        &mut self,
        fault: u32,
        nodes: &[NodeId],
        leaves: Leaves,
        conditions: &mut Conditions,
        orders: &mut Vec<Order>,
    ) -> Vec<NodeId> {
        let up: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|node| !self.is_down(*node))
            .collect();
        for node in &up {
            self.keep_down(*node, fault);
            conditions.machines.crash(fault, *node, leaves);
            orders.push(Order::Stop(*node));
        }
        up
    }

    fn keep_down(&mut self, node: NodeId, fault: u32) {
        self.down.entry(node).or_default().insert(fault);
        if self.leader.is_some_and(|(_, leader)| leader == node) {
            self.leader = None;
        }
    }

    /// A fault lets go of nodes; those that no other keeps down start.
    fn let_up(&mut self, fault: u32, nodes: &[NodeId], orders: &mut Vec<Order>) {
        for node in nodes {
            let Some(keepers) = self.down.get_mut(node) else {
                continue;
            };
            if keepers.remove(&fault) && keepers.is_empty() {
                self.newcomer = Some(*node);
                orders.push(Order::Start(*node));
            }
        }
    }
}

#[cfg(test)]
mod tests;
