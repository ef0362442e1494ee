//! Every kind of fault really happens, in every arena that can represent it, and leaves something by which that can be seen without
//! asking the fault itself.
//!
//! | file | what is there |
//! | --- | --- |
//! | `main.rs` | the tests |
//! | `cases.rs` | for every kind a small schedule, and which evidence it must leave |
//! | `network.rs`, `machines.rs`, `members.rs` | that evidence |
//! | `targets.rs` | tests of whom a fault befalls, and when |
//! | `look.rs` | what can be looked at: inputs of the nodes, their clocks, facts, operations |

#![cfg(feature = "turmoil")]

mod cases;
mod look;
mod machines;
mod members;
mod network;
mod targets;
#[path = "../wrapped/mod.rs"]
mod wrapped;

use cases::{Case, case, crash, fault};
use look::{MS, watch};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::arena::is_within;
use stormglass_nemesis::faults::{FAULTS, FaultInfo, FaultKind};
use stormglass_nemesis::judge::{Ruling, judge};
use stormglass_nemesis::record::FaultStatus;
use stormglass_nemesis::schedule::{Leaves, Target, When};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

/// When the faults begin that a time starts, and how long they last, in milliseconds from the start.
const START_MS: u64 = 2_000;
const LASTS_MS: u64 = 1_500;
/// How long after its fact a fault begins that a fact starts, in milliseconds.
const AFTER_MS: u64 = 30;
/// How long a node is down that goes down more than once, in milliseconds.
const DOWN_MS: u64 = 200;
/// How long a link is cut or a clock is off before it is right again, in milliseconds.
const FLAKY_MS: u64 = 250;
/// How long slow frames, and slow syncs, take at least, in milliseconds. Two of them are less than an election timeout.
const SLOW_MS: u64 = 60;
/// How long slow steps take at least, in milliseconds.
const STEP_MS: u64 = 10;
/// How far wrong clocks are off, in milliseconds: an hour.
const JUMP_MS: i64 = 3_600_000;
/// The pairs cut at random. Every node is in one, so a cut that does nothing shows whoever leads.
const CUT_PAIRS: [(NodeId, NodeId); 3] = [
    (NodeId(1), NodeId(2)),
    (NodeId(3), NodeId(4)),
    (NodeId(5), NodeId(1)),
];
/// The order of a rolling restart.
const ROLLING: [NodeId; 5] = [NodeId(3), NodeId(1), NodeId(5), NodeId(2), NodeId(4)];

const ARENAS: [Arena; 2] = [Arena::Simulator, Arena::Turmoil];

fn trial(arena: Arena, case: &Case) -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        storm_ms: 5_000,
        // Syncs that take a while, so that a crash meets one.
        sync_ms: (5, 8),
        beyond_promise: true,
        schedule: case.schedule.clone(),
        ..Trial::calm("raft-cache", workload, arena, 1)
    }
}

fn every_kind() -> impl Iterator<Item = (&'static FaultInfo, Arena)> {
    let kinds = FAULTS.iter();
    let all = kinds.flat_map(|info| info.arenas.iter().map(move |arena| (info, *arena)));
    // What happens to real processes is tested where they are.
    all.filter(|(_, arena)| *arena != Arena::Live)
}

/// The tutorial: crash the leader, and look at the nodes, not at the record of the fault. The node takes no input while it is down,
/// another leads, and the old leader comes back without a memory of having led.
#[test]
fn a_crash_is_seen_in_what_the_nodes_take() {
    for arena in ARENAS {
        let leader = crash(Target::Leader, Leaves::Some);
        let case = Case {
            schedule: vec![fault(FaultKind::Crash, leader)],
            evidence: machines::leader_down,
        };
        let seen = watch(&trial(arena, &case));
        assert_eq!(seen.from_ns, START_MS * MS, "{arena:?}");
        assert_eq!(
            seen.leaders(0..seen.from_ns).last(),
            Some(&seen.node()),
            "{arena:?}"
        );
        assert_eq!(seen.took(seen.node(), seen.span()).count(), 0, "{arena:?}");
        assert_eq!((case.evidence)(&seen), Ok(()), "{arena:?}");
    }
}

/// Checks a kind in an arena. Gives what is wrong.
fn happens(info: &FaultInfo, arena: Arena) -> Result<(), String> {
    let case = case(info.kind);
    let trial = trial(arena, &case);
    let seen = watch(&trial);
    (case.evidence)(&seen)?;
    let record = seen.fault(0);
    let resolved = record.kind == info.kind
        && !record.nodes.is_empty()
        && record.until_ns > record.from_ns
        && record.status == FaultStatus::Installed;
    if !resolved {
        return Err(format!("the record says {record:?}"));
    }
    if let When::AtMs(at_ms) = case.schedule[0].when
        && record.from_ns != Some(at_ms * MS)
    {
        return Err(format!(
            "it began at {:?}, not after {at_ms} ms",
            record.from_ns
        ));
    }
    let judged = judge(&trial, &seen.run).map_err(|error| error.to_string())?;
    let budget = catalog::system("raft-cache")
        .expect("there is raft-cache")
        .budget();
    let wanted: &[Ruling] = match is_within(&case.schedule[0], &budget) {
        true => &[Ruling::Valid],
        false => &[Ruling::Valid, Ruling::Measured],
    };
    match wanted.contains(&judged.ruling) {
        true => Ok(()),
        false => Err(format!("{:?}: {}", judged.ruling, judged.sentence)),
    }
}

#[test]
fn every_kind_of_fault_leaves_its_evidence_and_a_record() {
    let mut wrong = Vec::new();
    for (info, arena) in every_kind() {
        if let Err(cause) = happens(info, arena) {
            wrong.push(format!("{} in the {}: {cause}", info.name, arena.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Otherwise the evidence would be none.
#[test]
fn a_fault_that_is_only_written_down_leaves_no_evidence() {
    for (info, arena) in every_kind() {
        let case = case(info.kind);
        let feigned = Trial {
            mutant: Some("harness/fault-feigned".to_string()),
            ..trial(arena, &case)
        };
        let seen = watch(&feigned);
        let said = seen.fault(0).status == FaultStatus::Installed;
        // After a crash that was feigned there is no newcomer to be killed, and so on.
        let happens_alone = [FaultKind::KillVoter, FaultKind::PartitionElection];
        let targeted = happens_alone.contains(&info.kind) || info.kind.needs().is_none();
        assert_eq!(said, targeted, "{}: it is written down", info.name);
        let evidence = (case.evidence)(&seen);
        assert!(
            evidence.is_err(),
            "{} in the {}: evidence of nothing",
            info.name,
            arena.name()
        );
    }
}
