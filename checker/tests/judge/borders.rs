//! Borders between the pieces: what a prefix does not know yet, and certificates that nobody should believe.

use crate::common::{history, ok};
use serde_json::{Value, json};
use stormglass_checker::oracle::is_legal;
use stormglass_checker::{
    Certificate, Event, History, Kind, Kv, Limits, Part, Register, Specification, Verdict, check,
    verify,
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
