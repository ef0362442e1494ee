//! The long differential fuzzing: `cargo run --release -p stormglass-checker --example fuzz -- [MODEL|all] [HISTORIES] [SEED]`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::Random;
use common::findings::{LARGER, findings};
use common::fuzz::{Player, SMALL, Size, Tally, fuzz};
use common::large::{LARGE, fuzz_monitor};
use common::players::append::Lists;
use common::players::counter::Counters;
use common::players::queue::Queues;
use common::players::register::{Asked, Registers};
use common::players::set::Sets;
use common::players::versioned_register::VersionedRegisters;
use common::specifications::{Run, SPECIFICATIONS};
use stormglass_checker::{Append, Counter, Queue, Register, Set, Specification, VersionedRegister};

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
    ("append", |histories, seed| {
        fuzz(
            Append::default,
            |_| Lists::new(&[], 0),
            SMALL,
            histories,
            seed,
        )
    }),
    ("append-larger", |histories, seed| {
        verified(
            Append::default,
            |_| Lists::new(&[], 0),
            LARGER,
            histories,
            seed,
        )
    }),
    ("set", |histories, seed| {
        fuzz(
            Set::default,
            |_| Sets::new(0, false),
            SMALL,
            histories,
            seed,
        )
    }),
    ("set-larger", |histories, seed| {
        verified(
            Set::default,
            |_| Sets::new(0, false),
            LARGER,
            histories,
            seed,
        )
    }),
    ("set-repeating", |histories, seed| {
        fuzz(
            Set::default,
            |_| Sets::new(3, false),
            SMALL,
            histories,
            seed,
        )
    }),
    ("set-repeating-larger", |histories, seed| {
        verified(
            Set::default,
            |_| Sets::new(3, false),
            LARGER,
            histories,
            seed,
        )
    }),
    ("counter", |histories, seed| {
        fuzz(|| Counter, |_| Counters::new(&[1]), SMALL, histories, seed)
    }),
    ("counter-larger", |histories, seed| {
        verified(|| Counter, |_| Counters::new(&[1]), LARGER, histories, seed)
    }),
    ("counter-by-threes", |histories, seed| {
        fuzz(|| Counter, |_| Counters::new(&[-3]), SMALL, histories, seed)
    }),
    ("counter-by-threes-larger", |histories, seed| {
        verified(
            || Counter,
            |_| Counters::new(&[-3]),
            LARGER,
            histories,
            seed,
        )
    }),
    ("queue", |histories, seed| {
        fuzz(Queue::default, |_| Queues::new(0), SMALL, histories, seed)
    }),
    ("queue-larger", |histories, seed| {
        verified(Queue::default, |_| Queues::new(0), LARGER, histories, seed)
    }),
    ("append-repeating", |histories, seed| {
        fuzz(
            Append::default,
            |_| Lists::new(&["x", "y"], 3),
            SMALL,
            histories,
            seed,
        )
    }),
    ("set-removing", |histories, seed| {
        fuzz(Set::default, |_| Sets::new(3, true), SMALL, histories, seed)
    }),
    ("counter-mixed", |histories, seed| {
        fuzz(
            || Counter,
            |_| Counters::new(&[-1, 1, 2]),
            SMALL,
            histories,
            seed,
        )
    }),
    ("queue-repeating", |histories, seed| {
        fuzz(Queue::default, |_| Queues::new(3), SMALL, histories, seed)
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

/// Larger histories, and what monitors find verified.
fn verified<S: Specification, P: Player>(
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    size: Size,
    histories: u64,
    seed: u64,
) -> Result<Tally, String> {
    let found = findings(specification, player, size, histories, seed)?;
    println!("culprits that could not be tried: {}", found.untried);
    Ok(Tally {
        valid: found.valid,
        invalid: found.invalid,
        monitored_valid: found.monitored_valid,
        monitored_invalid: found.monitored_invalid,
    })
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
