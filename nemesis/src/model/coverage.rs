//! Which kinds of state the model reaches and which storms reach, side by side.
//!
//! A *shape* is a state without its details: what each node is, and how terms, ends of logs and decisions stand to one another, not which they are. A
//! storm that comes to a shape the model does not know, while it is still within the bounds, would have left the model: there is none. The
//! shapes that only the model comes to are what storms have yet to be shaped for.

use super::bounds::{Bounds, Disk};
use super::space::Space;
use super::state::State;
use super::tape::{Taped, taping};
use crate::arena::{self, ArenaError};
use crate::swarm;
use crate::trial::{Arena, Healing, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::explored::{Outline, Role};
use stormglass_workloads::workload::WorkloadConfig;

/// A state without its details. The order of the nodes is one of the details.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(u64);

/// How many bits a node takes: two for what it is, three for each of its ranks.
const NODE_BITS: u32 = 11;

impl Shape {
    /// The shape of nodes that stand so.
    pub fn of(outlines: &[Outline]) -> Self {
        let rank = |key: fn(&Outline) -> (u64, u64)| {
            let keys: BTreeSet<(u64, u64)> = outlines.iter().map(key).collect();
            move |outline: &Outline| keys.iter().position(|known| *known == key(outline))
        };
        let epoch = rank(|outline| (outline.epoch, 0));
        let log = rank(|outline| (outline.last_epoch, outline.last));
        let decided = rank(|outline| (outline.decided, 0));
        let bits = |found: Option<usize>| found.unwrap_or_default() as u64;
        let mut nodes: Vec<u64> = outlines
            .iter()
            .map(|outline| {
                let role = outline.role as u64;
                role << 9
                    | bits(epoch(outline)) << 6
                    | bits(log(outline)) << 3
                    | bits(decided(outline))
            })
            .collect();
        nodes.sort_unstable();
        Self(
            nodes
                .iter()
                .fold(1, |shape, node| shape << NODE_BITS | node),
        )
    }
}

/// As `follower term 1 log 1 decided 0; leader term 1 log 2 decided 0`: the numbers are ranks, 0 for the lowest.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        let mut nodes = Vec::new();
        while left > 1 {
            nodes.push(left & ((1 << NODE_BITS) - 1));
            left >>= NODE_BITS;
        }
        for (at, node) in nodes.iter().rev().enumerate() {
            let role = ["follower", "candidate", "leader"][(node >> 9) as usize];
            let [epoch, log, decided] = [6, 3, 0].map(|shift| node >> shift & 7);
            let between = if at == 0 { "" } else { "; " };
            write!(
                f,
                "{between}{role} term {epoch} log {log} decided {decided}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const _: () = assert!(Role::Leader as u64 == 2, "a role takes two bits");

impl Space {
    /// The shape of a state.
    pub(super) fn shape(&self, state: &State) -> Shape {
        let nodes = &state.nodes[..usize::from(self.bounds.nodes)];
        let outlines: Vec<Outline> = nodes
            .iter()
            .map(|node| self.locals.get(*node).outline)
            .collect();
        Shape::of(&outlines)
    }
}

/// What storms came to within bounds.
#[derive(Clone, Debug, Default)]
pub struct Storms {
    /// Each shape with the seed that came to it first.
    pub shapes: BTreeMap<Shape, u64>,
    /// How many steps were within the bounds.
    pub steps: u64,
}

/// Runs storms of the simulator over these seeds in a cluster of the bounds, and collects the shapes they come to before they go beyond.
pub fn storms(bounds: &Bounds, seeds: std::ops::RangeInclusive<u64>) -> Result<Storms, ArenaError> {
    let mut storms = Storms::default();
    for seed in seeds {
        let trial = storm(bounds, seed);
        let (run, tape) = taping(|| arena::run(&trial, &mut |_| ControlFlow::Continue(())));
        run?;
        collect(bounds, &tape, seed, &mut storms);
    }
    Ok(storms)
}

fn storm(bounds: &Bounds, seed: u64) -> Trial {
    let workload = WorkloadConfig::usual(&bounds.cluster);
    let system = catalog::system(&bounds.cluster).expect("bounds are of a cluster that there is");
    let mut trial = Trial::calm(&bounds.cluster, workload, Arena::Simulator, seed);
    // Beyond two terms there is nothing to see.
    trial.storm_ms = 2_000;
    trial.recovery_ms = 1;
    trial.clients = bounds.clients.len().max(1) as u32;
    swarm::draw(&mut trial, &*system);
    let calls_max = bounds.clients.iter().map(Vec::len).max().unwrap_or(0);
    trial.operations_per_client_max = Some(calls_max as u64);
    let setup = bounds
        .setup(NodeId(1), None)
        .expect("a space was made of these bounds");
    let timeouts = (
        trial.knobs.election_timeout,
        trial.knobs.heartbeat_interval_ms,
    );
    trial.knobs = setup.knobs;
    (
        trial.knobs.election_timeout,
        trial.knobs.heartbeat_interval_ms,
    ) = timeouts;
    (trial.nodes, trial.spares) = (bounds.nodes, bounds.spares);
    trial.healing = Healing::Everything;
    let kinds = swarm::kinds_of(&trial, &*system);
    let of_members = |kind: &crate::faults::FaultKind| kind.info().family == "membership";
    let kinds = kinds.into_iter().filter(|kind| !of_members(kind)).collect();
    trial.schedule = swarm::storm(&trial, &*system, kinds).schedule();
    trial
}

/// Follows a tape for as long as it is within the bounds.
fn collect(bounds: &Bounds, tape: &[Taped], seed: u64, storms: &mut Storms) {
    let mut nodes: Vec<Option<Outline>> = vec![None; usize::from(bounds.nodes)];
    let (mut crashes, mut calls) = (0, BTreeSet::new());
    let calls_max = bounds.clients.iter().map(Vec::len).sum::<usize>();
    let mut fired: BTreeMap<String, u8> = BTreeMap::new();
    for taped in tape {
        let (node, outline) = match taped {
            Taped::Booted { node, outline, .. } | Taped::Stepped { node, outline, .. } => {
                (*node, *outline)
            }
        };
        match taped {
            Taped::Booted { .. } => crashes += u8::from(nodes[node.index()].is_some()),
            Taped::Stepped {
                input: Input::Request {
                    client, request_id, ..
                },
                ..
            } => {
                calls.insert((*client, *request_id));
            }
            Taped::Stepped {
                input: Input::TimerFired(timer),
                ..
            } => {
                let times = fired.entry(format!("{timer:?}")).or_default();
                *times = times.saturating_add(1);
            }
            Taped::Stepped { .. } => {}
        }
        let may_fire = bounds.timers.iter().all(|bound| {
            let times = fired.get(&bound.timer).copied().unwrap_or(0);
            let most = match &bound.nodes {
                Some(_) => Some(0),
                None => bound.times,
            };
            most.is_none_or(|most| times <= most)
        });
        let within = crashes <= bounds.crashes
            && calls.len() <= calls_max
            && outline.epoch <= bounds.epoch_max
            && outline.last <= bounds.log_max
            && may_fire;
        if !within {
            return;
        }
        nodes[node.index()] = Some(outline);
        let all: Option<Vec<Outline>> = nodes.iter().copied().collect();
        if let Some(all) = all {
            storms.steps += 1;
            storms.shapes.entry(Shape::of(&all)).or_insert(seed);
        }
    }
}

/// Whether storms can be held against a search within these bounds: those know no end of a write, so what a storm shows in between may be missing.
pub fn is_comparable(bounds: &Bounds) -> bool {
    bounds.prelude.is_empty() && bounds.disk == Disk::Atomic
}
