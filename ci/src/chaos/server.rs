//! An async server of one's own, with its clients.

use super::{Chaos, ChaosError, UnderTest};
use std::ops::ControlFlow;
use stormglass_checker::CheckError;
use stormglass_nemesis::arena::ArenaError;
use stormglass_nemesis::foreign::{self, Foreign, Make, Start};
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::profile::Storm;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial};

impl UnderTest for Chaos<Start, Make> {
    const HAS_ARENAS: bool = false;

    fn arenas(&self) -> Vec<Arena> {
        vec![Arena::Turmoil]
    }

    fn arrange(&self, faults: &str, trial: &mut Trial) -> Result<(), ChaosError> {
        let storm = Storm {
            nodes: trial.nodes,
            spares: trial.spares,
            storm_ms: trial.storm_ms,
            election_timeout_ms_min: trial.knobs.election_timeout.min_ns / 1_000_000,
            kinds: foreign::kinds(faults).map_err(ChaosError::Setup)?,
            message_kinds: &[],
            drift_percent_max: 0,
            seed: trial.seed,
        };
        trial.schedule = foreign::storm(&storm);
        Ok(())
    }

    fn ride(&self, trial: &Trial) -> Result<Run, ArenaError> {
        let cluster = Foreign {
            start: self.node.clone(),
            client: self.client.clone(),
        };
        foreign::run(trial, &cluster, &mut |_| ControlFlow::Continue(()))
    }

    fn judge(&self, trial: &Trial, run: &Run) -> Result<Judged, CheckError> {
        judge(trial, run)
    }
}
