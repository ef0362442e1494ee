//! The long differential fuzzing: `cargo run --release -p stormglass-checker --example fuzz -- [MODEL|all] [HISTORIES] [SEED]`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::Random;
use common::fuzz::{SMALL, Tally, fuzz};
use common::large::{LARGE, fuzz_monitor};
use common::players::register::{Asked, Registers};
use common::players::versioned_register::VersionedRegisters;
use stormglass_checker::{Register, VersionedRegister};

/// Tries a number of histories from a seed.
type Run = fn(u64, u64) -> Result<Tally, String>;

const UNIQUE: Asked = Asked {
    values: 0,
    keys: &[],
    unique: true,
    cas: false,
};

const UNIQUE_WITH_CAS: Asked = Asked {
    cas: true,
    ..UNIQUE
};

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
        let player = |_: &mut Random| Registers::new(UNIQUE);
        fuzz(Register::default, player, SMALL, histories, seed)
    }),
    ("register-unique-cas", |histories, seed| {
        let player = |_: &mut Random| Registers::new(UNIQUE_WITH_CAS);
        fuzz(Register::default, player, SMALL, histories, seed)
    }),
    ("register-unique-cas-lies", |histories, seed| {
        let player = |_: &mut Random| Registers::lying(UNIQUE_WITH_CAS);
        fuzz(Register::default, player, SMALL, histories, seed)
    }),
    ("register-unique-cas-large", |histories, seed| {
        let player = |random: &mut Random| match random.below(2) {
            0 => Registers::new(UNIQUE_WITH_CAS),
            _ => Registers::lying(UNIQUE_WITH_CAS),
        };
        fuzz_monitor(Register::default, player, LARGE, histories, seed)
    }),
    ("versioned-register", |histories, seed| {
        let player = versioned_registers;
        fuzz(VersionedRegister::default, player, SMALL, histories, seed)
    }),
    ("versioned-register-large", |histories, seed| {
        let player = versioned_registers;
        fuzz_monitor(VersionedRegister::default, player, LARGE, histories, seed)
    }),
    ("versioned-register-silent", |histories, seed| {
        let asked = Asked {
            values: 2,
            unique: false,
            ..UNIQUE_WITH_CAS
        };
        let player = |_: &mut Random| VersionedRegisters::new(asked, 2, true);
        fuzz(VersionedRegister::default, player, SMALL, histories, seed)
    }),
];

fn versioned_registers(random: &mut Random) -> VersionedRegisters {
    let asked = Asked {
        values: 3,
        unique: random.below(3) == 0,
        ..UNIQUE_WITH_CAS
    };
    VersionedRegisters::new(asked, 1 + random.below(2), false)
}

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
        let known: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
        eprintln!("no model {chosen}; there are {}", known.join(", "));
        std::process::exit(64);
    }
}
