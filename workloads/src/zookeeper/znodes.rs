//! The workloads of a ZooKeeper-style service: a recipe, and the promises that are judged by.

use super::dialect::{Asked, Ended, FUNCTIONS};
use super::promises::{self, Promise};
use super::recipes::{self, Dice, Recipe};
use crate::dice::{Settings, rest_ms_max};
use crate::draw::Draws;
use crate::resource::Resources;
use crate::workload::{Completion, Findings, Operation, Workload};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stormglass_checker::{CheckError, Evidence, History, Kind, Limits};
use stormglass_impls::zookeeper::words::{Done, Error, SessionId};

/// The clusters that have znodes.
pub const CLUSTERS: &[&str] = &["zookeeper"];

/// A workload as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZnodesConfig {
    /// What clients do.
    pub kind: ZnodesKind,
    /// How many registers, queues, locks, or what it is: `k0`, `k1`, and so on.
    pub keys: u32,
    /// Of registers: the share of reads, in percent.
    pub reads_percent: u64,
    /// Of registers: the share of sets, in percent. The rest are sets on a condition.
    pub writes_percent: u64,
    /// The shortest pause of a client between two operations, in milliseconds.
    pub think_time_ms_min: u64,
    /// The longest.
    pub think_time_ms_max: u64,
    /// How long a session lives without a sign of its client, in milliseconds. The servers grant what is nearest to it.
    pub session_ms: u64,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZnodesKind {
    /// Registers.
    Register,
    /// Sets.
    Set,
    /// Queues.
    Queue,
    /// Locks without fencing.
    Lock,
    /// Locks with fencing.
    FencedLock,
    /// Elections.
    LeaderElection,
    /// Barriers.
    Barrier,
    /// Watches.
    Watch,
    /// Sessions that end.
    SessionExpiry,
    /// Groups.
    GroupMembership,
    /// Sequential nodes.
    SequentialNumbering,
    /// Several changes at once.
    Multi,
    /// Lists of who may do what.
    Rights,
}

/// What is said of a kind.
pub struct KindInfo {
    /// The kind.
    pub kind: ZnodesKind,
    /// Its name, as given to `--workload`.
    pub name: &'static str,
    /// What its clients do, in a sentence.
    pub summary: &'static str,
    /// How many keys it has where nobody says how many.
    keys: u32,
    /// What must have ended ok once at least, lest it have tested nothing.
    essential: Essential,
}

/// See [`KindInfo::essential`].
struct Essential {
    /// Its name, for people.
    name: &'static str,
    is: fn(&str, &Ended) -> bool,
}

/// All kinds, in the order in which lists show them.
pub const KINDS: &[KindInfo] = &[
    KindInfo {
        kind: ZnodesKind::Register,
        name: "register",
        summary: "reads, sets and conditional sets of nodes that come and go; reads are local and may be stale",
        keys: 5,
        essential: Essential {
            name: "set",
            is: |_, ended| matches!(ended.result, Ok(Done::Set(_))),
        },
    },
    KindInfo {
        kind: ZnodesKind::Set,
        name: "set",
        summary: "elements are added as nodes, and never lost",
        keys: 8,
        essential: Essential {
            name: "list of elements",
            is: |_, ended| matches!(&ended.result, Ok(Done::Children(names, _)) if !names.is_empty()),
        },
    },
    KindInfo {
        kind: ZnodesKind::Queue,
        name: "queue",
        summary: "items are put at the end as sequential nodes, and the first is taken, once",
        keys: 2,
        essential: Essential {
            name: "item taken",
            is: |f, ended| f == "delete" && ended.result.is_ok(),
        },
    },
    KindInfo {
        kind: ZnodesKind::Lock,
        name: "lock",
        summary: "locks of ephemeral sequential nodes; holders are paused, and what the lock protects takes every store",
        keys: 2,
        essential: STORE,
    },
    KindInfo {
        kind: ZnodesKind::FencedLock,
        name: "fenced-lock",
        summary: "the same, and what the lock protects takes no store with an older token than it took",
        keys: 2,
        essential: STORE,
    },
    KindInfo {
        kind: ZnodesKind::LeaderElection,
        name: "leader-election",
        summary: "the first of several candidates leads, and writes down its term as long as its candidacy stands",
        keys: 2,
        essential: Essential {
            name: "term written down",
            is: |f, ended| f == "multi" && ended.result.is_ok(),
        },
    },
    KindInfo {
        kind: ZnodesKind::Barrier,
        name: "barrier",
        summary: "nobody passes a barrier before three have entered",
        keys: 1,
        essential: Essential {
            name: "barrier passed",
            is: |f, ended| f == "set" && ended.result.is_ok(),
        },
    },
    KindInfo {
        kind: ZnodesKind::Watch,
        name: "watch",
        summary: "one-shot watches on data, children and existence, while what is watched changes",
        keys: 3,
        essential: Essential {
            name: "watch that fired",
            is: |_, ended| !ended.events.is_empty(),
        },
    },
    KindInfo {
        kind: ZnodesKind::SessionExpiry,
        name: "session-expiry",
        summary: "ephemeral nodes of sessions that end, for their clients stand still or close them",
        keys: 2,
        essential: Essential {
            name: "ephemeral node",
            is: |_, ended| matches!(&ended.result, Ok(Done::Created { stat, .. }) if stat.ephemeral_owner != SessionId::NONE),
        },
    },
    KindInfo {
        kind: ZnodesKind::GroupMembership,
        name: "group-membership",
        summary: "members join, list each other, leave, and drop out",
        keys: 2,
        essential: Essential {
            name: "list of members",
            is: |_, ended| matches!(&ended.result, Ok(Done::Children(names, _)) if !names.is_empty()),
        },
    },
    KindInfo {
        kind: ZnodesKind::SequentialNumbering,
        name: "sequential-numbering",
        summary: "sequential nodes come and go, and no number comes twice",
        keys: 2,
        essential: Essential {
            name: "number",
            is: |_, ended| matches!(&ended.result, Ok(Done::Created { path, .. }) if path.contains("/s-")),
        },
    },
    KindInfo {
        kind: ZnodesKind::Multi,
        name: "multi",
        summary: "several nodes are set, made, checked and removed at once, or none of them",
        keys: 3,
        essential: Essential {
            name: "multi",
            is: |f, ended| f == "multi" && ended.result.is_ok(),
        },
    },
    KindInfo {
        kind: ZnodesKind::Rights,
        name: "rights",
        summary: "three users guard nodes by lists of who may do what, and try each other's",
        keys: 3,
        essential: Essential {
            name: "refusal for want of a right",
            is: |_, ended| ended.result == Err(Error::NoAuth),
        },
    },
];

const STORE: Essential = Essential {
    name: "store by a holder of a lock",
    is: |_, ended| ended.stored.is_some(),
};

const DAY_MS: u64 = 86_400_000;

impl ZnodesKind {
    /// What is said of it.
    pub fn info(self) -> &'static KindInfo {
        let info = KINDS.iter().find(|info| info.kind == self);
        info.expect("every kind is in the list")
    }
}

impl ZnodesConfig {
    /// The default form of a kind.
    pub fn of(kind: ZnodesKind) -> Self {
        Self {
            kind,
            keys: kind.info().keys,
            reads_percent: 40,
            writes_percent: 35,
            think_time_ms_min: 40,
            think_time_ms_max: 120,
            session_ms: 1_500,
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
                (1..=DAY_MS).contains(&self.session_ms),
                "workload: session_ms is 1 to a day",
            ),
        ];
        let broken = rules.iter().find(|(holds, _)| !holds);
        broken.map(|(_, text)| *text)
    }

    /// The path of a key.
    pub(crate) fn key(&self, number: usize) -> String {
        let finals = recipes::recipe(self).finals();
        let path = finals.get(number).and_then(|read| read.path());
        path.map_or_else(|| format!("/k{number}"), str::to_owned)
    }

    /// The longest time that a client stands still, in milliseconds.
    pub(crate) fn rest_ms_max(&self) -> u64 {
        rest_ms_max(self)
    }

    fn promises(&self) -> impl Iterator<Item = &'static Promise> {
        let besides = match self.kind {
            ZnodesKind::FencedLock => promises::FENCED_ONLY,
            _ => &[],
        };
        promises::ALL.iter().chain(besides)
    }
}

impl Settings for ZnodesConfig {
    fn keys(&self) -> u32 {
        self.keys
    }

    fn life_ms(&self) -> u64 {
        self.session_ms
    }
}

/// A workload at work.
pub struct Znodes {
    config: ZnodesConfig,
    recipe: Box<dyn Recipe>,
    /// What every client makes first, unless it is there.
    roots: Vec<Asked>,
    draws: Draws,
    thinking: Draws,
    clients: BTreeMap<u32, Progress>,
    /// What locks protect.
    resources: Resources,
}

/// How far a client is.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// How many of the recipe's roots are there for certain.
    roots: usize,
    session: SessionId,
}

impl Znodes {
    /// The workload of a seed.
    pub fn new(config: ZnodesConfig, seed: u64) -> Self {
        let is_fenced = config.kind == ZnodesKind::FencedLock;
        let recipe = recipes::recipe(&config);
        Self {
            roots: recipe.roots(),
            recipe,
            config,
            draws: Draws::new(seed, "znode operation"),
            thinking: Draws::new(seed, "znode think time"),
            clients: BTreeMap::new(),
            resources: Resources::new(is_fenced),
        }
    }
}

impl Workload for Znodes {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn operation(&mut self, client: u32, n: u64) -> Operation {
        let progress = self.clients.entry(client).or_default();
        let root = self.roots.get(progress.roots);
        let asked = root.cloned().unwrap_or_else(|| {
            self.recipe.next(&Dice {
                config: &self.config,
                draws: &self.draws,
                client,
                n,
            })
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
        if let Ok(Asked::Store { path, token, .. }) = &Asked::read(&operation.value) {
            ended.stored = Some(self.resources.store(path, *token));
        }
        Completion::Ok(ended.value())
    }

    fn completed(&mut self, client: u32, operation: &Operation, completion: &Completion) {
        let Completion::Ok(value) = completion else {
            return;
        };
        let ended = Ended::read(value).expect("the binding writes what can be read");
        let asked = Asked::read(&operation.value).expect("the binding read it, too");
        let progress = self.clients.entry(client).or_default();
        let before = std::mem::replace(&mut progress.session, ended.session);
        let awaited = self.roots.get(progress.roots);
        if awaited == Some(&asked) {
            if matches!(ended.result, Ok(_) | Err(Error::NodeExists)) {
                progress.roots += 1;
            }
            return;
        }
        if before != ended.session && before != SessionId::NONE {
            self.recipe.anew(client);
        }
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
        let essential = &self.config.kind.info().essential;
        let answers = history.events.iter().filter(|event| event.kind == Kind::Ok);
        let mut ended =
            answers.filter_map(|event| Some((event.f.as_str(), Ended::read(&event.value).ok()?)));
        let seen = ended.any(|(f, ended)| (essential.is)(f, &ended));
        (!seen).then(|| format!("there was no {}", essential.name))
    }

    fn judge(&self, history: &History, limits: &Limits) -> Result<Findings, CheckError> {
        promises::judge(self.config.promises(), history, limits)
    }
}

#[cfg(test)]
mod tests;
