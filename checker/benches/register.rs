//! The cost of judging a register, and of each monitor alone: `cargo bench -p stormglass-checker`. Prints CPU time where Linux tells
//! it. Words after `--` choose the histories whose name holds one of them.

#[path = "../tests/judge/common/mod.rs"]
mod common;
mod cpu;

use std::time::Instant;

use common::fuzz::{Player, Size, play};
use common::players::append::Lists;
use common::players::counter::Counters;
use common::players::queue::Queues;
use common::players::register::{Asked, Registers};
use common::players::set::Sets;
use common::players::versioned_register::VersionedRegisters;
use common::{Random, Simulation};
use cpu::nanoseconds;
use serde_json::json;
use stormglass_checker::{
    Append, Counter, Finding, History, Kind, Limits, Observed, Queue, Register, Set, Specification,
    Verdict, VersionedRegister, check, verify,
};

fn measure<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let before = nanoseconds(&started);
    let result = work();
    println!(
        "  {what}: {:.1} ms",
        (nanoseconds(&started) - before) as f64 / 1e6
    );
    result
}

fn is_chosen(name: &str) -> bool {
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

fn judge(name: &str, history: &History) {
    if !is_chosen(name) {
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
    monitors();
}

/// From parsed operations to a finding.
fn measure_monitor<S: Specification>(name: &str, specification: &S, history: &History) {
    let operations = history.operations().unwrap_or_default();
    let parsed = operations
        .iter()
        .filter_map(|operation| Some((operation, specification.parse(operation).ok()??)));
    let parsed: Vec<_> = parsed.collect();
    let observed: Vec<Observed<'_, S::Op>> = parsed
        .iter()
        .map(|(operation, op)| Observed {
            op,
            call: operation.call,
            deadline: operation.deadline(),
        })
        .collect();
    // The kernel tells CPU time in coarse steps.
    let rounds = (1_000_000 / observed.len().max(1)).clamp(1, 200) as u64;
    let started = Instant::now();
    let mut finding = specification.monitor(&observed);
    let before = nanoseconds(&started);
    for _ in 0..rounds {
        finding = specification.monitor(&observed);
    }
    let spent = (nanoseconds(&started) - before) as f64 / rounds as f64 / 1e6;
    let finding = match finding {
        Some(Finding::Legal(_)) => "legal".to_owned(),
        Some(Finding::Illegal(culprits)) => format!("illegal, {} culprits", culprits.len()),
        None => "no answer".to_owned(),
    };
    println!(
        "{name}: {} operations, {spent:.3} ms, {finding}",
        observed.len()
    );
}

/// A long history of a true object, and the same with two results of `looks` exchanged.
fn monitor<S: Specification, P: Player>(
    name: &str,
    specification: impl Fn() -> S,
    player: impl Fn() -> P,
    looks: &str,
    operations_max: usize,
) {
    let name = format!("monitor of {name}");
    if !is_chosen(&name) {
        return;
    }
    for operations in [1_000, operations_max] {
        let size = Size {
            clients: 20,
            operations,
            crashes_percent: 1,
        };
        let mut history = play(&mut player(), size, &mut Random(1));
        measure_monitor(&name, &specification(), &history);
        let told: Vec<usize> = (0..history.events.len())
            .filter(|at| history.events[*at].kind == Kind::Ok && history.events[*at].f == looks)
            .collect();
        let left = told.get(told.len() / 2).copied();
        let right = told.get(told.len() / 2 + 40).copied();
        if let (Some(left), Some(right)) = (left, right) {
            let value = history.events[left].value.clone();
            history.events[left].value = std::mem::replace(&mut history.events[right].value, value);
        }
        measure_monitor(
            &format!("{name}, two results exchanged"),
            &specification(),
            &history,
        );
    }
}

fn monitors() {
    let unique = Asked {
        values: 0,
        keys: &[],
        unique: true,
        cas: false,
    };
    let with_cas = Asked {
        cas: true,
        ..unique
    };
    let few = Asked {
        values: 5,
        unique: false,
        ..with_cas
    };
    let writes = || Registers::new(unique);
    monitor("unique writes", Register::default, writes, "read", 100_000);
    let both = || Registers::new(with_cas);
    monitor(
        "unique writes and compare-and-sets",
        Register::default,
        both,
        "read",
        100_000,
    );
    let versions = || VersionedRegisters::new(few, 1, false);
    monitor(
        "versions",
        VersionedRegister::default,
        versions,
        "read",
        100_000,
    );
    // Reads of long lists and sets would make the history larger than memory.
    monitor(
        "append",
        Append::default,
        || Lists::new(&[], 0),
        "read",
        10_000,
    );
    monitor("set", Set::default, || Sets::new(0, false), "read", 10_000);
    monitor(
        "set of 100",
        Set::default,
        || Sets::new(100, false),
        "read",
        100_000,
    );
    monitor(
        "counter",
        || Counter,
        || Counters::new(&[1]),
        "read",
        100_000,
    );
    monitor(
        "queue",
        Queue::default,
        || Queues::new(0),
        "dequeue",
        100_000,
    );
}
