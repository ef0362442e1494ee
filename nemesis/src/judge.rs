//! The verdict on a whole run: what the clients saw, what broke inside, and whether the run tested anything.

use crate::arena::is_within;
use crate::desk;
use crate::observer::MISFIT;
use crate::record::{FaultRecord, FaultStatus, Record, Run, Violation, ViolationKind};
use crate::schedule::Fault;
use crate::trial::Trial;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_checker::{
    CheckError, Event, History, Judgement, Kind, Limits, Process, Reason, Verdict,
};
use stormglass_impls::catalog;
use stormglass_impls::system::Budget;
pub use stormglass_workloads::workload::Measure;
use stormglass_workloads::workload::{Findings, Workload};

/// The verdict on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The promise was kept, and the run put it to the test.
    Valid,
    /// The promise was broken.
    Violation,
    /// The judge reached a limit. Not a pass.
    Unknown,
    /// Nothing was put to the test. Not a pass.
    Vacuous,
    /// Something broke after faults that go beyond the promise, as the trial meant them to: a measurement, and no verdict.
    Measured,
}

/// A run, judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// The verdict.
    pub ruling: Ruling,
    /// The verdict in a sentence.
    pub sentence: String,
    /// The promise that was tested.
    pub promise: String,
    /// What broke inside the cluster.
    pub violations: Vec<Violation>,
    /// What the clients saw, judged.
    pub judgement: Judgement,
    /// Why the run tested nothing, if so.
    pub vacuous: Option<String>,
    /// What the clients did, counted.
    pub counts: Counts,
    /// What else is worth knowing of what the clients saw.
    #[serde(default)]
    pub measures: Vec<Measure>,
}

impl Judged {
    /// The name of the promise that was tested: what it begins with, up to a colon.
    pub fn promise_name(&self) -> &str {
        let name = self.promise.split(':').next();
        name.unwrap_or(&self.promise)
    }
}

/// What the clients did, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls.
    pub operations: u64,
    /// Calls that ended ok.
    pub ok: u64,
    /// Reads that ended ok.
    pub ok_reads: u64,
    /// Calls that certainly changed nothing.
    pub fail: u64,
    /// Calls of unknown outcome, those without a return among them.
    pub info: u64,
    /// Faults that really happened.
    pub faults_installed: u64,
    /// Faults that were planned.
    pub faults_planned: u64,
}

/// Judges a run of a trial.
pub fn judge(trial: &Trial, run: &Run) -> Result<Judged, CheckError> {
    let system = catalog::system(&trial.cluster);
    judge_of(trial, run, system.map(|system| system.budget()).as_ref())
}

/// Judges a run of a trial on a system that need not be in the catalogue, by the faults that it promises to survive, if it does promise that.
///
/// # Errors
/// As [`judge`].
pub fn judge_of(trial: &Trial, run: &Run, budget: Option<&Budget>) -> Result<Judged, CheckError> {
    let workload = trial.workload.start(trial.seed);
    let limits = Limits {
        steps: trial.limits.steps,
        bytes: trial.limits.bytes,
        ..Limits::default()
    };
    let Findings {
        judgement,
        measures,
    } = workload.judge(&run.history, &limits)?;
    let counts = count(trial, run);
    let vacuous = vacuous(trial, run, &*workload, &counts);
    let violations = run.record.violations.clone();
    let flawed = violations
        .iter()
        .find(|violation| violation.kind == ViolationKind::Harness);
    let (ruling, sentence) = match (&judgement.verdict, flawed.or(violations.first()), &vacuous) {
        (_, Some(violation), _) if flawed.is_some() => (Ruling::Violation, inside(violation)),
        (Verdict::Invalid(evidence), _, _) => (Ruling::Violation, workload.broken(evidence)),
        (_, Some(violation), _) => (Ruling::Violation, inside(violation)),
        (Verdict::Unknown(unknown), None, _) => {
            let limit = match unknown.reason {
                Reason::Steps => format!("{} steps", unknown.limit),
                Reason::Bytes => format!("{} bytes", unknown.limit),
                Reason::Time => format!("{} nanoseconds", unknown.limit),
            };
            let judged = format!(
                "{} of {} events",
                unknown.progress.events_judged, unknown.progress.events_total
            );
            (
                Ruling::Unknown,
                format!("The judge reached its limit of {limit} after {judged}."),
            )
        }
        (Verdict::Valid(_), None, Some(reason)) => (
            Ruling::Vacuous,
            format!("The run tested nothing: {reason}."),
        ),
        (Verdict::Valid(_), None, None) => {
            let sentence = format!(
                "{}: {} of {} operations ended ok, under {} faults.",
                workload.kept(),
                counts.ok,
                counts.operations,
                counts.faults_installed
            );
            (Ruling::Valid, sentence)
        }
    };
    let (ruling, sentence) = match beyond_promise(trial, &run.record, budget) {
        Some((kinds, from_ns)) if ruling == Ruling::Violation && flawed.is_none() => {
            let before = before(&run.history, from_ns);
            match workload.judge(&before, &limits)?.judgement.verdict {
                Verdict::Invalid(_) => (ruling, sentence),
                _ => (
                    Ruling::Measured,
                    format!("After {kinds}, beyond the promise: {sentence}"),
                ),
            }
        }
        _ => (ruling, sentence),
    };
    Ok(Judged {
        ruling,
        sentence,
        promise: match &judgement.verdict {
            Verdict::Invalid(evidence) => evidence.promise.clone(),
            Verdict::Valid(_) | Verdict::Unknown(_) => workload.promise(),
        },
        violations,
        judgement,
        vacuous,
        counts,
        measures,
    })
}

/// The kinds of fault beyond the promise that had begun when the first thing broke inside, or by the end, and when the first of them did.
/// What breaks before any such fault is a violation, whatever else the trial had in store.
fn beyond_promise(
    trial: &Trial,
    record: &Record,
    budget: Option<&Budget>,
) -> Option<(String, u64)> {
    let budget = budget.filter(|_| trial.beyond_promise)?;
    let first = record.violations.first();
    let broke_ns = first.map_or(u64::MAX, |violation| violation.time_ns);
    let faults = trial.schedule.iter().zip(&record.faults);
    let began = |(fault, went): (&Fault, &FaultRecord)| {
        let from_ns = went.from_ns.filter(|from_ns| *from_ns <= broke_ns)?;
        (!is_within(fault, budget)).then_some((fault.kind.name(), from_ns))
    };
    let beyond: Vec<(&str, u64)> = faults.filter_map(began).collect();
    let kinds: BTreeSet<&str> = beyond.iter().map(|(kind, _)| *kind).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let from_ns = beyond.iter().map(|(_, from_ns)| *from_ns).min()?;
    Some((kinds.join(", "), from_ns))
}

/// What the clients had seen by then. A call that had not returned is one of unknown outcome.
fn before(history: &History, time_ns: u64) -> History {
    let mut before = history.clone();
    before.events.retain(|event| event.time < time_ns);
    before
}

fn inside(violation: &Violation) -> String {
    let node = violation
        .node
        .map(|node| format!(" at {node}"))
        .unwrap_or_default();
    match violation.kind {
        ViolationKind::Invariant => {
            format!("The cluster broke its own law {}{node}.", violation.name)
        }
        // A disk does not know whose it is.
        ViolationKind::Panic if violation.name == MISFIT => {
            "A node's writes do not fit each other.".to_string()
        }
        // Only a client is at no node.
        ViolationKind::Panic if violation.node.is_none() => "A client panicked.".to_string(),
        ViolationKind::Panic => format!("A node panicked{node}."),
        ViolationKind::Host => format!("A host stopped{node}."),
        ViolationKind::Progress => "The cluster was whole again and made no progress.".to_string(),
        ViolationKind::Protocol => {
            format!("A client was answered with something that is no answer{node}.")
        }
        ViolationKind::Hang => format!("The trial would not have ended: {}{node}.", violation.name),
        ViolationKind::Harness => {
            "Stormglass wrote down what did not happen: nothing is known of the cluster."
                .to_string()
        }
    }
}

fn count(trial: &Trial, run: &Run) -> Counts {
    let Run { history, record } = run;
    let reads = trial.workload.reads();
    let mut counts = Counts {
        faults_planned: record.faults.len() as u64,
        ..Counts::default()
    };
    counts.faults_installed = record
        .faults
        .iter()
        .filter(|fault| fault.status == FaultStatus::Installed)
        .count() as u64;
    for event in history
        .events
        .iter()
        .filter(|event| event.process != Process::Nemesis)
    {
        match event.kind {
            Kind::Invoke => counts.operations += 1,
            Kind::Ok => {
                counts.ok += 1;
                counts.ok_reads += u64::from(reads.contains(&event.f.as_str()));
            }
            Kind::Fail => counts.fail += 1,
            Kind::Info => {}
        }
    }
    counts.info = counts.operations - counts.ok - counts.fail;
    counts
}

fn vacuous(trial: &Trial, run: &Run, workload: &dyn Workload, counts: &Counts) -> Option<String> {
    let wanted = &trial.vacuity;
    if run.record.interrupted {
        return Some(format!(
            "it was interrupted after {} simulated milliseconds",
            run.record.ended_ns / 1_000_000
        ));
    }
    if counts.ok < wanted.ok_operations_min {
        return Some(format!(
            "{} operations ended ok, {} are wanted",
            counts.ok, wanted.ok_operations_min
        ));
    }
    if counts.ok_reads < wanted.ok_reads_min {
        return Some(format!(
            "{} reads ended ok, {} are wanted",
            counts.ok_reads, wanted.ok_reads_min
        ));
    }
    // Fixed calls are what somebody chose.
    if let Some(reason) = workload.tested_nothing(&run.history)
        && trial.calls.is_none()
    {
        return Some(reason);
    }
    if wanted.fault_must_overlap && !trial.schedule.is_empty() && !overlaps(run) {
        return Some(
            "no requested fault was installed while an operation was under way".to_string(),
        );
    }
    if wanted.final_reads_required {
        let reads = trial.workload.reads();
        let read = read_since(&run.history, reads, run.record.healed_ns);
        let finals = desk::final_reads(trial);
        let mut finals = finals.iter().filter(|one| reads.contains(&one.f));
        if let Some(missing) = finals.find(|wanted| !read.contains(&wanted.key)) {
            let key = missing.key.as_deref().unwrap_or("the object");
            return Some(format!("{key} was not read after everything was healed"));
        }
    }
    None
}

/// The keys that were read, the read called and answered after that time.
fn read_since(history: &History, reads: &[&str], time_ns: u64) -> BTreeSet<Option<String>> {
    let mut called = BTreeMap::new();
    let mut read = BTreeSet::new();
    let is_read = |event: &&Event| reads.contains(&event.f.as_str());
    for event in history.events.iter().filter(is_read) {
        match event.kind {
            Kind::Invoke => {
                called.insert(event.process, event.time);
            }
            Kind::Ok
                if called
                    .get(&event.process)
                    .is_some_and(|time| *time >= time_ns) =>
            {
                read.insert(event.key.clone());
            }
            _ => {}
        }
    }
    read
}

/// Whether some fault that really happened was in force while some operation was open.
fn overlaps(run: &Run) -> bool {
    let bands: Vec<(u64, u64)> = run
        .record
        .faults
        .iter()
        .filter(|fault| fault.status == FaultStatus::Installed)
        .filter_map(|fault| Some((fault.from_ns?, fault.until_ns.unwrap_or(u64::MAX))))
        .collect();
    let mut opened = BTreeMap::new();
    for event in &run.history.events {
        match (event.process, event.kind) {
            (Process::Client(process), Kind::Invoke) => {
                opened.insert(process, event.time);
            }
            (Process::Client(process), _) => {
                if let Some(from) = opened.remove(&process)
                    && bands
                        .iter()
                        .any(|band| band.0 <= event.time && from <= band.1)
                {
                    return true;
                }
            }
            (Process::Nemesis, _) => {}
        }
    }
    opened
        .values()
        .any(|from| bands.iter().any(|band| *from <= band.1))
}
