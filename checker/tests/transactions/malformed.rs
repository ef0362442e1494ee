//! Whatever is in a history, the transaction checker answers or refuses, and twice the same.

use crate::support::Random;
use crate::support::fuzz::{bend, text};
use crate::support::store::{Asked, Isolation, Store};
use serde_json::{Value, json};
use stormglass_checker::transactions::{TransactionKind, TransactionOptions, check_transactions};
use stormglass_checker::{Kind, Limits};

/// Puts something odd at a random place of `value`.
fn spoil(value: &mut Value, random: &mut Random) {
    if let Value::Array(items) = value
        && !items.is_empty()
        && !random.one_in(6)
    {
        let at = random.place(items.len());
        spoil(&mut items[at], random);
        return;
    }
    let odd = [
        json!(null),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"x": [1]}),
        json!("r"),
        json!("append"),
        json!(":w"),
        json!(""),
        json!(-1),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
        json!(true),
        json!([1, [2], {}]),
        json!(["r", "x"]),
        json!(["append", null, null]),
    ];
    *value = odd[random.place(odd.len())].clone();
}

#[test]
fn odd_histories_are_judged_or_refused() {
    let (mut judged, mut refused) = (0, 0);
    for number in 0..20_000 {
        let mut random = Random(number);
        let lists = random.one_in(2);
        let asked = Asked {
            isolation: Isolation::ALL[random.place(Isolation::ALL.len())],
            lists,
            transactions: 1 + random.place(8),
            clients: 1 + random.place(4),
            keys: 1 + random.place(3),
            operations_max: 4,
            lost_one_in: 4,
            repeated_one_in: 4,
            final_read: random.one_in(2),
        };
        let mut history = Store::run(asked, &mut random);
        bend(&mut history, &mut random, lists);
        for _ in 0..random.place(4) {
            let at = random.place(history.events.len());
            match random.place(8) {
                0 => {
                    history.events.remove(at);
                }
                1 => {
                    let kinds = [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info];
                    history.events[at].kind = kinds[random.place(4)];
                }
                2 => {
                    let other = random.place(history.events.len());
                    history.events.swap(at, other);
                }
                _ => spoil(&mut history.events[at].value, &mut random),
            }
            if history.events.is_empty() {
                break;
            }
        }
        let options = TransactionOptions {
            kind: [
                TransactionKind::Auto,
                TransactionKind::Auto,
                TransactionKind::ListAppend,
                TransactionKind::Register,
            ][random.place(4)],
            writes_follow_reads: random.one_in(2),
            sequential_keys: random.one_in(4),
            linearizable_keys: random.one_in(4),
            reported_max: random.place(3),
            limits: Limits {
                steps: [30, 100, 1_000_000][random.place(3)],
                ..Limits::default()
            },
            ..TransactionOptions::default()
        };
        match (
            check_transactions(&history, &options),
            check_transactions(&history, &options),
        ) {
            (Ok(one), Ok(other)) => {
                judged += 1;
                assert_eq!(one, other, "{}", text(&history));
                let json = serde_json::to_string(&one).unwrap();
                assert!(serde_json::from_str::<Value>(&json).is_ok());
            }
            (Err(one), Err(other)) => {
                refused += 1;
                assert_eq!(one.to_string(), other.to_string());
            }
            _ => panic!("once judged, once refused:\n{}", text(&history)),
        }
    }
    assert!(judged > 5_000 && refused > 2_000, "{judged} {refused}");
}
