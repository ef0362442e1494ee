//! A whole experiment as data.

use crate::schedule::{DAY_MS, Fault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stormglass_impls::system::Knobs;
use stormglass_workloads::client::Patience;
use stormglass_workloads::workload::WorkloadConfig;

/// The version of the trial file. A file of another version is refused, not guessed at.
pub const TRIAL_VERSION: u32 = 1;

/// A whole experiment. The saved file is the reproducer: the same source, the same `Cargo.lock` and the same trial give the same digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// [`TRIAL_VERSION`].
    pub schema_version: u32,
    /// The system under test, by its name.
    pub cluster: String,
    /// How many nodes.
    pub nodes: u8,
    /// How many clients.
    pub clients: u32,
    /// What the clients do.
    pub workload: WorkloadConfig,
    /// The most operations a client calls before the final reads; `None`: as many as the time allows.
    pub operations_per_client_max: Option<u64>,
    /// Where it happens.
    pub arena: Arena,
    /// Seeds every draw.
    pub seed: u64,
    /// How long the storm lasts, in simulated milliseconds. Then everything heals.
    pub storm_ms: u64,
    /// How long after healing the final reads may take, in simulated milliseconds: no progress in that time is a violation.
    pub recovery_ms: u64,
    /// The length of a turmoil tick, in milliseconds. It shapes the trace, so it is part of the trial.
    pub tick_ms: u64,
    /// The network on a good day.
    pub network: Network,
    /// How long a write takes to become durable, in milliseconds, drawn for each.
    pub sync_ms: (u64, u64),
    /// The protocol's knobs.
    pub knobs: Knobs,
    /// How patient the clients are.
    pub patience: Patience,
    /// The bug planted, if any.
    pub mutant: Option<String>,
    /// How much work the judge may do.
    pub limits: JudgeLimits,
    /// What a run must have seen to count as a test.
    pub vacuity: Vacuity,
    /// The faults, explicit and fixed.
    pub schedule: Vec<Fault>,
}

/// Where a trial is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arena {
    /// The real host, codec and write-ahead log on turmoil's network and file system.
    Turmoil,
    /// The cores alone, on a heap of events.
    Simulator,
}

impl Arena {
    /// Its name, as given to `--arena`.
    pub fn name(self) -> &'static str {
        match self {
            Arena::Turmoil => "turmoil",
            Arena::Simulator => "simulator",
        }
    }
}

/// The network on a good day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The shortest delay of a frame, in microseconds.
    pub delay_us_min: u64,
    /// The longest.
    pub delay_us_max: u64,
}

/// How much work the judge may do before it says unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeLimits {
    /// Steps of the search.
    pub steps: u64,
    /// Bytes the search may hold.
    pub bytes: u64,
}

/// What a run must have seen to count as a test of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vacuity {
    /// The fewest operations that must have ended ok.
    pub ok_operations_min: u64,
    /// The fewest reads that must have ended ok.
    pub ok_reads_min: u64,
    /// Whether a requested fault must have overlapped an operation.
    pub fault_must_overlap: bool,
    /// Whether every final read must have ended ok.
    pub final_reads_required: bool,
}

impl Default for Vacuity {
    fn default() -> Self {
        Self {
            ok_operations_min: 20,
            ok_reads_min: 1,
            fault_must_overlap: true,
            final_reads_required: true,
        }
    }
}

impl Trial {
    /// A calm trial of a cluster, its settings at their defaults and its schedule empty.
    pub fn calm(cluster: &str, workload: WorkloadConfig, arena: Arena, seed: u64) -> Self {
        Self {
            schema_version: TRIAL_VERSION,
            cluster: cluster.to_string(),
            nodes: 5,
            clients: 5,
            workload,
            operations_per_client_max: None,
            arena,
            seed,
            storm_ms: 60_000,
            recovery_ms: 10_000,
            tick_ms: 1,
            network: Network {
                delay_us_min: 500,
                delay_us_max: 3_000,
            },
            sync_ms: (0, 4),
            knobs: Knobs::default(),
            patience: Patience::default(),
            mutant: None,
            limits: JudgeLimits {
                steps: 200_000_000,
                bytes: 256 << 20,
            },
            vacuity: Vacuity::default(),
            schedule: Vec::new(),
        }
    }

    /// Reads a trial file.
    pub fn read(path: &Path) -> Result<Self, TrialError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrialError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        let malformed = |line, cause| TrialError::Malformed {
            path: path.to_path_buf(),
            line,
            cause,
        };
        let trial: Trial = serde_json::from_str(&text)
            .map_err(|error| malformed(error.line(), error.to_string()))?;
        trial.validate().map_err(|cause| malformed(1, cause))?;
        Ok(trial)
    }

    /// The trial as a file: JSON, indented.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a trial is plain data");
        text.push('\n');
        text
    }

    /// Checks what the types do not say. The error names the field and the remedy.
    ///
    /// The bounds keep arithmetic on simulated nanoseconds far from its limits, and a simulation from standing still.
    pub fn validate(&self) -> Result<(), String> {
        let Self {
            network,
            knobs,
            patience,
            ..
        } = self;
        let WorkloadConfig::Register(register) = &self.workload;
        let election_ms = (
            knobs.election_timeout.min_ns / 1_000_000,
            knobs.election_timeout.max_ns / 1_000_000,
        );
        let shares = register
            .reads_percent
            .saturating_add(register.writes_percent);
        let rules = [
            (
                self.schema_version == TRIAL_VERSION,
                "schema_version: this build reads another version; make the trial again with this build",
            ),
            (
                (1..=99).contains(&self.nodes),
                "nodes: a cluster has 1 to 99 nodes",
            ),
            (
                (1..=999).contains(&self.clients),
                "clients: a trial has 1 to 999 clients",
            ),
            (
                (1..=1_000).contains(&self.tick_ms),
                "tick_ms: a tick lasts 1 to 1000 milliseconds",
            ),
            (
                (1..=7 * DAY_MS).contains(&self.storm_ms),
                "storm_ms: a storm lasts from a millisecond to seven days",
            ),
            (
                self.storm_ms.is_multiple_of(self.tick_ms.max(1)),
                "storm_ms: a storm ends with a tick, so tick_ms divides it",
            ),
            (
                (1..=DAY_MS).contains(&self.recovery_ms),
                "recovery_ms: recovery lasts from a millisecond to a day",
            ),
            (
                network.delay_us_min <= network.delay_us_max,
                "network: delay_us_min is above delay_us_max",
            ),
            (
                (1..=60_000_000).contains(&network.delay_us_max),
                "network: delay_us_max is from a microsecond to a minute",
            ),
            (
                self.sync_ms.0 <= self.sync_ms.1 && self.sync_ms.1 <= 60_000,
                "sync_ms: from short to long, a minute at most",
            ),
            (
                (1..=100_000).contains(&knobs.entries_per_append_max),
                "knobs: entries_per_append_max is 1 to 100000",
            ),
            (
                (1..=HOUR_MS).contains(&knobs.heartbeat_interval_ms),
                "knobs: heartbeat_interval_ms is from a millisecond to an hour",
            ),
            (
                1 <= election_ms.0
                    && knobs.election_timeout.min_ns <= knobs.election_timeout.max_ns
                    && election_ms.1 <= HOUR_MS,
                "knobs: election_timeout runs from short to long, from a millisecond to an hour",
            ),
            (
                (1..=DAY_MS).contains(&patience.attempt_timeout_ms),
                "patience: attempt_timeout_ms is from a millisecond to a day",
            ),
            (
                (1..=DAY_MS).contains(&patience.backoff_ms),
                "patience: backoff_ms is from a millisecond to a day",
            ),
            (
                (1..=DAY_MS).contains(&patience.deadline_ms),
                "patience: deadline_ms is from a millisecond to a day",
            ),
            (
                (1..=10_000).contains(&register.keys),
                "workload: keys is 1 to 10000",
            ),
            (
                register.small_domain > 0,
                "workload: small_domain is at least 1",
            ),
            (
                shares <= 100,
                "workload: reads_percent and writes_percent exceed 100",
            ),
            (
                register.think_time_ms_min <= register.think_time_ms_max
                    && register.think_time_ms_max <= DAY_MS,
                "workload: think times run from short to long, a day at most",
            ),
        ];
        if let Some((_, text)) = rules.iter().find(|(holds, _)| !holds) {
            return Err((*text).to_string());
        }
        let mut ids = BTreeSet::new();
        for fault in &self.schedule {
            fault
                .validate(self.nodes)
                .map_err(|cause| format!("schedule: fault {}: {cause}", fault.id))?;
            if !ids.insert(fault.id) {
                return Err(format!(
                    "schedule: fault {}: id: another fault has the same; number them apart",
                    fault.id
                ));
            }
        }
        Ok(())
    }
}

const HOUR_MS: u64 = 3_600_000;

/// A trial file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The file cannot be read.
    #[error(
        "{path}: cannot be read ({source}); name a trial file or a run directory that holds one"
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no trial.
    #[error("{path}:{line}: not a usable trial: {cause}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// What is wrong, and the remedy.
        cause: String,
    },
}
