//! How fast the arenas are, in processor time: `cargo bench -p stormglass-nemesis`.
//!
//! Five nodes. What a step costs while the log grows, over one long calm trial of a Raft cache; and how many seconds of storm each arena
//! simulates in a second, judgement included: with the same cache, and with each workload of the coordination services.

use std::ops::ControlFlow;
use stormglass_checker::Kind;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Ruling, judge};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::{WORKLOADS, WorkloadConfig};

/// The simulated length of the long calm trial: some 300,000 log entries.
const CALM_MS: u64 = 2_400_000;
/// How many rows the long calm trial is cut into.
const SLICES: u64 = 8;

/// The pause of a client between two operations, shortest and longest, in milliseconds.
type ThinkMs = (u64, u64);

fn main() {
    // First, while the process holds nothing else: it looks at resident memory.
    growth();
    println!();
    let head = "arena      seeds  operations/min  simulated s/CPU s  of that judging";
    println!("{head}  raft-cache, 5 clients");
    let caches = |trial: Trial| {
        storm(Trial {
            clients: 5,
            ..trial
        })
    };
    for (arena, seeds, think_ms) in [
        (Arena::Simulator, 200, (180, 310)),
        (Arena::Simulator, 200, (40, 120)),
        (Arena::Simulator, 60, (5, 22)),
        (Arena::Turmoil, 20, (40, 120)),
    ] {
        let of = |seed| Trial::calm("raft-cache", workload(think_ms), arena, seed);
        storms("register", seeds, |seed| caches(of(seed)));
    }
    println!();
    for cluster in ["zookeeper", "etcd"] {
        println!("{head}  {cluster}, 10 clients");
        let many = |trial: Trial| {
            storm(Trial {
                clients: 10,
                ..trial
            })
        };
        for info in WORKLOADS {
            if !info.clusters.contains(&cluster) {
                continue;
            }
            let asked = WorkloadConfig::named(info.name, cluster);
            let mut asked = asked.expect("a workload of this cluster");
            asked.set_think_time_ms(400, 700);
            let of = |seed| Trial::calm(cluster, asked.clone(), Arena::Simulator, seed);
            storms(info.name, 40, |seed| many(of(seed)));
        }
    }
}

/// What a step costs, slice by slice of one trial in which nothing but the log and the history grows.
fn growth() {
    let trial = calm((5, 22));
    let mut readings = vec![Reading::now(0)];
    let run = arena::run(&trial, &mut |at_ns| {
        if at_ns >= readings.len() as u64 * (CALM_MS / SLICES) * 1_000_000 {
            readings.push(Reading::now(at_ns));
        }
        ControlFlow::Continue(())
    });
    let run = run.expect("the trial is sound");
    println!("log entries  CPU ns/input  resident MiB  resident bytes/entry");
    // A calm load is even, so a slice has its share of the inputs of the whole.
    let inputs_per_ns = run.record.inputs as f64 / run.record.ended_ns as f64;
    for pair in readings.windows(2) {
        let [before, after] = pair else { continue };
        let inputs = (after.at_ns - before.at_ns) as f64 * inputs_per_ns;
        let entries = mutations_called(&run, after.at_ns);
        let grown = after.resident_bytes - readings[0].resident_bytes;
        println!(
            "{entries:11}  {:12.0}  {:12.0}  {:20.0}",
            (after.cpu_ns - before.cpu_ns) as f64 / inputs,
            after.resident_bytes as f64 / f64::from(1 << 20),
            grown as f64 / entries as f64
        );
    }
}

/// How many operations of the log were called by then: all but reads go through it.
fn mutations_called(run: &Run, by_ns: u64) -> usize {
    let called = run
        .history
        .events
        .iter()
        .filter(|event| event.kind == Kind::Invoke && event.f != "read" && event.time <= by_ns);
    called.count()
}

/// Where a run stands.
struct Reading {
    at_ns: u64,
    cpu_ns: u64,
    resident_bytes: u64,
}

impl Reading {
    fn now(at_ns: u64) -> Self {
        Self {
            at_ns,
            cpu_ns: cpu_ns(),
            resident_bytes: resident_bytes(),
        }
    }
}

fn storms(label: &str, seeds: u64, trial_of: impl Fn(u64) -> Trial) {
    let (mut operations, mut simulated_ns, mut run_ns, mut judge_ns) = (0, 0, 0, 0);
    let mut arena = Arena::Simulator;
    for seed in 1..=seeds {
        let trial = trial_of(seed);
        arena = trial.arena;
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
        "{:9}  {seeds:5}  {:14.0}  {:17.0}  {:13.1} %  {label}",
        arena.name(),
        operations as f64 / minutes,
        simulated_ns as f64 / (run_ns + judge_ns) as f64,
        100.0 * judge_ns as f64 / (run_ns + judge_ns) as f64
    );
}

/// Sixty simulated seconds with every kind of fault.
fn storm(mut trial: Trial) -> Trial {
    let system = catalog::system(&trial.cluster).expect("a known cluster");
    let kinds = swarm::kinds_of(&trial, system.as_ref());
    trial.schedule = swarm::storm(&trial, system.as_ref(), kinds).schedule();
    trial
}

fn calm(think_ms: ThinkMs) -> Trial {
    let mut trial = Trial::calm("raft-cache", workload(think_ms), Arena::Simulator, 1);
    trial.storm_ms = CALM_MS;
    trial
}

fn workload((shortest, longest): ThinkMs) -> WorkloadConfig {
    let mut register = WorkloadConfig::register();
    register.set_think_time_ms(shortest, longest);
    register
}

/// Processor time of this thread in nanoseconds, as Linux tells it.
fn cpu_ns() -> u64 {
    number_in("/proc/thread-self/schedstat", 0)
}

/// Memory of this process that is resident, in bytes, as Linux tells it.
fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4_096;
    number_in("/proc/self/statm", 1) * PAGE_BYTES
}

fn number_in(file: &str, at: usize) -> u64 {
    let told = std::fs::read_to_string(file).expect("this bench runs on Linux");
    told.split_whitespace()
        .nth(at)
        .and_then(|number| number.parse().ok())
        .expect("the file holds numbers")
}
