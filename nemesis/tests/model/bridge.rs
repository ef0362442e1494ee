//! What the search finds is true elsewhere: every counterexample is walked step by step in the core, in the simulator and in turmoil, with the same nodes and
//! messages behind each step.
//!
//! The counterexamples are kept in `nemesis/traces`. `UPDATE_GOLDENFILES=1 cargo test --release -p stormglass-nemesis --test model bridge` finds all of them
//! anew; a few need millions of states, so the ordinary tests find again only what is found soon.

use super::{broken, explore, named};
use std::path::PathBuf;
use stormglass_nemesis::model::action::Fate;
use stormglass_nemesis::model::bounds::Disk;
use stormglass_nemesis::model::library::KILLS;
use stormglass_nemesis::model::search::{End, Limits, search};
use stormglass_nemesis::model::space::{Reductions, Space};
use stormglass_nemesis::model::trace::{Trace, TraceError, What};

fn cluster_of(mutant: &str) -> &'static str {
    match mutant.split_once('/') {
        Some(("raft", _)) => "raft-cache",
        Some(("paxos", _)) => "paxos-cache",
        Some(("zab", _)) => "zab-cache",
        Some(("etcd", _)) => "etcd",
        _ => panic!("{mutant} is of no cluster"),
    }
}

fn path_of(mutant: &str) -> PathBuf {
    let name = format!("{}.json", mutant.replace('/', "-"));
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("traces")
        .join(name)
}

/// The mutants that a search finds, and within which bounds.
fn kills() -> impl Iterator<Item = (&'static str, &'static str)> {
    KILLS
        .iter()
        .filter_map(|kill| Some((kill.mutant, kill.bounds.ok()?)))
}

fn find_anew(mutant: &str, bounds: &str) {
    let bounds = named(cluster_of(mutant), bounds);
    let space = Space::new(bounds, Some(mutant), Reductions::ALL).unwrap();
    let found = search(
        &space,
        &Limits {
            threads: 2,
            ..Limits::default()
        },
    )
    .unwrap();
    let End::Broken {
        property,
        message,
        trace,
    } = found.end
    else {
        panic!("{mutant}: {:?}", found.end)
    };
    let trace = Trace::of(&space, Some(mutant), Some((&property, &message)), &trace).unwrap();
    std::fs::write(path_of(mutant), trace.bare().written()).unwrap();
}

#[test]
fn every_counterexample_walks_in_every_arena() {
    for (mutant, bounds) in kills() {
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            find_anew(mutant, bounds);
        }
        let trace = Trace::read(&path_of(mutant)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(trace.mutant.as_deref(), Some(mutant));
        let walks = [
            trace.walk_core(),
            trace.walk_simulator(),
            trace.walk_turmoil(),
        ];
        for (arena, walked) in ["core", "simulator", "turmoil"].iter().zip(walks) {
            let names_each_write = trace.bounds.disk == Disk::Pipelined;
            if let (Err(TraceError::Beyond { .. }), "turmoil", true) =
                (&walked, *arena, names_each_write)
            {
                continue; // There the host ends all writes that wait at once.
            }
            let walked = walked.unwrap_or_else(|error| panic!("{mutant}: {error}"));
            assert_eq!(trace.parting(&walked), None, "{mutant} in the {arena}");
        }
    }
}

/// What the searches that are short find is what is kept: the same law, by a way as long.
#[test]
fn kept_counterexamples_are_of_minimal_length() {
    let (mut found, mut left) = (0, Vec::new());
    for (mutant, bounds) in kills() {
        let kept = Trace::read(&path_of(mutant)).unwrap_or_else(|error| panic!("{error}"));
        let outcome = explore(
            &named(cluster_of(mutant), bounds),
            Some(mutant),
            Reductions::ALL,
        );
        match broken(&outcome) {
            Some((property, steps)) => {
                assert_eq!(kept.property, Some(property), "{mutant}");
                assert_eq!(kept.steps.len(), steps, "{mutant}");
                found += 1;
            }
            None => left.push(mutant),
        }
    }
    println!("left to the nightly kill matrix, for they need more states: {left:?}");
    assert!(found >= 34, "{found} found, {left:?} left");
}

fn some_trace() -> Trace {
    Trace::read(&path_of("raft/no-truncate-tail")).unwrap()
}

/// The comparison is worth something only if it notices what differs.
#[test]
fn a_trace_that_does_not_fit_is_noticed() {
    let healthy = Trace {
        mutant: None,
        ..some_trace()
    };
    let walked = healthy.walk_core().unwrap();
    assert!(
        healthy.parting(&walked).is_some(),
        "without the mutant no law breaks"
    );
    let walked = healthy.walk_simulator().unwrap();
    assert!(healthy.parting(&walked).is_some());

    let mut altered = some_trace();
    let last = altered.steps.len() - 1;
    altered.steps[last - 1].after.nodes[0] = "0".repeat(32);
    for walked in [
        altered.walk_core(),
        altered.walk_simulator(),
        altered.walk_turmoil(),
    ] {
        let parting = altered.parting(&walked.unwrap()).expect("a node differs");
        assert_eq!(parting.number, last, "{parting:?}");
    }

    let mut impossible = some_trace();
    impossible.steps.remove(1);
    for walked in [
        impossible.walk_core(),
        impossible.walk_simulator(),
        impossible.walk_turmoil(),
    ] {
        match walked {
            Err(TraceError::Impossible { number, text, .. }) => {
                assert!(number >= 2 && !text.is_empty());
            }
            other => panic!("a step that lacks what it rests on: {other:?}"),
        }
    }
}

/// A node that dies before its write is durable has lost it in turmoil too, on turmoil's disk.
#[test]
fn a_death_before_the_write_is_durable_loses_it() {
    let trace = Trace::read(&path_of("raft/ack-before-fsync")).unwrap();
    let dies = trace.steps.iter().any(|step| step.fate == Fate::Dies);
    let crashes = trace
        .steps
        .iter()
        .any(|step| matches!(step.what, What::Crash { .. }));
    assert!(dies || crashes, "the mutant needs a crash");
}
