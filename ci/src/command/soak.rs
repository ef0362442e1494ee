//! `stormglass soak`: a campaign of fresh seeds for as long as one likes.

use super::{Exit, Failure, Format, interrupt, jobs, print_line};
use crate::campaign::closing::{self, Expectations, Whole};
use crate::campaign::known::{self, KNOWN, Known};
use crate::campaign::nights;
use crate::campaign::plan::{Budget, Plan};
use crate::campaign::rows::{KEPT_MAX, Told};
use crate::campaign::store::{self, About, STORE, Store};
use crate::campaign::units::Shard;
use crate::campaign::{self, Campaign};
use bytesize::ByteSize;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stormglass_reports::campaign::TrialLine;

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// The campaign file; when none is named, every cluster under every workload of its own in both simulated arenas
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// How long: a time, as 8h, after which the trials under way are finished; or so many seeds, as 5000, over all shards. What the
    /// campaign file says when not said, else 10m
    #[arg(long, value_name = "TIME|SEEDS")]
    budget: Option<Budget>,
    /// The first seed; drawn from the clock when not said, so that every night has seeds of its own. All shards need the same
    #[arg(long)]
    seed: Option<u64>,
    /// Run one share of several, as 2/4. When not said, what the environment of a Slurm array task, a Kubernetes indexed job (with STORMGLASS_SHARDS
    /// for their number) or a Buildkite parallel job says
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Go on with the campaign that is there: nothing that is finished is run again. Where there is none, begin it
    #[arg(long)]
    resume: bool,
    /// Print what would be run, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Only what is of these clusters
    #[arg(long, value_name = "CLUSTER", value_delimiter = ',')]
    only: Vec<String>,
    /// How many trials at a time; one a processor when neither this nor the campaign file says it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// The longest that one trial may take, by the clock on the wall, in place of what the campaign file says
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// The most memory that one trial may take, in place of what the campaign file says
    #[arg(long, value_name = "BYTES")]
    memory: Option<ByteSize>,
    /// Known failures: in sight, and not red until they expire. `known.toml` here or what the campaign file names, when not said
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// The ledger of nights, which dates failures. A shard has none: `merge` writes it
    #[arg(long, value_name = "FILE", default_value = NIGHTS)]
    nights: PathBuf,
    /// The directory of the campaign; one below .stormglass/campaigns when not said
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The usual ledger of nights.
pub(super) const NIGHTS: &str = ".stormglass/nights.jsonl";
/// Where campaigns are kept.
const CAMPAIGNS: &str = ".stormglass/campaigns";
/// Says there which was the last one.
const LATEST: &str = "latest";

/// How long a campaign goes on when nobody says it.
const BUDGET: Budget = Budget::Time(Duration::from_secs(600));

pub(super) fn execute(args: &SoakArgs, format: Format) -> Result<Exit, Failure> {
    interrupt::listen();
    let there = match args.resume {
        true => resumed(args)?,
        false => None,
    };
    let mut plan = read_plan(args, there.as_ref())?;
    let only = match (&there, args.only.is_empty()) {
        (Some((_, about)), true) => about.only.clone(),
        _ => args.only.clone(),
    };
    plan.keep_only(&only)?;
    plan.timeout = args.timeout.unwrap_or(plan.timeout);
    plan.memory = args.memory.unwrap_or(plan.memory);
    plan.check_limits()?;
    if plan.storms.is_empty() && plan.canaries.is_empty() && plan.models.is_empty() {
        eprintln!("stormglass: the campaign has no storm, no canary and no model");
        return Ok(Exit::NothingSelected);
    }
    if args.dry_run {
        return Ok(print_plan(&plan, format));
    }
    let shard = match (args.shard, &there) {
        (Some(shard), _) => shard,
        (None, Some((_, about))) => about.shard,
        (None, None) => {
            Shard::of_environment(|name| std::env::var(name).ok()).map_err(Failure::usage)?
        }
    };
    let (folder, first_seed) = match &there {
        Some((folder, about)) => (folder.clone(), args.seed.unwrap_or(about.first_seed)),
        None => place(args, &plan, shard)?,
    };
    let known = known_failures(args.known.as_deref(), plan.known.as_deref())?;
    let known = match (known, &there) {
        (Some(known), _) => known,
        (None, Some((_, about))) => about.known.clone(),
        (None, None) => Vec::new(),
    };
    let there_budget = there.as_ref().map(|(_, about)| about.budget);
    let budget = args.budget.or(there_budget).or(plan.budget);
    let about = About {
        name: plan.name.clone(),
        build: campaign::build()?,
        commit: nights::commit(),
        plan: plan.digest(),
        first_seed,
        shard,
        budget: budget.unwrap_or(BUDGET),
        only,
        has_storms: !plan.storms.is_empty(),
        known: known.clone(),
        is_finished: false,
    };
    let nights = (shard == Shard::WHOLE).then(|| args.nights.clone());
    if let Some(nights) = &nights {
        // What cannot be used is told before the night, and not behind it.
        nights::Nights::read(nights)?;
    }
    let held = Expectations { known, nights };
    let done = soak(args, &plan, &folder, about, &held, format);
    done.map_err(|failure| match store::is_full(&failure.error) {
        true => full(&folder),
        false => failure,
    })
}

/// A disk without room, wherever it was met: the one failure that somebody can do something about at once.
fn full(folder: &Path) -> Failure {
    // Without room, a store that was cut short cannot be mended to be counted.
    let finished = match Store::look(folder) {
        Ok(content) => format!("{} finished trials are safe", content.trials.len()),
        Err(_) => "what is finished is safe".to_string(),
    };
    Failure {
        exit: Exit::Internal,
        error: anyhow::anyhow!(
            "{}: there is no room left on the disk; {finished}: make room, then go on with `{}`",
            folder.display(),
            closing::resume(folder)
        ),
    }
}

/// The campaign that is to go on, and where it is; none where there is none yet.
fn resumed(args: &SoakArgs) -> Result<Option<(PathBuf, About)>, Failure> {
    let folder = match &args.out {
        Some(out) => out.clone(),
        None => latest().ok_or_else(|| {
            Failure::usage("--resume: no campaign was begun here; name its directory with --out")
        })?,
    };
    if !folder.join(STORE).exists() {
        return match args.out {
            Some(_) => Ok(None),
            None => Err(Failure::usage(format!(
                "--resume: the last campaign, {}, is gone; name another with --out",
                folder.display()
            ))),
        };
    }
    let about = Store::look(&folder)?.about;
    Ok(Some((folder, about)))
}

/// What is to be run: the file that is named, else the one with which the campaign began.
fn read_plan(args: &SoakArgs, there: Option<&(PathBuf, About)>) -> Result<Plan, Failure> {
    let kept = there.map(|(folder, _)| folder.join(campaign::PLAN));
    let kept = kept.filter(|kept| kept.is_file());
    match (&args.file, kept, there) {
        (Some(file), _, _) => Plan::read(Some(file)),
        (None, Some(kept), Some((_, about))) => {
            let mut plan = Plan::read(Some(&kept))?;
            plan.name = about.name.clone();
            // Where it lay when the campaign began is not where its copy lies; what it said is in the store.
            plan.known = None;
            Ok(plan)
        }
        (None, _, _) => Plan::read(None),
    }
}

/// Runs the campaign and closes it.
fn soak(
    args: &SoakArgs,
    plan: &Plan,
    folder: &Path,
    about: About,
    held: &Expectations,
    format: Format,
) -> Result<Exit, Failure> {
    let (first_seed, shard) = (about.first_seed, about.shard);
    let cores = jobs::available() as f64 * plan.jobs_per_core;
    let workers = args.jobs.map_or(cores.ceil() as usize, usize::from).max(1);
    let mut campaign = Campaign::open(plan, folder, about, args.resume, workers)?;
    if args.out.is_none() {
        let latest = Path::new(CAMPAIGNS).join(LATEST);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        std::fs::write(&latest, format!("{name}\n")).map_err(|error| Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!("{}: {error}", latest.display()),
        })?;
    }
    eprintln!(
        "stormglass: {}, seeds from {first_seed} on{}, {} of them finished, into {}",
        plan.name,
        match shard {
            Shard::WHOLE => String::new(),
            shard => format!(", shard {shard}"),
        },
        campaign.trials(),
        folder.display()
    );
    let mut progress = Progress::begin(campaign.trials());
    let ended = campaign.run(|told| progress.tell(told, format))?;
    progress.end();
    let content = campaign.content()?;
    let whole = Whole::of(content, ended == Exit::Interrupted);
    let closed = whole.close(folder, held)?;
    let shard = shard.to_string();
    closed.tell(format, json!({"first_seed": first_seed, "shard": shard}));
    Ok(closed.exit)
}

/// What would be run.
fn print_plan(plan: &Plan, format: Format) -> Exit {
    if format == Format::Json {
        let (storms, canaries, models) = (&plan.storms, &plan.canaries, &plan.models);
        print_line(json!({
            "name": plan.name,
            "digest": plan.digest(),
            "storms": storms,
            "canaries": canaries,
            "models": models,
        }));
        return Exit::Valid;
    }
    let all: u64 = plan.storms.iter().map(|storm| storm.share).sum();
    for storm in &plan.storms {
        let words = storm.words.join(" ");
        print_line(format!(
            "storm   {} of {all}  stormglass run {words}",
            storm.share
        ));
    }
    for canary in &plan.canaries {
        let (mutant, cluster, seeds) = (&canary.mutant, &canary.cluster, canary.seeds);
        print_line(format!(
            "canary  {mutant} of {cluster}, in up to {seeds} seeds"
        ));
    }
    for model in &plan.models {
        print_line(format!("model   {} {}", model.cluster, model.bounds));
    }
    Exit::Valid
}

/// The last campaign that was soaked here.
pub(super) fn latest() -> Option<PathBuf> {
    let name = std::fs::read_to_string(Path::new(CAMPAIGNS).join(LATEST)).ok()?;
    Some(Path::new(CAMPAIGNS).join(name.trim()))
}

/// Where a campaign begins, and its first seed.
fn place(args: &SoakArgs, plan: &Plan, shard: Shard) -> Result<(PathBuf, u64), Failure> {
    let first_seed = match (args.seed, shard) {
        (Some(seed), _) => seed,
        (None, Shard::WHOLE) => milliseconds_since_1970(),
        (None, shard) => {
            return Err(Failure::usage(format!(
                "--seed: all {} shards need the same first seed; say it",
                shard.of
            )));
        }
    };
    let usual = || {
        let shard = match shard {
            Shard::WHOLE => String::new(),
            Shard { number, of } => format!("-{number}-of-{of}"),
        };
        Path::new(CAMPAIGNS).join(format!("{}-{first_seed}{shard}", plan.name))
    };
    Ok((args.out.clone().unwrap_or_else(usual), first_seed))
}

/// The known failures: of the file that is named, else of the one beside the campaign file, else of the one here. Nothing where there is none.
pub(super) fn known_failures(
    named: Option<&Path>,
    beside: Option<&Path>,
) -> Result<Option<Vec<Known>>, Failure> {
    let here = Path::new(KNOWN);
    let path = named.or(beside).or(here.is_file().then_some(here));
    path.map(known::read).transpose()
}

fn milliseconds_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |since| since.as_millis() as u64)
}

/// What is told while the campaign runs: what does not pass, at once; the rest as a number, on a terminal.
struct Progress {
    bar: ProgressBar,
    /// How many trials of each signature were told as text.
    alike: BTreeMap<String, usize>,
}

impl Progress {
    fn begin(finished: u64) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {pos} trials  {per_sec}  {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.set_position(finished);
        bar.enable_steady_tick(Duration::from_millis(200));
        let alike = BTreeMap::new();
        Self { bar, alike }
    }

    fn tell(&mut self, told: &Told<'_>, format: Format) {
        if matches!(told, Told::Trial(_)) {
            self.bar.inc(1);
        }
        let text = match (told, format) {
            (Told::Trial(line), Format::Json) => serde_json::to_string(line).ok(),
            (Told::Canary(line), Format::Json) => serde_json::to_string(line).ok(),
            (Told::Model(line), Format::Json) => serde_json::to_string(line).ok(),
            (Told::Trial(line), Format::Human) if line.verdict.passes() => None,
            (Told::Trial(line), Format::Human) => self.sentence(line),
            (Told::Canary(line), Format::Human) => Some(match line.caught {
                0 => format!("canary {}: NOT FOUND", line.id),
                _ => format!("canary {}: found", line.id),
            }),
            (Told::Model(line), Format::Human) => {
                let (model, states) = (&line.cluster, line.states);
                let name = &line.bounds;
                Some(format!(
                    "model {model} {name}: {}, {states} states",
                    line.verdict
                ))
            }
        };
        if let Some(text) = text {
            self.bar.suspend(|| print_line(text));
        }
    }

    /// A trial that does not pass, while it is among the first of its kind: a hundred thousand lines are read by nobody.
    fn sentence(&mut self, line: &TrialLine) -> Option<String> {
        let signature = line.signature.clone().unwrap_or_default();
        let alike = self.alike.entry(signature).or_default();
        *alike += 1;
        if *alike > KEPT_MAX {
            return None;
        }
        let mut text = format!(
            "{} seed {}: {}  {}\n    {}",
            line.cluster,
            line.seed,
            line.verdict.name().to_uppercase(),
            line.sentence,
            line.command
        );
        if *alike == KEPT_MAX {
            text += "\n    More that end like this are counted, and not told.";
        }
        Some(text)
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
