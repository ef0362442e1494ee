//! The histories of the table.

use super::peers::Peer;
use serde_json::Value;
use std::path::PathBuf;
use stormglass_checker::{Event, History, Input, Kind, Process, read};
use stormglass_workloads::generate::{Crashes, Lie, Object, Plan};

/// What the histories of a row are of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Registers,
    Texts,
    Transactions,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) subject: Subject,
    /// What is wanted of ours.
    pub(crate) aim: &'static str,
    source: Source,
}

enum Source {
    Corpus(fn(PathBuf) -> Vec<History>),
    Plan(Box<Plan>),
}

impl Row {
    /// The histories; why there are none.
    pub(crate) fn histories(&self) -> Result<Vec<History>, String> {
        match &self.source {
            Source::Plan(plan) => Ok(vec![
                plan.generate().map_err(|error| error.to_string())?.history,
            ]),
            Source::Corpus(read) => std::env::var_os("STORMGLASS_CORPUS")
                .map(|folder| read(folder.into()))
                .ok_or_else(|| {
                    "SKIPPED: STORMGLASS_CORPUS does not name a folder of recorded histories"
                        .to_owned()
                }),
        }
    }

    /// Who can judge them.
    pub(crate) fn peers(&self) -> &'static [Peer] {
        match self.subject {
            // The others copy or walk all that is left at every step.
            Subject::Registers if self.long() => &[Peer::Ours, Peer::Porcupine],
            Subject::Registers => &[Peer::Ours, Peer::Porcupine, Peer::Todc, Peer::Stateright],
            Subject::Texts => &[
                Peer::Ours,
                Peer::Porcupine,
                Peer::PorcupineUnsplit,
                Peer::Todc,
                Peer::Stateright,
            ],
            Subject::Transactions => &[Peer::Ours, Peer::Adya],
        }
    }

    fn long(&self) -> bool {
        matches!(&self.source, Source::Plan(plan) if plan.operations > 10_000)
    }
}

/// All rows, in the order of the table.
pub(crate) fn rows() -> Vec<Row> {
    let corpus = |name: &str, subject, aim, read| Row {
        name: name.to_owned(),
        subject,
        aim,
        source: Source::Corpus(read),
    };
    let made = |name: &str, aim, plan: Plan| Row {
        name: name.to_owned(),
        subject: match plan.object {
            Object::Kv => Subject::Texts,
            Object::ListAppend => Subject::Transactions,
            _ => Subject::Registers,
        },
        aim,
        source: Source::Plan(Box::new(plan)),
    };
    let cas =
        |operations, in_flight| Plan::new(Object::Register { domain: 5 }, operations, in_flight, 1);
    let crashed = |count| {
        cas(1000, 5)
            .crashing(Crashes::Exactly(count))
            .lying(Lie::Impossible, 90)
    };
    // Of five values that sixteen clients write all the time a stale one is mostly legal. With this seed it is not, and ten operations collide.
    let stale_cas = Plan {
        seed: 5,
        ..cas(1000, 16).lying(Lie::Stale, 90)
    };
    let unique_cas = Plan::new(Object::UniqueCas, 1000, 20, 1);
    let unique = Plan::new(Object::UniqueWrites, 1000, 20, 1);
    let kv = Plan::new(Object::Kv, 2000, 50, 1);
    vec![
        corpus(
            "50 etcd logs",
            Subject::Registers,
            "0.8 ms, slowest 0.06 ms",
            etcd,
        ),
        corpus("kv c10-ok", Subject::Texts, "0.3 ms", |folder| {
            kv_log(folder, "c10-ok")
        }),
        corpus("kv c10-bad", Subject::Texts, "0.3 ms", |folder| {
            kv_log(folder, "c10-bad")
        }),
        made("kv, 50 clients, 2,000 operations, good", "1 ms", kv.clone()),
        made(
            "the same, stale at 90 %",
            "1 ms",
            kv.clone().lying(Lie::Stale, 90),
        ),
        made(
            "the same, impossible at 90 %",
            "1 ms",
            kv.lying(Lie::Impossible, 90),
        ),
        made(
            "cas of 5 values, 100,000 operations, 5 in flight",
            "60 ms, 64 MiB",
            cas(100_000, 5),
        ),
        made("the same, 1,000,000 operations", "1.5 s", cas(1_000_000, 5)),
        made(
            "cas, 1,000 operations, 13 crashed, impossible",
            "2 ms",
            crashed(13),
        ),
        made("the same, 26 crashed", "5 ms", crashed(26)),
        made(
            "cas, 1,000 operations, 16 in flight, impossible",
            "50 ms",
            cas(1000, 16).lying(Lie::Impossible, 90),
        ),
        made("the same, stale", "50 ms", stale_cas),
        made(
            "cas, 1,000 operations, 20 in flight, good",
            "0.5 s",
            cas(1000, 20),
        ),
        made("the same, 30 in flight", "5 s", cas(1000, 30)),
        made(
            "unique cas, 1,000 operations, 20 in flight, good",
            "20 ms",
            unique_cas.clone(),
        ),
        made("the same, stale", "20 ms", unique_cas.lying(Lie::Stale, 90)),
        made(
            "unique writes, 1,000 operations, 20 in flight, good",
            "0.2 ms",
            unique.clone(),
        ),
        made(
            "the same, stale",
            "0.2 ms",
            unique.clone().lying(Lie::Stale, 90),
        ),
        made(
            "the same, impossible",
            "0.2 ms",
            unique.lying(Lie::Impossible, 90),
        ),
        made(
            "list-append, 100,000 transactions, 10 in flight, good",
            "0.5 s, 150 MB",
            Plan::new(Object::ListAppend, 100_000, 10, 1),
        ),
    ]
}

fn etcd(folder: PathBuf) -> Vec<History> {
    let folder = folder.join("jepsen_etcd");
    let known = std::fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
    let files = known.lines().filter_map(|line| line.split_once(' '));
    let histories = files.map(|(file, _)| read(folder.join(file), Input::Auto));
    histories
        .collect::<Result<_, _>>()
        .expect("the recorded histories can be read")
}

fn kv_log(folder: PathBuf, name: &str) -> Vec<History> {
    let path = folder.join("kv").join(name).with_extension("txt");
    let text = std::fs::read_to_string(&path).expect("the recorded histories can be read");
    vec![History {
        events: text.lines().map(kv_line).collect(),
    }]
}

/// Reads `{:process 0, :type :ok, :f :get, :key "3", :value "x"}`, one a line: just enough for these files.
fn kv_line(line: &str) -> Event {
    let field = |name: &str| {
        let rest = line
            .split_once(&format!(":{name} "))
            .map_or("", |(_, rest)| rest);
        match rest.strip_prefix('"') {
            Some(text) => text.split('"').next().unwrap_or_default(),
            None => rest
                .split([',', '}'])
                .next()
                .unwrap_or_default()
                .trim_start_matches(':'),
        }
    };
    Event {
        index: 0,
        time: 0,
        process: Process::Client(field("process").parse().expect("a process is a number")),
        kind: Kind::from_name(field("type")).expect("an event is of a known kind"),
        f: field("f").to_owned(),
        key: Some(field("key").to_owned()),
        value: Value::String(field("value").to_owned()),
        version: None,
        error: None,
    }
}
