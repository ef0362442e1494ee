//! `stormglass report campaign`: the page of a campaign.

use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, print_line};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use stormglass_reports::campaign::Campaign;

#[derive(Debug, Args)]
pub(crate) struct CampaignArgs {
    /// The campaign: what `soak --out`, `mutants --campaign` and `model --campaign` were given
    #[arg(value_name = "DIR", default_value = ".stormglass/soak")]
    folder: PathBuf,
}

pub(super) fn execute(args: &CampaignArgs, format: Format) -> Result<Exit, Failure> {
    let campaign = Campaign::read(&args.folder).or_exit(Exit::Unreadable)?;
    let page = campaign.write(&args.folder).or_exit(Exit::Unreadable)?;
    match format {
        Format::Json => print_line(json!({
            "page": page,
            "trials": campaign.trials.len(),
            "planted": campaign.kills.len(),
            "models": campaign.models.len(),
            "false_alarms": campaign.false_alarms(),
            "notes": campaign.notes,
        })),
        Format::Human => {
            for note in &campaign.notes {
                eprintln!("stormglass: {note}");
            }
            print_line(format!("  page    {}", page.display()));
        }
    }
    Ok(Exit::Valid)
}
