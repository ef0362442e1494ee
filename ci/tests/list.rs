//! What the command lists is what the source has, all of it, and each with what a reader needs.

mod common;

use common::{Place, expect, out};
use serde_json::Value;
use std::collections::BTreeSet;
use stormglass_impls::catalog;
use stormglass_impls::contract::Refusal;
use stormglass_impls::play::Script;
use stormglass_nemesis::harness;

fn list(what: &str) -> Vec<Value> {
    let list = Place::new().run(&format!("list {what} --format json"));
    expect(&list, 0);
    let rows = out(&list);
    let rows = rows.lines().map(|row| serde_json::from_str(row).unwrap());
    rows.collect()
}

fn names(rows: &[Value]) -> Vec<&str> {
    let names = rows.iter().map(|row| row["name"].as_str().expect("a name"));
    names.collect()
}

/// The tutorial: every refusal, and what a client may conclude from it.
#[test]
fn every_refusal_is_listed_with_what_it_means() {
    let errors = list("errors");
    let known: Vec<&str> = Refusal::ALL
        .iter()
        .map(|refusal| refusal.claim().name)
        .collect();
    assert_eq!(names(&errors), known);
    for row in &errors {
        for field in ["cause", "certainty", "retry", "remedy"] {
            assert!(!row[field].as_str().unwrap_or_default().is_empty(), "{row}");
        }
    }
}

#[test]
fn every_mutant_is_listed_with_its_rule_its_source_and_what_sees_it() {
    let mutants = list("mutants");
    let systems = catalog::systems();
    let planted: Vec<&str> = systems
        .iter()
        .flat_map(|system| system.mutants())
        .map(|mutant| mutant.id)
        .collect();
    let others = harness::MUTANTS.iter().map(|mutant| mutant.id);
    let harmless = systems.iter().flat_map(|system| system.harmless());
    let others = others.chain(harmless.map(|harmless| harmless.id));
    let known: Vec<&str> = planted.iter().copied().chain(others).collect();
    assert_eq!(names(&mutants), known);
    let lacking: Vec<String> = mutants
        .iter()
        .filter(|row| planted.iter().any(|id| row["name"] == *id))
        .flat_map(|row| {
            let fields = ["mechanism", "rule", "source", "seen_by"];
            let empty = fields.into_iter().filter(|field| !row[*field].is_string());
            empty.map(|field| format!("{}: {field}", row["name"]))
        })
        .collect();
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn every_invariant_is_listed_under_its_cluster() {
    let listed = list("invariants");
    let listed: BTreeSet<(&str, &str)> = listed
        .iter()
        .map(|row| {
            (
                row["cluster"].as_str().unwrap(),
                row["name"].as_str().unwrap(),
            )
        })
        .collect();
    for system in catalog::systems() {
        for invariant in system.invariants() {
            assert!(
                listed.contains(&(system.name(), invariant.name)),
                "{} {}",
                system.name(),
                invariant.name
            );
        }
    }
}

#[test]
fn every_script_is_listed_under_the_name_by_which_it_is_played() {
    let scripts = list("scripts");
    for name in names(&scripts) {
        assert!(Script::named(name).is_some(), "{name}");
    }
    assert_eq!(scripts.len(), Script::all().count());
}
