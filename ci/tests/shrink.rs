//! Shrinking, as users run it.

mod common;

use common::{Place, expect, out, text};

/// The tutorial: a storm breaks something, and what is left of it is beside the run, on its page, and repeats.
#[test]
fn a_failing_run_is_shrunk_beside_itself_and_replays() {
    let place = Place::new();
    let run =
        place.run("run raft-cache --arena simulator --mutant raft/no-up-to-date-check --seed 1");
    expect(&run, 1);
    let directory = place.latest();
    let shrunk = place.run("shrink latest --keep kept --format json");
    expect(&shrunk, 1);
    let said: serde_json::Value = serde_json::from_str(out(&shrunk).trim()).unwrap();
    assert_eq!(said["property"], "leader-completeness");
    assert!(
        said["removed_percent"]
            .as_f64()
            .is_some_and(|percent| percent >= 90.0),
        "{said}"
    );
    let (before, after) = (&said["before"], &said["after"]);
    let page = text(&directory.join("report.html"));
    let sentence = format!(
        "Shrunk to {} of {} faults",
        after["faults"], before["faults"]
    );
    assert!(
        page.contains(&sentence),
        "the page of the run tells of the shrunk one: {sentence}"
    );
    assert!(page.contains("original.html") && directory.join("original.html").is_file());

    let again = place.run(&format!("replay {}", directory.join("shrunk").display()));
    expect(&again, 1);
    assert!(out(&again).starts_with("SAME"), "{}", out(&again));
    expect(&place.run("report latest"), 1);
    assert!(
        text(&directory.join("report.html")).contains(&sentence),
        "a page made again tells the same"
    );

    let kept = said["kept"].as_str().expect("it was kept");
    assert!(text(&place.path().join(kept)).contains("leader-completeness"));
}

#[test]
fn a_trial_file_can_be_shrunk_and_what_breaks_nothing_cannot() {
    let place = Place::new();
    let trials = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../nemesis/trials");
    let file = trials.join("raft-read-without-quorum.json");
    let shrunk = place.run(&format!("shrink {} --candidates 40", file.display()));
    expect(&shrunk, 1);
    assert!(
        out(&shrunk).contains("still breaking linearizability"),
        "{}",
        out(&shrunk)
    );
    expect(
        &place.run("run raft-cache --arena simulator --time 4s --seed 3"),
        0,
    );
    expect(&place.run("shrink latest"), 4);
    expect(&place.run("shrink no-such-run"), 65);
}
