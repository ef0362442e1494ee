//! Every fast judge against the oracle that tries every order, on thousands of random small histories, half of them bent.

mod common;

use common::Random;
use common::fuzz::{Player, SMALL, Tally, fuzz};
use common::players::register::{Asked, Registers};
use common::specifications::SPECIFICATIONS;
use stormglass_checker::{Register, Specification};

/// How many histories `cargo test` tries for each object.
const HISTORIES: u64 = 4_000;

fn short<S: Specification, P: Player>(
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
) -> Tally {
    let tally = fuzz(specification, player, SMALL, HISTORIES, 1)
        .unwrap_or_else(|problem| panic!("{problem}"));
    println!("{tally:?}");
    assert!(
        tally.valid > HISTORIES / 10 && tally.invalid > HISTORIES / 10,
        "neither verdict may be rare: {tally:?}"
    );
    tally
}

#[test]
fn registers() {
    let asked = Asked {
        values: 3,
        keys: &["x", "y"],
        unique: false,
        cas: true,
    };
    short(Register::default, |_| Registers::new(asked));
}

#[test]
fn registers_whose_writes_are_unique() {
    let asked = Asked {
        values: 0,
        keys: &[],
        unique: true,
        cas: false,
    };
    short(Register::default, |_| Registers::new(asked));
}

#[test]
fn specifications() {
    let mut one_sided = Vec::new();
    for (name, run) in SPECIFICATIONS {
        let tally = run(HISTORIES / 2, 1).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        println!("{name}: {tally:?}");
        if tally.valid.min(tally.invalid) < HISTORIES / 20 {
            one_sided.push(name);
        }
    }
    assert!(
        one_sided.is_empty(),
        "neither verdict may be rare: {one_sided:?}"
    );
}
