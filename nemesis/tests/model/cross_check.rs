//! Our search and stateright's count the same states of the same models.

use super::{named, small_paxos, small_raft, space};
use stateright::{Checker, Model};
use stormglass_nemesis::model::bounds::{Bounds, Disk};
use stormglass_nemesis::model::explorer::Explorer;
use stormglass_nemesis::model::search::{Limits, search};
use stormglass_nemesis::model::space::Reductions;

#[test]
fn stateright_counts_the_same() {
    let pipelined = Bounds {
        disk: Disk::Pipelined,
        ..small_paxos()
    };
    let models = [
        (named("raft-cache", "crash"), Reductions::ALL),
        (
            named("raft-cache", "crash"),
            Reductions {
                symmetry: false,
                ..Reductions::ALL
            },
        ),
        (
            small_raft(),
            Reductions {
                no_ops: true,
                ..Reductions::NONE
            },
        ),
        (named("raft-cache", "two-changes"), Reductions::ALL),
        (named("raft-cache", "retry"), Reductions::ALL),
        (pipelined, Reductions::ALL),
    ];
    for (bounds, reductions) in models {
        let own = search(&space(&bounds, None, reductions), &Limits::default()).unwrap();
        // Without witnesses: stateright ends when it has found everything it looks for, and then counts less.
        let bare = Bounds {
            shows: Vec::new(),
            ..bounds.clone()
        };
        let explorer = Explorer::new(space(&bare, None, reductions)).unwrap();
        let theirs = explorer.checker().threads(1).spawn_bfs().join();
        let counts = own.counts;
        assert_eq!(
            (
                theirs.unique_state_count() as u64,
                theirs.state_count() as u64
            ),
            (counts.unique, counts.generated),
            "{} {reductions:?}",
            bounds.name
        );
        // Stateright counts the first state as depth 1.
        assert_eq!(theirs.max_depth(), counts.depth + 1, "{}", bounds.name);
        assert!(theirs.discoveries().is_empty());
    }
}

#[test]
fn stateright_finds_the_same_mutant_by_a_way_as_long() {
    let bounds = Bounds {
        shows: Vec::new(),
        ..named("raft-cache", "crash")
    };
    let planted = space(&bounds, Some("raft/ack-before-fsync"), Reductions::ALL);
    let found = Explorer::new(planted)
        .unwrap()
        .checker()
        .threads(1)
        .spawn_bfs()
        .join();
    let way = found
        .discovery("every law holds")
        .expect("the mutant breaks a law");
    assert_eq!(way.into_actions().len(), 4);
}
