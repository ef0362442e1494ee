//! `stormglass report diff A B`: two runs side by side.

use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, Store, print_line};
use clap::Args;
use stormglass_reports::RunDirectory;
use stormglass_reports::diff::{Diff, Side};

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The first run: its name, a unique prefix, `latest`, or its directory
    a: String,
    /// The second run
    b: String,
    #[command(flatten)]
    store: Store,
}

/// Only one trial that came to two ends is a divergence; two trials may differ as they like.
pub(super) fn execute(args: &DiffArgs, format: Format) -> Result<Exit, Failure> {
    let read = |name: &str| {
        let directory = RunDirectory::open(&args.store.out, name)?;
        Side::read(&directory)
    };
    let a = read(&args.a).or_exit(Exit::Unreadable)?;
    let b = read(&args.b).or_exit(Exit::Unreadable)?;
    let diff = Diff::of(&a, &b);
    let page = diff
        .write(&a, &b, &args.store.out)
        .or_exit(Exit::Unreadable)?;
    match format {
        Format::Human => print_line(told(&diff, &a, &page.display().to_string())),
        Format::Json => {
            let mut value = serde_json::to_value(&diff).or_exit(Exit::Internal)?;
            value["page"] = serde_json::json!(page);
            print_line(value);
        }
    }
    Ok(match diff.diverged {
        true => Exit::Diverged,
        false => Exit::Valid,
    })
}

/// What matters most comes first: that it is nondeterminism, or that there are two trials.
fn told(diff: &Diff, a: &Side, page: &str) -> String {
    let meaning = diff.meaning(a);
    let meaning = meaning.as_deref();
    let (word, first, second) = match diff {
        _ if diff.diverged => ("DIVERGED", diff.sentence.as_str(), meaning),
        _ if diff.same => ("SAME", diff.sentence.as_str(), meaning),
        _ => (
            "DIFFERENT",
            meaning.unwrap_or_default(),
            Some(diff.sentence.as_str()),
        ),
    };
    let second = second.map_or(String::new(), |second| format!("\n  {second}"));
    format!("{word}  {first}{second}\n  page    {page}")
}
