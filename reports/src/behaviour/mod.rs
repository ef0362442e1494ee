//! How a cluster behaved in a run: what became of each key, what was answered under each fault, how long it took to recover, what the
//! faults were put to, which facts happened, and how far clocks were off.
//!
//! Data first, so that pages over many runs can use the same numbers; `page` makes sections of it. All times are simulated
//! nanoseconds from the start. Calls and faults are sorted once; after that each key and each fault costs a few binary searches,
//! however long it lasted.

mod aim;
mod availability;
mod clocks;
mod coverage;
mod facts;
mod keys;
mod page;
mod ranks;
mod recovery;
mod sight;

pub use aim::{Aim, Part, Side};
pub use availability::{Availability, KindWindows, Served, Spread, Window};
pub use clocks::{BentClock, ClockPoint, Clocks, NodeClock};
pub use coverage::{AimRow, FaultCoverage};
pub use facts::{FactRow, Facts};
pub use keys::{KEYS_MAX, KeyRow, KeyVerdict, Keys, Latency};
pub use page::{STYLE, render};
pub use recovery::{Back, Heal, Recovery};

use crate::bands::bands;
use crate::calls::calls;
use crate::plots::ended_ns;
use crate::reigns::{outages, reigns};
use serde::Serialize;
use sight::{Forces, Sight};
use stormglass_nemesis::judge::Judged;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::Trial;

/// How a cluster behaved in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Behaviour {
    /// What became of the operations on each key.
    pub keys: Keys,
    /// What was answered under each fault.
    pub availability: Availability,
    /// How long it took to serve again.
    pub recovery: Recovery,
    /// What the faults were put to.
    pub coverage: FaultCoverage,
    /// Which facts happened.
    pub facts: Facts,
    /// How far clocks were off.
    pub clocks: Clocks,
}

impl Behaviour {
    /// Measures a judged run of a trial.
    pub fn of(trial: &Trial, run: &Run, judged: &Judged) -> Self {
        let ended_ns = ended_ns(run);
        let calls = calls(&run.history, trial.clients);
        let bands = bands(&run.record, ended_ns);
        let reigns = reigns(
            trial,
            &run.record,
            &outages(trial, &run.record, ended_ns),
            ended_ns,
        );
        let (sight, forces) = (Sight::of(&calls, ended_ns), Forces::of(&bands));
        Self {
            keys: keys::keys(&calls, &forces, &judged.judgement.verdict, ended_ns),
            availability: availability::availability(&sight, &bands, ended_ns),
            recovery: recovery::recovery(&sight, &forces, &bands, &reigns, &run.record),
            coverage: coverage::coverage(trial, &run.record, &sight, &bands, &reigns),
            facts: facts::facts(&trial.cluster, &run.record),
            clocks: clocks::clocks(trial, &run.record, &bands, ended_ns),
        }
    }
}
