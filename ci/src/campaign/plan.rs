//! What a campaign is to run, as its file says it.
//!
//! A storm is said in the words of `stormglass run`, and is read by the same parser: what can be run once can be run all night, and every
//! trial of a night can be made again by one command.

use crate::command::names::{unknown, unknown_mutant_text, unknown_text};
use crate::command::run::{self, RunArgs};
use crate::command::{Exit, Failure};
use bytesize::ByteSize;
use clap::Parser;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;
use stormglass_nemesis::model::library;
use stormglass_nemesis::trial::Arena;
use toml::{Spanned, Value};

/// What is run when no file is named.
const USUAL: &str = include_str!("usual.toml");
/// What that is called.
const USUAL_NAME: &str = "usual";

/// How long a trial or a model may be given.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How much memory a trial or a model may be given.
const LEAST_MEMORY: ByteSize = ByteSize::mib(1);
const MOST_MEMORY: ByteSize = ByteSize::tib(64);
/// The most characters of a name.
const NAME_MAX: usize = 80;

/// The most shares that all storms together may have: the pattern in which they take turns is that long.
const SHARES_MAX: u64 = 10_000;

/// Options of `run` that a campaign says itself.
const OWN: [&str; 5] = ["seed", "seeds", "jobs", "out", "explain"];

/// A campaign file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: Option<String>,
    budget: Option<Value>,
    timeout: Option<String>,
    memory: Option<String>,
    jobs_per_core: Option<f64>,
    shrink: Option<String>,
    sample: Option<u64>,
    known: Option<PathBuf>,
    #[serde(default)]
    storm: Vec<Spanned<BTreeMap<String, Value>>>,
    #[serde(default)]
    canary: Vec<Spanned<CanaryEntry>>,
    #[serde(default)]
    model: Vec<Spanned<ModelEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CanaryEntry {
    mutant: String,
    cluster: Option<String>,
    arena: Option<String>,
    seeds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ModelEntry {
    cluster: String,
    bounds: Option<String>,
    memory: Option<String>,
    time: Option<String>,
}

/// How long a campaign goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Budget {
    /// By the clock on the wall. The trials under way then are finished.
    Time(Duration),
    /// So many trials, over all shards.
    Trials(u64),
}

impl std::str::FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(trials) = text.parse::<u64>() {
            return Ok(Budget::Trials(trials));
        }
        let time = humantime::parse_duration(text);
        time.map(Budget::Time)
            .map_err(|error| format!("{error}; say a time, as 8h, or a number of seeds, as 5000"))
    }
}

/// A campaign.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What it is called: nights of one name are compared.
    pub(crate) name: String,
    pub(crate) budget: Option<Budget>,
    pub(crate) storms: Vec<Storm>,
    pub(crate) canaries: Vec<Canary>,
    pub(crate) models: Vec<Model>,
    /// The longest that a trial may take, by the clock on the wall.
    pub(crate) timeout: Duration,
    /// The most memory that a trial may take.
    pub(crate) memory: ByteSize,
    pub(crate) jobs_per_core: f64,
    /// The most processor time for making a failure small.
    pub(crate) shrink: Duration,
    /// One in so many trials of each storm keeps its run directory even when it is valid; none for 0.
    pub(crate) sample: u64,
    /// Where the known failures are, beside the campaign file.
    pub(crate) known: Option<PathBuf>,
    /// The text of the campaign file; none of the usual one.
    pub(crate) text: Option<String>,
}

/// Trials of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct Storm {
    /// How many of all trials, in proportion to the shares of the others.
    pub(crate) share: u64,
    pub(crate) cluster: String,
    /// What stands behind `stormglass run`.
    pub(crate) words: Vec<String>,
}

/// A planted bug that must be found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Canary {
    pub(crate) mutant: String,
    pub(crate) cluster: String,
    pub(crate) arena: String,
    pub(crate) seeds: u64,
}

impl Canary {
    /// Where it is hunted.
    pub(crate) fn arena(&self) -> Arena {
        match self.arena.as_str() {
            "turmoil" => Arena::Turmoil,
            _ => Arena::Simulator,
        }
    }
}

/// A model to explore.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) cluster: String,
    pub(crate) bounds: String,
    pub(crate) memory: ByteSize,
    pub(crate) time: Duration,
}

/// `stormglass run`, without `stormglass run`.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct RunWords {
    #[command(flatten)]
    args: RunArgs,
}

/// What stands behind `stormglass run`, read.
pub(crate) fn run_args(words: &[String]) -> Result<RunArgs, String> {
    let read = RunWords::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let said: Vec<&str> = lines
            .take_while(|line| !line.starts_with("Usage:"))
            .filter(|line| !line.starts_with("For more information"))
            .collect();
        said.join(" ").trim_start_matches("error: ").to_string()
    })?;
    Ok(read.args)
}

impl Plan {
    /// Reads a campaign file; the usual campaign when none is named.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Self::of(USUAL, USUAL_NAME, Path::new(USUAL_NAME)).map_err(unreadable);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| unreadable(format!("{}: {error}", path.display())))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut plan = Self::of(&text, &stem, path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        plan.known = plan.known.map(|known| folder.join(known));
        plan.text = Some(text);
        Ok(plan)
    }

    fn of(text: &str, stem: &str, path: &Path) -> Result<Self, String> {
        let line_of = |at: usize| text[..at.min(text.len())].lines().count().max(1);
        let at = |offset: usize, cause: String| {
            // A span begins at the first character of its line.
            let line = line_of(offset + 1);
            format!("{}:{line}: {cause}", path.display())
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            at(offset, error.message().replace('\n', " "))
        })?;
        let whole = |key: &str, cause: String| format!("{}: {key}: {cause}", path.display());
        let time = |key: &str, said: &Option<String>, usual: Duration| match said {
            None => Ok(usual),
            Some(said) => humantime::parse_duration(said)
                .map_err(|error| whole(key, format!("{error}; say it as in 90s or 5m"))),
        };
        let bytes = |key: &str, said: &Option<String>, usual: ByteSize| match said {
            None => Ok(usual),
            Some(said) => said
                .parse()
                .map_err(|error| whole(key, format!("{error}; say it as in 2GiB"))),
        };
        let budget = match &file.budget {
            None => None,
            Some(Value::String(said)) => {
                Some(said.parse().map_err(|cause| whole("budget", cause))?)
            }
            Some(Value::Integer(seeds)) => {
                let seeds = u64::try_from(*seeds);
                let seeds = seeds.map_err(|_| whole("budget", "is below zero".to_string()))?;
                Some(Budget::Trials(seeds))
            }
            Some(_) => {
                return Err(whole(
                    "budget",
                    "say a time, as \"8h\", or a number".to_string(),
                ));
            }
        };
        let mut storms = Vec::new();
        for entry in &file.storm {
            let wrong = |cause| at(entry.span().start, format!("storm: {cause}"));
            storms.extend(read_storms(entry.get_ref()).map_err(wrong)?);
        }
        let shares: u64 = storms.iter().map(|storm| storm.share).sum();
        if shares > SHARES_MAX {
            let cause = format!("all together are {shares}; they may be {SHARES_MAX}");
            return Err(whole("share", cause));
        }
        let mut canaries = Vec::new();
        for entry in &file.canary {
            let wrong = |cause| at(entry.span().start, format!("canary: {cause}"));
            canaries.push(read_canary(entry.get_ref()).map_err(wrong)?);
        }
        let mut models = Vec::new();
        for entry in &file.model {
            let wrong = |cause| at(entry.span().start, format!("model: {cause}"));
            let named = entry.get_ref();
            let memory = bytes("model: memory", &named.memory, ByteSize::gib(8))?;
            let long = time("model: time", &named.time, Duration::from_secs(600))?;
            models.push(read_model(named, memory, long).map_err(wrong)?);
        }
        let jobs_per_core = file.jobs_per_core.unwrap_or(1.0);
        if !(jobs_per_core > 0.0 && jobs_per_core <= 64.0) {
            return Err(whole("jobs-per-core", "say a number up to 64".to_string()));
        }
        let stem: String = stem
            .chars()
            .map(|character| if is_plain(character) { character } else { '-' })
            .take(NAME_MAX)
            .collect();
        let name = file.name.unwrap_or(stem);
        if name.is_empty()
            || name.chars().count() > NAME_MAX
            || name.starts_with('.')
            || !name.chars().all(is_plain)
        {
            let cause = "say it in letters, digits, `-`, `_` and `.`: it is part of the name of a directory";
            return Err(whole("name", cause.to_string()));
        }
        Ok(Self {
            name,
            budget,
            storms,
            canaries,
            models,
            timeout: time("timeout", &file.timeout, Duration::from_secs(300))?,
            memory: bytes("memory", &file.memory, ByteSize::gib(2))?,
            jobs_per_core,
            shrink: time("shrink", &file.shrink, Duration::from_secs(30))?,
            sample: file.sample.unwrap_or(1_000),
            known: file.known,
            text: None,
        })
    }

    /// Keeps what is of these clusters.
    pub(crate) fn keep_only(&mut self, clusters: &[String]) -> Result<(), Failure> {
        if clusters.is_empty() {
            return Ok(());
        }
        let systems = catalog::systems();
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        for name in clusters {
            if !known.contains(&name.as_str()) {
                return Err(unknown("cluster", name, &known));
            }
        }
        self.storms
            .retain(|storm| clusters.contains(&storm.cluster));
        self.canaries
            .retain(|canary| clusters.contains(&canary.cluster));
        self.models
            .retain(|model| clusters.contains(&model.cluster));
        Ok(())
    }

    /// Refuses limits that nothing could keep, or that nothing could work within.
    pub(crate) fn check_limits(&self) -> Result<(), Failure> {
        let times = self
            .models
            .iter()
            .map(|model| ("the time of a model", model.time));
        for (what, time) in times.chain([("timeout", self.timeout)]) {
            if time < Duration::from_millis(1) || time > LONGEST {
                let longest = humantime::format_duration(LONGEST);
                return Err(Failure::usage(format!(
                    "{what}: say a time from 1ms to {longest}"
                )));
            }
        }
        let sizes = self
            .models
            .iter()
            .map(|model| ("the memory of a model", model.memory));
        for (what, size) in sizes.chain([("memory", self.memory)]) {
            if size < LEAST_MEMORY || size > MOST_MEMORY {
                return Err(Failure::usage(format!(
                    "{what}: say a size from {LEAST_MEMORY} to {MOST_MEMORY}"
                )));
            }
        }
        Ok(())
    }

    /// What tells this campaign from others: what it runs, and in which order. Limits and budgets are no part of it.
    pub(crate) fn digest(&self) -> String {
        let whole = (&self.storms, &self.canaries, &self.models, self.sample);
        let json = serde_json::to_vec(&whole).unwrap_or_default();
        let mut hasher = SipHasher13::new();
        hasher.write(&json);
        format!("{:032x}", hasher.finish128().as_u128())
    }
}

fn unreadable(cause: String) -> Failure {
    Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(cause),
    }
}

/// Whether a character may be part of a name.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.".contains(character)
}

/// A list of names, or `all`.
fn clusters(said: &Value) -> Result<Vec<String>, String> {
    let named: Vec<&str> = match said {
        Value::String(one) => vec![one],
        Value::Array(several) => several
            .iter()
            .map(|one| one.as_str().ok_or("cluster: a list of names is meant"))
            .collect::<Result<_, _>>()?,
        _ => return Err("cluster: say a name, a list of names, or \"all\"".to_string()),
    };
    let systems = catalog::systems();
    let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
    let mut clusters = Vec::new();
    for name in named {
        match name {
            "all" => clusters.extend(known.iter().map(ToString::to_string)),
            name if known.contains(&name) => clusters.push(name.to_string()),
            name => return Err(unknown_text("cluster", name, &known)),
        }
    }
    Ok(clusters)
}

/// A storm for each cluster that the entry names.
fn read_storms(entry: &BTreeMap<String, Value>) -> Result<Vec<Storm>, String> {
    let share = match entry.get("share") {
        None => 1,
        Some(Value::Integer(share)) if (1..=1_000).contains(share) => *share as u64,
        Some(_) => return Err("share: say a number from 1 to 1000".to_string()),
    };
    let cluster = entry.get("cluster");
    let named = clusters(cluster.ok_or("cluster: say which, or \"all\"")?)?;
    if named.is_empty() {
        return Err("cluster: the list names nothing".to_string());
    }
    let mut options = Vec::new();
    for (key, value) in entry {
        match key.as_str() {
            "share" | "cluster" => {}
            own if OWN.contains(&own) => {
                return Err(format!(
                    "{own}: the campaign says that itself; leave it out"
                ));
            }
            key if !key.chars().all(is_plain) => {
                return Err(format!("{key:?}: that is no option of `stormglass run`"));
            }
            key => option(key, value, &mut options)?,
        }
    }
    let mut storms = Vec::new();
    for cluster in named {
        let mut words = vec![cluster.clone()];
        words.extend(options.iter().cloned());
        let args = run_args(&words)?;
        // What is refused is refused before the night begins.
        run::trial(&args, 1).map_err(|failure| format!("{:#}", failure.error))?;
        storms.push(Storm {
            share,
            cluster,
            words,
        });
    }
    Ok(storms)
}

/// A key and its value in the words of a command line.
fn option(key: &str, value: &Value, words: &mut Vec<String>) -> Result<(), String> {
    let option = format!("--{key}");
    match value {
        Value::Boolean(true) => words.push(option),
        Value::Boolean(false) => {}
        Value::Array(several) => {
            for one in several {
                self::option(key, one, words)?;
            }
        }
        Value::String(text) => words.extend([option, text.clone()]),
        Value::Integer(number) => words.extend([option, number.to_string()]),
        Value::Float(number) => words.extend([option, number.to_string()]),
        Value::Datetime(_) | Value::Table(_) => {
            return Err(format!(
                "{key}: say it as on the command line of `stormglass run`"
            ));
        }
    }
    Ok(())
}

fn read_canary(entry: &CanaryEntry) -> Result<Canary, String> {
    let systems = catalog::systems();
    let has = |cluster: &str| {
        let system = systems.iter().find(|system| system.name() == cluster);
        system.map(|system| arena::mutants(system.as_ref()))
    };
    let cluster = match &entry.cluster {
        Some(cluster) => cluster.clone(),
        None => {
            let mut own = systems.iter();
            let of = own.find(|system| arena::mutants(system.as_ref()).contains(&&*entry.mutant));
            let all = systems
                .iter()
                .flat_map(|system| arena::mutants(system.as_ref()));
            let all: Vec<&str> = all.collect();
            of.map(|system| system.name().to_string())
                .ok_or_else(|| unknown_text("mutant", &entry.mutant, &all))?
        }
    };
    let Some(mutants) = has(&cluster) else {
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        return Err(unknown_text("cluster", &cluster, &known));
    };
    if !mutants.contains(&entry.mutant.as_str()) {
        return Err(unknown_mutant_text(&cluster, &entry.mutant, &mutants));
    }
    let arena = entry.arena.as_deref().unwrap_or("simulator");
    if !["simulator", "turmoil"].contains(&arena) {
        return Err(format!(
            "arena: there is no {arena} to hunt in; say simulator or turmoil"
        ));
    }
    Ok(Canary {
        mutant: entry.mutant.clone(),
        cluster,
        arena: arena.to_string(),
        seeds: entry.seeds.unwrap_or(1_000).max(1),
    })
}

fn read_model(entry: &ModelEntry, memory: ByteSize, time: Duration) -> Result<Model, String> {
    let systems = catalog::systems();
    let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
    if !known.contains(&entry.cluster.as_str()) {
        return Err(unknown_text("cluster", &entry.cluster, &known));
    }
    let mut library = library::all();
    library.retain(|bounds| bounds.cluster == entry.cluster);
    let offered: Vec<&str> = library.iter().map(|bounds| bounds.name.as_str()).collect();
    let bounds = match (&entry.bounds, offered.first()) {
        (Some(named), _) if offered.contains(&named.as_str()) => named.clone(),
        (Some(named), _) => {
            return Err(unknown_text("bounds", named, &offered));
        }
        (None, Some(first)) => (*first).to_string(),
        (None, None) => return Err(format!("{} has no model", entry.cluster)),
    };
    Ok(Model {
        cluster: entry.cluster.clone(),
        bounds,
        memory,
        time,
    })
}
