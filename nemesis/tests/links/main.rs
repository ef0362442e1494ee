//! The law of links, in storms: between a link's coming up and its going down what nodes say to each other arrives in order, once and without a gap,
//! and nothing of an older connection arrives after.
//!
//! The nodes of these clusters number what they say and fail an assertion when the law is broken, so a run without a violation has kept it.

#![cfg(feature = "turmoil")]

mod teller;

use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;
use stormglass_impls::system::System;
use stormglass_nemesis::faults::{FAULTS, FaultKind};
use stormglass_nemesis::observer::describing;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::{simulator, swarm, turmoil};
use stormglass_workloads::workload::{Binding, Completion, Operation, WorkloadConfig};

/// The nodes answer whatever they are asked, with nothing.
struct Anything;

impl Binding for Anything {
    fn request(&self, _: &Operation) -> Vec<u8> {
        Vec::new()
    }

    fn completion(&self, _: &Operation, _: &[u8]) -> Result<Completion, String> {
        Ok(Completion::Ok(Value::Null))
    }
}

/// What the nodes of one run, or of several, were given, and what the world counted.
#[derive(Debug, Default)]
struct Given {
    messages: u64,
    ups: u64,
    downs: u64,
    cut: u64,
    reset: u64,
    rejected: u64,
    inputs_held: u64,
    steps_slowed: u64,
    held: u64,
}

impl Given {
    fn add(&mut self, other: &Given) {
        self.messages += other.messages;
        self.ups += other.ups;
        self.downs += other.downs;
        self.cut += other.cut;
        self.reset += other.reset;
        self.rejected += other.rejected;
        self.inputs_held += other.inputs_held;
        self.steps_slowed += other.steps_slowed;
        self.held += other.held;
    }
}

fn calm(arena: Arena, seed: u64) -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        nodes: 3,
        clients: 1,
        storm_ms: 15_000,
        ..Trial::calm("tellers", workload, arena, seed)
    }
}

/// A storm of faults of these kinds, at a network and a rhythm that the seed draws.
fn storm(arena: Arena, kinds: &[FaultKind], seed: u64) -> Trial {
    let system = teller::system();
    let mut trial = calm(arena, seed);
    swarm::draw(&mut trial, &system);
    let can = swarm::kinds_of(&trial, &system);
    let kinds = kinds.iter().copied().filter(|kind| can.contains(kind));
    trial.schedule = swarm::storm(&trial, &system, kinds.collect()).schedule();
    trial
}

fn carry_out(trial: &Trial) -> Run {
    let system: Rc<dyn System> = Rc::new(teller::system());
    let progress = &mut |_| ControlFlow::Continue(());
    match trial.arena {
        Arena::Simulator => simulator::run(trial, system, Box::new(Anything), progress),
        _ => turmoil::run(trial, system, Rc::new(Anything), progress).expect("turmoil works"),
    }
}

fn digest(trial: &Trial) -> String {
    carry_out(trial).record.digest
}

/// Runs a trial, which must keep the law.
fn run(trial: &Trial) -> Given {
    let (run, taken) = describing(0..u64::MAX, || carry_out(trial));
    let violations = &run.record.violations;
    let last = &taken[taken.len().saturating_sub(40)..];
    assert!(
        violations.is_empty(),
        "seed {} in the {}: {violations:#?}, after\n{}",
        trial.seed,
        trial.arena.name(),
        last.join("\n")
    );
    let count = |what: &str| taken.iter().filter(|taken| taken.contains(what)).count() as u64;
    let (traffic, wear) = (run.record.traffic, run.record.wear);
    Given {
        messages: count(" takes Deliver"),
        ups: count(" takes LinkUp"),
        downs: count(" takes LinkDown"),
        cut: traffic.cut,
        reset: traffic.reset,
        rejected: traffic.rejected,
        inputs_held: wear.inputs_held,
        steps_slowed: wear.steps_slowed,
        held: traffic.held,
    }
}

/// The kinds of fault by their families, and all of them at once.
fn families() -> BTreeMap<&'static str, Vec<FaultKind>> {
    let mut families: BTreeMap<_, Vec<FaultKind>> = BTreeMap::new();
    for info in FAULTS.iter().filter(|info| info.family != "membership") {
        families.entry(info.family).or_default().push(info.kind);
        families.entry("every").or_default().push(info.kind);
    }
    families
}

/// The tutorial: on a calm day the nodes break links themselves, and each time both ends see it go down and come up again.
#[test]
fn a_link_that_a_node_breaks_goes_down_and_comes_up_at_both_ends() {
    for arena in [Arena::Simulator, Arena::Turmoil] {
        let given = run(&calm(arena, 1));
        assert!(given.downs > 50, "{arena:?}: {given:?}");
        assert!(given.ups.abs_diff(given.downs) <= 6, "{arena:?}: {given:?}");
        assert!(given.messages > 2_000, "{arena:?}: {given:?}");
        assert_eq!((given.cut, given.reset), (0, 0), "{arena:?}: {given:?}");
    }
}

/// What shows that a family of faults was at work on links, or on those who use them.
fn evidence(family: &str, given: &Given) -> u64 {
    match family {
        "partition" => given.cut,
        "message" => given.reset.min(given.rejected),
        "pause" => given.inputs_held.min(given.steps_slowed),
        "slow" => given.held,
        // Who comes back finds links that come up without having gone down there.
        "crash" | "disk" => given.ups - given.downs,
        "clock" => given.messages,
        _ => given.cut.min(given.rejected).min(given.inputs_held),
    }
}

fn every_family(arena: Arena, seeds: u64) {
    for (family, kinds) in families() {
        let mut all = Given::default();
        (1..=seeds).for_each(|seed| all.add(&run(&storm(arena, &kinds, seed))));
        let links = 6 * seeds;
        assert!(all.messages > 500 * seeds, "{family}: {all:?}");
        assert!(
            all.downs > links && all.ups > 2 * links,
            "{family}: {all:?}"
        );
        assert!(evidence(family, &all) > seeds, "{family}: {all:?}");
    }
}

#[test]
fn the_law_holds_in_storms_of_the_simulator() {
    every_family(Arena::Simulator, 60);
}

#[test]
fn the_law_holds_in_storms_of_turmoil() {
    every_family(Arena::Turmoil, 6);
}

/// The same storm gives the same run, to the last input.
#[test]
fn links_that_go_up_and_down_do_so_at_the_same_times_again() {
    let every = &families()["every"];
    for arena in [Arena::Simulator, Arena::Turmoil] {
        let trial = storm(arena, every, 3);
        assert_eq!(digest(&trial), digest(&trial), "{arena:?}");
    }
}
