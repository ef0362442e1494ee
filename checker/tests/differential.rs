//! The search against the oracle that tries every order, on thousands of small histories.

mod common;

use std::cell::Cell;

use common::{event, history};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};
use stormglass_checker::oracle::is_legal;
use stormglass_checker::{
    Effect, Event, Evidence, History, Kind, Limits, Operation, Outcome, Register, Specification,
    SpecificationError, Verdict, check, verify,
};

/// How many calls a history has at most: what the oracle can try.
const OPERATIONS_MAX: usize = 8;

/// One decision of a random history.
#[derive(Debug, Clone)]
struct Choice {
    process: usize,
    action: u8,
    values: (u8, u8),
    key: bool,
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let choice = (
        0..3_usize,
        any::<u8>(),
        (any::<u8>(), any::<u8>()),
        any::<bool>(),
    )
        .prop_map(|(process, action, values, key)| Choice {
            process,
            action,
            values,
            key,
        });
    prop::collection::vec(choice, 4..24)
}

/// What a kind of object adds to the making of histories.
trait Player {
    fn call(&mut self, choice: &Choice) -> (&'static str, Value);
    /// The value of the return. Most are what a true object would say, so that many histories are legal.
    fn result(&mut self, choice: &Choice, key: bool, f: &str, input: &Value) -> Value;
    fn may_mismatch(&self, f: &str) -> bool;
}

/// Makes a well-formed history of calls, returns, failures, mismatches and unknown outcomes.
fn play(choices: &[Choice], keyed: bool, player: &mut impl Player) -> History {
    let mut numbers = [0, 1, 2];
    let mut next_number = 3;
    let mut open: [Option<(&'static str, Value, bool)>; 3] = [None, None, None];
    let mut events: Vec<Event> = Vec::new();
    let mut calls = 0;
    for choice in choices {
        let at = choice.process;
        let (mut made, key) = match open[at].take() {
            None if calls == OPERATIONS_MAX => continue,
            None => {
                calls += 1;
                let (f, input) = player.call(choice);
                let key = keyed && choice.key;
                open[at] = Some((f, input.clone(), key));
                (event(numbers[at], Kind::Invoke, f, input), key)
            }
            Some((f, input, key)) => {
                let made = match choice.action % 8 {
                    0 => event(numbers[at], Kind::Info, f, Value::Null),
                    1 => event(numbers[at], Kind::Fail, f, input),
                    2 | 3 if player.may_mismatch(f) => {
                        let mut made = event(numbers[at], Kind::Fail, f, input);
                        made.error = Some("mismatch".to_owned());
                        made
                    }
                    _ => {
                        let result = player.result(choice, key, f, &input);
                        event(numbers[at], Kind::Ok, f, result)
                    }
                };
                if made.kind == Kind::Info {
                    numbers[at] = next_number;
                    next_number += 1;
                }
                (made, key)
            }
        };
        made.key = keyed.then(|| if key { "y" } else { "x" }.to_owned());
        events.push(made);
    }
    history(events)
}

/// Judges one history by the search and by the oracle, and compares all they say.
fn compare<S: Specification>(
    specification: &S,
    history: &History,
    seen: &Seen,
) -> Result<(), TestCaseError> {
    let legal = |events: usize| {
        let prefix = History {
            events: history.events[..events].to_vec(),
        };
        is_legal(specification, &prefix.operations().unwrap()).unwrap()
    };
    let operations = history.operations().unwrap();
    let judgement = check(specification, history, &Limits::default()).unwrap();
    match judgement.verdict {
        Verdict::Valid(certificate) => {
            seen.valid.set(seen.valid.get() + 1);
            prop_assert!(
                legal(history.events.len()),
                "called valid, but no order is legal"
            );
            prop_assert_eq!(verify(specification, &operations, &certificate), Ok(()));
        }
        Verdict::Invalid(evidence) => {
            seen.invalid.set(seen.invalid.get() + 1);
            prop_assert!(
                !legal(history.events.len()),
                "called invalid, but an order is legal"
            );
            prop_assert!(evidence.prefix_smallest && evidence.minimal);
            prop_assert!(!legal(evidence.prefix_events), "the prefix is legal");
            prop_assert!(
                legal(evidence.prefix_events - 1),
                "a shorter prefix is illegal"
            );
            culprits_collide(specification, history, &evidence)?;
        }
        Verdict::Unknown(unknown) => prop_assert!(false, "{unknown:?}"),
    }
    Ok(())
}

/// The culprits have no order even when all others are free, and freeing any one of them gives an order.
fn culprits_collide<S: Specification>(
    specification: &S,
    history: &History,
    evidence: &Evidence,
) -> Result<(), TestCaseError> {
    let prefix = History {
        events: history.events[..evidence.prefix_events].to_vec(),
    };
    let mut operations = prefix.operations().unwrap();
    operations.retain(|operation| !specification.per_key() || operation.key == evidence.key);
    let legal_with = |kept: &dyn Fn(usize) -> bool| {
        let trial: Vec<Operation> = operations
            .iter()
            .filter(|operation| kept(operation.id) || operation.outcome != Outcome::Mismatch)
            .map(|operation| match kept(operation.id) {
                true => operation.clone(),
                false => Operation {
                    outcome: Outcome::Unknown,
                    call: 0,
                    ret: None,
                    ..operation.clone()
                },
            })
            .collect();
        is_legal(specification, &trial).unwrap()
    };
    let culprit = |id| evidence.culprits.iter().any(|operation| operation.id == id);
    prop_assert!(evidence.context.is_none());
    prop_assert!(!legal_with(&culprit), "the culprits do not collide");
    for freed in &evidence.culprits {
        prop_assert!(
            legal_with(&|id| culprit(id) && id != freed.id),
            "#{} is no culprit",
            freed.id
        );
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    valid: Cell<u32>,
    invalid: Cell<u32>,
}

fn run(cases: u32, mut judge: impl FnMut(&[Choice], &Seen) -> Result<(), TestCaseError>) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let seen = Seen::default();
    let judge = std::cell::RefCell::new(&mut judge);
    let result = runner.run(&choices(), |choices| (judge.borrow_mut())(&choices, &seen));
    if let Err(error) = result {
        panic!("{error}");
    }
    let (valid, invalid) = (seen.valid.get(), seen.invalid.get());
    println!("{valid} valid, {invalid} invalid");
    assert!(
        valid > cases / 5 && invalid > cases / 5,
        "neither verdict may be rare: {valid} valid, {invalid} invalid"
    );
}

#[derive(Default)]
struct RegisterPlayer {
    contents: [Value; 2],
}

impl Player for RegisterPlayer {
    fn call(&mut self, choice: &Choice) -> (&'static str, Value) {
        let (first, second) = (choice.values.0 % 3, choice.values.1 % 3);
        match choice.action % 6 {
            0..=2 => ("read", Value::Null),
            3 | 4 => ("write", json!(first)),
            _ => ("cas", json!([first, second])),
        }
    }

    fn result(&mut self, choice: &Choice, key: bool, f: &str, input: &Value) -> Value {
        let content = &mut self.contents[usize::from(key)];
        match f {
            "write" => *content = input.clone(),
            "cas" if *content == input[0] => *content = input[1].clone(),
            "cas" => {}
            _ if choice.action.is_multiple_of(5) => return json!(choice.values.0 % 3),
            _ => return content.clone(),
        }
        input.clone()
    }

    fn may_mismatch(&self, f: &str) -> bool {
        f == "cas"
    }
}

#[test]
fn a_register_is_judged_as_the_oracle_does() {
    run(20_000, |choices, seen| {
        compare(
            &Register::default(),
            &play(choices, false, &mut RegisterPlayer::default()),
            seen,
        )
    });
}

#[test]
fn two_registers_are_judged_as_the_oracle_does() {
    run(8_000, |choices, seen| {
        compare(
            &Register::default(),
            &play(choices, true, &mut RegisterPlayer::default()),
            seen,
        )
    });
}

/// The hints of the register change the cost and nothing else.
#[test]
fn a_register_without_hints_is_judged_alike() {
    struct Plain(Register);
    impl Specification for Plain {
        type Op = <Register as Specification>::Op;
        type State = <Register as Specification>::State;
        fn name(&self) -> &str {
            "plain register"
        }
        fn promise(&self) -> &str {
            self.0.promise()
        }
        fn parse(&self, operation: &Operation) -> Result<Option<Self::Op>, SpecificationError> {
            self.0.parse(operation)
        }
        fn initial(&self) -> Self::State {
            self.0.initial()
        }
        fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State> {
            self.0.step(state, op)
        }
        fn describe(&self, op: &Self::Op) -> String {
            self.0.describe(op)
        }
        fn per_key(&self) -> bool {
            true
        }
    }
    run(8_000, |choices, seen| {
        compare(
            &Plain(Register::default()),
            &play(choices, false, &mut RegisterPlayer::default()),
            seen,
        )
    });
}

/// A queue, as a user would write it: first in, first out; `null` when empty.
struct Queue;

#[derive(Debug)]
enum QueueOp {
    Enqueue(u64),
    Dequeue(Option<u64>),
    DequeueUnknown,
    Clear,
}

impl Specification for Queue {
    type Op = QueueOp;
    type State = Vec<u64>;

    fn name(&self) -> &str {
        "queue"
    }
    fn promise(&self) -> &str {
        "first in, first out"
    }
    fn parse(&self, operation: &Operation) -> Result<Option<QueueOp>, SpecificationError> {
        Ok(Some(match (operation.f.as_str(), &operation.outcome) {
            ("enqueue", _) => QueueOp::Enqueue(operation.input.as_u64().unwrap()),
            ("dequeue", Outcome::Ok(value)) => QueueOp::Dequeue(value.as_u64()),
            ("dequeue", _) => QueueOp::DequeueUnknown,
            ("clear", _) => QueueOp::Clear,
            (other, _) => return Err(SpecificationError::new("enqueue, dequeue or clear", other)),
        }))
    }
    fn initial(&self) -> Vec<u64> {
        Vec::new()
    }
    fn step(&self, state: &Vec<u64>, op: &QueueOp) -> Option<Vec<u64>> {
        let mut next = state.clone();
        match op {
            QueueOp::Enqueue(value) => next.push(*value),
            QueueOp::Dequeue(None) => return state.is_empty().then_some(next),
            QueueOp::Dequeue(Some(value)) => {
                if state.first() != Some(value) {
                    return None;
                }
                next.remove(0);
            }
            QueueOp::DequeueUnknown => {
                if !next.is_empty() {
                    next.remove(0);
                }
            }
            QueueOp::Clear => next.clear(),
        }
        Some(next)
    }
    fn describe(&self, op: &QueueOp) -> String {
        format!("{op:?}")
    }
    fn per_key(&self) -> bool {
        false
    }
    fn effect(&self, op: &QueueOp) -> Effect {
        match op {
            QueueOp::Clear => Effect::Overwrites,
            QueueOp::Dequeue(None) => Effect::Reads,
            _ => Effect::Depends,
        }
    }
    fn interchangeable(&self, left: &QueueOp, right: &QueueOp) -> bool {
        matches!(
            (left, right),
            (QueueOp::DequeueUnknown, QueueOp::DequeueUnknown)
        )
    }
}

#[derive(Default)]
struct QueuePlayer {
    content: Vec<u64>,
}

impl Player for QueuePlayer {
    fn call(&mut self, choice: &Choice) -> (&'static str, Value) {
        match choice.action % 9 {
            0..=3 => ("enqueue", json!(choice.values.0 % 3)),
            4 => ("clear", Value::Null),
            _ => ("dequeue", Value::Null),
        }
    }

    fn result(&mut self, choice: &Choice, _key: bool, f: &str, input: &Value) -> Value {
        match f {
            "enqueue" => self.content.extend(input.as_u64()),
            "clear" => self.content.clear(),
            _ if choice.action.is_multiple_of(5) => return json!(choice.values.0 % 3),
            _ if self.content.is_empty() => {}
            _ => return json!(self.content.remove(0)),
        }
        input.clone()
    }

    fn may_mismatch(&self, _f: &str) -> bool {
        false
    }
}

#[test]
fn a_queue_is_judged_as_the_oracle_does() {
    run(12_000, |choices, seen| {
        compare(
            &Queue,
            &play(choices, false, &mut QueuePlayer::default()),
            seen,
        )
    });
}
