//! `summary.md`: a few lines for the page of a job.

use crate::escape::{fenced, markdown, short};
use crate::summary::{RunSummary, word};
use crate::units;
use std::fmt::Write;
use stormglass_nemesis::judge::Ruling;

/// The most characters of one sentence.
const SENTENCE_CHARACTERS_MAX: usize = 400;

/// The most broken laws that are listed.
const VIOLATIONS_MAX: usize = 5;

/// The most measures that are listed.
const MEASURES_MAX: usize = 50;

/// The most runs in a table.
const RUNS_MAX: usize = 200;

/// One run as a section; several as a table, with a section for each that did not pass.
pub fn render(runs: &[RunSummary]) -> String {
    let [run] = runs else { return table(runs) };
    section(run)
}

fn table(runs: &[RunSummary]) -> String {
    let passed = runs
        .iter()
        .filter(|run| run.verdict == Ruling::Valid)
        .count();
    let mut text = format!("### {passed} of {} runs passed\n\n", runs.len());
    if runs.is_empty() {
        return text;
    }
    text.push_str(
        "| run | verdict | operations | ok | faults |\n| --- | --- | ---: | ---: | ---: |\n",
    );
    for run in runs.iter().take(RUNS_MAX) {
        let counts = &run.counts;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} of {} |",
            markdown(&run.run),
            emphasised(run.verdict),
            units::count(counts.operations),
            units::count(counts.ok),
            counts.faults_installed,
            counts.faults_planned,
        );
    }
    if runs.len() > RUNS_MAX {
        let _ = writeln!(text, "\nand {} more", runs.len() - RUNS_MAX);
    }
    for run in runs
        .iter()
        .filter(|run| run.verdict != Ruling::Valid)
        .take(VIOLATIONS_MAX)
    {
        let _ = write!(text, "\n{}", section(run));
    }
    text
}

fn section(run: &RunSummary) -> String {
    let counts = &run.counts;
    let mut text = format!(
        "### {}: {} {}, seed {}\n\n{}\n\n",
        emphasised(run.verdict),
        markdown(&run.cluster),
        markdown(&run.workload),
        run.seed,
        markdown(&short(&run.sentence, SENTENCE_CHARACTERS_MAX)),
    );
    let _ = writeln!(
        text,
        "{} operations: {} ok, {} fail, {} unknown. {} of {} faults installed. {} of {} time in the {} arena, {} nodes, {} clients.\n",
        units::count(counts.operations),
        units::count(counts.ok),
        units::count(counts.fail),
        units::count(counts.info),
        counts.faults_installed,
        counts.faults_planned,
        units::duration(run.simulated_ns),
        run.arena.time(),
        run.arena.name(),
        run.nodes,
        run.clients,
    );
    text.push_str(&measures(run));
    if let Some(mutant) = &run.mutant {
        let _ = writeln!(text, "Planted bug: {}.\n", markdown(mutant));
    }
    if let Some(evidence) = &run.violations.clients {
        text.push_str(&fenced(&evidence.explanation));
        text.push('\n');
    }
    for violation in run.violations.inside.iter().take(VIOLATIONS_MAX) {
        let node = violation
            .node
            .map(|node| format!(" at {node}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "- {}{node}, {}: {}",
            markdown(&violation.name),
            units::moment(violation.time_ns),
            markdown(&short(&violation.message, SENTENCE_CHARACTERS_MAX)),
        );
    }
    match run.violations.inside.len() {
        0 => {}
        more if more > VIOLATIONS_MAX => {
            let _ = writeln!(text, "- and {} more\n", more - VIOLATIONS_MAX);
        }
        _ => text.push('\n'),
    }
    text.push_str("Run it again:\n\n");
    text.push_str(&fenced(&run.command));
    let _ = writeln!(
        text,
        "\nDigest {}, run {}.",
        markdown(&run.digest),
        markdown(&run.run)
    );
    text
}

/// What else is worth knowing, as a table; nothing when there is nothing.
fn measures(run: &RunSummary) -> String {
    if run.measures.is_empty() {
        return String::new();
    }
    let mut text =
        "| measure | count | of | what is counted |\n| --- | ---: | ---: | --- |\n".to_string();
    for measure in run.measures.iter().take(MEASURES_MAX) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            markdown(&short(&measure.name, SENTENCE_CHARACTERS_MAX)),
            units::count(measure.count),
            units::count(measure.of),
            markdown(&short(&measure.meaning, SENTENCE_CHARACTERS_MAX)),
        );
    }
    text.push('\n');
    text
}

fn emphasised(ruling: Ruling) -> String {
    match ruling {
        Ruling::Valid => "valid".to_string(),
        other => format!("**{}**", word(other)),
    }
}
