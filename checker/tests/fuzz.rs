//! The long differential fuzzing: `cargo test --release -p stormglass-checker --test fuzz -- [MODEL|all] [HISTORIES] [SEED]`.
//! A wrong model prints the names of all.
//!
//! It runs when it is named and at no other time, and every night; the tests of `judge` and `transactions` are its short form.
#![allow(
    clippy::duplicate_mod,
    reason = "two test binaries share a generator, and this is both of them"
)]

#[path = "judge/common/mod.rs"]
mod common;
#[path = "transactions/support/mod.rs"]
mod support;

use common::Random;
use common::findings::{LARGER, findings};
use common::fuzz::{SMALL, fuzz};
use common::guarantees::compare;
use common::independent::WithoutHints;
use common::players::append::Lists;
use common::players::clearable_queue::{ClearableQueue, ClearableQueues};
use common::players::counter::Counters;
use common::players::queue::Queues;
use common::players::register::{Asked, Registers, UNIQUE, UNIQUE_WITH_CAS};
use common::players::set::Sets;
use common::players::versioned_register::{VersionedRegisters, versioned_registers};
use common::specifications::{Run, SPECIFICATIONS};
use stormglass_checker::{Append, Counter, Queue, Register, Set, VersionedRegister};
use support::fuzz::{Campaign, run};

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
    ("register-without-hints", |histories, seed| {
        let asked = Asked {
            values: 3,
            unique: false,
            ..UNIQUE_WITH_CAS
        };
        let plain = || WithoutHints(Register::default());
        fuzz(plain, |_| Registers::new(asked), SMALL, histories, seed)
    }),
    ("clearable-queue", |histories, seed| {
        let player = |_: &mut Random| ClearableQueues::default();
        fuzz(|| ClearableQueue, player, SMALL, histories, seed)
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
        findings(Register::default, player, LARGER, histories, seed)
    }),
    ("versioned-register", |histories, seed| {
        let player = versioned_registers;
        fuzz(VersionedRegister::default, player, SMALL, histories, seed)
    }),
    ("versioned-register-large", |histories, seed| {
        let player = versioned_registers;
        findings(VersionedRegister::default, player, LARGER, histories, seed)
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
        findings(
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
        findings(
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
        findings(
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
        findings(|| Counter, |_| Counters::new(&[1]), LARGER, histories, seed)
    }),
    ("counter-by-threes", |histories, seed| {
        fuzz(|| Counter, |_| Counters::new(&[-3]), SMALL, histories, seed)
    }),
    ("counter-by-threes-larger", |histories, seed| {
        findings(
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
        findings(Queue::default, |_| Queues::new(0), LARGER, histories, seed)
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

/// Tries a number of histories from a seed, and tells what it met.
type Try = fn(u64, u64) -> Result<String, String>;

/// What has oracles of its own: guarantees, and transactions by what they hold and how they are read.
const OTHERS: &[(&str, Try)] = &[
    ("guarantees", |histories, seed| {
        compare::fuzz(histories, seed).map(|tally| format!("{tally:?}"))
    }),
    ("transactions-lists", |histories, seed| {
        transactions(true, false, false, histories, seed)
    }),
    ("transactions-lists-repeated", |histories, seed| {
        transactions(true, false, true, histories, seed)
    }),
    ("transactions-lists-read-at-the-end", |histories, seed| {
        transactions(true, true, false, histories, seed)
    }),
    ("transactions-registers", |histories, seed| {
        transactions(false, false, false, histories, seed)
    }),
    ("transactions-registers-repeated", |histories, seed| {
        transactions(false, true, true, histories, seed)
    }),
];

fn transactions(
    lists: bool,
    final_read: bool,
    repeated: bool,
    histories: u64,
    seed: u64,
) -> Result<String, String> {
    let campaign = Campaign {
        lists,
        final_read,
        repeated,
        histories,
        seed,
    };
    run(campaign).map(|tally| format!("{tally:#?}"))
}

fn main() {
    let mut words = std::env::args().skip(1);
    let chosen = words.next().unwrap_or_else(|| "all".into());
    let number =
        |word: Option<String>, usual| word.and_then(|word| word.parse().ok()).unwrap_or(usual);
    let histories = number(words.next(), 1_000_000);
    let seed = number(words.next(), 1);
    let models = MODELS.iter().chain(SPECIFICATIONS);
    let names = models.clone().map(|(name, _)| *name);
    let names: Vec<&str> = names.chain(OTHERS.iter().map(|(name, _)| *name)).collect();
    if chosen != "all" && !names.contains(&chosen.as_str()) {
        eprintln!("no model {chosen}; there are {}", names.join(", "));
        std::process::exit(64);
    }
    let is_chosen = |name: &str| chosen == "all" || chosen == name;
    let tell = |name: &str, found: Result<String, String>| match found {
        Ok(tally) => {
            println!("{name}: {histories} histories from seed {seed}, no disagreement; {tally}");
        }
        Err(problem) => {
            println!("{name}: {problem}");
            std::process::exit(1);
        }
    };
    for (name, run) in models.filter(|(name, _)| is_chosen(name)) {
        tell(name, run(histories, seed).map(|tally| format!("{tally:?}")));
    }
    for (name, run) in OTHERS.iter().filter(|(name, _)| is_chosen(name)) {
        tell(name, run(histories, seed));
    }
}
