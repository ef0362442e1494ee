//! `stormglass list`: what there is, made from the source.

use super::check::TRANSACTION_MODELS;
use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::rc::Rc;
use stormglass_checker::Model;
use stormglass_impls::catalog;
use stormglass_impls::contract::Refusal;
use stormglass_impls::play::{Replaced, Script};
use stormglass_impls::system::{Harmless, InvariantInfo, Mutant, System};
use stormglass_nemesis::faults::{FAULTS, FaultInfo};
use stormglass_nemesis::harness;
use stormglass_nemesis::model::bounds::Bounds;
use stormglass_nemesis::model::library;
use stormglass_nemesis::regression::Regression;
use stormglass_reports::summary::SCHEMA;
use stormglass_workloads::workload::{PromiseInfo, WORKLOADS, WorkloadInfo, promises};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// What to list
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Clusters,
    Workloads,
    Promises,
    Faults,
    Models,
    Mutants,
    Invariants,
    Scripts,
    Errors,
    /// The JSON Schema of run.json
    Schema,
}

pub(super) fn execute(args: &ListArgs, format: Format) -> Result<Exit, Failure> {
    if let What::Schema = args.what {
        return schema(format);
    }
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
                let rest: Vec<String> =
                    rest.filter_map(|(key, value)| worded(key, value)).collect();
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
    let all = |row: fn(&dyn System) -> Vec<Value>| {
        let rows = systems.iter().flat_map(|system| row(&**system));
        rows.collect()
    };
    Ok(match what {
        What::Clusters => {
            all(|system| vec![json!({"name": system.name(), "summary": system.summary()})])
        }
        What::Workloads => {
            let row = |info: &WorkloadInfo| json!({"name": info.name, "summary": info.summary, "clusters": info.clusters.join(", ")});
            WORKLOADS.iter().map(row).collect()
        }
        What::Promises => {
            let row = |promise: PromiseInfo| json!({"name": promise.name, "summary": promise.text, "clusters": promise.clusters.join(", ")});
            promises().into_iter().map(row).collect()
        }
        What::Faults => FAULTS.iter().map(|info| fault(info, &systems)).collect(),
        What::Models => {
            let row = |model: &Model| json!({"name": model.name(), "summary": model.description(), "functions": model.functions()});
            let transactions = TRANSACTION_MODELS
                .iter()
                .map(|(name, _, summary)| json!({"name": name, "summary": summary, "functions": ["txn"]}));
            let objects = Model::all().iter().map(row);
            objects
                .chain(transactions)
                .chain(library::all().iter().map(bounds))
                .collect()
        }
        What::Mutants => {
            let kept = Regression::kept().or_exit(Exit::Internal)?;
            let mutants = systems.iter().flat_map(|system| system.mutants());
            let mutants = mutants.chain(harness::MUTANTS);
            let mutants: Vec<Value> = mutants.map(|planted| mutant(planted, &kept)).collect();
            [mutants, all(harmless)].concat()
        }
        What::Invariants => all(invariants),
        What::Scripts => Script::all().map(script).collect(),
        What::Errors => Refusal::ALL.iter().map(error).collect(),
        // A document, and no list.
        What::Schema => Vec::new(),
    })
}

/// The schema as the file it is, or in one line.
fn schema(format: Format) -> Result<Exit, Failure> {
    match format {
        Format::Human => print_line(SCHEMA.trim_end()),
        Format::Json => print_line(serde_json::from_str::<Value>(SCHEMA).or_exit(Exit::Internal)?),
    }
    Ok(Exit::Valid)
}

/// Bounds within which a cluster is explored.
fn bounds(bounds: &Bounds) -> Value {
    let kills = library::KILLS
        .iter()
        .filter(|kill| kill.bounds == Ok(bounds.name.as_str()));
    let prefix = bounds.cluster.trim_end_matches("-cache");
    let kills = kills.filter(|kill| kill.mutant.starts_with(prefix));
    let kills: Vec<&str> = kills.map(|kill| kill.mutant).collect();
    json!({
        "name": format!("{} {}", bounds.cluster, bounds.name),
        "summary": bounds.summary,
        "kills": (!kills.is_empty()).then(|| kills.join(", ")),
    })
}

fn fault(info: &FaultInfo, systems: &[Rc<dyn System>]) -> Value {
    let arenas: Vec<&str> = info.arenas.iter().map(|arena| arena.name()).collect();
    let within = systems
        .iter()
        .filter(|system| info.demand.is_within(&system.budget()));
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
}

fn mutant(mutant: &Mutant, kept: &[(&str, Regression)]) -> Value {
    let replaced = Replaced::by(mutant.id);
    let script = Script::of_mutant(mutant.id);
    let of_it = kept
        .iter()
        .filter(|(_, kept)| kept.trial.mutant.as_deref() == Some(mutant.id));
    let trials: Vec<String> = of_it.map(|(_, kept)| kept.about()).collect();
    json!({
        "name": mutant.id,
        "mechanism": mutant.mechanism,
        "rule": replaced.map(|replaced| replaced.rule.name),
        "seen_by": mutant.seen_by,
        "script": script.and_then(|script| script.setup()),
        "source": mutant.source,
        "trial": (!trials.is_empty()).then(|| trials.join("; ")),
    })
}

/// The changes that must not be flagged, which can be planted like mutants.
fn harmless(system: &dyn System) -> Vec<Value> {
    let row = |harmless: &Harmless| {
        json!({
            "name": harmless.id,
            "mechanism": harmless.change,
            "seen_by": "nobody: it is harmless",
        })
    };
    system.harmless().iter().map(row).collect()
}

fn invariants(system: &dyn System) -> Vec<Value> {
    let row = |invariant: &InvariantInfo| {
        json!({
            "name": invariant.name,
            "cluster": system.name(),
            "law": invariant.law,
            "source": invariant.source,
        })
    };
    system.invariants().iter().map(row).collect()
}

fn script(script: Script) -> Value {
    json!({"name": script.name(), "about": script.about()})
}

fn error(refusal: &Refusal) -> Value {
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
}

/// What a person reads of a field. Where the value alone would not say what it is, the field is named.
fn worded(key: &str, value: &Value) -> Option<String> {
    let text = value.as_str()?;
    Some(match key {
        "clusters" => format!("for {text}"),
        "rule" => format!("replaces {text}"),
        "seen_by" => format!("seen by {text}"),
        "script" | "trial" | "kills" => format!("{key}: {text}"),
        _ => text.to_string(),
    })
}
