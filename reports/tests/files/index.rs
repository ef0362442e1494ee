//! The page over all runs of a directory.

use crate::common::Scenario;
use serde_json::Value;
use std::fs;
use std::path::Path;
use stormglass_nemesis::judge::Ruling;
use stormglass_reports::index::{self, Entry};
use stormglass_reports::{ReportError, RunDirectory};

fn page(out: &Path) -> String {
    fs::read_to_string(index::write(out).unwrap()).unwrap()
}

fn entry(out: &Path, name: &str) -> Entry {
    let found = index::entries(out).unwrap();
    let found = found.into_iter().find(|entry| entry.name == name);
    found.unwrap_or_else(|| panic!("{name} is not listed"))
}

/// The rows as the script reads them.
fn data(page: &str) -> Vec<Vec<Value>> {
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

/// The tutorial: two runs, one page.
#[test]
fn every_run_is_a_row_with_its_verdict_and_a_link_to_its_page() {
    let out = tempfile::tempdir().unwrap();
    let (good, _) = Scenario::storm().write(out.path());
    let mut broken = Scenario::stale_read();
    broken.trial.mutant = Some("raft/read-without-quorum".to_string());
    let (bad, summary) = broken.write(out.path());
    let page = page(out.path());
    assert!(page.contains("2 runs: 1 valid, 1 violation"));
    for directory in [&good, &bad] {
        let link = format!("<a href=\"./{0}/report.html\">{0}</a>", directory.name());
        assert!(page.contains(&link), "{link}");
    }
    assert!(page.contains("<span class=\"mark violation\">violation</span>"));
    assert!(page.contains(&summary.sentence), "{}", summary.sentence);
    assert!(page.contains("2 of 3"), "faults installed, and planned");
    let rows = data(&page);
    assert_eq!(rows.len(), 2);
    let row = rows.iter().find(|row| row[1] == bad.name()).unwrap();
    assert_eq!(row[0], "violation");
    assert_eq!(
        row[6], "7",
        "a seed is a text: a script's numbers are short"
    );
    assert_eq!(row[8], "raft/read-without-quorum");
    assert_eq!(row[11], serde_json::json!([2, 3]));
}

#[test]
fn a_directory_that_cannot_be_read_is_a_row_that_says_what_is_wrong_and_what_to_do() {
    let out = tempfile::tempdir().unwrap();
    Scenario::storm().write(out.path());
    let unfinished = RunDirectory::create(out.path(), &Scenario::empty().trial).unwrap();
    let damaged = |file: &str, content: &[u8]| {
        let (directory, _) = Scenario::stale_read().write(out.path());
        fs::write(directory.path().join(file), content).unwrap();
        directory
    };
    let older = damaged(
        "run.json",
        b"{\"schema_version\": 0, \"cluster\": \"raft-cache\", \"workload\": \"register\", \"seed\": 18446744073709551615, \"verdict\": \"valid\"}",
    );
    let garbled = damaged("run.json", b"{\"schema_version\": 1,\n \"run\": 5}");
    let empty = damaged("run.json", b"");
    let (unreported, _) = Scenario::storm().write(out.path());
    fs::remove_file(unreported.path().join("run.json")).unwrap();
    let (pageless, _) = Scenario::storm().write(out.path());
    fs::remove_file(pageless.page()).unwrap();
    fs::create_dir(out.path().join("elsewhere")).unwrap();
    fs::write(out.path().join("elsewhere/notes.txt"), "not a run").unwrap();

    for (name, note) in [
        (
            unfinished.name(),
            "record.json is missing: the run did not come to its end, or is under way; run the trial again with `stormglass replay`",
        ),
        (
            older.name(),
            "run.json: schema_version is 0, this build reads 1; use the build that wrote it",
        ),
        (garbled.name(), "run.json:2: invalid type: integer `5`"),
        (empty.name(), "run.json:1: EOF while parsing"),
        (
            unreported.name(),
            "run.json: missing: the reports were not finished; make it again with `stormglass report`",
        ),
        (
            "elsewhere",
            "trial.json: missing: this is no run directory; name a directory that `stormglass run` made",
        ),
    ] {
        let entry = entry(out.path(), name);
        assert_eq!(entry.verdict, None, "{name}: nobody knows");
        let said = entry.note.unwrap();
        assert!(said.starts_with(note), "{said}");
    }
    let pageless = entry(out.path(), pageless.name());
    assert_eq!(
        (pageless.verdict, pageless.page),
        (Some(Ruling::Valid), None)
    );
    assert!(pageless.note.unwrap().starts_with("report.html is missing"));
    // What an older file says under the names of today is shown; its verdict is not trusted.
    let older = entry(out.path(), older.name());
    assert_eq!(older.cluster, "raft-cache");
    assert_eq!((older.seed, older.verdict), (Some(u64::MAX), None));
    let unfinished = entry(out.path(), unfinished.name());
    assert_eq!(
        (unfinished.workload.as_str(), unfinished.arena.as_str()),
        ("register", "simulator")
    );

    let page = page(out.path());
    assert_eq!(data(&page).len(), 8);
    assert!(page.contains("8 runs: 2 valid, 6 without a verdict"));
    assert_eq!(
        page.matches("<span class=\"mark none\">no verdict</span>")
            .count(),
        6
    );
    let whole = out.path().display().to_string();
    assert_eq!(page.matches(&whole).count(), 1, "the folder is named once");
}

#[test]
fn a_directory_without_runs_says_so_and_one_that_is_not_there_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let empty = page(out.path());
    assert!(empty.contains("There are no runs here yet."));
    assert!(!empty.contains("<table"));
    let missing = index::write(&out.path().join("nowhere"));
    assert!(matches!(missing, Err(ReportError::NoRuns { .. })));
}

#[test]
fn the_newest_two_hundred_stand_without_a_script_and_what_is_cut_is_said() {
    let out = tempfile::tempdir().unwrap();
    let (whole, summary) = Scenario::storm().write(out.path());
    for number in 0..250 {
        let copy = out.path().join(format!("copy-{number:03}"));
        fs::create_dir(&copy).unwrap();
        fs::copy(whole.path().join("trial.json"), copy.join("trial.json")).unwrap();
        fs::write(copy.join("run.json"), summary.to_json()).unwrap();
        let written = std::time::Duration::from_secs(1_000_000 + number);
        let file = fs::File::options()
            .write(true)
            .open(copy.join("run.json"))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + written).unwrap();
    }
    let page = page(out.path());
    let (table, _) = page.split_once("id=\"data\"").unwrap();
    assert_eq!(table.matches("<tr><td>").count(), 200);
    assert!(page.contains("These are the newest 200 of 251 runs. The other 51 are shown only"));
    let rows = data(&page);
    assert_eq!(rows.len(), 251, "the script has them all");
    let names: Vec<&str> = rows.iter().map(|row| row[1].as_str().unwrap()).collect();
    assert_eq!(names[0], whole.name());
    assert_eq!((names[1], names[250]), ("copy-249", "copy-000"));
    assert_eq!(rows[1][12], "1970-01-12 13:50:49");
}

#[test]
fn nothing_from_a_run_or_a_name_becomes_markup_or_an_address_elsewhere() {
    let out = tempfile::tempdir().unwrap();
    let attack = "</script><img src=x onerror=alert(1)>\u{202e}";
    let mut scenario = Scenario::stale_read();
    scenario.trial.cluster = attack.to_string();
    scenario.trial.mutant = Some(attack.to_string());
    let (directory, mut summary) = scenario.write(out.path());
    summary.sentence = format!("{attack} & \"quoted\"");
    fs::write(directory.path().join("run.json"), summary.to_json()).unwrap();
    let odd = "javascript:alert(1)<b>#?%";
    fs::rename(directory.path(), out.path().join(odd)).unwrap();
    let page = page(out.path());
    assert_eq!(page.matches("<script").count(), 2, "the page's own alone");
    assert_eq!(page.matches("</script").count(), 2);
    for markup in ["<img", "<b>", "\u{202e}", "href=\"javascript"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert!(page.contains("href=\"./javascript%3Aalert%281%29%3Cb%3E%23%3F%25/report.html\""));
    let rows = data(&page);
    assert!(
        rows[0][3].as_str().unwrap().contains("<img src=x"),
        "as text"
    );
    assert!(rows[0][3].as_str().unwrap().contains("\\u{202e}"));
}

#[test]
fn the_page_asks_for_nothing_and_leaves_no_part_behind() {
    let out = tempfile::tempdir().unwrap();
    Scenario::storm().write(out.path());
    let page = page(out.path());
    assert!(page.contains(
        "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\""
    ));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<h1>").count(), 1);
    let again = index::write(out.path()).unwrap();
    assert_eq!(again, out.path().join("index.html"));
    let left = fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .count();
    assert_eq!(left, 0);
}

/// What `run.json` says is of a run that was whole. One that is no longer so is not shown as valid.
#[test]
fn a_run_whose_record_is_gone_has_no_verdict_whatever_its_summary_says() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    assert_eq!(
        index::build(out.path()).unwrap().entries[0].verdict,
        Some(Ruling::Valid)
    );
    std::fs::remove_file(directory.path().join("record.json")).unwrap();
    let read = index::build(out.path()).unwrap();
    assert_eq!(read.entries[0].verdict, None);
    assert!(
        read.entries[0]
            .note
            .as_deref()
            .unwrap()
            .starts_with("record.json is missing")
    );
    let refused = directory.rebuild().unwrap_err();
    directory.salvage(&refused).unwrap();
    let read = index::build(out.path()).unwrap();
    assert!(read.entries[0].verdict.is_none() && read.entries[0].note.is_some());
}
