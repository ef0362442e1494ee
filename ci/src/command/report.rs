//! `stormglass report`: judges finished runs again, and writes their reports anew; the pages over many runs.

mod campaign;
mod diff;
mod files;
mod index;
mod serve;
mod trend;

use super::exit::OrExit;
use super::{Exit, Failure, Format, Store, print_line};
use clap::{Args, Subcommand};
use serde_json::json;
use stormglass_reports::RunDirectory;
use stormglass_reports::run_directory::Salvaged;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pages: Option<Pages>,
    /// Runs: names, unique prefixes, `latest`, or directories
    #[arg(required = true)]
    runs: Vec<String>,
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, Subcommand)]
enum Pages {
    /// Make the page over all runs
    Index(index::IndexArgs),
    /// Lay two runs side by side, and say where they part
    Diff(diff::DiffArgs),
    /// Make the page over nights of trials: how often something broke, and what is new, known and resolved
    Trend(trend::TrendArgs),
    /// Make the page of a campaign: verdicts, planted bugs, models, speed, false alarms
    Campaign(campaign::CampaignArgs),
    /// Serve the pages to a browser on this machine
    Serve(serve::ServeArgs),
}

pub(super) fn execute(args: &ReportArgs, format: Format) -> Result<Exit, Failure> {
    match &args.pages {
        Some(Pages::Index(args)) => return index::execute(args, format),
        Some(Pages::Diff(args)) => return diff::execute(args, format),
        Some(Pages::Trend(args)) => return trend::execute(args, format),
        Some(Pages::Campaign(args)) => return campaign::execute(args, format),
        Some(Pages::Serve(args)) => return serve::execute(args, format),
        None => {}
    }
    let mut worst = Exit::Valid;
    for run in &args.runs {
        let directory = RunDirectory::open(&args.store.out, run).or_exit(Exit::Unreadable)?;
        let summary = match directory.rebuild() {
            Ok(summary) => summary,
            Err(refused) => {
                let salvaged = directory.salvage(&refused).or_exit(Exit::Unreadable)?;
                tell_salvaged(&directory, &salvaged, format);
                worst = worst.or_worse(Exit::Unreadable);
                continue;
            }
        };
        match format {
            Format::Json => print_line(serde_json::to_string(&summary).unwrap_or_default()),
            Format::Human => print_line(format!(
                "{}\n  report  {}",
                summary.sentence,
                directory.page().display()
            )),
        }
        worst = worst.or_worse(summary.verdict.into());
    }
    Ok(worst)
}

/// Tells of a run that is not whole: a page, and no verdict.
fn tell_salvaged(directory: &RunDirectory, salvaged: &Salvaged, format: Format) {
    let Salvaged {
        sentence,
        notes,
        commands,
        page,
    } = salvaged;
    match format {
        Format::Json => print_line(json!({
            "run": directory.name(),
            "verdict": "incomplete",
            "sentence": sentence,
            "missing": notes,
            "commands": commands,
            "page": page,
        })),
        Format::Human => {
            print_line(format!("INCOMPLETE  {sentence}"));
            print_line(format!("  report  {}", page.display()));
            for command in commands {
                print_line(format!("  replay  {command}"));
            }
        }
    }
    for note in notes {
        eprintln!("stormglass: {note}");
    }
}
