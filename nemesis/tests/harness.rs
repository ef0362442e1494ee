//! Stormglass's own mistakes: each of those that other harnesses made is planted here, and something notices it.

#![cfg(feature = "turmoil")]

use std::ops::ControlFlow;
use stormglass_checker::{Kind, Process};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::harness::MUTANTS;
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::record::{FaultStatus, Run, ViolationKind};
use stormglass_nemesis::schedule::{Action, Disturbance, Fault, Leaves, Links, Target, When};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::{arena, swarm};
use stormglass_workloads::workload::WorkloadConfig;

const ARENAS: [Arena; 2] = [Arena::Simulator, Arena::Turmoil];

fn calm(arena: Arena, seed: u64) -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        storm_ms: 6_000,
        ..Trial::calm("raft-cache", workload, arena, seed)
    }
}

/// A storm in which clients ask again, and in the end nobody answers them: the leader is cut off, then three of five nodes are down for
/// longer than a client waits.
fn trying(arena: Arena) -> Trial {
    let fault = |id, kind, action, at_ms, lasts_ms| Fault {
        id,
        kind,
        action,
        when: When::AtMs(at_ms),
        lasts_ms,
    };
    let links = Links::Around {
        target: Target::Leader,
    };
    let disturbance = Disturbance::Cut;
    let cut = Action::Disturb { links, disturbance };
    let target = Target::Nodes([1, 2, 3].map(NodeId).to_vec());
    let leaves = Leaves::Some;
    let crash = Action::Crash { target, leaves };
    Trial {
        schedule: vec![
            fault(0, FaultKind::PartitionLeader, cut, 1_000, 1_000),
            fault(1, FaultKind::Crash, crash, 2_500, 2_500),
        ],
        ..calm(arena, 2)
    }
}

fn run(trial: &Trial) -> (Run, Judged) {
    let run = arena::run(trial, &mut |_| ControlFlow::Continue(())).expect("a sound trial runs");
    let judged = judge(trial, &run).expect("the history is well formed");
    (run, judged)
}

fn run_with(mutant: &str, arena: Arena) -> (Run, Judged) {
    run(&Trial {
        mutant: Some(mutant.to_string()),
        ..trying(arena)
    })
}

/// The tutorial: an honest harness writes down a timeout as an operation of which nobody knows whether it happened. One that writes it
/// down as failed says more than it can know, and no verdict on its history means anything.
#[test]
fn a_timeout_that_is_written_down_as_a_failure_is_noticed() {
    for arena in ARENAS {
        let (honest, judged) = run(&trying(arena));
        assert_eq!(
            judged.ruling,
            Ruling::Valid,
            "{arena:?}: {}",
            judged.sentence
        );
        let events = honest.history.events.iter();
        let unknown =
            events.filter(|event| event.process != Process::Nemesis && event.kind == Kind::Info);
        assert!(
            unknown.count() >= 5,
            "{arena:?}: every client meets a deadline"
        );

        let (run, judged) = run_with("harness/timeout-as-fail", arena);
        assert_eq!(judged.ruling, Ruling::Violation, "{arena:?}");
        let violation = &run.record.violations[0];
        assert_eq!(violation.kind, ViolationKind::Harness, "{arena:?}");
        assert!(
            violation.message.contains("no answer said so"),
            "{violation:?}"
        );
        assert!(
            judged.sentence.contains("nothing is known of the cluster"),
            "{}",
            judged.sentence
        );
    }
}

#[test]
fn a_request_the_history_does_not_know_is_noticed_when_it_arrives() {
    for arena in ARENAS {
        let (late, _) = run_with("harness/call-recorded-late", arena);
        let (renumbered, _) = run_with("harness/retry-renumbered", arena);
        for run in [&late, &renumbered] {
            let violation = &run.record.violations[0];
            assert_eq!(violation.kind, ViolationKind::Harness, "{arena:?}");
            assert!(
                violation.message.contains("the history knows no such call"),
                "{violation:?}"
            );
        }
        let when = |run: &Run| run.record.violations[0].time_ns;
        assert!(
            when(&late) < 1_000_000_000,
            "{arena:?}: the first call is late already"
        );
        assert!(
            when(&late) < when(&renumbered),
            "{arena:?}: a retry comes after its call"
        );
    }
}

#[test]
fn final_reads_that_are_not_made_leave_a_trial_vacuous() {
    for arena in ARENAS {
        let (run, judged) = run_with("harness/final-read-skipped", arena);
        assert_eq!(run.record.violations, [], "{arena:?}");
        assert_eq!(
            judged.ruling,
            Ruling::Vacuous,
            "{arena:?}: {}",
            judged.sentence
        );
        let unread = "k0 was not read after everything was healed";
        assert!(
            judged.sentence.contains(unread),
            "{arena:?}: {}",
            judged.sentence
        );
    }
}

/// Nothing in the record tells a feigned fault: it takes the evidence, which `faults` asks of every kind.
#[test]
fn a_feigned_fault_is_written_down_as_if_it_had_happened() {
    for arena in ARENAS {
        let (run, judged) = run_with("harness/fault-feigned", arena);
        let mut faults = run.record.faults.iter();
        assert!(
            faults.all(|fault| fault.status == FaultStatus::Installed),
            "{arena:?}"
        );
        assert_eq!(run.record.traffic.cut, 0, "{arena:?}");
        assert_eq!(judged.counts.info, 0, "{arena:?}: everybody is answered");
    }
}

#[test]
fn there_is_no_mistake_but_those_planted_here() {
    let ids: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.id).collect();
    let planted = [
        "harness/call-recorded-late",
        "harness/timeout-as-fail",
        "harness/retry-renumbered",
        "harness/fault-feigned",
        "harness/final-read-skipped",
    ];
    assert_eq!(ids, planted);
}

#[test]
fn an_honest_harness_finds_no_fault_with_itself() {
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    let mut unknown = 0;
    for (arena, seeds) in [(Arena::Simulator, 30), (Arena::Turmoil, 3)] {
        for seed in 1..=seeds {
            let mut trial = calm(arena, seed);
            swarm::draw(&mut trial, system.as_ref());
            // Clients that give up early leave many outcomes unknown.
            trial.patience.deadline_ms = 300;
            let (run, judged) = run(&trial);
            let mut violations = run.record.violations.iter();
            let harness = violations.find(|violation| violation.kind == ViolationKind::Harness);
            assert_eq!(harness, None, "{arena:?} seed {seed}");
            unknown += judged.counts.info;
        }
    }
    assert!(
        unknown > 20,
        "the storms are worth it: {unknown} outcomes are unknown"
    );
}
