//! What a test fails with.

use super::environment::TRIAL;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use stormglass_checker::{CheckError, Verdict};
use stormglass_nemesis::arena::ArenaError;
use stormglass_nemesis::judge::{Judged, Ruling};
use stormglass_nemesis::record::{Run, Violation};
use stormglass_nemesis::trial::{Trial, TrialError};
use stormglass_reports::run_directory;

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
    /// The file of the trial, if it was repeated from one.
    pub replayed: Option<PathBuf>,
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
            replayed: None,
        }
    }

    pub(super) fn replayed_from(mut self, path: &Path) -> Self {
        self.replayed = Some(path.to_path_buf());
        self
    }

    /// The file of the trial: the reproducer.
    pub fn trial(&self) -> Option<PathBuf> {
        let kept = self.kept.as_ref().ok()?;
        Some(kept.join(run_directory::TRIAL))
    }

    /// The one command that runs the trial again.
    pub fn command(&self) -> Option<String> {
        self.trial().map(|trial| replay_command(&trial))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seed) = (&self.name, self.seed);
        if let Some(path) = &self.replayed {
            writeln!(f, "replayed {} and nothing else ({TRIAL})", path.display())?;
        }
        match self.ruling {
            Ruling::Unknown => writeln!(f, "{name}, seed {seed}: nobody knows, which is no pass")?,
            Ruling::Vacuous => writeln!(f, "{name}, seed {seed}: not tested, which is no pass")?,
            Ruling::Valid | Ruling::Violation | Ruling::Measured => {
                writeln!(f, "{name}, seed {seed}: broken")?
            }
        }
        writeln!(f, "{}", self.sentence)?;
        for violation in &self.violations {
            let place = violation
                .node
                .map_or("-".to_string(), |node| node.to_string());
            let seconds = violation.time_ns as f64 / 1e9;
            writeln!(
                f,
                "  {seconds:.3} s  {place}  {}: {}",
                violation.name, violation.message
            )?;
        }
        if let Some(explanation) = &self.explanation {
            writeln!(f, "\n{}", explanation.trim_end())?;
        }
        writeln!(f)?;
        match &self.kept {
            Ok(directory) => {
                writeln!(
                    f,
                    "report  {}",
                    directory.join(run_directory::PAGE).display()
                )?;
                writeln!(
                    f,
                    "trial   {}",
                    directory.join(run_directory::TRIAL).display()
                )?;
            }
            Err(cause) => writeln!(f, "the run could not be kept: {cause}")?,
        }
        let repeats = if self.repeats {
            "the same when run again"
        } else {
            "NOT the same when run again: the server draws on something outside the simulation, as the order of a HashMap, a `select!` \
             that is not `biased`, a random number without a seed, or the real clock; the trial may not repeat this failure"
        };
        writeln!(f, "digest  {} ({repeats})", self.digest)?;
        match self.command() {
            Some(command) => write!(f, "replay  {command}"),
            None => write!(f, "replay  run the test with STORMGLASS_SEED={seed}"),
        }
    }
}

/// The command that runs the trial of a file again, in the test that is running now.
pub(super) fn replay_command(trial: &Path) -> String {
    let thread = std::thread::current();
    // With one thread the tests run on the main one, and their names are lost.
    let test = thread.name().filter(|name| *name != "main");
    let trial = quoted(&trial.to_string_lossy());
    let program = match env::var("CARGO_PKG_NAME") {
        Ok(package) => format!("cargo test -p {}", quoted(&package)),
        Err(_) => env::current_exe()
            .map(|program| quoted(&program.to_string_lossy()))
            .unwrap_or_else(|_| "cargo test".to_string()),
    };
    let by_cargo = program.starts_with("cargo test");
    let separator = if by_cargo { " --" } else { "" };
    match test {
        Some(test) => format!(
            "{TRIAL}={trial} {program} {}{separator} --exact --nocapture",
            quoted(test)
        ),
        None => format!("{TRIAL}={trial} {program}{separator} --nocapture"),
    }
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._/:".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_string()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
