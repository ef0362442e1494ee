//! Begin here: what goes in, what comes out.

use crate::common::{event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::{History, Kind, Limits, Outcome, Register, Verdict, check, verify};

/// A history is a list of events. Two clients write at the same time, a third reads later: either write may be last.
#[test]
fn a_valid_history_comes_with_an_order() {
    let text = r#"{"index":0,"time":10,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"index":1,"time":11,"process":1,"type":"invoke","f":"write","key":"x","value":2}
{"index":2,"time":20,"process":1,"type":"ok","f":"write","key":"x","value":2,"version":7}
{"index":3,"time":21,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"index":4,"time":30,"process":2,"type":"invoke","f":"read","key":"x","value":null}
{"index":5,"time":40,"process":2,"type":"ok","f":"read","key":"x","value":2}
"#;
    let history = History::parse_jsonl("tutorial", text.as_bytes()).unwrap();
    let register = Register::default();
    let judgement = check(&register, &history, &Limits::default()).unwrap();
    let Verdict::Valid(certificate) = judgement.verdict else {
        panic!("2 may have been written last")
    };

    // The order puts the write of 1 first, then that of 2, then the read.
    assert_eq!(certificate.parts[0].key.as_deref(), Some("x"));
    assert_eq!(certificate.parts[0].order, [0, 1, 2]);
    // It can be verified without trusting the search.
    let operations = history.operations().unwrap();
    verify(&register, &operations, &certificate).unwrap();
    assert_eq!(operations[0].outcome, Outcome::Ok(json!(1)));

    // Writing the history gives the same bytes again.
    let mut written = Vec::new();
    history.write_jsonl(&mut written).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);
}

/// A read that returns an old value after a newer one was acknowledged.
#[test]
fn a_stale_read_is_told_in_prose() {
    let mut events = Vec::new();
    events.extend(ok(0, "write", json!(1), json!(1)));
    events.extend(ok(1, "read", Value::Null, json!(1)));
    events.extend(ok(0, "write", json!(2), json!(2)));
    events.extend(ok(1, "read", Value::Null, json!(1)));
    events.extend(ok(1, "read", Value::Null, json!(2)));
    let judgement = check(&Register::default(), &history(events), &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("the second read is stale")
    };

    // The first eight events alone are illegal. Two writes and the second read collide; the first read has no part in it.
    assert_eq!(evidence.prefix_events, 8);
    assert!(evidence.minimal && evidence.prefix_smallest);
    let culprits: Vec<usize> = evidence
        .culprits
        .iter()
        .map(|operation| operation.id)
        .collect();
    assert_eq!(culprits, [0, 2, 3]);
    assert_eq!(
        evidence.explanation,
        "Promised is linearizability: \"each operation applied by concurrent processes takes effect instantaneously at \
         some point between its invocation and its response\" (Herlihy and Wing, 1990). The first 8 events break it: no \
         order of the operations explains them.
These operations collide, even if every other one may happen at any time or never:
  #0 (process 0: write 1 -> ok): called at event 0, returned at event 1
  #2 (process 0: write 2 -> ok): called at event 4, returned at event 5
  #3 (process 1: read -> 1): called at event 6, returned at event 7
#0 (process 0: write 1 -> ok) comes before #2 (process 0: write 2 -> ok), because it returned at event 1 and the other \
         was called only at event 4.
#2 (process 0: write 2 -> ok) comes before #3 (process 1: read -> 1), because it returned at event 5 and the other was \
         called only at event 6.
When #3 (process 1: read -> 1) returned at event 7, the state could only be 2, and the read of 1 is not allowed then: a \
         contradiction."
    );
}

/// A timeout proves nothing: the write may have happened, and may happen still.
#[test]
fn an_unknown_write_may_happen_late_or_never() {
    let unknown_write = [
        event(0, Kind::Invoke, "write", json!(1)),
        event(0, Kind::Info, "write", json!(1)),
    ];
    let verdict_of_reads = |values: &[Value]| {
        let mut events = unknown_write.to_vec();
        values
            .iter()
            .for_each(|value| events.extend(ok(1, "read", Value::Null, value.clone())));
        let history = history(events);
        let verdict = check(&Register::default(), &history, &Limits::default())
            .unwrap()
            .verdict;
        if let Verdict::Valid(certificate) = &verdict {
            verify(
                &Register::default(),
                &history.operations().unwrap(),
                certificate,
            )
            .unwrap();
        }
        verdict
    };
    let Verdict::Valid(never) = verdict_of_reads(&[Value::Null, Value::Null]) else {
        panic!("it may never happen")
    };
    assert_eq!(never.parts[0].order, [1, 2], "an unused write is absent");
    let Verdict::Valid(late) = verdict_of_reads(&[Value::Null, json!(1)]) else {
        panic!("it may happen late")
    };
    assert_eq!(late.parts[0].order, [1, 0, 2]);
    assert!(
        matches!(
            verdict_of_reads(&[json!(1), Value::Null]),
            Verdict::Invalid(_)
        ),
        "it cannot be undone"
    );
}

/// Keys are judged one by one. The part that breaks first is shown, and verdicts survive a round trip through JSON.
#[test]
fn keys_are_independent() {
    let keyed = |process, f: &str, input: Value, output: Value, key: &str| {
        ok(process, f, input, output).map(|mut event| {
            event.key = Some(key.to_owned());
            event
        })
    };
    let mut events = Vec::new();
    events.extend(keyed(0, "write", json!(1), json!(1), "x"));
    events.extend(keyed(0, "read", Value::Null, Value::Null, "y"));
    events.extend(keyed(0, "read", Value::Null, json!(3), "y"));
    events.extend(keyed(0, "read", Value::Null, json!(9), "x"));
    let judgement = check(&Register::default(), &history(events), &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = &judgement.verdict else {
        panic!("nobody wrote 3 or 9")
    };
    assert_eq!(
        (evidence.key.as_deref(), evidence.prefix_events),
        (Some("y"), 6)
    );
    assert_eq!(evidence.culprits.len(), 1);
    let text = serde_json::to_string(&judgement).unwrap();
    assert_eq!(
        serde_json::from_str::<stormglass_checker::Judgement>(&text).unwrap(),
        judgement
    );
}

/// Before a failure is known, the failed write explains a read. The prefix must reach up to where it is known.
#[test]
fn the_prefix_is_illegal_by_itself() {
    let mut events = vec![event(0, Kind::Invoke, "write", json!(1))];
    events.extend(ok(1, "read", Value::Null, json!(1)));
    events.extend(ok(2, "read", Value::Null, json!(1)));
    events.push(event(0, Kind::Fail, "write", json!(1)));
    events.extend(ok(2, "read", Value::Null, Value::Null));
    let judgement = check(&Register::default(), &history(events), &Limits::default()).unwrap();
    let Verdict::Invalid(evidence) = judgement.verdict else {
        panic!("a failed write was read")
    };
    assert_eq!(evidence.prefix_events, 6);
}
