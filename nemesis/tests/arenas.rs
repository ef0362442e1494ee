//! What both arenas owe: storms that happen, runs that repeat, and violations instead of crashes.

mod flawed;

use flawed::{Flaw, Flawed};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use stormglass_checker::Kind;
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::arena::{self, ArenaError};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::record::{Run, ViolationKind};
use stormglass_nemesis::schedule::{Action, DiskTrouble, Fault, Leaves, Target, When};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::watchdog::{self, watched};
use stormglass_nemesis::{simulator, swarm, turmoil};
use stormglass_workloads::workload::WorkloadConfig;

const ARENAS: [Arena; 2] = [Arena::Simulator, Arena::Turmoil];

fn calm(arena: Arena, seed: u64, storm_ms: u64) -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        storm_ms,
        ..Trial::calm("raft-cache", workload, arena, seed)
    }
}

fn stormy(arena: Arena, seed: u64, storm_ms: u64, kinds: &[FaultKind]) -> Trial {
    let mut trial = calm(arena, seed, storm_ms);
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    trial.schedule = swarm::storm(&trial, system.as_ref(), kinds.to_vec()).schedule();
    trial
}

/// Every kind that the cluster promises to survive and the arena can represent.
fn all_kinds(arena: Arena) -> Vec<FaultKind> {
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    swarm::kinds_of(&calm(arena, 1, 1), system.as_ref())
}

/// A fault that stops a node at a time.
fn crash(id: u32, target: Target, at_ms: u64, lasts_ms: u64) -> Fault {
    let leaves = Leaves::Some;
    Fault {
        id,
        kind: FaultKind::Crash,
        action: Action::Crash { target, leaves },
        when: When::AtMs(at_ms),
        lasts_ms,
    }
}

fn run(trial: &Trial) -> (Run, Judged) {
    let run = arena::run(trial, &mut |_| ControlFlow::Continue(())).expect("a sound trial runs");
    let judged = judge(trial, &run).expect("the history is well formed");
    (run, judged)
}

/// The tutorial: make a trial, run it, judge it.
#[test]
fn a_storm_over_raft_is_survived_and_puts_it_to_the_test() {
    for arena in ARENAS {
        for seed in 1..=3 {
            let trial = stormy(arena, seed, 8_000, &all_kinds(arena));
            let (run, judged) = run(&trial);
            assert_eq!(
                judged.ruling,
                Ruling::Valid,
                "{arena:?} seed {seed}: {}",
                judged.sentence
            );
            assert!(
                judged.counts.ok > 100,
                "{arena:?} seed {seed}: {:?}",
                judged.counts
            );
            assert!(
                judged.counts.faults_installed > 0,
                "{arena:?} seed {seed}: {:?}",
                run.record.faults
            );
        }
    }
}

#[test]
fn the_same_trial_gives_the_same_run_and_another_seed_another() {
    for arena in ARENAS {
        let trial = stormy(arena, 11, 5_000, &all_kinds(arena));
        let (first, _) = run(&trial);
        let (second, _) = run(&trial);
        assert_eq!(first, second, "{arena:?}");
        assert!(first.record.inputs > 1_000, "{arena:?}");
        let (other, _) = run(&stormy(arena, 12, 5_000, &all_kinds(arena)));
        assert_ne!(first.record.digest, other.record.digest, "{arena:?}");
    }
}

#[test]
fn a_crash_takes_the_leader_away_and_another_is_elected() {
    for arena in ARENAS {
        let mut trial = calm(arena, 3, 4_000);
        trial.schedule = vec![crash(0, Target::Leader, 2_000, 1_500)];
        let (run, judged) = run(&trial);
        assert_eq!(
            judged.ruling,
            Ruling::Valid,
            "{arena:?}: {}",
            judged.sentence
        );
        let [crashed] = run.record.faults[0].nodes[..] else {
            panic!("{arena:?}: one node crashes")
        };
        let leaders = |from: u64, to: u64| {
            let facts = run
                .record
                .facts
                .iter()
                .filter(move |fact| (from..to).contains(&(fact.time_ns / 1_000_000)));
            let leads = |fact: &&stormglass_nemesis::record::FactRecord| {
                matches!(
                    fact.fact,
                    stormglass_impls::contract::Fact::BecameLeader { .. }
                )
            };
            facts
                .filter(leads)
                .map(|fact| fact.node)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            leaders(0, 2_000).last(),
            Some(&crashed),
            "{arena:?}: the leader is the one that crashes"
        );
        let next = leaders(2_000, 3_500);
        assert!(
            !next.is_empty() && !next.contains(&crashed),
            "{arena:?}: {next:?} lead while {crashed} is down"
        );
    }
}

#[test]
fn a_trial_that_tests_nothing_says_so() {
    for arena in ARENAS {
        let quiet = Trial {
            operations_per_client_max: Some(1),
            ..calm(arena, 1, 2_000)
        };
        let (_, judged) = run(&quiet);
        assert_eq!(
            judged.ruling,
            Ruling::Vacuous,
            "{arena:?}: {}",
            judged.sentence
        );
        assert!(
            judged.sentence.contains("20 are wanted"),
            "{}",
            judged.sentence
        );

        let mut late = calm(arena, 1, 3_000);
        late.schedule = vec![crash(0, Target::Leader, 50_000, 10)];
        let (_, judged) = run(&late);
        assert_eq!(
            judged.ruling,
            Ruling::Vacuous,
            "{arena:?}: {}",
            judged.sentence
        );
        assert!(
            judged.sentence.contains("no requested fault"),
            "{}",
            judged.sentence
        );
    }
}

#[test]
fn an_interrupted_trial_is_no_pass() {
    for arena in ARENAS {
        let trial = calm(arena, 1, 20_000);
        let run = arena::run(&trial, &mut |now_ns| match now_ns {
            10_000_000_000.. => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        let run = run.expect("an interrupted run is a run");
        assert!(
            run.record.interrupted && run.record.ended_ns < 11_000_000_000,
            "{arena:?}"
        );
        let judged = judge(&trial, &run).expect("the history is well formed");
        assert_eq!(judged.ruling, Ruling::Vacuous, "{arena:?}");
        assert!(
            judged.sentence.contains("interrupted"),
            "{}",
            judged.sentence
        );
    }
}

#[test]
fn what_a_trial_names_must_exist_and_fit() {
    let refused = |trial: Trial| {
        arena::run(&trial, &mut |_| ControlFlow::Continue(())).expect_err("an unsound trial")
    };
    let trial = || calm(Arena::Simulator, 1, 1_000);
    let unknown = refused(Trial {
        cluster: "raft".into(),
        ..trial()
    });
    assert!(
        matches!(unknown, ArenaError::UnknownCluster { .. }),
        "{unknown}"
    );
    let unknown = refused(Trial {
        mutant: Some("raft/none".into()),
        ..trial()
    });
    assert!(
        unknown.to_string().contains("raft/commit-old-term"),
        "{unknown}"
    );
    let mut misfit = trial();
    misfit.schedule = vec![crash(7, Target::Node(NodeId(9)), 1, 1)];
    let misfit = refused(misfit);
    assert_eq!(
        misfit.to_string(),
        "schedule: fault 7: target: there is no n9 in a cluster of 5"
    );
}

fn run_flawed(trial: &Trial, flaw: Flaw) -> (Run, Judged) {
    let system = Rc::new(Flawed(
        catalog::system("raft-cache").expect("there is raft-cache"),
        flaw,
    ));
    let binding = trial
        .workload
        .binding("raft-cache")
        .expect("raft-cache has registers");
    let progress = &mut |_| ControlFlow::Continue(());
    let run = match trial.arena {
        Arena::Simulator => simulator::run(trial, system, binding, progress),
        Arena::Turmoil => {
            turmoil::run(trial, system, binding.into(), progress).expect("the simulation works")
        }
        Arena::Live => unreachable!("a flawed system is never started for real"),
    };
    let judged = judge(trial, &run).expect("the history is well formed");
    (run, judged)
}

#[test]
fn a_panic_in_a_node_is_a_violation_with_its_message() {
    for arena in ARENAS {
        let (run, judged) = run_flawed(&calm(arena, 1, 5_000), Flaw::Panics);
        assert_eq!(judged.ruling, Ruling::Violation, "{arena:?}");
        let violation = &run.record.violations[0];
        assert_eq!(violation.kind, ViolationKind::Panic, "{arena:?}");
        assert!(
            violation.node.is_some() && violation.message.contains("one too many"),
            "{violation:?}"
        );
    }
}

#[test]
fn a_whole_cluster_that_answers_nobody_makes_no_progress() {
    for arena in ARENAS {
        let trial = Trial {
            recovery_ms: 3_000,
            ..calm(arena, 1, 3_000)
        };
        let (run, judged) = run_flawed(&trial, Flaw::Mute);
        assert_eq!(
            judged.ruling,
            Ruling::Violation,
            "{arena:?}: {}",
            judged.sentence
        );
        assert_eq!(
            run.record.violations[0].kind,
            ViolationKind::Progress,
            "{arena:?}"
        );
    }
}

#[test]
fn an_answer_that_is_none_is_a_violation() {
    for arena in ARENAS {
        let (run, judged) = run_flawed(&calm(arena, 1, 3_000), Flaw::Babbles);
        assert_eq!(
            judged.ruling,
            Ruling::Violation,
            "{arena:?}: {}",
            judged.sentence
        );
        assert_eq!(
            run.record.violations[0].kind,
            ViolationKind::Protocol,
            "{arena:?}"
        );
    }
}

#[test]
fn a_host_that_cannot_start_again_is_a_violation() {
    let mut trial = calm(Arena::Turmoil, 1, 4_000);
    trial.schedule = vec![crash(0, Target::Leader, 2_000, 500)];
    let (run, judged) = run_flawed(&trial, Flaw::ForgetsItsWords);
    assert_eq!(judged.ruling, Ruling::Violation, "{}", judged.sentence);
    let violation = &run.record.violations[0];
    assert_eq!(
        (violation.kind, violation.node),
        (ViolationKind::Host, Some(run.record.faults[0].nodes[0]))
    );
    assert!(violation.message.contains("/wal"), "{violation:?}");
}

#[test]
fn writes_that_do_not_fit_each_other_are_a_violation_wherever_they_are_read() {
    for arena in ARENAS {
        let mut trial = calm(arena, 1, 4_000);
        trial.schedule = vec![crash(0, Target::Leader, 2_000, 500)];
        let (run, judged) = run_flawed(&trial, Flaw::WritesTwice);
        assert_eq!(
            judged.ruling,
            Ruling::Violation,
            "{arena:?}: {}",
            judged.sentence
        );
        let violation = &run.record.violations[0];
        assert_eq!(violation.kind, ViolationKind::Panic, "{arena:?}");
        assert!(
            violation.message.contains("does not fit the disk"),
            "{arena:?}: {violation:?}"
        );
        assert_eq!(judged.sentence, "A node's writes do not fit each other.");
    }
}

#[test]
fn a_node_that_does_not_give_the_processor_back_is_left_behind_and_named() {
    for arena in ARENAS {
        let trial = calm(arena, 1, 5_000);
        let own = trial.clone();
        let stuck = watched(Duration::from_millis(300), move || {
            run_flawed(&own, Flaw::NeverReturns)
        });
        let stuck = stuck.expect_err("it works for ever");
        let run = watchdog::run_of(&trial, stuck);
        let judged = judge(&trial, &run).expect("the history is empty");
        assert_eq!(judged.ruling, Ruling::Violation, "{arena:?}");
        let violation = &run.record.violations[0];
        assert!(
            violation.kind == ViolationKind::Hang && violation.node.is_some(),
            "{violation:?}"
        );
    }
}

#[test]
fn a_trial_that_moves_is_not_stuck_however_long_it_takes() {
    let trial = calm(Arena::Simulator, 1, 60_000);
    let own = trial.clone();
    let watched = watched(Duration::from_millis(100), move || run(&own).0);
    assert_eq!(watched.expect("it moves"), run(&trial).0);
}

/// A disk that was slow for a while has not slowed down what comes after.
#[test]
fn a_slow_disk_is_over_when_it_is_over() {
    for arena in ARENAS {
        let mut trial = calm(arena, 4, 6_000);
        trial.knobs.entries_per_append_max = 1;
        let trouble = DiskTrouble::Slow {
            delay_ms_min: 150,
            delay_ms_max: 250,
        };
        let target = Target::Nodes(NodeId::all(5).collect());
        trial.schedule = vec![Fault {
            id: 0,
            kind: FaultKind::SlowDisk,
            action: Action::Disk { target, trouble },
            when: When::AtMs(1_500),
            lasts_ms: 2_500,
        }];
        let (run, judged) = run(&trial);
        assert_eq!(
            judged.ruling,
            Ruling::Valid,
            "{arena:?}: {}",
            judged.sentence
        );
        let writes = run
            .history
            .events
            .iter()
            .filter(|event| event.f == "write" && event.kind == Kind::Ok);
        let answered = writes.filter(|event| event.time > 5_000_000_000).count();
        assert!(
            answered >= 10,
            "{arena:?}: {answered} writes in the last second"
        );
    }
}

/// Messages that multiply would take all memory, and timers without length all time: the trial ends, and says why.
#[test]
fn a_cluster_that_floods_or_stands_still_ends_the_trial() {
    for (flaw, name) in [(Flaw::Echoes, "flood"), (Flaw::StandsStill, "standstill")] {
        let (run, judged) = run_flawed(&calm(Arena::Simulator, 1, 5_000), flaw);
        assert_eq!(
            judged.ruling,
            Ruling::Violation,
            "{name}: {}",
            judged.sentence
        );
        let violation = &run.record.violations[0];
        let told = (
            violation.kind,
            violation.name.as_str(),
            violation.node.is_some(),
        );
        assert_eq!(told, (ViolationKind::Hang, name, true), "{violation:?}");
    }
}

/// A night found this one: a node without a vote took over thousands of entries one by one, from a leader that ten clients kept busy, and had its vote
/// back a moment after the cluster was given up. What is behind is given the time that taking over takes.
#[test]
fn a_member_that_is_far_behind_has_the_time_to_catch_up() {
    let mut trial = calm(Arena::Simulator, 20_263_586, 60_000);
    (trial.nodes, trial.clients) = (3, 10);
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    swarm::draw(&mut trial, system.as_ref());
    assert_eq!(trial.knobs.entries_per_append_max, 1);
    let run = arena::run(&trial, &mut |_| ControlFlow::Continue(())).expect("a sound trial runs");
    let judged = judge(&trial, &run).expect("the history is well formed");
    assert_eq!(judged.ruling, Ruling::Valid, "{}", judged.sentence);
    let waited_ms = run.record.ended_ns / 1_000_000 - trial.storm_ms;
    assert!(
        waited_ms > trial.recovery_ms,
        "it takes longer than others: {waited_ms} ms"
    );
}
