//! Pairing of calls with returns, compared with a definition too simple to be wrong: every event looks back for the last one
//! of its process.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use stormglass_checker::{
    Event, History, HistoryError, Kind, Operation, Outcome, Problem, Process,
};

fn histories() -> impl Strategy<Value = History> {
    let process = prop_oneof![
        8 => (0..3_u64).prop_map(Process::Client),
        1 => prop_oneof![Just(1030), Just(1 << 40), Just(u64::MAX)].prop_map(Process::Client),
        1 => Just(Process::Nemesis),
    ];
    // What the event does when its process is idle or busy; now and then something that does not fit.
    let event = (process, 0..40_u8, 0..3_u8, any::<bool>());
    proptest::collection::vec(event, 0..30).prop_map(|choices| {
        let mut events: Vec<Event> = Vec::new();
        for (process, choice, value, keyed) in choices {
            let last = events.iter().rev().find(|event| event.process == process);
            let open = last.is_some_and(|last| last.kind == Kind::Invoke);
            let kind = match (open, choice) {
                (_, 0) => Kind::Invoke,
                (_, 1) | (true, 2..=24) => Kind::Ok,
                (_, 2) | (true, 25..=36) => Kind::Fail,
                (_, 3) | (true, _) => Kind::Info,
                (false, _) => Kind::Invoke,
            };
            let call = last.filter(|_| open && choice != 5);
            events.push(Event {
                index: 0,
                time: events.len() as u64 * 10,
                process,
                kind,
                f: call.map_or_else(|| format!("f{value}"), |call| call.f.clone()),
                key: match call {
                    Some(call) if choice != 6 => call.key.clone().filter(|_| keyed),
                    _ => keyed.then(|| format!("k{value}")),
                },
                value: json!(value),
                version: (value == 2).then_some(7),
                error: (choice > 30).then(|| "mismatch".to_owned()),
            });
        }
        History { events }
    })
}

/// The operations, or the line and the kind of the first problem.
fn by_looking_back(events: &[Event]) -> Result<Vec<Operation>, (usize, &'static str)> {
    let mut operations: Vec<Operation> = Vec::new();
    for (position, event) in events.iter().enumerate() {
        if event.process == Process::Nemesis {
            continue;
        }
        let earlier = &events[..position];
        let last = earlier
            .iter()
            .rposition(|other| other.process == event.process);
        let last_kind = last.map(|last| earlier[last].kind);
        let problem = match (event.kind, last_kind) {
            (Kind::Invoke, Some(Kind::Info)) => Some("reused"),
            (Kind::Invoke, Some(Kind::Invoke)) => Some("two"),
            (Kind::Invoke, _) => None,
            (_, Some(Kind::Invoke)) => {
                let call = &earlier[last.unwrap()];
                let key_differs = event.key.is_some() && event.key != call.key;
                (call.f != event.f || key_differs).then_some("differs")
            }
            _ => Some("without"),
        };
        if let Some(problem) = problem {
            return Err((position + 1, problem));
        }
    }
    for (position, event) in events.iter().enumerate() {
        let (Process::Client(process), Kind::Invoke) = (event.process, event.kind) else {
            continue;
        };
        let later =
            (position + 1..events.len()).find(|later| events[*later].process == event.process);
        let end = later.map(|later| &events[later]);
        let outcome = match end {
            None => Outcome::Unknown,
            Some(end) => match (end.kind, end.error.as_deref()) {
                (Kind::Ok, _) => Outcome::Ok(end.value.clone()),
                (Kind::Fail, Some("mismatch")) => Outcome::Mismatch,
                (Kind::Fail, _) => continue,
                _ => Outcome::Unknown,
            },
        };
        operations.push(Operation {
            id: operations.len(),
            process,
            f: event.f.clone(),
            key: event.key.clone(),
            input: event.value.clone(),
            outcome,
            call: position,
            ret: later,
            call_time: event.time,
            ret_time: end.map(|end| end.time),
            version: end.and_then(|end| end.version),
        });
    }
    Ok(operations)
}

#[test]
fn calls_and_returns_are_paired_as_defined() {
    let (good, bad) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(4000)
    });
    let outcome = runner.run(&histories(), |history| {
        let found = history.operations().map_err(|error| match error {
            HistoryError::Malformed { line, problem, .. } => {
                let kind = match problem {
                    Problem::ProcessReused { .. } => "reused",
                    Problem::TwoOpenCalls { .. } => "two",
                    Problem::ReturnDiffers { .. } => "differs",
                    Problem::ReturnWithoutCall { .. } => "without",
                    other => panic!("{other}"),
                };
                (line, kind)
            }
            other => panic!("{other}"),
        });
        let counter = if found.is_ok() { &good } else { &bad };
        counter.set(counter.get() + 1);
        prop_assert_eq!(found, by_looking_back(&history.events));
        Ok(())
    });
    outcome.unwrap();
    println!(
        "{} histories fit together, {} did not",
        good.get(),
        bad.get()
    );
    assert!(good.get() > 500 && bad.get() > 500);
}

/// A single event with a huge process number costs no memory for those below it.
#[test]
fn huge_process_numbers() {
    let event = |process, kind| Event {
        index: 0,
        time: 0,
        process: Process::Client(process),
        kind,
        f: "read".to_owned(),
        key: None,
        value: Value::Null,
        version: None,
        error: None,
    };
    let events = [u64::MAX, 1 << 40, 0]
        .into_iter()
        .flat_map(|process| [event(process, Kind::Invoke), event(process, Kind::Ok)]);
    let history = History {
        events: events.collect(),
    };
    assert_eq!(history.operations().unwrap().len(), 3);
}
