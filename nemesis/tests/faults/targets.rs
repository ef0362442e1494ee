//! Whom a fault befalls, and when: targets and triggers are resolved when their time comes, and the record keeps what they were.

use crate::cases::{crash, fault};
use crate::look::{MS, Seen, nodes, watch};
use crate::{ARENAS, Case, DOWN_MS, START_MS, trial};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::record::FaultStatus;
use stormglass_nemesis::schedule::{Action, Fault, Leaves, Links, Target, Trigger, When};
use stormglass_nemesis::trial::Arena;

/// The trial's clock ticks in turmoil: there a fault begins at the next tick.
fn tick_ns(arena: Arena) -> u64 {
    match arena {
        Arena::Simulator => 0,
        Arena::Turmoil => MS,
        Arena::Live => unreachable!("what is watched so closely is simulated"),
    }
}

/// A short crash.
fn stop(id: u32, target: Target, when: When) -> Fault {
    Fault {
        id,
        when,
        lasts_ms: DOWN_MS,
        ..fault(FaultKind::Crash, crash(target, Leaves::Some))
    }
}

fn run(arena: Arena, schedule: Vec<Fault>) -> Seen {
    let evidence = |_: &Seen| Ok(());
    let seen = watch(&trial(arena, &Case { schedule, evidence }));
    for record in &seen.run.record.faults {
        assert_eq!(
            record.status,
            FaultStatus::Installed,
            "{arena:?}: {record:?}"
        );
    }
    seen
}

#[test]
fn named_nodes_are_befallen_together_and_the_leader_is_who_led_last() {
    for arena in ARENAS {
        let pair = stop(0, Target::Nodes(nodes([4, 2])), When::AtMs(START_MS));
        let leader = stop(1, Target::Leader, When::AtMs(2 * START_MS));
        let seen = run(arena, vec![pair, leader]);
        assert_eq!(seen.fault(0).nodes, nodes([4, 2]), "{arena:?}");
        for node in nodes([4, 2]) {
            assert_eq!(
                seen.was_down(node, seen.from_ns..seen.until_ns),
                Ok(()),
                "{arena:?}"
            );
        }
        let from_ns = 2 * START_MS * MS;
        let led = seen.leaders(0..from_ns).last().copied();
        assert_eq!(seen.fault(1).nodes, Vec::from_iter(led), "{arena:?}");
        assert_eq!(seen.fault(1).from_ns, Some(from_ns), "{arena:?}");
    }
}

/// A node that is cut off from all others hears of nothing that the cluster agrees on: it falls behind.
#[test]
fn who_is_behind_is_who_was_cut_off() {
    for (arena, behind) in ARENAS
        .into_iter()
        .flat_map(|arena| [1, 5].map(|id| (arena, NodeId(id))))
    {
        let links = Links::Around {
            target: Target::Node(behind),
        };
        let disturbance = stormglass_nemesis::schedule::Disturbance::Cut;
        let cut = fault(
            FaultKind::PartitionOne,
            Action::Disturb { links, disturbance },
        );
        let late = stop(1, Target::Behind, When::AtMs(START_MS + 1_000));
        let seen = run(arena, vec![cut, late]);
        assert_eq!(seen.fault(1).nodes, [behind], "{arena:?}");
    }
}

#[test]
fn the_newcomer_is_who_was_started_last() {
    for arena in ARENAS {
        let schedule = vec![
            stop(0, Target::Node(NodeId(5)), When::AtMs(1_000)),
            stop(1, Target::Node(NodeId(3)), When::AtMs(1_100)),
            stop(2, Target::Newcomer, When::AtMs(START_MS)),
        ];
        let seen = run(arena, schedule);
        assert_eq!(seen.fault(2).nodes, nodes([3]), "{arena:?}");
    }
}

/// A fact starts a fault at the node it is about; so long after it, to the next tick. A row of faults meets one fact after the other.
#[test]
fn a_fact_names_its_node_and_its_time() {
    for (arena, after_ms) in ARENAS
        .into_iter()
        .flat_map(|arena| [0, 7].map(|ms| (arena, ms)))
    {
        for fact in [Trigger::BecameLeader, Trigger::Voted] {
            let when = When::OnFact {
                fact,
                from_ms: 100,
                after_ms,
            };
            let row = [0, 1].map(|id| stop(id, Target::Subject, when));
            let seen = run(arena, row.to_vec());
            let meant = |node: NodeId, noted: &Fact| match (fact, noted) {
                (Trigger::BecameLeader, Fact::BecameLeader { .. }) => true,
                (Trigger::Voted, Fact::Voted { candidate, .. }) => *candidate != node,
                _ => false,
            };
            let facts = seen.facts(100 * MS..u64::MAX);
            let mut facts = facts.filter(|noted| meant(noted.node, &noted.fact));
            for record in &seen.run.record.faults {
                let noted = facts.next().expect("a fact for every fault");
                assert_eq!(record.nodes, [noted.node], "{arena:?} {fact:?}");
                let late_ns = record.from_ns.unwrap_or_default() - noted.time_ns - after_ms * MS;
                assert!(
                    late_ns <= tick_ns(arena),
                    "{arena:?} {fact:?}: {late_ns} ns late"
                );
            }
        }
    }
}

/// A write is not durable when it begins: a crash at that moment loses it.
#[test]
fn a_write_names_its_node_while_it_is_under_way() {
    for arena in ARENAS {
        let when = When::OnFact {
            fact: Trigger::Persisting,
            from_ms: START_MS,
            after_ms: 0,
        };
        let kill = stop(0, Target::Subject, when);
        let kill = Fault {
            action: crash(Target::Subject, Leaves::Synced),
            ..kill
        };
        let seen = run(arena, vec![kill]);
        assert!(
            (START_MS * MS..(START_MS + 500) * MS).contains(&seen.from_ns),
            "{arena:?}"
        );
        assert_eq!(
            seen.run.record.wear.unsynced_lost, 1,
            "{arena:?}: its own write and no other"
        );
        // A moment before, it took what made it write.
        let before = seen.from_ns - tick_ns(arena)..seen.from_ns + 1;
        assert!(seen.took(seen.node(), before).count() > 0, "{arena:?}");
    }
}

/// The moment found by a fact, and the node with it, can be written down: a trial that names both goes the same way.
#[test]
fn a_moment_that_was_found_can_be_fixed() {
    for arena in ARENAS {
        let fact = Trigger::BecameLeader;
        let when = When::OnFact {
            fact,
            from_ms: 0,
            after_ms: 3,
        };
        let found = run(arena, vec![stop(0, Target::Subject, when)]);
        let fixed = stop(0, Target::Node(found.node()), When::AtNs(found.from_ns));
        let fixed = run(arena, vec![fixed]);
        assert_eq!(fixed.run, found.run, "{arena:?}");
    }
}
