//! Builds small runs by hand, so that tests know every number in them.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod hostile;
pub(crate) mod measured;
pub(crate) mod pages;

use serde_json::{Value, json};
use std::path::Path;
use stormglass_checker::{Event, History, Kind, Process};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::record::{
    FactRecord, FaultRecord, FaultStatus, Marks, RECORD_VERSION, Record, Run, Traffic, Wear,
};
use stormglass_nemesis::schedule::{Action, Disturbance, Fault, Leaves, Links, Target, When};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::{RunDirectory, RunSummary, Timings};
use stormglass_workloads::workload::WorkloadConfig;

pub(crate) const COMMAND: &str = "cargo run --release -- run raft-cache --seed 7";

/// A trial and what came back from it, under construction.
pub(crate) struct Scenario {
    pub(crate) trial: Trial,
    events: Vec<Event>,
    pub(crate) record: Record,
}

impl Scenario {
    /// Ten seconds of storm over three nodes and two clients, with a partition from 2 s to 4 s, a crash of the leader from 5 s to 5.5 s and
    /// a fault that was skipped. Forty operations, and the final reads; all of them legal.
    pub(crate) fn storm() -> Self {
        let mut scenario = Self::empty();
        scenario.fault(
            0,
            2,
            FaultKind::PartitionOne,
            Action::Disturb {
                links: Links::Around {
                    target: Target::Node(NodeId(2)),
                },
                disturbance: Disturbance::Cut,
            },
            (2_000, 4_000),
        );
        scenario.fault(
            1,
            1,
            FaultKind::Crash,
            Action::Crash {
                target: Target::Leader,
                leaves: Leaves::Some,
            },
            (5_000, 5_500),
        );
        scenario.fault(
            2,
            1,
            FaultKind::Crash,
            Action::Crash {
                target: Target::Leader,
                leaves: Leaves::Some,
            },
            (6_000, 6_500),
        );
        scenario.record.faults[2].status = FaultStatus::Skipped {
            reason: "nobody leads".to_string(),
        };
        (
            scenario.record.faults[2].from_ns,
            scenario.record.faults[2].until_ns,
        ) = (None, None);
        scenario.fact(300, 1, Fact::BecameLeader { epoch: 1 });
        scenario.fact(5_200, 3, Fact::BecameLeader { epoch: 2 });
        for number in 0..20 {
            let at_ms = 400 + number * 400;
            let key = format!("k{}", number % 5);
            scenario.ok(
                0,
                at_ms,
                at_ms + 10,
                "write",
                &key,
                json!(number),
                json!(number),
            );
            scenario.ok(
                1,
                at_ms + 20,
                at_ms + 23,
                "read",
                &key,
                Value::Null,
                json!(number),
            );
        }
        scenario.mismatch(1, 9_000, 9_005, "k0", json!([77, 78]));
        for key in 0..5 {
            scenario.ok(
                0,
                10_100 + key * 10,
                10_105 + key * 10,
                "read",
                &format!("k{key}"),
                Value::Null,
                json!(15 + key),
            );
        }
        scenario
    }

    /// The same storm, and a read that saw a value after it was overwritten.
    pub(crate) fn stale_read() -> Self {
        let mut scenario = Self::storm();
        scenario.ok(
            0,
            8_500,
            8_510,
            "write",
            "stale",
            json!("old"),
            json!("old"),
        );
        scenario.ok(
            0,
            8_520,
            8_530,
            "write",
            "stale",
            json!("new"),
            json!("new"),
        );
        scenario.ok(1, 8_540, 8_550, "read", "stale", Value::Null, json!("old"));
        scenario
    }

    pub(crate) fn empty() -> Self {
        let workload = WorkloadConfig::register();
        let mut trial = Trial::calm("raft-cache", workload, Arena::Simulator, 7);
        (trial.nodes, trial.clients, trial.storm_ms) = (3, 2, 10_000);
        let record = Record {
            schema_version: RECORD_VERSION,
            digest: "0123456789abcdef0123456789abcdef".to_string(),
            marks: Marks {
                every: 1,
                digits: String::new(),
            },
            inputs: 1_234,
            interrupted: false,
            ended_ns: 11_000_000_000,
            healed_ns: 10_000_000_000,
            traffic: Traffic {
                sent: 5_000,
                cut: 40,
                ..Traffic::default()
            },
            wear: Wear::default(),
            faults: vec![],
            facts: vec![],
            violations: vec![],
        };
        Self {
            trial,
            events: vec![],
            record,
        }
    }

    pub(crate) fn fault(
        &mut self,
        id: u32,
        node: u8,
        kind: FaultKind,
        action: Action,
        (from_ms, until_ms): (u64, u64),
    ) {
        let fault = Fault {
            id,
            kind,
            action,
            when: When::AtMs(from_ms),
            lasts_ms: until_ms - from_ms,
        };
        self.record.faults.push(FaultRecord {
            id,
            kind,
            nodes: vec![NodeId(node)],
            from_ns: Some(from_ms * 1_000_000),
            until_ns: Some(until_ms * 1_000_000),
            status: FaultStatus::Installed,
            effects: 12,
        });
        self.trial.schedule.push(fault);
    }

    pub(crate) fn fact(&mut self, at_ms: u64, node: u8, fact: Fact) {
        self.record.facts.push(FactRecord {
            time_ns: at_ms * 1_000_000,
            node: NodeId(node),
            fact,
        });
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "these are the columns of a history"
    )]
    pub(crate) fn ok(
        &mut self,
        process: u64,
        from_ms: u64,
        until_ms: u64,
        f: &str,
        key: &str,
        argument: Value,
        result: Value,
    ) {
        self.line(from_ms, process, Kind::Invoke, f, key, argument, None);
        self.line(until_ms, process, Kind::Ok, f, key, result, None);
    }

    pub(crate) fn mismatch(
        &mut self,
        process: u64,
        from_ms: u64,
        until_ms: u64,
        key: &str,
        argument: Value,
    ) {
        self.line(
            from_ms,
            process,
            Kind::Invoke,
            "cas",
            key,
            argument.clone(),
            None,
        );
        self.line(
            until_ms,
            process,
            Kind::Fail,
            "cas",
            key,
            argument,
            Some("mismatch"),
        );
    }

    pub(crate) fn unknown(
        &mut self,
        process: u64,
        from_ms: u64,
        until_ms: u64,
        key: &str,
        argument: Value,
        error: &str,
    ) {
        self.line(
            from_ms,
            process,
            Kind::Invoke,
            "write",
            key,
            argument.clone(),
            None,
        );
        self.line(
            until_ms,
            process,
            Kind::Info,
            "write",
            key,
            argument,
            Some(error),
        );
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "these are the columns of a history"
    )]
    pub(crate) fn line(
        &mut self,
        at_ms: u64,
        process: u64,
        kind: Kind,
        f: &str,
        key: &str,
        value: Value,
        error: Option<&str>,
    ) {
        self.events.push(Event {
            index: 0,
            time: at_ms * 1_000_000,
            process: Process::Client(process),
            kind,
            f: f.to_string(),
            key: Some(key.to_string()),
            value,
            version: None,
            error: error.map(str::to_string),
        });
    }

    /// The same, with writes that take so many milliseconds longer.
    pub(crate) fn slower(mut self, ms: u64) -> Self {
        let slow = |event: &&mut Event| event.kind == Kind::Ok && event.f == "write";
        for event in self.events.iter_mut().filter(slow) {
            event.time += ms * 1_000_000;
        }
        self
    }

    /// The run, its events in order of time.
    pub(crate) fn run(&self) -> Run {
        let mut events = self.events.clone();
        events.sort_by_key(|event| event.time);
        for (index, event) in (0..).zip(&mut events) {
            event.index = index;
        }
        Run {
            history: History { events },
            record: self.record.clone(),
        }
    }

    pub(crate) fn judged(&self) -> Judged {
        judge(&self.trial, &self.run()).expect("the scenario is a history")
    }

    /// Writes the run into a directory of its own in `out`.
    pub(crate) fn write(&self, out: &Path) -> (RunDirectory, RunSummary) {
        let directory = RunDirectory::create(out, &self.trial).expect("the directory is writable");
        let timings = Timings {
            simulate_cpu_ms: Some(120.0),
            judge_cpu_ms: Some(30.5),
            wall_ms: Some(200.0),
        };
        let summary = directory
            .write(&self.trial, &self.run(), &self.judged(), &timings, COMMAND)
            .expect("the directory is writable");
        (directory, summary)
    }
}

/// The text of a file of a run.
pub(crate) fn file(directory: &RunDirectory, name: &str) -> String {
    std::fs::read_to_string(directory.path().join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What the script of a page reads.
pub(crate) fn script_data(page: &str) -> Value {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let packed = page.split("id=\"data\">").nth(1).unwrap();
    let packed = packed.split("</script>").next().unwrap();
    let bytes = BASE64_STANDARD.decode(packed).unwrap();
    serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap()
}

/// Writes, reads and refused compare-and-sets of so many clients, so many rounds of them. Every value is another.
pub(crate) fn long_run(clients: u64, rounds: u64) -> Scenario {
    let mut scenario = Scenario::empty();
    scenario.trial.clients = clients as u32;
    for number in 0..rounds {
        for client in 0..clients {
            let (from_ms, key) = (number * 15 + client, format!("k{client}"));
            let value = json!(client * 1_000_000_000 + number);
            match number % 3 {
                0 => {
                    let until_ms = from_ms + 7 + number % 5;
                    scenario.ok(
                        client,
                        from_ms,
                        until_ms,
                        "write",
                        &key,
                        value.clone(),
                        value,
                    );
                }
                1 => {
                    let seen = json!(client * 1_000_000_000 + number - 1);
                    scenario.ok(
                        client,
                        from_ms,
                        from_ms + 3,
                        "read",
                        &key,
                        Value::Null,
                        seen,
                    );
                }
                _ => scenario.mismatch(client, from_ms, from_ms + 5, &key, json!([number, 1])),
            }
        }
    }
    let ended_ns = (rounds * 15 + 100) * 1_000_000;
    (scenario.record.healed_ns, scenario.record.ended_ns) = (ended_ns - 50_000_000, ended_ns);
    scenario
}
