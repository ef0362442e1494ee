//! `stormglass report trend DIR..`: nights of trials.

use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, Store, print_line};
use clap::Args;
use std::path::PathBuf;
use stormglass_reports::trend::Trend;

#[derive(Debug, Args)]
pub(super) struct TrendArgs {
    /// Nights: directories of `stormglass soak`, or of runs
    #[arg(required = true, value_name = "DIR")]
    nights: Vec<PathBuf>,
    #[command(flatten)]
    store: Store,
}

pub(super) fn execute(args: &TrendArgs, format: Format) -> Result<Exit, Failure> {
    let trend = Trend::read(&args.nights).or_exit(Exit::Unreadable)?;
    for night in &trend.nights {
        for note in &night.notes {
            eprintln!("stormglass: {}: {note}", night.name);
        }
    }
    let page = trend.write(&args.store.out).or_exit(Exit::Unreadable)?;
    match format {
        Format::Human => print_line(format!(
            "{}\n  trend   {}",
            trend.sentence(),
            page.display()
        )),
        Format::Json => {
            let mut value = serde_json::to_value(&trend).or_exit(Exit::Internal)?;
            value["page"] = serde_json::json!(page);
            print_line(value);
        }
    }
    // A night without trials is no good news.
    Ok(match trend.nights.iter().all(|night| night.trials == 0) {
        true => Exit::NothingSelected,
        false => Exit::Valid,
    })
}
