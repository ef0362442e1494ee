//! The kill matrix and seeds side by side, as users run them.

mod common;

use common::{Place, err, expect, out, text};
use std::collections::BTreeSet;

#[test]
fn a_mutant_is_killed_and_a_harmless_change_is_spared() {
    let place = Place::new();
    let killed =
        place.run("mutants --only raft/term-not-persisted --starts 2 --seeds 20 --write kills.md");
    expect(&killed, 0);
    let said = out(&killed);
    assert!(
        said.starts_with("KILLED") && said.contains("monotonic-term 2"),
        "{said}"
    );
    let command = said.lines().nth(1).expect("a command is named").trim();
    let command = command.strip_prefix("stormglass ").expect("it is ours");
    expect(&place.run(command), 1);
    let page = text(&place.path().join("kills.md"));
    assert!(
        page.contains("| raft/term-not-persisted | monotonic-term 2 | 2 of 2 |"),
        "{page}"
    );

    for harmless in ["harmless/sent-twice", "harmless/slower-disk"] {
        let spared = place.run(&format!(
            "mutants --cluster raft-cache --only {harmless} --harmless-seeds 10 --format json"
        ));
        expect(&spared, 0);
        let row: serde_json::Value = serde_json::from_str(out(&spared).trim()).unwrap();
        assert_eq!(
            (&row["caught"], &row["starts"]),
            (&0.into(), &10.into()),
            "{row}"
        );
    }
}

/// A seed draws the workload, too, where a cluster has several: the command that is named says which.
#[test]
fn what_a_broken_promise_was_found_by_is_named_and_finds_it_again() {
    let place = Place::new();
    for (mutant, promise) in [
        ("acl-open-to-all", "rights"),
        ("sequence-goes-back", "sequence"),
    ] {
        let killed = place.run(&format!("mutants --only zookeeper/{mutant} --starts 1"));
        expect(&killed, 0);
        let said = out(&killed);
        assert!(said.contains(&format!("; {promise} 1")), "{said}");
        let command = said.lines().nth(1).expect("a command is named").trim();
        let command = command.strip_prefix("stormglass ").expect("it is ours");
        let again = place.run(command);
        expect(&again, 1);
        let named = format!("What the clients saw breaks the promise {promise}.");
        assert!(out(&again).contains(&named), "{}", out(&again));
    }
}

#[test]
fn a_mutant_that_is_not_caught_is_no_success_and_an_unknown_one_is_no_selection() {
    let place = Place::new();
    let missed = place.run("mutants --only raft/prevote-low-term-stuck --starts 2 --seeds 1");
    expect(&missed, 1);
    assert!(out(&missed).starts_with("MISSED"), "{}", out(&missed));
    expect(&place.run("mutants --only raft/no-such"), 4);
    expect(&place.run("mutants --cluster raft-cash"), 64);
}

#[test]
fn the_mistakes_of_the_harness_are_hunted_too() {
    let place = Place::new();
    for (id, by) in [
        ("harness/call-recorded-late", "harness audit"),
        ("harness/timeout-as-fail", "harness audit"),
        ("harness/retry-renumbered", "harness audit"),
        ("harness/final-read-skipped", "vacuous"),
    ] {
        // The night hunts them at every cluster. What a timeout hides takes long to be made small.
        let clusters = match id {
            "harness/timeout-as-fail" => &["zookeeper"][..],
            _ => &["raft-cache", "zookeeper", "etcd"],
        };
        for cluster in clusters {
            let killed = place.run(&format!(
                "mutants --only {id} --cluster {cluster} --starts 1 --seeds 60 --shrink-budget 3s"
            ));
            expect(&killed, 0);
            assert!(out(&killed).contains(by), "{}", out(&killed));
        }
    }
    let run =
        place.run("run raft-cache --arena simulator --time 4s --mutant harness/call-recorded-late");
    expect(&run, 70);
    assert!(
        out(&run).contains("Stormglass wrote down what did not happen"),
        "{}",
        out(&run)
    );
}

#[test]
fn seeds_side_by_side_print_what_they_print_one_by_one() {
    let place = Place::new();
    let seeds = |jobs| {
        place.run(&format!(
            "run raft-cache --arena simulator --time 6s --seeds 9 --jobs {jobs}"
        ))
    };
    let (one, three) = (seeds(1), seeds(3));
    expect(&one, 0);
    assert_eq!(out(&one), out(&three));
    expect(&place.run("replay latest"), 0);
}

#[test]
fn beyond_the_promise_what_breaks_is_measured() {
    let place = Place::new();
    let run = |line: &str| place.run(&format!("run raft-cache --time 10s {line}"));
    let refused = run("--faults wipe");
    expect(&refused, 64);
    assert!(
        err(&refused).contains("--beyond-promise"),
        "{}",
        err(&refused)
    );
    let refused = run("--faults bit-flip --arena simulator --beyond-promise");
    expect(&refused, 64);
    assert!(
        err(&refused).contains("cannot represent bit-flip"),
        "{}",
        err(&refused)
    );
    let measured = run("--faults wipe --beyond-promise --arena simulator");
    expect(&measured, 0);
    let said = out(&measured);
    assert!(
        said.contains("MEASURED") && said.contains("After wipe, beyond the promise"),
        "{said}"
    );
}

#[test]
fn a_trial_has_one_fingerprint() {
    let place = Place::new();
    let print = || place.run("fingerprint raft-cache --seeds 3 --time 3s --arena simulator");
    let (one, other) = (print(), print());
    expect(&one, 0);
    assert_eq!(out(&one), out(&other));
    let numbers: BTreeSet<_> = out(&one)
        .lines()
        .map(|line| line[line.len() - 32..].to_string())
        .collect();
    assert_eq!(numbers.len(), 3, "{}", out(&one));
    expect(&place.run("fingerprint raft-cache --seeds 0"), 4);
}
