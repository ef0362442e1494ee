//! `stormglass soak`: fresh seeds for as long as one likes.

use super::exit::OrExit;
use super::mutants::command;
use super::run::{Done, Keep, run_one};
use super::shrink::shrink_beside;
use super::{Exit, Failure, Format, interrupt, jobs, print_line};
use clap::Args;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass_impls::catalog;
use stormglass_nemesis::judge::Ruling;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::campaign::{Campaign, TRIALS};
use stormglass_workloads::workload::WorkloadConfig;

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// How long, by the clock on the wall. The trials under way then are finished
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// The first seed; seconds since 1970 when not said, so that every night has seeds of its own
    #[arg(long)]
    seed: Option<u64>,
    /// Where the lines, the findings and the summary go
    #[arg(long, value_name = "DIR", default_value = ".stormglass/soak")]
    out: PathBuf,
    /// How many trials at a time; as many as there are processors when not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

/// The file that says what came of it.
const SUMMARY: &str = "summary.md";

pub(super) fn execute(args: &SoakArgs, format: Format) -> Result<Exit, Failure> {
    let first = args.seed.unwrap_or_else(seconds_since_1970);
    let failed = |path: &Path, source: std::io::Error| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!("{}: cannot be written ({source})", path.display()),
    };
    fs::create_dir_all(&args.out).map_err(|source| failed(&args.out, source))?;
    let path = args.out.join(TRIALS);
    let lines = File::options().create(true).append(true).open(&path);
    let mut lines = lines.map_err(|source| failed(&path, source))?;
    interrupt::listen();
    eprintln!(
        "stormglass: seeds from {first} on, into {}",
        args.out.display()
    );
    let (began, runs) = (Instant::now(), args.out.join("runs"));
    let seeds =
        (first..).take_while(|_| began.elapsed() < args.budget && interrupt::go_on().is_continue());
    let work = |seed| {
        let trial = trial(first, seed);
        run_one(&trial, &runs, &command(&trial), Keep::Findings)
    };
    let (mut tally, mut worst) = (Tally::default(), Exit::Valid);
    let each = |done: Result<Done, Failure>| {
        let noted = done.and_then(|done| {
            worst = worst.or_worse(done.exit);
            note(&mut lines, &path, &done, began.elapsed(), format)?;
            if done.exit != Exit::Interrupted {
                tally.add(&done);
            }
            Ok(done.exit)
        });
        match noted {
            Ok(Exit::Interrupted) => ControlFlow::Break(()),
            Ok(_) => ControlFlow::Continue(()),
            Err(failure) => {
                eprintln!("stormglass: {:#}", failure.error);
                worst = worst.or_worse(failure.exit);
                ControlFlow::Break(())
            }
        }
    };
    let workers = args.jobs.map_or_else(jobs::available, usize::from);
    jobs::in_order(seeds, workers, work, each);
    if interrupt::go_on().is_break() {
        worst = worst.or_worse(Exit::Interrupted);
    }
    if tally.trials == 0 {
        eprintln!("stormglass: the budget was over before a trial was");
        return Ok(worst.or_worse(Exit::NothingSelected));
    }
    let summary = tally.text(first);
    let path = args.out.join(SUMMARY);
    fs::write(&path, &summary).map_err(|source| failed(&path, source))?;
    let campaign = Campaign::read(&args.out).or_exit(Exit::Unreadable)?;
    let page = campaign.write(&args.out).or_exit(Exit::Unreadable)?;
    eprintln!("stormglass: page {}", page.display());
    match format {
        Format::Human => print_line(summary.trim_end()),
        Format::Json => print_line(
            json!({"trials": tally.trials, "findings": tally.findings.len(), "first_seed": first}),
        ),
    }
    Ok(worst)
}

fn seconds_since_1970() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs())
}

/// The trial of a seed: clusters and arenas in turn.
fn trial(first: u64, seed: u64) -> Trial {
    let systems = catalog::systems();
    let turn = (seed - first) as usize;
    let arena = [Arena::Simulator, Arena::Turmoil][turn % 2];
    let system = &systems[turn / 2 % systems.len()];
    let workload = WorkloadConfig::drawn(system.name(), seed);
    let mut trial = Trial::calm(system.name(), workload, arena, seed);
    swarm::draw(&mut trial, system.as_ref());
    trial
}

/// Writes down a trial: a line, at once, so that nothing is lost when the night is cut short. A finding that repeats is shrunk first.
fn note(
    lines: &mut File,
    path: &Path,
    done: &Done,
    since: Duration,
    format: Format,
) -> Result<(), Failure> {
    let found = done.judged.ruling != Ruling::Valid;
    let mut shrunk = None;
    if done.exit == Exit::Violation && done.differs.is_none() {
        match shrink_beside(&done.directory, &done.trial) {
            Ok(size) => shrunk = Some(size),
            Err(failure) => eprintln!("stormglass: {}: {:#}", done.directory.name(), failure.error),
        }
    }
    let line = json!({
        "cluster": done.trial.cluster,
        "workload": done.trial.workload.name(),
        "mutant": done.trial.mutant,
        "arena": done.trial.arena,
        "seed": done.trial.seed,
        "verdict": done.judged.ruling,
        "sentence": done.judged.sentence,
        "property": done.summary.broken(),
        "ended_s": since.as_secs_f64(),
        "operations": done.judged.counts.operations,
        "ok": done.judged.counts.ok,
        "faults_installed": done.judged.counts.faults_installed,
        "simulated_ns": done.summary.simulated_ns,
        "cpu_ms": done.summary.timings.simulate_cpu_ms,
        "digest": done.summary.digest,
        "run": found.then(|| done.directory.path()),
        "repeats": done.differs.is_none(),
        "shrunk": shrunk,
    });
    if format == Format::Json || found {
        print_line(&line);
    }
    writeln!(lines, "{line}").map_err(|source| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!("{}: cannot be written ({source})", path.display()),
    })
}

/// What came of it so far.
#[derive(Default)]
struct Tally {
    trials: u64,
    verdicts: BTreeMap<(&'static str, String), u64>,
    simulated_ns: u64,
    cpu_ms: f64,
    kinds: BTreeSet<String>,
    findings: Vec<String>,
}

impl Tally {
    fn add(&mut self, done: &Done) {
        self.trials += 1;
        let verdict = stormglass_reports::summary::word(done.judged.ruling).to_string();
        *self
            .verdicts
            .entry((done.trial.arena.name(), verdict))
            .or_default() += 1;
        self.simulated_ns += done.summary.simulated_ns;
        let timings = &done.summary.timings;
        self.cpu_ms +=
            timings.simulate_cpu_ms.unwrap_or_default() + timings.judge_cpu_ms.unwrap_or_default();
        let installed = done
            .summary
            .coverage
            .iter()
            .filter(|(_, coverage)| coverage.installed > 0);
        self.kinds.extend(installed.map(|(kind, _)| kind.clone()));
        if done.judged.ruling != Ruling::Valid {
            self.findings.push(format!(
                "- {} seed {}, {}: {} `{}`",
                done.trial.cluster,
                done.trial.seed,
                done.trial.arena.name(),
                done.judged.sentence,
                done.directory.replay_command()
            ));
        }
    }

    fn text(&self, first: u64) -> String {
        let mut text = format!(
            "{} trials from seed {first} on, {:.0} simulated s in {:.0} CPU s, {} kinds of fault installed\n\n",
            self.trials,
            self.simulated_ns as f64 / 1e9,
            self.cpu_ms / 1e3,
            self.kinds.len()
        );
        for ((arena, verdict), count) in &self.verdicts {
            let _ = writeln!(text, "- {arena}: {count} {verdict}");
        }
        if !self.findings.is_empty() {
            let _ = writeln!(
                text,
                "\n{} findings:\n\n{}",
                self.findings.len(),
                self.findings.join("\n")
            );
        }
        text
    }
}
