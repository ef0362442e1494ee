//! The life of a fault, without an arena.

use super::*;
use crate::faults::FaultKind;
use crate::schedule::{Links, Target, Trigger};
use crate::trial::Arena;
use stormglass_impls::catalog;
use stormglass_workloads::workload::WorkloadConfig;

const MS: u64 = NS_PER_MS;

fn conductor(schedule: Vec<Fault>) -> (Conductor, Conditions) {
    let workload = WorkloadConfig::register();
    let mut trial = Trial::calm("raft-cache", workload, Arena::Simulator, 1);
    trial.schedule = schedule;
    let budget = catalog::system("raft-cache").unwrap().budget();
    (Conductor::new(&trial), Conditions::new(&trial, &budget))
}

fn due(conductor: &mut Conductor, conditions: &mut Conditions, at_ms: u64) -> Vec<Order> {
    // The higher its number, the further a node is; the first two are down.
    conductor.due(at_ms * MS, conditions, &|node| {
        (node.0 > 2).then_some(node.0.into())
    })
}

fn fault(id: u32, kind: FaultKind, action: Action, at_ms: u64, lasts_ms: u64) -> Fault {
    let when = When::AtMs(at_ms);
    Fault {
        id,
        kind,
        action,
        when,
        lasts_ms,
    }
}

fn crash(id: u32, target: Target, at_ms: u64, lasts_ms: u64) -> Fault {
    let leaves = Leaves::Some;
    fault(
        id,
        FaultKind::Crash,
        Action::Crash { target, leaves },
        at_ms,
        lasts_ms,
    )
}

fn kill(id: u32, after_ms: u64) -> Fault {
    let when = When::OnFact {
        fact: Trigger::BecameLeader,
        from_ms: 10,
        after_ms,
    };
    Fault {
        kind: FaultKind::KillFreshLeader,
        when,
        ..crash(id, Target::Subject, 0, 100)
    }
}

fn leads(conductor: &mut Conductor, node: u8, at_ms: u64, epoch: u64) {
    let notice = Notice::Fact(Fact::BecameLeader { epoch });
    conductor.noticed(at_ms * MS, NodeId(node), &notice);
}

fn stops(orders: &[Order]) -> Vec<u8> {
    let stopped = orders.iter().filter_map(|order| match order {
        Order::Stop(node) => Some(node.0),
        _ => None,
    });
    stopped.collect()
}

fn starts(orders: &[Order]) -> Vec<u8> {
    let started = orders.iter().filter_map(|order| match order {
        Order::Start(node) => Some(node.0),
        _ => None,
    });
    started.collect()
}

#[test]
fn a_fact_starts_one_fault_and_the_next_fact_the_next() {
    let (mut conductor, mut conditions) = conductor(vec![kill(0, 5), kill(1, 0)]);
    leads(&mut conductor, 1, 5, 1);
    assert_eq!(conductor.next_ns(), None, "too early");
    leads(&mut conductor, 1, 20, 2);
    assert_eq!(due(&mut conductor, &mut conditions, 24), []);
    assert_eq!(stops(&due(&mut conductor, &mut conditions, 25)), [1]);
    leads(&mut conductor, 2, 30, 3);
    assert_eq!(stops(&due(&mut conductor, &mut conditions, 30)), [2]);
    assert_eq!(starts(&due(&mut conductor, &mut conditions, 130)), [1, 2]);
    for record in conductor.finish(&conditions) {
        assert_eq!(
            (record.status, record.nodes.len()),
            (FaultStatus::Installed, 1)
        );
    }
}

#[test]
fn after_the_healing_nothing_begins() {
    let (mut conductor, mut conditions) = conductor(vec![kill(0, 5), kill(1, 0)]);
    leads(&mut conductor, 1, 20, 2);
    assert_eq!(conductor.heal(22 * MS, &mut conditions), []);
    leads(&mut conductor, 2, 30, 3);
    assert_eq!(due(&mut conductor, &mut conditions, 100), []);
    let records = conductor.finish(&conditions);
    let skipped = |record: &FaultRecord| matches!(record.status, FaultStatus::Skipped { .. });
    assert!(records.iter().all(skipped), "{records:?}");
}

#[test]
fn a_fault_that_met_no_frame_is_indeterminate_and_a_node_is_stopped_once() {
    let target = Target::Node(NodeId(3));
    let disturbance = Disturbance::Cut;
    let links = Links::Around { target };
    let cut = fault(
        0,
        FaultKind::PartitionOne,
        Action::Disturb { links, disturbance },
        1,
        5,
    );
    let two = || Target::Node(NodeId(2));
    let (mut conductor, mut conditions) =
        conductor(vec![cut, crash(1, two(), 10, 50), crash(2, two(), 20, 50)]);
    assert_eq!(stops(&due(&mut conductor, &mut conditions, 30)), [2]);
    assert_eq!(starts(&conductor.heal(40 * MS, &mut conditions)), [2]);
    let records = conductor.finish(&conditions);
    assert!(matches!(
        records[0].status,
        FaultStatus::Indeterminate { .. }
    ));
    assert_eq!(records[1].status, FaultStatus::Installed);
    assert!(matches!(records[2].status, FaultStatus::Skipped { .. }));
}

#[test]
fn targets_are_found_when_the_fault_begins() {
    let schedule = vec![
        crash(0, Target::Newcomer, 1, 5),
        crash(1, Target::Behind, 10, 5),
        crash(2, Target::Newcomer, 20, 5),
        crash(3, Target::Leader, 30, 5),
    ];
    let (mut conductor, mut conditions) = conductor(schedule);
    leads(&mut conductor, 3, 0, 1);
    let mut stopped = Vec::new();
    for at_ms in [1, 10, 15, 20, 25, 30] {
        stopped.extend(stops(&due(&mut conductor, &mut conditions, at_ms)));
    }
    assert_eq!(stopped, [4, 4, 3], "the leader is not behind");
    let records = conductor.finish(&conditions);
    let none = FaultStatus::Skipped {
        reason: "no node that was started again is up".to_string(),
    };
    assert_eq!(records[0].status, none);
    assert_eq!(records[2].nodes, [NodeId(4)]);
}

#[test]
fn rounds_go_down_and_up_until_the_end() {
    let target = Target::Node(NodeId(1));
    let action = Action::CrashLoop {
        target,
        up_ms: 5,
        down_ms: 10,
    };
    let order: Vec<NodeId> = [2, 3].map(NodeId).to_vec();
    let rolling = Action::RollingRestart { order, down_ms: 7 };
    let schedule = vec![
        fault(0, FaultKind::CrashLoop, action, 0, 34),
        fault(1, FaultKind::RollingRestart, rolling, 100, 40),
    ];
    let (mut conductor, mut conditions) = conductor(schedule);
    let mut seen = Vec::new();
    for at_ms in 0..150 {
        let orders = due(&mut conductor, &mut conditions, at_ms);
        seen.extend(stops(&orders).into_iter().map(|node| (at_ms, "stop", node)));
        seen.extend(
            starts(&orders)
                .into_iter()
                .map(|node| (at_ms, "start", node)),
        );
    }
    let loops = [
        (0, "stop", 1),
        (10, "start", 1),
        (15, "stop", 1),
        (25, "start", 1),
        (30, "stop", 1),
        (34, "start", 1),
    ];
    let rolls = [
        (100, "stop", 2),
        (107, "start", 2),
        (120, "stop", 3),
        (127, "start", 3),
    ];
    assert_eq!(seen, [loops.as_slice(), &rolls].concat());
    // A record tells the same afterwards.
    let planned: Vec<Fault> = conductor
        .faults
        .iter()
        .map(|planned| planned.fault.clone())
        .collect();
    let records = conductor.finish(&conditions);
    let told: Vec<(u64, u8, u64)> = planned
        .iter()
        .zip(&records)
        .flat_map(|(fault, went)| crate::stops::of(fault, went, 150 * MS))
        .map(|(node, from_ns, until_ns)| (from_ns / MS, node.0, until_ns / MS))
        .collect();
    assert_eq!(
        told,
        [
            (0, 1, 10),
            (15, 1, 25),
            (30, 1, 34),
            (100, 2, 107),
            (120, 3, 127)
        ]
    );
}

#[test]
fn a_core_heals_and_the_rest_stays_broken() {
    for rest in [Rest::Stopped, Rest::CutOff] {
        let (mut conductor, mut conditions) =
            conductor(vec![crash(0, Target::Node(NodeId(1)), 1, 500)]);
        let core: Vec<NodeId> = [1, 2, 3].map(NodeId).to_vec();
        conductor.healing = Healing::Core { core, rest };
        due(&mut conductor, &mut conditions, 1);
        let orders = conductor.heal(10 * MS, &mut conditions);
        assert_eq!(starts(&orders), [1]);
        let cut = conditions.weather.disturbances().count();
        match rest {
            Rest::Stopped => assert_eq!((stops(&orders), cut), (vec![4, 5], 0)),
            Rest::CutOff => assert_eq!((stops(&orders), cut), (vec![], 3 * 2 * 2)),
        }
    }
}

#[test]
fn a_node_whose_disk_failed_starts_when_the_fault_is_over() {
    let action = Action::Disk {
        target: Target::Node(NodeId(1)),
        trouble: DiskTrouble::Fails,
    };
    let (mut conductor, mut conditions) =
        conductor(vec![fault(0, FaultKind::DiskError, action, 1, 50)]);
    due(&mut conductor, &mut conditions, 1);
    assert!(matches!(
        conditions.machines.sync(NodeId(1)),
        crate::machines::Sync::Fails(0)
    ));
    conductor.stopped_itself(NodeId(1), 0, 5 * MS);
    assert!(conductor.is_down(NodeId(1)));
    assert_eq!(starts(&due(&mut conductor, &mut conditions, 51)), [1]);
    assert_eq!(
        conductor.finish(&conditions)[0].status,
        FaultStatus::Installed
    );
}
