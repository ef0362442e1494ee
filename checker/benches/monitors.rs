//! The cost of the monitors alone, from parsed operations: `cargo bench -p stormglass-checker --bench monitors`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::Random;
use common::fuzz::{Player, Size, play};
use common::players::register::{Asked, Registers};
use common::players::versioned_register::VersionedRegisters;
use stormglass_checker::{
    Finding, History, Kind, Observed, Register, Specification, VersionedRegister,
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

fn measure<S: Specification>(name: &str, specification: &S, history: &History) {
    let operations = history.operations().unwrap_or_default();
    let mut parsed = Vec::new();
    for operation in &operations {
        if let Ok(Some(op)) = specification.parse(operation) {
            parsed.push((operation, op));
        }
    }
    let observed: Vec<Observed<'_, S::Op>> = parsed
        .iter()
        .map(|(operation, op)| Observed {
            op,
            call: operation.call,
            deadline: operation.deadline(),
        })
        .collect();
    let rounds = (1_000_000 / observed.len().max(1)).max(1) as u64;
    let started = Instant::now();
    let mut finding = specification.monitor(&observed);
    let before = cpu_nanoseconds(&started);
    for _ in 0..rounds {
        finding = specification.monitor(&observed);
    }
    let spent = (cpu_nanoseconds(&started) - before) as f64 / rounds as f64 / 1e6;
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

/// Two reads from the middle of the history, some way apart, are given each other's result.
fn swap_reads(history: &mut History) {
    let reads: Vec<usize> = (0..history.events.len())
        .filter(|at| history.events[*at].f == "read" && history.events[*at].kind == Kind::Ok)
        .collect();
    let left = reads.get(reads.len() / 2).copied();
    let right = reads.get(reads.len() / 2 + 40).copied();
    if let (Some(left), Some(right)) = (left, right) {
        let swapped = history.events[left].value.clone();
        history.events[left].value = history.events[right].value.clone();
        history.events[right].value = swapped;
    }
}

fn both<S: Specification, P: Player>(name: &str, specification: &S, player: impl Fn() -> P) {
    for operations in [1_000, 100_000] {
        for crashes_percent in [0, 1] {
            let size = Size {
                clients: 20,
                operations,
                crashes_percent,
            };
            let mut history = play(&mut player(), size, &mut Random(1));
            let name = format!("{name}, {crashes_percent} % unknown");
            measure(&name, specification, &history);
            swap_reads(&mut history);
            measure(
                &format!("{name}, two reads swapped"),
                specification,
                &history,
            );
        }
    }
}

fn main() {
    let unique = Asked {
        values: 0,
        keys: &[],
        unique: true,
        cas: false,
    };
    let unique_with_cas = Asked {
        cas: true,
        ..unique
    };
    let few = Asked {
        values: 5,
        unique: false,
        ..unique_with_cas
    };
    both("unique writes", &Register::default(), || {
        Registers::new(unique)
    });
    both(
        "unique writes and compare-and-sets",
        &Register::default(),
        || Registers::new(unique_with_cas),
    );
    both("versions, 5 values", &VersionedRegister::default(), || {
        VersionedRegisters::new(few, 1, false)
    });
}
