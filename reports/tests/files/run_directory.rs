//! Names, prefixes and directories that are not whole.

use crate::common::{Scenario, file};
use std::fs;
use stormglass_reports::{ReportError, RunDirectory};

#[test]
fn a_run_is_found_by_name_id_prefix_latest_and_path() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::storm();
    let (first, _) = scenario.write(out.path());
    scenario.trial.seed = 8;
    let (second, _) = scenario.write(out.path());
    let id = first.name().rsplit('-').next().unwrap();
    let path = first.path().to_str().unwrap();
    for name in [first.name(), id, &id[..5], "raft-cache-register-7", path] {
        assert_eq!(
            RunDirectory::open(out.path(), name).unwrap().name(),
            first.name(),
            "{name}"
        );
    }
    assert_eq!(
        RunDirectory::open(out.path(), "latest").unwrap().name(),
        second.name()
    );
    assert_eq!(
        fs::read_to_string(out.path().join("latest")).unwrap(),
        format!("{}\n", second.name())
    );
    let mut names = [first.name().to_string(), second.name().to_string()];
    names.sort();
    assert_eq!(RunDirectory::list(out.path()).unwrap(), names);
}

#[test]
fn a_prefix_of_several_runs_lists_them() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::storm();
    scenario.write(out.path());
    scenario.trial.seed = 8;
    scenario.write(out.path());
    for name in ["raft-cache", "raft-cache-register-"] {
        let error = RunDirectory::open(out.path(), name).unwrap_err();
        let ReportError::Ambiguous { candidates, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(candidates, &RunDirectory::list(out.path()).unwrap());
        assert!(
            candidates
                .iter()
                .all(|candidate| error.to_string().contains(candidate)),
            "{error}"
        );
    }
}

#[test]
fn a_second_run_of_a_trial_gets_a_directory_of_its_own() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::storm();
    let (first, _) = scenario.write(out.path());
    let before = file(&first, "run.json");
    let (second, _) = scenario.write(out.path());
    assert_ne!(first.name(), second.name());
    assert_eq!(file(&first, "run.json"), before);
    // The same trial in a fresh place gets the same name again.
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(
        RunDirectory::create(elsewhere.path(), &scenario.trial)
            .unwrap()
            .name(),
        first.name()
    );
}

#[test]
fn nothing_there_is_said_as_such() {
    let out = tempfile::tempdir().unwrap();
    let message = |name: &str| {
        RunDirectory::open(out.path(), name)
            .unwrap_err()
            .to_string()
    };
    assert!(
        message("latest")
            .ends_with("no runs here; run a trial first, or name the directory with --out")
    );
    assert!(
        message("abc")
            .ends_with("no runs here; run a trial first, or name the directory with --out")
    );
    Scenario::storm().write(out.path());
    assert!(message("no-such-run").starts_with("no run is called `no-such-run` in "));
    assert!(message("../elsewhere/run").starts_with("no run is called `../elsewhere/run` in "));
    let bare = tempfile::tempdir().unwrap();
    let error = RunDirectory::open(out.path(), bare.path().to_str().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("trial.json: missing: this is no run directory; name a directory"),
        "{error}"
    );
    for bad in ["../..", "", "a/b", "a b"] {
        fs::write(out.path().join("latest"), bad).unwrap();
        assert!(
            message("latest").contains("latest:1: expected the name of a run; delete it"),
            "{}",
            message("latest")
        );
    }
}

/// What is done to a file, and what loading then says.
type Damage = (&'static str, &'static [u8], &'static str);

#[test]
fn every_missing_file_is_named_with_what_to_do() {
    let out = tempfile::tempdir().unwrap();
    for (name, meaning) in [
        (
            "trial.json",
            "trial.json: missing: this is no run directory; name a directory that `stormglass run` made",
        ),
        (
            "record.json",
            "record.json: missing: the run did not come to its end; the run was interrupted; run the trial again",
        ),
        (
            "history.jsonl",
            "history.jsonl: missing: the run did not come to its end; the run was interrupted; run the trial again",
        ),
    ] {
        let (directory, _) = Scenario::storm().write(out.path());
        fs::remove_file(directory.path().join(name)).unwrap();
        let error = directory.load().unwrap_err().to_string();
        assert!(error.contains(meaning), "{error}");
        assert_eq!(
            directory.rebuild().unwrap_err().to_string(),
            error,
            "a rebuild says the same"
        );
    }
    let (directory, _) = Scenario::storm().write(out.path());
    fs::remove_file(directory.path().join("run.json")).unwrap();
    let error = directory.summary().unwrap_err().to_string();
    assert!(error.contains("run.json: missing: the reports were not finished; make it again with `stormglass report`"), "{error}");
    directory.load().unwrap();
}

#[test]
fn every_garbled_file_is_named_with_its_line() {
    let out = tempfile::tempdir().unwrap();
    const DAMAGES: &[Damage] = &[
        ("trial.json", b"{\n\"schema_version\": 1,\n", "trial.json:"),
        ("trial.json", b"\xff\xfe", "trial.json: cannot be read"),
        (
            "record.json",
            b"{\"schema_version\": 2,\n \"digest\": 5}",
            "record.json:2: invalid type: integer `5`",
        ),
        (
            "record.json",
            b"{\"schema_version\": 99}",
            "record.json: schema_version is 99, this build reads 2",
        ),
        ("record.json", b"", "record.json:1: EOF"),
        (
            "history.jsonl",
            b"{\"index\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n{\"ind",
            "history.jsonl:2: expected a whole JSON object",
        ),
        (
            "history.jsonl",
            b"nonsense\n",
            "history.jsonl:1: expected a JSON object",
        ),
    ];
    for (name, content, wanted) in DAMAGES {
        let (directory, _) = Scenario::storm().write(out.path());
        fs::write(directory.path().join(name), content).unwrap();
        let error = directory.load().unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let (directory, _) = Scenario::storm().write(out.path());
    fs::write(directory.path().join("run.json"), "{\"schema_version\": 1}").unwrap();
    let error = directory.summary().unwrap_err().to_string();
    assert!(error.contains("run.json:1: missing field"), "{error}");
    assert!(
        directory.rebuild().is_ok(),
        "a bad summary is what a rebuild is for"
    );
    directory.summary().unwrap();
}

#[test]
fn no_part_of_a_file_is_left_behind() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let names = |path: &std::path::Path| -> Vec<String> {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let all = [
        names(out.path()),
        names(directory.path()),
        names(&directory.path().join("plots")),
    ]
    .concat();
    assert!(
        all.iter()
            .all(|name| !name.starts_with('.') && !name.ends_with(".part")),
        "{all:?}"
    );
    // A file that cannot be replaced: its name is taken by a directory that is not empty.
    fs::remove_file(directory.page()).unwrap();
    fs::create_dir_all(directory.page().join("in the way")).unwrap();
    let error = directory.rebuild().unwrap_err().to_string();
    assert!(error.contains("report.html: cannot be written"), "{error}");
    assert!(
        names(directory.path())
            .iter()
            .all(|name| !name.ends_with(".part"))
    );
}

#[test]
fn a_name_from_outside_stays_inside_the_directory_of_runs() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::storm();
    for cluster in [
        "../../escape",
        "/etc",
        "",
        "latest",
        "a\0b\n",
        &"long".repeat(200),
    ] {
        scenario.trial.cluster = cluster.to_string();
        let directory = RunDirectory::create(out.path(), &scenario.trial).unwrap();
        assert_eq!(directory.path().parent(), Some(out.path()), "{cluster:?}");
        assert_eq!(
            RunDirectory::open(out.path(), "latest").unwrap().name(),
            directory.name()
        );
    }
}
