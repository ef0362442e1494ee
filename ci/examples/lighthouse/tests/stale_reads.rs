//! A bug planted in Lighthouse is caught, and its trial repeats it: here, from its file, and in another process.

mod visitor;

use lighthouse::{Client, Config, PORT, Reads};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use stormglass::chaos::{Failure, LINES_MAX};
use stormglass::nemesis::foreign::{Make, Start};
use stormglass::nemesis::judge::Ruling;
use stormglass::{Caller, Chaos, ChaosError};
use visitor::Visitor;

fn visitor(caller: Caller) -> Visitor {
    Visitor(Client::new(format!("{}:{PORT}", caller.nodes[0])))
}

fn chaos(reads: Reads, out: &Path) -> Chaos<Start, Make> {
    Chaos::new("lighthouse")
        .node(move |node| {
            let config = Config::new(node.id, &node.peers());
            lighthouse::serve(Config { reads, ..config })
        })
        .client(visitor)
        .time(Duration::from_secs(10))
        .seeds(0..10)
        .out(out)
}

fn failure(error: ChaosError) -> Failure {
    error
        .failure()
        .unwrap_or_else(|| panic!("not a failure of a trial: {error}"))
        .clone()
}

#[test]
fn a_stale_read_is_caught_and_its_trial_repeats_it() {
    let out = tempfile::tempdir().unwrap();
    if std::env::var_os("STORMGLASS_TRIAL").is_some() {
        // This is the other process, started below.
        chaos(Reads::Local, out.path()).check();
        return;
    }
    let error = chaos(Reads::Local, out.path())
        .run()
        .expect_err("a stale read is seen");
    let text = error.to_string();
    let caught = failure(error);
    assert_eq!(caught.ruling, Ruling::Violation, "{text}");
    assert!(
        caught.explanation.is_some() && caught.violations.is_empty(),
        "{text}"
    );
    assert!(caught.repeats, "{text}");
    let trial = caught.trial().expect("the run was kept");
    assert!(trial.with_file_name("report.html").is_file(), "{text}");
    assert!(text.lines().count() <= LINES_MAX, "{text}");
    let command = text.lines().last().unwrap_or_default();
    let command = command.strip_prefix("replay  ").unwrap_or_default();
    let name = "a_stale_read_is_caught_and_its_trial_repeats_it";
    let wanted = match std::env::var_os("NEXTEST") {
        None => {
            format!("cargo test -p lighthouse --test stale_reads {name} -- --exact --nocapture")
        }
        Some(_) => format!(
            "cargo nextest run -p lighthouse --test stale_reads --no-capture -E 'test(={name})'"
        ),
    };
    let wanted = format!("STORMGLASS_TRIAL={} {wanted}", trial.display());
    assert_eq!(command, wanted, "{text}");

    let error = chaos(Reads::Local, out.path())
        .replay(&trial)
        .expect_err("the file repeats it");
    assert!(error.to_string().contains("and nothing else"), "{error}");
    let repeated = failure(error);
    assert_eq!(
        (&repeated.digest, &repeated.explanation),
        (&caught.digest, &caught.explanation)
    );

    let other = Command::new(std::env::current_exe().unwrap())
        .env("STORMGLASS_TRIAL", &trial)
        .env("STORMGLASS_OUT", out.path())
        .args([
            "a_stale_read_is_caught_and_its_trial_repeats_it",
            "--exact",
            "--nocapture",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&other.stdout) + String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(101), "{said}");
    assert!(
        said.contains(&format!(
            "digest  {} (the same when run again)",
            caught.digest
        )),
        "{said}"
    );
    assert!(
        said.contains("These operations collide")
            || said.contains("From there on this operation cannot be explained"),
        "{said}"
    );

    let survived = chaos(Reads::Majority, out.path()).replay(&trial).unwrap();
    assert_eq!(
        survived.digests.len(),
        1,
        "the same trial without the bug passes"
    );
}

#[test]
fn a_trial_runs_the_same_twice() {
    let out = tempfile::tempdir().unwrap();
    let chaos = chaos(Reads::Majority, out.path()).seeds([3]);
    let (one, other) = (chaos.run().unwrap(), chaos.run().unwrap());
    assert_eq!(one.digests, other.digests);
    assert_ne!(
        one.digests[0].1,
        chaos.seeds([4]).run().unwrap().digests[0].1
    );
}

#[test]
fn a_file_for_something_else_is_named_with_its_field() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("trial.json");
    let chaos = chaos(Reads::Majority, out.path());
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut trial = serde_json::to_value(chaos.trial(1).unwrap()).unwrap();
        change(&mut trial);
        std::fs::write(&file, trial.to_string()).unwrap();
        let error = chaos.replay(&file).expect_err("it is refused").to_string();
        assert!(error.contains("trial.json"), "{error}");
        error
    };
    for (field, value) in [
        ("cluster", serde_json::json!("another")),
        ("nodes", serde_json::json!(0)),
        ("nodes", serde_json::json!("three")),
        ("arena", serde_json::json!("simulator")),
        ("mutant", serde_json::json!("raft/commit-old-term")),
    ] {
        let error = refused(&|trial| trial[field] = value.clone());
        assert!(
            error.contains(field) || error.contains("three"),
            "{field}: {error}"
        );
    }
    assert!(
        chaos
            .replay(Path::new("/no/such/trial.json"))
            .unwrap_err()
            .to_string()
            .contains("/no/such/trial.json")
    );
}

#[test]
fn a_calm_and_empty_test_is_no_pass() {
    let out = tempfile::tempdir().unwrap();
    let chaos = |faults: &str| chaos(Reads::Majority, out.path()).faults(faults).seeds([1]);
    let idle = chaos("none")
        .time(Duration::from_millis(40))
        .run()
        .unwrap_err();
    let idle = failure(idle);
    assert_eq!(idle.ruling, Ruling::Vacuous);
    assert!(idle.sentence.contains("20 are wanted"), "{}", idle.sentence);
    assert!(matches!(chaos("plague").run(), Err(ChaosError::Setup(_))));
    assert!(matches!(
        chaos("partition-leader").run(),
        Err(ChaosError::Setup(_))
    ));
    assert!(matches!(
        chaos("all").seeds([]).run(),
        Err(ChaosError::Setup(_))
    ));
}
