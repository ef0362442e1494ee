//! `summary.md` within its bounds, whatever is in it. Start here: the first test shows the whole of one.

use crate::common::hostile::hostile;
use crate::common::{Scenario, file};
use proptest::prelude::*;
use std::sync::OnceLock;
use stormglass_checker::{Progress, Reason, Unknown};
use stormglass_nemesis::judge::{Measure, Ruling};
use stormglass_nemesis::record::{Violation, ViolationKind};
use stormglass_reports::RunSummary;
use stormglass_reports::markdown::{ANSWER_LINES_MAX, BYTES_MAX, COLUMNS_MAX, render};

fn summary(scenario: &Scenario) -> RunSummary {
    let out = tempfile::tempdir().unwrap();
    scenario.write(out.path()).1
}

fn section(run: &RunSummary) -> String {
    render(std::slice::from_ref(run))
}

/// Columns of a terminal, by a measure of its own, which is good enough for the texts here.
fn columns(line: &str) -> usize {
    let narrow = |character: char| {
        u32::from(character) < 0x1100 || ('\u{2010}'..='\u{2027}').contains(&character)
    };
    line.chars()
        .map(|character| if narrow(character) { 1 } else { 2 })
        .sum()
}

fn answers(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(ANSWER_LINES_MAX).collect();
    lines.join("\n")
}

/// The bounds, and that what is fenced ends where it should.
fn check(text: &str) {
    assert!(text.len() <= BYTES_MAX, "{} bytes", text.len());
    for (number, line) in text.lines().enumerate() {
        assert!(
            columns(line) <= COLUMNS_MAX,
            "line {}: {line:?}",
            number + 1
        );
    }
    let mut fence: Option<usize> = None;
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if ticks >= open && ticks == line.len() => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => assert!(!line.starts_with("# ") && !line.contains('<'), "{line}"),
        }
    }
    assert_eq!(fence, None, "every fence is closed");
}

#[test]
fn a_violation_in_forty_lines() {
    let text = section(&summary(&Scenario::stale_read()));
    let expected = include_str!("markdown/violation.md");
    let digest = text.lines().find(|line| line.starts_with("run ")).unwrap();
    let text = text.replace(digest, "run NAME");
    assert_eq!(text, expected, "this is what there is now:\n{text}");
    check(&text);
}

#[test]
fn whether_it_held_how_to_see_it_again_and_what_went_wrong_come_first() {
    let mut inside = Scenario::storm();
    inside
        .record
        .violations
        .push(violation("n1 and n3 both lead term 2"));
    let mut unknown = Scenario::storm();
    unknown.trial.limits.steps = 3;
    for (scenario, wanted) in [
        (
            Scenario::storm(),
            &["### valid: raft-cache register, seed 7"][..],
        ),
        (
            Scenario::stale_read(),
            &[
                "### **violation**",
                "promise  linearizability",
                "key      stale",
                "a contradiction",
            ],
        ),
        (
            inside,
            &[
                "### **violation**",
                "election-safety at n3, 5.300 s",
                "n1 and n3 both lead term 2",
            ],
        ),
        (
            unknown,
            &[
                "### **unknown**",
                "what to change",
                "3 steps",
                "`limits.steps`",
            ],
        ),
        (
            Scenario::empty(),
            &[
                "### **vacuous**",
                "what to change",
                "0 operations ended ok",
                "--time",
            ],
        ),
    ] {
        let text = section(&summary(&scenario));
        check(&text);
        let answers = answers(&text);
        for wanted in wanted.iter().chain(&[
            "See it again:",
            "cargo run --release -- run raft-cache --seed 7",
        ]) {
            assert!(answers.contains(wanted), "{wanted} is missing in\n{text}");
        }
    }
}

fn violation(message: &str) -> Violation {
    Violation {
        kind: ViolationKind::Invariant,
        name: "election-safety".to_string(),
        time_ns: 5_300_000_000,
        node: Some(stormglass_impls::contract::NodeId(3)),
        message: message.to_string(),
    }
}

/// A run in which every text is that one: the sentence and the explanation the whole of it, the others a part of a large one.
fn filled(whole: &str) -> RunSummary {
    let part: String = whole.chars().take(2_000).collect();
    let text = || part.clone();
    static STALE: OnceLock<RunSummary> = OnceLock::new();
    let mut run = STALE
        .get_or_init(|| summary(&Scenario::stale_read()))
        .clone();
    let measure = |number| Measure {
        name: text(),
        count: number,
        of: u64::MAX,
        meaning: text(),
    };
    run.measures = (0..60).map(measure).collect();
    run.violations.inside = vec![violation(&part); 4];
    run.violations.inside[0].name = text();
    run.violations.inside.resize(10_000, violation("short"));
    (run.command, run.cluster, run.workload) = (text(), text(), text());
    (run.run, run.promise, run.digest, run.mutant) = (text(), text(), text(), Some(text()));
    (run.seed, run.simulated_ns, run.clients) = (u64::MAX, u64::MAX, u32::MAX);
    run.sentence = whole.to_string();
    let evidence = run.violations.clients.as_mut().unwrap();
    (evidence.key, evidence.explanation) = (Some(text()), whole.to_string());
    for culprit in &mut evidence.culprits {
        (culprit.f, culprit.key, culprit.call) = (text(), Some(text()), usize::MAX);
        culprit.input = serde_json::Value::String(text());
    }
    evidence.culprits = evidence.culprits.iter().cycle().take(30).cloned().collect();
    run
}

/// Its verdicts, one after the other, each with all that may stand beside it.
fn verdicts(mut run: RunSummary) -> Vec<RunSummary> {
    run.unknown = Some(Unknown {
        reason: Reason::Bytes,
        limit: u64::MAX,
        progress: Progress {
            events_judged: usize::MAX,
            events_total: usize::MAX,
            key: Some(run.sentence.clone()),
            parts_open: usize::MAX,
            parts_total: usize::MAX,
        },
    });
    run.vacuous = Some(run.sentence.clone());
    let all = [
        Ruling::Valid,
        Ruling::Violation,
        Ruling::Unknown,
        Ruling::Vacuous,
        Ruling::Measured,
    ];
    all.into_iter()
        .map(|verdict| RunSummary {
            verdict,
            ..run.clone()
        })
        .collect()
}

#[test]
fn extremes_stay_within_the_bounds() {
    let long = 1 << 20;
    let texts = [
        "word ".repeat(long / 5),
        "x".repeat(long),
        "日本".repeat(long / 60),
        "`".repeat(long),
        "````\n".repeat(long / 50),
        "~~~\n- a\n# b\n".repeat(1_000),
        "\u{0}\u{1b}\u{202e}".repeat(1_000),
        "\n".repeat(10_000),
        "e\u{301}".repeat(10_000),
        "'\\ \"".repeat(10_000),
        " ".repeat(10_000),
        String::new(),
    ];
    for text in texts {
        let runs = verdicts(filled(&text));
        for run in &runs {
            check(&section(run));
        }
        check(&render(&runs));
    }
}

#[test]
fn many_runs_are_cut_and_say_so() {
    let bad = filled(&"日本".repeat(100));
    let runs: Vec<RunSummary> = (0..1_000).map(|_| bad.clone()).collect();
    let text = render(&runs);
    check(&text);
    assert!(text.contains("\nNot in the table: 800 more.\n"), "{text}");
    assert!(text.contains("more that did not pass.\n"), "{text}");
    assert!(
        text.matches("### **violation**").count() > 0,
        "what failed comes before the table"
    );
    assert!(render(&[]).starts_with("### 0 of 0 runs passed"));
}

#[test]
fn what_is_cut_says_how_much_and_where_it_is() {
    let mut run = summary(&Scenario::stale_read());
    run.violations.clients.as_mut().unwrap().explanation =
        format!("{}so much for that\n", "a line\n".repeat(500));
    run.violations.inside = vec![violation("one\ntwo\nthree\nfour\nfive"); 9];
    run.command = "word ".repeat(300);
    let text = section(&run);
    check(&text);
    for wanted in [
        "more lines in report.html\n",
        "  and 3 more lines in report.html\n",
        "and 8 more in report.html\n",
        "# a long command: see `command` in run.json\n",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in {text}");
    }
    // What comes last is what it comes to.
    let shown = answers(&text).matches("a line\n").count();
    assert!(shown > 5, "{shown} lines of 500 are shown within the first");
    let (_, end) = text
        .split_once(&format!("and {} more lines in report.html\n", 500 - shown))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(end.starts_with("so much for that\n"), "{text}");
}

#[test]
fn the_file_of_a_hostile_run_stays_within_the_bounds() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = hostile().write(out.path());
    check(&file(&directory, "summary.md"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_text_stays_within_the_bounds(text in "([ -~]|\u{1b}|\n|`|日|é|한|😀| ){0,400}") {
        for run in verdicts(filled(&text)) {
            check(&section(&run));
        }
    }
}
