//! `stormglass report campaign`: the page of a campaign.

use crate::campaign::closing::Whole;
use crate::campaign::store::{STORE, Store};
use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, print_line, soak};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use stormglass_reports::campaign::Campaign;

#[derive(Debug, Args)]
pub(crate) struct CampaignArgs {
    /// The campaign: what `soak --out`, `merge --out`, `mutants --campaign` and `model --campaign` were given; the last soak when not said
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn execute(args: &CampaignArgs, format: Format) -> Result<Exit, Failure> {
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => soak::latest().ok_or_else(|| {
            Failure::usage("DIR: no campaign was soaked here; name the directory of one")
        })?,
    };
    export(&folder)?;
    let campaign = Campaign::read(&folder).or_exit(Exit::Unreadable)?;
    let page = campaign.write(&folder).or_exit(Exit::Unreadable)?;
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

/// A campaign that was cut short has more in its store than in its lines.
fn export(folder: &Path) -> Result<(), Failure> {
    if !folder.join(STORE).exists() {
        return Ok(());
    }
    let content = Store::look(folder)?;
    Whole::of(content, false).export(folder)
}
