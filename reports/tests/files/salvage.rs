//! Directories that are not whole: each still becomes a page, and none of them a pass. Start here: the first test is a run that was killed.

use crate::common::hostile::ATTACKS;
use crate::common::{Scenario, file};
use std::fs;
use stormglass_nemesis::record::{Violation, ViolationKind};
use stormglass_reports::RunDirectory;
use stormglass_reports::run_directory::Salvaged;

fn salvage(directory: &RunDirectory) -> (Salvaged, String) {
    let refused = directory.rebuild().expect_err("it is not whole");
    let salvaged = directory.salvage(&refused).unwrap();
    assert_eq!(salvaged.page, directory.page());
    assert!(!salvaged.notes.is_empty());
    let page = file(directory, "report.html");
    let badges: Vec<&str> = page
        .split("<p class=\"badge\">")
        .skip(1)
        .filter_map(|rest| rest.split('<').next())
        .collect();
    assert_eq!(
        badges,
        ["incomplete"],
        "there is one verdict, and it is that there is none"
    );
    assert!(page.contains("This is not a pass"));
    assert!(
        page.contains("default-src 'none'") && page.matches("<script").count() == 1,
        "the page's own script alone: {page}"
    );
    (salvaged, page)
}

fn remove(directory: &RunDirectory, names: &[&str]) {
    for name in names {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
}

const REPORTS: [&str; 3] = ["run.json", "report.html", "summary.md"];

/// The tutorial: of a run that was killed there is the trial, and nothing else.
#[test]
fn a_trial_alone_shows_its_settings_its_schedule_and_how_to_run_it() {
    let out = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(out.path(), &Scenario::storm().trial).unwrap();
    let (salvaged, page) = salvage(&directory);
    assert_eq!(
        salvaged.notes,
        [
            "the run did not come to its end: record.json and history.jsonl are missing; run the trial again"
        ]
    );
    let replay = format!(
        "stormglass replay {}",
        directory.path().join("trial.json").display()
    );
    assert_eq!(salvaged.commands, std::slice::from_ref(&replay));
    for wanted in [
        &*replay,
        &salvaged.notes[0],
        "<td>partition-one</td><td>at 2.000 s for 2.00 s</td>",
        "&#34;storm_ms&#34;: 10000",
        "seed 7",
        "cannot be judged",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
}

#[test]
fn a_history_without_a_record_is_judged_alone() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    remove(&directory, &REPORTS);
    remove(&directory, &["record.json"]);
    let (salvaged, page) = salvage(&directory);
    assert_eq!(
        salvaged.notes,
        ["the run did not come to its end: record.json is missing; run the trial again"]
    );
    assert!(page.contains("In the 92 events that are there nothing breaks the promise; that says nothing of the rest."), "{page}");
    assert!(
        page.contains("<th scope=\"row\">operations</th><td>46</td>"),
        "{page}"
    );

    // What it shows all the same is told, and is no verdict either.
    let (directory, _) = Scenario::stale_read().write(out.path());
    remove(&directory, &REPORTS);
    remove(&directory, &["record.json"]);
    let (salvaged, page) = salvage(&directory);
    assert!(
        salvaged
            .sentence
            .contains("breaks the promise all the same"),
        "{}",
        salvaged.sentence
    );
    assert!(
        page.contains("What went wrong") && page.contains("<svg class=\"collision\""),
        "{page}"
    );
}

#[test]
fn a_record_without_a_history_shows_what_broke_inside() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::storm();
    scenario.record.violations.push(Violation {
        kind: ViolationKind::Invariant,
        name: "election-safety".to_string(),
        time_ns: 5_300_000_000,
        node: None,
        message: ATTACKS[0].to_string(),
    });
    let (directory, _) = scenario.write(out.path());
    remove(&directory, &["history.jsonl"]);
    let (salvaged, page) = salvage(&directory);
    assert!(salvaged.notes[0].contains("history.jsonl is missing"));
    assert!(
        salvaged.sentence.contains("a law broken all the same"),
        "{}",
        salvaged.sentence
    );
    assert!(page.contains("election-safety, 5.300 s:") && page.contains("document.title"));
}

#[test]
fn a_history_that_was_cut_is_used_up_to_the_cut() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let path = directory.path().join("history.jsonl");
    let whole = fs::read(&path).unwrap();
    let lines: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    fs::write(&path, &whole[..lines[9] + 20]).unwrap();
    let (salvaged, page) = salvage(&directory);
    let [note] = &salvaged.notes[..] else {
        panic!("{:?}", salvaged.notes);
    };
    assert!(
        note.contains("history.jsonl:11: expected a whole JSON object")
            && note.contains("the lines before it are used"),
        "{note}"
    );
    assert!(page.contains("In the 10 events that are there"), "{page}");

    // A line that is bad behind one that does not fit: both are named, and what stands before the first of them is used.
    let mut bad = whole[..=lines[19]].to_vec();
    let fourth = whole[lines[2] + 1..=lines[3]].to_vec();
    bad.splice(lines[3] + 1..=lines[3], fourth.iter().copied());
    bad.extend(b"{\"proc\xff\n");
    fs::write(&path, bad).unwrap();
    let (salvaged, page) = salvage(&directory);
    let [later, earlier] = &salvaged.notes[..] else {
        panic!("{:?}", salvaged.notes);
    };
    assert!(
        later.contains("history.jsonl:22: expected UTF-8") && earlier.contains("history.jsonl:5:"),
        "{later} {earlier}"
    );
    assert!(page.contains("In the 4 events that are there"), "{page}");

    fs::write(&path, "nonsense").unwrap();
    let (salvaged, page) = salvage(&directory);
    assert!(
        salvaged.notes[0].contains("history.jsonl:1: expected a JSON object"),
        "{:?}",
        salvaged.notes
    );
    assert!(page.contains("cannot be judged"), "{page}");

    // An empty history beside a record is that of a run in which nothing happened; without one it was never written.
    fs::write(&path, "").unwrap();
    let refused = directory.rebuild().expect_err("run.json counts more");
    assert!(
        refused
            .to_string()
            .contains("after 0 calls, where run.json counts 46"),
        "{refused}"
    );
    remove(&directory, &["run.json"]);
    directory.rebuild().expect("it is whole");
    remove(&directory, &["record.json"]);
    let (salvaged, _) = salvage(&directory);
    assert!(
        salvaged.notes[1].contains("history.jsonl: there is nothing in it"),
        "{:?}",
        salvaged.notes
    );
}

/// What is in a file, and what is said of it.
type Damage = (&'static str, &'static [u8], &'static str);

#[test]
fn a_file_of_another_version_or_shape_is_named_and_left_out() {
    let out = tempfile::tempdir().unwrap();
    const DAMAGES: &[Damage] = &[
        (
            "record.json",
            b"{\"schema_version\": 1}",
            "record.json: schema_version is 1, this build reads 2; use the build that wrote it",
        ),
        (
            "record.json",
            b"{\"schema_version\": 2,\n \"digest\": 5}",
            "record.json:2: invalid type: integer `5`",
        ),
        ("record.json", b"", "record.json:1: EOF"),
        (
            "trial.json",
            b"{\"schema_version\": 1, \"seed\": 42}",
            "trial.json:1: not a usable trial: schema_version",
        ),
        (
            "trial.json",
            b"{\n\"schema_version\": 2,\n</script>",
            "trial.json:3: not a usable trial",
        ),
        ("trial.json", b"\xff\xfe", "trial.json: cannot be read"),
        ("trial.json", b"", "trial.json:1: not a usable trial: EOF"),
    ];
    for (name, content, wanted) in DAMAGES {
        let (directory, _) = Scenario::storm().write(out.path());
        fs::write(directory.path().join(name), content).unwrap();
        let (salvaged, page) = salvage(&directory);
        let [note] = &salvaged.notes[..] else {
            panic!("{:?}", salvaged.notes);
        };
        assert!(note.contains(wanted), "{note}");
        let is_trial = *name == "trial.json";
        assert_eq!(
            salvaged.commands.is_empty(),
            is_trial,
            "a trial that cannot be read cannot be run"
        );
        assert_eq!(page.contains("In the 92 events"), !is_trial, "{page}");
        assert_eq!(page.contains("What trial.json says"), is_trial);
        assert_eq!(page.matches("</script>").count(), 1, "what it says is text");
    }
}

#[test]
fn the_reports_of_before_neither_matter_nor_are_lost() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let before = file(&directory, "report.html");
    fs::write(directory.path().join("run.json"), "{\"schema_version\": 0}").unwrap();
    directory.rebuild().expect("an old summary does not matter");
    remove(&directory, &["record.json"]);
    for _ in 0..2 {
        let (_, page) = salvage(&directory);
        assert!(page.contains("<a href=\"earlier.html\">"), "{page}");
        let earlier = file(&directory, "earlier.html");
        assert!(
            earlier.contains("<p class=\"badge\">valid</p>") && earlier.len() * 2 > before.len()
        );
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(out.path(), &Scenario::storm().trial).unwrap();
    fs::create_dir_all(directory.page().join("in the way")).unwrap();
    let refused = directory.rebuild().unwrap_err();
    let error = directory.salvage(&refused).unwrap_err().to_string();
    assert!(error.contains("report.html: cannot be written"), "{error}");
}
