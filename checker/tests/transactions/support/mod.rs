//! Transactions for tests and measurements: stores of known isolation, lies, and an oracle that tries every order.
#![allow(dead_code, reason = "each test file uses its own share")]

pub(crate) mod fuzz;
pub(crate) mod oracle;
pub(crate) mod oracle_committed;
#[path = "../../random/mod.rs"]
mod random;
pub(crate) mod store;

use serde_json::{Value, json};
use stormglass_checker::{Event, History, Kind, Process};

pub(crate) use random::Random;

/// One event of a transaction.
pub(crate) fn event(process: u64, kind: Kind, value: Value) -> Event {
    Event {
        index: 0,
        time: 0,
        process: Process::Client(process),
        kind,
        f: "txn".to_owned(),
        key: None,
        value,
        version: None,
        error: None,
    }
}

/// Events from lines such as `0 invoke [["append","x",1]]`, numbered.
pub(crate) fn history(lines: &str) -> History {
    let events = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let events = events.map(|line| {
        let mut words = line.splitn(3, ' ');
        let process = words.next().and_then(|word| word.parse().ok()).unwrap();
        let kind = words.next().and_then(Kind::from_name).unwrap();
        let value = words
            .next()
            .map_or(json!([]), |text| serde_json::from_str(text).unwrap());
        event(process, kind, value)
    });
    numbered(events.collect())
}

pub(crate) fn numbered(mut events: Vec<Event>) -> History {
    for (index, event) in events.iter_mut().enumerate() {
        event.index = index as u64;
        event.time = index as u64 * 1000;
    }
    History { events }
}
