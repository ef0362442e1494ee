//! Shrinking: a trial that breaks something becomes a small one that breaks the same.

use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::shrink::{Property, ShrinkError, ShrinkLimits, Shrunk, shrink};
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

/// A trial as `stormglass run raft-cache --arena simulator --seed .. --mutant ..` makes it.
fn trial(mutant: &str, seed: u64, storm_ms: u64) -> Trial {
    let workload = WorkloadConfig::named("register").unwrap();
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

/// The first trial of a mutant that breaks something, from a seed on.
fn failing(mutant: &str, seed: u64, storm_ms: u64) -> Trial {
    let mut trials = (seed..seed + 60).map(|seed| trial(mutant, seed, storm_ms));
    trials
        .find(|trial| breaks(trial).is_some())
        .unwrap_or_else(|| panic!("{mutant}: no seed from {seed} on breaks anything"))
}

fn shrunk(trial: &Trial) -> Shrunk {
    let (run, judged) = run(trial);
    let limits = ShrinkLimits::of(trial.arena);
    shrink(trial, &run, &judged, &limits, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

/// The tutorial: a storm of a minute finds a bug, and what is left of it fits on a page.
#[test]
fn a_storm_becomes_a_few_events_that_break_the_same() {
    let trial = failing("raft/vote-not-persisted", 1, 60_000);
    let before = breaks(&trial);
    let shrunk = shrunk(&trial);
    assert_eq!(Some(&shrunk.property), before.as_ref());
    assert!(shrunk.removed_percent() >= 90.0, "{:?}", shrunk.after);
    let again = run(&shrunk.trial).0;
    assert_eq!(
        again, shrunk.run,
        "a shrunk trial is as deterministic as any"
    );
    assert_eq!(run(&shrunk.trial).0.record.digest, again.record.digest);
    assert_eq!(Property::of(&run(&shrunk.trial).1), before);
}

#[test]
fn a_trial_that_breaks_nothing_is_refused() {
    let mut trial = trial("raft/vote-not-persisted", 1, 5_000);
    trial.mutant = None;
    let (run, judged) = run(&trial);
    let limits = ShrinkLimits::of(trial.arena);
    let refused = shrink(&trial, &run, &judged, &limits, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(refused, Err(ShrinkError::NothingBroken { .. })));
}

#[test]
fn a_search_that_is_ended_gives_the_best_so_far() {
    let trial = failing("raft/vote-not-persisted", 1, 60_000);
    let (run, judged) = run(&trial);
    let limits = ShrinkLimits::of(trial.arena);
    let shrunk = shrink(
        &trial,
        &run,
        &judged,
        &limits,
        &mut |step| match step.candidates_run < 12 {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        },
    );
    let shrunk = shrunk.unwrap();
    assert!(!shrunk.is_complete && shrunk.candidates_run <= 13);
    assert!(shrunk.after.events() < shrunk.before.events());
    assert_eq!(breaks(&shrunk.trial), Some(shrunk.property));
}

/// For a measure of one's own: `cargo test --release -p stormglass-nemesis --test shrink -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of half a minute"]
fn measure() {
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
