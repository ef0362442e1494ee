//! Which isolation a history of transactions keeps, kind by kind of anomaly.

use crate::support::history;
use stormglass_checker::transactions::{
    AnomalyEvidence, AnomalyKind, Cause, Known, Level, Order, TransactionJudgement,
    TransactionKind, TransactionOptions, TransactionVerdict, check_transactions,
};
use stormglass_checker::{CheckError, History, Limits, Reason};

fn judge(history: &History) -> TransactionJudgement {
    check_transactions(history, &TransactionOptions::default()).unwrap()
}

/// The names of the kinds found, and the strongest levels left.
pub(crate) fn found(lines: &str) -> (Vec<&'static str>, Vec<Level>) {
    let judgement = judge(&history(lines));
    let kinds = judgement.counts.iter().map(|count| count.kind.name());
    (kinds.collect(), judgement.strongest)
}

/// A tutorial: a history, its verdict, and the story of what is wrong with it.
#[test]
fn a_lost_update_is_told() {
    let history = history(
        r#"
        0 invoke [["r","x",null],["append","x",1]]
        1 invoke [["r","x",null],["append","x",2]]
        0 ok [["r","x",[]],["append","x",1]]
        1 ok [["r","x",[]],["append","x",2]]
        2 invoke [["r","x",null]]
        2 ok [["r","x",[1,2]]]
        "#,
    );
    let judgement = judge(&history);
    assert_eq!(
        judgement.verdict,
        TransactionVerdict::Invalid {
            kinds: vec![AnomalyKind::LostUpdate, AnomalyKind::GSingle(Order::None)]
        }
    );
    assert_eq!(judgement.strongest, [Level::ReadCommitted]);
    assert_eq!(
        judgement.anomalies[0].explanation,
        "lost-update, which rules out repeatable-read and snapshot-isolation and all that is stronger.
Let
  T0 = process 0, called at event 0, returned at event 2: r x [], append x 1
  T1 = process 1, called at event 1, returned at event 3: r x [], append x 2
All of T0, T1 read [] from key x and then wrote that key: each but the first overwrote what it had not seen."
    );
    assert_eq!(
        judgement.anomalies[1].explanation,
        "G-single, which rules out repeatable-read and snapshot-isolation and all that is stronger.
Let
  T1 = process 1, called at event 1, returned at event 3: r x [], append x 2
  T0 = process 0, called at event 0, returned at event 2: r x [], append x 1
Then
  T1 < T0, because T1 read [] from key x and so did not see T0's append of 1, which came next behind it;
  T0 < T1, because T0 appended 1 to key x and T1's append of 2 came next behind it: a contradiction."
    );
    // The same history keeps what is weaker.
    let options = TransactionOptions {
        level: Level::ReadCommitted,
        ..TransactionOptions::default()
    };
    let judgement = check_transactions(&history, &options).unwrap();
    assert_eq!(judgement.verdict, TransactionVerdict::Valid);
    assert_eq!(judgement.anomalies.len(), 2);
}

#[test]
fn writes_in_a_circle() {
    let lines = r#"
        0 invoke [["append","x",1],["append","y",1]]
        1 invoke [["append","x",2],["append","y",2]]
        0 ok [["append","x",1],["append","y",1]]
        1 ok [["append","x",2],["append","y",2]]
        2 invoke [["r","x",null],["r","y",null]]
        2 ok [["r","x",[1,2]],["r","y",[2,1]]]
    "#;
    assert_eq!(found(lines), (vec!["G0"], vec![]));
    // One that is known to have committed only because it was read: from read committed on.
    let unknown = lines.replace("0 ok", "0 info");
    assert_eq!(found(&unknown), (vec!["G0"], vec![Level::ReadUncommitted]));
}

#[test]
fn aborted_and_intermediate_reads() {
    let aborted = r#"
        0 invoke [["append","x",1]]
        0 fail [["append","x",1]]
        1 invoke [["r","x",null]]
        1 ok [["r","x",[1]]]
    "#;
    assert_eq!(found(aborted), (vec!["G1a"], vec![Level::ReadUncommitted]));
    let intermediate = r#"
        0 invoke [[":append","x",1],[":append","x",2]]
        1 invoke [[":r","x",null]]
        1 ok [[":r","x",[1]]]
        0 ok [[":append","x",1],[":append","x",2]]
    "#;
    assert_eq!(
        found(intermediate),
        (vec!["G1b", "G-single"], vec![Level::ReadUncommitted])
    );
}

#[test]
fn information_in_a_circle() {
    let lines = r#"
        0 invoke [["append","x",1],["r","y",null]]
        1 invoke [["append","y",1],["r","x",null]]
        0 ok [["append","x",1],["r","y",[1]]]
        1 ok [["append","y",1],["r","x",[1]]]
    "#;
    assert_eq!(found(lines), (vec!["G1c"], vec![Level::ReadUncommitted]));
}

#[test]
fn read_skew() {
    let lines = r#"
        0 invoke [["r","x",null],["r","y",null]]
        1 invoke [["append","x",1],["append","y",1]]
        1 ok [["append","x",1],["append","y",1]]
        0 ok [["r","x",[]],["r","y",[1]]]
        1 invoke [["r","x",null]]
        1 ok [["r","x",[1]]]
    "#;
    assert_eq!(found(lines), (vec!["G-single"], vec![Level::ReadCommitted]));
}

#[test]
fn write_skew_is_snapshot_isolation() {
    let lines = r#"
        0 invoke [["r","x",null],["w","y",1]]
        1 invoke [["r","y",null],["w","x",2]]
        0 ok [["r","x",null],["w","y",1]]
        1 ok [["r","y",null],["w","x",2]]
    "#;
    assert_eq!(
        found(lines),
        (vec!["G2-item"], vec![Level::SnapshotIsolation])
    );
}

/// A long fork: two readers see two writes in different order. Two anti-dependencies, each followed by a read.
#[test]
fn a_long_fork_is_not_snapshot_isolation() {
    let lines = r#"
        0 invoke [["w","x",1]]
        1 invoke [["w","y",2]]
        2 invoke [["r","x",null],["r","y",null]]
        3 invoke [["r","x",null],["r","y",null]]
        0 ok [["w","x",1]]
        1 ok [["w","y",2]]
        2 ok [["r","x",1],["r","y",null]]
        3 ok [["r","x",null],["r","y",2]]
    "#;
    assert_eq!(
        found(lines),
        (vec!["G-nonadjacent"], vec![Level::ReadCommitted])
    );
}

#[test]
fn the_order_of_a_process() {
    let lines = r#"
        0 invoke [["w","x",1]]
        0 ok [["w","x",1]]
        0 invoke [["r","x",null]]
        0 ok [["r","x",null]]
    "#;
    assert_eq!(
        found(lines),
        (vec!["G-single-process"], vec![Level::Serializable])
    );
    let monotonic = r#"
        0 invoke [["r","x",null]]
        1 invoke [["append","x",1]]
        0 ok [["r","x",[2,1]]]
        0 invoke [["append","x",2]]
        0 ok [["append","x",2]]
        1 ok [["append","x",1]]
    "#;
    assert_eq!(
        found(monotonic),
        (vec!["G1c-process"], vec![Level::Serializable])
    );
}

#[test]
fn real_time() {
    let stale = r#"
        0 invoke [["w","x",1]]
        0 ok [["w","x",1]]
        1 invoke [["r","x",null]]
        1 ok [["r","x",null]]
    "#;
    assert_eq!(
        found(stale),
        (
            vec!["G-single-realtime"],
            vec![Level::StrongSessionSerializable]
        )
    );
    let judgement = judge(&history(stale));
    let AnomalyEvidence::Cycle { steps } = &judgement.anomalies[0].evidence else {
        panic!("a cycle")
    };
    assert!(steps.iter().any(|step| step.cause
        == Cause::RealTime {
            returned: 1,
            called: 2
        }));
    // While they overlap, either may be first.
    let overlapping = r#"
        0 invoke [["w","x",1]]
        1 invoke [["r","x",null]]
        0 ok [["w","x",1]]
        1 ok [["r","x",null]]
    "#;
    assert_eq!(
        found(overlapping),
        (vec![], vec![Level::StrictSerializable])
    );
    let reversed = r#"
        0 invoke [["append","x",1]]
        0 ok [["append","x",1]]
        1 invoke [["append","x",2]]
        1 ok [["append","x",2]]
        2 invoke [["r","x",null]]
        2 ok [["r","x",[2,1]]]
    "#;
    assert_eq!(
        found(reversed),
        (vec!["G0-realtime"], vec![Level::StrongSessionSerializable])
    );
    // A read before the write that it saw.
    let early = r#"
        0 invoke [["r","x",null]]
        0 ok [["r","x",1]]
        1 invoke [["w","x",1]]
        1 info [["w","x",1]]
    "#;
    assert_eq!(
        found(early),
        (vec!["G1c-realtime"], vec![Level::StrongSessionSerializable])
    );
}

#[test]
fn a_transaction_disagrees_with_itself() {
    let lists = r#"
        0 invoke [["append","x",1],["r","x",null]]
        0 ok [["append","x",1],["r","x",[]]]
    "#;
    assert_eq!(found(lists), (vec!["internal"], vec![Level::ReadCommitted]));
    let registers = r#"
        0 invoke [["w","x",1],["r","x",null]]
        1 invoke [["w","x",2]]
        0 ok [["w","x",1],["r","x",2]]
        1 ok [["w","x",2]]
    "#;
    assert_eq!(
        found(registers),
        (vec!["internal"], vec![Level::ReadCommitted])
    );
    let future = r#"
        0 invoke [["r","x",null],["w","x",1]]
        0 ok [["r","x",1],["w","x",1]]
    "#;
    assert_eq!(
        found(future),
        (vec!["future-read"], vec![Level::ReadUncommitted])
    );
    let overwritten_between = r#"
        0 invoke [["r","x",null],["w","x",6],["w","x",5]]
        0 ok [["r","x",5],["w","x",6],["w","x",5]]
    "#;
    assert_eq!(
        found(overwritten_between),
        (vec!["future-read"], vec![Level::ReadUncommitted])
    );
    let forgotten_between = r#"
        0 invoke [["r","x",null],["r","x",null],["append","x",1]]
        0 ok [["r","x",[1]],["r","x",[]],["append","x",1]]
    "#;
    assert_eq!(
        found(forgotten_between),
        (
            vec!["future-read", "internal"],
            vec![Level::ReadUncommitted]
        )
    );
    let backwards = r#"
        0 invoke [["append","x",1],["append","x",2]]
        0 ok [["append","x",1],["append","x",2]]
        1 invoke [["r","x",null]]
        1 ok [["r","x",[2,1]]]
    "#;
    let (kinds, _) = found(backwards);
    assert_eq!(kinds, ["G1b", "internal"]);
}

/// A transaction of unknown fate closes a shorter circle of writes than the three that committed. Theirs is one at every level, his is not.
#[test]
fn a_circle_of_writes_is_not_hidden_by_one_that_rests_on_an_unknown_transaction() {
    let lines = r#"
        0 invoke [["append","a",1],["append","c",1],["append","d",1],["append","e",1]]
        1 invoke [["append","a",2],["append","b",2]]
        2 invoke [["append","b",3],["append","c",3]]
        3 invoke [["append","d",9],["append","e",9]]
        0 ok [["append","a",1],["append","c",1],["append","d",1],["append","e",1]]
        1 ok [["append","a",2],["append","b",2]]
        2 ok [["append","b",3],["append","c",3]]
        3 info [["append","d",9],["append","e",9]]
        4 invoke [["r","a",null],["r","b",null],["r","c",null],["r","d",null],["r","e",null]]
        4 ok [["r","a",[1,2]],["r","b",[2,3]],["r","c",[3,1]],["r","d",[9,1]],["r","e",[1,9]]]
    "#;
    assert_eq!(found(lines), (vec!["G0"], vec![]));
    // Without the circle of those that committed, reading uncommitted is all that is left.
    let alone = lines.replace("[3,1]", "[1,3]");
    assert_eq!(found(&alone), (vec!["G0"], vec![Level::ReadUncommitted]));
}

#[test]
fn lists_that_cannot_be() {
    let garbage = r#"
        0 invoke [["r","x",null]]
        0 ok [["r","x",[7]]]
    "#;
    assert_eq!(found(garbage), (vec!["garbage-read"], vec![]));
    let twice = r#"
        0 invoke [["append","x",1]]
        0 ok [["append","x",1]]
        0 invoke [["r","x",null]]
        0 ok [["r","x",[1,1]]]
    "#;
    assert_eq!(found(twice), (vec!["duplicate-elements"], vec![]));
    let disputed = r#"
        0 invoke [["append","x",1]]
        1 invoke [["append","x",2]]
        0 ok [["append","x",1]]
        1 ok [["append","x",2]]
        0 invoke [["r","x",null]]
        1 invoke [["r","x",null]]
        0 ok [["r","x",[1]]]
        1 ok [["r","x",[2]]]
    "#;
    assert_eq!(
        found(disputed),
        (vec!["incompatible-order"], vec![Level::ReadUncommitted])
    );
}

#[test]
fn an_append_that_was_lost() {
    let lines = r#"
        0 invoke [["append","x",1]]
        0 ok [["append","x",1]]
        1 invoke [["append","x",2]]
        1 ok [["append","x",2]]
        2 invoke [["r","x",null]]
        2 ok [["r","x",[2]]]
    "#;
    let judgement = judge(&history(lines));
    let AnomalyEvidence::Cycle { steps } = &judgement.anomalies[0].evidence else {
        panic!("a cycle")
    };
    assert!(steps.iter().any(|step| matches!(
        step.cause,
        Cause::ReadWrite {
            known: Known::Missing,
            ..
        } | Cause::WriteWrite {
            known: Known::Missing,
            ..
        }
    )));
    // If nobody knows whether it committed, it did not.
    let unknown = lines.replace("0 ok", "0 info");
    assert_eq!(found(&unknown), (vec![], vec![Level::StrictSerializable]));
}

#[test]
fn one_and_one_point_zero_are_one_value() {
    let lines = r#"
        0 invoke [["append",1,1]]
        0 ok [["append",1,1.0]]
        1 invoke [["r",1.0,null]]
        1 ok [["r",1,[1.0]]]
    "#;
    assert_eq!(found(lines), (vec![], vec![Level::StrictSerializable]));
}

#[test]
fn what_is_no_transaction_is_refused() {
    let refused = |lines: &str, kind| {
        let options = TransactionOptions {
            kind,
            ..TransactionOptions::default()
        };
        match check_transactions(&history(lines), &options) {
            Err(error) => error.to_string(),
            Ok(judgement) => panic!("{judgement:?}"),
        }
    };
    let auto = TransactionKind::Auto;
    let message = refused(r#"0 invoke [["cas","x",1]]"#, auto);
    assert!(
        message.contains("a micro-operation [\"append\""),
        "{message}"
    );
    let message = refused(r#"0 invoke {"x":1}"#, auto);
    assert!(message.contains("a list of micro-operations"), "{message}");
    let message = refused(r#"0 invoke [["append","x",1],["w","x",1]]"#, auto);
    assert!(message.contains("either lists"), "{message}");
    let message = refused(r#"0 invoke [["w","x",1]]"#, TransactionKind::ListAppend);
    assert!(message.contains("append, or a read of a list"), "{message}");
    let message = refused("0 ok []", auto);
    assert!(message.contains("without a call"), "{message}");
    let message = refused("0 invoke []\n0 invoke []", auto);
    assert!(message.contains("second call"), "{message}");
    let message = refused("0 invoke []\n0 info []\n0 invoke []", auto);
    assert!(message.contains("retired"), "{message}");
    let differs = "0 invoke [[\"append\",\"x\",1]]\n0 ok [[\"append\",\"x\",2]]";
    let message = refused(differs, auto);
    assert!(message.contains("of the call"), "{message}");
    let mut other = history("0 invoke []");
    other.events[0].f = "read".to_owned();
    let refused = check_transactions(&other, &TransactionOptions::default());
    assert!(matches!(refused, Err(CheckError::Specification { .. })));
}

#[test]
fn a_limit_makes_a_verdict_unknown_and_never_valid() {
    let lines = r#"
        0 invoke [["append","x",1],["append","y",1]]
        0 ok [["append","x",1],["append","y",1]]
        1 invoke [["r","x",null],["r","y",null]]
        1 ok [["r","x",[]],["r","y",[1]]]
    "#;
    let mut unknown = 0;
    for steps in 0..200 {
        let options = TransactionOptions {
            limits: Limits {
                steps,
                ..Limits::default()
            },
            ..TransactionOptions::default()
        };
        let judgement = check_transactions(&history(lines), &options).unwrap();
        match judgement.verdict {
            TransactionVerdict::Valid => panic!("{steps} steps made it valid"),
            TransactionVerdict::Unknown { reason, limit } => {
                assert_eq!((reason, limit), (Reason::Steps, steps));
                unknown += 1;
            }
            TransactionVerdict::Invalid { .. } => {}
        }
    }
    assert!(unknown > 10 && unknown < 190, "{unknown}");
    let options = TransactionOptions {
        limits: Limits {
            bytes: 100,
            ..Limits::default()
        },
        ..TransactionOptions::default()
    };
    let judgement = check_transactions(&history(lines), &options).unwrap();
    let reason = Reason::Bytes;
    assert_eq!(
        judgement.verdict,
        TransactionVerdict::Unknown { reason, limit: 100 }
    );
}

#[test]
fn the_order_of_levels() {
    for level in Level::ALL {
        assert_eq!(Level::from_name(level.name()), Some(level));
        assert!(Level::StrictSerializable.implies(level));
        assert!(level.implies(Level::ReadUncommitted));
    }
    assert!(!Level::SnapshotIsolation.implies(Level::RepeatableRead));
    assert!(!Level::RepeatableRead.implies(Level::SnapshotIsolation));
    assert_eq!(Level::from_name("monotonic"), None);
}

#[test]
fn more_anomalies_than_are_told_are_counted() {
    let mut lines = String::new();
    for key in 0..20 {
        lines += &format!("0 invoke [[\"r\",{key},null]]\n0 ok [[\"r\",{key},[1]]]\n");
    }
    let judgement = judge(&history(&lines));
    assert_eq!(judgement.anomalies.len(), 8);
    assert_eq!(judgement.counts[0].found, 20);
}

/// Each transaction read what the next one wrote, all the way round.
#[test]
fn a_long_cycle_is_told_in_short() {
    let count = 20_000;
    let mut lines = String::new();
    for number in 0..count {
        let next = (number + 1) % count;
        lines += &format!("{number} invoke [[\"append\",{number},1],[\"r\",{next},null]]\n");
    }
    for number in 0..count {
        let next = (number + 1) % count;
        lines += &format!("{number} ok [[\"append\",{number},1],[\"r\",{next},[1]]]\n");
    }
    let judgement = judge(&history(&lines));
    assert_eq!(judgement.strongest, [Level::ReadUncommitted]);
    let AnomalyEvidence::Cycle { steps } = &judgement.anomalies[0].evidence else {
        panic!("a cycle")
    };
    assert_eq!(steps.len(), count);
    let told = &judgement.anomalies[0].explanation;
    assert!(told.lines().count() < 60, "{told}");
    assert!(told.contains("and 19976 more;"), "{told}");
    assert!(told.ends_with(": a contradiction."), "{told}");
}
