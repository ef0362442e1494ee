//! Histories made to order, as users make and judge them.

mod common;

use common::{Place, err, expect, out, text};

/// The tutorial: a legal history is valid, and the same with one read falsified is not.
#[test]
fn what_is_generated_is_judged_as_it_was_meant() {
    let place = Place::new();
    expect(
        &place.run("generate register --operations 300 --crashes 5 --out legal.jsonl"),
        0,
    );
    let check = place.run("check legal.jsonl --model register");
    expect(&check, 0);
    assert!(out(&check).contains("300 operations"), "{}", out(&check));

    let lied = place.run("generate register --operations 300 --crashes 5 --violation impossible --at 80 --out lying.jsonl");
    expect(&lied, 0);
    assert!(
        out(&lied).contains("where"),
        "it says what it falsified: {}",
        out(&lied)
    );
    let check = place.run("check lying.jsonl --model register");
    expect(&check, 1);
    assert!(out(&check).starts_with("VIOLATION"), "{}", out(&check));
    let differ = text(&place.path().join("legal.jsonl"))
        .lines()
        .zip(text(&place.path().join("lying.jsonl")).lines())
        .filter(|(legal, lying)| legal != lying)
        .count();
    assert_eq!(differ, 1, "nothing but the read was falsified");
}

#[test]
fn registers_of_each_kind_are_valid_and_stale_reads_of_unique_values_are_not() {
    let place = Place::new();
    for object in ["register", "unique-writes", "unique-cas"] {
        for (violation, code) in [("none", 0), ("impossible", 1), ("stale", 1)] {
            if object == "register" && violation == "stale" {
                continue; // A value of five may well have been written again.
            }
            let line = format!(
                "generate {object} --operations 200 --in-flight 4 --keys 2 --violation {violation} --out x.jsonl"
            );
            expect(&place.run(&line), 0);
            expect(&place.run("check x.jsonl --model register"), code);
        }
    }
}

#[test]
fn the_same_flags_give_the_same_bytes_and_another_seed_others() {
    let place = Place::new();
    for object in [
        "register",
        "unique-writes",
        "unique-cas",
        "kv",
        "list-append",
    ] {
        let made = |seed| {
            let run = place.run(&format!(
                "generate {object} --operations 50 --crashes-per-thousand 100 --seed {seed}"
            ));
            expect(&run, 0);
            assert!(err(&run).contains("legal"), "{}", err(&run));
            out(&run)
        };
        let history = made(3);
        assert!(history == made(3) && history != made(4), "{object}");
        for line in history.lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok(),
                "{line}"
            );
        }
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused_with_a_remedy() {
    let place = Place::new();
    for (flags, word) in [
        ("register --clients 2 --in-flight 3", "in flight"),
        ("register --operations 0", "operations"),
        ("register --domain 0", "values"),
        ("register --appends 1", "register has no appends"),
        ("unique-writes --cas 1", "unique-writes has no cas"),
        ("kv --domain 3", "kv has no --domain"),
        ("register --at 10", "--violation"),
        ("register --violation stale --at 101", "100"),
        ("register --operations 5 --crashes 6", "crash"),
        ("register --reads 0 --violation impossible", "read"),
        ("register --reads 0 --writes 0 --cas 0", "share"),
    ] {
        let run = place.run(&format!("generate {flags}"));
        expect(&run, 64);
        assert!(out(&run).is_empty(), "{flags}: nothing is written");
        assert!(err(&run).contains(word), "{flags}: {}", err(&run));
        assert!(err(&run).contains("Remedy"), "{flags}: {}", err(&run));
    }
    expect(
        &place.run("generate register --crashes 1 --crashes-per-thousand 1"),
        64,
    );
    expect(&place.run("generate registers"), 64);
    expect(&place.run("generate register --out nowhere/x.jsonl"), 65);
}

/// Numbers from outside that no memory holds are refused, not tried.
#[test]
fn numbers_without_end_are_refused() {
    let place = Place::new();
    for flags in [
        "--operations 18446744073709551615",
        "--clients 18446744073709551615",
        "--clients 18446744073709551615 --in-flight 18446744073709551615",
    ] {
        let refused = place.run(&format!("generate register {flags}"));
        expect(&refused, 64);
        assert!(err(&refused).contains("Remedy"), "{}", err(&refused));
    }
}
