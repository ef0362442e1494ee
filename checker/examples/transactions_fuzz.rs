//! The long fuzzing of transactions: `cargo run --release -p stormglass-checker --example transactions_fuzz -- [SHAPE|all] [HISTORIES] [SEED]`.

#[path = "../tests/transactions_support/mod.rs"]
mod transactions_support;

use transactions_support::fuzz::{Campaign, run};

/// What can be fuzzed: lists or registers, read at the end or not, with repeated values or not.
const SHAPES: [(&str, bool, bool, bool); 5] = [
    ("lists", true, false, false),
    ("lists-repeated", true, false, true),
    ("lists-read-at-the-end", true, true, false),
    ("registers", false, false, false),
    ("registers-repeated", false, true, true),
];

fn main() {
    let mut words = std::env::args().skip(1);
    let chosen = words.next().unwrap_or_else(|| "all".into());
    let number =
        |word: Option<String>, usual| word.and_then(|word| word.parse().ok()).unwrap_or(usual);
    let histories = number(words.next(), 1_000_000);
    let seed = number(words.next(), 1);
    for (name, lists, final_read, repeated) in SHAPES {
        if chosen != "all" && chosen != name {
            continue;
        }
        let campaign = Campaign {
            lists,
            final_read,
            repeated,
            histories,
            seed,
        };
        match run(campaign) {
            Ok(tally) => println!("{name}: {histories} histories from seed {seed}: {tally:#?}"),
            Err(problem) => {
                println!("{name}: {problem}");
                std::process::exit(1);
            }
        }
    }
}
