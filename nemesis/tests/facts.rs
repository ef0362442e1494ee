//! What a system says it can note: nothing else is noted, and all of it is noted by somebody some day.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_impls::facts::FactKind;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::{arena, swarm};
use stormglass_workloads::workload::WorkloadConfig;

/// The most seeds it may take until everything was noted.
const SEEDS_MAX: u64 = 40;

/// The fewest seeds in which nothing else may be noted.
const SEEDS_MIN: u64 = 6;

/// A report says which facts never happened in a run. Were one on the list that cannot happen, every run would be blamed for it; were one missing,
/// no run ever would be.
#[test]
fn a_system_notes_what_it_says_it_can_and_nothing_else() {
    for system in catalog::systems() {
        let can = system.facts();
        let mut noted: BTreeMap<FactKind, u64> = BTreeMap::new();
        for seed in 1..=SEEDS_MAX {
            if seed > SEEDS_MIN && noted.len() == can.len() {
                break;
            }
            let workload = WorkloadConfig::usual(system.name());
            let mut trial = Trial::calm(system.name(), workload, Arena::Simulator, seed);
            trial.storm_ms = 6_000;
            swarm::draw(&mut trial, system.as_ref());
            let run = arena::run(&trial, &mut |_| ControlFlow::Continue(()));
            for fact in run.expect("a drawn trial is sound").record.facts {
                let kind = fact.fact.kind();
                assert!(
                    can.contains(&kind),
                    "{}, seed {seed}: {kind:?} is not among {can:?}",
                    system.name()
                );
                *noted.entry(kind).or_default() += 1;
            }
        }
        let never: Vec<_> = can
            .iter()
            .filter(|kind| !noted.contains_key(kind))
            .collect();
        assert!(
            never.is_empty(),
            "{} in {SEEDS_MAX} seeds never noted {never:?}; it noted {noted:?}",
            system.name()
        );
    }
}
