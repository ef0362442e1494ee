//! Transactions for tests and measurements: stores of known isolation, lies, and an oracle that tries every order.
#![allow(dead_code, reason = "each test file uses its own share")]

pub(crate) mod fuzz;
pub(crate) mod oracle;
pub(crate) mod oracle_committed;
pub(crate) mod store;

use serde_json::{Value, json};
use stormglass_checker::{Event, History, Kind, Process};

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

/// A small seeded generator (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}
