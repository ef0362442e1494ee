//! Ctrl-C: what was finished is told and kept, what was under way leaves what there is, and the exit code is 130.
#![cfg(target_os = "linux")]

mod common;

use common::{Place, expect, out, text};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A command that runs.
struct Running(Child);

impl Running {
    fn start(place: &Place, line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = place.command(&words);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, as a shell gives to what it runs: Ctrl-C reaches all of it.
        command.process_group(0);
        Self(command.spawn().expect("the command starts"))
    }

    /// Waits until the command listens for the interrupt, as the kernel tells: else it would be killed by it.
    fn listens(&self) {
        let path = format!("/proc/{}/status", self.0.id());
        let caught = || {
            let status = text(path.as_ref());
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let mask = u64::from_str_radix(mask.expect("the kernel tells").trim(), 16).unwrap();
            mask & 2 != 0
        };
        wait_until(caught);
    }

    /// Waits for so many lines of standard output, or of standard error, interrupts, and gives all that was said until the end.
    fn interrupted_after(mut self, lines: usize, of_errors: bool) -> Output {
        let (stdout, stderr) = (self.0.stdout.take().unwrap(), self.0.stderr.take().unwrap());
        let (watched, other): (Box<dyn Read>, Box<dyn Read + Send>) = match of_errors {
            false => (Box::new(stdout), Box::new(stderr)),
            true => (Box::new(stderr), Box::new(stdout)),
        };
        let other = std::thread::spawn(move || read(other));
        let mut watched = BufReader::new(watched);
        let mut said = String::new();
        for _ in 0..lines {
            watched.read_line(&mut said).unwrap();
        }
        self.listens();
        let group = format!("-{}", self.0.id());
        let killed = Command::new("kill").args(["-INT", "--", &group]).status();
        assert!(killed.is_ok_and(|status| status.success()));
        said += &read(watched);
        let other = other.join().unwrap();
        let (stdout, stderr) = if of_errors {
            (other, said)
        } else {
            (said, other)
        };
        Output {
            status: self.0.wait().unwrap(),
            stdout: stdout.into_bytes(),
            stderr: stderr.into_bytes(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn read(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The tutorial: a storm of six hours, cut short after a moment.
#[test]
fn a_run_that_is_cut_short_leaves_its_report_in_each_simulated_arena() {
    for arena in ["simulator", "turmoil"] {
        let place = Place::new();
        let running = Running::start(&place, &format!("run raft-cache --time 6h --arena {arena}"));
        wait_until(|| place.path().join(".stormglass/runs/latest").exists());
        let run = running.interrupted_after(0, false);
        expect(&run, 130);
        assert!(out(&run).starts_with("INTERRUPTED"), "{}", out(&run));
        let latest = place.latest();
        let summary: Value = serde_json::from_str(&text(&latest.join("run.json"))).unwrap();
        assert_eq!(summary["interrupted"], true, "{arena}");
        assert!(
            text(&latest.join("report.html")).contains("interrupted"),
            "{arena}"
        );
    }
}

/// The nodes are processes of their own, and are ended by who started them: that they die of the interrupt too would be a finding.
#[test]
fn a_live_run_that_is_cut_short_blames_no_node() {
    let place = Place::new();
    let line = "run raft-cache --arena live --time 120s --nodes 3 --faults none";
    let running = Running::start(&place, line);
    let started = || {
        let runs = place.path().join(".stormglass/runs");
        let nodes = fs::read_dir(runs).into_iter().flatten().flatten();
        let mut nodes = nodes.map(|run| run.path().join("nodes"));
        nodes.any(|nodes| (1..=3).all(|node| nodes.join(format!("n{node}/output.txt")).exists()))
    };
    wait_until(started);
    let run = running.interrupted_after(0, false);
    expect(&run, 130);
    assert!(out(&run).starts_with("INTERRUPTED"), "{}", out(&run));
    assert!(!out(&run).contains("host stopped"), "{}", out(&run));
    assert!(place.latest().join("report.html").exists());
}

#[test]
fn of_several_seeds_those_that_ended_are_told() {
    let place = Place::new();
    let line = "run raft-cache --seeds 1000000 --time 20s --arena simulator --jobs 3";
    let run = Running::start(&place, line).interrupted_after(4, false);
    expect(&run, 130);
    let told = out(&run);
    let seeds: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("seed "))
        .collect();
    let tally = told
        .lines()
        .find(|line| line.contains(" kinds of fault installed"));
    let tally = tally.unwrap_or_else(|| panic!("no tally: {told}"));
    let (counts, _) = tally.split_once(';').unwrap();
    let count = |what: &str| {
        let found = counts.split(", ").find(|count| count.ends_with(what));
        found.map_or(0, |count| {
            count.split(' ').next().unwrap().parse::<usize>().unwrap()
        })
    };
    assert_eq!(
        count("valid")
            + count("violations")
            + count("unknown")
            + count("vacuous")
            + count("interrupted"),
        seeds.len(),
        "{told}"
    );
    let cut = seeds
        .iter()
        .filter(|line| line.contains("INTERRUPTED"))
        .count();
    assert_eq!(
        count("interrupted"),
        cut,
        "half a run is no verdict: {told}"
    );
    assert!(cut <= 3, "no seed begins after the interrupt: {told}");
    for run in fs::read_dir(place.path().join(".stormglass/runs")).unwrap() {
        let run = run.unwrap().path();
        let whole =
            !run.is_dir() || (run.join("report.html").exists() && run.join("run.json").exists());
        assert!(whole, "{}", run.display());
    }
}

#[test]
fn of_a_kill_matrix_the_rows_that_are_done_are_kept() {
    let place = Place::new();
    let line = "mutants --cluster raft-cache --starts 1 --seeds 100000 --harmless-seeds 1000000 --shrink-budget 0s --write table.md --campaign night";
    let run = Running::start(&place, line).interrupted_after(1, false);
    expect(&run, 130);
    let told = out(&run);
    let rows = told
        .lines()
        .filter(|line| line.starts_with("KILLED"))
        .count();
    assert!(
        rows >= 1 && !told.contains("MISSED"),
        "half a hunt is no miss: {told}"
    );
    let table = text(&place.path().join("table.md"));
    let heading = format!("**Interrupted: these are the first {rows} rows.**");
    assert!(table.contains(&heading), "{table}");
    let of_mutants = table.lines().filter(|line| line.starts_with("| raft/"));
    assert_eq!(of_mutants.count(), rows);
    let kept = fs::read_dir(place.path().join("night")).unwrap();
    let kept: Vec<String> = kept.map(|file| text(&file.unwrap().path())).collect();
    assert_eq!(
        kept.concat().lines().count(),
        rows,
        "the campaign has the same rows"
    );
}

#[test]
fn of_a_comparison_the_storms_that_are_done_are_compared() {
    let place = Place::new();
    let clusters = out(&place.run("list clusters")).lines().count();
    let line = "compare --time 5s --seeds 1000 --nodes 3 --clients 3";
    let run = Running::start(&place, line).interrupted_after(2 * clusters, true);
    expect(&run, 130);
    let folder = place.path().join(".stormglass/comparison");
    let comparison: Value = serde_json::from_str(&text(&folder.join("comparison.json"))).unwrap();
    let rows = comparison["clusters"].as_array().unwrap();
    let runs: Vec<u64> = rows
        .iter()
        .map(|row| row["runs"].as_u64().unwrap())
        .collect();
    assert!(rows.len() > 1 && runs[0] >= 1, "{runs:?}");
    assert!(
        runs.iter().all(|of_cluster| *of_cluster == runs[0]),
        "each went through the same storms: {runs:?}"
    );
    let said = format!(
        "# interrupted: {} runs are compared",
        runs.iter().sum::<u64>()
    );
    assert!(
        text(&folder.join("comparison.html")).contains(&said),
        "{said}"
    );
}

#[test]
fn a_search_says_how_far_it_came() {
    let place = Place::new();
    let running = Running::start(&place, "model raft-cache --coverage 1000000");
    running.listens();
    let model = running.interrupted_after(0, false);
    expect(&model, 130);
    assert!(
        out(&model).starts_with("BOUNDED  raft-cache"),
        "{}",
        out(&model)
    );
    assert!(
        out(&model).contains("it was interrupted; every law holds in the"),
        "{}",
        out(&model)
    );

    // What storms come to is held against it afterwards, and can be cut short too.
    let line = "model raft-cache --states 2000 --coverage 1000000";
    let model = Running::start(&place, line).interrupted_after(1, false);
    expect(&model, 130);
    assert!(out(&model).contains("  coverage  "), "{}", out(&model));
}
