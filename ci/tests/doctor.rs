//! What a machine is told about itself, and what it is given to know the command by: completions and manual.

mod common;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output, Stdio};

/// The findings of `doctor --format json`.
fn findings(output: &Output) -> Vec<Value> {
    out(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

fn state<'a>(findings: &'a [Value], check: &str) -> (&'a str, &'a Value) {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no {check} in {findings:?}"));
    (finding["state"].as_str().unwrap(), finding)
}

/// The tutorial: this machine, on which the tests run, can do the main job.
#[test]
fn a_machine_that_can_run_storms_is_told_so() {
    let place = Place::new();
    let doctor = place.run("doctor");
    expect(&doctor, 0);
    assert!(!out(&doctor).contains("FAILED"), "{}", out(&doctor));
    let doctor = place
        .command(&["doctor", "--format", "json"])
        .env("SLURM_ARRAY_TASK_ID", "3")
        .output()
        .unwrap();
    expect(&doctor, 0);
    let findings = findings(&doctor);
    for check in [
        "cores",
        "run store",
        "simulator",
        "turmoil",
        "live",
        "configuration",
    ] {
        assert_eq!(state(&findings, check).0, "ok", "{findings:?}");
    }
    let (_, shards) = state(&findings, "shards");
    assert_eq!(shards["found"], "SLURM_ARRAY_TASK_ID=3");
    assert!(
        findings
            .iter()
            .all(|finding| (finding["state"] == "ok") == finding["remedy"].is_null()),
        "what is not ok has a remedy: {findings:?}"
    );
    let left = fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 0, "it leaves nothing behind");
}

#[test]
fn a_store_that_takes_no_files_fails_with_a_remedy() {
    let place = Place::new();
    fs::write(place.path().join("file"), "").unwrap();
    let doctor = place.run("doctor --out file/runs");
    expect(&doctor, 69);
    let told = out(&doctor);
    assert!(
        told.contains("FAILED   run store       file/runs: "),
        "{told}"
    );
    assert!(told.contains("name another folder with --out"), "{told}");
    assert!(
        told.contains("ok       simulator"),
        "the other checks are made: {told}"
    );
    // A file system that nobody can write to, not even root.
    if std::path::Path::new("/proc/self").exists() {
        expect(&place.run("doctor --out /proc/self/runs"), 69);
    }
}

#[test]
fn what_is_missing_is_said_and_stops_nothing() {
    let place = Place::new();
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let doctor = place
        .command(&["doctor", "--format", "json"])
        .env("PATH", &empty)
        .env("TMPDIR", place.path().join("nowhere"))
        .env_remove("CHROMIUM")
        .env("STORMGLASS_OUTT", "x")
        .output()
        .unwrap();
    expect(&doctor, 0);
    let findings = findings(&doctor);
    for check in [
        "browser",
        "git",
        "slurm",
        "kubernetes",
        "live",
        "configuration",
    ] {
        let (state, finding) = state(&findings, check);
        assert_eq!(state, "missing", "{finding}");
        assert!(
            finding["remedy"]
                .as_str()
                .is_some_and(|remedy| !remedy.is_empty())
        );
    }
    let (_, browser) = state(&findings, "browser");
    assert_eq!(browser["found"], "there is no `chromium` on the PATH");
    let (_, file) = state(&findings, "configuration");
    assert!(
        file["found"]
            .as_str()
            .unwrap()
            .contains("did you mean STORMGLASS_OUT?"),
        "{file}"
    );
}

#[test]
fn few_descriptors_are_noticed() {
    let place = Place::new();
    let doctor = Command::new("sh")
        .args(["-c", "ulimit -n 100; exec \"$0\" doctor --format json"])
        .arg(env!("CARGO_BIN_EXE_stormglass"))
        .current_dir(place.path())
        .output()
        .unwrap();
    let findings = findings(&doctor);
    let (state, finding) = state(&findings, "descriptors");
    assert_eq!(state, "missing", "{finding}");
    assert_eq!(finding["found"], "100 open files");
}

#[test]
fn a_file_that_cannot_be_used_fails_there_too() {
    let place = Place::new();
    fs::write(place.path().join("stormglass.toml"), "[rn]\n").unwrap();
    let doctor = place.run("doctor");
    expect(&doctor, 69);
    let told = out(&doctor);
    assert!(
        told.contains("FAILED   configuration   stormglass.toml:1: rn: "),
        "{told}"
    );
    // The store that is tried is the one that runs are kept in.
    fs::write(
        place.path().join("stormglass.toml"),
        "[run]\nout = \"runs\"\n[profile.ci.run]\nout = \"file/runs\"\n",
    )
    .unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let told = out(&place.run("doctor"));
    assert!(
        told.contains("ok       run store       runs takes"),
        "{told}"
    );
    let told = place.run("doctor --profile ci");
    expect(&told, 69);
    assert!(
        out(&told).contains("FAILED   run store       file/runs"),
        "{}",
        out(&told)
    );
}

#[test]
fn bash_completes_sub_commands_options_and_values() {
    let place = Place::new();
    let script = place.run("completions bash");
    expect(&script, 0);
    let path = place.path().join("stormglass.bash");
    fs::write(&path, out(&script)).unwrap();
    let Ok(parsed) = Command::new("bash").arg("-n").arg(&path).output() else {
        eprintln!("SKIPPED: bash_completes_sub_commands_options_and_values: there is no bash");
        return;
    };
    expect(&parsed, 0);
    // What bash offers for a word that is begun, after others that are there.
    let offered = |words: &str, part: &str| {
        let script = format!(
            "source stormglass.bash; COMP_WORDS=({words} \"$1\"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _stormglass stormglass \"$1\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &script, "bash", part])
            .current_dir(place.path())
            .output()
            .unwrap();
        expect(&output, 0);
        out(&output).trim().to_string()
    };
    assert_eq!(offered("stormglass", "doc"), "doctor");
    assert_eq!(offered("stormglass run", "--beyond"), "--beyond-promise");
    assert_eq!(offered("stormglass run --arena", "sim"), "simulator");
    assert_eq!(offered("stormglass report", "ind"), "index");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&format!("completions {shell}"));
        expect(&script, 0);
        assert!(out(&script).contains("beyond-promise"), "{shell}");
    }
    expect(&place.run("completions tcsh"), 64);
}

#[test]
fn the_manual_has_a_page_for_each_sub_command() {
    let place = Place::new();
    let first = place.run("man");
    expect(&first, 0);
    let help = out(&place.run("--help"));
    let names: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(
        names.contains(&"run") && names.contains(&"doctor"),
        "{help}"
    );
    for name in &names {
        let listed = format!("stormglass\\-{name}(1)");
        assert!(out(&first).contains(&listed), "{listed}");
    }
    for told in [
        ".SH \"EXIT STATUS\"",
        ".SH FILES",
        "STORMGLASS_CONFIG",
        "130",
    ] {
        assert!(out(&first).contains(told), "{told}");
    }
    expect(&place.run("man pages"), 0);
    let pages = place.path().join("pages");
    for name in names
        .iter()
        .copied()
        .chain(["report-index", "cluster-up", "client-put"])
    {
        let page = text(&pages.join(format!("stormglass-{name}.1")));
        assert!(page.contains("SYNOPSIS") && page.contains(".TH"), "{name}");
    }
    assert_eq!(text(&pages.join("stormglass.1")), out(&first));
    let clean = |path: std::path::PathBuf| {
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .stdin(Stdio::null())
            .output();
        let Ok(groff) = groff else {
            eprintln!(
                "SKIPPED: the_manual_has_a_page_for_each_sub_command: there is no groff to render it"
            );
            return false;
        };
        expect(&groff, 0);
        assert_eq!(err(&groff), "", "{}", path.display());
        true
    };
    for page in fs::read_dir(&pages).unwrap() {
        if !clean(page.unwrap().path()) {
            break;
        }
    }
    fs::write(place.path().join("file"), "").unwrap();
    expect(&place.run("man file"), 65);
}
