//! Every fast judge against the oracle that tries every order, on thousands of random small histories, half of them bent.

mod common;

use common::Random;
use common::fuzz::{Player, SMALL, Tally, fuzz};
use common::large::{LARGE, fuzz_monitor};
use common::players::register::{Asked, Registers};
use common::players::versioned_register::VersionedRegisters;
use stormglass_checker::{Register, Specification, VersionedRegister};

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

/// The monitor must have given both verdicts often, not only the search.
fn often_monitored(tally: &Tally) {
    assert!(
        tally.monitored_valid > HISTORIES / 5 && tally.monitored_invalid > HISTORIES / 10,
        "neither verdict of the monitor may be rare: {tally:?}"
    );
}

/// A register whose every value is written once.
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

#[test]
fn registers_whose_writes_are_unique() {
    often_monitored(&short(Register::default, |_| Registers::new(UNIQUE)));
}

#[test]
fn registers_whose_writes_and_compare_and_sets_are_unique() {
    let player = |_: &mut Random| Registers::new(UNIQUE_WITH_CAS);
    often_monitored(&short(Register::default, player));
}

#[test]
fn larger_registers_whose_writes_and_compare_and_sets_are_unique() {
    let player = |_: &mut Random| Registers::new(UNIQUE_WITH_CAS);
    let tally = fuzz_monitor(Register::default, player, LARGE, HISTORIES, 1);
    let tally = tally.unwrap_or_else(|problem| panic!("{problem}"));
    println!("{tally:?}");
    often_monitored(&tally);
}

/// Two compare-and-sets from one value, or one from a value not yet there, come from liars only.
#[test]
fn registers_that_lie_about_compare_and_sets() {
    let player = |_: &mut Random| Registers::lying(UNIQUE_WITH_CAS);
    often_monitored(&short(Register::default, player));
}

fn versioned_registers(random: &mut Random) -> VersionedRegisters {
    let asked = Asked {
        values: 3,
        keys: &[],
        unique: random.below(3) == 0,
        cas: true,
    };
    VersionedRegisters::new(asked, 1 + random.below(2), false)
}

#[test]
fn versioned_registers_that_tell_every_version() {
    often_monitored(&short(VersionedRegister::default, versioned_registers));
}

#[test]
fn larger_versioned_registers_that_tell_every_version() {
    let player = versioned_registers;
    let tally = fuzz_monitor(VersionedRegister::default, player, LARGE, HISTORIES, 1);
    let tally = tally.unwrap_or_else(|problem| panic!("{problem}"));
    println!("{tally:?}");
    often_monitored(&tally);
}

#[test]
fn versioned_registers_that_tell_some_versions() {
    let asked = Asked {
        cas: true,
        values: 2,
        unique: false,
        ..UNIQUE
    };
    short(VersionedRegister::default, |_| {
        VersionedRegisters::new(asked, 2, true)
    });
}
