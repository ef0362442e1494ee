//! `stormglass merge`: the shards of a campaign, joined.

use super::soak::{NIGHTS, known_failures};
use super::{Exit, Failure, Format};
use crate::campaign::MODELS;
use crate::campaign::closing::{Expectations, Whole};
use crate::campaign::nights::Nights;
use crate::campaign::rows::{KEPT_MAX, RUNS};
use crate::campaign::store::{self, About, Content, STORE, Store};
use crate::campaign::units::Shard;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_reports::campaign::{self, KILLS, Share, TRIALS, TrialLine};

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
    must_be_ours(&args.out)?;
    Nights::read(&args.nights)?;
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
    // What the shards knew, when nothing else is said.
    let known = known_failures(args.known.as_deref(), None)?;
    let known = known.unwrap_or_else(|| about.known.clone());
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
    let taken = take(&mut whole.trials, &from, &args.folders, &args.out);
    taken.map_err(|error| cannot_write(&args.out, error))?;
    let held = Expectations {
        known,
        nights: Some(args.nights.clone()),
    };
    let closed = whole.close(&args.out, &held);
    let closed = closed.map_err(|failure| match store::is_full(&failure.error) {
        true => cannot_write(&args.out, io::ErrorKind::StorageFull.into()),
        false => failure,
    })?;
    closed.tell(format, json!({"shards": whole.shards}));
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
    let content = Store::look(folder)?;
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

/// Says of a directory that shards are merged into it: from the beginning on, so that a merge that was cut short can be made again.
const MERGED: &str = ".merged";

/// What is merged goes into a directory of its own, or into that of an earlier merge.
fn must_be_ours(out: &Path) -> Result<(), Failure> {
    let is_empty = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(cannot_write(out, error)),
    };
    match is_empty || out.join(MERGED).is_file() {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "--out {}: it is not empty, and no merged campaign; name another directory",
            out.display()
        ))),
    }
}

fn cannot_write(out: &Path, error: io::Error) -> Failure {
    match store::is_storage_full(&error) {
        true => Failure {
            exit: Exit::Internal,
            error: anyhow::anyhow!(
                "{}: there is no room left on the disk; the shards are as they were: make room, then merge again",
                out.display()
            ),
        },
        false => Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!("{}: {error}", out.display()),
        },
    }
}

/// Copies the run directories that the whole campaign keeps (fewer than its shards together, where they saw the same failure) and the
/// counterexamples. What an earlier merge left goes.
fn take(
    trials: &mut [TrialLine],
    from: &BTreeMap<u64, PathBuf>,
    folders: &[PathBuf],
    out: &Path,
) -> io::Result<()> {
    let unless_absent = |done: io::Result<()>| match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    for folder in [RUNS, MODELS] {
        unless_absent(std::fs::remove_dir_all(out.join(folder)))?;
    }
    for file in [TRIALS, KILLS, campaign::MODELS] {
        unless_absent(std::fs::remove_file(out.join(file)))?;
    }
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join(MERGED), "")?;
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
            copy(&of, &out.join(RUNS).join(run))?;
        }
    }
    for folder in folders {
        let of = folder.join(MODELS);
        if of.is_dir() {
            copy(&of, &out.join(MODELS))?;
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
