//! Beyond the promise: what breaks after a fault that nobody promised to survive is a measurement; what breaks before it, or without it,
//! stays a violation.

#![cfg(feature = "turmoil")]

use std::ops::ControlFlow;
use stormglass_checker::Verdict;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::arena;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::record::{FaultStatus, Run};
use stormglass_nemesis::schedule::{
    Action, DiskTrouble, Disturbance, Fault, Leaves, Links, Target, When,
};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

const ARENAS: [Arena; 2] = [Arena::Simulator, Arena::Turmoil];

fn trial(arena: Arena, schedule: Vec<Fault>) -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        storm_ms: 6_000,
        beyond_promise: true,
        schedule,
        ..Trial::calm("raft-cache", workload, arena, 3)
    }
}

fn run(trial: &Trial) -> (Run, Judged) {
    let run = arena::run(trial, &mut |_| ControlFlow::Continue(())).expect("a sound trial runs");
    let judged = judge(trial, &run).expect("the history is well formed");
    (run, judged)
}

fn fault(id: u32, (kind, action): (FaultKind, Action), at_ms: u64, lasts_ms: u64) -> Fault {
    let when = When::AtMs(at_ms);
    Fault {
        id,
        kind,
        action,
        when,
        lasts_ms,
    }
}

/// A node stops and comes back with an empty disk.
fn wipe(id: u8) -> (FaultKind, Action) {
    let (target, leaves) = (Target::Node(NodeId(id)), Leaves::Nothing);
    (FaultKind::Wipe, Action::Crash { target, leaves })
}

/// Syncs of these nodes lie.
fn lies(ids: &[u8]) -> (FaultKind, Action) {
    let target = Target::Nodes(ids.iter().copied().map(NodeId).collect());
    let trouble = DiskTrouble::Lies;
    (FaultKind::LyingFsync, Action::Disk { target, trouble })
}

/// Everybody restarts, with all that was synced.
fn crash_all() -> (FaultKind, Action) {
    let target = Target::Nodes(NodeId::all(5).collect());
    let leaves = Leaves::Synced;
    (FaultKind::CrashAll, Action::Crash { target, leaves })
}

/// The tutorial: a node that forgets its term is a violation of Raft. When its disk was wiped, that is what the trial wanted to see: the
/// ruling is a measurement, and names the fault.
#[test]
fn what_breaks_after_a_wipe_is_measured() {
    for arena in ARENAS {
        let (run, judged) = run(&trial(arena, vec![fault(0, wipe(2), 2_000, 500)]));
        assert_eq!(run.record.violations[0].name, "monotonic-term", "{arena:?}");
        assert_eq!(judged.ruling, Ruling::Measured, "{arena:?}");
        let named = judged
            .sentence
            .starts_with("After wipe, beyond the promise: The cluster broke");
        assert!(named, "{}", judged.sentence);
    }
}

/// When all disks lie, what was committed is gone.
#[test]
fn what_breaks_after_syncs_that_lied_is_measured() {
    for arena in ARENAS {
        let all = lies(&[1, 2, 3, 4, 5]);
        let (run, judged) = run(&trial(arena, vec![fault(0, all, 1_000, 1_500)]));
        assert!(
            run.record.violations[0].time_ns > 2_500_000_000,
            "{arena:?}: the restart shows it"
        );
        assert_eq!(judged.ruling, Ruling::Measured, "{arena:?}");
        assert!(
            judged.sentence.starts_with("After lying-fsync, beyond"),
            "{}",
            judged.sentence
        );
    }
}

/// The mutant breaks the law at two and a half seconds in all of these. What matters is which fault had begun by then.
#[test]
fn what_breaks_before_such_a_fault_is_a_violation() {
    let crash = || fault(0, crash_all(), 2_000, 500);
    let early = || fault(1, lies(&[4]), 1_000, 4_500);
    let late = || fault(1, wipe(4), 3_000, 500);
    for arena in ARENAS {
        for (schedule, wanted) in [
            (vec![crash()], Ruling::Violation),
            (vec![crash(), late()], Ruling::Violation),
            (vec![crash(), early()], Ruling::Measured),
        ] {
            let trial = Trial {
                mutant: Some("raft/term-not-persisted".to_string()),
                ..trial(arena, schedule)
            };
            let (run, judged) = run(&trial);
            let violation = &run.record.violations[0];
            assert_eq!(violation.name, "monotonic-term", "{arena:?}");
            assert!(
                (2_500..2_510).contains(&(violation.time_ns / 1_000_000)),
                "{violation:?}"
            );
            assert_eq!(judged.ruling, wanted, "{arena:?}: {:?}", run.record.faults);
        }
    }
}

/// A stale read that the clients saw long before a disk was wiped is not the wipe's doing, though nothing broke inside until then.
#[test]
fn what_clients_saw_before_such_a_fault_is_a_violation() {
    let cut = || {
        let target = Target::Leader;
        let links = Links::Around { target };
        let disturbance = Disturbance::Cut;
        (
            FaultKind::PartitionLeader,
            Action::Disturb { links, disturbance },
        )
    };
    for seed in [14, 15, 16, 25, 35] {
        let cuts = [1_000, 2_000, 3_000].into_iter().zip(0..);
        let cuts = cuts.map(|(at_ms, id)| fault(id, cut(), at_ms, 600));
        let schedule = cuts.chain([fault(3, wipe(2), 5_900, 50)]).collect();
        let trial = Trial {
            seed,
            mutant: Some("raft/read-without-quorum".to_string()),
            ..trial(Arena::Simulator, schedule)
        };
        let (_, judged) = run(&trial);
        let seen = matches!(judged.judgement.verdict, Verdict::Invalid(_));
        assert!(seen, "seed {seed}: the mutant shows itself");
        assert_eq!(
            judged.ruling,
            Ruling::Violation,
            "seed {seed}: {}",
            judged.sentence
        );
    }
}

/// A trial that may go beyond the promise and survives it is valid; and the fault was there.
#[test]
fn what_does_not_break_is_valid() {
    for arena in ARENAS {
        let few = fault(0, lies(&[4]), 5_900, 1);
        let (run, judged) = run(&trial(arena, vec![few, fault(1, crash_all(), 2_000, 500)]));
        assert_eq!(
            judged.ruling,
            Ruling::Valid,
            "{arena:?}: {}",
            judged.sentence
        );
        let status = &run.record.faults[0].status;
        assert!(
            !matches!(status, FaultStatus::Skipped { .. }),
            "{arena:?}: {status:?}"
        );
    }
}
