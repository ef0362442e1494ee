//! What a register allows, case by case. The differential test trusts the specification; this one does not.

use crate::common::{event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::{Event, Kind, Limits, Register, Verdict, check, verify};

/// A whole operation of process 1 that ended so.
fn ended(kind: Kind, f: &str, input: Value, error: &str) -> Vec<Event> {
    let mut end = event(1, kind, f, Value::Null);
    end.error = Some(error.to_owned());
    vec![event(1, Kind::Invoke, f, input), end]
}

/// Whether these operations, one after another, are legal.
fn legal(initial: Value, operations: &[Vec<Event>]) -> bool {
    let register = Register::starting_at(&initial);
    let history = history(operations.concat());
    match check(&register, &history, &Limits::default())
        .unwrap()
        .verdict
    {
        Verdict::Valid(certificate) => {
            verify(&register, &history.operations().unwrap(), &certificate).unwrap();
            true
        }
        Verdict::Invalid(_) => false,
        Verdict::Unknown(unknown) => panic!("{unknown:?}"),
    }
}

fn read(value: Value) -> Vec<Event> {
    ok(0, "read", Value::Null, value).to_vec()
}

fn write(value: Value) -> Vec<Event> {
    ok(0, "write", value.clone(), value).to_vec()
}

fn cas(old: Value, new: Value) -> Vec<Event> {
    ok(0, "cas", json!([old, new]), json!([old, new])).to_vec()
}

#[test]
fn reads_see_the_last_write_or_the_initial_value() {
    assert!(legal(Value::Null, &[read(Value::Null)]));
    assert!(!legal(Value::Null, &[read(json!(0))]));
    assert!(legal(
        json!("a"),
        &[read(json!("a")), write(json!(true)), read(json!(true))]
    ));
    assert!(!legal(json!("a"), &[write(json!(1)), read(json!("a"))]));
    assert!(
        !legal(Value::Null, &[write(json!(1)), read(json!("1"))]),
        "text is not a number"
    );
}

#[test]
fn a_compare_and_set_needs_its_old_value() {
    assert!(legal(json!(1), &[cas(json!(1), json!(2)), read(json!(2))]));
    assert!(!legal(json!(1), &[cas(json!(1), json!(2)), read(json!(1))]));
    assert!(!legal(json!(1), &[cas(json!(3), json!(2))]));
    assert!(legal(
        Value::Null,
        &[
            cas(Value::Null, json!(2)),
            cas(json!(2), Value::Null),
            read(Value::Null)
        ]
    ));
}

#[test]
fn a_whole_number_is_the_same_value_however_it_is_spelt() {
    assert!(legal(
        Value::Null,
        &[
            write(json!(1)),
            read(json!(1.0)),
            cas(json!(1.0), json!(-0.0)),
            read(json!(0))
        ]
    ));
    assert!(!legal(Value::Null, &[write(json!(1)), read(json!(1.5))]));
    assert!(
        !legal(Value::Null, &[write(json!(1)), read(json!("1"))]),
        "a text is no number"
    );
}

#[test]
fn a_mismatch_is_an_observation() {
    let refused = |old| ended(Kind::Fail, "cas", json!([old, 9]), "mismatch");
    assert!(legal(json!(1), &[refused(2), read(json!(1))]));
    assert!(!legal(json!(1), &[refused(1)]), "the value was 1");
    assert!(
        !legal(json!(1), &[refused(2), read(json!(9))]),
        "a refused comparison changes nothing"
    );
}

#[test]
fn another_failure_is_none() {
    let timed_out = ended(Kind::Fail, "cas", json!([1, 9]), "timed-out");
    assert!(
        legal(json!(1), &[timed_out.clone(), read(json!(1))]),
        "it says nothing of the value"
    );
    assert!(
        !legal(json!(1), &[timed_out, read(json!(9))]),
        "it did not happen"
    );
}

#[test]
fn an_unknown_compare_and_set_may_have_matched_or_not() {
    let unknown = |old| ended(Kind::Info, "cas", json!([old, 9]), "timed-out");
    for (old, seen, expected) in [(1, 1, true), (1, 9, true), (5, 1, true), (5, 9, false)] {
        assert_eq!(
            legal(json!(1), &[unknown(old), read(json!(seen))]),
            expected,
            "cas of {old}, read of {seen}"
        );
    }
    let late = [
        unknown(5),
        read(json!(1)),
        write(json!(5)),
        read(json!(5)),
        read(json!(9)),
    ];
    assert!(legal(json!(1), &late), "it may happen long after");
    let twice = [
        unknown(5),
        write(json!(5)),
        read(json!(9)),
        write(json!(5)),
        read(json!(9)),
    ];
    assert!(!legal(json!(1), &twice), "but only once");
}
