//! The long differential fuzzing: `cargo run --release -p stormglass-checker --example fuzz -- [MODEL|all] [HISTORIES] [SEED]`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::fuzz::{SMALL, fuzz};
use common::players::register::{Asked, Registers};
use common::specifications::{Run, SPECIFICATIONS};
use stormglass_checker::Register;

/// What can be fuzzed.
const MODELS: &[(&str, Run)] = &[
    ("register", |histories, seed| {
        let asked = Asked {
            values: 3,
            keys: &["x", "y"],
            unique: false,
            cas: true,
        };
        fuzz(
            Register::default,
            |_| Registers::new(asked),
            SMALL,
            histories,
            seed,
        )
    }),
    ("register-unique-writes", |histories, seed| {
        let asked = Asked {
            values: 0,
            keys: &[],
            unique: true,
            cas: false,
        };
        fuzz(
            Register::default,
            |_| Registers::new(asked),
            SMALL,
            histories,
            seed,
        )
    }),
];

fn main() {
    let mut words = std::env::args().skip(1);
    let chosen = words.next().unwrap_or_else(|| "all".into());
    let number =
        |word: Option<String>, usual| word.and_then(|word| word.parse().ok()).unwrap_or(usual);
    let histories = number(words.next(), 1_000_000);
    let seed = number(words.next(), 1);
    let mut tried = 0;
    for (name, run) in MODELS
        .iter()
        .chain(SPECIFICATIONS)
        .filter(|(name, _)| chosen == "all" || chosen == *name)
    {
        tried += 1;
        match run(histories, seed) {
            Ok(tally) => println!(
                "{name}: {histories} histories from seed {seed}, no disagreement; {tally:?}"
            ),
            Err(problem) => {
                println!("{name}: {problem}");
                std::process::exit(1);
            }
        }
    }
    if tried == 0 {
        let known: Vec<&str> = MODELS
            .iter()
            .chain(SPECIFICATIONS)
            .map(|(name, _)| *name)
            .collect();
        eprintln!("no model {chosen}; there are {}", known.join(", "));
        std::process::exit(64);
    }
}
