//! Nights of trials.

use crate::common::Scenario;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use stormglass_reports::ReportError;
use stormglass_reports::trend::{Standing, Trend};

/// A soak directory as a night leaves it: lines of cluster, verdict and sentence.
fn soak(place: &Path, name: &str, day: u64, lines: &[(&str, &str, &str)]) -> PathBuf {
    let folder = place.join(name);
    fs::create_dir_all(&folder).unwrap();
    let text: String = lines
        .iter()
        .zip(1..)
        .map(|((cluster, verdict, sentence), seed)| {
            let line = serde_json::json!({
                "cluster": cluster, "arena": "simulator", "seed": seed, "verdict": verdict, "sentence": sentence,
                "operations": 10, "ok": 9, "faults_installed": 1, "simulated_ns": 60_000_000_000_u64, "cpu_ms": 1.0,
                "digest": "0", "run": null, "repeats": seed != 2, "shrunk": null,
            });
            format!("{line}\n")
        })
        .collect();
    let path = folder.join("trials.jsonl");
    fs::write(&path, text).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(day * 86_400))
        .unwrap();
    folder
}

const VALID: (&str, &str, &str) = ("raft-cache", "valid", "All is well.");
const STALE: (&str, &str, &str) = (
    "raft-cache",
    "violation",
    "What the clients saw is not linearizable for key k1.",
);
const TWO_LEADERS: (&str, &str, &str) = (
    "raft-cache",
    "violation",
    "The cluster broke its own law election-safety at n2.",
);
const WATCH: (&str, &str, &str) = (
    "etcd",
    "violation",
    "What the clients saw breaks the promise watch-ordered.",
);

fn standings(trend: &Trend, night: usize) -> Vec<(&str, Standing, u64)> {
    let list = trend.standings[night].iter();
    list.map(|(signature, standing, count)| (signature.broken.as_str(), *standing, *count))
        .collect()
}

/// The tutorial: three nights, in any order.
#[test]
fn failures_are_new_then_known_then_resolved_where_the_same_was_tested() {
    let place = tempfile::tempdir().unwrap();
    let third = soak(place.path(), "third", 12, &[VALID, VALID, TWO_LEADERS]);
    let first = soak(
        place.path(),
        "first",
        10,
        &[VALID, STALE, STALE, STALE, WATCH],
    );
    let second = soak(
        place.path(),
        "second",
        11,
        &[
            STALE,
            TWO_LEADERS,
            ("etcd", "unknown", "The judge reached its limit."),
            ("etcd", "vacuous", "The run tested nothing."),
        ],
    );
    let trend = Trend::read(&[third.clone(), first, second, third]).unwrap();
    let names: Vec<_> = trend.nights.iter().map(|night| night.trials).collect();
    assert_eq!(names, [5, 4, 3], "the oldest first, and each once");
    use Standing::{Known, New, Resolved, Untested};
    assert_eq!(
        standings(&trend, 0),
        [("linearizability", New, 3), ("watch-ordered", New, 1)]
    );
    assert_eq!(
        standings(&trend, 1),
        [
            ("election-safety", New, 1),
            ("linearizability", Known, 1),
            ("watch-ordered", Resolved, 0)
        ]
    );
    assert_eq!(
        standings(&trend, 2),
        [
            ("election-safety", Known, 1),
            ("linearizability", Resolved, 0),
            ("watch-ordered", Untested, 0)
        ],
        "no trial of etcd, so nothing is known of what broke in it"
    );
    let night = &trend.nights[1];
    assert_eq!((night.violations, night.unknown, night.vacuous), (2, 1, 1));
    assert_eq!(night.per_thousand(night.violations), Some(500.0));
    assert_eq!(night.simulated_s, 240.0);
    let ranking: Vec<_> = trend
        .ranking
        .iter()
        .map(|ranked| {
            (
                ranked.signature.broken.as_str(),
                ranked.count,
                ranked.nights,
            )
        })
        .collect();
    assert_eq!(
        ranking,
        [
            ("linearizability", 4, 2),
            ("election-safety", 2, 2),
            ("watch-ordered", 1, 1)
        ]
    );
    let stale = &trend.ranking[0];
    assert_eq!((stale.first, stale.last, stale.count_newest), (0, 1, 0));
    assert_eq!(stale.unrepeated, 1);
    assert_eq!(
        trend.sentence(),
        "3 nights, 12 trials, 7 violations; by the newest: 0 new, 1 known, 1 resolved, 1 untested."
    );
}

#[test]
fn the_page_has_the_table_the_plot_and_its_twin() {
    let place = tempfile::tempdir().unwrap();
    let nights = [
        soak(place.path(), "one", 10, &[VALID, STALE]),
        soak(place.path(), "two", 11, &[VALID, VALID, VALID, TWO_LEADERS]),
    ];
    let trend = Trend::read(&nights).unwrap();
    let path = trend.write(&place.path().join("out")).unwrap();
    assert_eq!(path, place.path().join("out/trend.html"));
    let page = fs::read_to_string(path).unwrap();
    assert_eq!(page.matches("<h1>").count(), 1);
    assert_eq!(page.matches("<svg").count(), 1);
    assert!(
        !page.contains("#FD01"),
        "every sentinel became a colour of the page"
    );
    assert!(page.contains("var(--bad)"));
    for text in [
        "<span class=\"mark new\">new</span>",
        "<span class=\"mark resolved\">resolved</span>",
        "1 (500.00)",
        "1 (250.00)",
        "1970-01-12 00:00:00",
        "240 s",
        "Night 2: ",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let (one, two) = (nights[0].display(), nights[1].display());
    assert!(page.contains(&one.to_string()) && page.contains(&two.to_string()));
}

#[test]
fn a_directory_of_runs_is_a_night_too_and_names_broken_promises_exactly() {
    let place = tempfile::tempdir().unwrap();
    let runs = place.path().join("runs");
    Scenario::storm().write(&runs);
    let mut broken = Scenario::stale_read();
    broken.trial.mutant = Some("raft/read-without-quorum".to_string());
    let (directory, _) = broken.write(&runs);
    let (damaged, _) = Scenario::storm().write(&runs);
    fs::write(damaged.path().join("run.json"), "{").unwrap();
    let trend = Trend::read(std::slice::from_ref(&runs)).unwrap();
    let night = &trend.nights[0];
    assert_eq!((night.trials, night.violations), (2, 1));
    assert_eq!(night.notes.len(), 1);
    assert!(
        night.notes[0].contains("run.json:1: EOF"),
        "{:?}",
        night.notes
    );
    let ranked = &trend.ranking[0];
    assert_eq!(ranked.signature.broken, "linearizability");
    assert_eq!(
        ranked.signature.mutant.as_deref(),
        Some("raft/read-without-quorum")
    );
    let run = directory.path().display().to_string();
    assert_eq!(ranked.run, Some(run));

    // A soak keeps the directories of what it found, and they know better than the sentence.
    let soaked = soak(
        place.path(),
        "soak",
        10,
        &[("raft-cache", "violation", "Something else was said.")],
    );
    fs::create_dir(soaked.join("runs")).unwrap();
    fs::rename(directory.path(), soaked.join("runs").join(directory.name())).unwrap();
    let lines = fs::read_to_string(soaked.join("trials.jsonl")).unwrap();
    let moved = format!("\"run\":\"/gone/since/{}\"", directory.name());
    fs::write(
        soaked.join("trials.jsonl"),
        lines.replace("\"run\":null", &moved),
    )
    .unwrap();
    let trend = Trend::read(&[soaked]).unwrap();
    assert_eq!(trend.ranking[0].signature.broken, "linearizability");
}

#[test]
fn lines_that_say_nothing_are_noted_and_left_out_and_directories_of_nothing_are_errors() {
    let place = tempfile::tempdir().unwrap();
    let night = soak(place.path(), "night", 10, &[VALID, STALE]);
    let path = night.join("trials.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"\n{\"cluster\": \"x\"}\n\xff\xfe\n{\"cluster\": \"raft-cache\", \"verd");
    fs::write(&path, bytes).unwrap();
    let trend = Trend::read(&[night]).unwrap();
    assert_eq!(trend.nights[0].trials, 2);
    let notes = &trend.nights[0].notes;
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(
        notes[0].starts_with("trials.jsonl:4: missing field `verdict`"),
        "{notes:?}"
    );
    assert!(notes[2].starts_with("trials.jsonl:6: EOF"), "{notes:?}");
    let page = fs::read_to_string(trend.write(place.path()).unwrap()).unwrap();
    assert!(page.contains("missing field `verdict`"));

    let empty = soak(place.path(), "empty", 11, &[]);
    let trend = Trend::read(&[empty]).unwrap();
    assert_eq!((trend.nights[0].trials, trend.ranking.len()), (0, 0));
    let page = fs::read_to_string(trend.write(place.path()).unwrap()).unwrap();
    assert!(page.contains("Nothing broke"));

    let bare = place.path().join("bare");
    fs::create_dir_all(bare.join("elsewhere")).unwrap();
    let error = Trend::read(&[bare]).unwrap_err();
    assert!(matches!(error, ReportError::NoTrials { .. }));
    assert!(
        error
            .to_string()
            .contains("neither a trials.jsonl nor a run here")
    );
    let error = Trend::read(&[place.path().join("nowhere")]).unwrap_err();
    assert!(
        error.to_string().contains("nowhere: cannot be read"),
        "{error}"
    );
}

#[test]
fn nothing_from_a_night_becomes_markup() {
    let place = tempfile::tempdir().unwrap();
    let attack = "</style><img src=x onerror=alert(1)>\u{202e}";
    let sentence = format!("What the clients saw breaks the promise {}.", "<img>");
    let night = soak(
        place.path(),
        "a<b>&",
        10,
        &[(attack, "violation", &sentence), (attack, "valid", attack)],
    );
    let trend = Trend::read(&[night]).unwrap();
    let page = fs::read_to_string(trend.write(place.path()).unwrap()).unwrap();
    for markup in ["<img", "<b>", "\u{202e}", "<script"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("onerror="), "it is all there, as text");
}
