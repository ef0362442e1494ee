//! Limits hold, and work is counted. Nothing here depends on how fast the machine is, but for one generous bound.

mod common;

use std::time::{Duration, Instant};

use common::{Simulation, event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::{
    History, Kind, Limits, Operation, Outcome, Reason, Register, Specification, SpecificationError, Unknown, Verdict,
    check, verify,
};

/// A counter: `add` and `get`. The sums of subsets make every set of unknown adds a state of its own.
struct Counter;

enum CounterOp {
    Add(u64),
    Get(u64),
}

impl Specification for Counter {
    type Op = CounterOp;
    type State = u64;

    fn name(&self) -> &str {
        "counter"
    }
    fn promise(&self) -> &str {
        "an exact counter"
    }
    fn parse(&self, operation: &Operation) -> Result<Option<CounterOp>, SpecificationError> {
        let number = |value: &Value| value.as_u64().ok_or_else(|| SpecificationError::new("a number", value));
        Ok(match (operation.f.as_str(), &operation.outcome) {
            ("get", Outcome::Ok(value)) => Some(CounterOp::Get(number(value)?)),
            ("get", _) => None,
            _ => Some(CounterOp::Add(number(&operation.input)?)),
        })
    }
    fn initial(&self) -> u64 {
        0
    }
    fn step(&self, state: &u64, op: &CounterOp) -> Option<u64> {
        match op {
            CounterOp::Add(more) => state.checked_add(*more),
            CounterOp::Get(seen) => (seen == state).then_some(*state),
        }
    }
    fn describe(&self, op: &CounterOp) -> String {
        match op {
            CounterOp::Add(more) => format!("add of {more}"),
            CounterOp::Get(seen) => format!("get of {seen}"),
        }
    }
    fn per_key(&self) -> bool {
        true
    }
}

/// Forty adds of unknown outcome, each a power of three, and a read of a sum no subset has.
fn subset_sums() -> History {
    let mut events = Vec::new();
    for exponent in 0..40 {
        let value = json!(3_u64.pow(exponent));
        events.push(event(exponent.into(), Kind::Invoke, "add", value.clone()));
        events.push(event(exponent.into(), Kind::Info, "add", value));
    }
    events.extend(ok(1000, "get", Value::Null, json!(2)));
    history(events)
}

fn unknown(history: &History, limits: &Limits) -> (Unknown, stormglass_checker::Work) {
    let judgement = check(&Counter, history, limits).unwrap();
    match judgement.verdict {
        Verdict::Unknown(unknown) => (unknown, judgement.work),
        other => panic!("there are 2^40 subsets to try: {other:?}"),
    }
}

#[test]
fn memory_stays_under_its_limit() {
    const LIMIT: u64 = 64 << 20;
    let resident_kib = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let before = resident_kib();
    let (found, work) = unknown(&subset_sums(), &Limits { bytes: LIMIT, ..Limits::default() });
    assert_eq!((found.reason, found.limit), (Reason::Bytes, LIMIT));
    assert_eq!((found.progress.events_judged, found.progress.events_total), (81, 82));
    assert!(work.bytes_peak <= LIMIT && work.bytes_peak > LIMIT / 2, "{work:?}");
    match before.zip(resident_kib()) {
        Some((before, after)) => {
            println!("{} KiB more at the peak, {} KiB accounted", after - before, work.bytes_peak / 1024);
            assert!(after - before < LIMIT / 1024 * 5 / 4, "the process grew by {} KiB", after - before);
        }
        None => eprintln!("SKIPPED: the size of the process: /proc/self/status has no VmHWM here"),
    }
}

#[test]
fn steps_stay_under_their_limit() {
    let limits = Limits { steps: 100_000, ..Limits::default() };
    let (found, work) = unknown(&subset_sums(), &limits);
    assert_eq!((found.reason, found.limit), (Reason::Steps, 100_000));
    assert!(work.steps < 110_000, "{work:?}");
    assert_eq!((found, work), unknown(&subset_sums(), &limits), "work is the same every time");
}

#[test]
fn time_ends_even_a_single_return() {
    let limits = Limits { time: Some(Duration::from_millis(50)), ..Limits::default() };
    let started = Instant::now();
    let (found, _) = unknown(&subset_sums(), &limits);
    assert_eq!(found.reason, Reason::Time);
    assert_eq!(found.limit, 50_000_000);
    // A thousand times the limit: this tells an endless loop from a busy machine.
    assert!(started.elapsed() < Duration::from_secs(50));
}

#[test]
fn a_broken_key_beats_an_unknown_one() {
    let mut events = subset_sums().events;
    for event in &mut events {
        event.key = Some("a".to_owned());
    }
    let mut broken = ok(2000, "get", Value::Null, json!(5));
    broken.iter_mut().for_each(|event| event.key = Some("b".to_owned()));
    events.extend(broken);
    let judgement = check(&Counter, &history(events), &Limits { steps: 100_000, ..Limits::default() }).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else { panic!("key b is broken") };
    assert_eq!((evidence.key.as_deref(), evidence.prefix_events), (Some("b"), 84));
}

/// A hundred writes and compare-and-sets in flight at once, more than a machine word has bits.
#[test]
fn more_than_64_operations_in_flight() {
    let in_flight = |last_seen: Value| {
        let mut events = Vec::new();
        for process in 0..100 {
            let (f, value) = if process % 10 == 0 { ("cas", json!([process, process + 1])) } else { ("write", json!(process)) };
            events.push(event(process, Kind::Invoke, f, value));
        }
        // Each value is seen, in an order of the reader's own choice.
        for seen in (0..100_u64).filter(|seen| seen % 10 != 0).rev() {
            events.extend(ok(100, "read", Value::Null, json!(seen)));
        }
        for process in (0..100).filter(|process| process % 10 != 0) {
            events.push(event(process, Kind::Ok, "write", json!(process)));
        }
        events.extend(ok(100, "read", Value::Null, last_seen));
        for process in (0..100).step_by(10) {
            let mut refused = event(process, Kind::Fail, "cas", Value::Null);
            refused.error = Some("mismatch".to_owned());
            events.push(refused);
        }
        history(events)
    };
    let legal = in_flight(json!(1));
    let judgement = check(&Register::default(), &legal, &Limits::default()).unwrap();
    let Verdict::Valid(certificate) = judgement.verdict else { panic!("1 was seen last") };
    verify(&Register::default(), &legal.operations().unwrap(), &certificate).unwrap();
    assert_eq!(certificate.parts[0].order.len(), 191);

    // 55 was seen before 44 was, and cannot come back.
    let judgement = check(&Register::default(), &in_flight(json!(55)), &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else { panic!("55 was overwritten") };
    println!("{:?}, {} culprits, minimal {}", judgement.work, evidence.culprits.len(), evidence.minimal);
}

/// A hundred thousand operations cost a fixed number of steps, a few an operation, and a small frontier.
#[test]
fn long_histories_cost_little() {
    let operations = 100_000;
    let history = Simulation { operations, clients: 5, values: 5, info_permille: 0, seed: 1 }.run();
    let judgement = check(&Register::default(), &history, &Limits::default()).unwrap();
    let Verdict::Valid(certificate) = judgement.verdict else { panic!("a simulated register is legal") };
    verify(&Register::default(), &history.operations().unwrap(), &certificate).unwrap();
    println!("{:?}", judgement.work);
    assert!(judgement.work.steps < 30 * operations as u64, "{:?}", judgement.work);
    assert!(judgement.work.frontier_peak <= 32, "{:?}", judgement.work);
    assert!(judgement.work.bytes_peak < 64 << 20, "{:?}", judgement.work);
}

/// One operation in a hundred ends unknown: a thousand of them stay open to the end.
#[test]
fn a_thousand_unknown_operations_cost_little() {
    let operations = 100_000;
    let history = Simulation { operations, clients: 5, values: 5, info_permille: 10, seed: 2 }.run();
    let judgement = check(&Register::default(), &history, &Limits::default()).unwrap();
    let Verdict::Valid(certificate) = judgement.verdict else { panic!("a simulated register is legal") };
    verify(&Register::default(), &history.operations().unwrap(), &certificate).unwrap();
    println!("{:?}", judgement.work);
    assert!(judgement.work.steps < 2000 * operations as u64, "{:?}", judgement.work);
}
