//! `stormglass shrink`: what is left of a failing trial when everything that does not matter is gone.

use super::exit::OrExit;
use super::run::{Keep, must_repeat, run_one, simulate};
use super::{Exit, Failure, Format, Store, cpu, interrupt, print_line};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::record::{Run, ViolationKind};
use stormglass_nemesis::regression::Regression;
use stormglass_nemesis::shrink::{ShrinkError, ShrinkLimits, Shrunk, Size, shrink};
use stormglass_nemesis::trial::Trial;
use stormglass_nemesis::wiretap;
use stormglass_reports::run_directory::shrunk_sentence;
use stormglass_reports::{RunDirectory, Timings};

#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A run (its name, a unique prefix, `latest`, or its directory) or a trial file
    what: String,
    /// The most trials to run on the way
    #[arg(long, value_name = "N")]
    candidates: Option<u64>,
    /// The most processor time to spend; then the best so far counts
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Keep the small trial in this folder, as one that the tests run again
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    store: Store,
}

pub(super) fn execute(args: &ShrinkArgs, format: Format) -> Result<Exit, Failure> {
    interrupt::listen();
    let (directory, trial) = find(args)?;
    must_repeat(&trial)?;
    let (run, _) = simulate(&trial)?;
    if run.record.interrupted {
        return Ok(Exit::Interrupted);
    }
    let judged = judge(&trial, &run).or_exit(Exit::Internal)?;
    let began_ns = cpu::thread_ns();
    let shrunk = match make_small(&trial, &run, &judged, args.candidates, args.budget) {
        Err(error @ ShrinkError::NothingBroken { .. }) => {
            eprintln!("stormglass: {}: {error}", args.what);
            if format == Format::Json {
                print_line(json!({"run": directory.name(), "property": null}));
            }
            return Ok(Exit::NothingSelected);
        }
        other => other.or_exit(Exit::Unreadable)?,
    };
    let cpu_s = (cpu::thread_ns() - began_ns) as f64 / 1e9;
    let small = put_beside(&directory, &shrunk)?;
    let kept = args
        .keep
        .as_ref()
        .map(|folder| keep(folder, &shrunk))
        .transpose()?;
    match format {
        Format::Json => print_line(json!({
            "run": directory.name(),
            "property": shrunk.property,
            "before": shrunk.before,
            "after": shrunk.after,
            "removed_percent": shrunk.removed_percent(),
            "candidates_run": shrunk.candidates_run,
            "complete": shrunk.is_complete,
            "cpu_s": cpu_s,
            "shrunk": small.path(),
            "kept": kept,
        })),
        Format::Human => print_line(paragraph(
            &shrunk,
            cpu_s,
            &directory,
            &small,
            kept.as_deref(),
        )),
    }
    Ok(match interrupt::go_on() {
        ControlFlow::Break(()) => Exit::Interrupted,
        ControlFlow::Continue(()) => Exit::Violation,
    })
}

/// The directory of the run that is shrunk, and its trial. A trial file gets a directory first.
fn find(args: &ShrinkArgs) -> Result<(RunDirectory, Trial), Failure> {
    let path = Path::new(&args.what);
    if !path.is_file() {
        let directory =
            RunDirectory::open(&args.store.out, &args.what).or_exit(Exit::Unreadable)?;
        let (trial, _) = directory.load().or_exit(Exit::Unreadable)?;
        return Ok((directory, trial));
    }
    let trial = Trial::read(path).or_exit(Exit::Unreadable)?;
    let command = format!("stormglass replay {}", args.what);
    let done = run_one(&trial, &args.store.out, &command, Keep::All).map_err(|failure| {
        match failure.exit {
            Exit::Usage => Failure {
                exit: Exit::Unreadable,
                ..failure
            },
            _ => failure,
        }
    })?;
    Ok((done.directory, trial))
}

/// Shrinks, within so many candidates and so much processor time.
pub(super) fn make_small(
    trial: &Trial,
    run: &Run,
    judged: &Judged,
    candidates: Option<u64>,
    budget: Duration,
) -> Result<Shrunk, ShrinkError> {
    let hung = judged
        .violations
        .iter()
        .any(|violation| violation.kind == ViolationKind::Hang);
    if hung {
        let text = "a trial that would not have ended cannot be run again and again";
        return Err(ShrinkError::Unsound(text.to_string()));
    }
    let mut limits = ShrinkLimits::of(trial.arena);
    limits.candidates_max = candidates.unwrap_or(limits.candidates_max);
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    let began_ns = cpu::thread_ns();
    let shrunk = shrink(trial, run, judged, &limits, &mut |step| {
        bar.set_message(format!(
            "{} candidates run, {} faults and {} operations left",
            step.candidates_run, step.faults, step.operations
        ));
        let spent = Duration::from_nanos(cpu::thread_ns() - began_ns);
        match spent >= budget {
            true => ControlFlow::Break(()),
            false => interrupt::go_on(),
        }
    });
    bar.finish_and_clear();
    shrunk
}

/// Writes the shrunk run into the directory of the run it was made from, whose page tells of it from now on.
fn put_beside(directory: &RunDirectory, shrunk: &Shrunk) -> Result<RunDirectory, Failure> {
    let small = directory
        .create_shrunk(&shrunk.trial)
        .or_exit(Exit::Unreadable)?;
    let Shrunk {
        trial, run, judged, ..
    } = shrunk;
    let command = small.replay_command();
    if let Some(window) =
        wiretap::stretch(run, judged).filter(|_| wiretap::repeats(trial, run, judged))
    {
        let again = || arena::run(trial, &mut |_| ControlFlow::Continue(()));
        let (_, messages) = wiretap::listening(window, again);
        if let Some(messages) = messages {
            small.put_messages(&messages).or_exit(Exit::Internal)?;
        }
    }
    small
        .write(trial, run, judged, &Timings::default(), &command)
        .or_exit(Exit::Internal)?;
    directory.rebuild().or_exit(Exit::Internal)?;
    Ok(small)
}

/// Shrinks a finding beside its run, for a campaign that goes on whatever comes of it.
pub(crate) fn shrink_beside(
    directory: &RunDirectory,
    trial: &Trial,
    budget: Duration,
) -> Result<Size, Failure> {
    let (_, run) = directory.load().or_exit(Exit::Internal)?;
    let judged = judge(trial, &run).or_exit(Exit::Internal)?;
    let shrunk = make_small(trial, &run, &judged, None, budget);
    let shrunk = shrunk.or_exit(Exit::Internal)?;
    put_beside(directory, &shrunk)?;
    Ok(shrunk.after)
}

fn keep(folder: &Path, shrunk: &Shrunk) -> Result<PathBuf, Failure> {
    let regression = Regression {
        property: shrunk.property.clone(),
        digest: shrunk.run.record.digest.clone(),
        trial: shrunk.trial.clone(),
    };
    regression.write(folder).or_exit(Exit::Unreadable)
}

fn paragraph(
    shrunk: &Shrunk,
    cpu_s: f64,
    of: &RunDirectory,
    small: &RunDirectory,
    kept: Option<&Path>,
) -> String {
    let Shrunk {
        before,
        after,
        property,
        ..
    } = shrunk;
    let seconds = |ns: u64| ns as f64 / 1e9;
    let end = match shrunk.is_complete {
        true => "nothing more can be left out",
        false => "a limit was reached; more may go with a larger --budget or --candidates",
    };
    let mut text = format!(
        "SHRUNK  {}\n",
        shrunk_sentence(before, after, Some(property))
    );
    text += &format!(
        "  {} of {} clients, {} of {} keys, {} of {} nodes, {:.2} of {:.2} simulated s\n",
        after.clients,
        before.clients,
        after.keys,
        before.keys,
        after.nodes,
        before.nodes,
        seconds(after.simulated_ns),
        seconds(before.simulated_ns)
    );
    text += &format!(
        "  {:.1} % of the events are gone, after {} trials and {cpu_s:.1} CPU s: {end}\n",
        shrunk.removed_percent(),
        shrunk.candidates_run
    );
    if let Some(path) = kept {
        text += &format!("  kept    {}\n", path.display());
    }
    text += &format!(
        "  report  {}\n  replay  {}",
        of.page().display(),
        small.replay_command()
    );
    text
}
