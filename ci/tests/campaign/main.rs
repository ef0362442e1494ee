//! Campaigns, as users run them. The first test is the tutorial.

#[path = "../common/mod.rs"]
mod common;
mod files;
mod nights;
mod outcomes;
mod refusals;
mod survival;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Two clusters as they are, one with a planted bug, a canary and a model: all within a few seconds.
const SMALL: &str = r#"
budget = 24
sample = 4

[[storm]]
share = 3
cluster = ["raft-cache", "etcd"]
workload = "any"
arena = "simulator"
time = "15s"

[[storm]]
cluster = "raft-cache"
arena = "simulator"
mutant = "raft/ack-before-fsync"
time = "20s"

[[canary]]
mutant = "raft/read-before-noop"

[[model]]
cluster = "zab-cache"
bounds = "two-epochs"
"#;

fn place(campaign: &str) -> Place {
    let place = Place::new();
    fs::write(place.path().join("small.toml"), campaign).unwrap();
    place
}

/// The rows of a campaign, without what the clock says.
fn rows(folder: &Path) -> Vec<Value> {
    let lines = text(&folder.join("trials.jsonl"));
    let timeless = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let fields = line.as_object_mut().unwrap();
        fields.remove("ended_s");
        fields.remove("cpu_ms");
        line
    };
    lines.lines().map(timeless).collect()
}

fn closing(folder: &Path) -> Value {
    serde_json::from_str(&text(&folder.join("campaign.json"))).unwrap()
}

fn runs(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.join("runs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "latest").collect()
}

fn spawn(place: &Place, line: &str) -> Child {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = place.command(&words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The processes that a process has started, as the fourth field of their `stat` says it, behind a name in brackets.
#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<u32> {
    let parent_of = |number: u32| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        fields.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    numbers
        .filter(|number| parent_of(*number) == Some(process))
        .collect()
}

/// Until something is under way: before that, a signal would find nobody who listens.
#[cfg(target_os = "linux")]
fn wait_for_workers(child: &Child) {
    while children(child.id()).is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(target_os = "linux")]
fn signal(process: u32, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Twenty-four short trials, of which some fail: the second they take is long enough to be killed in.
const QUICK: &str = r#"
budget = 24
sample = 5

[[storm]]
share = 2
cluster = "raft-cache"
arena = "simulator"
time = "20s"

[[storm]]
cluster = "raft-cache"
arena = "simulator"
mutant = "raft/ack-before-fsync"
time = "20s"

[[canary]]
mutant = "raft/read-before-noop"
"#;

/// A planted bug, found in the first seeds.
const BROKEN: &str = r#"
budget = 8
shrink = "0s"

[[storm]]
cluster = "raft-cache"
arena = "simulator"
mutant = "raft/ack-before-fsync"
time = "20s"
"#;

/// The same cluster as it is.
const WHOLE: &str = r#"
budget = 4

[[storm]]
cluster = "raft-cache"
arena = "simulator"
time = "20s"
"#;

#[test]
fn a_campaign_leaves_a_row_a_seed_and_each_failure_once() {
    let place = place(SMALL);
    let soak = place.run("soak small.toml --seed 100 --out night");
    expect(&soak, 1);
    let night = place.path().join("night");
    let summary = text(&night.join("summary.md"));
    assert_eq!(out(&soak).trim_end().lines().last(), summary.lines().last());
    for wanted in [
        "# RED: small, seeds from 100 on",
        "- 24 trials, ",
        "- 1 of 1 canaries found",
        "- 1 of 1 models exhausted",
        "## 1 failures",
        "- NEW `raft-cache+raft/ack-before-fsync/committed-on-quorum`, 3 times, first night ",
    ] {
        assert!(summary.contains(wanted), "{wanted}\n{summary}");
    }
    // A row a seed, in order.
    let rows = rows(&night);
    let seeds: Vec<u64> = rows
        .iter()
        .map(|row| row["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds, (100..124).collect::<Vec<u64>>());
    // Every failure and a sample of the valid keep their directories, and nothing else does.
    let kept: BTreeSet<String> = rows
        .iter()
        .filter_map(|row| row["run"].as_str().map(ToString::to_string))
        .collect();
    assert_eq!(kept, runs(&night));
    let valid = rows.iter().filter(|row| row["verdict"] == "valid");
    let (kept, all) = valid.fold((0, 0), |(kept, all), row| {
        (kept + u64::from(row["run"].is_string()), all + 1)
    });
    assert_eq!(all, 21, "{rows:?}");
    // 9, 9 and 3 trials of the three storms; the first and each fourth one after it.
    assert!((4..=6).contains(&kept), "{kept} of {all}");

    let closing = closing(&night);
    let failure = &closing["failures"][0];
    assert_eq!(
        (&failure["count"], &failure["seed"]),
        (&3.into(), &102.into())
    );
    assert!(failure["shrunk"][0].as_u64().unwrap() < 10, "{failure}");
    let page = text(&night.join("campaign.html"));
    let link = format!("runs/{}/report.html", failure["run"].as_str().unwrap());
    for wanted in [
        &link,
        "shrunk to",
        "raft/ack-before-fsync",
        "<h2>Failures</h2>",
    ] {
        assert!(page.contains(wanted), "{wanted} is not on the page");
    }
    // The one command reproduces it, whatever is configured where it is given.
    fs::write(place.path().join("stormglass.toml"), "[run]\nclients = 3\n").unwrap();
    let command = failure["command"].as_str().unwrap();
    let again = place.run(&format!(
        "{} --format json",
        command.trim_start_matches("stormglass ")
    ));
    expect(&again, 1);
    let again: Value = serde_json::from_str(&out(&again)).unwrap();
    assert_eq!(again["digest"], rows[2]["digest"]);

    // It is not begun twice, and where all is finished there is nothing to go on with.
    let twice = place.run("soak small.toml --seed 100 --out night");
    expect(&twice, 64);
    assert!(err(&twice).contains("--resume"), "{}", err(&twice));
    expect(&place.run("soak small.toml --out night --resume"), 1);
    assert_eq!(self::rows(&night), rows);
    // Nothing has to be named but the directory.
    expect(&place.run("soak --out night --resume"), 1);
    let other = place.run("soak small.toml --only etcd --out night --resume");
    expect(&other, 64);
    assert!(
        err(&other).contains("another campaign file"),
        "{}",
        err(&other)
    );
}

#[test]
fn shards_are_disjoint_and_merge_to_what_one_machine_finds() {
    let place = place(SMALL);
    expect(
        &place.run("soak small.toml --seed 100 --out whole --nights n1"),
        1,
    );
    for shard in 1..=3 {
        let line = format!("soak small.toml --seed 100 --shard {shard}/4 --out shards/{shard}");
        let code = place.run(&line).status.code();
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
    }
    let merge = "merge shards/1 shards/2 shards/3 --out merged --nights n2";
    let lacking = place.run(merge);
    expect(&lacking, 1);
    let summary = out(&lacking);
    assert!(summary.contains("- shard 4 of 4 is missing"), "{summary}");
    let page = text(&place.path().join("merged/campaign.html"));
    assert!(
        page.contains("shard 4 of 4 is missing"),
        "the page names it"
    );

    // The last one is told by its environment, as Kubernetes does it.
    let mut last = place.command(&["soak", "small.toml", "--seed", "100", "--out", "shards/4"]);
    last.env("JOB_COMPLETION_INDEX", "3")
        .env("STORMGLASS_SHARDS", "4");
    let last = last.output().unwrap();
    assert!(matches!(last.status.code(), Some(0 | 1)), "{}", err(&last));
    assert!(err(&last).contains("shard 4/4"), "{}", err(&last));
    expect(
        &place.run("merge shards/1 shards/4 shards/3 shards/2 --out merged --nights n2"),
        1,
    );
    let (whole, merged) = (place.path().join("whole"), place.path().join("merged"));
    assert_eq!(rows(&whole), rows(&merged));
    assert_eq!(
        text(&whole.join("summary.md")),
        text(&merged.join("summary.md"))
    );
    assert_eq!(runs(&whole), runs(&merged));
    let (one, other) = (closing(&whole), closing(&merged));
    assert_eq!(one["failures"], other["failures"]);
    assert_eq!(other["shards"].as_array().unwrap().len(), 4);

    for (line, wanted) in [
        ("merge shards/1 shards/1 --out m", "both are shard 1/4"),
        (
            "merge shards/1 whole --out m",
            "of different numbers of shards",
        ),
        ("merge shards/1 --out shards/2", "name another directory"),
    ] {
        let refused = place.run(line);
        expect(&refused, 64);
        assert!(err(&refused).contains(wanted), "{line}: {}", err(&refused));
    }
    expect(&place.run("merge nowhere --out m"), 65);
    // Other seeds, another campaign file, another budget: what was found cannot be counted together.
    for (other, wanted) in [
        ("small.toml --seed 7", "first seeds"),
        ("small.toml --seed 100 --only etcd", "campaign files"),
        ("small.toml --seed 100 --budget 8", "budgets"),
    ] {
        let folder = wanted.replace(' ', "-");
        let line = format!("soak {other} --shard 2/4 --out {folder}");
        assert_ne!(place.run(&line).status.code(), Some(64), "{line}");
        let refused = place.run(&format!("merge shards/1 {folder} --out m"));
        expect(&refused, 64);
        assert!(err(&refused).contains(wanted), "{}", err(&refused));
    }
    let unsaid = place.run("soak small.toml --shard 1/2 --out unsaid");
    expect(&unsaid, 64);
    assert!(err(&unsaid).contains("--seed"), "{}", err(&unsaid));
}
