//! The cost of judging a register: `cargo bench -p stormglass-checker`. Prints CPU time where Linux tells it. Words after
//! `--` choose the histories whose name holds one of them.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::Simulation;
use serde_json::json;
use stormglass_checker::{History, Kind, Limits, Register, Verdict, check, verify};

/// Nanoseconds this thread was on a processor; wall time where that is not known.
fn cpu_nanoseconds(started: &Instant) -> u64 {
    let scheduled = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = scheduled
        .as_deref()
        .and_then(|text| text.split_whitespace().next());
    first
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| started.elapsed().as_nanos() as u64)
}

fn measure<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let before = cpu_nanoseconds(&started);
    let result = work();
    println!(
        "  {what}: {:.1} ms",
        (cpu_nanoseconds(&started) - before) as f64 / 1e6
    );
    result
}

fn judge(name: &str, history: &History) {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
        return;
    }
    println!("{name}: {} events", history.events.len());
    let register = Register::default();
    let judgement = measure("check", || {
        check(
            &register,
            history,
            &Limits {
                steps: 1_000_000_000,
                ..Limits::default()
            },
        )
    });
    match judgement {
        Ok(judgement) => {
            println!("  {:?}", judgement.work);
            match judgement.verdict {
                Verdict::Valid(certificate) => {
                    let operations =
                        measure("operations", || history.operations()).unwrap_or_default();
                    let verified =
                        measure("verify", || verify(&register, &operations, &certificate));
                    println!("  valid, certificate {verified:?}");
                }
                Verdict::Invalid(evidence) => {
                    println!(
                        "  invalid, {} culprits, minimal {}",
                        evidence.culprits.len(),
                        evidence.minimal
                    );
                    println!("{}", evidence.explanation);
                }
                Verdict::Unknown(unknown) => println!("  {unknown:?}"),
            }
        }
        Err(error) => println!("  {error}"),
    }
}

fn main() {
    let simulation = |clients, values, info_permille| {
        Simulation {
            operations: 100_000,
            clients,
            values,
            info_permille,
            seed: 1,
        }
        .run()
    };
    let base = simulation(5, 5, 0);
    judge("100,000 operations, 5 clients, 5 values", &base);
    judge(
        "100,000 operations, 5 clients, 1,000,000 values",
        &simulation(5, 1_000_000, 0),
    );
    judge(
        "100,000 operations, 20 clients, 5 values",
        &simulation(20, 5, 0),
    );
    judge(
        "100,000 operations, 100 clients, 5 values",
        &simulation(100, 5, 0),
    );
    judge(
        "100,000 operations, 5 clients, 5 values, 1 % unknown",
        &simulation(5, 5, 10),
    );
    judge(
        "100,000 operations, 5 clients, 1,000,000 values, 0.1 % unknown",
        &simulation(5, 1_000_000, 1),
    );
    let mut broken = base.clone();
    let last_read = broken
        .events
        .iter_mut()
        .rev()
        .filter(|event| event.f == "read" && event.kind == Kind::Ok)
        .nth(1000);
    if let Some(event) = last_read {
        event.value = json!(9);
    }
    judge("the first, with one impossible read", &broken);
    let mut stale = simulation(5, 1_000_000, 0);
    let values: Vec<_> = stale
        .events
        .iter()
        .filter(|event| event.f == "read" && event.kind == Kind::Ok)
        .map(|event| event.value.clone())
        .collect();
    let last_read = stale
        .events
        .iter_mut()
        .rev()
        .filter(|event| event.f == "read" && event.kind == Kind::Ok)
        .nth(1000);
    if let Some(event) = last_read {
        event.value = values[values.len() - 1300].clone();
    }
    judge("the second, with one stale read", &stale);
    let mut text = Vec::new();
    if measure("write as JSON lines", || base.write_jsonl(&mut text)).is_ok() {
        println!("  {} bytes", text.len());
        let read = measure("read JSON lines", || {
            History::parse_jsonl("bench", text.as_slice())
        });
        println!(
            "  read back the same: {}",
            read.is_ok_and(|read| read == base)
        );
    }
}
