//! Trials that cannot be run: each is refused with an error that names the field, and nothing panics.

use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;
use stormglass_impls::contract::NodeId;
use stormglass_impls::knobs::Reads;
use stormglass_nemesis::arena;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::schedule::{
    Action, ClockBend, Disturbance, Fault, Leaves, Links, Target, When,
};
use stormglass_nemesis::trial::{Arena, Call, Healing, Rest, TRIAL_VERSION, Trial};
use stormglass_workloads::workload::WorkloadConfig;

fn sound() -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        storm_ms: 1_000,
        ..Trial::calm("raft-cache", workload, Arena::Simulator, 1)
    }
}

fn with(kind: FaultKind, action: Action) -> Trial {
    let fault = Fault {
        id: 3,
        kind,
        action,
        when: When::AtMs(100),
        lasts_ms: 100,
    };
    Trial {
        schedule: vec![fault],
        ..sound()
    }
}

fn crash(id: u8, leaves: Leaves) -> Action {
    let target = Target::Node(NodeId(id));
    Action::Crash { target, leaves }
}

fn refusal(trial: &Trial) -> String {
    let refused = arena::run(trial, &mut |_| ControlFlow::Continue(()));
    refused
        .expect_err("an unsound trial is refused")
        .to_string()
}

/// The same trial, written to a file and read again.
fn refusal_of_file(trial: &Trial, name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, trial.to_json()).expect("a file can be written");
    let refused = Trial::read(&path).expect_err("an unsound trial is refused");
    refused.to_string()
}

/// The tutorial: a trial file of another version is refused for its version, whatever else is in it.
#[test]
fn a_trial_of_another_version_is_refused() {
    let older = Trial {
        schema_version: TRIAL_VERSION - 1,
        ..sound()
    };
    let refused = refusal(&older);
    assert!(
        refused.starts_with("schema_version: this build reads another version"),
        "{refused}"
    );
    let refused = refusal_of_file(&older, "older-trial.json");
    assert!(
        refused.contains("older-trial.json:1: not a usable trial: schema_version:"),
        "{refused}"
    );
}

#[test]
fn a_fault_that_does_not_fit_is_refused_with_its_number_and_field() {
    let cut = |target| Action::Disturb {
        links: Links::Around { target },
        disturbance: Disturbance::Cut,
    };
    let lose = Action::Disturb {
        links: Links::Around {
            target: Target::Leader,
        },
        disturbance: Disturbance::Lose {
            percent: 50,
            only: Some("gossip".to_string()),
        },
    };
    let drift = Action::Clock {
        target: Target::Leader,
        bend: ClockBend::Drift { percent: 60 },
    };
    let beyond = "goes beyond what raft-cache promises to survive; say so with beyond_promise";
    let refusals = [
        (
            FaultKind::Crash,
            crash(9, Leaves::Some),
            "target: there is no n9 in a cluster of 5",
        ),
        (
            FaultKind::PartitionOne,
            cut(Target::Node(NodeId(9))),
            "target: there is no n9",
        ),
        (
            FaultKind::BitFlip,
            crash(1, Leaves::FlippedBit),
            "kind: the simulator arena cannot represent bit-flip",
        ),
        (FaultKind::Wipe, crash(1, Leaves::Nothing), beyond),
        (FaultKind::ClockDrift, drift, beyond),
        (
            FaultKind::LoseKind,
            lose,
            "only: raft-cache has no message \"gossip\"; it has [\"request-vote\"",
        ),
        (
            FaultKind::Crash,
            cut(Target::Leader),
            "kind: this action is no crash",
        ),
        (
            FaultKind::Wipe,
            crash(1, Leaves::Some),
            "kind: this action is no wipe",
        ),
        (
            FaultKind::Crash,
            Action::Crash {
                target: Target::Subject,
                leaves: Leaves::Some,
            },
            "target: `subject` needs a fact",
        ),
    ];
    for (kind, action, wanted) in refusals {
        let refused = refusal(&with(kind, action));
        let at = refused.strip_prefix("schedule: fault 3: ");
        assert!(
            at.is_some_and(|at| at.contains(wanted)),
            "{refused}, and not {wanted}"
        );
    }
}

#[test]
fn what_is_refused_beyond_the_promise_is_run_when_the_trial_says_so() {
    let mut trial = with(FaultKind::Wipe, crash(1, Leaves::Nothing));
    trial.beyond_promise = true;
    assert!(arena::run(&trial, &mut |_| ControlFlow::Continue(())).is_ok());
}

#[test]
fn a_core_that_is_no_majority_is_refused() {
    let majority = "healing: core: a core is a majority, each node named once";
    let unknown = "healing: core: there is no n9 in a cluster of 5";
    for (core, wanted) in [
        (vec![1, 2], majority),
        (vec![1, 2, 2], majority),
        (vec![], majority),
        (vec![1, 2, 9], unknown),
    ] {
        let core = core.into_iter().map(NodeId).collect();
        let rest = Rest::Stopped;
        let healing = Healing::Core { core, rest };
        let trial = Trial { healing, ..sound() };
        assert_eq!(refusal(&trial), wanted);
        assert!(refusal_of_file(&trial, "core-trial.json").ends_with(wanted));
    }
}

#[test]
fn a_call_nobody_can_make_is_refused_with_its_number_and_field() {
    let call = |client, f: &str, at_ns| Call {
        client,
        at_ns,
        f: f.to_string(),
        key: Some("k0".to_string()),
        value: json!(1),
    };
    let good = || call(0, "write", 5);
    for (bad, wanted) in [
        (call(5, "write", 5), "client: there is no client 5 among 5"),
        (
            call(0, "append", 5),
            "f: \"append\" is none of [\"read\", \"write\", \"cas\"]",
        ),
        (
            call(0, "read", 1_000_000_000),
            "at_ns: 1000000000 is after the storm",
        ),
    ] {
        let calls = Some(vec![good(), bad]);
        let refused = refusal(&Trial { calls, ..sound() });
        assert!(
            refused.starts_with(&format!("calls: number 2: {wanted}")),
            "{refused}"
        );
    }
}

#[test]
fn two_faults_of_one_number_are_refused() {
    let mut trial = with(FaultKind::Crash, crash(1, Leaves::Some));
    trial.schedule.push(trial.schedule[0].clone());
    let refused = refusal(&trial);
    assert!(
        refused.starts_with("schedule: fault 3: id: another fault has the same"),
        "{refused}"
    );
}

/// What only one protocol can say of a knob it says itself, and by the knob's name.
#[test]
fn knobs_that_a_protocol_cannot_live_with_are_refused() {
    let with = |quorums, reads| {
        let mut trial = Trial {
            cluster: "paxos-cache".to_string(),
            nodes: 5,
            ..sound()
        };
        trial.knobs.quorums = quorums;
        trial.knobs.reads = reads;
        trial.knobs.check_quorum = true;
        trial
    };
    assert_eq!(
        refusal(&with(Some((3, 2)), Reads::Quorum)),
        "knobs.quorums: 3 and 2 of 5 acceptors need not meet: together they must be more than all"
    );
    assert_eq!(
        refusal(&with(Some((6, 1)), Reads::Quorum)),
        "knobs.quorums: each phase needs 1 to 5 of 5 acceptors, not 6 and 1"
    );
    let no_lease = refusal(&with(None, Reads::Lease));
    assert!(no_lease.contains("reads"), "{no_lease}");
}
