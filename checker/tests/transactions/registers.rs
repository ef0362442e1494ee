//! Registers, whose order of versions is known from reads only, from sessions, and from real time.

use crate::anomalies::found;
use crate::support::history;
use stormglass_checker::transactions::{Level, TransactionOptions, check_transactions};

#[test]
fn versions_in_a_circle() {
    let lines = r#"
        0 invoke [["r","x",null],["w","x",1]]
        1 invoke [["r","x",null],["w","x",2]]
        0 ok [["r","x",2],["w","x",1]]
        1 ok [["r","x",1],["w","x",2]]
    "#;
    assert_eq!(
        found(lines),
        (vec!["cyclic-versions", "G1c"], vec![Level::ReadUncommitted])
    );
}

#[test]
fn registers_whose_order_is_known_from_sessions_and_real_time() {
    // The second write came later, whether in the process or in real time, and then the first is read.
    let real_time = r#"
        0 invoke [["w","x",1]]
        0 ok [["w","x",1]]
        1 invoke [["w","x",2]]
        1 ok [["w","x",2]]
        2 invoke [["r","x",null]]
        2 ok [["r","x",1]]
    "#;
    assert_eq!(
        found(real_time),
        (
            vec!["cyclic-versions-realtime"],
            vec![Level::StrongSessionSerializable]
        )
    );
    let session = r#"
        0 invoke [["w","x",1]]
        1 invoke [["r","y",null],["r","x",null]]
        0 ok [["w","x",1]]
        0 invoke [["w","x",2],["w","y",1]]
        0 ok [["w","x",2],["w","y",1]]
        1 ok [["r","y",1],["r","x",1]]
    "#;
    assert_eq!(
        found(session),
        (vec!["G-single-process"], vec![Level::Serializable])
    );
    // When the key is assumed to be consistent by itself, the same rules out more.
    let options = TransactionOptions {
        sequential_keys: true,
        ..TransactionOptions::default()
    };
    let judgement = check_transactions(&history(session), &options).unwrap();
    assert_eq!(judgement.counts[0].kind.name(), "G-single");
    let options = TransactionOptions {
        linearizable_keys: true,
        ..TransactionOptions::default()
    };
    let judgement = check_transactions(&history(real_time), &options).unwrap();
    assert_eq!(judgement.counts[0].kind.name(), "cyclic-versions");
}

#[test]
fn values_that_cannot_be_told_apart_prove_nothing() {
    let lines = r#"
        0 invoke [["w","x",1]]
        0 ok [["w","x",1]]
        0 invoke [["w","x",2]]
        0 ok [["w","x",2]]
        1 invoke [["w","x",1]]
        1 ok [["w","x",1]]
        2 invoke [["r","x",null]]
        2 ok [["r","x",1]]
    "#;
    assert_eq!(found(lines), (vec![], vec![Level::StrictSerializable]));
    let null = r#"
        0 invoke [["w","x",null]]
        0 ok [["w","x",null]]
        1 invoke [["w","x",1]]
        1 ok [["w","x",1]]
        2 invoke [["w","x",null]]
        2 ok [["w","x",null]]
        3 invoke [["r","x",null]]
        3 ok [["r","x",null]]
    "#;
    assert_eq!(found(null), (vec![], vec![Level::StrictSerializable]));
}
