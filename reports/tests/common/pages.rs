//! A page of every kind there is, with something of everything on it.

use super::{COMMAND, Scenario};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use stormglass_checker::{Event, History, Kind, Process, Verdict};
use stormglass_impls::contract::{ClientId, NodeId};
use stormglass_impls::wire::Party;
use stormglass_nemesis::faults::FAULTS;
use stormglass_nemesis::judge::{Measure, Ruling};
use stormglass_nemesis::record::{Violation, ViolationKind};
use stormglass_nemesis::schedule::{Action, Leaves, Target};
use stormglass_nemesis::trial::Arena;
use stormglass_nemesis::wiretap::{Fate, Letter, MESSAGES_VERSION, Messages};
use stormglass_reports::campaign::{
    Campaign, Closing, FailureLine, KILLS, MODELS, Outcome, Share, Standing, TRIALS, append,
};
use stormglass_reports::comparison::{Compared, Comparison};
use stormglass_reports::counterexample::{self, Counterexample, Happening, Moment};
use stormglass_reports::judged::{self, JudgedHistory};
use stormglass_reports::{RunDirectory, Timings, index};

/// A page that was written.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// Whether it has a script, which says when it is ready, and buttons.
    pub(crate) scripted: bool,
}

/// Writes a page of every kind.
pub(crate) fn pages(out: &Path) -> Vec<Page> {
    let clean = Scenario::storm().write(&out.join("clean")).0;
    let violation = violation(&out.join("violation"));
    let vacuous = Scenario::empty().write(&out.join("vacuous")).0;
    let unknown = unknown(&out.join("unknown"));
    let shrunk = shrunk(&out.join("shrunk"));
    let reports = [
        ("the report of a clean run", clean),
        ("the report of a violation", violation),
        ("the report of a vacuous run", vacuous),
        ("the report of a run without an answer", unknown),
        ("the report of a shrunk run", shrunk),
    ];
    let mut pages: Vec<Page> = reports
        .into_iter()
        .map(|(name, directory)| Page {
            name,
            path: directory.page(),
            scripted: true,
        })
        .collect();
    let plain = [
        ("a counterexample", counterexample()),
        (
            "a judged history with a violation",
            judged(&Scenario::stale_read()),
        ),
        ("a judged history that is valid", judged(&Scenario::storm())),
    ];
    for (name, text) in plain {
        let path = out.join(name.replace(' ', "-")).with_extension("html");
        std::fs::write(&path, text).expect("the directory is writable");
        pages.push(Page {
            name,
            path,
            scripted: true,
        });
    }
    for (name, path) in [
        (
            "all clusters side by side",
            comparison(&out.join("comparison")),
        ),
        ("a run that was cut short", salvaged(&out.join("salvaged"))),
        ("a campaign", campaign(&out.join("campaign"))),
        (
            "a campaign that is over",
            closed_campaign(&out.join("closed-campaign")),
        ),
        (
            "the index of runs",
            index::write(&out.join("violation")).expect("the runs are readable"),
        ),
    ] {
        pages.push(Page {
            name,
            path,
            scripted: name != "the index of runs",
        });
    }
    pages
}

/// What went over the network around the stale read, with every fate there is.
pub(crate) fn messages() -> Messages {
    let ms = |ms: u64| ms * 1_000_000;
    let node = |node| Party::Node(NodeId(node));
    let fates = [
        (Fate::Passed, vec![8_521]),
        (Fate::Unsent, vec![]),
        (Fate::Cut, vec![]),
        (Fate::Lost, vec![]),
        (Fate::Reset, vec![]),
        (Fate::Slowed, vec![8_539]),
        (Fate::Held, vec![8_545]),
        (Fate::Reordered, vec![8_535]),
        (Fate::Duplicated, vec![8_531, 8_533]),
        (Fate::Corrupted, vec![]),
        (Fate::Passed, vec![]),
    ];
    let between = (0..).zip(fates).map(|(number, (fate, arrived_ms))| Letter {
        from: node(1 + number % 3),
        to: node(1 + (number + 1) % 3),
        text: format!("@2 Append base={number}@2 <b>"),
        sent_ns: ms(8_520 + u64::from(number)),
        fate,
        arrived_ns: arrived_ms.into_iter().map(ms).collect(),
    });
    let client = Letter {
        from: Party::Client(ClientId(1)),
        to: node(1),
        text: "asks #9: read stale".to_string(),
        sent_ns: ms(8_540),
        fate: Fate::Passed,
        arrived_ns: vec![ms(8_541)],
    };
    Messages {
        schema_version: MESSAGES_VERSION,
        from_ns: ms(8_000),
        until_ns: ms(8_750),
        left_out: 0,
        letters: between.chain([client]).collect(),
        boots: vec![(ms(8_530), NodeId(2))],
    }
}

/// A run of which only the trial and the first lines are left.
fn salvaged(out: &Path) -> PathBuf {
    let (directory, _) = Scenario::storm().write(out);
    for file in ["record.json", "report.html"] {
        std::fs::remove_file(directory.path().join(file)).expect("it was written");
    }
    let refused = directory.rebuild().expect_err("the record is gone");
    directory
        .salvage(&refused)
        .expect("the directory is writable");
    directory.page()
}

/// Three clusters that went through the same, with three and with five nodes.
fn comparison(out: &Path) -> PathBuf {
    for cluster in ["etcd", "paxos-cache", "raft-cache"] {
        for nodes in [3, 5] {
            let mut scenario = Scenario::storm();
            (scenario.trial.cluster, scenario.trial.nodes) = (cluster.to_string(), nodes);
            scenario.write(out);
        }
    }
    let names = RunDirectory::list(out).expect("the runs are there");
    let load = |name: &String| Compared::load(&RunDirectory::at(&out.join(name)).unwrap());
    let runs: Result<Vec<_>, _> = names.iter().map(load).collect();
    let comparison = Comparison::of(&runs.expect("the runs are whole"));
    comparison
        .write(out, "stormglass compare --seeds 1")
        .expect("the directory is writable")
}

/// A campaign with something of everything, and a line that was cut short.
pub(crate) fn campaign(out: &Path) -> PathBuf {
    for seed in 0..40u64 {
        let verdict = ["valid", "valid", "valid", "vacuous", "violation"]
            [usize::from(seed == 7) * 4 + usize::from(seed == 9) * 3];
        let arena = ["simulator", "turmoil"][seed as usize % 2];
        let line = json!({
            "cluster": (["raft-cache", "etcd"][seed as usize / 2 % 2]), "workload": "register", "arena": arena, "seed": seed,
            "verdict": verdict, "sentence": "What the clients saw is <not> linearizable for key k0.", "ended_s": seed as f64 * 1.5,
            "run": (verdict != "valid").then_some("elsewhere/runs/raft-cache-register-7-abcdef"),
        });
        append(out, TRIALS, &line).expect("the directory is writable");
    }
    for (id, caught, by) in [
        ("raft/ack-before-fsync", 3, "committed-stays"),
        ("raft/slow", 2, "linearizability"),
    ] {
        let line = json!({
            "id": id, "cluster": "raft-cache", "arena": "simulator", "harmless": false, "caught_by": [[by, caught]],
            "caught": caught, "starts": 3, "seeds": 12, "cpu_s": 0.5, "shrunk": null, "knobs": "", "command": "", "model": null,
        });
        append(out, KILLS, &line).expect("the directory is writable");
    }
    let spared = json!({
        "id": "harmless/batch-of-one", "cluster": "raft-cache", "arena": "simulator", "harmless": true, "caught_by": [], "caught": 0, "starts": 500,
    });
    append(out, KILLS, &spared).expect("the directory is writable");
    let samples: Vec<(f64, u64)> = (1..30)
        .map(|at| (f64::from(at) * 0.1, u64::from(at as u32) * 1_000))
        .collect();
    for (bounds, verdict) in [("two-terms", "exhausted"), ("pair", "bounded")] {
        let line = json!({
            "cluster": "raft-cache", "bounds": bounds, "mutant": null, "verdict": verdict, "states": 30_000, "seconds": 3.0, "samples": samples,
        });
        append(out, MODELS, &line).expect("the directory is writable");
    }
    let cut = std::fs::File::options().append(true).open(out.join(TRIALS));
    std::io::Write::write_all(&mut cut.expect("it is there"), b"{\"cluster\":\"raft")
        .expect("it is writable");
    let campaign = Campaign::read(out).expect("the campaign is readable");
    campaign.write(out).expect("the directory is writable")
}

/// The same after its end: a shard is missing, a failure is new and another is known.
pub(crate) fn closed_campaign(out: &Path) -> PathBuf {
    campaign(out);
    let failure = |signature: &str, standing: Standing, outcome: Outcome| FailureLine {
        signature: signature.to_string(),
        property: "linearizability <of> registers".to_string(),
        standing,
        reason: (standing == Standing::Known)
            .then(|| "waits for \"5\" & <more> (until 2027-01-01)".to_string()),
        count: 3,
        unrepeated: 1,
        cluster: "etcd".to_string(),
        workload: "register".to_string(),
        arena: Arena::Turmoil,
        seed: 7,
        outcome,
        sentence: "What the clients saw is <not> linearizable for key k0.".to_string(),
        run: Some("etcd-register-7-abcdef".to_string()),
        command: "stormglass run etcd --seed 7".to_string(),
        shrunk: Some((2, 5)),
        first_night: "2026-11-30".to_string(),
        commits: match standing {
            Standing::New => vec!["abcdef0 <b>faster</b> reads".to_string()],
            _ => Vec::new(),
        },
    };
    let closing = Closing {
        name: "nightly".to_string(),
        build: "0123456789abcdef".to_string(),
        commit: Some("abcdef0123456789".to_string()),
        day: "2026-11-30".to_string(),
        first_seed: 0,
        is_green: false,
        shards: (1..=2)
            .map(|shard| Share {
                shard,
                trials: 40 * (2 - shard),
                planned: Some(40),
                is_finished: shard == 1,
                is_missing: shard == 2,
            })
            .collect(),
        failures: vec![
            failure("etcd/linearizability", Standing::New, Outcome::Violation),
            failure("etcd/crashed/signal", Standing::Known, Outcome::Crashed),
        ],
        notes: vec!["shard 2 of 2 is missing".to_string()],
    };
    closing.write(out).expect("the directory is writable");
    let campaign = Campaign::read(out).expect("the campaign is readable");
    campaign.write(out).expect("the directory is writable")
}

/// A planted bug that clients saw and an invariant too, under faults of every family.
fn violation(out: &Path) -> RunDirectory {
    let mut scenario = Scenario::stale_read();
    scenario.trial.mutant = Some("raft/read-without-quorum".to_string());
    scenario.record.interrupted = true;
    let mut seen = Vec::new();
    for (number, info) in (0..).zip(FAULTS) {
        if seen.contains(&info.family) {
            continue;
        }
        seen.push(info.family);
        let action = Action::Crash {
            target: Target::Leader,
            leaves: Leaves::Some,
        };
        let from_ms = 300 + u64::from(number) * 240;
        scenario.fault(100 + number, 1, info.kind, action, (from_ms, from_ms + 900));
    }
    scenario.unknown(7, 3_000, 3_400, "k1", json!(99), "timeout");
    scenario.record.violations.push(Violation {
        kind: ViolationKind::Invariant,
        name: "election-safety".to_string(),
        time_ns: 5_300_000_000,
        node: Some(NodeId(2)),
        message: "two nodes lead in term 2: n1 since 4.900 s, and n3".to_string(),
    });
    let mut judged = scenario.judged();
    judged.measures.push(Measure {
        name: "acknowledged writes lost".to_string(),
        count: 3,
        of: 21,
        meaning: "writes that were acknowledged and are in no final read".to_string(),
    });
    let directory = RunDirectory::create(out, &scenario.trial).expect("the directory is writable");
    directory
        .put_messages(&messages())
        .expect("the directory is writable");
    let written = directory.write(
        &scenario.trial,
        &scenario.run(),
        &judged,
        &Timings::default(),
        COMMAND,
    );
    written.expect("the directory is writable");
    directory
}

fn unknown(out: &Path) -> RunDirectory {
    let mut scenario = Scenario::storm();
    scenario.trial.limits.steps = 1;
    let (directory, summary) = scenario.write(out);
    assert_eq!(summary.verdict, Ruling::Unknown);
    directory
}

fn shrunk(out: &Path) -> RunDirectory {
    let whole = Scenario::stale_read();
    let (directory, _) = whole.write(out);
    let shrunk = directory.create_shrunk(&whole.trial);
    let shrunk = shrunk.expect("the directory is writable");
    let written = shrunk.write(
        &whole.trial,
        &whole.run(),
        &whole.judged(),
        &Timings::default(),
        COMMAND,
    );
    written.expect("the directory is writable");
    directory.rebuild().expect("the directory is whole");
    directory
}

fn counterexample() -> String {
    let moment = |text: &str, what, dies, first: [&str; 2]| Moment {
        text: text.to_string(),
        what,
        at: Some(1),
        dies,
        before: vec![first[0].to_string(), "n2 follower @1".to_string()],
        after: vec![first[1].to_string(), "n2 follower @1".to_string()],
    };
    let arrives = Happening::Arrives {
        from: 2,
        sent_by: 1,
    };
    let page = counterexample::page(&Counterexample {
        title: "raft-cache, two nodes".to_string(),
        summary: "2 nodes, 1 client, 1 crash".to_string(),
        mutant: Some("raft/vote-not-persisted".to_string()),
        property: "one-vote-a-term".to_string(),
        message: "n1 votes for n1 and for n2 in term 1".to_string(),
        command: "cargo run --release -- replay .stormglass/models/raft-cache/trace.json --arena simulator"
            .to_string(),
        nodes: 2,
        clients: 1,
        shown: vec!["n1 follower @1".to_string(), "n2 follower @1".to_string()],
        moments: vec![
            moment(
                "c1 asks n1: write k 1",
                Happening::Asked { client: 1 },
                false,
                ["n1 follower @1", "n1 candidate @1 votes n1"],
            ),
            moment(
                "n1 dies, and comes back",
                Happening::Dies,
                true,
                ["n1 candidate @1 votes n1", "n1 follower @1"],
            ),
            moment(
                "n1 takes from n2: @1 Vote asked",
                arrives,
                false,
                ["n1 follower @1", "n1 follower @1 votes n2"],
            ),
        ],
    });
    page.expect("the template renders")
}

/// What a command makes of a file that another tool recorded, with faults as Jepsen names them.
fn judged(scenario: &Scenario) -> String {
    let judged = scenario.judged();
    let mut events = Vec::new();
    for (at, event) in scenario.run().history.events.into_iter().enumerate() {
        let f = match at {
            4 => Some("start-partition"),
            20 => Some("stop-partition"),
            24 => Some("kill"),
            _ => None,
        };
        events.extend(f.map(|f| nemesis(f, event.time)));
        events.push(event);
    }
    let (word, sentence) = match &judged.judgement.verdict {
        Verdict::Invalid(evidence) => ("VIOLATION", evidence.explanation.as_str()),
        _ => ("VALID", judged.sentence.as_str()),
    };
    let page = judged::page(&JudgedHistory {
        file: "recorded/etcd-001.log",
        how_read: "read as jepsen-log: 58 events",
        model: "cas-register",
        options: &["--initial".to_string(), "null".to_string()],
        promise: &judged.promise,
        word,
        sentence,
        history: &History { events },
        verdict: &judged.judgement.verdict,
        work: judged.judgement.work,
    });
    page.expect("the template renders")
}

fn nemesis(f: &str, time: u64) -> Event {
    Event {
        index: 0,
        time,
        process: Process::Nemesis,
        kind: Kind::Info,
        f: f.to_string(),
        key: None,
        value: Value::Null,
        version: None,
        error: None,
    }
}
