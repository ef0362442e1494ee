//! What a campaign came to as a whole: its shards, and its failures, each told once.

use super::{CLOSING, Outcome};
use crate::error::ReportError;
use crate::run_directory::{io_error, put};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;
use stormglass_nemesis::trial::Arena;

const REMEDY: &str = "make it again with `stormglass soak --resume` or `stormglass merge`";

/// What a campaign came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// What the campaign is called: nights of one name are compared.
    pub name: String,
    /// Which program ran it: a digest of the file.
    pub build: String,
    /// The commit that was checked out, where there was one.
    pub commit: Option<String>,
    /// The day, as in 2026-11-30.
    pub day: String,
    /// The seed of the first trial.
    pub first_seed: u64,
    /// Whether nothing failed that was not known to fail, every canary was found, and nothing is missing.
    pub is_green: bool,
    /// Its shards: one, of one, when it was not divided.
    pub shards: Vec<Share>,
    /// What failed, the new first.
    pub failures: Vec<FailureLine>,
    /// What else must be known: missing shards, canaries that got away, known failures that were not seen.
    pub notes: Vec<String>,
}

/// A shard of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its number, from 1.
    pub shard: u64,
    /// How many trials of it are finished.
    pub trials: u64,
    /// How many it was to run, where that was said.
    pub planned: Option<u64>,
    /// Whether it came to its end.
    pub is_finished: bool,
    /// Whether it is not there.
    pub is_missing: bool,
}

/// Whether a failure was to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No night before saw it.
    New,
    /// A night before saw it, and nobody has said that it may be.
    Seen,
    /// It was said that it may be, until a day that is over.
    Expired,
    /// It was said that it may be.
    Known,
}

impl Standing {
    /// As pages show it.
    pub fn name(self) -> &'static str {
        match self {
            Standing::New => "new",
            Standing::Seen => "seen before",
            Standing::Expired => "expired",
            Standing::Known => "known",
        }
    }
}

/// Trials that failed alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureLine {
    /// What they have in common.
    pub signature: String,
    /// What was broken.
    pub property: String,
    /// Whether it was to be expected.
    pub standing: Standing,
    /// Why it may be, and until when, where that was said.
    pub reason: Option<String>,
    /// How often.
    pub count: u64,
    /// How often it did not repeat.
    pub unrepeated: u64,
    /// In which cluster.
    pub cluster: String,
    /// Under which workload, the first time.
    pub workload: String,
    /// Where, the first time.
    pub arena: Arena,
    /// The seed of the first time.
    pub seed: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// That in a sentence.
    pub sentence: String,
    /// The run directory of the first time, its name in the campaign's `runs`.
    pub run: Option<String>,
    /// The one command that reproduces it.
    pub command: String,
    /// Faults and operations that are left of it.
    pub shrunk: Option<(u64, u64)>,
    /// The first night that saw it.
    pub first_night: String,
    /// The commits since the last green night, the newest first, for a new one.
    pub commits: Vec<String>,
}

impl Closing {
    /// Reads what a campaign came to; nothing where nobody said so.
    ///
    /// # Errors
    /// [`ReportError::Io`], [`ReportError::Malformed`].
    pub fn read(folder: &Path) -> Result<Option<Self>, ReportError> {
        let path = folder.join(CLOSING);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path, "read")(error)),
        };
        let read = serde_json::from_str(&text).map_err(|error| ReportError::Malformed {
            line: error.line(),
            cause: error.to_string(),
            path,
            remedy: REMEDY,
        })?;
        Ok(Some(read))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let json = serde_json::to_vec_pretty(self).map_err(super::unwritable)?;
        put(&folder.join(CLOSING), &json)
    }
}
