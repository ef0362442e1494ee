//! A workload of an etcd-style service: how it is set, and at work.

use super::dialect::{Asked, Ended, FUNCTIONS};
use super::kinds::EtcdKind;
use super::promises::{self, Promise};
use super::recipes::{self, Dice, Recipe};
use crate::dice::{Settings, rest_ms_max};
use crate::draw::Draws;
use crate::resource::Resources;
use crate::workload::{Completion, Findings, Operation, Workload};
use serde::{Deserialize, Serialize};
use stormglass_checker::{CheckError, Evidence, History, Limits};

/// The clusters that serve such workloads.
pub const CLUSTERS: &[&str] = &["etcd"];

/// A workload as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdConfig {
    /// What clients do.
    pub kind: EtcdKind,
    /// How many registers, lists, locks, or what it is: `k0`, `k1`, and so on.
    pub keys: u32,
    /// Of registers, counters and lists: the share of reads, in percent.
    pub reads_percent: u64,
    /// Of registers: the share of puts, in percent. The rest are puts on a condition.
    pub writes_percent: u64,
    /// The shortest pause of a client between two operations, in milliseconds.
    pub think_time_ms_min: u64,
    /// The longest.
    pub think_time_ms_max: u64,
    /// How long a lease lives without being kept alive, in milliseconds.
    pub ttl_ms: u64,
}

const DAY_MS: u64 = 86_400_000;

impl EtcdConfig {
    /// The default form of a kind.
    pub fn of(kind: EtcdKind) -> Self {
        Self {
            kind,
            keys: kind.info().keys,
            reads_percent: 40,
            writes_percent: 35,
            think_time_ms_min: 40,
            think_time_ms_max: 120,
            ttl_ms: 1_500,
        }
    }

    /// See [`WorkloadConfig::refuses`](crate::workload::WorkloadConfig::refuses).
    pub(crate) fn refuses(&self) -> Option<&'static str> {
        let shares = self.reads_percent.saturating_add(self.writes_percent);
        let rules = [
            (
                (1..=10_000).contains(&self.keys),
                "workload: keys is 1 to 10000",
            ),
            (
                shares <= 100,
                "workload: reads_percent and writes_percent exceed 100",
            ),
            (
                self.think_time_ms_min <= self.think_time_ms_max
                    && self.think_time_ms_max <= DAY_MS,
                "workload: think times run from short to long, a day at most",
            ),
            (
                (1..=DAY_MS).contains(&self.ttl_ms),
                "workload: ttl_ms is 1 to a day",
            ),
        ];
        let broken = rules.iter().find(|(holds, _)| !holds);
        broken.map(|(_, text)| *text)
    }

    /// The name of a key: what the final read of that number reads.
    pub(crate) fn key(&self, number: usize) -> String {
        let finals = recipes::recipe(self).finals();
        let key = finals.get(number).and_then(Asked::key);
        key.unwrap_or_else(|| format!("k{number}"))
    }

    /// The longest time that a client stands still, in milliseconds.
    pub(crate) fn rest_ms_max(&self) -> u64 {
        rest_ms_max(self)
    }

    fn promises(&self) -> impl Iterator<Item = &'static Promise> {
        let besides = match self.kind {
            EtcdKind::FencedLock => promises::FENCED_ONLY,
            _ => &[],
        };
        promises::ALL.iter().chain(besides)
    }
}

impl Settings for EtcdConfig {
    fn keys(&self) -> u32 {
        self.keys
    }

    fn life_ms(&self) -> u64 {
        self.ttl_ms
    }
}

/// A workload at work.
pub struct Kv {
    config: EtcdConfig,
    recipe: Box<dyn Recipe>,
    draws: Draws,
    thinking: Draws,
    /// What locks protect.
    resources: Resources,
}

impl Kv {
    /// The workload of a seed.
    pub fn new(config: EtcdConfig, seed: u64) -> Self {
        let is_fenced = config.kind == EtcdKind::FencedLock;
        Self {
            recipe: recipes::recipe(&config),
            config,
            draws: Draws::new(seed, "etcd operation"),
            thinking: Draws::new(seed, "etcd think time"),
            resources: Resources::new(is_fenced),
        }
    }
}

impl Workload for Kv {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn operation(&mut self, client: u32, n: u64) -> Operation {
        let asked = self.recipe.next(&Dice {
            config: &self.config,
            draws: &self.draws,
            client,
            n,
        });
        asked.operation()
    }

    fn think_time_ns(&self, client: u32, n: u64) -> u64 {
        let (low, high) = (self.config.think_time_ms_min, self.config.think_time_ms_max);
        self.thinking
            .within(&[client.into(), n], low * 1_000_000..=high * 1_000_000)
    }

    fn settled(&mut self, _: u32, operation: &Operation, completion: Completion) -> Completion {
        if operation.f != "store" {
            return completion;
        }
        let Completion::Ok(value) = &completion else {
            return completion;
        };
        let ended = Ended::read(value);
        let mut ended = ended.expect("the binding writes what can be read");
        if let Ok(Asked::Store { lock, token, .. }) = &Asked::read(&operation.value) {
            ended.stored = Some(self.resources.store(lock, *token));
        }
        Completion::Ok(ended.value())
    }

    fn completed(&mut self, client: u32, operation: &Operation, completion: &Completion) {
        let Completion::Ok(value) = completion else {
            return;
        };
        let ended = Ended::read(value).expect("the binding writes what can be read");
        let asked = Asked::read(&operation.value).expect("the binding read it, too");
        self.recipe.ended(client, &asked, &ended);
    }

    fn lost(&mut self, client: u32, operation: &Operation) {
        if let Ok(asked) = Asked::read(&operation.value) {
            self.recipe.lost(client, &asked);
        }
    }

    fn final_reads(&self) -> Vec<Operation> {
        let finals = self.recipe.finals();
        finals.iter().map(Asked::operation).collect()
    }

    fn promise(&self) -> String {
        let names: Vec<&str> = self.config.promises().map(|one| one.name).collect();
        format!("{}: {}", promises::GUARANTEES, names.join(", "))
    }

    fn kept(&self) -> &'static str {
        "What the clients saw keeps every promise of the service"
    }

    fn broken(&self, evidence: &Evidence) -> String {
        let name = evidence.promise.split(':').next().unwrap_or_default();
        format!("What the clients saw breaks the promise {name}.")
    }

    fn tested_nothing(&self, history: &History) -> Option<String> {
        self.config.kind.info().is_missing(history)
    }

    fn judge(&self, history: &History, limits: &Limits) -> Result<Findings, CheckError> {
        promises::judge(self.config.promises(), history, limits)
    }
}

#[cfg(test)]
mod tests;
