//! The cost of judging transactions: `cargo bench -p stormglass-checker --bench transactions`. Prints CPU time and the memory that was taken on top of
//! the history, where Linux tells them, next to those of the crate adya. Words after `--` choose the histories whose name holds one of them.

mod cpu;
#[path = "../tests/transactions/support/mod.rs"]
mod support;

use std::time::Instant;

use serde_json::{Value, json};
use stormglass_checker::transactions::{TransactionOptions, check_transactions};
use stormglass_checker::{History, Kind};
use support::{Random, event, numbered};

/// A workload of lists or registers on a serial store, in the manner of Jepsen: few keys at a time, and a key is given up after some appends.
struct Workload {
    transactions: usize,
    processes: usize,
    operations: usize,
    keys: usize,
    appends_a_key: usize,
    lists: bool,
}

enum Client {
    Idle,
    Called(Vec<(usize, bool)>, Vec<Value>),
    Done(Vec<Value>),
}

impl Workload {
    fn run(&self, random: &mut Random) -> History {
        let mut contents: Vec<Vec<usize>> = vec![Vec::new(); self.keys];
        let mut active: Vec<(usize, usize)> = (0..self.keys).map(|key| (key, 0)).collect();
        let mut clients: Vec<Client> = (0..self.processes).map(|_| Client::Idle).collect();
        let mut events = Vec::with_capacity(self.transactions * 2);
        let (mut called, mut open) = (0, 0);
        while called < self.transactions || open > 0 {
            let at = random.place(self.processes);
            let process = at as u64;
            clients[at] = match std::mem::replace(&mut clients[at], Client::Idle) {
                Client::Idle if called == self.transactions => Client::Idle,
                Client::Idle => {
                    let mut plan = Vec::new();
                    let mut micros = Vec::new();
                    for _ in 0..self.operations {
                        let slot = random.place(self.keys);
                        let (key, appends) = active[slot];
                        let read = random.one_in(2);
                        plan.push((key, read));
                        if read {
                            micros.push(json!(["r", key, null]));
                            continue;
                        }
                        let function = if self.lists { "append" } else { "w" };
                        micros.push(json!([function, key, appends + 1]));
                        active[slot].1 += 1;
                        if appends + 1 == self.appends_a_key {
                            active[slot] = (contents.len(), 0);
                            contents.push(Vec::new());
                        }
                    }
                    called += 1;
                    open += 1;
                    events.push(event(process, Kind::Invoke, json!(micros)));
                    Client::Called(plan, micros)
                }
                Client::Called(plan, mut micros) => {
                    for ((key, read), micro) in plan.iter().zip(&mut micros) {
                        match read {
                            true if self.lists => micro[2] = json!(contents[*key]),
                            true => micro[2] = json!(contents[*key].last()),
                            false => {
                                let value = micro[2].as_u64().unwrap_or_default();
                                contents[*key].push(value as usize);
                            }
                        }
                    }
                    Client::Done(micros)
                }
                Client::Done(micros) => {
                    open -= 1;
                    events.push(event(process, Kind::Ok, json!(micros)));
                    Client::Idle
                }
            };
        }
        numbered(events)
    }
}

/// A line of the process's status, in KiB; 0 where it is not known.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default()
}

fn measure<T>(what: &str, work: impl FnOnce() -> T) -> T {
    // The peak begins anew from here.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let resident = status_kib("VmRSS:");
    let started = Instant::now();
    let before = cpu::nanoseconds(&started);
    let result = work();
    println!(
        "  {what}: {:.0} ms, {} MiB more at the peak, on {} MiB",
        (cpu::nanoseconds(&started) - before) as f64 / 1e6,
        status_kib("VmHWM:").saturating_sub(resident) / 1024,
        resident / 1024
    );
    result
}

fn judge(name: &str, history: &History) {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let chosen = |tool: &str| {
        words.is_empty()
            || words
                .iter()
                .any(|word| (tool.to_owned() + name).contains(word.as_str()))
    };
    println!("{name}: {} events", history.events.len());
    if chosen("stormglass, ") {
        let judged = measure("stormglass, check", || {
            check_transactions(history, &TransactionOptions::default())
        });
        match judged {
            Ok(judgement) => {
                println!("    {:?}, {:?}", judgement.verdict, judgement.strongest);
                println!("    {:?}", judgement.counts);
                println!("    {:?} {:?}", judgement.inferred, judgement.work);
            }
            Err(error) => println!("    {error}"),
        }
    }
    if chosen("adya, ") {
        let mut text = Vec::new();
        if history.write_jsonl(&mut text).is_err() {
            return;
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let parsed = measure("adya, parse", || adya::History::from_json(&text));
        drop(text);
        if let Ok(parsed) = parsed {
            let report = measure("adya, check", || {
                let registers = name.contains("registers");
                let workload = match registers {
                    true => adya::Workload::RwRegister,
                    false => adya::Workload::ListAppend,
                };
                let options = adya::Opts {
                    wfr_keys: registers,
                    ..adya::Opts::default()
                };
                adya::check(&parsed, workload, &options)
            });
            println!("    {:?} {:?}", report.valid, report.anomaly_types);
        }
    }
}

fn main() {
    let base = |appends_a_key, lists| {
        Workload {
            transactions: 100_000,
            processes: 20,
            operations: 4,
            keys: 10,
            appends_a_key,
            lists,
        }
        .run(&mut Random(1))
    };
    judge("100,000 transactions, 32 appends a key", &base(32, true));
    judge("100,000 transactions, 128 appends a key", &base(128, true));
    let mut stale = base(128, true);
    pop_reads(&mut stale, 1000, 2000);
    judge("128 appends a key, two thousand stale transactions", &stale);
    pop_reads(&mut stale, 0, usize::MAX);
    judge("128 appends a key, all transactions stale", &stale);
    judge("100,000 transactions on registers", &base(128, false));
    judge(
        "100,000 transactions on ten registers",
        &base(usize::MAX, false),
    );
}

/// Takes the last element from every list that some of the last transactions read.
fn pop_reads(history: &mut History, skipped: usize, bent: usize) {
    let returns = history.events.iter_mut().rev();
    let returns = returns.filter(|event| event.kind == Kind::Ok);
    for event in returns.skip(skipped).take(bent) {
        for micro in event.value.as_array_mut().into_iter().flatten() {
            if micro[0] == "r"
                && let Some(list) = micro[2].as_array_mut()
            {
                list.pop();
            }
        }
    }
}
