//! Whether what an arena did can be in the model: the other way over the bridge.
//!
//! An arena writes down every input that a node took, and the digest of its state behind it. The model takes the same inputs, one after the other: a
//! message must have been sent before, a timer must be set, a write must be under way, a node that comes back must have kept a beginning of what was
//! under way; and behind every step the node's state must be the model's. Clocks stand still in the model, so a trial that is held against it must not let a
//! clock into its nodes: no leases, no sessions that expire.

use super::bounds::{Bounds, Disk, Network};
use super::moves::Move;
use super::space::{Reductions, Space, SpaceError};
use super::tape::Taped;
use super::trace::state_digest;
use crate::trial::Trial;
use std::collections::BTreeSet;
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::knobs::Reads;
use stormglass_impls::system::Erased;

/// What was held against the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validated {
    /// Inputs that nodes took.
    pub inputs: u64,
    /// Messages among them.
    pub messages: u64,
    /// Boots, the first ones among them.
    pub boots: u64,
    /// Boots behind which some of what was under way was found on the disk.
    pub kept: u64,
}

/// Why a tape cannot be in the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The trial is beyond what the model has.
    #[error("the model has no clocks that move: {0}")]
    Clocks(&'static str),
    /// There is no such space.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// What happened cannot happen in the model.
    #[error("event {event}: {what}: {cause}")]
    Step {
        /// Which, from 1.
        event: usize,
        /// What happened.
        what: String,
        /// Why it cannot be.
        cause: String,
    },
}

/// The model, led by a tape.
struct Follower {
    space: Space,
    nodes: Vec<Option<u32>>,
    sent: BTreeSet<u32>,
    seen: Validated,
}

/// Holds what an arena did in a trial against the model.
pub fn validate(trial: &Trial, tape: &[Taped]) -> Result<Validated, Invalid> {
    if trial.knobs.reads == Reads::Lease {
        return Err(Invalid::Clocks("reads by lease read them"));
    }
    if trial.knobs.session_ms > 0 {
        return Err(Invalid::Clocks("sessions that expire read them"));
    }
    let bounds = Bounds {
        name: "tape".into(),
        cluster: trial.cluster.clone(),
        summary: String::new(),
        nodes: trial.nodes,
        spares: trial.spares,
        knobs: Vec::new(),
        epoch_max: u64::MAX,
        log_max: u64::MAX,
        clients: Vec::new(),
        asks_max: 0,
        crashes: u8::MAX,
        resets: u8::MAX,
        timers: Vec::new(),
        disk: Disk::Pipelined,
        inputs_while_writing: u8::MAX,
        network: Network::Set,
        prelude: Vec::new(),
        shows: Vec::new(),
    };
    let mut space = Space::new(bounds, trial.mutant.as_deref(), Reductions::NONE)?;
    for setup in &mut space.setups {
        setup.knobs = trial.knobs.clone();
    }
    let mut follower = Follower {
        space,
        nodes: vec![None; usize::from(trial.nodes)],
        sent: BTreeSet::new(),
        seen: Validated::default(),
    };
    for (at, taped) in tape.iter().enumerate() {
        follower.follow(taped).map_err(|cause| Invalid::Step {
            event: at + 1,
            what: taped.to_string(),
            cause,
        })?;
    }
    Ok(follower.seen)
}

impl Follower {
    fn follow(&mut self, taped: &Taped) -> Result<(), String> {
        match taped {
            Taped::Booted { node, state, .. } => self.boot(*node, *state),
            Taped::Stepped {
                node, input, state, ..
            } => {
                let local = self.nodes[node.index()].ok_or("it takes an input before it boots")?;
                self.seen.inputs += 1;
                let after = self.step(*node, local, input)?;
                self.hold(*node, after, *state)
            }
        }
    }

    /// A node boots: with an empty disk, or with what it had and a beginning of what was under way.
    fn boot(&mut self, node: NodeId, state: u128) -> Result<(), String> {
        self.seen.boots += 1;
        let before = match self.nodes[node.index()] {
            Some(before) => before,
            None => {
                let first = self.space.first(node);
                self.space.keep(first)
            }
        };
        let under_way: usize = self
            .space
            .locals
            .get(before)
            .under_way
            .iter()
            .map(Vec::len)
            .sum();
        for keeps in 0..=under_way {
            let keeps = u8::try_from(keeps).map_err(|_| "more is under way than can be counted")?;
            let outcome = self
                .space
                .work_out(before, Move::Crash(keeps), false, &mut |_, _| {});
            let outcome = outcome.ok_or("a boot is always possible")?;
            if state_digest(&*self.space.locals.get(outcome.to).state) == state {
                self.seen.kept += u64::from(keeps > 0);
                self.nodes[node.index()] = Some(outcome.to);
                self.sent.extend(outcome.sends.iter());
                return Ok(());
            }
        }
        Err(format!(
            "no beginning of the {under_way} writes under way leads to that state"
        ))
    }

    /// The node's state after an input that can be in the model.
    fn step(&mut self, node: NodeId, local: u32, input: &Input<Erased>) -> Result<u32, String> {
        let here = self.space.locals.get(local);
        match input {
            Input::Deliver { from, message } => {
                self.seen.messages += 1;
                let letter = self.space.letter(*from, node, message);
                if !self.sent.contains(&letter) {
                    return Err("that message was never sent".into());
                }
            }
            Input::TimerFired(timer) => {
                let timer = self.space.timer(timer);
                if !here.timers.contains(&timer) {
                    return Err("that timer is not set".into());
                }
            }
            Input::Persisted if here.under_way.is_empty() => {
                return Err("nothing is being written".into());
            }
            Input::Persisted
            | Input::LinkUp(_)
            | Input::LinkDown(_)
            | Input::Request { .. }
            | Input::ClientGone(_) => {}
        }
        let (after, sends) = self.space.take_input(local, input)?;
        self.sent.extend(sends);
        Ok(after)
    }

    fn hold(&mut self, node: NodeId, after: u32, state: u128) -> Result<(), String> {
        let own = state_digest(&*self.space.locals.get(after).state);
        self.nodes[node.index()] = Some(after);
        match own == state {
            true => Ok(()),
            false => Err(format!(
                "{node} is {state:032x} there and {own:032x} in the model"
            )),
        }
    }
}
