//! What a test fails with.

use super::command;
use super::environment::TRIAL;
use std::fmt;
use std::path::{Path, PathBuf};
use stormglass_checker::{CheckError, Verdict};
use stormglass_nemesis::arena::ArenaError;
use stormglass_nemesis::judge::{Judged, Ruling};
use stormglass_nemesis::record::{Run, Violation};
use stormglass_nemesis::regression::RegressionError;
use stormglass_nemesis::trial::{Arena, Trial, TrialError};
use stormglass_reports::run_directory;

/// The most lines of a failure: what a terminal shows at a glance. The report has the rest.
pub const LINES_MAX: usize = 12;

/// The most characters of a line that tells of what was seen. A command is as long as it has to be.
const COLUMNS_MAX: usize = 160;

/// Why a test did not pass.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A trial was not valid.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// The test cannot be run as it is.
    #[error("{0}")]
    Setup(String),
    /// A variable of the environment cannot be used.
    #[error("{variable}: {cause}")]
    Environment {
        /// Which.
        variable: &'static str,
        /// Why, and what it takes.
        cause: String,
    },
    /// The file of a trial cannot be used.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The file of a regression cannot be used.
    #[error(transparent)]
    Regression(#[from] RegressionError),
    /// The folder of the regressions cannot be read.
    #[error("{path}: the regressions cannot be read: {source}; check the path and the permissions")]
    Regressions {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of a trial is one for something else.
    #[error("{path}: {cause}")]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// Which field, and the remedy.
        cause: String,
    },
    /// The simulation itself failed.
    #[error("seed {seed}: {error}")]
    Arena {
        /// In the trial of this seed.
        seed: u64,
        /// What happened.
        error: ArenaError,
    },
    /// The history is not one the workload's promise can judge: a client answered with something that is no answer.
    #[error("seed {seed}: the history cannot be judged: {error}")]
    Check {
        /// In the trial of this seed.
        seed: u64,
        /// What is wrong with it.
        error: CheckError,
    },
}

impl ChaosError {
    pub(super) fn arena(seed: u64, error: ArenaError) -> Self {
        match error {
            ArenaError::Unsound(cause) => ChaosError::Setup(cause),
            error => ChaosError::Arena { seed, error },
        }
    }

    /// The same of a trial that came from a file, which it names.
    pub(super) fn of_file(self, path: &Path) -> Self {
        let cause = match self {
            ChaosError::Setup(cause) => cause,
            error @ (ChaosError::Arena { .. } | ChaosError::Check { .. }) => error.to_string(),
            named => return named,
        };
        ChaosError::Unfit {
            path: path.to_path_buf(),
            cause,
        }
    }

    /// The failure, where a trial was not valid.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            ChaosError::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// A trial that was not valid. Its text is the message of the test.
#[derive(Clone, Debug)]
pub struct Failure {
    name: String,
    /// The seed of the trial.
    pub seed: u64,
    /// What it came to.
    pub ruling: Ruling,
    /// That in a sentence.
    pub sentence: String,
    /// What the checker has to say about it.
    pub explanation: Option<String>,
    /// What broke inside the cluster.
    pub violations: Vec<Violation>,
    /// The digest of the run.
    pub digest: String,
    /// Whether the trial gave the same history and the same digest when it was run again.
    pub repeats: bool,
    /// The directory of the run, or why there is none.
    pub kept: Result<PathBuf, String>,
    /// Where the trial came from.
    pub origin: Origin,
    /// Where it was run, of what can be run in one arena or another.
    pub arena: Option<Arena>,
}

/// Where a trial came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was made from its seed.
    Seed {
        /// The folder of the regressions, where it can be kept.
        keep_in: PathBuf,
    },
    /// It was kept in this file, because it broke something once.
    Regression(PathBuf),
    /// It was to be repeated, from this file.
    Replayed(PathBuf),
}

impl Failure {
    pub(super) fn new(
        trial: &Trial,
        run: &Run,
        judged: &Judged,
        repeats: bool,
        kept: Result<PathBuf, String>,
    ) -> Self {
        let explanation = match &judged.judgement.verdict {
            Verdict::Invalid(evidence) => Some(evidence.explanation.clone()),
            Verdict::Valid(_) | Verdict::Unknown(_) => None,
        };
        Self {
            name: trial.cluster.clone(),
            seed: trial.seed,
            ruling: judged.ruling,
            sentence: judged.sentence.clone(),
            explanation,
            violations: judged.violations.clone(),
            digest: run.record.digest.clone(),
            repeats,
            kept,
            origin: Origin::Seed {
                keep_in: PathBuf::new(),
            },
            arena: None,
        }
    }

    /// The file of the trial: the reproducer.
    pub fn trial(&self) -> Option<PathBuf> {
        let kept = self.kept.as_ref().ok()?;
        Some(kept.join(run_directory::TRIAL))
    }

    /// The one command that runs the trial again.
    pub fn command(&self) -> Option<String> {
        self.trial().map(|trial| command::replay(&trial))
    }
}

/// At most [`LINES_MAX`] lines, the last of which is the command that repeats it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, foot) = (self.head(), self.foot());
        let room = LINES_MAX - head.len() - foot.len();
        let mut seen: Vec<String> = self.seen().map(|line| shortened(&line)).collect();
        if seen.len() > room {
            let more = seen.len() - (room - 1);
            seen.truncate(room - 1);
            let place = match self.kept {
                Ok(_) => "in the report",
                Err(_) => "were seen",
            };
            seen.push(format!("... {more} more lines {place}"));
        }
        let lines: Vec<String> = head.into_iter().chain(seen).chain(foot).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Failure {
    /// What it came to: three lines at most.
    fn head(&self) -> Vec<String> {
        let origin = match &self.origin {
            Origin::Seed { .. } => None,
            Origin::Regression(path) => Some(format!(
                "{}: what this file kept is broken again",
                path.display()
            )),
            Origin::Replayed(path) => Some(format!(
                "replayed {} and nothing else ({TRIAL})",
                path.display()
            )),
        };
        let outcome = match self.ruling {
            Ruling::Unknown => "nobody knows, which is no pass",
            Ruling::Vacuous => "not tested, which is no pass",
            Ruling::Valid | Ruling::Violation | Ruling::Measured => "broken",
        };
        let arena = self.arena.map(|arena| format!(", {}", arena.name()));
        let (name, seed, arena) = (&self.name, self.seed, arena.unwrap_or_default());
        let mut head: Vec<String> = origin.into_iter().collect();
        head.push(format!("{name}, seed {seed}{arena}: {outcome}"));
        head.push(shortened(&on_one_line(&self.sentence)));
        head
    }

    /// What broke inside the cluster, and what the checker has to say, line by line.
    fn seen(&self) -> impl Iterator<Item = String> {
        let violations = self.violations.iter().flat_map(|violation| {
            let place = violation.node.map(|node| node.to_string());
            let place = place.as_deref().unwrap_or("-");
            let seconds = violation.time_ns as f64 / 1e9;
            let Violation { name, message, .. } = violation;
            let text = format!("  {seconds:.3} s  {place}  {name}: {message}");
            text.lines().map(str::to_string).collect::<Vec<_>>()
        });
        let explanation = self.explanation.iter().flat_map(|text| text.lines());
        let explanation = explanation.map(str::to_string);
        let all = violations.chain(explanation);
        all.filter(|line| !line.trim().is_empty())
    }

    /// Where the rest is, and what can be done: five lines at most. The last one is the command that repeats it.
    fn foot(&self) -> Vec<String> {
        let mut foot = Vec::new();
        match &self.kept {
            Ok(directory) => {
                let page = directory.join(run_directory::PAGE);
                foot.push(format!("report  {}", page.display()));
            }
            Err(cause) => {
                let cause = on_one_line(cause);
                foot.push(shortened(&format!("the run could not be kept: {cause}")));
            }
        }
        let digest = &self.digest;
        if self.repeats {
            foot.push(format!("digest  {digest} (the same when run again)"));
        } else {
            foot.push(format!("digest  {digest}, and NOT the same when run again: the trial may not repeat this; the server draws on the"));
            foot.push("        order of a HashMap, a `select!` that is not `biased`, a random number without a seed, or the real clock".to_string());
        }
        if let (Ok(directory), Origin::Seed { keep_in }) = (&self.kept, &self.origin) {
            foot.push(format!("keep    {}", command::keep(directory, keep_in)));
        }
        foot.push(match self.command() {
            Some(command) => format!("replay  {command}"),
            None => format!("replay  run the test with STORMGLASS_SEED={}", self.seed),
        });
        foot
    }
}

/// What a test says that did not pass: [`LINES_MAX`] lines at most, whatever the cause.
pub(super) fn brief(error: &ChaosError) -> String {
    let text = error.to_string();
    if let ChaosError::Failed(_) = error {
        return text;
    }
    let lines: Vec<&str> = text.lines().collect();
    match lines.get(LINES_MAX..) {
        None | Some([]) => text,
        Some(rest) => format!(
            "{}\n... {} more lines",
            lines[..LINES_MAX - 1].join("\n"),
            rest.len() + 1
        ),
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a line, where it is a long one.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(COLUMNS_MAX) {
        None => line.to_string(),
        Some(_) => line
            .chars()
            .take(COLUMNS_MAX - 3)
            .chain("...".chars())
            .collect(),
    }
}

#[cfg(test)]
mod tests;
