//! Borders between the pieces: what a prefix does not know yet, and certificates that nobody should believe.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{history, ok};
use serde_json::{Value, json};
use stormglass_checker::oracle::is_legal;
use stormglass_checker::{
    Certificate, Event, Finding, History, Kind, Kv, Limits, Observed, Operation, Part, Register,
    Specification, SpecificationError, Verdict, check, verify,
};

fn on(key: &str, mut operation: [Event; 2]) -> [Event; 2] {
    for event in &mut operation {
        event.key = Some(key.to_owned());
    }
    operation
}

fn prefix_is_illegal(specification: &impl Specification, history: &History, events: usize) -> bool {
    let events = history.events[..events].to_vec();
    let operations = History { events }.operations().unwrap();
    !is_legal(specification, &operations).unwrap()
}

#[test]
fn a_call_that_will_fail_ties_the_keys_of_a_prefix_together() {
    let transaction = json!([["=", "y", 5], ["w", "x", 1]]);
    let [called, mut failed] = ok(1, "txn", transaction.clone(), transaction);
    failed.kind = Kind::Fail;
    let [put, was_put] = on("y", ok(0, "put", json!(5), Value::Null));
    let [get, got] = on("x", ok(2, "get", Value::Null, json!(1)));
    // Until it fails, the transaction explains the get, since y holds 5.
    let history = history(vec![put, was_put, called, get, got, failed]);
    let store = Kv::with_transactions();
    let judgement = check(&store, &history, &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("nobody put 1")
    };
    assert!(prefix_is_illegal(&store, &history, evidence.prefix_events));
    assert_eq!(
        (evidence.prefix_events, evidence.prefix_smallest),
        (6, true)
    );
}

#[test]
fn a_prefix_that_cannot_be_read_is_not_called_legal() {
    let [called, mut failed] = ok(1, "write", json!([1]), Value::Null);
    failed.kind = Kind::Fail;
    let [read, seen] = ok(0, "read", Value::Null, json!(1));
    let history = history(vec![called, read, seen, failed]);
    let judgement = check(&Register::default(), &history, &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("nobody wrote 1")
    };
    assert_eq!(
        (evidence.prefix_events, evidence.prefix_smallest),
        (4, false)
    );
}

#[test]
fn objects_of_their_own_do_not_explain_each_other() {
    let write = on("x", ok(0, "write", json!(1), json!(1)));
    let read = on("y", ok(0, "read", Value::Null, json!(1)));
    let operations = history([write, read].concat()).operations().unwrap();
    assert!(!is_legal(&Register::default(), &operations).unwrap());
    for key in [None, Some("x".to_owned()), Some("y".to_owned())] {
        let order = vec![0, 1];
        let parts = vec![Part { key, order }];
        assert!(verify(&Register::default(), &operations, &Certificate { parts }).is_err());
    }
}

#[test]
fn every_operation_needs_a_place_whatever_its_id() {
    let events = [
        ok(0, "write", json!(1), json!(1)),
        ok(0, "read", Value::Null, json!(2)),
    ];
    let mut operations = history(events.concat()).operations().unwrap();
    let parts = vec![Part {
        key: None,
        order: vec![0],
    }];
    for id in [0, 1, 2, usize::MAX] {
        operations[1].id = id;
        let parts = parts.clone();
        assert!(verify(&Register::default(), &operations, &Certificate { parts }).is_err());
    }
}

/// Operations that are all in flight at once, on few values: hard to judge.
fn hard(key: &str) -> (Vec<Event>, Vec<Event>) {
    let mut calls = Vec::new();
    let mut returns = Vec::new();
    for number in 0..24 {
        let values = json!([number % 3, (number + 1) % 3]);
        let [call, back] = on(key, ok(10 + number, "cas", values, Value::Null));
        calls.push(call);
        returns.push(back);
    }
    (calls, returns)
}

#[test]
fn a_part_without_an_answer_may_be_illegal_earlier() {
    let (calls, returns) = hard("hard");
    let write = on("easy", ok(0, "write", json!(1), json!(1)));
    let read = on("easy", ok(0, "read", Value::Null, json!(2)));
    let events = [calls, returns, write.to_vec(), read.to_vec()].concat();
    let limits = Limits {
        steps: 60,
        ..Limits::default()
    };
    let judgement = check(&Register::default(), &history(events), &limits).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("nobody wrote 2: {:?}", judgement.verdict)
    };
    assert_eq!(evidence.key.as_deref(), Some("easy"));
    assert!(!evidence.prefix_smallest, "the other key may break before");
}

/// A register that counts how often it reads an operation.
struct Counting(Register, AtomicUsize);

impl Specification for Counting {
    type Op = <Register as Specification>::Op;
    type State = <Register as Specification>::State;

    fn name(&self) -> &str {
        self.0.name()
    }
    fn promise(&self) -> &str {
        self.0.promise()
    }
    fn parse(&self, operation: &Operation) -> Result<Option<Self::Op>, SpecificationError> {
        self.1.fetch_add(1, Ordering::Relaxed);
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
    fn monitor(&self, observed: &[Observed<'_, Self::Op>]) -> Option<Finding> {
        self.0.monitor(observed)
    }
}

/// The first of many broken keys is located; of the others it is only asked whether they break before it.
#[test]
fn many_broken_keys_cost_no_more_than_their_operations() {
    let mut events = Vec::new();
    for number in 0..500 {
        let key = format!("k{number:03}");
        events.extend(on(&key, ok(0, "write", json!(1), json!(1))));
        let read = if number < 100 { json!(1) } else { json!(2) };
        events.extend(on(&key, ok(0, "read", Value::Null, read)));
    }
    let counting = Counting(Register::default(), AtomicUsize::new(0));
    let judgement = check(&counting, &history(events), &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("nobody wrote 2")
    };
    assert_eq!(evidence.key.as_deref(), Some("k100"));
    assert_eq!(
        (evidence.prefix_events, evidence.prefix_smallest),
        (404, true)
    );
    let read = counting.1.into_inner();
    assert!(read < 3_000, "1000 operations were read {read} times");
}
