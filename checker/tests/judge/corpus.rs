//! Histories recorded by others. The folder is named by `STORMGLASS_CORPUS`; without it these tests say that they were
//! skipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use stormglass_checker::specifications::kv::Missing;
use stormglass_checker::{
    Event, History, Input, Kind, Kv, Limits, Process, Register, Verdict, check, read, verify,
};

fn corpus(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STORMGLASS_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "SKIPPED: {test}: STORMGLASS_CORPUS does not name a folder of recorded histories"
        );
    }
    folder
}

/// Fifty Jepsen runs against an early etcd, each with a verdict that is agreed upon.
#[test]
fn jepsen_etcd_logs_have_their_known_verdicts() {
    let Some(corpus) = corpus("jepsen_etcd_logs_have_their_known_verdicts") else {
        return;
    };
    let folder = corpus.join("jepsen_etcd");
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in expected.lines() {
        let (file, verdict) = line.split_once(' ').unwrap();
        let history = read(folder.join(file), Input::Auto).unwrap();
        let register = Register::default();
        let judgement = check(&register, &history, &Limits::default()).unwrap();
        let found = match &judgement.verdict {
            Verdict::Valid(certificate) => {
                verify(&register, &history.operations().unwrap(), certificate).unwrap();
                "valid"
            }
            Verdict::Invalid(evidence) => {
                // What the evidence says of the prefix holds when it is judged anew.
                let prefix = |events| History {
                    events: history.events[..events].to_vec(),
                };
                let verdict = |events| {
                    check(&register, &prefix(events), &Limits::default())
                        .unwrap()
                        .verdict
                };
                assert!(evidence.prefix_smallest && evidence.minimal, "{file}");
                assert!(
                    matches!(verdict(evidence.prefix_events), Verdict::Invalid(_)),
                    "{file}"
                );
                assert!(
                    matches!(verdict(evidence.prefix_events - 1), Verdict::Valid(_)),
                    "{file}"
                );
                let (culprits, context) = (evidence.culprits.len(), &evidence.context);
                println!(
                    "{file}: {culprits} culprits, context {context:?}, {:?}",
                    judgement.work
                );
                "invalid"
            }
            Verdict::Unknown(unknown) => panic!("{file}: {unknown:?}"),
        };
        assert_eq!(found, verdict, "{file}");
        *counts.entry(found).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(counts.len() == 2 && counts.values().sum::<usize>() == 50);
}

/// Reads `{:process 0, :type :ok, :f :get, :key "3", :value "x"}`, one a line: just enough for these files.
fn key_value_line(line: &str) -> Event {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!(":{name} ")).unwrap();
        match rest.strip_prefix('"') {
            Some(text) => text.split_once('"').unwrap().0,
            None => rest
                .split([',', '}'])
                .next()
                .unwrap()
                .trim_start_matches(':'),
        }
    };
    Event {
        index: 0,
        time: 0,
        process: Process::Client(field("process").parse().unwrap()),
        kind: Kind::from_name(field("type")).unwrap(),
        f: field("f").to_owned(),
        key: Some(field("key").to_owned()),
        value: Value::String(field("value").to_owned()),
        version: None,
        error: None,
    }
}

#[test]
fn key_value_runs_have_the_verdict_of_their_name() {
    let Some(corpus) = corpus("key_value_runs_have_the_verdict_of_their_name") else {
        return;
    };
    let store = || Kv::new(Missing::Empty);
    for (file, valid) in [
        ("c01-ok", true),
        ("c01-bad", false),
        ("c10-ok", true),
        ("c10-bad", false),
    ] {
        let text = fs::read_to_string(corpus.join("kv").join(file).with_extension("txt")).unwrap();
        let history = History {
            events: text.lines().map(key_value_line).collect(),
        };
        let judgement = check(&store(), &history, &Limits::default()).unwrap();
        match &judgement.verdict {
            Verdict::Valid(certificate) => {
                assert!(valid, "{file}");
                verify(&store(), &history.operations().unwrap(), certificate).unwrap();
            }
            Verdict::Invalid(evidence) => {
                assert!(!valid, "{file}");
                println!("{}", evidence.explanation);
            }
            Verdict::Unknown(unknown) => panic!("{file}: {unknown:?}"),
        }
        println!("{file}: {:?}", judgement.work);
    }
}
