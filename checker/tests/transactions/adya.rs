//! The transaction checker next to another one: the crate adya, on ten thousand histories of lists.

use std::collections::BTreeMap;

use crate::support::Random;
use crate::support::fuzz::{bend, leaves, text};
use crate::support::oracle::is_legal;
use crate::support::store::{Asked, Isolation, Store};
use stormglass_checker::transactions::{
    AnomalyKind, Level, TransactionJudgement, TransactionOptions, check_transactions,
};

const HISTORIES: u64 = 10_000;

const LEVELS: [Level; 5] = [
    Level::ReadUncommitted,
    Level::ReadCommitted,
    Level::SnapshotIsolation,
    Level::Serializable,
    Level::StrictSerializable,
];

#[test]
fn agrees_with_adya() {
    // How often: level, both leave it, both rule it out, only this one rules it out, only adya does.
    let mut tally: BTreeMap<Level, [u64; 4]> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..HISTORIES {
        let mut random = Random(number.wrapping_mul(0x9e37_79b9));
        let asked = Asked {
            isolation: Isolation::ALL[random.place(Isolation::ALL.len())],
            lists: true,
            transactions: 2 + random.place(5),
            clients: 1 + random.place(4),
            keys: 1 + random.place(3),
            operations_max: 1 + random.place(4),
            lost_one_in: [0, 6][random.place(2)],
            repeated_one_in: 0,
            final_read: random.one_in(2),
        };
        let mut history = Store::run(asked, &mut random);
        if random.one_in(2) {
            bend(&mut history, &mut random, true);
        }
        let mut lines = Vec::new();
        history.write_jsonl(&mut lines).unwrap();
        let theirs = adya::History::from_json(&String::from_utf8(lines).unwrap()).unwrap();
        let ours = check_transactions(&history, &TransactionOptions::default()).unwrap();
        for level in LEVELS {
            let options = adya::Opts {
                models: vec![level.name().to_owned()],
                ..adya::Opts::default()
            };
            let report = adya::check(&theirs, adya::Workload::ListAppend, &options);
            let ruled_out = report.valid == adya::Valid::False;
            let counts = tally.entry(level).or_default();
            match (leaves(&ours, level), !ruled_out) {
                (true, true) => counts[0] += 1,
                (false, false) => counts[1] += 1,
                (false, true) => {
                    counts[2] += 1;
                    let why = reason(&ours, level);
                    // That nobody wrote a value, adya does not report; nor that a transaction's own append came too early.
                    let expected = why.contains("garbage-read") || why.contains("future-read");
                    assert!(expected, "adya leaves {level}: {why}\n{}", text(&history));
                    let oracle = level > Level::RepeatableRead;
                    let known = !oracle || is_legal(&history, level, true) == Some(false);
                    assert!(known, "{level} is kept\n{}", text(&history));
                    *reasons.entry(format!("{level}: {why}")).or_default() += 1;
                }
                (true, false) => {
                    // Where two reads disagree, adya goes by the longer one and finds writes in a circle, which is all that is left to
                    // be ruled out then.
                    let disputed = ours
                        .counts
                        .iter()
                        .any(|count| count.kind == AnomalyKind::IncompatibleOrder);
                    assert!(
                        level == Level::ReadUncommitted && disputed,
                        "only adya rules out {level}: {:?}\n{}",
                        report.anomaly_types,
                        text(&history)
                    );
                    counts[3] += 1;
                }
            }
        }
    }
    println!(
        "both leave it, both rule it out, only this one does, only adya does:\n{tally:#?}\n{reasons:#?}"
    );
}

/// Why this checker rules the level out.
fn reason(judgement: &TransactionJudgement, level: Level) -> String {
    let anomalies = judgement.anomalies.iter();
    let ruling =
        anomalies.filter(|anomaly| anomaly.rules_out.iter().any(|weak| level.implies(*weak)));
    let names: Vec<&str> = ruling.map(|anomaly| anomaly.kind.name()).collect();
    format!("{names:?}")
}
