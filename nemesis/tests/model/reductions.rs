//! No reduction changes a verdict, nor the length of the shortest way.

use super::{broken, explore, named, small_paxos, small_raft};
use stormglass_nemesis::model::bounds::{Bounds, Network};
use stormglass_nemesis::model::search::End;
use stormglass_nemesis::model::space::Reductions;

fn each() -> [(&'static str, Reductions); 5] {
    let none = Reductions::NONE;
    [
        ("none", none),
        (
            "no-ops",
            Reductions {
                no_ops: true,
                ..none
            },
        ),
        (
            "stale-letters",
            Reductions {
                stale_letters: true,
                ..none
            },
        ),
        (
            "symmetry",
            Reductions {
                symmetry: true,
                ..none
            },
        ),
        ("all", Reductions::ALL),
    ]
}

#[test]
fn what_holds_without_holds_with_and_in_fewer_states() {
    let one_term = Bounds {
        crashes: 1,
        clients: Vec::new(),
        shows: Vec::new(),
        ..named("raft-cache", "crash")
    };
    for bounds in [
        one_term,
        small_raft(),
        small_paxos(),
        named("raft-cache", "pair"),
    ] {
        let outcomes = each().map(|(name, reductions)| (name, explore(&bounds, None, reductions)));
        for (name, outcome) in &outcomes {
            assert_eq!(outcome.end, End::Exhausted, "{} {name}", bounds.name);
            assert_eq!(outcome.seen, outcomes[0].1.seen, "{} {name}", bounds.name);
        }
        let unique = |at: usize| outcomes[at].1.counts.unique;
        // A call that nobody takes changes nothing but the count of calls.
        assert!(
            unique(4) <= unique(1) && unique(1) <= unique(0),
            "{}",
            bounds.name
        );
        assert!(
            unique(4) <= unique(2) && unique(2) <= unique(0),
            "{}",
            bounds.name
        );
        assert!(
            unique(4) <= unique(3) && unique(3) <= unique(0),
            "{}",
            bounds.name
        );
    }
}

/// Three nodes that are alike have six ways to be named, and almost every state has six forms.
#[test]
fn symmetry_divides_by_nearly_six() {
    let bounds = Bounds {
        crashes: 1,
        clients: Vec::new(),
        ..named("raft-cache", "crash")
    };
    let unique = |symmetry| {
        let reductions = Reductions {
            symmetry,
            ..Reductions::ALL
        };
        explore(&bounds, None, reductions).counts.unique
    };
    let (without, with) = (unique(false), unique(true));
    assert_eq!((without, with), (5_194, 896));
}

#[test]
fn a_mutant_that_is_found_without_is_found_with_by_a_way_as_long() {
    let found = [
        ("raft/vote-not-persisted", named("raft-cache", "crash")),
        ("raft/ack-before-fsync", named("raft-cache", "crash")),
        ("raft/leader-votes-other", named("raft-cache", "two-terms")),
        ("raft/stale-vote-response", named("raft-cache", "two-terms")),
        (
            "raft/new-leader-truncates",
            named("raft-cache", "two-terms"),
        ),
        ("raft/purged-prev-deletes", named("raft-cache", "snapshot")),
        (
            "raft/two-changes-at-once",
            named("raft-cache", "two-changes"),
        ),
        ("raft/joint-new-majority-only", named("raft-cache", "joint")),
        ("raft/session-forgotten", named("raft-cache", "retry")),
        ("paxos/no-quorum", named("paxos-cache", "synod")),
        ("paxos/promise-volatile", named("paxos-cache", "crash")),
        (
            "paxos/accept-does-not-promise",
            named("paxos-cache", "synod"),
        ),
        (
            "paxos/ignores-accepted",
            named("paxos-cache", "two-ballots"),
        ),
        (
            "paxos/reconfigure-without-state",
            named("paxos-cache", "membership"),
        ),
    ];
    for (mutant, bounds) in found {
        let outcomes = each()
            .map(|(name, reductions)| (name, broken(&explore(&bounds, Some(mutant), reductions))));
        for (name, outcome) in &outcomes {
            let length = |found: &Option<(String, usize)>| found.as_ref().map(|(_, steps)| *steps);
            assert!(outcome.is_some(), "{mutant} is not found with {name}");
            assert_eq!(length(outcome), length(&outcomes[0].1), "{mutant} {name}");
        }
    }
}

/// Two mirror images of a broken state are one: whichever the search kept, there is a way to it.
#[test]
fn a_broken_state_is_found_again_under_other_names() {
    let bounds = Bounds {
        network: Network::Fifo,
        epoch_max: 4,
        log_max: 2,
        knobs: vec![("entries_per_append_max".into(), "1".into())],
        clients: Vec::new(),
        ..named("raft-cache", "figure-8")
    };
    let (property, steps) = broken(&explore(
        &bounds,
        Some("raft/commit-old-term"),
        Reductions::ALL,
    ))
    .expect("figure 8 needs no more than this");
    assert_eq!((property.as_str(), steps), ("leader-completeness", 21));
}
