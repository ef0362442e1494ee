//! Two runs side by side.

use crate::common::Scenario;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use stormglass_nemesis::record::Marks;
use stormglass_nemesis::replay::Difference;
use stormglass_nemesis::trial::Arena;
use stormglass_reports::RunDirectory;
use stormglass_reports::diff::{Diff, Side};

fn side(out: &Path, scenario: &Scenario) -> Side {
    Side::read(&scenario.write(out).0).unwrap()
}

fn page(diff: &Diff, a: &Side, b: &Side, out: &Path) -> String {
    fs::read_to_string(diff.write(a, b, out).unwrap()).unwrap()
}

fn marks(digits: &str) -> Marks {
    Marks {
        every: 1,
        digits: digits.to_string(),
    }
}

/// The tutorial: the same trial came to two ends, and everybody should hear of it.
#[test]
fn one_trial_with_two_ends_is_called_nondeterminism_and_told_where_it_parts() {
    let out = tempfile::tempdir().unwrap();
    let mut before = Scenario::storm();
    before.record.inputs = 6;
    before.record.marks = marks("000100020003000400050006");
    let mut again = Scenario::storm();
    again.record.inputs = 6;
    again.record.marks = marks("00010002ffff000400050006");
    again.record.digest = "f".repeat(32);
    // One read more, in the middle of the storm.
    again.ok(1, 3_000, 3_001, "read", "k0", Value::Null, json!(5));
    let (a, b) = (side(out.path(), &before), side(out.path(), &again));
    let diff = Diff::of(&a, &b);
    assert!(diff.same_trial && diff.diverged && !diff.same);
    let at = diff.event.unwrap();
    assert_eq!(
        at,
        before_3_seconds(&a),
        "all events before that are the same"
    );
    assert_eq!(
        diff.sentence,
        format!(
            "The runs are the same up to input 2 of 6 and event {at} of 92 and 94 of the history (2.823 s)."
        )
    );
    let meaning = diff.meaning(&a).unwrap();
    assert!(meaning.starts_with("NONDETERMINISM: "), "{meaning}");
    assert!(meaning.contains("an unbiased select"), "{meaning}");
    let page = page(&diff, &a, &b, out.path());
    assert!(page.contains("<p class=\"badge\">DIVERGED</p>"));
    assert!(page.contains("Both are runs of the same trial"));
    assert!(page.contains("The first input of a node that differs is number 3."));
    let rows = page.matches("<tr><th scope=\"row\">").count();
    assert!(rows > 10);
    let first = format!("&#9654; {}, first difference</th>", at + 1);
    assert!(page.contains(&first), "{first}");
    assert_eq!(page.matches("<tr class=\"first\">").count(), 1);
    assert!(page.contains("3.000000000 s  process 1  invoke  read  k0"));
    for around in [at - 4, at, at + 2, at + 6] {
        assert!(
            page.contains(&format!("{around}, ")),
            "event {around} is shown"
        );
    }
    assert!(!page.contains(&format!("\">{}, same", at - 5)));
}

fn before_3_seconds(side: &Side) -> usize {
    let events = &side.run.history.events;
    events
        .iter()
        .filter(|event| event.time < 3_000_000_000)
        .count()
}

#[test]
fn a_run_and_its_copy_are_the_same() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::stale_read();
    let (a, b) = (side(out.path(), &scenario), side(out.path(), &scenario));
    let diff = Diff::of(&a, &b);
    assert!(diff.same && !diff.diverged);
    assert_eq!(
        diff.sentence,
        "The runs are the same: 1,234 inputs and 98 events of the history."
    );
    assert_eq!((diff.meaning(&a), diff.event), (None, None));
    let page = page(&diff, &a, &b, out.path());
    assert!(page.contains("<p class=\"badge\">SAME</p>"));
    assert!(!page.contains("<strong>differs</strong>"));
    assert!(!page.contains("Where the histories part"));
}

#[test]
fn two_trials_are_said_to_be_two_before_anything_else() {
    let out = tempfile::tempdir().unwrap();
    let (one, mut other) = (Scenario::storm(), Scenario::stale_read());
    other.trial.seed = 8;
    other.trial.knobs.heartbeat_interval_ms += 1;
    other.trial.schedule.remove(1);
    other.record.faults.remove(1);
    let (a, b) = (side(out.path(), &one), side(out.path(), &other));
    let diff = Diff::of(&a, &b);
    assert!(!diff.same_trial && !diff.diverged && !diff.same);
    let fields: Vec<&str> = diff
        .settings
        .iter()
        .map(|setting| setting.field.as_str())
        .collect();
    assert_eq!(
        fields,
        ["knobs.heartbeat_interval_ms", "schedule[id 1]", "seed"]
    );
    assert_eq!(
        (&diff.settings[2].a, &diff.settings[2].b),
        (&Some(json!(7)), &Some(json!(8)))
    );
    assert_eq!(diff.settings[1].b, None);
    let meaning = diff.meaning(&a).unwrap();
    assert!(
        meaning.starts_with("These are two trials: knobs, schedule and seed differ."),
        "{meaning}"
    );
    let page = page(&diff, &a, &b, out.path());
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("These are two trials") < at("The runs are the same in all"));
    assert!(page.contains("(absent)"));
    assert!(page.contains("<span class=\"mark violation\">violation</span>"));
}

#[test]
fn what_must_not_repeat_is_no_nondeterminism() {
    let out = tempfile::tempdir().unwrap();
    let differing = |change: &dyn Fn(&mut Scenario)| {
        let (mut one, mut other) = (Scenario::storm(), Scenario::storm());
        change(&mut one);
        change(&mut other);
        other.ok(1, 3_000, 3_001, "read", "k0", Value::Null, json!(5));
        let (a, b) = (side(out.path(), &one), side(out.path(), &other));
        let diff = Diff::of(&a, &b);
        (diff.diverged, diff.meaning(&a).unwrap_or_default())
    };
    let (diverged, meaning) = differing(&|scenario| scenario.trial.arena = Arena::Live);
    assert!(
        !diverged && meaning.contains("where nothing repeats"),
        "{meaning}"
    );
    let (diverged, meaning) = differing(&|scenario| scenario.record.interrupted = true);
    assert!(
        !diverged && meaning.contains("one was interrupted"),
        "{meaning}"
    );
    let (diverged, _) = differing(&|_| ());
    assert!(diverged);
}

#[test]
fn each_place_where_runs_can_part_has_its_sentence() {
    let out = tempfile::tempdir().unwrap();
    let against = |change: &dyn Fn(&mut Scenario)| {
        let (one, mut other) = (Scenario::storm(), Scenario::storm());
        change(&mut other);
        let (a, b) = (side(out.path(), &one), side(out.path(), &other));
        let diff = Diff::of(&a, &b);
        let page = page(&diff, &a, &b, out.path());
        (diff, page)
    };
    let (diff, _) = against(&|other| other.record.digest = "e".repeat(32));
    assert_eq!(
        diff.sentence,
        "The runs differ from the first input on, and their 92 events of the history are the same."
    );
    let (diff, _) = against(&|other| {
        other.ok(1, 0, 1, "read", "k0", Value::Null, Value::Null);
    });
    assert_eq!(
        diff.sentence,
        "The nodes took the same 1,234 inputs, and their histories differ from the first event on."
    );
    let (diff, page) = against(&|other| {
        other.ok(1, 10_900, 10_901, "read", "k0", Value::Null, json!(15));
    });
    assert_eq!(
        diff.sentence,
        "The runs are the same in all 1,234 inputs, up to event 92 of 92 and 94 of the history (10.145 s)."
    );
    assert!(page.contains("(the history has ended)"));
    let (diff, page) = against(&|other| other.record.traffic.cut += 1);
    assert_eq!(diff.difference, Some(Difference::Record));
    assert!(
        diff.sentence.contains("only what was written down"),
        "{}",
        diff.sentence
    );
    assert!(
        page.contains("<code>traffic.cut</code>"),
        "the field is named"
    );
    let (diff, _) = against(&|other| {
        other.record.digest = "e".repeat(32);
        other.record.marks.every = 64;
    });
    assert!(diff.diverged, "{}", diff.sentence);
}

#[test]
fn events_that_differ_where_nobody_sees_it_are_not_shown_as_the_same() {
    let out = tempfile::tempdir().unwrap();
    let ending = |end: char| {
        let mut scenario = Scenario::storm();
        let value = json!(format!("{}{end}", "x".repeat(900)));
        scenario.ok(0, 10_900, 10_901, "write", "k0", value, Value::Null);
        side(out.path(), &scenario)
    };
    let (a, b) = (ending('1'), ending('2'));
    let page = page(&Diff::of(&a, &b), &a, &b, out.path());
    let said = "(index 92; they differ in it, or beyond what is shown)";
    assert_eq!(page.matches(said).count(), 2);
}

#[test]
fn damaged_files_are_errors_that_name_them_and_a_missing_summary_is_judged_again() {
    let out = tempfile::tempdir().unwrap();
    let (directory, summary) = Scenario::stale_read().write(out.path());
    fs::remove_file(directory.path().join("run.json")).unwrap();
    let read = Side::read(&directory).unwrap();
    assert_eq!(read.summary.sentence, summary.sentence);
    assert!(
        !directory.path().join("run.json").exists(),
        "nothing is written"
    );
    fs::remove_file(directory.path().join("record.json")).unwrap();
    let error = Side::read(&directory).err().unwrap().to_string();
    assert!(error.contains("record.json: missing"), "{error}");
    // A record may say of its marks what it likes.
    let mut odd = Scenario::storm();
    odd.record.digest = "d".repeat(32);
    for (every, digits) in [(0, "zz"), (u64::MAX, "\u{e9}\u{e9}\u{e9}")] {
        odd.record.marks.every = every;
        odd.record.marks.digits = digits.to_string();
        let (a, b) = (side(out.path(), &Scenario::storm()), side(out.path(), &odd));
        assert!(Diff::of(&a, &b).diverged);
    }
}

#[test]
fn nothing_from_a_run_becomes_markup_and_no_name_leaves_the_directory() {
    let out = tempfile::tempdir().unwrap();
    let attack = "</style><img src=x onerror=alert(1)>\u{202e}{{ 7*7 }}";
    let mut one = Scenario::storm();
    let mut other = Scenario::storm();
    for (scenario, value) in [(&mut one, 1), (&mut other, 2)] {
        scenario.trial.mutant = Some(format!("{attack}{value}"));
        scenario.ok(
            1,
            3_000,
            3_001,
            "write",
            attack,
            json!(attack),
            json!([attack, value]),
        );
        scenario.unknown(9, 3_002, 3_003, attack, json!(attack), attack);
    }
    let (mut a, b) = (side(out.path(), &one), side(out.path(), &other));
    a.name = format!("../../{attack}/{}", "long".repeat(100));
    a.summary.sentence = attack.to_string();
    let diff = Diff::of(&a, &b);
    let path = diff.write(&a, &b, out.path()).unwrap();
    assert_eq!(path.parent(), Some(out.path()));
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("diff-") && name.len() < 255, "{name}");
    assert!(name.ends_with(&format!("-{}.html", b.name)), "{name}");
    let page = fs::read_to_string(path).unwrap();
    for markup in ["<img", "\u{202e}"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("onerror="), "it is all there, as text");
    assert_eq!(page.matches("<script").count(), 0);
}

#[test]
fn a_shrunk_run_can_be_laid_beside_the_one_it_was_made_from() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::stale_read();
    let (directory, _) = scenario.write(out.path());
    let mut small = Scenario::stale_read();
    small.trial.schedule.clear();
    small.record.faults.clear();
    let shrunk = directory.create_shrunk(&small.trial).unwrap();
    let timings = stormglass_reports::Timings::default();
    let judged = small.judged();
    shrunk
        .write(&small.trial, &small.run(), &judged, &timings, "again")
        .unwrap();
    let b = RunDirectory::at(&directory.path().join("shrunk")).unwrap();
    let (a, b) = (Side::read(&directory).unwrap(), Side::read(&b).unwrap());
    let path = Diff::of(&a, &b).write(&a, &b, out.path()).unwrap();
    let wanted = format!("diff-{0}-{0}-shrunk.html", directory.name());
    assert_eq!(path, out.path().join(wanted));
}

/// A file that lost its end is no other run.
#[test]
fn a_history_that_lost_its_end_is_refused_and_not_called_nondeterminism() {
    let out = tempfile::tempdir().unwrap();
    let (whole, _) = Scenario::storm().write(out.path());
    let (cut, _) = Scenario::storm().write(out.path());
    let path = cut.path().join("history.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let half: String = text
        .lines()
        .take(40)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&path, half).unwrap();
    assert!(Side::read(&whole).is_ok());
    let refused = Side::read(&cut).err().expect("it is not whole").to_string();
    assert!(
        refused
            .contains("history.jsonl:40: it ends here, after 20 calls, where run.json counts 46"),
        "{refused}"
    );
}
