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
    let trial = failing("raft/ack-before-fsync", 1, 60_000);
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
    let trial = failing("raft/ack-before-fsync", 1, 60_000);
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

/// Several bugs, several seeds: as a rule, nine of ten events and more are gone.
#[test]
fn the_median_of_what_is_left_out_is_more_than_nine_tenths() {
    let mutants = [
        "raft/ack-before-fsync",
        "raft/no-up-to-date-check",
        "raft/no-truncate-tail",
        "raft/commit-not-monotonic",
        "raft/read-without-quorum",
        "raft/read-before-noop",
        "raft/term-not-persisted",
    ];
    let removed = mutants.map(|mutant| {
        let trial = failing(mutant, 40, 30_000);
        let shrunk = shrunk(&trial);
        assert_eq!(Some(&shrunk.property), breaks(&trial).as_ref(), "{mutant}");
        shrunk.removed_percent()
    });
    let mut sorted = removed;
    sorted.sort_by(f64::total_cmp);
    assert!(sorted[sorted.len() / 2] >= 90.0, "{removed:?}");
}

/// On small cases every subset of the faults can be tried. What the search finds is at most twice the smallest that breaks the same.
#[test]
fn on_small_cases_the_search_is_near_the_optimum() {
    for mutant in [
        "raft/ack-before-fsync",
        "raft/no-truncate-tail",
        "raft/read-without-quorum",
        "raft/read-before-noop",
        "raft/no-up-to-date-check",
    ] {
        let small = |trial: &Trial| (3..=7).contains(&trial.schedule.len());
        let mut trials = (1..400)
            .map(|seed| trial(mutant, seed, 10_000))
            .filter(small);
        let whole = trials.find(|trial| breaks(trial).is_some());
        let whole = whole.unwrap_or_else(|| panic!("{mutant}: no small trial breaks anything"));
        let property = breaks(&whole);
        let faults = whole.schedule.len();
        let subset = |bits: u32| Trial {
            schedule: (0..faults)
                .filter(|at| bits & (1 << at) != 0)
                .map(|at| whole.schedule[at].clone())
                .collect(),
            ..whole.clone()
        };
        let keeping = (0..1_u32 << faults).filter(|bits| breaks(&subset(*bits)) == property);
        let optimum = keeping
            .map(u32::count_ones)
            .min()
            .expect("the whole breaks it");
        let found = shrunk(&whole).after.faults;
        assert!(
            found <= u64::from(optimum) * 2,
            "{mutant}: {found} faults of {faults}, where {optimum} are enough"
        );
    }
}
