//! Limits hold, and work is counted. Nothing here depends on how fast the machine is, but for one generous bound.

use std::time::{Duration, Instant};

use crate::common::fuzz::{Size, mutate, play};
use crate::common::players::nondeterministic::LossyCounter;
use crate::common::players::register::{Asked, Registers};
use crate::common::{Simulation, event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::{
    Counter, History, Kind, Limits, Operation, Possibilities, Reason, Register, Specification,
    SpecificationError, Unknown, Verdict, Work, check, spend, verify,
};

/// Forty adds of unknown outcome, each a power of three, and a read of a sum no subset has. Every set of adds is a state of its own,
/// so that no law of the search can merge them.
fn subset_sums() -> History {
    let mut events = Vec::new();
    for exponent in 0..40 {
        let value = json!(3_u64.pow(exponent));
        events.push(event(exponent.into(), Kind::Invoke, "add", value.clone()));
        events.push(event(exponent.into(), Kind::Info, "add", value));
    }
    events.extend(ok(1000, "read", Value::Null, json!(2)));
    history(events)
}

fn unknown(history: &History, limits: &Limits) -> (Unknown, Work) {
    let judgement = check(&Counter, history, limits).unwrap();
    match judgement.verdict {
        Verdict::Unknown(unknown) => (unknown, judgement.work),
        other => panic!("there are 2^40 subsets to try: {other:?}"),
    }
}

#[test]
fn steps_stay_under_their_limit() {
    let limits = Limits {
        steps: 100_000,
        ..Limits::default()
    };
    let (found, work) = unknown(&subset_sums(), &limits);
    assert_eq!((found.reason, found.limit), (Reason::Steps, 100_000));
    assert!(work.steps < 110_000, "{work:?}");
    assert_eq!(
        (found, work),
        unknown(&subset_sums(), &limits),
        "work is the same every time"
    );
}

#[test]
fn time_ends_even_a_single_return() {
    let limits = Limits {
        time: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
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
    let mut broken = ok(2000, "read", Value::Null, json!(5));
    broken
        .iter_mut()
        .for_each(|event| event.key = Some("b".to_owned()));
    events.extend(broken);
    let judgement = check(
        &Counter,
        &history(events),
        &Limits {
            steps: 100_000,
            ..Limits::default()
        },
    )
    .unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("key b is broken")
    };
    assert_eq!(
        (evidence.key.as_deref(), evidence.prefix_events),
        (Some("b"), 84)
    );
}

/// A hundred writes and compare-and-sets in flight at once, more than a machine word has bits.
#[test]
fn more_than_64_operations_in_flight() {
    let in_flight = |last_seen: Value| {
        let mut events = Vec::new();
        for process in 0..100 {
            let (f, value) = if process % 10 == 0 {
                ("cas", json!([process, process + 1]))
            } else {
                ("write", json!(process))
            };
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
    let Verdict::Valid(certificate) = judgement.verdict else {
        panic!("1 was seen last")
    };
    verify(
        &Register::default(),
        &legal.operations().unwrap(),
        &certificate,
    )
    .unwrap();
    assert_eq!(certificate.parts[0].order.len(), 191);

    // 55 was seen before 44 was, and cannot come back.
    let judgement = check(
        &Register::default(),
        &in_flight(json!(55)),
        &Limits::default(),
    )
    .unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("55 was overwritten")
    };
    println!(
        "{:?}, {} culprits, minimal {}",
        judgement.work,
        evidence.culprits.len(),
        evidence.minimal
    );
}

/// The work of judging a simulated register of five clients and five values, which is legal.
fn work_of(operations: usize, info_permille: u64, seed: u64) -> Work {
    let history = Simulation {
        operations,
        clients: 5,
        values: 5,
        info_permille,
        seed,
    }
    .run();
    let register = Register::default();
    let judgement = check(&register, &history, &Limits::default()).unwrap();
    let Verdict::Valid(certificate) = judgement.verdict else {
        panic!("a simulated register is legal")
    };
    let operations = history.operations().unwrap();
    verify(&Register::default(), &operations, &certificate).unwrap();
    println!("{:?}", judgement.work);
    judgement.work
}

/// A hundred thousand operations cost a fixed number of steps, a few an operation, and a small frontier.
#[test]
fn long_histories_cost_little() {
    let work = work_of(100_000, 0, 1);
    assert!(work.steps < 30 * 100_000, "{work:?}");
    assert!(work.frontier_peak <= 32, "{work:?}");
    assert!(work.bytes_peak < 64 << 20, "{work:?}");
}

/// One operation in a hundred ends unknown: a hundred of them stay open to the end.
#[test]
fn a_hundred_unknown_operations_cost_little() {
    let work = work_of(10_000, 10, 2);
    assert!(work.steps < 3000 * 10_000, "{work:?}");
}

/// Evidence from a long history is bounded work, and tells a short story.
#[test]
fn evidence_from_a_long_history_is_short() {
    let simulation = Simulation {
        operations: 20_000,
        clients: 5,
        values: 1_000_000,
        info_permille: 0,
        seed: 3,
    };
    let mut history = simulation.run();
    let is_read = |event: &stormglass_checker::Event| event.f == "read" && event.kind == Kind::Ok;
    let reads: Vec<usize> = (0..history.events.len())
        .filter(|at| is_read(&history.events[*at]))
        .collect();
    let (earlier, stale) = (reads[4000], reads[4030]);
    history.events[stale].value = history.events[earlier].value.clone();
    let judgement = check(&Register::default(), &history, &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("a value came back")
    };
    println!("{}", evidence.explanation);
    assert_eq!(evidence.prefix_events, stale + 1);
    assert!(evidence.minimal && evidence.prefix_smallest);
    assert!(
        evidence.culprits.len() <= 4,
        "{} culprits",
        evidence.culprits.len()
    );
    assert!(
        evidence
            .culprits
            .iter()
            .any(|operation| operation.ret == Some(stale))
    );
}

/// A counter whose every step is long.
struct Slow(u64);

impl Specification for Slow {
    type Op = <Counter as Specification>::Op;
    type State = <Counter as Specification>::State;
    fn name(&self) -> &str {
        "slow counter"
    }
    fn promise(&self) -> &str {
        Counter.promise()
    }
    fn parse(&self, operation: &Operation) -> Result<Option<Self::Op>, SpecificationError> {
        Counter.parse(operation)
    }
    fn initial(&self) -> Self::State {
        Counter.initial()
    }
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State> {
        if !spend(self.0) {
            return None;
        }
        Counter.step(state, op)
    }
    fn describe(&self, op: &Self::Op) -> String {
        Counter.describe(op)
    }
    fn per_key(&self) -> bool {
        Counter.per_key()
    }
}

#[test]
fn limits_hold_inside_a_step_of_the_specification() {
    let mut events = Vec::new();
    for number in 0..50 {
        events.extend(ok(number % 5, "add", json!(1), Value::Null));
    }
    events.extend(ok(1, "read", Value::Null, json!(50)));
    let history = history(events);
    let judge = |each: u64| {
        let limits = Limits {
            steps: 1_000_000,
            ..Limits::default()
        };
        check(&Slow(each), &history, &limits).unwrap()
    };
    let cheap = judge(100);
    assert!(matches!(cheap.verdict, Verdict::Valid(_)), "{cheap:?}");
    assert!(
        cheap.work.steps > 51 * 100,
        "what steps spend is counted: {cheap:?}"
    );
    let dear = judge(100_000);
    let Verdict::Unknown(unknown) = &dear.verdict else {
        panic!("a step that was cut short says nothing: {dear:?}")
    };
    assert_eq!(unknown.reason, Reason::Steps);
    assert!(dear.work.steps < 1_300_000, "{dear:?}");
    assert!(spend(u64::MAX), "outside a judgement there is no limit");
}

/// Each member of a set of possible states is a step, so that large sets end the judgement in time.
#[test]
fn possibilities_are_counted() {
    let mut events = Vec::new();
    for _ in 0..200 {
        events.extend(ok(1, "increment", Value::Null, Value::Null));
    }
    let history = history(events);
    let judge = |steps| {
        let limits = Limits {
            steps,
            ..Limits::default()
        };
        check(&Possibilities(LossyCounter), &history, &limits).unwrap()
    };
    let whole = judge(1_000_000);
    assert!(matches!(whole.verdict, Verdict::Valid(_)), "{whole:?}");
    assert!(whole.work.steps > 200 * 200 / 2, "{whole:?}");
    let cut = judge(10_000);
    let Verdict::Unknown(unknown) = &cut.verdict else {
        panic!("a step that was cut short says nothing: {cut:?}")
    };
    assert_eq!(unknown.reason, Reason::Steps);
}

/// Keys judged side by side give the same verdict, order, evidence and work as one after the other.
#[test]
fn threads_change_nothing() {
    let mut random = crate::common::Random(7);
    for number in 0..40 {
        let asked = Asked {
            values: 3,
            keys: &["a", "b", "c", "d", "e"],
            unique: false,
            cas: true,
        };
        let size = Size {
            clients: 6,
            operations: 120,
            crashes_percent: 3,
        };
        let mut player = Registers::new(asked);
        let mut history = play(&mut player, size, &mut random);
        if number % 2 == 1 {
            mutate(&mut history, &player, &mut random);
        }
        // With few steps some keys are left without an answer, and those are the same, too.
        for steps in [300, 2_000, 1_000_000] {
            let judge = |threads| {
                let limits = Limits {
                    steps,
                    threads,
                    ..Limits::default()
                };
                check(&Register::default(), &history, &limits).unwrap()
            };
            let alone = judge(1);
            assert_eq!(alone, judge(2));
            assert_eq!(alone, judge(8));
        }
    }
}
