//! A worker of a campaign: a process of its own, so that what a trial does to it (a crash, an end by the kernel, a loop without end) happens to nobody else.
//!
//! It takes an order a line from its standard input and answers each with a line. When its input ends, whoever gave the orders is gone, and it
//! ends at once, whatever it was at. As long as it lives it holds the campaign's lock, shared with the other workers: a campaign that is
//! taken up again waits until the workers of the one before are gone.

use super::plan;
use super::signature;
use super::store;
use super::work::{Answer, Job, Order, TrialJob};
use crate::command::exit::OrExit;
use crate::command::model::ModelArgs;
use crate::command::run::{Done, Keep, command_anywhere, run_one, trial};
use crate::command::shrink::shrink_beside;
use crate::command::{Exit, Failure, model, mutants};
use clap::{Args, Parser};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;
use stormglass_nemesis::judge::Ruling;
use stormglass_nemesis::trial::Trial;
use stormglass_reports::RunDirectory;
use stormglass_reports::campaign::{Outcome, TrialLine};

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// The file whose lock is held
    #[arg(long)]
    lock: PathBuf,
}

pub(crate) fn execute(args: &WorkerArgs) -> Result<Exit, Failure> {
    let lock = File::open(&args.lock).or_exit(Exit::Unreadable)?;
    flock(&lock, FlockOperation::LockShared).or_exit(Exit::Unreadable)?;
    say(READY)?;
    let (orders, received) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if orders.send(line).is_err() {
                return;
            }
        }
        // Nobody waits for an answer any more.
        std::process::exit(0);
    });
    for line in received {
        let order: Order = serde_json::from_str(&line).or_exit(Exit::Usage)?;
        limit_memory(order.memory).or_exit(Exit::Internal)?;
        let answer = match catch_unwind(AssertUnwindSafe(|| carry_out(&order.job))) {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => Answer::Failed {
                cause: format!("{:#}", failure.error),
                is_hosts: store::is_hosts(&failure.error),
                is_full: store::is_full(&failure.error),
            },
            Err(panic) => Answer::Failed {
                cause: format!("stormglass panicked: {}", said(panic.as_ref())),
                is_hosts: false,
                is_full: false,
            },
        };
        let line = serde_json::to_string(&answer).or_exit(Exit::Internal)?;
        say(&line)?;
    }
    Ok(Exit::Valid)
}

/// What a worker says when it has begun.
pub(crate) const READY: &str = "ready";

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .or_exit(Exit::Internal)
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

/// What this process may hold from now on: what it writes to and shares with nobody. More than that, and it ends.
fn limit_memory(bytes: u64) -> rustix::io::Result<()> {
    let hard = getrlimit(Resource::Data).maximum;
    let soft = hard.map_or(bytes, |hard| bytes.min(hard));
    let limit = Rlimit {
        current: Some(soft),
        maximum: hard,
    };
    setrlimit(Resource::Data, limit)
}

fn carry_out(job: &Job) -> Result<Answer, Failure> {
    match job {
        Job::Trial(job) => Ok(Answer::Trial(Box::new(run(job)?))),
        Job::Canary { canary, .. } => {
            let arena = canary.arena();
            let line = mutants::canary(&canary.cluster, arena, &canary.mutant, canary.seeds)?;
            Ok(Answer::Canary(line))
        }
        Job::Model { model, out, .. } => {
            #[derive(Parser)]
            #[command(no_binary_name = true)]
            struct ModelWords {
                #[command(flatten)]
                args: ModelArgs,
            }
            let time = humantime::format_duration(model.time).to_string();
            let (memory, out) = (model.memory.as_u64().to_string(), out.display().to_string());
            let words = [
                &model.cluster,
                "--bounds",
                &model.bounds,
                "--memory",
                &memory,
                "--time",
                &time,
                "--threads",
                "1",
                "--out",
                &out,
            ];
            let words = ModelWords::try_parse_from(words).or_exit(Exit::Internal)?;
            Ok(Answer::Model(model::of_campaign(&words.args)?))
        }
        Job::Shrink { run, budget_ms, .. } => {
            let directory = RunDirectory::at(run).or_exit(Exit::Unreadable)?;
            let trial = directory.trial().or_exit(Exit::Unreadable)?;
            let budget = Duration::from_millis(*budget_ms);
            let size = shrink_beside(&directory, &trial, budget)?;
            Ok(Answer::Shrunk(size.faults, size.operations))
        }
    }
}

fn run(job: &TrialJob) -> Result<TrialLine, Failure> {
    let args = plan::run_args(&job.words).map_err(Failure::usage)?;
    let trial = trial(&args, job.seed)?;
    let keep = match job.keep {
        true => Keep::All,
        false => Keep::Findings,
    };
    let command = command_anywhere(&args, &trial);
    if !args.has_its_faults(&trial) {
        return Ok(faultless(job.unit, &trial, command));
    }
    let done = run_one(&trial, &job.out, &command, keep)?;
    Ok(line(job.unit, &done, command))
}

/// The row of a trial that would have no fault, though faults were asked for. `stormglass run` refuses it, too.
fn faultless(unit: u64, trial: &Trial, command: String) -> TrialLine {
    let property = "vacuous".to_string();
    let sentence = "The run tested nothing: no fault of these kinds fits into the storm.";
    TrialLine {
        workload: trial.workload.name().to_string(),
        signature: Some(signature::join(
            &signature::subject(trial),
            &property,
            Some("no fault fits"),
            true,
        )),
        sentence: sentence.to_string(),
        property: Some(property),
        mutant: trial.mutant.clone(),
        repeats: Some(true),
        command,
        ..TrialLine::new(
            unit,
            &trial.cluster,
            trial.arena,
            trial.seed,
            Outcome::Vacuous,
        )
    }
}

fn line(unit: u64, done: &Done, command: String) -> TrialLine {
    let (property, signature) = signature::of(done).unzip();
    let timings = &done.summary.timings;
    let cpu_ms =
        timings.simulate_cpu_ms.unwrap_or_default() + timings.judge_cpu_ms.unwrap_or_default();
    TrialLine {
        unit,
        cluster: done.trial.cluster.clone(),
        workload: done.trial.workload.name().to_string(),
        arena: done.trial.arena,
        seed: done.trial.seed,
        verdict: Outcome::from(done.judged.ruling),
        sentence: done.judged.sentence.clone(),
        property,
        signature,
        mutant: done.trial.mutant.clone(),
        operations: done.judged.counts.operations,
        ok: done.judged.counts.ok,
        faults_installed: done.judged.counts.faults_installed,
        simulated_ns: done.summary.simulated_ns,
        cpu_ms: Some(cpu_ms),
        digest: done.summary.digest.clone(),
        repeats: (done.judged.ruling != Ruling::Valid).then_some(done.differs.is_none()),
        command,
        ended_s: None,
        run: done
            .directory
            .path()
            .exists()
            .then(|| PathBuf::from(done.directory.name())),
    }
}
