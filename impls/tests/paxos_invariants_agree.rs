//! The two forms of the Paxos invariants agree: what the plain form sees in whole logs, the incremental form has seen by then, under every
//! kind of disorder, with an operator who changes the acceptors. Each seed has its own knobs: quorums, snapshots, sessions, the way of reading.

mod scheduler;

use scheduler::{Cluster, Dice, Found, NODES};
use std::collections::BTreeSet;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId};
use stormglass_impls::knobs::{Knobs, Reads};
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::paxos::message::Timer;
use stormglass_impls::session::Ask;
use stormglass_impls::system::Setup;

/// Knobs that differ from seed to seed.
fn knobs(dice: &mut Dice) -> Knobs {
    Knobs {
        entries_per_append_max: [1, 2, 64][dice.below(3)],
        reads: [Reads::Quorum, Reads::Log][dice.below(2)],
        snapshot_every: [0, 3, 10][dice.below(3)],
        entries_kept: [0, 2][dice.below(2)],
        snapshot_chunk_bytes: [24, 1 << 16][dice.below(2)],
        session_ms: [0, 200][dice.below(2)],
        uncommitted_max: [4, 1_000][dice.below(2)],
        quorums: [None, None, Some((4, 2)), Some((2, 4))][dice.below(4)],
        ..Knobs::default()
    }
}

fn run(seed: u64, mutant: Option<&str>) -> Found {
    let mut dice = Dice::of(seed);
    let knobs = knobs(&mut dice);
    let voters = match knobs.quorums {
        None => NodeSet::first([3, 5][dice.below(2)]),
        Some(_) => NodeSet::first(NODES),
    };
    let setup = Setup {
        voters,
        knobs,
        mutant: mutant.map(str::to_string),
        ..Setup::of(NodeId(1), NODES)
    };
    let cluster = Cluster::new(catalog::system("paxos-cache").unwrap(), setup);
    cluster.compare(seed, 3_000, |cluster| happen(cluster, &mut dice))
}

fn happen(cluster: &mut Cluster, dice: &mut Dice) {
    let node = dice.node();
    cluster.now_ms += 1;
    match dice.below(200) {
        _ if cluster.is_down(node) => cluster.boot(node),
        0..2 => cluster.crash(node, dice),
        2..20 => {
            // Most of the time a leader is heard before anybody loses patience.
            let impatient = dice.below(6) == 0;
            let wanted = |timer: &Parcel| (timer.open() == Some(&Timer::Election)) == impatient;
            cluster.fire(node, |timers| timers.iter().position(wanted));
        }
        20..22 => {
            let voters = NodeId::all(NODES).filter(|_| dice.below(3) > 0).collect();
            cluster.ask(
                node,
                ClientId(9),
                Ask::<Command, Query>::Manage(Manage::Members(voters)),
            );
        }
        22 => {
            let heir = dice.node();
            cluster.ask(
                node,
                ClientId(9),
                Ask::<Command, Query>::Manage(Manage::Transfer(heir)),
            );
        }
        23..45 => {
            let key = "k".to_string();
            let ask = if dice.below(4) == 0 {
                Ask::Query(Query::Get { key })
            } else {
                let suffix = "x".into();
                Ask::Command(Command::Append { key, suffix })
            };
            cluster.ask(node, ClientId(dice.below(3) as u32), ask);
        }
        45..90 => cluster.sync(node),
        _ => (0..4).for_each(|_| cluster.deliver(dice)),
    }
}

#[test]
fn a_correct_cluster_breaks_nothing_in_either_form() {
    let mut tested: Vec<(&str, u64)> = Vec::new();
    let mut progress = 0;
    for seed in 1..=300 {
        let found = run(seed, None);
        assert_eq!(found.laws(), (None, None), "seed {seed}");
        progress += found.progress;
        tested.resize(found.witnesses.len(), ("", 0));
        for (sum, (law, count)) in tested.iter_mut().zip(found.witnesses) {
            *sum = (law, sum.1 + count);
        }
    }
    println!("{progress} slots in all; put to the test: {tested:?}");
    assert!(
        progress > 3_000,
        "a cluster that gets nowhere tests nothing"
    );
    let vacuous = tested.iter().find(|(_, count)| *count == 0);
    assert_eq!(vacuous, None, "a law that nothing could have broken");
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("paxos-cache").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=40 {
            let found = run(seed, Some(harmless.id));
            assert_eq!(found.laws(), (None, None), "{}, seed {seed}", harmless.id);
        }
    }
}

#[test]
fn what_the_plain_form_finds_the_incremental_form_has_found() {
    let compared = [
        "paxos/ignores-accepted",
        "paxos/promise-volatile",
        "paxos/ballot-without-node",
        "paxos/accept-does-not-promise",
        "paxos/learns-another-ballot",
        "paxos/gap-passed-over",
    ];
    for mutant in compared {
        let found: Vec<Found> = (1..=100).map(|seed| run(seed, Some(mutant))).collect();
        let laws: BTreeSet<_> = found.iter().filter_map(|found| found.laws().0).collect();
        let plain = found.iter().filter(|found| found.plain.is_some()).count();
        println!("{mutant}: plain {plain} of 100: {laws:?}");
        assert!(
            !laws.is_empty() && plain > 0,
            "{mutant} is never found by both forms, so this test compares nothing"
        );
    }
}
