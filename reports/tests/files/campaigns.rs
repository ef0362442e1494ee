//! The pages over many trials that are no nights: a campaign, and all clusters side by side.

use crate::common::pages::campaign;
use crate::common::{Scenario, file};
use serde_json::Value;
use stormglass_nemesis::judge::Ruling;
use stormglass_reports::campaign::Campaign;
use stormglass_reports::campaign::Outcome;
use stormglass_reports::comparison::{COMPARISON_JSON, Compared, Comparison};
use stormglass_reports::{ReportError, RunDirectory};

#[test]
fn a_campaign_is_read_from_its_lines_and_says_which_it_could_not_read() {
    let out = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(campaign(out.path())).unwrap();
    let read = Campaign::read(out.path()).unwrap();
    assert_eq!(
        (read.trials.len(), read.kills.len(), read.models.len()),
        (40, 3, 2)
    );
    assert_eq!(read.notes.len(), 1);
    assert!(
        read.notes[0].starts_with("trials.jsonl:41: "),
        "{}",
        read.notes[0]
    );
    let grid = read.grid();
    let tallies: u64 = grid
        .values()
        .flat_map(|cells| cells.values())
        .flat_map(|tally| tally.verdicts.values())
        .sum();
    assert_eq!(tallies, 40);
    // Seeds 4k and 4k+1 are of raft-cache: of its twenty, seed 9 is vacuous.
    let raft = &grid[&("raft-cache".to_string(), "register".to_string())];
    let of = |ruling: Outcome| -> u64 {
        raft.values()
            .filter_map(|tally| tally.verdicts.get(&ruling))
            .sum()
    };
    assert_eq!(
        (
            of(Outcome::Valid),
            of(Outcome::Vacuous),
            of(Outcome::Violation)
        ),
        (19, 1, 0)
    );
    for wanted in [
        "38 of 40 trials kept every promise; 1 broke one; 1 tested nothing; 1 of 2 planted bugs were always caught.",
        "<p class=\"badge\">violation</p>",
        "What the clients saw is &#60;not&#62; linearizable",
        "trials.jsonl:41: ",
        "raft-cache two-terms",
        "2 of 3",
        "0 of 500",
        "Seeds a second",
        "States over time",
    ] {
        assert!(page.contains(wanted), "{wanted} is not on the page");
    }
}

#[test]
fn without_an_alarm_the_bound_on_false_ones_is_that_of_the_rule_of_three() {
    let out = tempfile::tempdir().unwrap();
    campaign(out.path());
    let read = Campaign::read(out.path()).unwrap();
    let alarms = read.false_alarms();
    // 38 valid and one vacuous trial of clusters as they are, and 500 of a harmless change.
    assert_eq!((alarms.trials, alarms.alarms), (539, 0));
    let share = alarms.share_max.unwrap();
    assert!(((1.0 - share).powi(539) - 0.05).abs() < 1e-9);
    assert!((share - 3.0 / 539.0).abs() < 1e-4, "{share}");
    let mut raised = read;
    raised.kills[2].caught = 1;
    assert_eq!(
        raised.false_alarms().share_max,
        None,
        "an alarm is looked at, not averaged away"
    );
}

#[test]
fn a_directory_without_trials_is_no_campaign() {
    let out = tempfile::tempdir().unwrap();
    let error = Campaign::read(out.path()).unwrap_err();
    assert!(matches!(error, ReportError::NoCampaign { .. }), "{error}");
}

#[test]
fn clusters_are_compared_by_numbers_that_can_be_checked_by_hand() {
    let out = tempfile::tempdir().unwrap();
    let write = |cluster: &str, nodes: u8, slow: bool| {
        let mut scenario = Scenario::storm();
        (scenario.trial.cluster, scenario.trial.nodes) = (cluster.to_string(), nodes);
        if slow {
            scenario = scenario.slower(90);
        }
        let (directory, _) = scenario.write(out.path());
        Compared::load(&RunDirectory::at(directory.path()).unwrap()).unwrap()
    };
    let runs = [
        write("raft-cache", 5, false),
        write("paxos-cache", 5, true),
        write("raft-cache", 3, false),
        write("raft-cache", 7, false),
    ];
    let comparison = Comparison::of(&runs);
    assert_eq!(comparison.nodes, 5, "most runs have five nodes");
    let names: Vec<&str> = comparison
        .clusters
        .iter()
        .map(|row| row.cluster.as_str())
        .collect();
    assert_eq!(names, ["paxos-cache", "raft-cache"]);
    let [paxos, raft] = comparison.clusters.as_slice() else {
        unreachable!()
    };
    // Forty-five operations ended ok in eleven seconds; half of them, the writes, took ten milliseconds.
    assert!((raft.ok_per_second - 45.0 / 11.0).abs() < 1e-9);
    assert_eq!((raft.kept, raft.runs, raft.writes_lost), (1, 1, Some(0)));
    assert_eq!(raft.p99_ns, Some(10_000_000));
    assert_eq!(paxos.p99_ns, Some(100_000_000));
    // The partition ends at 4.000 s and the write of 4.000 s returns at 4.010 s; the crash ends at 5.500 s, the write of 5.600 s returns at 5.610 s;
    // all is healed at 10.000 s, and the read of 10.100 s returns at 10.105 s.
    assert_eq!(
        (raft.recovery_ns, raft.recovery_ns_max),
        (Some(105_000_000), Some(110_000_000))
    );
    let kinds: Vec<&str> = comparison
        .kinds
        .iter()
        .map(|row| row.kind.as_str())
        .collect();
    assert_eq!(kinds, ["crash", "partition-one"]);
    for row in &comparison.kinds {
        let cell = row.cells[1].unwrap();
        assert_eq!(
            (cell.windows, cell.answered_share, cell.answered_share_min),
            (1, 1.0, 1.0),
            "{}",
            row.kind
        );
    }
    let costs: Vec<(&str, u8)> = comparison
        .costs
        .iter()
        .map(|row| (row.cluster.as_str(), row.nodes))
        .collect();
    assert_eq!(
        costs,
        [
            ("paxos-cache", 5),
            ("raft-cache", 3),
            ("raft-cache", 5),
            ("raft-cache", 7)
        ]
    );
    assert!((comparison.costs[1].frames_per_ok - 5_000.0 / 45.0).abs() < 1e-9);
    let page = comparison.write(out.path(), "stormglass compare").unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("2 clusters, one storm") && page.contains("100.0 %"));
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(out.path().join(COMPARISON_JSON)).unwrap())
            .unwrap();
    assert_eq!(json["clusters"][1]["cluster"], "raft-cache");
    let link = format!("{}/report.html", raft.reports[0]);
    assert!(page.contains(&link) && out.path().join(link).is_file());
}

#[test]
fn a_run_that_broke_its_promise_says_nothing_of_lost_writes() {
    let out = tempfile::tempdir().unwrap();
    let (directory, summary) = Scenario::stale_read().write(out.path());
    assert_eq!(summary.verdict, Ruling::Violation);
    let comparison = Comparison::of(&[Compared::load(&directory).unwrap()]);
    let row = &comparison.clusters[0];
    assert_eq!((row.kept, row.broken, row.writes_lost), (0, 1, None));
    comparison.write(out.path(), "").unwrap();
    let page = std::fs::read_to_string(out.path().join("comparison.html")).unwrap();
    assert!(page.contains("0 of 1 runs, 1 broken"));
    assert!(!file(&directory, "report.html").is_empty());
}
