//! The exhaustive search: what it counts, that nothing it leaves out matters, that it agrees with stateright, and that what it finds is true elsewhere.

mod bridge;
mod counts;
mod coverage;
mod cross_check;
mod disks;
mod links;
mod reductions;
mod validation;

use stormglass_nemesis::model::bounds::{Ask, Bounds};
use stormglass_nemesis::model::library;
use stormglass_nemesis::model::search::{End, Limits, Outcome, search};
use stormglass_nemesis::model::space::{Reductions, Space};

/// The bounds of that name.
fn named(cluster: &str, name: &str) -> Bounds {
    library::bounds(cluster, name).unwrap_or_else(|| panic!("no bounds {name} of {cluster}"))
}

/// Two nodes of Raft, two terms, a write and a crash: all that can go wrong with a disk, in a small space.
fn small_raft() -> Bounds {
    Bounds {
        name: "small".into(),
        crashes: 1,
        epoch_max: 2,
        log_max: 3,
        ..named("raft-cache", "pair")
    }
}

/// Two acceptors that each propose once, a write and a crash.
fn small_paxos() -> Bounds {
    Bounds {
        name: "small".into(),
        nodes: 2,
        clients: vec![vec![Ask::Write("k".into(), 1.into())]],
        ..named("paxos-cache", "crash")
    }
}

fn space(bounds: &Bounds, mutant: Option<&str>, reductions: Reductions) -> Space {
    Space::new(bounds.clone(), mutant, reductions).expect("the bounds make sense")
}

fn explore(bounds: &Bounds, mutant: Option<&str>, reductions: Reductions) -> Outcome {
    let limits = Limits {
        states_max: 400_000,
        ..Limits::default()
    };
    let space = space(bounds, mutant, reductions);
    search(&space, &limits).expect("the prelude can be")
}

/// The property that was broken and in how many steps, or nothing.
fn broken(outcome: &Outcome) -> Option<(String, usize)> {
    match &outcome.end {
        End::Broken {
            property, trace, ..
        } => Some((property.clone(), trace.len())),
        End::Exhausted | End::Bounded { .. } => None,
    }
}
