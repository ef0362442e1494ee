//! Runs a trial in the arena it names.

use crate::record::Run;
use crate::simulator;
use crate::trial::{Arena, Trial};
use std::ops::ControlFlow;
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::system::System;
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
    let (system, binding) = prepare(trial)?;
    match trial.arena {
        Arena::Simulator => Ok(simulator::run(trial, system, binding, progress)),
        #[cfg(feature = "turmoil")]
        Arena::Turmoil => crate::turmoil::run(trial, system, binding.into(), progress),
        #[cfg(not(feature = "turmoil"))]
        Arena::Turmoil => Err(ArenaError::LeftOut("turmoil")),
    }
}

/// A system, and what puts a workload into its words.
type Bound = (Rc<dyn System>, Box<dyn Binding>);

/// Finds what a trial names, and checks that it fits together.
fn prepare(trial: &Trial) -> Result<Bound, ArenaError> {
    trial.validate().map_err(ArenaError::Unsound)?;
    let system = catalog::system(&trial.cluster).ok_or_else(|| ArenaError::UnknownCluster {
        name: trial.cluster.clone(),
        known: catalog::systems()
            .iter()
            .map(|system| system.name())
            .collect(),
    })?;
    if let Some(name) = &trial.mutant
        && !system.mutants().iter().any(|mutant| mutant.id == name)
    {
        return Err(ArenaError::UnknownMutant {
            cluster: system.name(),
            name: name.clone(),
            known: system.mutants().iter().map(|mutant| mutant.id).collect(),
        });
    }
    let binding = trial
        .workload
        .binding(&trial.cluster)
        .ok_or_else(|| ArenaError::Unbound {
            workload: trial.workload.name(),
            cluster: system.name(),
        })?;
    Ok((system, binding))
}
