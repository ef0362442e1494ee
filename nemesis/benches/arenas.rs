//! How many seconds each arena simulates in a second of processor time, judgement included: `cargo bench -p stormglass-nemesis`.
//!
//! A five-node Raft cache and five clients, storms of 60 simulated seconds with every kind of fault.

use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Ruling, judge};
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

fn main() {
    println!("arena      seeds  operations/min  simulated s/CPU s  of that judging");
    for (arena, seeds) in [(Arena::Simulator, 200), (Arena::Turmoil, 20)] {
        let (mut operations, mut simulated_ns, mut run_ns, mut judge_ns) = (0, 0, 0, 0);
        for seed in 1..=seeds {
            let trial = storm(arena, seed);
            let started = cpu_ns();
            let run =
                arena::run(&trial, &mut |_| ControlFlow::Continue(())).expect("the trial is sound");
            let ran = cpu_ns();
            let judged = judge(&trial, &run).expect("the history is well formed");
            assert_eq!(
                judged.ruling,
                Ruling::Valid,
                "seed {seed}: {}",
                judged.sentence
            );
            operations += judged.counts.operations;
            simulated_ns += run.record.ended_ns;
            run_ns += ran - started;
            judge_ns += cpu_ns() - ran;
        }
        let minutes = simulated_ns as f64 / 60e9;
        println!(
            "{:9}  {seeds:5}  {:14.0}  {:17.0}  {:13.1} %",
            arena.name(),
            operations as f64 / minutes,
            simulated_ns as f64 / (run_ns + judge_ns) as f64,
            100.0 * judge_ns as f64 / (run_ns + judge_ns) as f64
        );
    }
}

fn storm(arena: Arena, seed: u64) -> Trial {
    let workload = WorkloadConfig::named("register").expect("there is a register workload");
    let mut trial = Trial::calm("raft-cache", workload, arena, seed);
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    let kinds = swarm::kinds_of(&trial, system.as_ref());
    trial.schedule = swarm::storm(&trial, system.as_ref(), kinds).schedule();
    trial
}

/// Processor time of this thread in nanoseconds, as Linux tells it.
fn cpu_ns() -> u64 {
    let told =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("this bench runs on Linux");
    told.split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok())
        .expect("the first number is nanoseconds on a processor")
}
