//! Every guarantee against an oracle that tries everything, on small histories of weak systems, half of them bent.
//!
//! The long form: `cargo test --release -p stormglass-checker --test fuzz -- guarantees 1000000`.

use crate::common::guarantees::compare::{Tally, compare, fuzz};
use crate::common::{event, history};
use serde_json::{Value, json};
use stormglass_checker::{Guarantee, History, Kind};

/// How many histories `cargo test` tries.
const HISTORIES: u64 = 4_000;

#[test]
fn weak_systems() {
    let tally = fuzz(HISTORIES, 1).unwrap_or_else(|problem| panic!("{problem}"));
    for guarantee in Guarantee::ALL {
        let [kept, broken, _] = tally.answers[&guarantee];
        assert!(
            kept > HISTORIES / 20 && broken > HISTORIES / 50,
            "neither answer may be rare: {guarantee:?} {tally:?}"
        );
    }
    assert!(
        tally.circles > HISTORIES / 20 && tally.exhausted > HISTORIES / 50,
        "both ways to find a violation: {tally:?}"
    );
}

/// Reads whole operations on one register, one after the other: `0 write 1`, `1 read null`, and at the end `unknown` or `refused`.
fn story(lines: &[&str]) -> History {
    let mut events = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let process = words[0].parse().unwrap();
        let value: Value = serde_json::from_str(words[2]).unwrap();
        let called = if words[1] == "read" {
            Value::Null
        } else {
            value.clone()
        };
        events.push(event(process, Kind::Invoke, words[1], called));
        let kind = match words.get(3) {
            None => Kind::Ok,
            Some(&"refused") => Kind::Fail,
            Some(_) => Kind::Info,
        };
        let mut ended = event(process, kind, words[1], value);
        ended.error = (kind == Kind::Fail).then(|| "mismatch".to_owned());
        events.push(ended);
    }
    history(events)
}

/// What chance seldom makes: each of these tells a right judge from one that is wrong in one place.
#[test]
fn seldom_histories() {
    let stories: [(Value, &[&str]); 7] = [
        // The compare-and-set never happened: its process had written over what it asks for. The refused one keeps it
        // from being left out, and the read makes sure what it saw.
        (
            Value::Null,
            &[
                "1 read null",
                "0 write 1",
                "0 write 2",
                "0 cas [1,3] unknown",
                "1 cas [5,6] refused",
            ],
        ),
        // The same, and it might have been seen.
        (
            Value::Null,
            &[
                "1 read null",
                "0 write 1",
                "0 write 2",
                "0 cas [1,3] unknown",
                "1 write 3",
                "1 read 3",
            ],
        ),
        // An unknown write after one that its process saw go.
        (
            Value::Null,
            &[
                "0 write 1",
                "1 read 1",
                "0 write 2 unknown",
                "1 read 1",
                "1 cas [5,6] refused",
            ],
        ),
        // What was there at first is written again, after it was read.
        (json!(1), &["0 read 1", "0 write 1"]),
        (
            json!(1),
            &["0 read 1", "0 write 2", "0 write 1", "1 read 2", "1 read 1"],
        ),
        (
            json!(1),
            &["0 write 2", "1 read 2", "1 read 1", "0 write 1 unknown"],
        ),
        // One may go back to what was there at first only if it was written again.
        (json!(1), &["0 write 2", "1 read 2", "1 read 1"]),
    ];
    for (initial, lines) in stories {
        let history = story(lines);
        compare(&history, &initial, &mut Tally::default())
            .unwrap_or_else(|problem| panic!("{lines:?} from {initial}: {problem}"));
    }
}
