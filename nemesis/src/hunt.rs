//! Hunting planted bugs: a trial from a seed, and whether it caught the bug.

use crate::harness;
use crate::judge::{Judged, Ruling};
use crate::record::ViolationKind;
use crate::swarm;
use crate::trial::{Arena, Trial};
use stormglass_impls::contract::DelayRange;
use stormglass_impls::system::{Harmless, System};
use stormglass_workloads::workload::WorkloadConfig;

/// A harmless change of a trial: the system is as it was, its surroundings are not.
#[derive(Clone, Copy)]
pub struct HarmlessTrial {
    /// Its id and what it changes.
    pub about: Harmless,
    /// Makes the change.
    pub change: fn(&mut Trial),
}

/// All of them.
pub const HARMLESS_TRIALS: &[HarmlessTrial] = &[
    HarmlessTrial {
        about: Harmless {
            id: "harmless/election-timeout-doubled",
            change: "nodes wait twice as long before they stand for election",
        },
        change: |trial| {
            let range = &mut trial.knobs.election_timeout;
            *range = DelayRange {
                min_ns: range.min_ns * 2,
                max_ns: range.max_ns * 2,
            };
        },
    },
    HarmlessTrial {
        about: Harmless {
            id: "harmless/batch-of-one",
            change: "one entry an append",
        },
        change: |trial| trial.knobs.entries_per_append_max = 1,
    },
    HarmlessTrial {
        about: Harmless {
            id: "harmless/slower-disk",
            change: "a sync takes five times as long, and ten milliseconds more",
        },
        change: |trial| trial.sync_ms = (trial.sync_ms.0 * 5 + 10, trial.sync_ms.1 * 5 + 10),
    },
];

/// The trial of a seed in which something is hunted: a storm of a minute in which the seed draws everything. `planted` is a mutant, a
/// harmless change of the system, or one of [`HARMLESS_TRIALS`].
pub fn trial(system: &dyn System, arena: Arena, seed: u64, planted: &str) -> Trial {
    let workload = WorkloadConfig::named("register").expect("there is a register workload");
    let mut trial = Trial::calm(system.name(), workload, arena, seed);
    swarm::draw(&mut trial, system);
    match HARMLESS_TRIALS
        .iter()
        .find(|known| known.about.id == planted)
    {
        Some(harmless) => (harmless.change)(&mut trial),
        None => trial.mutant = Some(planted.to_string()),
    }
    trial
}

/// What caught a planted bug, if it was caught: the name of the law that broke, `linearizability` when only the clients saw it.
pub fn caught(trial: &Trial, judged: &Judged) -> Option<String> {
    let of_harness = trial.mutant.as_deref().is_some_and(harness::is_of_harness);
    match judged.ruling {
        Ruling::Violation if of_harness => {
            let audited = |kind| kind == ViolationKind::Harness;
            let found = judged
                .violations
                .iter()
                .any(|violation| audited(violation.kind));
            found.then(|| "harness audit".to_string())
        }
        Ruling::Violation => {
            let inside = judged.violations.first();
            Some(inside.map_or("linearizability".to_string(), |violation| {
                violation.name.clone()
            }))
        }
        Ruling::Vacuous if of_harness => judged.vacuous.clone().map(|_| "vacuous".to_string()),
        _ => None,
    }
}
