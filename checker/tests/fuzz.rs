//! Every fast judge against the oracle that tries every order, on thousands of random small histories, half of them bent.

mod common;

use common::Random;
use common::findings::{LARGER, findings};
use common::fuzz::{Player, SMALL, Tally, fuzz};
use common::players::append::Lists;
use common::players::counter::Counters;
use common::players::queue::Queues;
use common::players::register::{Asked, Registers};
use common::players::set::Sets;
use stormglass_checker::{Append, Counter, Queue, Register, Set, Specification};

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
