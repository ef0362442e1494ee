//! The transaction checker against stores of known isolation and an oracle that tries every order.

use crate::support::fuzz::{Campaign, KNOWN, Tally, run};
use stormglass_checker::transactions::Level;

/// How many histories `cargo test` tries of each shape.
const HISTORIES: u64 = 20_000;

fn short(lists: bool, final_read: bool, repeated: bool) -> Tally {
    let campaign = Campaign {
        lists,
        final_read,
        repeated,
        histories: HISTORIES,
        seed: 1,
    };
    let tally = run(campaign).unwrap_or_else(|problem| panic!("{problem}"));
    println!("{tally:#?}");
    if let Some(example) = &tally.example {
        println!("missed: {example}");
    }
    for level in KNOWN {
        let common = HISTORIES / 20;
        assert!(
            tally.legal[&level] > common && tally.illegal[&level] > common,
            "neither may be rare: {tally:?}"
        );
    }
    for (level, missed) in &tally.missed {
        // Read committed is not ruled out by a transaction that disagrees with itself, see the module page.
        let allowed = match lists && final_read && *level > Level::ReadCommitted {
            true => 0,
            false => tally.illegal[level] / 25,
        };
        assert!(
            *missed <= allowed,
            "{missed} times {level} was not ruled out"
        );
    }
    tally
}

#[test]
fn lists() {
    short(true, false, true);
}

#[test]
fn lists_that_are_read_at_the_end() {
    short(true, true, false);
}

#[test]
fn registers() {
    short(false, false, true);
}

#[test]
fn registers_that_are_read_at_the_end() {
    short(false, true, false);
}
