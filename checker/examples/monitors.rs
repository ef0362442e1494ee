//! CPU time of each monitor alone: `cargo run --release -p stormglass-checker --example monitors`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::Random;
use common::fuzz::{Player, Size, play};
use common::players::append::Lists;
use common::players::counter::Counters;
use common::players::queue::Queues;
use common::players::set::Sets;
use serde_json::Value;
use stormglass_checker::{
    Append, Counter, Finding, History, Kind, Observed, Operation, Queue, Set, Specification,
};

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

/// Judges a long history of a true object, and the same with two results of `lied` exchanged.
fn measure<S: Specification, P: Player>(
    name: &str,
    specification: impl Fn() -> S,
    player: impl Fn() -> P,
    lied: &str,
    operations: usize,
) {
    let size = Size {
        clients: 20,
        operations,
        crashes_percent: 1,
    };
    let mut player = player();
    let mut random = Random(1);
    let mut history = play(&mut player, size, &mut random);
    judge(name, &specification(), &history, operations, "legal");
    // The results of two operations far from each other, exchanged.
    let told: Vec<usize> = (0..history.events.len())
        .filter(|at| history.events[*at].kind == Kind::Ok && history.events[*at].f == lied)
        .collect();
    if let (Some(early), Some(late)) = (told.get(told.len() / 3), told.get(told.len() / 3 * 2)) {
        let value = history.events[*early].value.clone();
        history.events[*early].value = std::mem::replace(&mut history.events[*late].value, value);
    }
    judge(name, &specification(), &history, operations, "bent");
}

fn judge<S: Specification>(
    name: &str,
    specification: &S,
    history: &History,
    number: usize,
    kind: &str,
) {
    let operations = history.operations().unwrap_or_default();
    let parsed = operations
        .iter()
        .filter_map(|operation| Some((operation, specification.parse(operation).ok()??)));
    let part: Vec<(&Operation, S::Op)> = parsed.collect();
    let observed: Vec<Observed<'_, S::Op>> = part
        .iter()
        .map(|(operation, op)| Observed {
            op,
            call: operation.call,
            deadline: operation.deadline(),
        })
        .collect();
    // The kernel tells CPU time in coarse steps.
    let rounds = (1_000_000 / number.max(1)).clamp(1, 200);
    let started = Instant::now();
    let before = cpu_nanoseconds(&started);
    let mut finding = None;
    for _ in 0..rounds {
        finding = specification.monitor(&observed);
    }
    let spent = (cpu_nanoseconds(&started) - before) / rounds as u64;
    let verdict = match finding {
        Some(Finding::Legal(_)) => "legal".to_owned(),
        Some(Finding::Illegal(culprits)) => format!("illegal, {} culprits", culprits.len()),
        None => "no answer".to_owned(),
    };
    println!(
        "{name}, {number} operations, {kind}: {:.3} ms, {verdict}",
        spent as f64 / 1e6
    );
}

/// A player that seldom looks at everything.
struct Seldom<P>(P);

impl<P: Player> Player for Seldom<P> {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        loop {
            let call = self.0.call(random);
            if call.1 != "read" || random.below(500) == 0 {
                return call;
            }
        }
    }
    fn carry_out(&mut self, key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        self.0.carry_out(key, f, input)
    }
    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        self.0.lie(random, f, result)
    }
}

fn main() {
    for operations in [1_000, 100_000] {
        // Full reads of long lists and sets would make the history larger than memory; few values in a set keep its reads short.
        let lists = operations.min(10_000);
        measure(
            "append",
            Append::default,
            || Lists::new(&[], 0),
            "read",
            lists,
        );
        measure("set", Set::default, || Sets::new(0, false), "read", lists);
        measure(
            "append, seldom read",
            Append::default,
            || Seldom(Lists::new(&[], 0)),
            "read",
            operations,
        );
        measure(
            "set of 100",
            Set::default,
            || Sets::new(100, false),
            "read",
            operations,
        );
        measure(
            "counter",
            || Counter,
            || Counters::new(&[1]),
            "read",
            operations,
        );
        measure(
            "queue",
            Queue::default,
            || Queues::new(0),
            "dequeue",
            operations,
        );
    }
}
