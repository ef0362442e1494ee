//! Runs a trial in the arena it names.
use crate::operator::Operator;

use crate::harness::{self, Flaws, system_mutant};
use crate::record::Run;
use crate::schedule::{Action, ClockBend, Disturbance, Fault};
use crate::simulator;
use crate::trial::{Arena, Trial};
use std::ops::ControlFlow;
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId};
use stormglass_impls::system::{Budget, Setup, System};
use stormglass_workloads::client::{ClientConfig, Manner, Numbering};
use stormglass_workloads::workload::Binding;

/// A trial that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArenaError {
    /// No such cluster.
    #[error("cluster: there is no cluster {name:?}; there are {known:?}")]
    UnknownCluster {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// No such mutant in that cluster.
    #[error("mutant: {cluster} has no mutant {name:?}; it has {known:?}")]
    UnknownMutant {
        /// Of which cluster.
        cluster: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The cluster does not offer what the workload asks.
    #[error("workload: {workload} cannot be asked of {cluster}")]
    Unbound {
        /// Which workload.
        workload: &'static str,
        /// Which cluster.
        cluster: &'static str,
    },
    /// The trial is not sound in itself.
    #[error("{0}")]
    Unsound(String),
    /// This build leaves the arena out.
    #[error("arena: this build has no {0} arena; build with its feature")]
    LeftOut(&'static str),
    /// The simulation itself failed.
    #[error("the {arena} arena failed: {cause}")]
    Failed {
        /// Which arena.
        arena: &'static str,
        /// What it said.
        cause: String,
    },
}

/// Is told the simulated time in nanoseconds, now and then, and may end the trial early.
pub type Progress<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

/// Runs a trial.
pub fn run(trial: &Trial, progress: &mut Progress<'_>) -> Result<Run, ArenaError> {
    let bound = prepare(trial)?;
    ride(trial, bound, progress)
}

/// Runs a trial on a system that need not be in the catalogue. The trial names it all the same: that is what its file is known by.
///
/// # Errors
/// As [`run`], and [`ArenaError::Unsound`] where the trial is one of another system.
pub fn run_of(trial: &Trial, bound: Bound, progress: &mut Progress<'_>) -> Result<Run, ArenaError> {
    check(trial, bound.0.as_ref())?;
    ride(trial, bound, progress)
}

fn ride(
    trial: &Trial,
    (system, binding): Bound,
    progress: &mut Progress<'_>,
) -> Result<Run, ArenaError> {
    match trial.arena {
        Arena::Simulator => Ok(simulator::run(trial, system, binding, progress)),
        #[cfg(feature = "turmoil")]
        Arena::Turmoil => crate::turmoil::run(trial, system, binding.into(), progress),
        #[cfg(not(feature = "turmoil"))]
        Arena::Turmoil => Err(ArenaError::LeftOut("turmoil")),
        // It starts the command again and again, and so belongs to who has one.
        Arena::Live => Err(ArenaError::LeftOut("live")),
    }
}

/// Whatever can be planted in a trial of that system: its mutants, its harmless changes, and the mutants of the harness.
pub fn mutants(system: &dyn System) -> Vec<&'static str> {
    let own = system.mutants().iter().map(|mutant| mutant.id);
    let harmless = system.harmless().iter().map(|harmless| harmless.id);
    own.chain(harmless)
        .chain(harness::MUTANTS.iter().map(|mutant| mutant.id))
        .collect()
}

/// Whether the faults of a trial can be made in its arena, and lie within what its cluster promises to survive. The error names the field.
fn fits(trial: &Trial, system: &dyn System) -> Result<(), String> {
    let (budget, kinds) = (system.budget(), system.message_kinds());
    for fault in &trial.schedule {
        let wrong = |cause: String| Err(format!("schedule: fault {}: {cause}", fault.id));
        let name = fault.kind.name();
        if !fault.kind.info().arenas.contains(&trial.arena) {
            return wrong(format!(
                "kind: the {} arena cannot represent {name}",
                trial.arena.name()
            ));
        }
        if !trial.beyond_promise && !is_within(fault, &budget) {
            return wrong(format!(
                "kind: {name} goes beyond what {} promises to survive; say so with beyond_promise (--beyond-promise), and what breaks is measured",
                system.name()
            ));
        }
        if let Action::Disturb {
            disturbance: Disturbance::Lose {
                only: Some(kind), ..
            },
            ..
        } = &fault.action
            && !kinds.contains(&kind.as_str())
        {
            return wrong(format!(
                "only: {} has no message {kind:?}; it has {kinds:?}",
                system.name()
            ));
        }
    }
    Ok(())
}

/// Whether a cluster promises to survive a fault.
pub fn is_within(fault: &Fault, budget: &Budget) -> bool {
    let drift = match &fault.action {
        Action::Clock {
            bend: ClockBend::Drift { percent },
            ..
        } => percent.unsigned_abs(),
        _ => 0,
    };
    fault.kind.info().demand.is_within(budget) && drift <= budget.drift_percent_max
}

/// What a node of a trial is told.
pub(crate) fn setup(id: NodeId, trial: &Trial) -> Setup {
    Setup {
        id,
        nodes: trial.nodes,
        voters: trial.voters(),
        knobs: trial.knobs.clone(),
        mutant: system_mutant(trial),
    }
}

/// What a client of a trial is told.
fn client_config(client: u32, trial: &Trial) -> ClientConfig {
    ClientConfig {
        id: ClientId(client),
        servers: trial.nodes,
        patience: trial.patience,
        numbering: match Flaws::of(trial).retries_renumbered {
            true => Numbering::Fresh,
            false => Numbering::Kept,
        },
        manner: match trial.asks_once {
            true => Manner::Once,
            false => trial.workload.manner(),
        },
    }
}

/// What all the clients of a trial are told, the operator, where there is one, last.
pub fn client_configs(trial: &Trial) -> Vec<ClientConfig> {
    let clients = (0..trial.clients).map(|client| client_config(client, trial));
    let operator = Operator::of(trial).map(|_| Operator::client(trial));
    clients.chain(operator).collect()
}

/// A system, and what puts a workload into its words.
pub type Bound = (Rc<dyn System>, Box<dyn Binding>);

/// Finds what a trial names, and checks that it fits together.
pub fn prepare(trial: &Trial) -> Result<Bound, ArenaError> {
    trial.validate().map_err(ArenaError::Unsound)?;
    let system = catalog::system(&trial.cluster).ok_or_else(|| ArenaError::UnknownCluster {
        name: trial.cluster.clone(),
        known: catalog::systems()
            .iter()
            .map(|system| system.name())
            .collect(),
    })?;
    check(trial, system.as_ref())?;
    let binding = trial
        .workload
        .binding(&trial.cluster)
        .ok_or_else(|| ArenaError::Unbound {
            workload: trial.workload.name(),
            cluster: system.name(),
        })?;
    Ok((system, binding))
}

/// Checks that a trial is one of that system, and that it fits together.
///
/// # Errors
/// [`ArenaError::Unsound`] or [`ArenaError::UnknownMutant`].
pub fn check(trial: &Trial, system: &dyn System) -> Result<(), ArenaError> {
    trial.validate().map_err(ArenaError::Unsound)?;
    if trial.cluster != system.name() {
        return Err(ArenaError::Unsound(format!(
            "cluster: the trial is one of {:?}, and this is {:?}",
            trial.cluster,
            system.name()
        )));
    }
    let known = mutants(system);
    if let Some(name) = trial
        .mutant
        .as_ref()
        .filter(|name| !known.contains(&name.as_str()))
    {
        return Err(ArenaError::UnknownMutant {
            cluster: system.name(),
            name: name.clone(),
            known,
        });
    }
    fits(trial, system).map_err(ArenaError::Unsound)?;
    match system.refuses(&setup(NodeId(1), trial)) {
        Some(cause) => Err(ArenaError::Unsound(cause)),
        None => Ok(()),
    }
}
