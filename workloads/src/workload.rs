//! Workloads by name, and their face towards the arenas.

use crate::client::Manner;
use crate::draw::Draws;
use crate::etcd::binding::EtcdBinding;
use crate::etcd::kv::{self, EtcdConfig, Kv};
use crate::etcd::{self, kinds};
use crate::register::{self, CacheBinding, Register, RegisterConfig};
use crate::zookeeper::binding::ZnodesBinding;
use crate::zookeeper::dialect;
use crate::zookeeper::promises::{ALL, FENCED_ONLY};
use crate::zookeeper::znodes::{self, KINDS, Znodes, ZnodesConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stormglass_checker::states::Around;
use stormglass_checker::{Certificate, CheckError, Evidence, History, Judgement, Limits};

/// A workload as data: part of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum WorkloadConfig {
    /// See [`crate::register`].
    Register(RegisterConfig),
    /// See [`crate::zookeeper`].
    Znodes(ZnodesConfig),
    /// See [`crate::etcd`].
    Etcd(EtcdConfig),
}

/// A workload for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkloadInfo {
    /// Its name, as given to `--workload`.
    pub name: &'static str,
    /// The clusters that offer what it asks.
    pub clusters: &'static [&'static str],
    /// What its clients do, in a sentence.
    pub summary: &'static str,
}

/// All workloads, in the order in which lists show them. A name may stand for one workload of some clusters and another of others.
pub const WORKLOADS: &[WorkloadInfo] = &{
    const REGISTER: WorkloadInfo = WorkloadInfo {
        name: "register",
        clusters: register::CLUSTERS,
        summary: "reads, writes and compare-and-sets over several keys, each key a linearizable register",
    };
    let mut all = [REGISTER; 1 + KINDS.len() + kinds::KINDS.len()];
    let mut kind = 0;
    while kind < KINDS.len() {
        all[1 + kind] = WorkloadInfo {
            name: KINDS[kind].name,
            clusters: znodes::CLUSTERS,
            summary: KINDS[kind].summary,
        };
        kind += 1;
    }
    let mut kind = 0;
    while kind < kinds::KINDS.len() {
        all[1 + KINDS.len() + kind] = WorkloadInfo {
            name: kinds::KINDS[kind].name,
            clusters: kv::CLUSTERS,
            summary: kinds::KINDS[kind].summary,
        };
        kind += 1;
    }
    all
};

/// A promise for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromiseInfo {
    /// Its name: what comes before the colon in an evidence's promise.
    pub name: &'static str,
    /// The clusters whose clients are promised it.
    pub clusters: &'static [&'static str],
    /// What is promised.
    pub text: String,
}

/// All promises that a history can be found to break, in the order in which lists show them.
pub fn promises() -> Vec<PromiseInfo> {
    let linearizability = "linearizability";
    let text = WorkloadConfig::register().start(0).promise();
    let text = text.strip_prefix(linearizability).unwrap_or(&text);
    let first = PromiseInfo {
        name: linearizability,
        clusters: register::CLUSTERS,
        text: text.trim_start_matches(": ").to_string(),
    };
    let of_znodes = ALL.iter().chain(FENCED_ONLY).map(|promise| PromiseInfo {
        name: promise.name,
        clusters: znodes::CLUSTERS,
        text: promise.quote.to_string(),
    });
    let of_etcd = etcd::promises::ALL.iter();
    let of_etcd = of_etcd.chain(etcd::promises::FENCED_ONLY);
    let of_etcd = of_etcd.map(|promise| PromiseInfo {
        name: promise.name,
        clusters: kv::CLUSTERS,
        text: promise.quote.to_string(),
    });
    let of_services = of_znodes.chain(of_etcd);
    std::iter::once(first).chain(of_services).collect()
}

impl WorkloadConfig {
    /// The default form of the workload that has that name where it is asked of that cluster.
    pub fn named(name: &str, cluster: &str) -> Option<Self> {
        if znodes::CLUSTERS.contains(&cluster) {
            let kind = KINDS.iter().find(|kind| kind.name == name)?.kind;
            return Some(Self::Znodes(ZnodesConfig::of(kind)));
        }
        if kv::CLUSTERS.contains(&cluster) {
            let info = kinds::KINDS.iter().find(|info| info.name == name)?;
            return Some(Self::Etcd(EtcdConfig::of(info.kind)));
        }
        (name == "register").then(Self::register)
    }

    /// What is asked of a cluster where nobody says what.
    pub fn usual(cluster: &str) -> Self {
        Self::named("register", cluster).unwrap_or_else(Self::register)
    }

    /// What is asked of a cluster where a seed says what: any of the workloads that it offers.
    pub fn drawn(cluster: &str, seed: u64) -> Self {
        let offered = WORKLOADS.iter();
        let offered = offered.filter(|known| known.clusters.contains(&cluster));
        let offered: Vec<&str> = offered.map(|known| known.name).collect();
        let last = offered.len().saturating_sub(1) as u64;
        let lot = Draws::new(seed, "workload").within(&[], 0..=last);
        let drawn = offered.get(lot as usize);
        let drawn = drawn.and_then(|name| Self::named(name, cluster));
        drawn.unwrap_or_else(|| Self::usual(cluster))
    }

    /// The default form of the register workload.
    pub fn register() -> Self {
        Self::Register(RegisterConfig::default())
    }

    /// The name of this workload.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Znodes(config) => config.kind.info().name,
            Self::Etcd(config) => config.kind.info().name,
        }
    }

    /// What its operations can do.
    pub fn functions(&self) -> &'static [&'static str] {
        match self {
            Self::Register(_) => register::FUNCTIONS,
            Self::Znodes(_) => dialect::FUNCTIONS,
            Self::Etcd(_) => etcd::dialect::FUNCTIONS,
        }
    }

    /// Which of these read and change nothing.
    pub fn reads(&self) -> &'static [&'static str] {
        match self {
            Self::Register(_) => register::READS,
            Self::Znodes(_) => dialect::READS,
            Self::Etcd(_) => etcd::dialect::READS,
        }
    }

    /// How its clients ask.
    pub fn manner(&self) -> Manner {
        match self {
            Self::Register(_) => Manner::Leader,
            Self::Znodes(config) => Manner::Session {
                timeout_ms: config.session_ms,
            },
            Self::Etcd(_) => Manner::Member,
        }
    }

    /// Why it cannot be put to work, in words that name the field; `None` when it can.
    pub fn refuses(&self) -> Option<&'static str> {
        match self {
            Self::Register(config) => config.refuses(),
            Self::Znodes(config) => config.refuses(),
            Self::Etcd(config) => config.refuses(),
        }
    }

    /// Sets how long a client pauses between two operations, from short to long, in milliseconds.
    pub fn set_think_time_ms(&mut self, min: u64, max: u64) {
        match self {
            Self::Register(config) => {
                (config.think_time_ms_min, config.think_time_ms_max) = (min, max);
            }
            Self::Znodes(config) => {
                (config.think_time_ms_min, config.think_time_ms_max) = (min, max);
            }
            Self::Etcd(config) => {
                (config.think_time_ms_min, config.think_time_ms_max) = (min, max);
            }
        }
    }

    /// Sets how long whatever ends by itself lives without a sign of its client, in milliseconds: a session, a lease.
    pub fn set_session_ms(&mut self, session_ms: u64) {
        match self {
            Self::Register(_) => {}
            Self::Znodes(config) => config.session_ms = session_ms,
            Self::Etcd(config) => config.ttl_ms = session_ms,
        }
    }

    /// Sets the shares of reads and of writes, in percent. The rest is what the workload has besides.
    pub fn set_shares_percent(&mut self, reads: u64, writes: u64) {
        match self {
            Self::Register(config) => {
                (config.reads_percent, config.writes_percent) = (reads, writes);
            }
            Self::Znodes(config) => {
                (config.reads_percent, config.writes_percent) = (reads, writes);
            }
            Self::Etcd(config) => {
                (config.reads_percent, config.writes_percent) = (reads, writes);
            }
        }
    }

    /// Sets how many keys there are.
    pub fn set_keys(&mut self, keys: u32) {
        match self {
            Self::Register(config) => config.keys = keys,
            Self::Znodes(config) => config.keys = keys,
            Self::Etcd(config) => config.keys = keys,
        }
    }

    /// The name of a key, by its number from 0.
    pub fn key(&self, number: usize) -> String {
        match self {
            Self::Register(_) => format!("k{number}"),
            Self::Znodes(config) => config.key(number),
            Self::Etcd(config) => config.key(number),
        }
    }

    /// The longest time that a client stands still of its own accord, in milliseconds.
    pub fn rest_ms_max(&self) -> u64 {
        match self {
            Self::Register(_) => 0,
            Self::Znodes(config) => config.rest_ms_max(),
            Self::Etcd(config) => config.rest_ms_max(),
        }
    }

    /// Puts everything back to its default but the number of keys.
    pub fn reset_settings(&mut self) {
        match self {
            Self::Register(config) => {
                *config = RegisterConfig {
                    keys: config.keys,
                    ..RegisterConfig::default()
                };
            }
            Self::Znodes(config) => {
                *config = ZnodesConfig {
                    keys: config.keys,
                    ..ZnodesConfig::of(config.kind)
                };
            }
            Self::Etcd(config) => {
                *config = EtcdConfig {
                    keys: config.keys,
                    ..EtcdConfig::of(config.kind)
                };
            }
        }
    }

    /// Puts the workload to work.
    pub fn start(&self, seed: u64) -> Box<dyn Workload> {
        match self {
            Self::Register(config) => Box::new(Register::new(config.clone(), seed)),
            Self::Znodes(config) => Box::new(Znodes::new(config.clone(), seed)),
            Self::Etcd(config) => Box::new(Kv::new(config.clone(), seed)),
        }
    }

    /// What puts this workload's operations into the words of a cluster; `None` when the cluster does not offer what it asks.
    pub fn binding(&self, cluster: &str) -> Option<Box<dyn Binding>> {
        match (self, cluster) {
            (Self::Register(_), cluster) if register::CLUSTERS.contains(&cluster) => {
                Some(Box::new(CacheBinding))
            }
            (Self::Znodes(_), cluster) if znodes::CLUSTERS.contains(&cluster) => {
                Some(Box::new(ZnodesBinding))
            }
            (Self::Etcd(_), cluster) if kv::CLUSTERS.contains(&cluster) => {
                Some(Box::new(EtcdBinding))
            }
            _ => None,
        }
    }
}

/// An operation as a history shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What is done, as `read`.
    pub f: &'static str,
    /// To what.
    pub key: Option<String>,
    /// With what, as `[1,2]` for a compare-and-set.
    pub value: Value,
}

/// What a system's answer to an operation says.
#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// It was carried out; the value completes the operation.
    Ok(Value),
    /// A comparison was refused: nothing changed, and that is an observation.
    Mismatch,
}

/// A number that a history shows, and no promise speaks of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name, as `stale-reads`.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// What is counted, in a sentence.
    pub meaning: String,
}

/// What is found in a history.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Whether it keeps the promise.
    pub judgement: Judgement,
    /// What is worth knowing of it and no question of right or wrong.
    pub measures: Vec<Measure>,
}

impl From<Judgement> for Findings {
    fn from(judgement: Judgement) -> Self {
        Self {
            judgement,
            measures: Vec::new(),
        }
    }
}

/// A workload at work.
pub trait Workload {
    /// What its operations can do: the names in [`Operation::f`].
    fn functions(&self) -> &'static [&'static str];

    /// The operation of `client` that is its `n`th, from 0.
    fn operation(&mut self, client: u32, n: u64) -> Operation;

    /// How long `client` waits before its `n`th operation, in nanoseconds.
    fn think_time_ns(&self, client: u32, n: u64) -> u64;

    /// An operation of `client` was answered with this. Gives what the history says of it: the place of whatever stands outside the cluster, such as
    /// the resource that a lock protects.
    fn settled(
        &mut self,
        _client: u32,
        _operation: &Operation,
        completion: Completion,
    ) -> Completion {
        completion
    }

    /// An operation of `client` ended with an answer.
    fn completed(&mut self, client: u32, operation: &Operation, completion: &Completion);

    /// Nobody knows what became of an operation of `client`.
    fn lost(&mut self, _client: u32, _operation: &Operation) {}

    /// The reads that show the final state, once everything is healed, and what must come before them. What is about one key is done in this order.
    fn final_reads(&self) -> Vec<Operation>;

    /// What the history is judged against, as a sentence for reports.
    fn promise(&self) -> String;

    /// That a history keeps the promise, in words that a sentence can begin with.
    fn kept(&self) -> &'static str {
        "What the clients saw is linearizable"
    }

    /// That a history breaks the promise, as a sentence.
    fn broken(&self, evidence: &Evidence) -> String {
        let key = evidence.key.as_ref();
        let key = key.map_or(String::new(), |key| format!(" for key {key}"));
        format!("What the clients saw is not linearizable{key}.")
    }

    /// What a history that put the workload to the test would show and this one does not, as a clause.
    fn tested_nothing(&self, _history: &History) -> Option<String> {
        None
    }

    /// Judges a history.
    fn judge(&self, history: &History, limits: &Limits) -> Result<Findings, CheckError>;

    /// What each operation of a history found and left, by its place among [`History::operations`], in the order that the judge found. Nothing from
    /// a workload whose judge keeps no state.
    fn states(&self, _history: &History, _certificate: &Certificate) -> Vec<Option<Around>> {
        Vec::new()
    }
}

/// Something that every service of keys can be asked, whatever it calls that.
#[derive(Clone, Copy, Debug)]
pub enum Plain<'a> {
    /// Read a key.
    Read(&'a str),
    /// Write a value.
    Write(&'a str, &'a Value),
    /// Compare a value and set another.
    Cas(&'a str, &'a Value, &'a Value),
}

/// Puts operations into a system's words, and reads its answers.
pub trait Binding {
    /// The system's request for an operation, in its wire form.
    fn request(&self, operation: &Operation) -> Vec<u8>;

    /// What the system's reply to an operation says; an error when it is no reply to that.
    fn completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String>;

    /// What a node itself is asked, where its client is more than one that asks and waits.
    fn bare_request(&self, operation: &Operation) -> Vec<u8> {
        self.request(operation)
    }

    /// What a node's own reply says.
    fn bare_completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String> {
        self.completion(operation, reply)
    }

    /// Something plain as an operation, and in words; `None` from a service that cannot be asked so.
    fn plain(&self, _plain: Plain<'_>) -> Option<(Operation, String)> {
        None
    }

    /// The operation that has this value, and in words; `None` from a service whose operations are all plain, and when it is none.
    fn spoken(&self, _value: &Value) -> Option<(Operation, String)> {
        None
    }
}
