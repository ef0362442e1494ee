//! The pages over many runs, as users make and serve them.

mod common;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const RUN: &str = "run raft-cache --time 4s --arena simulator";

fn json(output: &std::process::Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {}", out(output)))
}

/// The tutorial: two runs, and one page that leads to both.
#[test]
fn the_index_lists_every_run_and_what_is_half_written() {
    let place = Place::new();
    expect(&place.run("report index"), 65);
    expect(&place.run(RUN), 0);
    expect(&place.run(&format!("{RUN} --seed 2 --ops 1")), 3);
    let vacuous = place.latest();
    let index = place.run("report index");
    expect(&index, 0);
    assert_eq!(
        out(&index),
        "2 runs: 1 valid, 1 vacuous\n  index   .stormglass/runs/index.html\n"
    );
    fs::remove_file(vacuous.join("run.json")).unwrap();
    fs::remove_file(vacuous.join("record.json")).unwrap();
    let index = place.run("report index --format json");
    expect(&index, 0);
    let index = json(&index);
    assert_eq!((&index["runs"], &index["valid"]), (&2.into(), &1.into()));
    assert_eq!(index["without_verdict"], 1);
    let page = text(&place.path().join(".stormglass/runs/index.html"));
    assert!(page.contains("record.json is missing: the run did not come to its end"));
    // What `report` did before it had pages over many runs, it does.
    expect(&place.run("report"), 64);
    expect(&place.run("report no-such-run"), 65);
    expect(&place.run("report index --out elsewhere"), 65);
}

#[test]
fn two_runs_are_laid_side_by_side_and_nondeterminism_exits_5() {
    let place = Place::new();
    let run = |options: &str| {
        expect(&place.run(&format!("{RUN} {options}")), 0);
        let name = place.latest();
        name.file_name().unwrap().to_string_lossy().into_owned()
    };
    let (one, again, other) = (run(""), run(""), run("--seed 3"));
    let same = place.run(&format!("report diff {one} {again}"));
    expect(&same, 0);
    assert!(
        out(&same).starts_with("SAME  The runs are the same: "),
        "{}",
        out(&same)
    );
    let page = format!(".stormglass/runs/diff-{one}-{again}.html");
    assert!(out(&same).contains(&page), "{}", out(&same));
    assert!(text(&place.path().join(page)).contains(">SAME<"));

    let differ = place.run(&format!("report diff {one} {other}"));
    expect(&differ, 0);
    assert!(
        out(&differ).starts_with("DIFFERENT  These are two trials: "),
        "{}",
        out(&differ)
    );

    // An event that one run of a trial has and the other has not.
    let history = place.path().join(".stormglass/runs").join(&again);
    let lines = text(&history.join("history.jsonl"));
    let kept: Vec<&str> = lines.lines().collect();
    let cut = kept.len() - 1;
    fs::write(
        history.join("history.jsonl"),
        format!("{}\n", kept[..cut].join("\n")),
    )
    .unwrap();
    let diverged = place.run(&format!("report diff {one} {again}"));
    expect(&diverged, 5);
    assert!(
        out(&diverged).contains("NONDETERMINISM") && out(&diverged).contains("The usual causes"),
        "{}",
        out(&diverged)
    );
    let diverged = place.run(&format!("report diff {one} {again} --format json"));
    expect(&diverged, 5);
    let diverged = json(&diverged);
    assert_eq!(diverged["event"], cut);
    assert_eq!(diverged["difference"]["in"], "history");
    expect(&place.run(&format!("report diff {one}")), 64);
    expect(&place.run(&format!("report diff {one} no-such-run")), 65);
}

#[test]
fn nights_of_a_soak_and_of_runs_are_laid_in_a_row() {
    let place = Place::new();
    expect(
        &place.run("soak --budget 200ms --seed 1 --jobs 1 --out nights/one"),
        0,
    );
    expect(&place.run(&format!("{RUN} --seed 3 --out nights/two")), 0);
    let trend = place.run("report trend nights/one nights/two");
    expect(&trend, 0);
    assert!(out(&trend).starts_with("2 nights, "), "{}", out(&trend));
    assert!(
        out(&trend).contains("  trend   .stormglass/runs/trend.html"),
        "{}",
        out(&trend)
    );
    let page = text(&place.path().join(".stormglass/runs/trend.html"));
    assert!(page.contains("nights/one") && page.contains("nights/two"));
    let trend = json(&place.run("report trend nights/one nights/two --format json"));
    let trials = |night: usize| trend["nights"][night]["trials"].as_u64().unwrap();
    assert!(trials(0) >= 1 && trials(1) == 1, "{trend}");

    let line = "{\"cluster\":\"raft-cache\",\"verdict\":\"violation\",\"sentence\":\"The cluster broke its own law log-matching at n1.\"}\n";
    fs::create_dir_all(place.path().join("nights/three")).unwrap();
    fs::write(
        place.path().join("nights/three/trials.jsonl"),
        format!("{line}{{\"cluster\""),
    )
    .unwrap();
    let trend = place.run("report trend nights/one nights/two nights/three --format json");
    expect(&trend, 0);
    assert!(
        err(&trend).contains("trials.jsonl:2: EOF"),
        "{}",
        err(&trend)
    );
    let ranked = &json(&trend)["ranking"][0];
    assert_eq!(
        (&ranked["broken"], &ranked["standing"]),
        (&"log-matching".into(), &"new".into())
    );
    fs::write(place.path().join("nights/three/trials.jsonl"), "").unwrap();
    expect(&place.run("report trend nights/three"), 4);
    expect(&place.run("report trend nights"), 65);
    expect(&place.run("report trend"), 64);
}

/// A server of a place's runs, and what it says on standard error when it is over.
struct Serving {
    child: Child,
    at: String,
}

impl Serving {
    fn start(place: &Place, line: &str) -> Self {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let mut command = place.command(&arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut url = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut url).unwrap();
        let at = url
            .trim()
            .strip_prefix("http://")
            .and_then(|at| at.strip_suffix('/'));
        let at = at.unwrap_or_else(|| panic!("{url:?}")).to_string();
        Self { child, at }
    }

    /// Asks in just these words, and gives the status, the head and the body.
    fn ask(&self, words: &str) -> (u16, String, String) {
        let port = self.at.rsplit(':').next().unwrap();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let request = format!("{words}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_string(), body.to_string())
    }

    fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}", self.at))
    }

    /// Ends it as Ctrl-C does, and gives its exit code and its standard error.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status();
        assert!(killed.is_ok_and(|status| status.success()));
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn the_pages_are_served_to_this_machine_and_nothing_else_is() {
    let place = Place::new();
    expect(&place.run("report serve"), 65);
    expect(&place.run("report serve --bind localhost"), 64);
    expect(&place.run(RUN), 0);
    let run = place.latest();
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    fs::write(place.path().join("secret.txt"), "secret").unwrap();
    let runs = place.path().join(".stormglass/runs");
    std::os::unix::fs::symlink(place.path().join("secret.txt"), runs.join("link.txt")).unwrap();
    let server = Serving::start(&place, "report serve");
    assert!(server.at.starts_with("127.0.0.1:"), "{}", server.at);

    let (status, head, body) = server.get("/");
    assert_eq!(status, 200, "{head}");
    assert!(body.contains(&name) && body.contains("1 run: 1 valid"));
    for wanted in [
        "Content-Type: text/html; charset=utf-8",
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'none';",
    ] {
        assert!(head.contains(wanted), "{wanted} in\n{head}");
    }
    for (file, kind) in [
        ("report.html", "text/html; charset=utf-8"),
        ("run.json", "application/json"),
        ("history.jsonl", "application/x-ndjson"),
        ("junit.xml", "application/xml"),
        ("summary.md", "text/markdown; charset=utf-8"),
        ("plots/latency.svg", "image/svg+xml"),
    ] {
        let (status, head, body) = server.get(&format!("/{name}/{file}"));
        assert_eq!(status, 200, "{file}");
        assert!(head.contains(&format!("Content-Type: {kind}")), "{head}");
        assert!(!body.is_empty(), "{file}");
    }
    let (status, head, body) = server.ask(&format!(
        "HEAD /{name}/run.json HTTP/1.1\r\nHost: localhost"
    ));
    assert_eq!((status, body.as_str()), (200, ""), "{head}");

    // The index is made anew when it is asked for.
    expect(&place.run(&format!("{RUN} --seed 3")), 0);
    assert!(server.get("/").2.contains("2 runs: 2 valid"));

    for path in [
        "/../secret.txt",
        "/../../secret.txt",
        "/%2e%2e/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/x/..%5c..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link.txt",
        "/latest%00",
        "/no-such-file",
        "http://localhost/latest",
        &format!("/{name}"),
    ] {
        let (status, _, body) = server.get(path);
        assert_eq!(status, 404, "{path}: {body}");
        assert!(
            !body.contains("secret") && !body.contains("root:"),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let (status, ..) = server.ask(&format!(
            "{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0"
        ));
        assert_eq!(status, 405, "{method}");
    }
    for host in [
        "Host: evil.example",
        "Host: localhost.evil.example",
        "X-No-Host: localhost",
        "Host: localhost\r\nHost: evil.example",
    ] {
        let (status, _, body) = server.ask(&format!("GET / HTTP/1.1\r\n{host}"));
        assert_eq!(status, 403, "{host}");
        assert!(!body.contains(&name), "{host}");
    }
    let (code, said) = server.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[cfg(unix)]
#[test]
fn beyond_loopback_is_warned_of_and_a_port_that_is_taken_is_named() {
    let place = Place::new();
    expect(&place.run(RUN), 0);
    let server = Serving::start(&place, "report serve --bind 0.0.0.0");
    let (_, port) = server.at.rsplit_once(':').unwrap();
    let taken = place.run(&format!("report serve --bind 0.0.0.0 --port {port}"));
    expect(&taken, 69);
    assert!(
        err(&taken).contains("cannot listen on 0.0.0.0:"),
        "{}",
        err(&taken)
    );
    assert_eq!(server.get("/").0, 200);
    let (code, said) = server.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: listening on 0.0.0.0:"), "{said}");
}

/// What broke runs twice, and the second time somebody listens: the page shows who said what, and the model's state around what collides.
#[test]
fn a_violation_shows_the_messages_around_it_and_the_models_states() {
    let place = Place::new();
    let run = "run raft-cache --arena simulator --mutant raft/read-without-quorum --seed 18";
    expect(&place.run(run), 1);
    let directory = place.latest();
    let messages: Value =
        serde_json::from_str(&text(&directory.join("messages.json"))).expect("messages are JSON");
    let letters = messages["letters"].as_array().expect("there are letters");
    assert!(letters.len() > 100, "{} letters", letters.len());
    for fate in ["passed", "cut"] {
        assert!(
            letters.iter().any(|letter| letter["fate"] == fate),
            "{fate}"
        );
    }
    let page = text(&directory.join("report.html"));
    for wanted in [
        "Who said what to whom",
        "cut by a partition",
        "here it is broken",
        "none allows it",
    ] {
        assert!(page.contains(wanted), "{wanted} is not on the page");
    }
    // A page that is made again has them still, and so has that of the small trial.
    expect(&place.run("report latest"), 1);
    assert!(text(&directory.join("report.html")).contains("Who said what to whom"));
    expect(&place.run("shrink latest"), 1);
    assert!(directory.join("shrunk/messages.json").is_file());
    let page = text(&directory.join("report.html"));
    assert!(page.contains("Shrunk to") && page.contains("Who said what to whom"));
    // Nothing is to be heard of a run that broke nothing.
    expect(&place.run(RUN), 0);
    assert!(!place.latest().join("messages.json").exists());
}

#[test]
fn all_clusters_are_laid_side_by_side_under_one_storm() {
    let place = Place::new();
    let compare = place.run("compare --seeds 1 --nodes 3,5 --time 6s --out side-by-side");
    expect(&compare, 0);
    let folder = place.path().join("side-by-side");
    let json: Value = serde_json::from_str(&text(&folder.join("comparison.json"))).unwrap();
    let rows = json["clusters"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["cluster"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "etcd",
            "paxos-cache",
            "raft-cache",
            "zab-cache",
            "zookeeper"
        ]
    );
    for row in rows {
        assert_eq!(
            (&row["kept"], &row["runs"]),
            (&1.into(), &1.into()),
            "{row}"
        );
        assert_eq!(row["writes_lost"], 0);
        assert!(row["ok_per_second"].as_f64().unwrap() > 1.0, "{row}");
    }
    assert_eq!(json["costs"].as_array().unwrap().len(), 10);
    // One storm: the same faults at the same times for all.
    let schedules: std::collections::BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("trial.json"))
        .filter(|trial| trial.is_file())
        .map(|trial| serde_json::from_str::<Value>(&text(&trial)).unwrap())
        .filter(|trial| trial["nodes"] == 5)
        .map(|trial| trial["schedule"].to_string())
        .collect();
    assert_eq!(schedules.len(), 1);
    assert!(
        schedules.iter().all(|schedule| schedule.len() > 200),
        "{schedules:?}"
    );
    let before = text(&folder.join("comparison.html"));
    fs::remove_file(folder.join("comparison.html")).unwrap();
    expect(
        &place.run("compare --seeds 1 --nodes 3,5 --time 6s --out side-by-side --rebuild"),
        0,
    );
    assert_eq!(
        text(&folder.join("comparison.html")),
        before,
        "made again from the runs"
    );
    // Another storm into the same folder is a comparison of its own, and one that is run again counts once.
    let again = "compare --seeds 1 --nodes 3 --time 4s --out side-by-side";
    for _ in 0..2 {
        expect(&place.run(again), 0);
        let json: Value = serde_json::from_str(&text(&folder.join("comparison.json"))).unwrap();
        assert_eq!(
            (&json["nodes"], &json["clusters"][0]["runs"]),
            (&3.into(), &1.into())
        );
    }
    expect(&place.run("compare --rebuild --out nowhere"), 4);
    expect(&place.run("compare --workload no-such"), 64);
}

#[test]
fn a_campaign_becomes_a_page_of_trials_planted_bugs_and_models() {
    let place = Place::new();
    expect(&place.run("report campaign night"), 65);
    expect(
        &place.run("soak --budget 2s --seed 70 --out night --jobs 2"),
        0,
    );
    let killed = "mutants --cluster raft-cache --only raft/term-not-persisted --starts 2 --seeds 20 --campaign night";
    expect(&place.run(killed), 0);
    let spared = "mutants --cluster raft-cache --only harmless/sent-twice --harmless-seeds 5 --campaign night";
    expect(&place.run(spared), 0);
    expect(
        &place.run("model raft-cache --bounds pair --states 2000 --campaign night"),
        2,
    );
    let campaign = place.run("report campaign night --format json");
    expect(&campaign, 0);
    let told = json(&campaign);
    assert!(told["trials"].as_u64().unwrap() > 0);
    assert_eq!((&told["planted"], &told["models"]), (&2.into(), &1.into()));
    assert_eq!(told["notes"].as_array().unwrap().len(), 0, "{told}");
    let alarms = &told["false_alarms"];
    assert_eq!(
        alarms["trials"].as_u64(),
        told["trials"].as_u64().map(|trials| trials + 5)
    );
    let page = text(&place.path().join("night/campaign.html"));
    for wanted in [
        "raft/term-not-persisted",
        "2 of 2",
        "0 of 5",
        "raft-cache pair",
        "bounded",
        "fewer than one trial in",
    ] {
        assert!(page.contains(wanted), "{wanted} is not on the page");
    }
}
