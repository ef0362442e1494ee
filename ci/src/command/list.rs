//! `stormglass list`: what there is, made from the source.

use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::Refusal;
use stormglass_impls::play::{Replaced, Script};
use stormglass_impls::system::System;
use stormglass_nemesis::faults::FAULTS;
use stormglass_nemesis::harness;
use stormglass_nemesis::regression::Regression;
use stormglass_workloads::workload::WORKLOADS;

/// The specifications `check` judges by: the name, and what it is.
pub(super) const MODELS: &[(&str, &str)] = &[(
    "register",
    "a register per key: read, write, compare-and-set; initially null",
)];

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// What to list
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Clusters,
    Workloads,
    Faults,
    Models,
    Mutants,
    Invariants,
    Scripts,
    Errors,
}

pub(super) fn execute(args: &ListArgs, format: Format) -> Result<Exit, Failure> {
    let rows = rows(args.what)?;
    match format {
        Format::Json => rows.iter().for_each(print_line),
        Format::Human => {
            let width = rows
                .iter()
                .filter_map(|row| row["name"].as_str())
                .map(str::len)
                .max()
                .unwrap_or(0);
            for row in &rows {
                let rest = row
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| *key != "name");
                let rest: Vec<&str> = rest.filter_map(|(_, value)| value.as_str()).collect();
                let name = row["name"].as_str().unwrap_or_default();
                print_line(format!("{name:width$}  {}", rest.join("; ")));
            }
        }
    }
    Ok(if rows.is_empty() {
        Exit::NothingSelected
    } else {
        Exit::Valid
    })
}

fn rows(what: What) -> Result<Vec<Value>, Failure> {
    let systems = catalog::systems();
    Ok(match what {
        What::Clusters => {
            systems.iter().map(|system| json!({"name": system.name(), "summary": system.summary()})).collect()
        }
        What::Workloads => WORKLOADS.iter().map(|info| json!({"name": info.name, "summary": info.summary})).collect(),
        What::Faults => FAULTS
            .iter()
            .map(|info| {
                let arenas: Vec<&str> = info.arenas.iter().map(|arena| arena.name()).collect();
                let within = systems.iter().filter(|system| info.demand.is_within(&system.budget()));
                let promised: Vec<&str> = within.map(|system| system.name()).collect();
                json!({
                    "name": info.name,
                    "family": info.family,
                    "summary": info.summary,
                    "arenas": arenas.join(", "),
                    "promised": match promised.is_empty() {
                        true => "beyond every promise".to_string(),
                        false => format!("survived by {}", promised.join(", ")),
                    },
                })
            })
            .collect(),
        What::Models => MODELS.iter().map(|(name, summary)| json!({"name": name, "summary": summary})).collect(),
        What::Mutants => {
            let kept = Regression::kept().or_exit(Exit::Internal)?;
            systems
            .iter()
            .flat_map(|system| system.mutants())
            .chain(harness::MUTANTS)
            .map(|mutant| {
                let seen_by = format!("seen by {}", mutant.seen_by);
                let replaced = Replaced::by(mutant.id).map(|replaced| format!("replaces {}", replaced.rule.name));
                let script = Script::of_mutant(mutant.id).and_then(|script| script.setup());
                let of_it = kept.iter().filter(|(_, kept)| kept.trial.mutant.as_deref() == Some(mutant.id));
                let trials: Vec<String> = of_it.map(|(_, kept)| format!("trial: {}", kept.about())).collect();
                json!({
                    "name": mutant.id,
                    "mechanism": mutant.mechanism,
                    "replaces": replaced,
                    "seen_by": seen_by,
                    "script": script.map(|setup| format!("script: {setup}")),
                    "source": mutant.source,
                    "trial": (!trials.is_empty()).then(|| trials.join("; ")),
                })
            })
            .chain(harmless(&systems))
            .collect()
        }
        What::Invariants => systems
            .iter()
            .flat_map(|system| system.invariants().iter().map(|invariant| (system.name(), invariant)))
            .map(|(cluster, invariant)| {
                json!({"name": invariant.name, "cluster": cluster, "law": invariant.law, "source": invariant.source})
            })
            .collect(),
        What::Scripts => Script::all()
            .map(|script| json!({"name": script.name(), "about": first_sentence(&script.paragraph().join(" "))}))
            .collect(),
        What::Errors => Refusal::ALL.iter().map(|refusal| {
            let claim = refusal.claim();
            json!({
                "name": claim.name,
                "cause": claim.meaning,
                "certainty": match claim.definite {
                    true => "definite: as this node took it, it changes nothing",
                    false => "indefinite: it may have been, or yet be, carried out",
                },
                "retry": match claim.retryable {
                    true => "may be asked again under the same request id",
                    false => "not to be asked again under the same request id",
                },
                "remedy": claim.remedy,
            })
        }).collect(),
    })
}

fn first_sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.to_string(),
    }
}

/// The changes that must not be flagged, which can be planted like mutants.
fn harmless(systems: &[Rc<dyn System>]) -> Vec<Value> {
    let all = systems.iter().flat_map(|system| system.harmless());
    all.map(|harmless| json!({"name": harmless.id, "mechanism": harmless.change, "seen_by": "seen by nobody: it is harmless"})).collect()
}
