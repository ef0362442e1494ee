//! The register workload: reads, writes and compare-and-sets over several keys.
//!
//! Odd keys take values from a small domain, so that compare-and-sets meet and values come back; even keys take values never used
//! twice, so that every read names the write it saw. Each kind hides bugs from the other.

use crate::draw::Draws;
use crate::workload::{Binding, Completion, Findings, Operation, Plain, Workload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stormglass_checker::states::{Around, states};
use stormglass_checker::{
    Certificate, CheckError, History, Limits, Register as RegisterPromise, Specification, check,
};
use stormglass_impls::machine::cache::{Command, Output, Query};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::session::{Ask, Told};

/// The register workload as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegisterConfig {
    /// How many keys: `k0`, `k1`, and so on.
    pub keys: u32,
    /// How many values the odd keys take.
    pub small_domain: u64,
    /// The share of reads, in percent.
    pub reads_percent: u64,
    /// The share of writes, in percent. The rest are compare-and-sets.
    pub writes_percent: u64,
    /// The shortest pause of a client between two operations, in milliseconds.
    pub think_time_ms_min: u64,
    /// The longest.
    pub think_time_ms_max: u64,
}

impl Default for RegisterConfig {
    fn default() -> Self {
        Self {
            keys: 5,
            small_domain: 5,
            reads_percent: 40,
            writes_percent: 35,
            think_time_ms_min: 40,
            think_time_ms_max: 120,
        }
    }
}

const DAY_MS: u64 = 86_400_000;

impl RegisterConfig {
    /// What its clients ask: the names in [`Operation::f`]. The final reads are always made.
    pub fn asked(&self) -> Vec<&'static str> {
        let others = 100u64.saturating_sub(self.reads_percent.saturating_add(self.writes_percent));
        let asked = [
            ("read", true),
            ("write", self.writes_percent > 0),
            ("cas", others > 0),
        ];
        let asked = asked.iter().filter(|(_, is_asked)| *is_asked);
        asked.map(|(f, _)| *f).collect()
    }

    /// An operation of that name as its clients call it; `None` when they call none.
    pub fn sample(&self, f: &str) -> Option<Operation> {
        let f = FUNCTIONS.iter().find(|known| **known == f)?;
        let value = match *f {
            "read" => Value::Null,
            "write" => json!(1),
            _ => json!([0, 1]),
        };
        let key = Some("k0".to_string());
        Some(Operation { f, key, value })
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
                self.small_domain > 0,
                "workload: small_domain is at least 1",
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
        ];
        rules
            .iter()
            .find(|(holds, _)| !holds)
            .map(|(_, text)| *text)
    }
}

/// The register workload at work.
pub struct Register {
    config: RegisterConfig,
    draws: Draws,
    thinking: Draws,
    /// What each client last saw in each key: a compare-and-set that never matches would test nothing.
    seen: BTreeMap<(u32, String), Value>,
}

/// The clusters that keep registers.
pub const CLUSTERS: &[&str] = &["raft-cache", "paxos-cache", "zab-cache"];

/// What its operations can do.
pub const FUNCTIONS: &[&str] = &["read", "write", "cas"];

/// Which of these read.
pub const READS: &[&str] = &["read"];

/// What a draw is for, as the last of its keys.
mod purpose {
    pub(super) const KEY: u64 = 0;
    pub(super) const FUNCTION: u64 = 1;
    pub(super) const VALUE: u64 = 2;
    pub(super) const EXPECTED: u64 = 3;
}

impl Register {
    /// The workload of a seed.
    pub fn new(config: RegisterConfig, seed: u64) -> Self {
        Self {
            config,
            draws: Draws::new(seed, "register operation"),
            thinking: Draws::new(seed, "register think time"),
            seen: BTreeMap::new(),
        }
    }
}

impl Workload for Register {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn operation(&mut self, client: u32, n: u64) -> Operation {
        let draw = |purpose, high| self.draws.within(&[client.into(), n, purpose], 0..=high);
        let number = draw(purpose::KEY, u64::from(self.config.keys) - 1);
        let key = format!("k{number}");
        let small = number % 2 == 1;
        let fresh = if small {
            draw(purpose::VALUE, self.config.small_domain - 1)
        } else {
            u64::from(client) * 1_000_000_000 + n
        };
        let share = draw(purpose::FUNCTION, 99);
        let (f, value) = if share < self.config.reads_percent {
            ("read", Value::Null)
        } else if share < self.config.reads_percent + self.config.writes_percent {
            ("write", json!(fresh))
        } else {
            let seen = self.seen.get(&(client, key.clone()));
            let expected = match seen {
                Some(value) if !small || draw(purpose::EXPECTED, 1) == 0 => value.clone(),
                _ if small => json!(draw(purpose::EXPECTED, self.config.small_domain - 1)),
                _ => Value::Null,
            };
            ("cas", json!([expected, fresh]))
        };
        Operation {
            f,
            key: Some(key),
            value,
        }
    }

    fn think_time_ns(&self, client: u32, n: u64) -> u64 {
        let range =
            self.config.think_time_ms_min * 1_000_000..=self.config.think_time_ms_max * 1_000_000;
        self.thinking.within(&[client.into(), n], range)
    }

    fn completed(&mut self, client: u32, operation: &Operation, completion: &Completion) {
        let (Some(key), Completion::Ok(value)) = (&operation.key, completion) else {
            return;
        };
        let holds = match operation.f {
            "cas" => value.get(1).cloned().unwrap_or(Value::Null),
            _ => value.clone(),
        };
        self.seen.insert((client, key.clone()), holds);
    }

    fn final_reads(&self) -> Vec<Operation> {
        let read = |key| Operation {
            f: "read",
            key: Some(format!("k{key}")),
            value: Value::Null,
        };
        (0..self.config.keys).map(read).collect()
    }

    fn promise(&self) -> String {
        RegisterPromise::default().promise().to_string()
    }

    fn judge(&self, history: &History, limits: &Limits) -> Result<Findings, CheckError> {
        check(&RegisterPromise::default(), history, limits).map(Findings::from)
    }

    fn states(&self, history: &History, certificate: &Certificate) -> Vec<Option<Around>> {
        let operations = history.operations().unwrap_or_default();
        states(&RegisterPromise::default(), &operations, certificate)
    }
}

/// Registers kept in a replicated [cache](stormglass_impls::machine::cache). A value is its JSON text.
pub struct CacheBinding;

impl Binding for CacheBinding {
    fn request(&self, operation: &Operation) -> Vec<u8> {
        let key = operation.key.clone().unwrap_or_default();
        let text = |value: &Value| value.to_string();
        let ask: Ask<Command, Query> = match operation.f {
            "read" => Ask::Query(Query::Get { key }),
            "write" => Ask::Command(Command::Put {
                key,
                value: text(&operation.value),
            }),
            _ => {
                let expected = operation
                    .value
                    .get(0)
                    .filter(|value| !value.is_null())
                    .map(text);
                let new = operation.value.get(1).map(text).unwrap_or_default();
                Ask::Command(Command::Cas { key, expected, new })
            }
        };
        Parcel::new(ask).encode()
    }

    fn completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String> {
        let told: Told<Output> = postcard::from_bytes(reply).map_err(|error| error.to_string())?;
        let Told::Output(output) = told else {
            return Err(format!("{told:?} is no answer to {}", operation.f));
        };
        match (operation.f, output) {
            ("read", Output::Value(None)) => Ok(Completion::Ok(Value::Null)),
            ("read", Output::Value(Some(text))) => serde_json::from_str(&text)
                .map(Completion::Ok)
                .map_err(|error| format!("{text:?} is not JSON: {error}")),
            ("write" | "cas", Output::Stored) => Ok(Completion::Ok(operation.value.clone())),
            ("cas", Output::Mismatch) => Ok(Completion::Mismatch),
            (f, output) => Err(format!("{output:?} is no answer to {f}")),
        }
    }

    fn plain(&self, plain: Plain<'_>) -> Option<(Operation, String)> {
        let (f, key, value) = match plain {
            Plain::Read(key) => ("read", key, Value::Null),
            Plain::Write(key, value) => ("write", key, value.clone()),
            Plain::Cas(key, expected, new) => ("cas", key, json!([expected, new])),
        };
        let text = match f {
            "read" => format!("read {key}"),
            _ => format!("{f} {key} {value}"),
        };
        let key = Some(key.to_string());
        Some((Operation { f, key, value }, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_depends_on_nothing_but_its_number_and_what_its_client_saw() {
        let mut one = Register::new(RegisterConfig::default(), 3);
        let mut other = Register::new(RegisterConfig::default(), 3);
        for n in 0..50 {
            other.operation(1, n);
        }
        let drawn: Vec<_> = (0..50).map(|n| one.operation(0, n)).collect();
        let again: Vec<_> = (0..50).map(|n| other.operation(0, n)).collect();
        assert_eq!(drawn, again);
        for f in ["read", "write", "cas"] {
            assert!(
                drawn.iter().any(|operation| operation.f == f),
                "no {f} in 50 operations"
            );
        }
    }

    #[test]
    fn values_of_even_keys_are_never_used_twice() {
        let mut register = Register::new(RegisterConfig::default(), 3);
        let mut used = std::collections::BTreeSet::new();
        for client in 0..5 {
            for n in 0..200 {
                let operation = register.operation(client, n);
                if operation.f == "write"
                    && ["k0", "k2", "k4"].contains(&operation.key.as_deref().unwrap())
                {
                    assert!(
                        used.insert(operation.value.to_string()),
                        "{operation:?} repeats a value"
                    );
                }
            }
        }
        assert!(used.len() > 100);
    }

    #[test]
    fn operations_go_through_the_cache_and_back() {
        use stormglass_impls::machine::{Machine, cache::Cache};
        let mut cache = Cache::default();
        let mut run = |f: &'static str, value: Value| {
            let operation = Operation {
                f,
                key: Some("k".into()),
                value,
            };
            let ask: Ask<Command, Query> =
                postcard::from_bytes(&CacheBinding.request(&operation)).unwrap();
            let output = match ask {
                Ask::Command(command) => cache.apply(1, &command),
                Ask::Manage(_) => panic!("a workload manages nothing"),
                Ask::Query(query) => cache.query(&query),
            };
            CacheBinding
                .completion(&operation, &Parcel::new(Told::Output(output)).encode())
                .unwrap()
        };
        assert_eq!(run("read", Value::Null), Completion::Ok(Value::Null));
        assert_eq!(
            run("cas", json!([null, 1])),
            Completion::Ok(json!([null, 1]))
        );
        assert_eq!(run("cas", json!([2, 3])), Completion::Mismatch);
        assert_eq!(run("write", json!(2)), Completion::Ok(json!(2)));
        assert_eq!(run("read", Value::Null), Completion::Ok(json!(2)));
        let read = Operation {
            f: "read",
            key: Some("k".into()),
            value: Value::Null,
        };
        assert!(
            CacheBinding
                .completion(&read, &Parcel::new(Told::Output(Output::Stored)).encode())
                .is_err()
        );
        assert!(CacheBinding.completion(&read, &[200]).is_err());
    }
}
