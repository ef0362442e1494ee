//! Every fast judge against the oracle that tries every order, on thousands of random small histories, half of them bent.

use crate::common::Random;
use crate::common::findings::{LARGER, findings};
use crate::common::fuzz::{Player, SMALL, Tally, fuzz};
use crate::common::independent::WithoutHints;
use crate::common::players::append::Lists;
use crate::common::players::clearable_queue::{ClearableQueue, ClearableQueues};
use crate::common::players::counter::Counters;
use crate::common::players::queue::Queues;
use crate::common::players::register::{Asked, Registers, UNIQUE, UNIQUE_WITH_CAS};
use crate::common::players::set::Sets;
use crate::common::players::versioned_register::{VersionedRegisters, versioned_registers};
use crate::common::specifications::SPECIFICATIONS;
use stormglass_checker::{Append, Counter, Queue, Register, Set, Specification, VersionedRegister};

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

/// The hints of the register change the cost and nothing else.
#[test]
fn a_register_without_hints_is_judged_alike() {
    let asked = Asked {
        values: 3,
        unique: false,
        ..UNIQUE_WITH_CAS
    };
    let plain = || WithoutHints(Register::default());
    short(plain, |_| Registers::new(asked));
}

/// An object without keys, as a user would write it.
#[test]
fn a_queue_is_judged_as_the_oracle_does() {
    short(|| ClearableQueue, |_| ClearableQueues::default());
}

/// The monitor must have given both verdicts often, not only the search.
fn often_monitored(tally: &Tally) {
    assert!(
        tally.monitored_valid > HISTORIES / 5 && tally.monitored_invalid > HISTORIES / 10,
        "neither verdict of the monitor may be rare: {tally:?}"
    );
}

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
    let tally = findings(Register::default, player, LARGER, HISTORIES, 1);
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

#[test]
fn versioned_registers_that_tell_every_version() {
    often_monitored(&short(VersionedRegister::default, versioned_registers));
}

#[test]
fn larger_versioned_registers_that_tell_every_version() {
    let player = versioned_registers;
    let tally = findings(VersionedRegister::default, player, LARGER, HISTORIES, 1);
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

/// The monitor must judge every history, and its orders and culprits must stand, on larger ones too.
fn monitored<S: Specification, P: Player>(
    specification: impl Fn() -> S + Copy,
    player: impl Fn(&mut Random) -> P + Copy,
) {
    let tally = short(specification, player);
    assert_eq!(
        (tally.monitored_valid, tally.monitored_invalid),
        (tally.valid, tally.invalid),
        "the monitor must not be silent"
    );
    for size in [SMALL, LARGER] {
        let found = findings(specification, player, size, HISTORIES, 1)
            .unwrap_or_else(|problem| panic!("{problem}"));
        println!("{found:?}");
        assert_eq!(
            (found.monitored_valid, found.monitored_invalid),
            (found.valid, found.invalid),
            "the monitor must not be silent"
        );
        assert!(
            found.valid > HISTORIES / 3
                && found.invalid > HISTORIES / 13
                && found.untried < found.invalid / 2,
            "neither verdict may be rare, nor culprits be left untried: {found:?}"
        );
    }
}

#[test]
fn lists_whose_values_are_unique() {
    monitored(Append::default, |_| Lists::new(&[], 0));
}

#[test]
fn two_lists() {
    short(Append::default, |_| Lists::new(&["x", "y"], 0));
}

#[test]
fn lists_whose_values_repeat() {
    short(Append::default, |_| Lists::new(&[], 3));
}

#[test]
fn sets_that_only_grow() {
    monitored(Set::default, |_| Sets::new(0, false));
}

#[test]
fn sets_to_which_is_added_what_is_there() {
    monitored(Set::default, |_| Sets::new(3, false));
}

#[test]
fn sets_with_removals() {
    short(Set::default, |_| Sets::new(3, true));
}

#[test]
fn counters_that_count_one_by_one() {
    monitored(|| Counter, |_| Counters::new(&[1]));
}

#[test]
fn counters_that_count_down_by_threes() {
    monitored(|| Counter, |_| Counters::new(&[-3]));
}

#[test]
fn counters_to_which_anything_is_added() {
    short(|| Counter, |_| Counters::new(&[-1, 1, 2]));
}

#[test]
fn queues_whose_values_are_unique() {
    monitored(Queue::default, |_| Queues::new(0));
}

#[test]
fn queues_whose_values_repeat() {
    short(Queue::default, |_| Queues::new(3));
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
