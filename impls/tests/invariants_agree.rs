//! The two forms of the Raft invariants agree: what the plain form sees in whole logs, the incremental form has seen by then, under every
//! kind of disorder, with members that change and leaders that are told to hand over.

mod scheduler;

use scheduler::{Cluster, Dice, Found, NODES};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId};
use stormglass_impls::knobs::{Knobs, Reads};
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::session::Ask;
use stormglass_impls::system::Setup;

/// How many nodes have a vote in the beginning.
const VOTERS: u8 = 4;

/// A seed decides what is turned on. Together, some seeds have everything.
fn knobs(seed: u64) -> Knobs {
    let bit = |at: u64| seed >> at & 1 == 1;
    Knobs {
        entries_per_append_max: if bit(0) { 1 } else { 64 },
        snapshot_every: if bit(1) { 3 } else { 0 },
        entries_kept: if bit(2) { 2 } else { 0 },
        snapshot_chunk_bytes: if bit(3) { 16 } else { 64 << 10 },
        pre_vote: bit(4),
        check_quorum: bit(5),
        reads: if bit(5) && bit(6) {
            Reads::Lease
        } else {
            Reads::Quorum
        },
        appends_in_flight_max: if bit(7) { 1 } else { 256 },
        ..Knobs::default()
    }
}

/// What a client or an operator asks next.
fn ask(dice: &mut Dice) -> Ask<Command, Query> {
    let key = "k".to_string();
    match dice.below(16) {
        0..4 => Ask::Query(Query::Get { key }),
        4..6 => {
            let goal = 1 + dice.below((1 << NODES) - 1);
            let members = NodeId::all(NODES).filter(|node| goal >> node.index() & 1 == 1);
            Ask::Manage(Manage::Members(members.collect::<NodeSet>()))
        }
        6 => Ask::Manage(Manage::Transfer(dice.node())),
        _ => Ask::Command(Command::Append {
            key,
            suffix: "x".into(),
        }),
    }
}

fn run(seed: u64, mutant: Option<&str>) -> Found {
    let setup = Setup {
        voters: NodeSet::first(VOTERS),
        knobs: knobs(seed),
        mutant: mutant.map(str::to_string),
        ..Setup::of(NodeId(1), NODES)
    };
    let mut dice = Dice::of(seed);
    let cluster = Cluster::new(catalog::system("raft-cache").unwrap(), setup);
    cluster.compare(seed, 3_000, |cluster| happen(cluster, &mut dice))
}

fn happen(cluster: &mut Cluster, dice: &mut Dice) {
    let node = dice.node();
    match dice.below(100) {
        _ if cluster.is_down(node) => cluster.boot(node),
        0 => cluster.crash(node, dice),
        1..5 => cluster.fire(node, |timers| {
            (!timers.is_empty()).then(|| dice.below(timers.len()))
        }),
        5..12 => {
            let client = ClientId(1 + dice.below(2) as u32);
            cluster.ask(node, client, ask(dice));
        }
        12..40 => cluster.sync(node),
        _ => cluster.deliver(dice),
    }
}

#[test]
fn a_correct_cluster_breaks_nothing_in_either_form() {
    let mut progress = 0;
    for seed in 1..=256 {
        let found = run(seed, None);
        assert_eq!(found.laws(), (None, None), "seed {seed}");
        progress += found.progress;
    }
    println!("{progress} entries in all");
    assert!(
        progress > 2_560,
        "a cluster that gets nowhere tests nothing"
    );
}

/// An invariant that is never put to the test holds for no reason.
#[test]
fn every_invariant_is_put_to_the_test() {
    let mut tested = BTreeMap::<&str, u64>::new();
    for seed in 1..=64 {
        for (invariant, count) in run(seed, None).witnesses {
            *tested.entry(invariant).or_default() += count;
        }
    }
    println!("{tested:?}");
    let system = catalog::system("raft-cache").unwrap();
    for invariant in system.invariants() {
        assert!(
            tested.get(invariant.name).is_some_and(|count| *count > 0),
            "{} was never tested",
            invariant.name
        );
    }
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("raft-cache").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=64 {
            let found = run(seed, Some(harmless.id));
            assert_eq!(found.laws(), (None, None), "{}, seed {seed}", harmless.id);
        }
    }
}

/// Each of these breaks something that can be seen in whole logs, and each something else, so that the two forms of every law are compared.
#[test]
fn what_the_plain_form_finds_the_incremental_form_has_found() {
    for mutant in [
        "raft/leader-votes-other",
        "raft/no-up-to-date-check",
        "raft/commit-beyond-new",
        "raft/no-truncate-tail",
        "raft/commit-not-monotonic",
        "raft/new-leader-truncates",
        "raft/stale-refusal",
        "raft/snapshot-off-by-one",
        "raft/ignores-uncommitted-config",
        "raft/two-changes-at-once",
    ] {
        let (mut incremental, mut plain, mut seeds) = (0, 0, 0);
        let mut laws = BTreeSet::new();
        // Many runs to compare; and where the plain form seldom finds anything, as many more as it takes.
        while seeds < 256 || (plain == 0 && seeds < 8_192) {
            seeds += 1;
            let found = run(seeds, Some(mutant));
            incremental += u64::from(found.incremental.is_some());
            plain += u64::from(found.plain.is_some());
            laws.extend(found.laws().0);
        }
        println!("{mutant}: incremental {incremental}, plain {plain} of {seeds}: {laws:?}");
        assert!(
            plain > 0,
            "the plain form never finds {mutant}, so this test compares nothing"
        );
    }
}
