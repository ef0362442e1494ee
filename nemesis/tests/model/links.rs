//! Counterexamples in which messages arrive in order and links break are true elsewhere, too: the same steps in the core, in the simulator and in turmoil.
//!
//! Raft asks nothing of its links, so its bounds say nothing of them. Here they do, and a link breaks before the search begins, so that every way has a
//! break in it.

use super::{named, space};
use stormglass_nemesis::model::bounds::{Bounds, Network};
use stormglass_nemesis::model::search::{End, Limits, search};
use stormglass_nemesis::model::space::Reductions;
use stormglass_nemesis::model::trace::{Trace, TraceError, What};

/// A way to what a mutant breaks, on which a link breaks and perhaps a node.
fn found(bounds: &Bounds, mutant: &str) -> Trace {
    let space = space(bounds, Some(mutant), Reductions::ALL);
    let limits = Limits {
        states_max: 400_000,
        ..Limits::default()
    };
    let End::Broken {
        property,
        message,
        trace,
    } = search(&space, &limits).expect("the prelude can be").end
    else {
        panic!("{mutant} is not found")
    };
    let found = Some((&*property, &*message));
    Trace::of(&space, Some(mutant), found, &trace).expect("what is found can be walked")
}

fn in_order(cluster: &str, name: &str) -> Bounds {
    Bounds {
        network: Network::Fifo,
        resets: 2,
        prelude: vec!["the link of n1 and n2 breaks".into()],
        ..named(cluster, name)
    }
}

/// Every way walks in every arena.
#[test]
fn ways_on_which_links_break_walk_in_every_arena() {
    let (mut crashes, mut walks) = (0, 0);
    for (cluster, name, mutant) in [
        ("raft-cache", "crash", "raft/vote-not-persisted"),
        ("raft-cache", "crash", "raft/term-not-persisted"),
        ("raft-cache", "crash", "raft/ack-before-fsync"),
        ("raft-cache", "read", "raft/read-without-quorum"),
        ("paxos-cache", "crash", "paxos/promise-volatile"),
        ("paxos-cache", "synod", "paxos/no-quorum"),
    ] {
        let trace = found(&in_order(cluster, name), mutant);
        assert_eq!(trace.bounds.network, Network::Fifo);
        for (arena, walked) in [
            ("core", trace.walk_core()),
            ("simulator", trace.walk_simulator()),
            ("turmoil", trace.walk_turmoil()),
        ] {
            let walked = walked.unwrap_or_else(|error| panic!("{mutant}: {error}"));
            assert_eq!(trace.parting(&walked), None, "{mutant} in the {arena}");
        }
        let goes_down = |step: &_| {
            let step: &stormglass_nemesis::model::trace::Step = step;
            matches!(step.what, What::Crash { .. }) || step.text.contains(", and dies")
        };
        crashes += trace.steps.iter().filter(|step| goes_down(step)).count();
        walks += 1;
        println!("{mutant}: {} steps", trace.steps.len());
    }
    assert!(
        crashes >= 2 && walks == 6,
        "{crashes} crashes in {walks} ways"
    );
}

/// A message that another of its pair precedes, or that was lost with its link, arrives nowhere.
#[test]
fn what_was_lost_with_its_link_arrives_nowhere() {
    let trace = found(&in_order("paxos-cache", "synod"), "paxos/no-quorum");
    let (at, step) = trace
        .steps
        .iter()
        .enumerate()
        .find(|(_, step)| matches!(step.what, What::Deliver { .. }))
        .expect("something arrives");
    let What::Deliver { from, to, .. } = step.what else {
        unreachable!("it is a delivery")
    };
    let mut lost = trace.clone();
    let mut reset = trace.steps[0].clone();
    reset.what = What::Reset {
        one: from.min(to),
        other: from.max(to),
    };
    lost.steps.insert(at, reset);
    for walked in [lost.walk_core(), lost.walk_simulator(), lost.walk_turmoil()] {
        match walked {
            Err(TraceError::Impossible { number, .. }) => assert_eq!(number, at + 2),
            other => panic!("it was lost: {other:?}"),
        }
    }
}
