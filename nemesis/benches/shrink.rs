//! How small failing trials get, and what that costs: `cargo bench -p stormglass-nemesis --bench shrink`.
//!
//! Three failing seeds of each mutant, of those that forty storms of a minute catch, in the simulator.

use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::shrink::{Property, ShrinkLimits, Shrunk, shrink};
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

fn main() {
    let cpu_ns = || -> u64 {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let first = told.split_whitespace().next();
        first.and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    let system = catalog::system("raft-cache").unwrap();
    let mut removed = Vec::new();
    for mutant in system.mutants() {
        let seeds = (1..=40).map(|seed| trial(mutant.id, seed, 60_000));
        for trial in seeds.filter(|trial| breaks(trial).is_some()).take(3) {
            let started_ns = cpu_ns();
            let shrunk = shrunk(&trial);
            let cpu_s = (cpu_ns() - started_ns) as f64 / 1e9;
            removed.push(shrunk.removed_percent());
            let (before, after) = (shrunk.before, shrunk.after);
            println!(
                "{:28} seed {:3} {:22} faults {:3} -> {:2}  operations {:4} -> {:3}  clients {} keys {} nodes {} {:5.1} s  {:5.1} %  {:4} runs {cpu_s:5.1} CPU s {}",
                mutant.id,
                trial.seed,
                shrunk.property.to_string(),
                before.faults,
                after.faults,
                before.operations,
                after.operations,
                after.clients,
                after.keys,
                after.nodes,
                after.simulated_ns as f64 / 1e9,
                shrunk.removed_percent(),
                shrunk.candidates_run,
                if shrunk.is_complete { "" } else { "limit" }
            );
        }
    }
    removed.sort_by(f64::total_cmp);
    println!(
        "{} trials: median {:.1} %, worst {:.1} %",
        removed.len(),
        removed[removed.len() / 2],
        removed[0]
    );
}

/// A trial as `stormglass run raft-cache --arena simulator --seed .. --mutant ..` makes it.
fn trial(mutant: &str, seed: u64, storm_ms: u64) -> Trial {
    let workload = WorkloadConfig::register();
    let mut trial = Trial::calm("raft-cache", workload, Arena::Simulator, seed);
    trial.storm_ms = storm_ms;
    trial.mutant = Some(mutant.to_string());
    swarm::draw(&mut trial, catalog::system("raft-cache").unwrap().as_ref());
    trial
}

fn run(trial: &Trial) -> (Run, Judged) {
    let run = arena::run(trial, &mut |_| ControlFlow::Continue(())).unwrap();
    let judged = judge(trial, &run).unwrap();
    (run, judged)
}

fn breaks(trial: &Trial) -> Option<Property> {
    Property::of(&run(trial).1)
}

fn shrunk(trial: &Trial) -> Shrunk {
    let (run, judged) = run(trial);
    let limits = ShrinkLimits::of(trial.arena);
    shrink(trial, &run, &judged, &limits, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}
