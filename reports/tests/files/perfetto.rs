//! The time axis for trace viewers. Start here: the first test shows all of a small one.

use crate::common::hostile::{ATTACKS, hostile};
use crate::common::{Scenario, file, long_run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::record::{Violation, ViolationKind};
use stormglass_nemesis::schedule::{Action, Leaves, Target};
use stormglass_reports::perfetto;

fn trace(scenario: &Scenario) -> Value {
    let bytes = perfetto::render(&scenario.trial, &scenario.run(), &scenario.judged());
    serde_json::from_slice(&bytes).expect("it is JSON")
}

fn events(trace: &Value) -> Vec<&Value> {
    trace["traceEvents"].as_array().unwrap().iter().collect()
}

fn crash(scenario: &mut Scenario, id: u32, node: u8, span: (u64, u64)) {
    let action = Action::Crash {
        target: Target::Node(NodeId(node)),
        leaves: Leaves::Some,
    };
    scenario.fault(id, node, FaultKind::Crash, action, span);
}

/// The tutorial: two clients, three nodes, a crash, a leader, and a call that never returned.
#[test]
fn a_small_run_is_a_small_trace() {
    let mut scenario = Scenario::empty();
    crash(&mut scenario, 0, 3, (3, 5));
    scenario.fact(1, 3, Fact::BecameLeader { epoch: 1 });
    scenario.ok(0, 2, 4, "write", "k", json!(1), json!(1));
    scenario.line(
        6,
        1,
        stormglass_checker::Kind::Invoke,
        "read",
        "k",
        Value::Null,
        None,
    );
    scenario.record.ended_ns = 10_000_001;
    scenario.record.healed_ns = 9_000_000;
    let bytes = perfetto::render(&scenario.trial, &scenario.run(), &scenario.judged());
    let text = String::from_utf8(bytes).unwrap();
    let expected = include_str!("perfetto/small.json");
    assert_eq!(text, expected, "this is what there is now:\n{text}");
}

#[test]
fn every_operation_is_there_with_what_became_of_it() {
    let mut scenario = Scenario::stale_read();
    scenario.unknown(3, 9_200, 9_300, "k1", json!(9), "timeout");
    let trace = trace(&scenario);
    let clients: Vec<&Value> = events(&trace)
        .into_iter()
        .filter(|event| event["pid"] == 1 && event["ph"] == "X")
        .collect();
    assert_eq!(clients.len(), 50);
    let run = scenario.run();
    let called: Vec<_> = run
        .history
        .events
        .iter()
        .filter(|event| event.kind == stormglass_checker::Kind::Invoke)
        .collect();
    for (event, call) in clients.iter().zip(&called) {
        assert_eq!(event["args"]["function"], json!(call.f));
        assert_eq!(event["args"]["key"], json!(call.key));
        assert_eq!(event["args"]["argument"], call.value);
        assert_eq!(event["ts"].as_f64().unwrap(), call.time as f64 / 1e3);
    }
    let outcomes = clients.iter().fold(
        BTreeMap::new(),
        |mut outcomes: BTreeMap<&str, usize>, event| {
            *outcomes
                .entry(event["args"]["outcome"].as_str().unwrap())
                .or_default() += 1;
            outcomes
        },
    );
    assert_eq!(
        outcomes,
        BTreeMap::from([("ok", 48), ("fail", 1), ("unknown", 1)])
    );
    let unknown = clients
        .iter()
        .find(|event| event["args"]["outcome"] == "unknown")
        .unwrap();
    assert_eq!(unknown["args"]["error"], "timeout");
    assert_eq!(unknown["dur"], json!(100_000.0));
}

#[test]
fn nodes_faults_and_what_broke_are_there() {
    let mut scenario = Scenario::stale_read();
    scenario.record.violations.push(Violation {
        kind: ViolationKind::Invariant,
        name: "election-safety".to_string(),
        time_ns: 5_300_000_000,
        node: Some(NodeId(3)),
        message: "n1 and n3 both lead term 2".to_string(),
    });
    let trace = trace(&scenario);
    let named = |name: &str| {
        events(&trace)
            .into_iter()
            .filter(|event| event["name"] == name)
            .collect::<Vec<_>>()
    };
    let leads = named("leads term 1");
    assert_eq!(
        (leads[0]["ts"].as_f64(), leads[0]["dur"].as_f64()),
        (Some(300_000.0), Some(4_700_000.0)),
        "until it was stopped"
    );
    assert_eq!(
        named("down").len(),
        1,
        "the crash that was skipped kept nobody down"
    );
    assert_eq!(named("became leader").len(), 2);
    assert_eq!(named("became leader")[0]["args"], json!({"epoch": 1}));
    assert_eq!(named("partition-one")[0]["args"]["nodes"], "n2");
    for (name, at_us) in [
        ("healed", 10_000_000.0),
        ("election-safety", 5_300_000.0),
        ("the promise is broken", 8_550_000.0),
    ] {
        let [mark] = named(name)[..] else {
            panic!("{name} is there once");
        };
        assert_eq!(
            (&mark["ph"], &mark["s"], mark["ts"].as_f64()),
            (&json!("i"), &json!("g"), Some(at_us))
        );
    }
    assert_eq!(trace["otherData"]["verdict"], "violation");
}

/// Of a run whose clocks, keys and texts are an enemy's.
fn enemy() -> Scenario {
    let mut scenario = hostile();
    // One after the other, within each other, and across each other.
    for (id, span) in [
        (7, (100, 200)),
        (8, (110, 120)),
        (9, (150, 250)),
        (10, (150, 250)),
    ] {
        crash(&mut scenario, id, 1, span);
    }
    for number in 0..30 {
        // Processes of one client that all are open at once.
        scenario.ok(
            1_000 + number * 2,
            20 + number,
            300 + number,
            "write",
            "over",
            json!(number),
            json!(number),
        );
    }
    scenario
}

#[test]
fn times_never_go_back_and_slices_stand_within_each_other() {
    let trace = trace(&enemy());
    let mut last = 0.0;
    let mut open: BTreeMap<(u64, u64), Vec<f64>> = BTreeMap::new();
    let mut overlapping = BTreeSet::new();
    for event in events(&trace)
        .into_iter()
        .filter(|event| event["ph"] != "M")
    {
        let from = event["ts"].as_f64().unwrap();
        assert!(from >= last, "{event} comes after {last}");
        last = from;
        let Some(lasts) = event["dur"].as_f64() else {
            continue;
        };
        assert!(lasts >= 0.0, "{event}");
        let thread = (
            event["pid"].as_u64().unwrap(),
            event["tid"].as_u64().unwrap(),
        );
        let open = open.entry(thread).or_default();
        open.retain(|until| *until > from + 1e-6);
        if open.iter().any(|until| *until < from + lasts - 1e-6) {
            overlapping.insert(thread);
        }
        open.push(from + lasts);
    }
    // Thirty at once are more than there are threads for one client: the last takes the rest.
    assert!(overlapping.len() <= 1, "{overlapping:?}");
    let names: Vec<&str> = events(&trace)
        .into_iter()
        .filter(|event| event["name"] == "thread_name")
        .filter_map(|event| event["args"]["name"].as_str())
        .collect();
    for name in [
        "client 0",
        "client 0 (8)",
        "client 1",
        "n1",
        "n1 (2)",
        "crash",
        "crash (2)",
        "run",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(!names.contains(&"client 0 (9)"));
}

#[test]
fn every_thread_has_a_name_and_a_place() {
    let trace = trace(&enemy());
    let of = |name: &str| -> BTreeSet<(u64, u64)> {
        let named = events(&trace)
            .into_iter()
            .filter(|event| event["name"] == name);
        named
            .map(|event| {
                (
                    event["pid"].as_u64().unwrap(),
                    event["tid"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let (names, places) = (of("thread_name"), of("thread_sort_index"));
    assert_eq!(names, places);
    let numbers: BTreeSet<u64> = names.iter().map(|(_, tid)| *tid).collect();
    assert_eq!(numbers.len(), names.len(), "no two threads share a number");
    for event in events(&trace)
        .into_iter()
        .filter(|event| event["ph"] != "M")
    {
        let thread = (
            event["pid"].as_u64().unwrap(),
            event["tid"].as_u64().unwrap(),
        );
        assert!(names.contains(&thread), "{event}");
    }
    let processes: Vec<&Value> = events(&trace)
        .into_iter()
        .filter(|event| event["name"] == "process_name")
        .collect();
    assert_eq!(processes.len(), 4);
}

#[test]
fn hostile_values_are_there_exactly() {
    let trace = trace(&enemy());
    for attack in ATTACKS {
        let found = events(&trace)
            .into_iter()
            .find(|event| event["args"]["key"] == *attack && event["args"]["function"] == "write");
        let event = found.unwrap_or_else(|| panic!("{attack:?} is missing"));
        assert_eq!(
            (&event["args"]["argument"], &event["args"]["result"]),
            (&json!(attack), &json!(attack))
        );
    }
    assert_eq!(trace["otherData"]["cluster"], json!(ATTACKS.concat()));
}

#[test]
fn the_file_of_a_run_is_the_trace() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::stale_read();
    let (directory, _) = scenario.write(out.path());
    let written = file(&directory, "perfetto.json");
    let again = perfetto::render(&scenario.trial, &scenario.run(), &scenario.judged());
    assert_eq!(
        written.as_bytes(),
        again,
        "the same run gives the same bytes"
    );
}

#[test]
fn a_hundred_thousand_operations_are_all_there_in_less_than_25_megabytes() {
    let scenario = long_run(10, 10_000);
    let bytes = perfetto::render(&scenario.trial, &scenario.run(), &scenario.judged());
    assert!(bytes.len() < 25_000_000, "{} bytes", bytes.len());
    let trace: Value = serde_json::from_slice(&bytes).unwrap();
    let events = trace["traceEvents"].as_array().unwrap().iter();
    let operations =
        events.filter(|event| event["ph"] == "X" && event["args"].get("outcome").is_some());
    assert_eq!(operations.count(), 100_000);
}
