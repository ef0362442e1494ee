//! `stormglass report`: judges finished runs again, and writes their reports anew.

use super::exit::OrExit;
use super::{Exit, Failure, Format, Store, print_line};
use clap::Args;
use stormglass_reports::RunDirectory;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Runs: names, unique prefixes, `latest`, or directories
    #[arg(required = true)]
    runs: Vec<String>,
    #[command(flatten)]
    store: Store,
}

pub(super) fn execute(args: &ReportArgs, format: Format) -> Result<Exit, Failure> {
    let mut worst = Exit::Valid;
    for run in &args.runs {
        let directory = RunDirectory::open(&args.store.out, run).or_exit(Exit::Unreadable)?;
        let summary = directory.rebuild().or_exit(Exit::Unreadable)?;
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
