//! What the command says about planted bugs. All of it is read from the source; this holds that it is there for every one.

mod common;
use stormglass_impls::system::System;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::path::Path;
use stormglass_impls::catalog;

fn explain(mutant: &str, more: &str) -> String {
    // What is of no protocol is explained where it can be planted: here in the first cluster that has it.
    let has = |system: &dyn System| {
        let mut mutants = system.mutants().iter().map(|known| known.id);
        let mut harmless = system.harmless().iter().map(|known| known.id);
        mutants.any(|id| id == mutant) || harmless.any(|id| id == mutant)
    };
    let systems = catalog::systems();
    let system = systems.iter().find(|system| has(system.as_ref()));
    let cluster = system.map_or("raft-cache", |system| system.name());
    let run = Place::new().run(&format!("run {cluster} --mutant {mutant} --explain {more}"));
    expect(&run, 0);
    out(&run)
}

/// The tutorial: figure 8 of the paper, from the rule to the harm.
#[test]
fn a_planted_bug_is_explained_from_its_rule_to_its_harm() {
    let text = explain("raft/commit-old-term", "");
    for part in [
        "may_commit (impls/src/raft/rules.rs:",
        "only entries of its own term; older ones are committed with them (Raft 5.4.2, figure 8).",
        "pub fn may_commit(",
        "LogCabin#44",
        "leader-completeness: a leader holds every entry committed in earlier terms",
        "raft/mutants/commit-old-term (nodes=5",
        "Figure 8 of the paper.",
        "  > ",
        "BROKEN leader-completeness: n5 leads in term 4 without the committed entry 2@1",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn every_mutant_of_a_cluster_can_be_explained() {
    for system in catalog::systems() {
        for mutant in system.mutants() {
            let all: Value =
                serde_json::from_str(&explain(mutant.id, "--format json")).expect("one JSON value");
            let id = mutant.id;
            for field in ["mutant_code", "says", "code", "rule"] {
                let text = all["replaces"][field].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{id}: replaces.{field}: {all}");
            }
            // That each has a script is held where the scripts are, in the tests of impls.
            if let Some(blocks) = all["script"]["blocks"].as_array() {
                let parts = blocks.iter().filter(|block| block["parts_at"].is_u64());
                assert_eq!(parts.count(), 1, "{id}: the traces part once");
            }
            for law in all["seen_by"].as_array().expect("a list") {
                assert!(
                    law["law"].as_str().is_some_and(|law| !law.is_empty()),
                    "{id}: {law}"
                );
            }
        }
        for harmless in system.harmless() {
            assert!(
                explain(harmless.id, "").contains("harmless"),
                "{}",
                harmless.id
            );
        }
    }
    assert!(explain("harness/timeout-as-fail", "").contains("harness audit"));
}

/// The trial that an explanation names can be replayed, from the folder of the source. That it still breaks what it says is held where the
/// trials are kept, in the tests of nemesis.
#[test]
fn the_small_trial_of_an_explanation_can_be_replayed() {
    let place = Place::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all: Value =
        serde_json::from_str(&explain("raft/session-forgotten", "--format json")).unwrap();
    let file = all["trials"][0]["file"].as_str().expect("a trial is kept");
    let replay = place
        .command(&["replay", &source.join(file).to_string_lossy()])
        .output()
        .expect("the command starts");
    let trial = text(&place.latest().join("trial.json"));
    assert!(trial.contains("raft/session-forgotten"), "{}", err(&replay));
}

#[test]
fn only_a_planted_bug_can_be_explained() {
    let run = Place::new().run("run raft-cache --explain");
    expect(&run, 64);
    assert!(err(&run).contains("--mutant"), "{}", err(&run));
}
