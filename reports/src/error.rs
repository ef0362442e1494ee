//! What can be wrong with a run directory, and what to do about it.

use std::io;
use std::path::PathBuf;
use stormglass_checker::{CheckError, HistoryError};
use stormglass_nemesis::trial::TrialError;

/// A run that cannot be found, read or written. Names the file, the line where there is one, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no run at all.
    #[error("{out}: no runs here; run a trial first, or name the directory with --out")]
    NoRuns {
        /// Where runs were looked for.
        out: PathBuf,
    },
    /// No run has that name.
    #[error(
        "no run is called `{name}` in {out}, and no directory either; give an id, a unique prefix, `latest` or a path"
    )]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where runs were looked for.
        out: PathBuf,
    },
    /// Several runs begin like that.
    #[error("`{name}` could be {}; give more of the name", list(.candidates))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The runs it fits, in order.
        candidates: Vec<String>,
    },
    /// The directory lacks a file.
    #[error("{path}: missing: {meaning}; {remedy}")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// What its absence means.
        meaning: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A file is there and is not what it should be.
    #[error("{path}:{line}: {cause}; {remedy}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong there.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The directory holds no trials of any kind.
    #[error(
        "{path}: neither a trials.jsonl nor a run here; name a directory of `stormglass soak`, or one of runs"
    )]
    NoTrials {
        /// Which directory.
        path: PathBuf,
    },
    /// The directory holds nothing of a campaign.
    #[error(
        "{path}: none of trials.jsonl, kills.jsonl and models.jsonl is here; name what `soak --out`, `merge --out`, `mutants --campaign` or `model --campaign` was given"
    )]
    NoCampaign {
        /// Which directory.
        path: PathBuf,
    },
    /// A file was written by another version.
    #[error(
        "{path}: schema_version is {found}, this build reads {wanted}; use the build that wrote it, or run its trial again"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// What the file says.
        found: u32,
        /// What this build reads.
        wanted: u32,
    },
    /// The operating system refused to read or write.
    #[error("{path}: cannot be {action}: {source}; check the path and the permissions")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// `read`, `written` or `created`.
        action: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The trial cannot be used.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The history cannot be judged.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A report could not be made from sound data. A defect of this crate.
    #[error(
        "the {what} could not be made: {cause}; this is a defect of stormglass, please report it with the trial"
    )]
    Rendering {
        /// Which report.
        what: &'static str,
        /// What the library that makes it said.
        cause: String,
    },
}

/// The most candidates that are listed.
const CANDIDATES_MAX: usize = 10;

fn list(candidates: &[String]) -> String {
    let shown: Vec<_> = candidates
        .iter()
        .take(CANDIDATES_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = candidates.len().saturating_sub(CANDIDATES_MAX);
    match more {
        0 => shown.join(" or "),
        more => format!("{} or one of {more} more", shown.join(", ")),
    }
}
