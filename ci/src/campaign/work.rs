//! What a worker of a campaign is asked, and what it answers: a line of JSON each, over its standard input and output.

use super::plan::{Canary, Model};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use stormglass_reports::campaign::{KillLine, ModelLine, TrialLine};

/// A piece of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    /// A trial.
    Trial(TrialJob),
    /// A planted bug to hunt.
    Canary {
        /// Its number in the campaign.
        number: u64,
        canary: Canary,
    },
    /// A model to explore.
    Model {
        /// Its number in the campaign.
        number: u64,
        model: Model,
        /// Where a counterexample is left.
        out: PathBuf,
    },
    /// A failure to make small.
    Shrink {
        signature: String,
        unit: u64,
        run: PathBuf,
        budget_ms: u64,
    },
}

/// A trial to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TrialJob {
    pub(crate) unit: u64,
    pub(crate) seed: u64,
    /// What stands behind `stormglass run`.
    pub(crate) words: Vec<String>,
    /// Whether the directory stays even when the trial is valid.
    pub(crate) keep: bool,
    /// The folder of run directories.
    pub(crate) out: PathBuf,
}

/// A piece of work, with what it may use.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) job: Job,
    /// The most memory, in bytes.
    pub(crate) memory: u64,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Trial(Box<TrialLine>),
    Canary(KillLine),
    Model(ModelLine),
    /// Faults and operations that are left.
    Shrunk(u64, u64),
    /// It could not be done.
    Failed {
        /// Why.
        cause: String,
        /// Whether that is the machine's fault, and any other trial would fare the same.
        is_hosts: bool,
        /// Whether it is because the disk is full.
        is_full: bool,
    },
}
