//! `stormglass report index`: the page over all runs.

use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, Store, print_line};
use clap::Args;
use serde_json::json;
use stormglass_nemesis::judge::Ruling;
use stormglass_reports::index;

#[derive(Debug, Args)]
pub(super) struct IndexArgs {
    #[command(flatten)]
    store: Store,
}

/// The page was made whatever the runs came to: their verdicts are theirs.
pub(super) fn execute(args: &IndexArgs, format: Format) -> Result<Exit, Failure> {
    let index = index::build(&args.store.out).or_exit(Exit::Unreadable)?;
    match format {
        Format::Human => print_line(format!(
            "{}\n  index   {}",
            index.tally(),
            index.page.display()
        )),
        Format::Json => print_line(json!({
            "index": index.page,
            "runs": index.entries.len(),
            "valid": index.count(Some(Ruling::Valid)),
            "violations": index.count(Some(Ruling::Violation)),
            "unknown": index.count(Some(Ruling::Unknown)),
            "vacuous": index.count(Some(Ruling::Vacuous)),
            "measured": index.count(Some(Ruling::Measured)),
            "without_verdict": index.count(None),
        })),
    }
    Ok(Exit::Valid)
}
