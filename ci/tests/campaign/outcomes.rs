//! What can become of a trial besides a verdict, and what is kept of it.

use super::*;

/// A trial that does not end within a minute, and wants some hundred megabytes.
const HEAVY: &str = r#"
sample = 0

[[storm]]
cluster = "raft-cache"
arena = "simulator"
faults = "none"
time = "2s"

[[storm]]
cluster = "raft-cache"
arena = "simulator"
faults = "none"
time = "10h"
ops = 4000000
clients = 100
"#;

#[test]
fn a_trial_that_takes_too_long_or_too_much_is_an_outcome_with_its_seed() {
    let place = place(HEAVY);
    let hungry = place.run("soak small.toml --seed 1 --budget 4 --memory 64MiB --out hungry");
    expect(&hungry, 2);
    let verdicts = |folder: &str| -> Vec<(u64, String)> {
        let rows = rows(&place.path().join(folder));
        rows.iter()
            .map(|row| {
                (
                    row["seed"].as_u64().unwrap(),
                    row["verdict"].as_str().unwrap().to_string(),
                )
            })
            .collect()
    };
    let of = |seed: u64, verdict: &str| (seed, verdict.to_string());
    assert_eq!(
        verdicts("hungry"),
        [
            of(1, "valid"),
            of(2, "out_of_memory"),
            of(3, "valid"),
            of(4, "out_of_memory")
        ]
    );
    assert!(
        out(&hungry).contains("`raft-cache/out-of-memory`, 2 times"),
        "{}",
        out(&hungry)
    );
    let row = &rows(&place.path().join("hungry"))[1];
    assert_eq!(row["repeats"], true);
    // The trial file was written before it began, and is what is left.
    let run = row["run"].as_str().unwrap();
    assert!(
        place
            .path()
            .join("hungry/runs")
            .join(run)
            .join("trial.json")
            .is_file()
    );

    let slow = place.run("soak small.toml --seed 2 --budget 4 --timeout 10ms --jobs 2 --out slow");
    expect(&slow, 2);
    let slow = verdicts("slow");
    assert_eq!(slow.len(), 4);
    // By the clock on the wall, so the short ones may be too slow as well; the long ones certainly are.
    assert_eq!(
        (&slow[1], &slow[3]),
        (&of(3, "timed_out"), &of(5, "timed_out"))
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_dies_is_an_outcome_and_the_campaign_goes_on() {
    let place = place(HEAVY);
    let mut child = spawn(
        &place,
        "soak small.toml --seed 2 --budget 2 --jobs 1 --out night",
    );
    // Every worker that is at the long trial dies of a signal: the one that did another before, whose death may be that one's fault, a fresh one, and
    // the one that shows that it repeats.
    let mut died = BTreeSet::new();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
        let runs = place.path().join("night/runs");
        // Each try leaves a directory when it begins.
        let tries = fs::read_dir(&runs).map_or(0, |entries| {
            let names = entries.map(|entry| entry.unwrap().file_name());
            names
                .filter(|name| name.to_string_lossy().contains("-3-"))
                .count()
        });
        for worker in children(child.id()) {
            if tries > died.len() && died.insert(worker) {
                signal(worker, "ABRT");
            }
        }
    };
    assert_eq!(status.code(), Some(70));
    assert_eq!(died.len(), 3);
    let rows = rows(&place.path().join("night"));
    assert_eq!(rows[0]["verdict"], "valid");
    assert_eq!(
        (&rows[1]["verdict"], &rows[1]["seed"]),
        (&"crashed".into(), &3.into())
    );
    assert!(
        rows[1]["sentence"]
            .as_str()
            .unwrap()
            .contains("signal 6 (abort)"),
        "{}",
        rows[1]
    );
    assert_eq!(rows[1]["repeats"], true);
    assert_eq!(
        runs(&place.path().join("night")).len(),
        1,
        "one directory, with the trial"
    );
}

#[test]
fn of_trials_that_fail_alike_only_the_first_keep_their_directories() {
    let place = place(&BROKEN.replace("budget = 8", "budget = 12"));
    expect(
        &place.run("soak small.toml --seed 100 --out night --jobs 3"),
        1,
    );
    let rows = rows(&place.path().join("night"));
    let mut alike: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["verdict"] != "valid") {
        let signature = row["signature"].as_str().unwrap().to_string();
        alike
            .entry(signature)
            .or_default()
            .push(row["run"].is_string());
    }
    let most = alike.values().map(Vec::len).max().unwrap_or_default();
    assert!(most > 5, "{alike:?}");
    for kept in alike.values() {
        let first = kept.iter().take(5).all(|kept| *kept);
        assert!(first && !kept.iter().skip(5).any(|kept| *kept), "{alike:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_is_replaced_under_way_goes_on_as_it_was() {
    // More orders than one worker is given.
    let short = WHOLE.replace("time = \"20s\"", "time = \"2s\"\nfaults = \"none\"");
    let place = place(&short.replace("budget = 4", "budget = 220"));
    let program = place.path().join("stormglass");
    fs::copy(env!("CARGO_BIN_EXE_stormglass"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command.args([
        "soak",
        "small.toml",
        "--seed",
        "1",
        "--jobs",
        "1",
        "--out",
        "night",
    ]);
    let mut child = command.current_dir(place.path()).spawn().unwrap();
    wait_for_workers(&child);
    let other = place.path().join("other");
    fs::write(&other, "#!/bin/sh\necho another program\nexit 9\n").unwrap();
    fs::rename(&other, &program).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rows = rows(&place.path().join("night"));
    assert_eq!(rows.len(), 220);
}

/// Storms that are too short for any fault.
const EMPTY: &str = r#"
[[storm]]
cluster = "raft-cache"
arena = "simulator"
time = "10ms"
"#;

#[test]
fn of_trials_that_end_alike_the_first_are_told_and_all_are_counted() {
    let place = place(EMPTY);
    let soak = place.run("soak small.toml --seed 1 --budget 40 --jobs 1 --out night");
    expect(&soak, 3);
    let told = out(&soak);
    let lines = |wanted: &str| told.lines().filter(|line| line.contains(wanted)).count();
    assert_eq!(lines(": VACUOUS  "), 5, "{told}");
    assert_eq!(lines("are counted, and not told"), 1, "{told}");
    assert!(told.contains(", 40 times"), "{told}");
    assert_eq!(rows(&place.path().join("night")).len(), 40);

    let soak = place.run("--format json soak small.toml --seed 1 --budget 40 --out json");
    expect(&soak, 3);
    // A program that reads wants each one, and the closing behind them.
    assert_eq!(out(&soak).lines().count(), 41);
}
