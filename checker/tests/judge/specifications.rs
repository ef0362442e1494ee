//! One tutorial a specification: a history that is legal, one that is not with the operations that collide, and one with
//! an unknown outcome.

use crate::common::{event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::specifications::kv::Missing;
use stormglass_checker::{
    CheckError, Event, EvictingCache, FencedLock, History, Kind, Kv, Limits, Model, Mutex, Options,
    Specification, TtlCache, Verdict, check, verify,
};

/// An operation on a key, without anything between call and return.
fn on(key: &str, mut operation: [Event; 2]) -> [Event; 2] {
    for event in &mut operation {
        event.key = Some(key.to_owned());
    }
    operation
}

/// An operation that returned as a refusal.
fn refused(process: u64, f: &str, input: Value) -> [Event; 2] {
    let mut answer = event(process, Kind::Fail, f, input.clone());
    answer.error = Some("mismatch".to_owned());
    [event(process, Kind::Invoke, f, input), answer]
}

/// An operation of which nobody knows whether it happened.
fn unknown(process: u64, f: &str, input: Value) -> [Event; 2] {
    [
        event(process, Kind::Invoke, f, input),
        event(process, Kind::Info, f, Value::Null),
    ]
}

/// None when the history is legal; otherwise the numbers of the operations that collide. Certificates are verified by a specification
/// that is new.
fn culprits<S: Specification>(
    specification: impl Fn() -> S,
    operations: &[[Event; 2]],
) -> Option<Vec<usize>> {
    let history = history(operations.iter().flatten().cloned().collect());
    let judgement = check(&specification(), &history, &Limits::default()).unwrap();
    match judgement.verdict {
        Verdict::Valid(certificate) => {
            let operations = history.operations().unwrap();
            verify(&specification(), &operations, &certificate).unwrap();
            None
        }
        Verdict::Invalid(evidence) => {
            let culprits = evidence.culprits.iter().map(|operation| operation.id);
            Some(culprits.collect())
        }
        Verdict::Unknown(unknown) => panic!("{unknown:?}"),
    }
}

#[test]
fn a_key_value_store_appends_to_texts() {
    let put = on("x", ok(0, "put", json!("a"), Value::Null));
    let append = on("x", ok(1, "append", json!("b"), Value::Null));
    let get = |seen: Value| on("x", ok(2, "get", Value::Null, seen));
    let judge = |operations: &[[Event; 2]]| culprits(Kv::default, operations);

    assert_eq!(
        judge(&[put.clone(), append.clone(), get(json!("ab"))]),
        None
    );
    // The append was acknowledged, and yet it is not there.
    assert_eq!(
        judge(&[put.clone(), append.clone(), get(json!("a"))]),
        Some(vec![0, 1, 2])
    );
    // Had it been unknown, it might come at any time, but only once.
    let lost = on("x", unknown(1, "append", json!("b")));
    assert_eq!(
        judge(&[put.clone(), lost.clone(), get(json!("a")), get(json!("ab"))]),
        None
    );
    assert_eq!(
        judge(&[put.clone(), lost, get(json!("abb"))]),
        Some(vec![2])
    );
    // A missing key is null; a key of its own is not concerned.
    let delete = on("x", ok(0, "delete", Value::Null, Value::Null));
    let other = on("y", ok(2, "get", Value::Null, json!("")));
    assert_eq!(judge(&[put, delete, get(Value::Null)]), None);
    assert_eq!(judge(std::slice::from_ref(&other)), Some(vec![0]));
    // In Porcupine's store it is the empty text.
    assert_eq!(culprits(|| Kv::new(Missing::Empty), &[other]), None);
}

#[test]
fn a_transaction_takes_effect_at_once() {
    let move_it = json!([["=", "x", 1], ["w", "x", 0], ["w", "y", 1]]);
    let put = on("x", ok(0, "put", json!(1), Value::Null));
    let moved = ok(0, "txn", move_it.clone(), move_it.clone());
    let both = |x: Value, y: Value| {
        let called = json!([["r", "x", null], ["r", "y", null]]);
        ok(1, "txn", called, json!([["r", "x", x], ["r", "y", y]]))
    };
    let judge = |operations: &[[Event; 2]]| culprits(Kv::with_transactions, operations);

    assert_eq!(
        judge(&[put.clone(), moved.clone(), both(json!(0), json!(1))]),
        None
    );
    // Half of it was seen.
    assert_eq!(
        judge(&[put.clone(), moved, both(json!(1), json!(1))]),
        Some(vec![2])
    );
    // Unknown, it may have happened as a whole.
    let lost = unknown(2, "txn", move_it.clone());
    assert_eq!(
        judge(&[put.clone(), lost.clone(), both(json!(1), Value::Null)]),
        None
    );
    assert_eq!(judge(&[put.clone(), lost, both(json!(0), json!(1))]), None);
    // Refused, some comparison did not hold; but x was 1 all the time.
    assert_eq!(judge(&[put, refused(0, "txn", move_it)]), Some(vec![0, 1]));
}

#[test]
fn a_mutex_has_one_holder() {
    let acquire = |process| ok(process, "acquire", Value::Null, Value::Null);
    let release = |process| ok(process, "release", Value::Null, Value::Null);
    let judge = |operations: &[[Event; 2]]| culprits(Mutex::default, operations);

    assert_eq!(judge(&[acquire(0), release(0), acquire(1)]), None);
    assert_eq!(judge(&[acquire(0), acquire(1)]), Some(vec![0, 1]));
    // A release of unknown outcome may have happened.
    let lost = unknown(0, "release", Value::Null);
    assert_eq!(judge(&[acquire(0), lost, acquire(1)]), None);
    // Only the owner may release, unless anyone may.
    assert_eq!(judge(&[acquire(0), release(1)]), Some(vec![1]));
    assert_eq!(
        culprits(Mutex::released_by_anyone, &[acquire(0), release(1)]),
        None
    );
}

#[test]
fn a_fenced_lock_fences_late_writers_off() {
    let acquire = |process, token: u64| ok(process, "acquire", Value::Null, json!(token));
    let write = |process, token: u64| ok(process, "write", json!(token), json!(token));
    let judge = |operations: &[[Event; 2]]| culprits(FencedLock::default, operations);

    // The first holder is late, and is refused.
    let late = refused(0, "write", json!(33));
    assert_eq!(
        judge(&[acquire(0, 33), acquire(1, 34), write(1, 34), late]),
        None
    );
    assert_eq!(
        judge(&[acquire(0, 33), acquire(1, 34), write(1, 34), write(0, 33)]),
        Some(vec![2, 3])
    );
    // Tokens never go back.
    assert_eq!(judge(&[acquire(0, 34), acquire(1, 33)]), Some(vec![0, 1]));
    // An acquire of unknown outcome may hold the lock, by a token between the others.
    let lost = unknown(2, "acquire", Value::Null);
    let busy = refused(1, "acquire", Value::Null);
    assert_eq!(judge(&[lost, busy.clone(), acquire(1, 34)]), None);
    assert_eq!(judge(&[busy]), Some(vec![0]));
    // A release that was refused shows which token does not hold the lock.
    let lost = unknown(2, "acquire", Value::Null);
    let release = |end: fn(u64, &str, Value) -> [Event; 2]| end(1, "release", json!(7));
    let released = |process, f: &str, token: Value| ok(process, f, token, Value::Null);
    assert_eq!(
        culprits(
            FencedLock::without_expiry,
            &[
                lost,
                refused(3, "acquire", Value::Null),
                release(refused),
                release(released)
            ]
        ),
        Some(vec![1, 2, 3])
    );
    // A lock that does not expire is a mutex, too.
    assert_eq!(
        culprits(
            FencedLock::without_expiry,
            &[acquire(0, 33), acquire(1, 34)]
        ),
        Some(vec![0, 1])
    );
}

#[test]
fn an_evicting_cache_forgets_but_does_not_remember() {
    let set = |value: u64| ok(0, "set", json!(value), Value::Null);
    let get = |seen: Value| ok(1, "get", Value::Null, seen);
    let judge = |operations: &[[Event; 2]]| culprits(EvictingCache::default, operations);

    assert_eq!(judge(&[set(1), get(json!(1)), get(Value::Null)]), None);
    // What had vanished came back. Set free, the set may come between the two.
    assert_eq!(
        judge(&[set(1), get(Value::Null), get(json!(1))]),
        Some(vec![0, 1, 2])
    );
    // A set of unknown outcome may come late.
    let lost = unknown(0, "set", json!(1));
    assert_eq!(judge(&[lost, get(Value::Null), get(json!(1))]), None);
    // A compare-and-set of a token that is spent must be refused.
    let gets = |seen: Value| ok(1, "gets", Value::Null, seen);
    let cas = ok(1, "cas", json!([7, 3]), Value::Null);
    assert_eq!(
        culprits(
            EvictingCache::with_tokens,
            &[set(1), gets(json!([1, 7])), set(2), cas]
        ),
        Some(vec![1, 2, 3])
    );
    // One that was refused shows that the value has another token, or is gone.
    let cas = refused(1, "cas", json!([7, 3]));
    assert_eq!(
        culprits(
            EvictingCache::with_tokens,
            &[set(1), cas, gets(json!([1, 7]))]
        ),
        Some(vec![0, 1, 2])
    );
}

#[test]
fn a_ttl_cache_keeps_a_value_for_its_time() {
    // Here event number n happens at n * 1000 ns.
    let set = ok(0, "set", json!(["a", 2500]), Value::Null);
    let get = |seen: Value| ok(1, "get", Value::Null, seen);
    let judge =
        |slack, operations: &[[Event; 2]]| culprits(|| TtlCache::with_slack(slack), operations);

    // Stored from 0 to 1000, over from 2500 to 3500. The get from 2000 to 3000 may see either.
    assert_eq!(judge(0, &[set.clone(), get(json!("a"))]), None);
    assert_eq!(judge(0, &[set.clone(), get(Value::Null)]), None);
    // From 4000 on it is over.
    let late = [set.clone(), get(json!("a")), get(json!("a"))];
    assert_eq!(judge(0, &late), Some(vec![0, 2]));
    assert_eq!(judge(500, &late), None);
    // It may not be lost early.
    let long = ok(0, "set", json!(["a", 3001]), Value::Null);
    assert_eq!(
        judge(0, &[long.clone(), get(Value::Null)]),
        Some(vec![0, 1])
    );
    assert_eq!(judge(1, &[long, get(Value::Null)]), None);
    // A set of unknown outcome may come at any later time.
    let lost = unknown(0, "set", json!(["a", 1]));
    assert_eq!(judge(0, &[lost, get(Value::Null), get(json!("a"))]), None);
}

#[test]
fn the_catalogue_knows_every_model_by_name() {
    for model in Model::all() {
        assert_eq!(Model::from_name(model.name()), Some(*model));
        assert!(!model.description().is_empty() && !model.promise().is_empty());
        // Each function is one that the model understands, and one that it lacks is refused with a list of those.
        let judge = |f: &str| {
            let history = history(vec![event(0, Kind::Invoke, f, Value::Null)]);
            model.judge(&Options::default(), &history, &Limits::default())
        };
        let Err(CheckError::Specification { f, source, .. }) = judge("launch") else {
            panic!("{} has no launch", model.name())
        };
        assert_eq!((f.as_str(), source.found.as_str()), ("launch", "`launch`"));
        for known in model.functions() {
            assert!(
                source.expected.contains(known),
                "{known} in {}",
                source.expected
            );
            if let Err(CheckError::Specification { source, .. }) = judge(known) {
                assert_ne!(
                    source.found,
                    format!("`{known}`"),
                    "{} lacks {known}",
                    model.name()
                );
            }
        }
    }
    assert_eq!(Model::from_name("rocket"), None);
}

#[test]
fn the_catalogue_judges_and_verifies() {
    let transaction = json!([["w", "x", 1], ["r", "x", 1]]);
    let events = ok(0, "txn", transaction.clone(), transaction);
    let history = history(events.to_vec());
    let options = Options::default();
    let judgement = Model::Kv
        .judge(&options, &history, &Limits::default())
        .unwrap();
    let Verdict::Valid(certificate) = judgement.verdict else {
        panic!("it read what it wrote")
    };
    Model::Kv.verify(&options, &history, &certificate).unwrap();
    // Where times decide, they must be those of one clock.
    let mut back = History {
        events: ok(0, "get", Value::Null, Value::Null).to_vec(),
    };
    back.events[0].time = 2;
    back.events[1].time = 1;
    assert!(
        Model::TtlCache
            .judge(&options, &back, &Limits::default())
            .is_err()
    );
}
