//! From a run to its files. Start here: the first test shows the whole way.

use crate::common::{COMMAND, Scenario, file};
use stormglass_checker::{Reason, Verdict};
use stormglass_nemesis::judge::{Measure, Ruling};
use stormglass_nemesis::record::{Violation, ViolationKind};
use stormglass_reports::{RunDirectory, RunSummary, Timings, junit, markdown};

#[test]
fn a_run_becomes_a_directory_and_comes_back_from_it() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::storm();
    // Before the run there is the trial, and nothing else.
    let directory = RunDirectory::create(out.path(), &scenario.trial).unwrap();
    assert!(
        directory.name().starts_with("raft-cache-register-7-"),
        "{}",
        directory.name()
    );
    assert_eq!(directory.trial().unwrap(), scenario.trial);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    // After it there is everything.
    let (run, judged) = (scenario.run(), scenario.judged());
    let written = directory
        .write(&scenario.trial, &run, &judged, &Timings::default(), COMMAND)
        .unwrap();
    let mut files: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "history.jsonl",
            "junit.xml",
            "perfetto.json",
            "plots",
            "record.json",
            "report.html",
            "run.json",
            "summary.md",
            "trial.json"
        ]
    );
    // And it all comes back.
    let found = RunDirectory::open(out.path(), "latest").unwrap();
    assert_eq!(found.load().unwrap(), (scenario.trial.clone(), run));
    assert_eq!(found.summary().unwrap(), written);
    assert_eq!(written.verdict, Ruling::Valid);
}

#[test]
fn run_json_says_what_was_counted() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let json: serde_json::Value = serde_json::from_str(&file(&directory, "run.json")).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["verdict"], "valid");
    assert_eq!(json["command"], COMMAND);
    assert_eq!(json["counts"]["operations"], 46);
    assert_eq!(json["counts"]["ok"], 45);
    assert_eq!(json["timings"]["judge_cpu_ms"], 30.5);
    assert_eq!(
        json["coverage"]["crash"],
        serde_json::json!({"installed": 1, "skipped": 1, "indeterminate": 0})
    );
    assert_eq!(json["coverage"]["partition-one"]["installed"], 1);
    assert_eq!(json["digest"], "0123456789abcdef0123456789abcdef");
    assert!(json["work"]["steps"].as_u64().unwrap() > 0);
}

#[test]
fn a_page_of_a_valid_run_shows_its_faults_and_leaders() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let page = file(&directory, "report.html");
    for text in [
        "<p class=\"badge\">valid</p>",
        "raft-cache",
        "seed 7",
        COMMAND,
        &format!("stormglass replay {}", directory.path().display()),
        "at 2.000 s for 2.00 s",
        "nobody leads",
        "stopped by a fault",
        "n1 became leader of term 1",
        "n1 down from 5.000 s for 500 ms",
        "0123456789abcdef0123456789abcdef",
    ] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    assert!(!page.contains("What went wrong"));
    for address in ["http:", "https:", "src=", "@import", "url("] {
        // The one address on the page is the name of a vocabulary, which nobody fetches.
        let found = page
            .replace("http://www.w3.org/2000/svg", "")
            .contains(address);
        assert!(!found, "the page asks for {address}");
    }
}

#[test]
fn measures_are_shown_where_there_are_any() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::storm();
    let (directory, summary) = scenario.write(out.path());
    assert!(summary.measures.is_empty());
    for name in ["run.json", "summary.md", "report.html"] {
        let text = file(&directory, name).to_lowercase();
        // The script of the page measures how long it takes.
        let text = text.replace("performance.measure(", "");
        assert!(!text.contains("measure"), "{name} speaks of none");
    }
    let mut judged = scenario.judged();
    judged.measures.push(Measure {
        name: "stale-reads".to_string(),
        count: 3,
        of: 1_200,
        meaning: "reads that <missed> a write".to_string(),
    });
    let timings = Timings::default();
    let written = directory
        .write(&scenario.trial, &scenario.run(), &judged, &timings, COMMAND)
        .unwrap();
    assert_eq!(written.measures, judged.measures);
    assert_eq!(directory.summary().unwrap(), written);
    let markdown = file(&directory, "summary.md");
    assert!(
        markdown.contains("\nstale-reads: 3 of 1,200, reads that <missed> a write\n"),
        "{markdown}"
    );
    let page = file(&directory, "report.html");
    assert!(page.contains("<td>stale-reads</td><td class=\"number\">3</td>"));
    assert!(!page.contains("<missed>"), "a sentence is no tag");
}

#[test]
fn a_violation_is_shown_with_its_evidence_everywhere() {
    let out = tempfile::tempdir().unwrap();
    let (directory, summary) = Scenario::stale_read().write(out.path());
    assert_eq!(summary.verdict, Ruling::Violation);
    let evidence = summary.violations.clients.as_ref().unwrap();
    assert_eq!(
        (evidence.key.as_deref(), evidence.culprits.len()),
        (Some("stale"), 3)
    );
    let page = file(&directory, "report.html");
    let explanation = evidence.explanation.lines().last().unwrap();
    assert!(page.contains("<p class=\"badge\">violation</p>"));
    assert!(page.contains("What went wrong"));
    assert!(page.contains("a contradiction"), "{explanation}");
    assert!(page.contains("The promise was broken by what was seen at 8.550 s"));
    let drawing = page
        .split("<svg class=\"collision\"")
        .nth(1)
        .unwrap()
        .split("</svg>")
        .next()
        .unwrap();
    assert_eq!(
        drawing.matches("class=\"call ").count(),
        3,
        "a bar for each operation"
    );
    assert_eq!(
        drawing.matches("class=\"order\"").count(),
        2,
        "the two orders that make the contradiction"
    );
    let markdown = file(&directory, "summary.md");
    assert!(
        markdown.starts_with("### **violation**: raft-cache register, seed 7\n"),
        "{markdown}"
    );
    // There the explanation is wrapped.
    let unwrapped = markdown.replace('\n', " ");
    assert!(unwrapped.contains(explanation), "{markdown}");
    let junit = quick_junit::Report::deserialize_from_str(&file(&directory, "junit.xml")).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.errors), (1, 1, 0));
}

#[test]
fn a_broken_law_inside_the_cluster_is_shown() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::storm();
    scenario.record.violations.push(Violation {
        kind: ViolationKind::Invariant,
        name: "election-safety".to_string(),
        time_ns: 5_300_000_000,
        node: Some(stormglass_impls::contract::NodeId(3)),
        message: "n1 and n3 both lead term 2".to_string(),
    });
    scenario.record.ended_ns = 5_400_000_000;
    let (directory, summary) = scenario.write(out.path());
    assert_eq!(summary.verdict, Ruling::Violation);
    assert_eq!(summary.violations.inside.len(), 1);
    for name in ["report.html", "summary.md", "junit.xml", "run.json"] {
        assert!(
            file(&directory, name).contains("n1 and n3 both lead term 2"),
            "{name}"
        );
    }
    let page = file(&directory, "report.html");
    assert!(page.contains("What broke inside the cluster"));
    assert!(
        page.contains("ended in the storm"),
        "the trial was stopped before it healed"
    );
}

#[test]
fn neither_unknown_nor_vacuous_looks_like_a_pass() {
    let out = tempfile::tempdir().unwrap();
    let mut unknown = Scenario::storm();
    unknown.trial.limits.steps = 3;
    let mut vacuous = Scenario::empty();
    vacuous.ok(0, 1, 2, "write", "k0", 1.into(), 1.into());
    for (scenario, ruling, word, failures, errors) in [
        (unknown, Ruling::Unknown, "unknown", 0, 1),
        (vacuous, Ruling::Vacuous, "vacuous", 1, 0),
    ] {
        let (directory, summary) = scenario.write(out.path());
        assert_eq!(summary.verdict, ruling);
        assert_eq!(
            summary.unknown.as_ref().map(|unknown| unknown.reason),
            (word == "unknown").then_some(Reason::Steps)
        );
        let page = file(&directory, "report.html");
        assert!(page.contains(&format!("<p class=\"badge\">{word}</p>")));
        assert!(page.contains("not a pass"));
        assert!(file(&directory, "summary.md").starts_with(&format!("### **{word}**")));
        let junit =
            quick_junit::Report::deserialize_from_str(&file(&directory, "junit.xml")).unwrap();
        assert_eq!(
            (junit.tests, junit.failures, junit.errors),
            (1, failures, errors),
            "{word}"
        );
    }
}

#[test]
fn several_runs_become_one_table_and_one_document() {
    let out = tempfile::tempdir().unwrap();
    let runs: Vec<RunSummary> = [Scenario::storm(), Scenario::stale_read()]
        .iter()
        .map(|it| it.write(out.path()).1)
        .collect();
    let table = markdown::render(&runs);
    assert!(table.starts_with("### 1 of 2 runs passed\n"), "{table}");
    assert_eq!(
        table
            .lines()
            .filter(|line| line.starts_with("| raft-cache-register-7-"))
            .count(),
        2,
        "{table}"
    );
    let junit = quick_junit::Report::deserialize_from_str(&junit::render(&runs).unwrap()).unwrap();
    assert_eq!(
        (junit.tests, junit.failures, junit.test_suites.len()),
        (2, 1, 1)
    );
}

#[test]
fn a_rebuild_judges_again_and_keeps_the_evidence_as_it_is() {
    let out = tempfile::tempdir().unwrap();
    let (directory, written) = Scenario::stale_read().write(out.path());
    let before: Vec<_> = ["trial.json", "history.jsonl", "record.json"]
        .map(|name| file(&directory, name))
        .into();
    for name in ["run.json", "report.html", "summary.md", "junit.xml"] {
        std::fs::remove_file(directory.path().join(name)).unwrap();
    }
    std::fs::remove_dir_all(directory.path().join("plots")).unwrap();
    let rebuilt = directory.rebuild().unwrap();
    assert_eq!(rebuilt.verdict, written.verdict);
    assert_eq!(rebuilt.violations, written.violations);
    assert!(
        rebuilt.command.starts_with("stormglass replay "),
        "what nobody knows any more is not made up"
    );
    assert_eq!(
        before,
        ["trial.json", "history.jsonl", "record.json"].map(|name| file(&directory, name))
    );
    let page = file(&directory, "report.html");
    let again = directory.rebuild().unwrap();
    assert_eq!(
        (again, file(&directory, "report.html")),
        (rebuilt, page),
        "the same directory gives the same page"
    );
    assert!(matches!(
        Scenario::stale_read().judged().judgement.verdict,
        Verdict::Invalid(_)
    ));
}

#[test]
fn a_rebuild_keeps_the_command_and_forgets_what_it_cannot_measure() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let rebuilt = directory.rebuild().unwrap();
    assert_eq!(rebuilt.command, COMMAND);
    assert_eq!(
        rebuilt.timings,
        Timings {
            simulate_cpu_ms: Some(120.0),
            judge_cpu_ms: None,
            wall_ms: None
        }
    );
}

/// A node that is stopped in the rounds of a crash loop leads no more, though it could not say so; nor does one that is found in a later term.
#[test]
fn a_reign_ends_with_a_stop_of_any_fault_and_with_a_later_term() {
    use stormglass_impls::contract::{Fact, NodeId};
    use stormglass_nemesis::faults::FaultKind;
    use stormglass_nemesis::schedule::{Action, Target};
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::empty();
    let action = Action::CrashLoop {
        target: Target::Node(NodeId(1)),
        up_ms: 500,
        down_ms: 300,
    };
    scenario.fault(0, 1, FaultKind::CrashLoop, action, (2_000, 4_000));
    scenario.fact(1_000, 1, Fact::BecameLeader { epoch: 1 });
    scenario.fact(5_000, 2, Fact::BecameLeader { epoch: 2 });
    let candidate = NodeId(3);
    scenario.fact(
        6_000,
        2,
        Fact::Voted {
            epoch: 3,
            candidate,
        },
    );
    let (directory, _) = scenario.write(out.path());
    let page = file(&directory, "report.html");
    for row in [
        "<td>1</td><td>n1</td><td class=\"time\">1.000 s</td><td class=\"time\">1.00 s</td><td>stopped by a fault</td>",
        "<td>2</td><td>n2</td><td class=\"time\">5.000 s</td><td class=\"time\">1.00 s</td><td>found in a later term</td>",
    ] {
        assert!(page.contains(row), "{row}");
    }
    // Down from 2.0 to 2.3, 2.8 to 3.1 and 3.6 to 3.9 s.
    assert_eq!(page.matches("n1 down from ").count(), 3);
}

#[test]
fn a_shrunk_run_that_is_damaged_tells_nothing_of_the_run_it_was_made_from() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::stale_read();
    let (directory, _) = scenario.write(out.path());
    let shrunk = directory.create_shrunk(&scenario.trial).unwrap();
    let written = shrunk.write(
        &scenario.trial,
        &scenario.run(),
        &scenario.judged(),
        &Timings::default(),
        COMMAND,
    );
    written.unwrap();
    directory.rebuild().unwrap();
    assert!(file(&directory, "report.html").contains("Shrunk to"));
    std::fs::write(shrunk.path().join("history.jsonl"), "").unwrap();
    directory.rebuild().unwrap();
    let page = file(&directory, "report.html");
    assert!(page.contains("<p class=\"badge\">violation</p>") && !page.contains("Shrunk to"));
}
