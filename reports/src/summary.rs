//! `run.json`: the verdict for machines.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stormglass_checker::{Evidence, Unknown, Verdict, limits::Work};
use stormglass_nemesis::judge::{Counts, Judged, Measure, Ruling};
use stormglass_nemesis::record::{FaultStatus, Record, Traffic, Violation, ViolationKind};
use stormglass_nemesis::trial::{Arena, Trial};

/// The version of `run.json`.
pub const SUMMARY_VERSION: u32 = 1;

/// The JSON Schema of `run.json`, draft 2020-12: what each field means, in which unit, and which there are.
pub const SCHEMA: &str = include_str!("../schema/run.schema.json");

/// What a run showed, for machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// [`SUMMARY_VERSION`].
    pub schema_version: u32,
    /// The name of the run's directory.
    pub run: String,
    /// The verdict. Only `valid` is a pass.
    pub verdict: Ruling,
    /// The verdict in a sentence.
    pub sentence: String,
    /// The promise that was tested.
    pub promise: String,
    /// The command that runs it again.
    pub command: String,
    /// The system under test.
    pub cluster: String,
    /// What the clients did.
    pub workload: String,
    /// Where it ran.
    pub arena: Arena,
    /// The seed.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u8,
    /// How many clients.
    pub clients: u32,
    /// The bug planted, if any.
    pub mutant: Option<String>,
    /// What the clients did, counted.
    pub counts: Counts,
    /// What else is worth knowing of what the clients saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// What it cost.
    pub timings: Timings,
    /// What was broken.
    pub violations: Violations,
    /// Which limit the judge reached, if it did.
    pub unknown: Option<Unknown>,
    /// Why the run tested nothing, if so.
    pub vacuous: Option<String>,
    /// What became of the faults, by kind.
    pub coverage: BTreeMap<String, Coverage>,
    /// What the network carried.
    pub traffic: Traffic,
    /// How long the run was, in simulated nanoseconds.
    pub simulated_ns: u64,
    /// Whether somebody interrupted the trial.
    pub interrupted: bool,
    /// How many inputs the nodes took.
    pub inputs: u64,
    /// The digest of every input with its time. The same trial gives the same digest.
    pub digest: String,
    /// The judge's counted work.
    pub work: Work,
}

/// What a run cost, in milliseconds, as its caller measured it. Nothing is decided by these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// CPU time of the simulation.
    pub simulate_cpu_ms: Option<f64>,
    /// CPU time of the judgement. Absent after a rebuild, which measures nothing.
    pub judge_cpu_ms: Option<f64>,
    /// Wall-clock time of both.
    pub wall_ms: Option<f64>,
}

/// What was broken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Violations {
    /// Laws broken inside the cluster, as the arena saw them.
    pub inside: Vec<Violation>,
    /// What the clients saw that breaks the promise.
    pub clients: Option<Evidence>,
}

/// What became of the planned faults of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// They happened and did something.
    pub installed: u64,
    /// They were not set up.
    pub skipped: u64,
    /// They were set up, and nothing shows that they did anything.
    pub indeterminate: u64,
}

impl RunSummary {
    /// The summary of a judged run. `run` is the name of its directory, `command` what runs it again.
    pub fn new(
        run: &str,
        trial: &Trial,
        record: &Record,
        judged: &Judged,
        timings: &Timings,
        command: &str,
    ) -> Self {
        let (clients, unknown) = match &judged.judgement.verdict {
            Verdict::Valid(_) => (None, None),
            Verdict::Invalid(evidence) => (Some(evidence.clone()), None),
            Verdict::Unknown(unknown) => (None, Some(unknown.clone())),
        };
        Self {
            schema_version: SUMMARY_VERSION,
            run: run.to_string(),
            verdict: judged.ruling,
            sentence: judged.sentence.clone(),
            promise: judged.promise.clone(),
            command: command.to_string(),
            cluster: trial.cluster.clone(),
            workload: trial.workload.name().to_string(),
            arena: trial.arena,
            seed: trial.seed,
            nodes: trial.nodes,
            clients: trial.clients,
            mutant: trial.mutant.clone(),
            counts: judged.counts,
            measures: judged.measures.clone(),
            timings: *timings,
            violations: Violations {
                inside: judged.violations.clone(),
                clients,
            },
            unknown,
            vacuous: judged.vacuous.clone(),
            coverage: coverage(record),
            traffic: record.traffic,
            simulated_ns: record.ended_ns,
            interrupted: record.interrupted,
            inputs: record.inputs,
            digest: record.digest.clone(),
            work: judged.judgement.work,
        }
    }

    /// The name of what was broken, as a report ranks it: the promise the evidence quotes, or the law inside the cluster. A mistake of the
    /// harness comes first, since then nothing is known of the cluster.
    pub fn broken(&self) -> Option<String> {
        let inside = &self.violations.inside;
        let flawed = inside
            .iter()
            .find(|violation| violation.kind == ViolationKind::Harness);
        let clients = self.violations.clients.as_ref();
        let seen = clients.map(|evidence| match evidence.promise.trim() {
            "" => self.promise.as_str(),
            promise => promise,
        });
        match (flawed, seen) {
            (None, Some(promise)) => {
                let name = promise.split(':').next().unwrap_or(promise);
                Some(name.trim().to_string())
            }
            _ => flawed
                .or(inside.first())
                .map(|violation| violation.name.clone()),
        }
    }

    /// The summary as a file: JSON, indented.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a summary is plain data with text keys");
        text.push('\n');
        text
    }
}

/// The verdict in a word, as reports show it.
pub fn word(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Valid => "valid",
        Ruling::Violation => "violation",
        Ruling::Unknown => "unknown",
        Ruling::Vacuous => "vacuous",
        Ruling::Measured => "measured",
    }
}

/// What became of the faults, by kind; kinds that were not planned are absent.
fn coverage(record: &Record) -> BTreeMap<String, Coverage> {
    let mut kinds: BTreeMap<String, Coverage> = BTreeMap::new();
    for fault in &record.faults {
        let kind = kinds.entry(fault.kind.name().to_string()).or_default();
        match fault.status {
            FaultStatus::Installed => kind.installed += 1,
            FaultStatus::Skipped { .. } => kind.skipped += 1,
            FaultStatus::Indeterminate { .. } => kind.indeterminate += 1,
        }
    }
    kinds
}
