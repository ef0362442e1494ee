//! A lease is as good as the bound on clock drift that it is shrunk by: the same storms of drifting clocks, pauses and transfers leave every
//! read right where the bound is true, and some read wrong where it is not.

use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

/// Clocks run up to half as fast again, or half as slow.
const KINDS: [FaultKind; 5] = [
    FaultKind::PartitionLeader,
    FaultKind::Pause,
    FaultKind::ClockDrift,
    FaultKind::TransferLeader,
    FaultKind::PartitionLeaver,
];

/// A storm over leases that are shrunk by so many percent.
fn run(seed: u64, bound_percent: u64) -> Judged {
    let workload = WorkloadConfig::register();
    let mut trial = Trial::calm("raft-cache", workload, Arena::Simulator, seed);
    (trial.nodes, trial.clients) = (3, 12);
    let bound = bound_percent.to_string();
    for (knob, value) in [
        ("reads", "lease"),
        ("check_quorum", "true"),
        // An election takes longer than a client waits before it asks elsewhere: there is time to see a stale read.
        ("election_timeout_ms", "400..450"),
        ("clock_drift_percent_max", &bound),
    ] {
        trial.knobs.turn(knob, value).expect("a knob there is");
    }
    let system = catalog::system("raft-cache").expect("a known cluster");
    trial.schedule = swarm::storm(&trial, &*system, KINDS.to_vec()).schedule();
    let run = arena::run(&trial, &mut |_| ControlFlow::Continue(())).expect("a sound trial runs");
    judge(&trial, &run).expect("the history is well formed")
}

#[test]
fn a_lease_holds_within_its_bound() {
    for seed in 1..=20 {
        let judged = run(seed, 50);
        assert_eq!(
            judged.ruling,
            Ruling::Valid,
            "seed {seed}: {}",
            judged.sentence
        );
    }
}

#[test]
fn a_lease_breaks_beyond_its_bound() {
    let broken = |seed: &u64| {
        let judged = run(*seed, 1);
        let unlinearizable = judged.sentence.contains("is not linearizable");
        judged.ruling == Ruling::Violation && unlinearizable
    };
    let found: Vec<u64> = (1..=60).filter(broken).take(1).collect();
    assert!(
        !found.is_empty(),
        "clocks fifty times as bad as was said, and no read is wrong"
    );
}
