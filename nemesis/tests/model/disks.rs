//! The two ways a disk is modelled: a write that is durable in the step that begins it, or the node dies in that step; and a write whose end is a step of
//! its own. And the two networks.

use super::{broken, explore, named, small_paxos, small_raft};
use stormglass_impls::catalog;
use stormglass_nemesis::model::bounds::{Bounds, Disk, Network};
use stormglass_nemesis::model::search::End;
use stormglass_nemesis::model::space::Reductions;

/// Both ways give the same verdict for every mutant. Which law breaks first may differ: a way that is shorter in one is longer in the other.
#[test]
fn both_kinds_of_disk_give_the_same_verdict_for_every_mutant() {
    let elections = Bounds {
        crashes: 1,
        clients: Vec::new(),
        ..named("raft-cache", "crash")
    };
    for bounds in [elections, small_raft(), small_paxos()] {
        let system = catalog::system(&bounds.cluster).unwrap();
        let mutants = system.mutants().iter().map(|mutant| Some(mutant.id));
        let mut found = 0;
        for mutant in mutants.chain([None]) {
            let verdict = |disk| {
                let bounds = Bounds {
                    disk,
                    ..bounds.clone()
                };
                let outcome = explore(&bounds, mutant, Reductions::ALL);
                assert!(
                    !matches!(outcome.end, End::Bounded { .. }),
                    "{mutant:?} {:?}",
                    outcome.end
                );
                broken(&outcome)
            };
            let (atomic, pipelined) = (verdict(Disk::Atomic), verdict(Disk::Pipelined));
            assert_eq!(
                atomic.is_some(),
                pipelined.is_some(),
                "{} with {mutant:?}: atomic {atomic:?}, pipelined {pipelined:?}",
                bounds.name
            );
            assert!(mutant.is_some() || atomic.is_none(), "{atomic:?}");
            found += usize::from(atomic.is_some());
        }
        assert!(found >= 3, "{}: {found} mutants tell little", bounds.name);
    }
}

/// In order and once, or the connection breaks: what can happen there can happen where messages are a set, and less of it.
#[test]
fn what_arrives_in_order_reaches_fewer_states() {
    let set = small_raft();
    let fifo = Bounds {
        network: Network::Fifo,
        resets: 1,
        ..set.clone()
    };
    let [set, fifo] = [set, fifo].map(|bounds| explore(&bounds, None, Reductions::ALL));
    assert_eq!((&set.end, &fifo.end), (&End::Exhausted, &End::Exhausted));
    assert!(fifo.seen.iter().all(|witness| set.seen.contains(witness)));
    // A message that arrives twice or too late is the only way to some mutants.
    let bounds = named("raft-cache", "two-terms");
    let stale = |network| {
        let bounds = Bounds {
            network,
            ..bounds.clone()
        };
        broken(&explore(
            &bounds,
            Some("raft/stale-vote-response"),
            Reductions::ALL,
        ))
    };
    assert!(stale(Network::Set).is_some());
}
