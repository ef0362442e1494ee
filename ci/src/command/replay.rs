//! `stormglass replay`: a run or a trial once more.

use super::exit::OrExit;
use super::run::{self, ArenaName, Keep, run_one, simulate};
use super::telling::paragraph;
use super::walk::{Ground, walk_again};
use super::{Exit, Failure, Format, Store, interrupt, print_line};
use clap::Args;
use serde_json::json;
use std::path::Path;
use stormglass_nemesis::judge::judge;
use stormglass_nemesis::model::trace::Trace;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::regression::Regression;
use stormglass_nemesis::replay::{USUAL_CAUSES, described, difference};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::RunDirectory;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A run (its name, a unique prefix, `latest`, or its directory), a trial file, one of `nemesis/regressions`, or
    /// the trace of a counterexample, which is walked in the core, the simulator and turmoil
    what: String,
    /// Run it in this arena instead of its own; then there is nothing to compare
    #[arg(long, value_enum)]
    arena: Option<ArenaName>,
    #[command(flatten)]
    store: Store,
}

pub(super) fn execute(args: &ReplayArgs, format: Format) -> Result<Exit, Failure> {
    interrupt::listen();
    let path = Path::new(&args.what);
    if path.is_file() && is_trace(path) {
        let trace = Trace::read(path).or_exit(Exit::Unreadable)?;
        let only = args.arena.map(|arena| match arena {
            ArenaName::Simulator => Ground::Simulator,
            ArenaName::Turmoil => Ground::Turmoil,
        });
        return walk_again(&trace, only, format);
    }
    if path.is_file() {
        let trial = match Regression::read(path) {
            Ok(kept) => kept.trial,
            Err(_) => Trial::read(path).or_exit(Exit::Unreadable)?,
        };
        return run_again(
            args,
            trial,
            &format!("stormglass replay {}", args.what),
            format,
        );
    }
    let directory = RunDirectory::open(&args.store.out, &args.what).or_exit(Exit::Unreadable)?;
    let (trial, before) = directory.load().or_exit(Exit::Unreadable)?;
    if args
        .arena
        .is_some_and(|arena| Arena::from(arena) != trial.arena)
    {
        return run_again(args, trial, &directory.replay_command(), format);
    }
    run::must_repeat(&trial)?;
    compare(&directory, &trial, &before, format)
}

/// Whether a file is a counterexample of `model`: a way of steps, where a trial has a storm.
fn is_trace(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    value.get("steps").is_some() && value.get("bounds").is_some()
}

/// Runs a trial as something new, with a directory of its own.
fn run_again(
    args: &ReplayArgs,
    mut trial: Trial,
    command: &str,
    format: Format,
) -> Result<Exit, Failure> {
    if let Some(arena) = args.arena {
        trial.arena = arena.into();
    }
    run::must_repeat(&trial)?;
    let done =
        run_one(&trial, &args.store.out, command, Keep::All).map_err(|failure| {
            match failure.exit {
                Exit::Usage => Failure {
                    exit: Exit::Unreadable,
                    ..failure
                },
                _ => failure,
            }
        })?;
    match format {
        Format::Human => print_line(paragraph(&done)),
        Format::Json => print_line(serde_json::to_string(&done.summary).unwrap_or_default()),
    }
    Ok(done.exit)
}

/// Runs a trial again and holds the result against what it gave before.
fn compare(
    directory: &RunDirectory,
    trial: &Trial,
    before: &Run,
    format: Format,
) -> Result<Exit, Failure> {
    let (again, _) = simulate(trial)?;
    if again.record.interrupted {
        return Ok(Exit::Interrupted);
    }
    if before.record.interrupted {
        let text = format!(
            "{}: that run was interrupted, so there is nothing whole to compare with",
            directory.name()
        );
        return Err(Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!(text),
        });
    }
    let difference = difference(before, &again).map(|found| described(trial, found));
    let judged = judge(trial, &again).or_exit(Exit::Internal)?;
    match format {
        Format::Json => print_line(json!({
            "run": directory.name(),
            "same": difference.is_none(),
            "difference": difference,
            "digest": again.record.digest,
            "verdict": judged.ruling,
        })),
        Format::Human => match &difference {
            None => print_line(format!(
                "SAME  digest {} again\n  {}",
                again.record.digest, judged.sentence
            )),
            Some(text) => print_line(format!("DIVERGED  {text}\n  {USUAL_CAUSES}")),
        },
    }
    Ok(if difference.is_some() {
        Exit::Diverged
    } else {
        judged.ruling.into()
    })
}
