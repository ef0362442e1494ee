//! Lists, sets, counters and queues: small histories by hand, what is legal, what is not, and who is to blame.

use crate::common::{event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::{
    Append, Counter, Event, EvictingCache, Evidence, FencedLock, Kind, Limits, Queue, Set,
    Specification, Verdict, check,
};

/// The order of a legal history.
fn legal<S: Specification>(specification: &S, events: Vec<Event>) -> Vec<usize> {
    let judgement = check(specification, &history(events), &Limits::default()).unwrap();
    match judgement.verdict {
        Verdict::Valid(certificate) => certificate
            .parts
            .into_iter()
            .flat_map(|part| part.order)
            .collect(),
        other => panic!("it is legal: {other:?}"),
    }
}

/// The culprits of an illegal history.
fn culprits<S: Specification>(specification: &S, events: Vec<Event>) -> Vec<usize> {
    let judgement = check(specification, &history(events), &Limits::default()).unwrap();
    match judgement.verdict {
        Verdict::Invalid(Evidence { culprits, .. }) => {
            culprits.iter().map(|operation| operation.id).collect()
        }
        other => panic!("it is illegal: {other:?}"),
    }
}

fn read(process: u64, seen: Value) -> [Event; 2] {
    ok(process, "read", Value::Null, seen)
}

/// Two appends at the same time: a read tells which was first.
#[test]
fn a_list_shows_the_order_of_its_appends() {
    let mut events = vec![
        event(0, Kind::Invoke, "append", json!("a")),
        event(1, Kind::Invoke, "append", json!("b")),
        event(0, Kind::Ok, "append", json!("a")),
        event(1, Kind::Ok, "append", json!("b")),
    ];
    events.extend(read(2, json!(["b", "a"])));
    assert_eq!(legal(&Append::default(), events.clone()), [1, 0, 2]);
    // Another read that saw them the other way round contradicts the first, whoever appended what.
    events.extend(read(3, json!(["a", "b"])));
    assert_eq!(culprits(&Append::default(), events), [2, 3]);
}

#[test]
fn an_append_that_returned_is_in_every_later_read() {
    let mut events = Vec::new();
    events.extend(ok(0, "append", json!(1), json!(1)));
    events.extend(ok(0, "append", json!(2), json!(2)));
    events.extend(read(1, json!([2])));
    assert_eq!(culprits(&Append::default(), events), [0, 2]);
}

/// Nobody knows whether 1 was appended. A read that does not show it does not say so either: it may come later.
#[test]
fn an_append_of_unknown_outcome_may_come_late() {
    let mut events = vec![
        event(0, Kind::Invoke, "append", json!(1)),
        event(0, Kind::Info, "append", json!(1)),
    ];
    events.extend(read(1, json!([])));
    assert_eq!(legal(&Append::default(), events.clone()), [1]);
    events.extend(read(1, json!([1])));
    assert_eq!(legal(&Append::default(), events.clone()), [1, 0, 2]);
    // But what was seen once does not go away.
    events.extend(read(1, json!([])));
    assert_eq!(culprits(&Append::default(), events), [2, 3]);
}

#[test]
fn a_set_grows_by_one_element_after_another() {
    let mut events = vec![
        event(0, Kind::Invoke, "add", json!(1)),
        event(1, Kind::Invoke, "add", json!(2)),
        event(2, Kind::Invoke, "read", Value::Null),
        event(3, Kind::Invoke, "read", Value::Null),
        event(2, Kind::Ok, "read", json!([2])),
        event(3, Kind::Ok, "read", json!([2, 1])),
    ];
    assert_eq!(legal(&Set::default(), events.clone()), [1, 2, 0, 3]);
    // Two reads that each lack what the other holds.
    events[5] = event(3, Kind::Ok, "read", json!([1]));
    assert_eq!(culprits(&Set::default(), events), [2, 3]);
}

#[test]
fn a_set_does_not_lose_what_was_added() {
    let mut events = Vec::new();
    events.extend(ok(0, "add", json!(1), Value::Null));
    events.extend(ok(0, "add", json!(2), Value::Null));
    events.extend(ok(1, "contains", json!(2), json!(true)));
    events.extend(read(1, json!([2])));
    assert_eq!(culprits(&Set::default(), events), [0, 3]);
}

/// A removal of unknown outcome may have happened between two looks, and explains both.
#[test]
fn a_removal_of_unknown_outcome_may_come_late() {
    let mut events = Vec::new();
    events.extend(ok(0, "add", json!(1), Value::Null));
    events.push(event(0, Kind::Invoke, "remove", json!(1)));
    events.extend(read(1, json!([1])));
    events.extend(ok(1, "contains", json!(1), json!(false)));
    assert_eq!(legal(&Set::default(), events), [0, 2, 1, 3]);
}

/// Each read alone is within bounds; together they are not: after 2 was read, 1 is over.
#[test]
fn a_counter_that_only_grows_is_never_less() {
    let mut events = vec![
        event(0, Kind::Invoke, "inc", Value::Null),
        event(1, Kind::Invoke, "inc", Value::Null),
    ];
    events.extend(read(2, json!(2)));
    assert_eq!(legal(&Counter, events.clone()), [0, 1, 2]);
    events.extend(read(2, json!(1)));
    assert_eq!(culprits(&Counter, events), [2, 3]);
}

#[test]
fn a_counter_does_not_lose_what_was_added() {
    let mut events = Vec::new();
    events.extend(ok(0, "add", json!(5), Value::Null));
    events.extend(read(1, json!(5)));
    events.extend(ok(0, "add", json!(5), Value::Null));
    events.extend(read(1, json!(5)));
    // An add returned between two reads that saw the same, whoever made it five before.
    assert_eq!(culprits(&Counter, events), [1, 2, 3]);
}

/// An add of unknown outcome may count at any time, but only once.
#[test]
fn an_add_of_unknown_outcome_counts_at_most_once() {
    let mut events = vec![event(0, Kind::Invoke, "add", json!(-3))];
    events.extend(read(1, json!(0)));
    events.extend(read(1, json!(-3)));
    assert_eq!(legal(&Counter, events.clone()), [1, 0, 2]);
    events.extend(read(1, json!(-6)));
    assert_eq!(culprits(&Counter, events), [3]);
}

fn dequeue(process: u64, taken: Value) -> [Event; 2] {
    ok(process, "dequeue", Value::Null, taken)
}

#[test]
fn a_queue_gives_first_what_came_first() {
    let mut events = Vec::new();
    events.extend(ok(0, "enqueue", json!(1), Value::Null));
    events.extend(ok(0, "enqueue", json!(2), Value::Null));
    events.extend(dequeue(1, json!(1)));
    assert_eq!(legal(&Queue::default(), events.clone()), [0, 1, 2]);
    events.truncate(4);
    events.extend(dequeue(1, json!(2)));
    events.extend(dequeue(1, json!(1)));
    assert_eq!(culprits(&Queue::default(), events), [0, 1, 2]);
}

/// At no moment of the last dequeue was the queue empty: 1 was there until 2 was.
#[test]
fn a_queue_is_not_empty_while_one_value_follows_another() {
    let mut events = Vec::new();
    events.extend(ok(0, "enqueue", json!(1), Value::Null));
    events.push(event(2, Kind::Invoke, "dequeue", Value::Null));
    events.extend(ok(0, "enqueue", json!(2), Value::Null));
    events.extend(dequeue(1, json!(1)));
    events.push(event(2, Kind::Ok, "dequeue", Value::Null));
    events.extend(dequeue(1, json!(2)));
    assert_eq!(culprits(&Queue::default(), events), [0, 1, 2, 3]);
}

/// A dequeue of unknown outcome may have taken 1. Then 2 was rightly first; it cannot have taken both.
#[test]
fn a_dequeue_of_unknown_outcome_takes_one_value() {
    let mut events = vec![event(1, Kind::Invoke, "dequeue", Value::Null)];
    for value in 1..=3 {
        events.extend(ok(0, "enqueue", json!(value), Value::Null));
    }
    let without = events.clone();
    events.extend(dequeue(2, json!(2)));
    assert_eq!(legal(&Queue::default(), events), [1, 0, 2, 3, 4]);
    let mut events = without;
    events.extend(dequeue(2, json!(3)));
    assert_eq!(culprits(&Queue::default(), events), [1, 2, 3, 4]);
}

/// What no object of its kind can answer is a violation, and no error of the file.
#[test]
fn answers_that_no_object_can_give() {
    let twice = read(0, json!([1, 1])).to_vec();
    let mut added = ok(0, "add", json!(1), Value::Null).to_vec();
    added.extend(twice);
    assert_eq!(culprits(&Set::default(), added.clone()), [1]);
    added.extend(ok(0, "remove", json!(1), Value::Null));
    assert_eq!(culprits(&Set::default(), added), [1]);
    assert_eq!(culprits(&Counter, read(0, json!(0.5)).to_vec()), [0]);
    let acquired = ok(0, "acquire", Value::Null, json!(-1)).to_vec();
    assert_eq!(culprits(&FencedLock::default(), acquired), [0]);
    let mut seen = ok(0, "set", json!(1), Value::Null).to_vec();
    seen.extend(ok(1, "gets", Value::Null, json!([1, -7])));
    assert_eq!(culprits(&EvictingCache::with_tokens(), seen), [1]);
}
