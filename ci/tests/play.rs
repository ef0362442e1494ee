//! Scripts, as users play them.

mod common;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The tutorial: a built-in script, its commands and its trace.
#[test]
fn a_script_is_played_with_its_paragraph_its_commands_and_its_trace() {
    let place = Place::new();
    let play = place.run("play raft/a_majority_elects_a_leader");
    expect(&play, 0);
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../impls/src/raft/scripts/a_majority_elects_a_leader");
    let shown = out(&play);
    for line in text(&file).lines().filter(|line| *line != "---") {
        let line = line.trim_start_matches('#').trim_start();
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
    assert!(shown.contains("\n> fire n1 election\n"), "{shown}");
}

#[test]
fn a_mutant_shows_its_harm_in_a_script() {
    let place = Place::new();
    let script = "raft/mutants/commit-old-term";
    expect(&place.run(&format!("play {script}")), 0);
    let harmed = place.run(&format!("play {script} --mutant raft/commit-old-term"));
    expect(&harmed, 1);
    assert!(
        out(&harmed).contains("\nBROKEN leader-completeness: "),
        "{}",
        out(&harmed)
    );
}

#[test]
fn json_has_a_line_for_each_block() {
    let place = Place::new();
    let play = place.run("play raft/a_vote_waits_for_the_disk --format json");
    expect(&play, 0);
    let blocks: Vec<Value> = out(&play)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!blocks.is_empty());
    for (at, block) in blocks.iter().enumerate() {
        assert_eq!(block["block"], at + 1);
        assert!(
            block["commands"]
                .as_array()
                .is_some_and(|commands| !commands.is_empty())
        );
        assert!(block["trace"].is_array());
    }
}

#[test]
fn a_file_of_ones_own_can_be_played() {
    let place = Place::new();
    fs::write(
        place.path().join("mine"),
        "# Mine.\n\ncluster nodes=1\nfire n1 election\n---\n",
    )
    .unwrap();
    let play = place.run("play mine");
    expect(&play, 0);
    assert!(out(&play).contains("n1 leads @1"), "{}", out(&play));
}

#[test]
fn what_cannot_be_played_is_refused_with_a_remedy() {
    let place = Place::new();
    fs::write(
        place.path().join("bad"),
        "cluster nodes=3\n\njump n1\n---\n",
    )
    .unwrap();
    fs::write(place.path().join("worse"), "cluster nodes=3\n(jump\n---\n").unwrap();
    for (line, exit, says) in [
        ("play bad", 65, "bad:3: no such command: jump; "),
        ("play worse", 65, "worse:2: not a command: (jump; "),
        ("play ./missing", 65, "./missing: cannot be read: "),
        (
            "play raft/a_majority_elects",
            64,
            "did you mean raft/a_majority_elects_a_leader",
        ),
        ("play bad --cluster raft", 64, "did you mean raft-cache"),
        (
            "play bad --mutant raft/commit-old",
            64,
            "did you mean raft/commit-old-term",
        ),
    ] {
        let play = place.run(line);
        expect(&play, exit);
        assert!(err(&play).contains(says), "{line}: {}", err(&play));
    }
}
