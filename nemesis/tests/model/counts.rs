//! What is counted is pinned: it changes when a core or the model does, and then somebody should know why.

use super::{explore, named, space};
use stormglass_nemesis::model::library;
use stormglass_nemesis::model::search::{End, Limits, Reason, search};
use stormglass_nemesis::model::space::Reductions;

#[test]
fn small_models_of_each_protocol_are_exhausted() {
    let pinned = [
        ("raft-cache", "crash", (12_634, 75_470, 21)),
        ("raft-cache", "pair", (7_378, 27_425, 24)),
        ("raft-cache", "two-changes", (70_266, 384_722, 25)),
        ("raft-cache", "retry", (72_946, 158_392, 30)),
        ("paxos-cache", "membership", (186_952, 885_648, 34)),
        ("paxos-cache", "snapshot", (180_902, 557_797, 45)),
        ("etcd", "pair", (4_279, 6_877, 22)),
        ("etcd", "read", (97_754, 336_293, 26)),
        ("etcd", "lease", (94_862, 328_634, 25)),
        ("etcd", "backend", (5_746, 7_833, 14)),
        ("etcd", "compacted", (2_509, 3_531, 16)),
        ("etcd", "txn", (467, 597, 17)),
        ("etcd", "rights", (4_278, 6_055, 19)),
    ];
    for (cluster, name, (unique, generated, depth)) in pinned {
        let outcome = explore(&named(cluster, name), None, Reductions::ALL);
        assert_eq!(outcome.end, End::Exhausted, "{cluster} {name}");
        assert_eq!(outcome.missing, [], "{cluster} {name}: not seen");
        let counts = outcome.counts;
        assert_eq!(
            (counts.unique, counts.generated, counts.depth),
            (unique, generated, depth),
            "{cluster} {name}: states, generated, depth"
        );
    }
}

/// One thread or two: the same counts, the same shortest way.
#[test]
fn threads_change_nothing() {
    let both = |bounds, mutant| {
        [1, 2, 3].map(|threads| {
            let limits = Limits {
                threads,
                ..Limits::default()
            };
            let space = space(&bounds, mutant, Reductions::ALL);
            let outcome = search(&space, &limits).unwrap();
            let words: Vec<String> = match &outcome.end {
                End::Broken { trace, .. } => {
                    trace.iter().map(|action| space.describe(*action)).collect()
                }
                _ => Vec::new(),
            };
            let counts = outcome.counts;
            (counts.unique, counts.generated, counts.depth, words)
        })
    };
    let [one, two, three] = both(named("raft-cache", "two-changes"), None);
    assert_eq!(one, two);
    assert_eq!(one, three);
    assert!(one.3.is_empty());
    let [one, two, three] = both(named("raft-cache", "two-terms"), Some("raft/stale-refusal"));
    assert_eq!(one.3.len(), 12, "{:?}", one.3);
    assert_eq!(one, two);
    assert_eq!(one, three);
}

/// A law that nothing put to the test proves nothing: together the named bounds that fit here try every law of their protocol.
#[test]
fn every_law_is_put_to_the_test() {
    for (cluster, names) in [
        ("raft-cache", &["crash", "retry", "two-changes"][..]),
        ("paxos-cache", &["snapshot", "membership"][..]),
    ] {
        let mut tested = std::collections::BTreeMap::new();
        for name in names {
            let space = space(&named(cluster, name), None, Reductions::ALL);
            search(&space, &Limits::default()).unwrap();
            for (law, count) in space.tested() {
                *tested.entry(law).or_insert(0) += count;
            }
        }
        let untested: Vec<_> = tested.iter().filter(|(_, count)| **count == 0).collect();
        let expected = match cluster {
            // Two nodes in one term: nothing contradicts, and no leader comes after what was committed.
            "raft-cache" => vec!["committed-immutable", "leader-append-only"],
            _ => Vec::new(),
        };
        let untested: Vec<_> = untested.into_iter().map(|(law, _)| *law).collect();
        assert!(
            untested.iter().all(|law| expected.contains(law)),
            "{cluster}: {untested:?} were not put to the test"
        );
    }
}

#[test]
fn limits_hold_and_say_so() {
    let bounds = named("raft-cache", "two-terms");
    let limited =
        |limits: Limits<'_>| search(&space(&bounds, None, Reductions::ALL), &limits).unwrap();
    let memory = limited(Limits {
        bytes_max: 8 << 20,
        ..Limits::default()
    });
    let End::Bounded {
        reason,
        levels_done,
    } = memory.end
    else {
        panic!("{:?}", memory.end)
    };
    assert_eq!(reason, Reason::Memory);
    assert!(
        levels_done > 5 && memory.counts.bytes_peak < 10 << 20,
        "{memory:?}"
    );
    let states = limited(Limits {
        states_max: 10_000,
        ..Limits::default()
    });
    assert!(matches!(
        states.end,
        End::Bounded {
            reason: Reason::States,
            ..
        }
    ));
    let stopped = limited(Limits {
        stop: &|| Some(Reason::Time),
        ..Limits::default()
    });
    assert!(matches!(
        stopped.end,
        End::Bounded {
            reason: Reason::Time,
            ..
        }
    ));
}

/// At most 64 bytes a state, all that is kept counted in.
#[test]
fn a_state_takes_few_bytes() {
    let outcome = explore(&named("paxos-cache", "membership"), None, Reductions::ALL);
    let bytes = outcome.counts.bytes_peak / outcome.counts.unique;
    assert!(bytes <= 64, "{bytes} bytes a state: {:?}", outcome.counts);
}

#[test]
fn bounds_have_names_and_every_mutant_has_bounds_or_a_reason() {
    let all = library::all();
    for (at, bounds) in all.iter().enumerate() {
        let same = |other: &&stormglass_nemesis::model::bounds::Bounds| {
            (&other.cluster, &other.name) == (&bounds.cluster, &bounds.name)
        };
        assert_eq!(
            all[at..].iter().filter(same).count(),
            1,
            "{} twice",
            bounds.name
        );
        let space = space(bounds, None, Reductions::ALL);
        space.begin().unwrap_or_else(|error| panic!("{error}"));
    }
    for system in stormglass_impls::catalog::systems() {
        for mutant in system.mutants() {
            let kill = library::kill_of(mutant.id);
            let kill = kill.unwrap_or_else(|| panic!("{} has no bounds and no reason", mutant.id));
            if let Ok(bounds) = kill.bounds {
                named(system.name(), bounds);
            }
        }
    }
}
