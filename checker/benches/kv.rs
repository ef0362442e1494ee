//! The cost of judging a key-value store: `STORMGLASS_CORPUS=... cargo bench -p stormglass-checker --bench kv`. Prints the
//! mean of many runs in CPU time where Linux tells it. Words after `--` choose the histories whose name holds one of them.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::{Random, event, history};
use serde_json::{Value, json};
use stormglass_checker::specifications::kv::Missing;
use stormglass_checker::{Event, History, Kind, Kv, Limits, Process, Verdict, check};

const RUNS: usize = 200;

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

/// Milliseconds of one run, as the mean of many: the processor's own count is coarse.
fn cost<T>(work: impl Fn() -> T) -> f64 {
    let started = Instant::now();
    let before = cpu_nanoseconds(&started);
    for _ in 0..RUNS {
        std::hint::black_box(work());
    }
    (cpu_nanoseconds(&started) - before) as f64 / 1e6 / RUNS as f64
}

fn judge(name: &str, history: &History) {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
        return;
    }
    let judge = || check(&Kv::new(Missing::Empty), history, &Limits::default());
    let verdict = match judge() {
        Ok(judgement) => {
            let word = match judgement.verdict {
                Verdict::Valid(_) => "valid",
                Verdict::Invalid(_) => "invalid",
                Verdict::Unknown(_) => "unknown",
            };
            format!("{word}, {:?}", judgement.work)
        }
        Err(error) => error.to_string(),
    };
    println!(
        "{name}: {} events, {verdict}\n  check {:.3} ms, of that pairing {:.3} ms",
        history.events.len(),
        cost(judge),
        cost(|| history.operations()),
    );
}

/// Reads `{:process 0, :type :ok, :f :get, :key "3", :value "x"}`, one a line: just enough for these files.
fn key_value_line(line: &str) -> Option<Event> {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!(":{name} "))?;
        match rest.strip_prefix('"') {
            Some(text) => Some(text.split_once('"')?.0),
            None => Some(rest.split([',', '}']).next()?.trim_start_matches(':')),
        }
    };
    Some(Event {
        index: 0,
        time: 0,
        process: Process::Client(field("process")?.parse().ok()?),
        kind: Kind::from_name(field("type")?)?,
        f: field("f")?.to_owned(),
        key: Some(field("key")?.to_owned()),
        value: Value::String(field("value")?.to_owned()),
        version: None,
        error: None,
    })
}

/// A call that has not returned: its key, function, argument, and its result once it has had its effect.
type Open = (usize, &'static str, Value, Option<Value>);

/// Clients of a true store: half appends of texts that are all different, a few puts, the rest gets.
fn simulated(clients: usize, keys: usize, operations: usize, puts_percent: u64) -> History {
    let mut random = Random(1);
    let mut held = vec![String::new(); keys];
    let mut open: Vec<Option<Open>> = vec![None; clients];
    let mut events = Vec::new();
    let mut called = 0;
    while called < operations || open.iter().any(Option::is_some) {
        let at = random.below(clients as u64) as usize;
        let mut push = |kind, key: usize, f, value| {
            let mut made = event(at as u64, kind, f, value);
            made.key = Some(key.to_string());
            events.push(made);
        };
        open[at] = match open[at].take() {
            None if called == operations => None,
            None => {
                let key = random.below(keys as u64) as usize;
                let text = json!(format!("x {at} {called} y"));
                called += 1;
                let (f, input) = match random.below(100) {
                    percent if percent < puts_percent => ("put", text),
                    percent if percent < 50 => ("append", text),
                    _ => ("get", Value::Null),
                };
                push(Kind::Invoke, key, f, input.clone());
                Some((key, f, input, None))
            }
            Some((key, f, input, None)) => {
                let text = input.as_str().unwrap_or_default();
                match f {
                    "put" => held[key] = text.to_owned(),
                    _ => held[key].push_str(text),
                }
                let result = if f == "get" {
                    json!(held[key])
                } else {
                    Value::Null
                };
                Some((key, f, input, Some(result)))
            }
            Some((key, f, _, Some(result))) => {
                push(Kind::Ok, key, f, result);
                None
            }
        };
    }
    history(events)
}

fn main() {
    match std::env::var("STORMGLASS_CORPUS") {
        Ok(corpus) => {
            for file in ["c01-ok", "c01-bad", "c10-ok", "c10-bad"] {
                match std::fs::read_to_string(format!("{corpus}/kv/{file}.txt")) {
                    Ok(text) => {
                        let events = text.lines().filter_map(key_value_line).collect();
                        judge(file, &History { events });
                    }
                    Err(error) => println!("{file}: {error}"),
                }
            }
        }
        Err(_) => println!("SKIPPED: STORMGLASS_CORPUS does not name a folder of histories"),
    }
    judge("50 clients, 10 keys", &simulated(50, 10, 2_000, 5));
    judge("50 clients, 10 keys, no puts", &simulated(50, 10, 2_000, 0));
    judge("10 clients, 1 key", &simulated(10, 1, 2_000, 5));
    judge("10 clients, 1 key, no puts", &simulated(10, 1, 2_000, 0));
}
