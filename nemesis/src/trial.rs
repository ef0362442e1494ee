//! A whole experiment as data.

use crate::schedule::{DAY_MS, Fault};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stormglass_impls::contract::NodeId;
use stormglass_impls::knobs::{Knobs, Reads};
use stormglass_impls::node_set::{NODES_MAX, NodeSet};
use stormglass_workloads::client::{Manner, Patience};
use stormglass_workloads::workload::WorkloadConfig;

/// The longest storm there can be, in milliseconds: seven days.
pub const STORM_MS_MAX: u64 = 7 * DAY_MS;

/// The version of the trial file. A file of another version is refused, not guessed at.
pub const TRIAL_VERSION: u32 = 2;

/// A whole experiment. The saved file is the reproducer: the same source, the same `Cargo.lock` and the same trial give the same digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// [`TRIAL_VERSION`].
    pub schema_version: u32,
    /// The system under test, by its name.
    pub cluster: String,
    /// How many nodes, spares and all.
    pub nodes: u8,
    /// How many of them, the last ones, have no vote when the cluster begins.
    #[serde(default)]
    pub spares: u8,
    /// How many clients.
    pub clients: u32,
    /// What the clients do.
    pub workload: WorkloadConfig,
    /// The most operations a client calls before the final reads; `None`: as many as the time allows.
    pub operations_per_client_max: Option<u64>,
    /// The operations themselves, in place of those the workload would make: what is left when a trial was shrunk. `None`: the
    /// workload's own.
    pub calls: Option<Vec<Call>>,
    /// Where it happens.
    pub arena: Arena,
    /// Seeds every draw.
    pub seed: u64,
    /// How long the storm lasts, in simulated milliseconds. Then it heals.
    pub storm_ms: u64,
    /// What heals.
    pub healing: Healing,
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
    /// Whether a client never asks again once nobody knows what became of an attempt: for clusters that would run a retry as a request of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_once: bool,
    /// The bug planted, if any; or a change that should harm nothing.
    pub mutant: Option<String>,
    /// Whether faults may go beyond what the cluster promises to survive. What breaks after such a fault is a measurement.
    pub beyond_promise: bool,
    /// How much work the judge may do.
    pub limits: JudgeLimits,
    /// What a run must have seen to count as a test.
    pub vacuity: Vacuity,
    /// The faults, explicit and fixed.
    pub schedule: Vec<Fault>,
}

/// One operation of a client, fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Which client, from 0.
    pub client: u32,
    /// When it is called, in simulated nanoseconds, or as soon after that as the client has nothing else open.
    pub at_ns: u64,
    /// What is done, as `read`.
    pub f: String,
    /// To what.
    pub key: Option<String>,
    /// With what.
    pub value: Value,
}

/// What heals when the storm is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Healing {
    /// Everything.
    Everything,
    /// A majority and the links within it. The rest stays broken, and progress is demanded all the same.
    Core {
        /// Who is in it.
        core: Vec<NodeId>,
        /// What becomes of the others.
        rest: Rest,
    },
}

/// What becomes of the nodes outside a core that heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// They stay down.
    Stopped,
    /// They run, and hear the core no more than the core hears them.
    CutOff,
}

/// Where a trial is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arena {
    /// The real host, codec and write-ahead log on turmoil's network and file system.
    Turmoil,
    /// The cores alone, on a heap of events.
    Simulator,
    /// Real processes, sockets and files. Nothing repeats.
    Live,
}

impl Arena {
    /// Whether the same trial gives the same run.
    pub fn repeats(self) -> bool {
        self != Arena::Live
    }

    /// What its seconds are.
    pub fn time(self) -> &'static str {
        match self {
            Arena::Turmoil | Arena::Simulator => "simulated",
            Arena::Live => "real",
        }
    }

    /// Its name, as given to `--arena`.
    pub fn name(self) -> &'static str {
        match self {
            Arena::Turmoil => "turmoil",
            Arena::Simulator => "simulator",
            Arena::Live => "live",
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
            spares: 0,
            clients: 5,
            workload,
            operations_per_client_max: None,
            calls: None,
            arena,
            seed,
            storm_ms: 60_000,
            healing: Healing::Everything,
            recovery_ms: 10_000,
            tick_ms: 1,
            network: Network {
                delay_us_min: 500,
                delay_us_max: 3_000,
            },
            sync_ms: (0, 4),
            knobs: Knobs::default(),
            patience: Patience::default(),
            asks_once: false,
            mutant: None,
            beyond_promise: false,
            limits: JudgeLimits {
                steps: 200_000_000,
                bytes: 256 << 20,
            },
            vacuity: Vacuity::default(),
            schedule: Vec::new(),
        }
    }

    /// Who has a vote when the cluster begins.
    pub fn voters(&self) -> NodeSet {
        NodeSet::first(self.nodes - self.spares)
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
        // A file of another version differs in its fields, too; the version is the better answer.
        let version = serde_json::from_str::<Value>(&text).ok();
        let version = version.and_then(|trial| trial.get("schema_version")?.as_u64());
        if version.is_some_and(|version| version != u64::from(TRIAL_VERSION)) {
            return Err(malformed(1, OTHER_VERSION.to_string()));
        }
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
        let election_ms = (
            knobs.election_timeout.min_ns / 1_000_000,
            knobs.election_timeout.max_ns / 1_000_000,
        );
        let rules = [
            (self.schema_version == TRIAL_VERSION, OTHER_VERSION),
            (
                (1..=NODES_MAX).contains(&self.nodes),
                "nodes: a cluster has 1 to 63 nodes",
            ),
            (
                self.spares < self.nodes,
                "spares: at least one node has a vote",
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
                (1..=STORM_MS_MAX).contains(&self.storm_ms),
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
                knobs.appends_in_flight_max > 0 && knobs.append_bytes_max > 0,
                "knobs: appends_in_flight_max and append_bytes_max are at least 1",
            ),
            (
                knobs.uncommitted_max > 0 && knobs.uncommitted_bytes_max > 0,
                "knobs: uncommitted_max and uncommitted_bytes_max are at least 1",
            ),
            (
                (1..=1 << 20).contains(&knobs.snapshot_chunk_bytes),
                "knobs: snapshot_chunk_bytes is 1 to 1048576",
            ),
            (
                knobs.reads != Reads::Lease || knobs.check_quorum,
                "knobs: reads: a lease rests on check_quorum; set it to true",
            ),
            (
                knobs.clock_drift_percent_max <= 99,
                "knobs: clock_drift_percent_max is 0 to 99",
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
                !self.asks_once || self.workload.manner() == Manner::Leader,
                "asks_once: clients with sessions or watches of their own go on asking; set it to false",
            ),
            (
                knobs.session_ms == 0 || knobs.session_ms > patience.deadline_ms.saturating_mul(2),
                "knobs: session_ms: a session outlives an operation twice, or lives for ever at 0",
            ),
        ];
        if let Some((_, text)) = rules.iter().find(|(holds, _)| !holds) {
            return Err((*text).to_string());
        }
        if let Some(text) = self.workload.refuses() {
            return Err(text.to_string());
        }
        self.healing.validate(self.nodes)?;
        let changes = |fault: &Fault| fault.kind.changes_members();
        if matches!(self.healing, Healing::Core { .. }) && self.schedule.iter().any(changes) {
            return Err(
                "healing: core: while members change nobody knows which nodes are a majority; let everything heal"
                    .to_string(),
            );
        }
        for (at, call) in self.calls.iter().flatten().enumerate() {
            call.validate(self)
                .map_err(|cause| format!("calls: number {}: {cause}", at + 1))?;
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

const OTHER_VERSION: &str =
    "schema_version: this build reads another version; make the trial again with this build";

impl Healing {
    fn validate(&self, nodes: u8) -> Result<(), String> {
        let Healing::Core { core, .. } = self else {
            return Ok(());
        };
        let distinct: BTreeSet<&NodeId> = core.iter().collect();
        if let Some(id) = core.iter().find(|id| id.0 == 0 || id.0 > nodes) {
            return Err(format!(
                "healing: core: there is no {id} in a cluster of {nodes}"
            ));
        }
        if distinct.len() < core.len() || core.len() <= usize::from(nodes / 2) {
            return Err("healing: core: a core is a majority, each node named once".to_string());
        }
        Ok(())
    }
}

impl Call {
    fn validate(&self, trial: &Trial) -> Result<(), String> {
        if self.client >= trial.clients {
            return Err(format!(
                "client: there is no client {} among {}",
                self.client, trial.clients
            ));
        }
        if self.at_ns >= trial.storm_ms.saturating_mul(1_000_000) {
            return Err(format!(
                "at_ns: {} is after the storm; only final reads are made then",
                self.at_ns
            ));
        }
        let known = trial.workload.functions();
        if !known.contains(&self.f.as_str()) {
            return Err(format!("f: {:?} is none of {known:?}", self.f));
        }
        Ok(())
    }
}

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
