//! Every step of a storm is a step of the model: in the simulator and inside turmoil.

use stormglass_impls::catalog;
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::knobs::Reads;
use stormglass_nemesis::arena;
use stormglass_nemesis::model::tape::{Taped, taping};
use stormglass_nemesis::model::validation::{Invalid, Validated, validate};
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

/// A storm of a few seconds in which the seed draws everything but what would let clocks into the nodes.
fn storm(cluster: &str, arena: Arena, seed: u64, storm_ms: u64) -> Trial {
    let system = catalog::system(cluster).unwrap();
    let workload = WorkloadConfig::usual(cluster);
    let mut trial = Trial::calm(cluster, workload, arena, seed);
    trial.storm_ms = storm_ms;
    trial.nodes = 3;
    swarm::draw(&mut trial, system.as_ref());
    trial.knobs.session_ms = 0;
    trial.knobs.reads = match trial.knobs.reads {
        Reads::Lease => Reads::Quorum,
        other => other,
    };
    trial
}

fn tape_of(trial: &Trial) -> Vec<Taped> {
    let (run, tape) = taping(|| arena::run(trial, &mut |_| std::ops::ControlFlow::Continue(())));
    run.expect("the storm runs");
    tape
}

/// Holds storms of these seeds against the model, and gives what they had in all.
fn hold(
    cluster: &str,
    arena: Arena,
    seeds: impl IntoIterator<Item = u64>,
    storm_ms: u64,
) -> Validated {
    let mut seen = Validated::default();
    let trials = seeds
        .into_iter()
        .map(|seed| storm(cluster, arena, seed, storm_ms));
    // The model has no more nodes.
    for trial in trials.filter(|trial| trial.nodes <= 5) {
        match validate(&trial, &tape_of(&trial)) {
            Ok(validated) => add(&mut seen, validated),
            Err(invalid) => panic!("{cluster} seed {}: {invalid}", trial.seed),
        }
    }
    println!("{cluster}: {seen:?}");
    seen
}

fn add(sum: &mut Validated, one: Validated) {
    sum.inputs += one.inputs;
    sum.messages += one.messages;
    sum.boots += one.boots;
    sum.kept += one.kept;
}

#[test]
fn every_step_of_a_storm_in_the_simulator_is_one_of_the_model() {
    for cluster in ["raft-cache", "paxos-cache"] {
        let seen = hold(cluster, Arena::Simulator, 1..=30, 5_000);
        assert!(seen.inputs > 20_000 && seen.messages > 5_000, "{seen:?}");
        assert!(seen.boots > 60 && seen.kept > 0, "{seen:?}");
    }
}

#[test]
fn every_step_of_a_storm_in_turmoil_is_one_of_the_model() {
    for cluster in ["raft-cache", "paxos-cache"] {
        let seen = hold(cluster, Arena::Turmoil, [3, 5, 8], 3_000);
        assert!(seen.inputs > 1_000 && seen.messages > 300, "{seen:?}");
    }
}

/// A comparison that accepts everything proves nothing.
#[test]
fn a_tape_of_something_else_is_not_of_the_model() {
    let trial = storm("raft-cache", Arena::Simulator, 2, 3_000);
    let tape = tape_of(&trial);
    validate(&trial, &tape).unwrap();
    let cause = |tape: &[Taped]| match validate(&trial, tape) {
        Err(Invalid::Step { event, cause, .. }) => (event, cause),
        other => panic!("{other:?}"),
    };
    // A message that nobody sent: the receiver's own, from itself.
    let at = tape.iter().position(|taped| {
        matches!(
            taped,
            Taped::Stepped {
                input: Input::Deliver { .. },
                ..
            }
        )
    });
    let at = at.expect("messages arrive");
    let mut forged = tape.clone();
    if let Taped::Stepped {
        node,
        input: Input::Deliver { from, .. },
        ..
    } = &mut forged[at]
    {
        *from = NodeId::all(trial.nodes)
            .find(|other| other != from && other != node)
            .unwrap();
    }
    let (event, why) = cause(&forged);
    assert!(
        event == at + 1 && why.contains("never sent"),
        "{event} {why}"
    );
    // A step that is missing: the node is not where the tape says.
    let mut gap = tape.clone();
    gap.remove(at);
    assert!(cause(&gap).0 > at);
    // A write that ended twice.
    let at = tape.iter().position(|taped| {
        matches!(
            taped,
            Taped::Stepped {
                input: Input::Persisted,
                ..
            }
        )
    });
    let mut twice = tape.clone();
    twice.insert(at.unwrap(), tape[at.unwrap()].clone());
    cause(&twice);
    // A storm of a cluster with a bug, held against the model of one without.
    let planted = Trial {
        mutant: Some("raft/ack-before-fsync".into()),
        ..trial.clone()
    };
    let tape = tape_of(&planted);
    validate(&planted, &tape).unwrap();
    assert!(matches!(validate(&trial, &tape), Err(Invalid::Step { .. })));
}

#[test]
fn clocks_in_nodes_are_refused() {
    let mut trial = storm("raft-cache", Arena::Simulator, 2, 1_000);
    trial.knobs.session_ms = 1_000;
    assert!(matches!(validate(&trial, &[]), Err(Invalid::Clocks(_))));
}
