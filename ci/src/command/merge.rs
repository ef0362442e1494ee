//! `stormglass merge`: the shards of a campaign, joined.

use super::exit::OrExit;
use super::soak::{NIGHTS, known_failures};
use super::{Exit, Failure, Format, print_line};
use crate::campaign::closing::{Expectations, Whole};
use crate::campaign::rows::{KEPT_MAX, RUNS};
use crate::campaign::store::{About, Content, STORE, Store};
use crate::campaign::units::Shard;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stormglass_reports::campaign::{Share, TrialLine};

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The directories of the shards
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// The directory of the whole campaign: lines, summary, page, and the runs that are kept
    #[arg(long, value_name = "DIR", default_value = ".stormglass/merged")]
    out: PathBuf,
    /// Known failures: in sight, and not red until they expire. `known.toml` here when not said
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// The ledger of nights, which dates failures
    #[arg(long, value_name = "FILE", default_value = NIGHTS)]
    nights: PathBuf,
}

pub(super) fn execute(args: &MergeArgs, format: Format) -> Result<Exit, Failure> {
    if args.out.join(STORE).exists() {
        return Err(Failure::usage(format!(
            "--out {}: that is a campaign, or a shard of one; name another directory",
            args.out.display()
        )));
    }
    let known = known_failures(args.known.as_deref(), None)?;
    let mut shards: BTreeMap<u64, Joined> = BTreeMap::new();
    for folder in &args.folders {
        let joined = read(folder)?;
        if let Some((_, first)) = shards.first_key_value() {
            same(first, &joined)?;
        }
        let number = joined.about.shard.number;
        if let Some(other) = shards.get(&number) {
            return Err(Failure::usage(format!(
                "{} and {}: both are shard {}; name each shard once",
                other.folder.display(),
                folder.display(),
                joined.about.shard
            )));
        }
        shards.insert(number, joined);
    }
    let (_, first) = shards.first_key_value().expect("one at least is required");
    let about = About {
        shard: Shard::WHOLE,
        ..first.about.clone()
    };
    let shares = (1..=first.about.shard.of).map(|number| match shards.get(&number) {
        Some(joined) => joined.about.share(joined.content.trials.len() as u64),
        None => Share {
            shard: number,
            trials: 0,
            planned: None,
            is_finished: false,
            is_missing: true,
        },
    });
    let mut whole = Whole {
        about,
        shards: shares.collect(),
        trials: Vec::new(),
        canaries: Vec::new(),
        models: Vec::new(),
        shrunk: BTreeMap::new(),
        was_interrupted: false,
    };
    let mut from = BTreeMap::new();
    let (mut trials, mut canaries, mut models) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for Joined {
        folder, content, ..
    } in shards.into_values()
    {
        for (unit, line) in content.trials {
            from.insert(unit, folder.clone());
            trials.insert(unit, line);
        }
        canaries.extend(content.canaries);
        models.extend(content.models);
        for (signature, shrunk) in content.shrunk {
            let other = whole.shrunk.get(&signature);
            if other.is_none_or(|other| shrunk.unit < other.unit) {
                whole.shrunk.insert(signature, shrunk);
            }
        }
    }
    whole.trials = trials.into_values().collect();
    whole.canaries = canaries.into_values().collect();
    whole.models = models.into_values().collect();
    std::fs::create_dir_all(&args.out).or_exit(Exit::Unreadable)?;
    take_runs(&mut whole.trials, &from, &args.out)?;
    let held = Expectations {
        known,
        nights: Some(args.nights.clone()),
    };
    let closed = whole.close(&args.out, &held)?;
    eprintln!("stormglass: page {}", closed.page.display());
    match format {
        Format::Human => print_line(closed.summary.trim_end()),
        Format::Json => print_line(json!({
            "trials": whole.trials.len(),
            "failures": closed.failures,
            "green": closed.is_green,
            "shards": whole.shards,
        })),
    }
    Ok(closed.exit)
}

/// A shard that is joined.
struct Joined {
    folder: PathBuf,
    about: About,
    content: Content,
}

fn read(folder: &Path) -> Result<Joined, Failure> {
    let unreadable = |cause: &str| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!("{}: {cause}", folder.display()),
    };
    if !folder.join(STORE).exists() {
        return Err(unreadable(
            "no campaign is here; name directories of `stormglass soak --shard`, and leave out those of shards that never began",
        ));
    }
    let content = Store::open(folder)?.read()?;
    Ok(Joined {
        folder: folder.to_path_buf(),
        about: content.about.clone(),
        content,
    })
}

/// Refuses to join what does not belong together.
fn same(first: &Joined, other: &Joined) -> Result<(), Failure> {
    let (one, two) = (&first.about, &other.about);
    let budget = |about: &About| format!("{:?}", about.budget);
    let differing = [
        ("builds", one.build.clone(), two.build.clone()),
        ("campaign files", one.plan.clone(), two.plan.clone()),
        ("campaigns", one.name.clone(), two.name.clone()),
        (
            "first seeds",
            one.first_seed.to_string(),
            two.first_seed.to_string(),
        ),
        (
            "numbers of shards",
            one.shard.of.to_string(),
            two.shard.of.to_string(),
        ),
        ("budgets", budget(one), budget(two)),
    ];
    match differing.into_iter().find(|(_, one, two)| one != two) {
        None => Ok(()),
        Some((what, one, two)) => Err(Failure::usage(format!(
            "{} and {} are of different {what} ({one} and {two}): what they found cannot be counted together",
            first.folder.display(),
            other.folder.display()
        ))),
    }
}

/// Copies the run directories that the whole campaign keeps: fewer than its shards together, where they saw the same failure.
fn take_runs(
    trials: &mut [TrialLine],
    from: &BTreeMap<u64, PathBuf>,
    out: &Path,
) -> Result<(), Failure> {
    let runs = out.join(RUNS);
    if runs.exists() {
        std::fs::remove_dir_all(&runs).or_exit(Exit::Unreadable)?;
    }
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for line in trials {
        let Some(run) = &line.run else { continue };
        if let Some(signature) = &line.signature {
            let kept = kept.entry(signature.clone()).or_default();
            *kept += 1;
            if *kept > KEPT_MAX {
                line.run = None;
                continue;
            }
        }
        let of = from[&line.unit].join(RUNS).join(run);
        if of.is_dir() {
            copy(&of, &runs.join(run)).map_err(|error| Failure {
                exit: Exit::Unreadable,
                error: anyhow::Error::new(error)
                    .context(format!("{}: cannot be copied", of.display())),
            })?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => std::fs::copy(entry.path(), target).map(|_| ())?,
        }
    }
    Ok(())
}
