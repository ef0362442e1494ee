//! `stormglass model`, from the command line: verdicts, exit codes, what is left behind, and walking it again.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn stormglass(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stormglass"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("the command runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it exits")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_space_that_is_exhausted_exits_0_and_says_what_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let output = stormglass(
        directory.path(),
        &["model", "raft-cache", "--bounds", "pair"],
    );
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0, "{said}{}", text(&output.stderr));
    for wanted in [
        "EXHAUSTED  raft-cache pair",
        "7,378 states",
        "a leader is elected",
        "laws put to the test",
    ] {
        assert!(said.contains(wanted), "{wanted} is missing in {said}");
    }
    assert!(
        !directory.path().join(".stormglass").exists(),
        "nothing was found, nothing is left"
    );
}

#[test]
fn a_counterexample_is_left_and_walks_again_in_three_arenas() {
    let directory = tempfile::tempdir().unwrap();
    let planted = [
        "model",
        "raft-cache",
        "--mutant",
        "raft/ack-before-fsync",
        "--format",
        "json",
    ];
    let output = stormglass(directory.path(), &planted);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["verdict"], "broken");
    assert_eq!(found["detail"]["steps"].as_array().unwrap().len(), 4);
    let trace = found["trace"].as_str().unwrap();
    let page = directory.path().join(trace).with_file_name("report.html");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg class=\"spacetime\"") && page.contains("monotonic-term"));
    let itf = directory.path().join(trace);
    let itf = std::fs::read(itf.with_file_name("trace.itf.json")).unwrap();
    let itf: Value = serde_json::from_slice(&itf).unwrap();
    let states = itf["states"].as_array().unwrap();
    let actions: Vec<&Value> = states.iter().map(|state| &state["action"]).collect();
    let steps = found["detail"]["steps"].as_array().unwrap();
    assert_eq!(actions[1..], steps.iter().collect::<Vec<_>>());
    for (index, state) in states.iter().enumerate() {
        assert_eq!(state["#meta"]["index"], index);
        let nodes = state["nodes"]["#map"].as_array().unwrap();
        let shown = |node: &Value| node[1].as_str().is_some_and(|shown| !shown.is_empty());
        assert!(!nodes.is_empty() && nodes.iter().all(shown), "{state}");
    }
    assert_eq!(itf["#meta"]["source"], "trace.json");

    let again = stormglass(directory.path(), &["replay", trace]);
    let said = text(&again.stdout);
    assert_eq!(code(&again), 1, "the law is broken again: {said}");
    for arena in ["core", "simulator", "turmoil"] {
        assert!(said.contains(&format!("SAME  {arena}: 4 steps")), "{said}");
    }

    // Of a healthy cluster the same steps are harmless: the walk parts from the trace.
    let file = directory.path().join(trace);
    let mut healthy: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    healthy["mutant"] = Value::Null;
    std::fs::write(&file, healthy.to_string()).unwrap();
    let parted = stormglass(directory.path(), &["replay", trace, "--arena", "simulator"]);
    assert_eq!(code(&parted), 5, "{}", text(&parted.stdout));
    assert!(text(&parted.stdout).contains("DIVERGED  simulator: after step"));
}

#[test]
fn limits_end_a_search_with_a_reason_and_exit_2() {
    let directory = tempfile::tempdir().unwrap();
    for (limit, reason) in [
        (["--memory", "20MiB"], "(--memory)"),
        (["--states", "5000"], "(--states)"),
    ] {
        let arguments = [
            &["model", "raft-cache", "--bounds", "two-terms-crash"][..],
            &limit,
        ]
        .concat();
        let output = stormglass(directory.path(), &arguments);
        let said = text(&output.stdout);
        assert_eq!(code(&output), 2, "{said}");
        assert!(
            said.starts_with("BOUNDED") && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn what_there_is_not_is_named_with_what_is_near() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, near) in [
        (
            &["model", "raft-cache", "--bounds", "figur-8"][..],
            "figure-8",
        ),
        (&["model", "raft-cach"], "raft-cache"),
        (
            &["model", "paxos-cache", "--mutant", "paxos/no-quorumm"],
            "paxos/no-quorum",
        ),
    ] {
        let output = stormglass(directory.path(), arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert!(
            text(&output.stderr).contains(near),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_trace_that_does_not_fit_names_the_step_and_exits_65() {
    let directory = tempfile::tempdir().unwrap();
    let kept =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../nemesis/traces/raft-no-truncate-tail.json");
    let mut trace: Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
    trace["steps"].as_array_mut().unwrap().remove(1);
    let file = directory.path().join("trace.json");
    std::fs::write(&file, trace.to_string()).unwrap();
    let output = stormglass(directory.path(), &["replay", "trace.json"]);
    let said = text(&output.stderr);
    assert_eq!(code(&output), 65, "{said}");
    assert!(said.contains("step 2 cannot be in the core"), "{said}");
    std::fs::write(&file, "{\"steps\": [], \"bounds\": 7}").unwrap();
    let output = stormglass(directory.path(), &["replay", "trace.json"]);
    assert_eq!(code(&output), 65);
    assert!(
        text(&output.stderr).contains("trace.json"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_bounds_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let output = stormglass(directory.path(), &["list", "models"]);
    let said = text(&output.stdout);
    for wanted in [
        "raft-cache two-terms",
        "raft-cache figure-8",
        "paxos-cache synod",
        "raft/commit-old-term",
    ] {
        assert!(said.contains(wanted), "{wanted} is missing in {said}");
    }
}

#[test]
fn coverage_shows_what_storms_and_the_model_come_to() {
    let directory = tempfile::tempdir().unwrap();
    let covered = [
        "model",
        "raft-cache",
        "--bounds",
        "crash",
        "--coverage",
        "20",
    ];
    let output = stormglass(directory.path(), &covered);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0, "{said}");
    for wanted in [
        "kinds of state in the model",
        "the model has all that storms came to",
        "yet to come to",
    ] {
        assert!(said.contains(wanted), "{wanted} is missing in {said}");
    }
    let preluded = [
        "model",
        "raft-cache",
        "--bounds",
        "joint",
        "--states",
        "10",
        "--coverage",
        "1",
    ];
    assert_eq!(code(&stormglass(directory.path(), &preluded)), 64);
}

/// The Explorer answers on loopback, and a port that is taken is said.
#[test]
fn the_explorer_listens_on_loopback() {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let explore = [
        "model",
        "raft-cache",
        "--bounds",
        "pair",
        "--explore",
        &port,
    ];
    let output = stormglass(directory.path(), &explore);
    assert_eq!(code(&output), 69, "{}", text(&output.stderr));
    drop(taken);
    let mut child = Command::new(env!("CARGO_BIN_EXE_stormglass"))
        .args(explore)
        .current_dir(directory.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut answer = String::new();
    for _ in 0..200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())) else {
            continue;
        };
        stream.write_all(b"GET /.status HTTP/1.0\r\n\r\n").unwrap();
        stream.read_to_string(&mut answer).unwrap();
        break;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        answer.contains("200 OK") && answer.contains("every law holds"),
        "{answer}"
    );
}
