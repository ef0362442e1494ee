//! What the ladder costs on ten thousand operations: `cargo run --release -p stormglass-checker --example guarantees`.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/guarantees_support/mod.rs"]
mod guarantees_support;

use std::time::Instant;

use common::Random;
use guarantees_support::systems::{Asked, System, bend, run};
use stormglass_checker::{Limits, Register, ladder};

fn main() {
    let number = |at: usize, usual| {
        std::env::args()
            .nth(at)
            .and_then(|word| word.parse().ok())
            .unwrap_or(usual)
    };
    let (operations, clients) = (number(1, 10_000), number(2, 5));
    for (system, unique, cas, keys, crashes_percent) in [
        (System::Stale, true, false, 1, 0),
        (System::Stale, true, true, 2, 0),
        (System::Stale, true, false, 2, 1),
        (System::Stale, true, true, 2, 10),
        (System::Stale, false, false, 1, 0),
        (System::Stale, false, true, 2, 1),
        (System::Stale, true, true, 2_000, 0),
        (System::Shifted, true, false, 1, 0),
        (System::Shifted, true, false, 2, 0),
        (System::Shifted, true, true, 2, 1),
        (System::Forgetful, true, false, 2, 0),
        (System::Wild, true, false, 1, 0),
    ] {
        for bent in [false, true] {
            let asked = Asked {
                system,
                clients,
                operations,
                keys,
                unique,
                cas,
                versions: false,
                crashes_percent,
                starts_at_one: false,
                finals: true,
            };
            let mut random = Random(1);
            let mut history = run(asked, &mut random);
            if bent {
                bend(&mut history, asked, &mut random);
            }
            let limits = Limits {
                steps: 100_000_000,
                ..Limits::default()
            };
            let started = Instant::now();
            let found = ladder(&Register::default(), &history, &limits);
            println!(
                "{system:?}, unique {unique}, cas {cas}, keys {keys}, crashes {crashes_percent} %, bent {bent}: {:.0} ms",
                started.elapsed().as_secs_f64() * 1e3
            );
            match found {
                Ok(found) => println!("{found}"),
                Err(error) => println!("{error}"),
            }
        }
    }
}
