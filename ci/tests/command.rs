//! The command as users run it: its output, its files, its exit codes.

mod common;

use common::{Place, err, expect, out, text};
use std::fs;
use std::path::Path;

/// The tutorial: a storm, its report, and the same storm again.
#[test]
fn a_run_leaves_a_report_and_replays_to_the_same_digest() {
    let place = Place::new();
    let run = place.run("run raft-cache --time 5s");
    expect(&run, 0);
    assert!(out(&run).starts_with("VALID"), "{}", out(&run));
    for file in [
        "trial.json",
        "history.jsonl",
        "record.json",
        "run.json",
        "report.html",
        "summary.md",
        "junit.xml",
        "perfetto.json",
    ] {
        assert!(
            place
                .latest()
                .join(file)
                .metadata()
                .is_ok_and(|file| file.len() > 0),
            "{file}"
        );
    }
    assert!(
        fs::read_dir(place.latest().join("plots")).is_ok_and(|mut plots| plots.next().is_some())
    );
    let replay = place.run("replay latest");
    expect(&replay, 0);
    let digest = serde_json::from_str::<serde_json::Value>(&text(&place.latest().join("run.json")))
        .unwrap()["digest"]
        .clone();
    assert!(
        out(&replay).contains(digest.as_str().unwrap()),
        "{}",
        out(&replay)
    );
}

#[test]
fn one_seed_gives_one_history_byte_for_byte_in_each_arena() {
    for arena in ["turmoil", "simulator"] {
        let (one, other) = (Place::new(), Place::new());
        for place in [&one, &other] {
            expect(
                &place.run(&format!(
                    "run raft-cache --seed 7 --time 5s --arena {arena}"
                )),
                0,
            );
        }
        for file in ["history.jsonl", "record.json", "trial.json"] {
            let (one, other) = (
                text(&one.latest().join(file)),
                text(&other.latest().join(file)),
            );
            assert!(!one.is_empty() && one == other, "{arena}: {file} differs");
        }
    }
}

/// Each mutant's checked-in trial breaks a promise through the whole turmoil path; without the mutant it does not.
#[test]
fn each_mutant_is_caught_by_its_trial_and_only_because_of_the_mutant() {
    let trials = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nemesis/trials");
    for mutant in [
        "raft/vote-not-persisted",
        "raft/read-without-quorum",
        "raft/session-forgotten",
    ] {
        let place = Place::new();
        let file = trials.join(format!("{}.json", mutant.replace('/', "-")));
        let planted = place
            .command(&["replay", &file.to_string_lossy()])
            .output()
            .expect("the command starts");
        expect(&planted, 1);
        assert!(out(&planted).starts_with("VIOLATION"), "{}", out(&planted));
        let line = format!("\"mutant\": \"{mutant}\"");
        let trial = text(&file);
        assert!(trial.contains(&line), "{} plants {mutant}", file.display());
        fs::write(
            place.path().join("clean.json"),
            trial.replace(&line, "\"mutant\": null"),
        )
        .unwrap();
        let clean = place.run("replay clean.json");
        expect(&clean, 0);
    }
}

#[test]
fn several_seeds_keep_the_last_run_and_those_that_failed() {
    let place = Place::new();
    let run = place.run("run raft-cache --seeds 3 --time 8s --arena simulator");
    expect(&run, 0);
    assert!(
        out(&run).contains("3 valid, 0 violations, 0 unknown, 0 vacuous"),
        "{}",
        out(&run)
    );
    let kept = fs::read_dir(place.path().join(".stormglass/runs"))
        .unwrap()
        .count();
    assert_eq!(kept, 2, "the last run, and the file that names it");
    expect(&place.run("replay latest"), 0);
    expect(&place.run("run raft-cache --seeds 0"), 4);
}

#[test]
fn json_goes_to_standard_output_one_value_a_line() {
    let place = Place::new();
    let run = place.run("run raft-cache --seeds 2 --time 8s --arena simulator --format json");
    expect(&run, 0);
    let lines: Vec<serde_json::Value> = out(&run)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines
            .iter()
            .all(|line| line["verdict"] == "valid" && line["digest"].is_string()),
        "{lines:?}"
    );
}

#[test]
fn what_there_is_can_be_listed() {
    let place = Place::new();
    for (what, name) in [
        ("clusters", "raft-cache"),
        ("workloads", "register"),
        ("faults", "partition-one-way"),
        ("models", "register"),
        ("mutants", "raft/commit-old-term"),
        ("invariants", "leader-completeness"),
        ("scripts", "raft/a_majority_elects_a_leader"),
        ("errors", "leadership-lost"),
        ("schema", "https://json-schema.org/draft/2020-12/schema"),
    ] {
        let list = place.run(&format!("list {what}"));
        expect(&list, 0);
        assert!(out(&list).contains(name), "{what}: {}", out(&list));
        let list = place.run(&format!("list {what} --format json"));
        assert!(
            out(&list)
                .lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        );
    }
}

#[test]
fn unknown_names_are_answered_with_near_ones() {
    let place = Place::new();
    for (line, near) in [
        ("run raft-cash", "raft-cache"),
        ("run raft-cache --workload registr", "register"),
        ("run raft-cache --faults partitions", "partition"),
        (
            "run raft-cache --mutant raft/vote-persisted",
            "raft/vote-not-persisted",
        ),
        ("check x.jsonl --model registers", "register"),
    ] {
        let run = place.run(line);
        expect(&run, 64);
        assert!(
            err(&run).contains(&format!("did you mean {near}")),
            "{line}: {}",
            err(&run)
        );
    }
    for line in [
        "run",
        "run raft-cache --nodes 0",
        "run raft-cache --time soon",
        "fly",
        "list stars",
        "run raft-cache --time 0s",
    ] {
        expect(&place.run(line), 64);
    }
    assert!(
        !place.path().join(".stormglass").exists(),
        "nothing is written for a command that makes no sense"
    );
}

#[test]
fn a_history_that_cannot_be_read_is_named_with_its_line() {
    let place = Place::new();
    let call =
        r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"read","key":"x","value":null}"#;
    let cases = [
        (
            "cut.jsonl",
            format!("{call}\n{}", &call[..40]),
            "cut.jsonl:2",
        ),
        ("alone.jsonl", call.replace("invoke", "ok"), "alone.jsonl:1"),
        ("twice.jsonl", format!("{call}\n{call}\n"), "twice.jsonl:2"),
        ("words.jsonl", "what is this\n".to_string(), "words.jsonl"),
    ];
    for (name, content, place_named) in cases {
        fs::write(place.path().join(name), content).unwrap();
        let check = place.run(&format!("check {name} --model register"));
        expect(&check, 65);
        assert!(err(&check).contains(place_named), "{name}: {}", err(&check));
    }
    let missing = place.run("check nothing.jsonl --model register");
    expect(&missing, 65);
    assert!(err(&missing).contains("nothing.jsonl"), "{}", err(&missing));
}

#[test]
fn check_has_an_exit_code_for_each_verdict() {
    let place = Place::new();
    let line = |process: u32, kind: &str, f: &str, value: &str| {
        format!(r#"{{"process":{process},"type":"{kind}","f":"{f}","key":"x","value":{value}}}"#)
    };
    let write = [line(0, "invoke", "write", "1"), line(0, "ok", "write", "1")].join("\n");
    let read = |value: &str| {
        [
            line(1, "invoke", "read", "null"),
            line(1, "ok", "read", value),
        ]
        .join("\n")
    };
    for (name, content, options, code, word) in [
        (
            "valid",
            format!("{write}\n{}\n", read("1")),
            "--certificate order.json",
            0,
            "VALID",
        ),
        (
            "stale",
            format!("{write}\n{}\n", read("null")),
            "",
            1,
            "VIOLATION",
        ),
        (
            "limit",
            // A value that is written twice is left to the search, which needs memory.
            format!("{write}\n{write}\n{}\n", read("1")),
            "--memory 1B",
            2,
            "UNKNOWN",
        ),
        ("empty", String::new(), "--input jsonl", 3, "VACUOUS"),
    ] {
        fs::write(place.path().join(name), content).unwrap();
        let check = place.run(&format!("check {name} --model register {options}"));
        expect(&check, code);
        assert!(out(&check).starts_with(word), "{name}: {}", out(&check));
    }
    assert!(
        text(&place.path().join("order.json")).contains("[0,1]"),
        "write before read"
    );
}

#[test]
fn the_history_a_run_recorded_can_be_checked_alone() {
    let place = Place::new();
    expect(&place.run("run raft-cache --time 4s"), 0);
    let history = place.latest().join("history.jsonl");
    let check = place
        .command(&["check", &history.to_string_lossy(), "--model", "register"])
        .output()
        .unwrap();
    expect(&check, 0);
}

#[test]
fn a_run_directory_that_is_gone_or_half_written_is_named() {
    let place = Place::new();
    expect(&place.run("replay latest"), 65);
    expect(&place.run("report no-such-run"), 65);
    expect(&place.run("run raft-cache --time 4s --arena simulator"), 0);
    let run = place.latest();
    fs::remove_file(run.join("record.json")).unwrap();
    for line in ["replay latest", "report latest"] {
        let refused = place.run(line);
        expect(&refused, 65);
        assert!(err(&refused).contains("record.json"), "{}", err(&refused));
    }
    // A report tells what is there, and that it is no pass.
    let told = out(&place.run("report latest"));
    let page = run.join("report.html");
    assert!(told.starts_with("INCOMPLETE  "), "{told}");
    assert!(told.contains("  report  .stormglass/runs/"), "{told}");
    assert!(text(&page).contains("<p class=\"badge\">incomplete</p>"));
    let json = place.run("report latest --format json");
    expect(&json, 65);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["verdict"], "incomplete");
    let trial = text(&run.join("trial.json"));
    fs::write(
        run.join("trial.json"),
        trial.replacen("\"nodes\": ", "\"nodes\": \"many\", \"was\": ", 1),
    )
    .unwrap();
    let refused = place.run("replay latest");
    expect(&refused, 65);
    assert!(err(&refused).contains("trial.json:"), "{}", err(&refused));
    fs::write(
        run.join("trial.json"),
        trial.replace("\"schema_version\": 2", "\"schema_version\": 99"),
    )
    .unwrap();
    let refused = place.run("replay latest");
    expect(&refused, 65);
    assert!(
        err(&refused).contains("schema_version"),
        "{}",
        err(&refused)
    );
}

/// Numbers that would stop the simulated clock, overflow it or take all memory are refused by name, and faults that make no sense too.
#[test]
fn a_trial_with_absurd_numbers_is_refused_by_field() {
    let place = Place::new();
    expect(&place.run("run raft-cache --time 4s --arena simulator"), 0);
    let trial: serde_json::Value =
        serde_json::from_str(&text(&place.latest().join("trial.json"))).unwrap();
    let set = |path: &[&str], value: serde_json::Value| {
        let mut changed = trial.clone();
        let (last, way) = path.split_last().unwrap();
        let target = way.iter().fold(&mut changed, |at, key| &mut at[*key]);
        target[*last] = value;
        changed
    };
    let huge = serde_json::json!(1_u64 << 63);
    let fault = |id: u32, kind: &str, nodes: &[u8], leaves: &str| serde_json::json!({"id": id, "kind": kind, "action": {"crash": {"target": {"nodes": nodes}, "leaves": leaves}}, "when": {"at_ms": 1000}, "lasts_ms": 10});
    let crash = |id: u32, nodes: &[u8]| fault(id, "power-blip", nodes, "some");
    let zero = serde_json::json!(0);
    let cases = [
        (
            set(&["patience", "attempt_timeout_ms"], zero.clone()),
            "attempt_timeout_ms",
        ),
        (
            set(&["patience", "deadline_ms"], huge.clone()),
            "deadline_ms",
        ),
        (
            set(&["knobs", "heartbeat_interval_ms"], huge.clone()),
            "heartbeat_interval_ms",
        ),
        (
            set(
                &["knobs", "election_timeout", "max_ns"],
                serde_json::json!(u64::MAX),
            ),
            "election_timeout",
        ),
        (
            set(&["network", "delay_us_max"], huge.clone()),
            "delay_us_max",
        ),
        (
            set(&["workload", "keys"], serde_json::json!(u32::MAX)),
            "keys",
        ),
        (set(&["tick_ms"], serde_json::json!(3)), "tick_ms divides"),
        (set(&["storm_ms"], zero), "storm_ms"),
        (set(&["nodes"], serde_json::json!(255)), "nodes"),
        (
            set(
                &["schedule"],
                serde_json::json!([crash(1, &[1]), crash(1, &[2])]),
            ),
            "fault 1: id",
        ),
        (
            set(&["schedule"], serde_json::json!([crash(4, &[])])),
            "fault 4: target: no node",
        ),
        (
            set(&["schedule"], serde_json::json!([crash(4, &[2, 2])])),
            "n2 is named twice",
        ),
        (
            set(&["schedule"], serde_json::json!([crash(4, &[9])])),
            "there is no n9",
        ),
        (
            set(
                &["schedule"],
                serde_json::json!([fault(4, "pause", &[2], "some")]),
            ),
            "fault 4: kind",
        ),
        (
            set(
                &["schedule"],
                serde_json::json!([fault(4, "bit-flip", &[2], "flipped_bit")]),
            ),
            "the simulator arena cannot represent bit-flip",
        ),
        (
            set(
                &["schedule"],
                serde_json::json!([fault(4, "wipe", &[2], "nothing")]),
            ),
            "beyond_promise",
        ),
        (set(&["cluster"], serde_json::json!("raft")), "raft-cache"),
        (
            set(&["mutant"], serde_json::json!("raft/none")),
            "raft/none",
        ),
        (set(&["surprise"], serde_json::json!(1)), "surprise"),
    ];
    for (trial, named) in cases {
        fs::write(place.path().join("absurd.json"), trial.to_string()).unwrap();
        let refused = place.run("replay absurd.json");
        expect(&refused, 65);
        assert!(err(&refused).contains(named), "{named}: {}", err(&refused));
    }
}

#[test]
fn more_clients_than_keys_are_served_to_the_end() {
    let place = Place::new();
    for arena in ["turmoil", "simulator"] {
        expect(
            &place.run(&format!(
                "run raft-cache --clients 40 --seeds 2 --faults none --time 3s --arena {arena}"
            )),
            0,
        );
    }
}

#[test]
fn faults_that_fit_nowhere_are_no_silent_calm() {
    let place = Place::new();
    for line in [
        "run raft-cache --time 1s --faults crash",
        "run raft-cache --nodes 3 --faults partition-ring",
    ] {
        let run = place.run(line);
        expect(&run, 4);
        assert!(
            err(&run).contains("no fault of these kinds fits"),
            "{}",
            err(&run)
        );
    }
    let run = place
        .run("run raft-cache --nodes 3 --time 5s --faults partition-ring,crash --arena simulator");
    expect(&run, 0);
    assert!(
        err(&run).contains("partition-ring needs 4 nodes"),
        "{}",
        err(&run)
    );
}

#[test]
fn a_replay_that_differs_says_where_and_exits_5() {
    let place = Place::new();
    expect(&place.run("run raft-cache --time 4s --arena simulator"), 0);
    let path = place.latest().join("trial.json");
    fs::write(&path, text(&path).replace("\"seed\": 1,", "\"seed\": 2,")).unwrap();
    let replay = place.run("replay latest");
    expect(&replay, 5);
    assert!(
        out(&replay).contains("first difference at event ") && out(&replay).contains(" takes "),
        "{}",
        out(&replay)
    );
}

#[test]
fn a_run_that_tests_nothing_is_no_pass() {
    let place = Place::new();
    let run = place.run("run raft-cache --time 4s --ops 1 --arena simulator");
    expect(&run, 3);
    assert!(out(&run).starts_with("VACUOUS"), "{}", out(&run));
}

#[test]
fn a_report_can_be_made_again() {
    let place = Place::new();
    expect(&place.run("run raft-cache --time 4s"), 0);
    let page = place.latest().join("report.html");
    fs::remove_file(&page).unwrap();
    expect(&place.run("report latest"), 0);
    assert!(text(&page).contains("raft-cache"));
}
