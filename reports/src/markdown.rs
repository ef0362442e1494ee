//! `summary.md`: did it hold, how do I see it again, and what went wrong, for the page of a job and for a terminal.
//!
//! A section answers these three within its first lines, and no line of it is wider than a terminal of a phone. What comes from outside stands
//! in fenced blocks, where it needs no escapes that would lengthen it. However large a run's texts are, the file stays small.

use crate::columns::{columns, fit, wrap};
use crate::escape::{fenced, markdown};
use crate::shell::continued;
use crate::summary::{RunSummary, word};
use crate::units;
use std::fmt::Write;
use stormglass_checker::{Evidence, Operation, Reason, Unknown};
use stormglass_nemesis::judge::Ruling;
use stormglass_nemesis::record::Violation;

/// The most columns of a line.
pub const COLUMNS_MAX: usize = 60;

/// Within so many lines a section says whether it held, how to see it again, and what went wrong.
pub const ANSWER_LINES_MAX: usize = 40;

/// The most bytes of the whole.
pub const BYTES_MAX: usize = 64 << 10;

/// The most columns of a line in a fenced block: a fence around a line of nothing but backticks is one longer, and says that it is text.
const BLOCK_COLUMNS_MAX: usize = 55;

/// The most lines of a sentence, of a command, of the colliding operations, of the laws broken inside alone and beside those, and of a message.
const SENTENCE_LINES_MAX: usize = 4;
const COMMAND_LINES_MAX: usize = 6;
const CULPRITS_MAX: usize = 6;
const VIOLATIONS_MAX: usize = 4;
const VIOLATIONS_BESIDE_MAX: usize = 1;
const MESSAGE_LINES_MAX: usize = 3;

/// The most measures that are listed.
const MEASURES_MAX: usize = 50;

/// The most runs in a table, and the most that have a section besides.
const RUNS_MAX: usize = 200;
const SECTIONS_MAX: usize = 5;

/// One run as a section; several as a section for each that did not pass, and a table of all.
pub fn render(runs: &[RunSummary]) -> String {
    match runs {
        [run] => section(run),
        runs => several(runs),
    }
}

fn several(runs: &[RunSummary]) -> String {
    let of = |ruling| runs.iter().filter(move |run| run.verdict == ruling);
    let passed = of(Ruling::Valid).count();
    let mut text = format!("### {passed} of {} runs passed\n", runs.len());
    if runs.is_empty() {
        return text;
    }
    // What is worst comes first.
    let order = [
        Ruling::Violation,
        Ruling::Unknown,
        Ruling::Vacuous,
        Ruling::Measured,
    ];
    let failed: Vec<&RunSummary> = order.into_iter().flat_map(of).collect();
    let table = table(runs);
    let mut shown = 0;
    for run in failed.iter().take(SECTIONS_MAX) {
        let section = section(run);
        if text.len() + section.len() + table.len() + 2 * COLUMNS_MAX > BYTES_MAX {
            break;
        }
        let _ = write!(text, "\n{section}");
        shown += 1;
    }
    match failed.len() - shown {
        0 => {}
        more => {
            let _ = writeln!(text, "\nNo section here: {more} more that did not pass.");
        }
    }
    let _ = write!(text, "\n{table}");
    text
}

/// The most columns of a run's name in the table.
const NAME_COLUMNS_MAX: usize = 28;

fn table(runs: &[RunSummary]) -> String {
    let mut text = "| run | verdict | operations |\n| --- | --- | ---: |\n".to_string();
    for run in runs.iter().take(RUNS_MAX) {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            escaped(&run.run, NAME_COLUMNS_MAX),
            emphasised(run.verdict),
            units::count(run.counts.operations),
        );
    }
    if runs.len() > RUNS_MAX {
        let _ = writeln!(text, "\nNot in the table: {} more.", runs.len() - RUNS_MAX);
    }
    text
}

/// A text for a line of Markdown that takes so many columns as it is written, escapes and all.
fn escaped(text: &str, columns_max: usize) -> String {
    let fits = (0..=columns_max)
        .rev()
        .map(|width| markdown(&fit(text, width)));
    let mut fits = fits.filter(|escaped| columns(escaped) <= columns_max);
    fits.next().unwrap_or_default()
}

fn section(run: &RunSummary) -> String {
    let mut text = heading(run);
    let (sentence, more) = wrap(&run.sentence, BLOCK_COLUMNS_MAX, SENTENCE_LINES_MAX);
    block(&mut text, "", cut(sentence, more));
    block(&mut text, "See it again:", command(run));
    let used = text.lines().count();
    if let Some(story) = story(run, ANSWER_LINES_MAX.saturating_sub(used)) {
        block(&mut text, story.title, story.lines);
    }
    details(&mut text, run);
    text
}

fn heading(run: &RunSummary) -> String {
    let verdict = emphasised(run.verdict);
    let seed = format!(", seed {}", run.seed);
    let frame = columns(&format!("### {verdict}: {seed}"));
    let what = format!("{} {}", run.cluster, run.workload);
    let what = escaped(&what, COLUMNS_MAX.saturating_sub(frame));
    format!("### {verdict}: {what}{seed}\n")
}

/// A title and a fenced block.
fn block(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    if !title.is_empty() {
        let _ = write!(text, "\n{title}\n");
    }
    let _ = write!(text, "\n{}", fenced(&lines.join("\n")));
}

/// Says how many lines there would be more.
fn cut(mut lines: Vec<String>, more: usize) -> Vec<String> {
    if more > 0 {
        lines.pop();
        lines.push(format!("and {} more lines in report.html", more + 1));
    }
    lines
}

fn command(run: &RunSummary) -> Vec<String> {
    let lines = continued(&run.command, BLOCK_COLUMNS_MAX);
    match lines.len() {
        0..=COMMAND_LINES_MAX => lines,
        // Half a command is worse than none.
        _ => vec!["# a long command: see `command` in run.json".to_string()],
    }
}

/// What went wrong, in words.
struct Story {
    title: &'static str,
    lines: Vec<String>,
}

fn story(run: &RunSummary, lines_max: usize) -> Option<Story> {
    // A title, a fence and the empty lines around them.
    let lines_max = lines_max.saturating_sub(5);
    let what_broke = |title| {
        let lines = broken(run, lines_max);
        (!lines.is_empty()).then_some(Story { title, lines })
    };
    match run.verdict {
        Ruling::Valid => None,
        Ruling::Violation => what_broke("What went wrong:"),
        Ruling::Measured => what_broke("What was measured, beyond the promise:"),
        Ruling::Unknown => Some(Story {
            title: "Why nobody knows, and what to change:",
            lines: undecided(run.unknown.as_ref()),
        }),
        Ruling::Vacuous => {
            let reason = run.vacuous.as_deref().unwrap_or("nothing says why");
            let (reason, more) = wrap(reason, BLOCK_COLUMNS_MAX, SENTENCE_LINES_MAX);
            let remedy = "Let it run longer (--time), with more clients (--clients) or other faults (--faults); or, where that is what was \
                          meant, lower `vacuity` in trial.json and replay that.";
            let (remedy, _) = wrap(remedy, BLOCK_COLUMNS_MAX, 2 * SENTENCE_LINES_MAX);
            Some(Story {
                title: "Why it tested nothing, and what to change:",
                lines: [cut(reason, more), remedy].concat(),
            })
        }
    }
}

fn undecided(unknown: Option<&Unknown>) -> Vec<String> {
    let Some(unknown) = unknown else {
        return Vec::new();
    };
    let progress = &unknown.progress;
    let at_key = progress.key.as_deref();
    let at_key = at_key.map(|key| format!(" (at key {})", fit(key, BLOCK_COLUMNS_MAX)));
    let (limit, remedy) = match unknown.reason {
        Reason::Steps => ("steps", "Raise `limits.steps` in trial.json"),
        Reason::Bytes => ("bytes", "Raise `limits.bytes` in trial.json"),
        Reason::Time => ("nanoseconds", "Give the judge more time"),
    };
    let why = format!(
        "The judge may take {} {limit}. It had settled {} of {} events{}; {} of {} parts have no answer.\n{remedy} and replay that, or make the run \
         shorter (--time).",
        units::count(unknown.limit),
        units::count(progress.events_judged as u64),
        units::count(progress.events_total as u64),
        at_key.unwrap_or_default(),
        progress.parts_open,
        progress.parts_total,
    );
    wrap(&why, BLOCK_COLUMNS_MAX, 2 * SENTENCE_LINES_MAX).0
}

/// What the clients saw and what broke inside, in so many lines.
fn broken(run: &RunSummary, lines_max: usize) -> Vec<String> {
    let violations = &run.violations.inside;
    let Some(evidence) = &run.violations.clients else {
        return inside(violations, VIOLATIONS_MAX);
    };
    let line = |text: String| fit(&text, BLOCK_COLUMNS_MAX);
    let promise = run.promise.split(':').next().unwrap_or_default();
    let mut lines = vec![line(format!("promise  {promise}"))];
    let key = evidence.key.as_ref();
    lines.extend(key.map(|key| line(format!("key      {key}"))));
    let inside = inside(violations, VIOLATIONS_BESIDE_MAX);
    let room = lines_max.saturating_sub(lines.len() + inside.len() + 2);
    lines.push(String::new());
    lines.extend(shortened(&proof(evidence), room));
    if !inside.is_empty() {
        lines.push(String::new());
        lines.extend(inside);
    }
    lines
}

/// The proof in prose, with an operation in a line of its own where it is introduced. The promise stands above by its name.
fn proof(evidence: &Evidence) -> String {
    let promised = format!("Promised is {}. ", evidence.promise);
    let explanation = evidence.explanation.replacen(&promised, "", 1);
    let introduces = |line: &&str| line.starts_with("  #");
    let (operations, prose): (Vec<&str>, Vec<&str>) = explanation.lines().partition(introduces);
    let before = explanation.lines().take_while(|line| !introduces(line));
    let before = match operations.is_empty() {
        true => 0,
        false => before.count(),
    };
    let culprits = &evidence.culprits;
    let mut introduced: Vec<String> = culprits.iter().take(CULPRITS_MAX).map(culprit).collect();
    if culprits.len() > CULPRITS_MAX {
        let more = culprits.len() - CULPRITS_MAX;
        introduced.push(format!("and {more} more operations in report.html"));
    }
    let (before, behind) = prose.split_at(before);
    let introduced: Vec<&str> = introduced.iter().map(String::as_str).collect();
    [before, &introduced, behind].concat().join("\n")
}

/// A text in so many lines. Where it is longer, what it comes to is at its end, and stays.
fn shortened(text: &str, lines_max: usize) -> Vec<String> {
    let (mut lines, more) = wrap(text, BLOCK_COLUMNS_MAX, lines_max);
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    let (end, end_more) = wrap(last, BLOCK_COLUMNS_MAX, lines_max / 2);
    if more == 0 || end_more > 0 {
        return cut(lines, more);
    }
    let all = lines.len() + more;
    lines.truncate(lines_max.saturating_sub(end.len() + 1));
    let more = all - lines.len() - end.len();
    lines.push(format!("and {more} more lines in report.html"));
    lines.extend(end);
    lines
}

/// An operation in a line. When it was is said last, and is never cut.
fn culprit(operation: &Operation) -> String {
    let returned = match operation.deadline() {
        Some(event) => format!("{event}"),
        None => "?".to_string(),
    };
    let when = format!(", events {} to {returned}", operation.call);
    // A value may be megabytes long, and its text is made only to be cut.
    let what = format!("#{} p{} {operation}", operation.id, operation.process);
    let what = fit(&what, BLOCK_COLUMNS_MAX.saturating_sub(columns(&when)));
    format!("{what}{when}")
}

/// The laws broken inside the cluster.
fn inside(violations: &[Violation], violations_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for violation in violations.iter().take(violations_max) {
        let node = violation.node.map(|node| format!(" at {node}"));
        let when = format!(
            "{}, {}",
            node.unwrap_or_default(),
            units::moment(violation.time_ns)
        );
        let name = fit(
            &violation.name,
            BLOCK_COLUMNS_MAX.saturating_sub(columns(&when)),
        );
        lines.push(format!("{name}{when}"));
        let (message, more) = wrap(&violation.message, BLOCK_COLUMNS_MAX - 2, MESSAGE_LINES_MAX);
        let message = cut(message, more);
        lines.extend(message.iter().map(|line| format!("  {line}")));
    }
    if violations.len() > violations_max {
        let more = units::count((violations.len() - violations_max) as u64);
        lines.push(format!("and {more} more in report.html"));
    }
    lines
}

/// What was counted, and what the run was.
fn details(text: &mut String, run: &RunSummary) {
    let counts = &run.counts;
    let mut lines = vec![
        format!(
            "{} operations: {} ok, {} fail, {} unknown",
            units::count(counts.operations),
            units::count(counts.ok),
            units::count(counts.fail),
            units::count(counts.info),
        ),
        format!(
            "{} of {} faults installed",
            counts.faults_installed, counts.faults_planned
        ),
        format!(
            "{} of {} time in the {} arena, {} nodes, {} clients{}",
            units::duration(run.simulated_ns),
            run.arena.time(),
            run.arena.name(),
            run.nodes,
            run.clients,
            if run.interrupted { ", interrupted" } else { "" },
        ),
    ];
    lines.extend(
        run.mutant
            .as_ref()
            .map(|mutant| format!("planted bug {mutant}")),
    );
    lines.push(format!("digest {}", run.digest));
    lines.push(format!("run {}", run.run));
    for measure in run.measures.iter().take(MEASURES_MAX) {
        lines.push(format!(
            "{}: {} of {}, {}",
            measure.name,
            units::count(measure.count),
            units::count(measure.of),
            measure.meaning,
        ));
    }
    if run.measures.len() > MEASURES_MAX {
        lines.push(format!(
            "and {} more measures in run.json",
            run.measures.len() - MEASURES_MAX
        ));
    }
    let lines = lines.iter().flat_map(|line| {
        let (lines, more) = wrap(line, BLOCK_COLUMNS_MAX, MESSAGE_LINES_MAX);
        cut(lines, more)
    });
    block(text, "What was counted:", lines.collect());
}

fn emphasised(ruling: Ruling) -> String {
    match ruling {
        Ruling::Valid => "valid".to_string(),
        other => format!("**{}**", word(other)),
    }
}
