//! What broke once is kept as a file and runs before anything else; and the environment turns a test. Here with the bug that `stale_reads.rs` plants.

mod visitor;

use lighthouse::{Client, Config, PORT, Reads};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use stormglass::chaos::{LINES_MAX, Origin};
use stormglass::nemesis::foreign::{Make, Start};
use stormglass::nemesis::judge::Ruling;
use stormglass::{Chaos, ChaosError};
use visitor::Visitor;

/// A short test whose runs and regressions are in that folder.
fn chaos(reads: Reads, folder: &Path) -> Chaos<Start, Make> {
    Chaos::new("lighthouse")
        .node(move |node| {
            let config = Config::new(node.id, &node.peers());
            lighthouse::serve(Config { reads, ..config })
        })
        .client(|caller| Visitor(Client::new(format!("{}:{PORT}", caller.nodes[0]))))
        .time(Duration::from_secs(5))
        .seeds([1])
        .out(folder.join("runs"))
        .regressions(folder.join("kept"))
}

#[test]
fn a_trial_that_is_kept_runs_first_and_has_to_be_valid() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let error = chaos(Reads::Local, folder).seeds(0..10).run();
    let found = error.expect_err("a stale read is seen");
    // The line that says how to keep it, as a shell takes it.
    let text = found.to_string();
    let keep = text.lines().find_map(|line| line.strip_prefix("keep    "));
    let kept = Command::new("sh")
        .args(["-c", keep.expect("it is said")])
        .status();
    assert!(kept.unwrap().success(), "{text}");
    let found = found.failure().unwrap();

    let mended = chaos(Reads::Majority, folder).run().unwrap();
    assert_eq!((mended.regressions, mended.digests.len()), (1, 1));
    assert!(
        mended.to_string().contains("1 regression, 1 trial,"),
        "{mended}"
    );

    let error = chaos(Reads::Local, folder).run().unwrap_err();
    let (text, back) = (error.to_string(), error.failure().unwrap());
    let Origin::Regression(file) = &back.origin else {
        panic!("seed 1 was run before what was kept: {text}");
    };
    assert_eq!(file.parent(), Some(folder.join("kept").as_path()));
    assert!(text.starts_with(&file.display().to_string()), "{text}");
    assert_eq!((back.seed, &back.digest), (found.seed, &found.digest));
    assert!(
        !text.contains("keep  ") && text.lines().count() <= LINES_MAX,
        "{text}"
    );
    let trial = back.trial().unwrap();
    assert!(
        text.lines()
            .last()
            .unwrap()
            .contains(&trial.display().to_string())
    );

    // With what it broke beside it, as the command keeps it, it is as good.
    let trial: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let regression = serde_json::json!({
        "property": "linearizability", "digest": found.digest, "trial": trial,
    });
    fs::write(file, regression.to_string()).unwrap();
    assert_eq!(chaos(Reads::Majority, folder).run().unwrap().regressions, 1);
    assert_eq!(
        chaos(Reads::Majority, folder)
            .replay(file)
            .unwrap()
            .digests
            .len(),
        1
    );

    // Files are taken by name, and what is not one of this test is named.
    let first = folder.join("kept/a.json");
    for (content, named) in [
        ("{", "a.json"),
        ("{\"trial\": 3}", "a.json"),
        (
            &chaos(Reads::Majority, folder)
                .trial(2)
                .unwrap()
                .to_json()
                .replace("lighthouse", "beacon"),
            "cluster: the trial is one of \"beacon\"",
        ),
        (
            &chaos(Reads::Majority, folder)
                .trial(2)
                .unwrap()
                .to_json()
                .replace("\"turmoil\"", "\"simulator\""),
            "arena: a server of one's own runs in turmoil",
        ),
    ] {
        fs::write(&first, content).unwrap();
        let error = chaos(Reads::Local, folder).run().unwrap_err();
        assert!(
            error.failure().is_none(),
            "it is taken before the other: {error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("kept/a.json") && text.contains(named),
            "{text}"
        );
    }
}

#[test]
fn a_folder_that_is_not_there_has_nothing_and_one_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let survived = chaos(Reads::Majority, folder.path()).run().unwrap();
    assert_eq!(survived.regressions, 0);
    fs::write(folder.path().join("kept"), "a file").unwrap();
    let error = chaos(Reads::Majority, folder.path()).run().unwrap_err();
    assert!(matches!(error, ChaosError::Regressions { .. }), "{error}");
    assert!(error.to_string().contains("kept"), "{error}");
}

/// Runs a test of this file in a process of its own.
fn elsewhere(test: &str, variables: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]);
    command.env("IS_ELSEWHERE", "1").env("RUST_BACKTRACE", "0");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let said = said.into_owned();
    (output, said)
}

#[test]
fn the_environment_says_how_long_a_storm_lasts() {
    let test = "the_environment_says_how_long_a_storm_lasts";
    let folder = tempfile::tempdir().unwrap();
    if std::env::var_os("IS_ELSEWHERE").is_some() {
        chaos(Reads::Majority, folder.path()).check();
        return;
    }
    let (output, said) = elsewhere(test, &[("STORMGLASS_TIME", "9s")]);
    assert!(output.status.success(), "{said}");
    let simulated = said.lines().find(|line| line.contains("simulated seconds"));
    assert!(
        simulated.is_some_and(|line| line.starts_with("9 ")),
        "{said}"
    );

    let out = folder.path().to_string_lossy().into_owned();
    let (output, said) = elsewhere(
        test,
        &[("STORMGLASS_TIME", "40ms"), ("STORMGLASS_OUT", &out)],
    );
    assert!(
        !output.status.success() && said.contains("not tested, which is no pass"),
        "{said}"
    );
    assert!(said.contains(&format!("report  {out}")), "{said}");

    let (output, said) = elsewhere(test, &[("STORMGLASS_TIME", "soon")]);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("STORMGLASS_TIME: \"soon\" is no time"),
        "{said}"
    );
}

#[test]
fn one_seed_is_run_alone_and_several_after_what_was_kept() {
    let test = "one_seed_is_run_alone_and_several_after_what_was_kept";
    if let Some(folder) = std::env::var_os("IS_ELSEWHERE_IN") {
        let survived = chaos(Reads::Majority, Path::new(&folder)).run().unwrap();
        println!(
            "{} kept, {} seeds",
            survived.regressions,
            survived.digests.len()
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trial = chaos(Reads::Majority, folder.path()).trial(4).unwrap();
    fs::create_dir(folder.path().join("kept")).unwrap();
    fs::write(folder.path().join("kept/one.json"), trial.to_json()).unwrap();
    let folder = folder.path().to_string_lossy();
    for (variable, value, wanted) in [
        ("STORMGLASS_SEED", "3", "0 kept, 1 seeds"),
        ("STORMGLASS_SEEDS", "2", "1 kept, 2 seeds"),
        ("STORMGLASS_SEEDS", "5..6", "1 kept, 1 seeds"),
    ] {
        let (_, said) = elsewhere(test, &[(variable, value), ("IS_ELSEWHERE_IN", &folder)]);
        assert!(said.contains(wanted), "{variable}={value}: {said}");
    }
}

#[test]
fn what_tested_nothing_is_told_in_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let idle = chaos(Reads::Majority, folder.path()).faults("none");
    let error = idle.time(Duration::from_millis(40)).run().unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.ruling, Ruling::Vacuous);
    assert!(error.to_string().lines().count() <= LINES_MAX, "{error}");
}

/// As nextest runs tests: each in a process of its own, several at a time.
#[test]
fn processes_that_fail_at_once_keep_their_runs_apart() {
    let test = "processes_that_fail_at_once_keep_their_runs_apart";
    if let Some(folder) = std::env::var_os("IS_ELSEWHERE_IN") {
        // The very same trial in each: idle, and so not valid.
        let idle = chaos(Reads::Majority, Path::new(&folder)).faults("none");
        idle.time(Duration::from_millis(40)).check();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy();
    let one = || elsewhere(test, &[("IS_ELSEWHERE_IN", &path)]).1;
    let said: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let pages = said.iter().filter_map(|said| {
        let mut lines = said.lines();
        lines.find_map(|line| line.strip_prefix("report  "))
    });
    let pages: BTreeSet<&str> = pages.collect();
    assert_eq!(pages.len(), 4, "{said:?}");
    for page in pages {
        let run = Path::new(page).parent().unwrap();
        assert!(
            Path::new(page).is_file() && run.join("run.json").is_file(),
            "{page}"
        );
    }
}
