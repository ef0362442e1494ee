//! The cost of judging a key-value store: `STORMGLASS_CORPUS=... cargo bench -p stormglass-checker --bench kv`. Prints CPU
//! time where Linux tells it.

#[path = "../tests/common/mod.rs"]
mod common;

use serde_json::Value;
use stormglass_checker::*;
fn key_value_line(line: &str) -> Event {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!(":{name} ")).unwrap();
        match rest.strip_prefix('"') {
            Some(text) => text.split_once('"').unwrap().0,
            None => rest
                .split([',', '}'])
                .next()
                .unwrap()
                .trim_start_matches(':'),
        }
    };
    Event {
        index: 0,
        time: 0,
        process: Process::Client(field("process").parse().unwrap()),
        kind: Kind::from_name(field("type")).unwrap(),
        f: field("f").to_owned(),
        key: Some(field("key").to_owned()),
        value: Value::String(field("value").to_owned()),
        version: None,
        error: None,
    }
}
fn main() {
    let corpus = std::env::var("STORMGLASS_CORPUS").unwrap();
    for file in ["c01-ok", "c01-bad", "c10-ok", "c10-bad"] {
        let text = std::fs::read_to_string(format!("{corpus}/kv/{file}.txt")).unwrap();
        let history = History {
            events: text.lines().map(key_value_line).collect(),
        };
        let mut best = u128::MAX;
        for _ in 0..50 {
            let t = std::time::Instant::now();
            let j = check(
                &Kv::new(stormglass_checker::specifications::kv::Missing::Empty),
                &history,
                &Limits::default(),
            )
            .unwrap();
            best = best.min(t.elapsed().as_nanos());
            std::hint::black_box(&j);
        }
        let t = std::time::Instant::now();
        for _ in 0..50 {
            std::hint::black_box(history.operations().unwrap());
        }
        println!("{file} {best} ns, pairing {}", t.elapsed().as_nanos() / 50);
        println!(
            "{:?}",
            check(
                &Kv::new(stormglass_checker::specifications::kv::Missing::Empty),
                &history,
                &Limits::default()
            )
            .unwrap()
            .work
        );
    }
}
