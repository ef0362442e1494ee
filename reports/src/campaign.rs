//! The page of a campaign: what became of its trials, which planted bugs it caught, how fast it went, what models were explored, and how often
//! it can have cried wolf.
//!
//! ```text
//! trials.jsonl    a line a trial, from `soak`
//! kills.jsonl     a line a planted bug or harmless change, from `mutants --campaign`
//! models.jsonl    a line a search, from `model --campaign`
//! ```
//!
//! A file that is not there is a part that was not run. A line that cannot be read is left out, and the page says so. `campaign.json` says
//! what the whole came to, once it is over: see [`Closing`].

mod closing;
mod outcome;
mod page;

pub use closing::{Closing, FailureLine, Share, Standing};
pub use outcome::Outcome;

use crate::error::ReportError;
use crate::run_directory::{io_error, put};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use stormglass_nemesis::trial::Arena;

/// The page.
pub const CAMPAIGN: &str = "campaign.html";
/// What became of each trial.
pub const TRIALS: &str = "trials.jsonl";
/// What became of each planted bug.
pub const KILLS: &str = "kills.jsonl";
/// What came of each search of a model.
pub const MODELS: &str = "models.jsonl";

/// What the whole came to.
pub const CLOSING: &str = "campaign.json";

/// The most unreadable lines that are named.
const NOTES_MAX: usize = 5;

/// A campaign, read from its directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Campaign {
    /// The directory, as it was named.
    pub name: String,
    /// What became of the trials.
    pub trials: Vec<TrialLine>,
    /// What became of the planted bugs and harmless changes.
    pub kills: Vec<KillLine>,
    /// What came of the models.
    pub models: Vec<ModelLine>,
    /// What the whole came to, where somebody said so.
    pub closing: Option<Closing>,
    /// What could not be read.
    pub notes: Vec<String>,
}

/// A trial. What other versions lack is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialLine {
    /// Its number in the campaign.
    #[serde(default)]
    pub unit: u64,
    /// The system under test.
    pub cluster: String,
    /// What its clients did.
    #[serde(default)]
    pub workload: String,
    /// Where.
    pub arena: Arena,
    /// The seed.
    #[serde(default)]
    pub seed: u64,
    /// What became of it.
    pub verdict: Outcome,
    /// That in a sentence.
    #[serde(default)]
    pub sentence: String,
    /// What was broken, or why there is no verdict; none for one that passes.
    #[serde(default)]
    pub property: Option<String>,
    /// That, and what tells it from others: trials with one signature are one failure. Glob patterns of known failures are held against it.
    #[serde(default)]
    pub signature: Option<String>,
    /// The bug planted, if any.
    #[serde(default)]
    pub mutant: Option<String>,
    /// Calls.
    #[serde(default)]
    pub operations: u64,
    /// Calls that ended ok.
    #[serde(default)]
    pub ok: u64,
    /// Faults that really happened.
    #[serde(default)]
    pub faults_installed: u64,
    /// How long it was, in simulated nanoseconds.
    #[serde(default)]
    pub simulated_ns: u64,
    /// Processor time of running and judging it, in milliseconds.
    #[serde(default)]
    pub cpu_ms: Option<f64>,
    /// The digest of the run.
    #[serde(default)]
    pub digest: String,
    /// Whether what broke did so again when it was run again.
    #[serde(default)]
    pub repeats: Option<bool>,
    /// The command that makes it from nothing.
    #[serde(default)]
    pub command: String,
    /// When it was over, in seconds since the campaign began.
    #[serde(default)]
    pub ended_s: Option<f64>,
    /// Its directory, if it was kept.
    #[serde(default)]
    pub run: Option<PathBuf>,
}

impl TrialLine {
    /// A trial of which no more is known than what became of it.
    pub fn new(unit: u64, cluster: &str, arena: Arena, seed: u64, verdict: Outcome) -> Self {
        Self {
            unit,
            cluster: cluster.to_string(),
            workload: String::new(),
            arena,
            seed,
            verdict,
            sentence: String::new(),
            property: None,
            signature: None,
            mutant: None,
            operations: 0,
            ok: 0,
            faults_installed: 0,
            simulated_ns: 0,
            cpu_ms: None,
            digest: String::new(),
            repeats: None,
            command: String::new(),
            ended_s: None,
            run: None,
        }
    }
}

/// A planted bug that was hunted, or a harmless change that must be spared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KillLine {
    /// Its id.
    pub id: String,
    /// In which cluster.
    pub cluster: String,
    /// Where.
    pub arena: Arena,
    /// Whether it must not be caught.
    #[serde(default)]
    pub harmless: bool,
    /// What caught it, with how often.
    #[serde(default)]
    pub caught_by: Vec<(String, u64)>,
    /// From how many starting seeds it was caught; how many alarms a harmless change raised.
    pub caught: u64,
    /// Of how many starting seeds; how many trials a harmless change was given.
    pub starts: u64,
    /// The median number of seeds until it was caught.
    #[serde(default)]
    pub seeds: Option<u64>,
}

/// A search of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelLine {
    /// Of which cluster.
    pub cluster: String,
    /// Within which bounds.
    pub bounds: String,
    /// With which planted bug.
    #[serde(default)]
    pub mutant: Option<String>,
    /// `exhausted`, `bounded`, `broken` or `vacuous`.
    pub verdict: String,
    /// How many states were found.
    pub states: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How many states had been found after how many seconds.
    #[serde(default)]
    pub samples: Vec<(f64, u64)>,
}

/// How often trials of one kind came to each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// By verdict.
    pub verdicts: BTreeMap<Outcome, u64>,
}

/// How many alarms were raised where there was nothing to find.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FalseAlarms {
    /// How many trials of harmless changes, and of clusters as they are that broke nothing, there were.
    pub trials: u64,
    /// How many alarms harmless changes raised.
    pub alarms: u64,
    /// With 95 % confidence, fewer than this share of trials raise an alarm without cause; none after an alarm, which somebody has to look at first.
    pub share_max: Option<f64>,
}

impl Campaign {
    /// Reads a campaign.
    ///
    /// # Errors
    /// [`ReportError::NoCampaign`] when none of the files is there, [`ReportError::Io`].
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        let mut campaign = Self {
            name: folder.display().to_string(),
            ..Self::default()
        };
        let files = [TRIALS, KILLS, MODELS];
        if !files.iter().any(|file| folder.join(file).is_file()) {
            let path = folder.to_path_buf();
            return Err(ReportError::NoCampaign { path });
        }
        campaign.trials = read_lines(folder, TRIALS, &mut campaign.notes)?;
        campaign.kills = read_lines(folder, KILLS, &mut campaign.notes)?;
        campaign.models = read_lines(folder, MODELS, &mut campaign.notes)?;
        campaign.closing = Closing::read(folder)?;
        Ok(campaign)
    }

    /// Writes the page into the campaign's directory.
    ///
    /// # Errors
    /// [`ReportError::Rendering`], [`ReportError::Io`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let path = folder.join(CAMPAIGN);
        put(&path, page::render(self, folder)?.as_bytes())?;
        Ok(path)
    }

    /// How often trials of each cluster, workload and arena came to each verdict. Those with a planted bug are apart.
    pub fn grid(&self) -> BTreeMap<(String, String), BTreeMap<Arena, Tally>> {
        let mut grid: BTreeMap<_, BTreeMap<Arena, Tally>> = BTreeMap::new();
        for trial in &self.trials {
            let cluster = match &trial.mutant {
                Some(mutant) => format!("{} with {mutant}", trial.cluster),
                None => trial.cluster.clone(),
            };
            let cells = grid.entry((cluster, trial.workload.clone())).or_default();
            let tally = cells.entry(trial.arena).or_default();
            *tally.verdicts.entry(trial.verdict).or_default() += 1;
        }
        grid
    }

    /// How often it can have cried wolf. By the rule behind the "rule of three": if a share `p` of trials raised an alarm without cause, `n` of them without one
    /// have the chance `(1 - p)^n`, which is below 5 % from `p = 1 - 0.05^(1/n)` on.
    pub fn false_alarms(&self) -> FalseAlarms {
        let harmless = self.kills.iter().filter(|kill| kill.harmless);
        let (tried, alarms) = harmless.fold((0, 0), |(tried, alarms), kill| {
            (tried + kill.starts, alarms + kill.caught)
        });
        let clean = self.trials.iter().filter(|trial| {
            trial.mutant.is_none() && matches!(trial.verdict, Outcome::Valid | Outcome::Vacuous)
        });
        let trials = tried + clean.count() as u64;
        FalseAlarms {
            trials,
            alarms,
            share_max: (alarms == 0 && trials > 0)
                .then(|| 1.0 - 0.05_f64.powf(1.0 / trials as f64)),
        }
    }
}

/// Writes one of a campaign's files anew, a line each.
///
/// # Errors
/// [`ReportError::Io`].
pub fn write_lines(
    folder: &Path,
    file: &str,
    lines: impl IntoIterator<Item = impl Serialize>,
) -> Result<(), ReportError> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, &line).map_err(unwritable)?;
        text.push(b'\n');
    }
    put(&folder.join(file), &text)
}

fn unwritable(error: serde_json::Error) -> ReportError {
    ReportError::Rendering {
        what: "line",
        cause: error.to_string(),
    }
}

/// Adds a line to one of a campaign's files, at once.
///
/// # Errors
/// [`ReportError::Io`].
pub fn append(folder: &Path, file: &str, line: &impl Serialize) -> Result<(), ReportError> {
    use std::io::Write;
    let path = folder.join(file);
    let line = serde_json::to_string(line).map_err(unwritable)?;
    fs::create_dir_all(folder).map_err(io_error(folder, "created"))?;
    let opened = fs::File::options().create(true).append(true).open(&path);
    let written = opened.and_then(|mut opened| opened.write_all(format!("{line}\n").as_bytes()));
    written.map_err(io_error(&path, "written"))
}

/// The lines of a file that can be read; nothing of a file that is not there.
fn read_lines<T: DeserializeOwned>(
    folder: &Path,
    file: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<T>, ReportError> {
    let path = folder.join(file);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let bytes = fs::read(&path).map_err(io_error(&path, "read"))?;
    let (mut lines, mut unreadable) = (Vec::new(), 0);
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(line) => lines.push(line),
            Err(error) => {
                unreadable += 1;
                if unreadable <= NOTES_MAX {
                    notes.push(format!(
                        "{file}:{number}: {error}; the line is left out, as the last one is when a campaign was cut short"
                    ));
                }
            }
        }
    }
    if unreadable > NOTES_MAX {
        let more = unreadable - NOTES_MAX;
        notes.push(format!("{file}: and {more} more such lines"));
    }
    Ok(lines)
}
