//! What is said of runs: a line, a paragraph, and what several came to.

use super::Exit;
use super::run::Done;
use stormglass_nemesis::judge::Ruling;
use stormglass_nemesis::replay::USUAL_CAUSES;

/// What is said of a finding that does not repeat.
fn not_reproducible(done: &Done) -> Option<String> {
    let difference = done.differs.as_ref()?;
    Some(format!(
        "not reproducible, {difference}\n    {USUAL_CAUSES}"
    ))
}

fn verdict(done: &Done) -> &'static str {
    match done.exit {
        Exit::Interrupted => "INTERRUPTED",
        _ => match done.judged.ruling {
            Ruling::Valid => "VALID",
            Ruling::Violation => "VIOLATION",
            Ruling::Unknown => "UNKNOWN",
            Ruling::Vacuous => "VACUOUS",
            Ruling::Measured => "MEASURED",
        },
    }
}

/// One run of several.
pub(super) fn line(done: &Done) -> String {
    let counts = &done.judged.counts;
    let text = format!(
        "seed {:<6} {:<9} {} of {} operations ok, {} of {} faults installed",
        done.trial.seed,
        verdict(done),
        counts.ok,
        counts.operations,
        counts.faults_installed,
        counts.faults_planned
    );
    if done.judged.ruling == Ruling::Valid && done.exit == Exit::Valid {
        return text;
    }
    let unsure = not_reproducible(done).map_or(String::new(), |unsure| format!("\n    {unsure}"));
    format!(
        "{text}\n    {}{unsure}\n    replay: {}",
        done.judged.sentence,
        done.directory.replay_command()
    )
}

/// A single run.
pub(super) fn paragraph(done: &Done) -> String {
    let Done {
        trial,
        judged,
        summary,
        directory,
        ..
    } = done;
    let mut text = format!("{}  {}\n", verdict(done), judged.sentence);
    if let Some(unsure) = not_reproducible(done) {
        text += &format!("  {unsure}\n");
    }
    for violation in &judged.violations {
        let place = violation
            .node
            .map(|node| format!(" at {node}"))
            .unwrap_or_default();
        let time_s = violation.time_ns as f64 / 1e9;
        text += &format!(
            "  {}{place} after {time_s:.3} s: {}\n",
            violation.name, violation.message
        );
    }
    if let stormglass_checker::Verdict::Invalid(evidence) = &judged.judgement.verdict {
        for line in evidence.explanation.lines() {
            text += &format!("  {line}\n");
        }
    }
    let counts = &judged.counts;
    text += &format!(
        "  {} nodes, {} clients: {} operations, {} ok, {} fail, {} of unknown outcome\n",
        trial.nodes, trial.clients, counts.operations, counts.ok, counts.fail, counts.info
    );
    let installed: Vec<&str> = summary
        .coverage
        .iter()
        .filter(|(_, coverage)| coverage.installed > 0)
        .map(|(kind, _)| kind.as_str())
        .collect();
    text += &format!(
        "  {} of {} faults installed{}{}\n",
        counts.faults_installed,
        counts.faults_planned,
        if installed.is_empty() { "" } else { ": " },
        installed.join(", ")
    );
    let cpu_ms = summary.timings.simulate_cpu_ms.unwrap_or_default()
        + summary.timings.judge_cpu_ms.unwrap_or_default();
    let simulated_s = summary.simulated_ns as f64 / 1e9;
    if !trial.arena.repeats() {
        text += &format!("  {simulated_s:.1} s on real processes\n");
        text += &format!("  report  {}", directory.page().display());
        return text;
    }
    text += &format!(
        "  {simulated_s:.1} simulated s in {:.2} CPU s, digest {}\n",
        cpu_ms / 1e3,
        summary.digest
    );
    text += &format!("  report  {}\n", directory.page().display());
    text += &format!("  replay  {}", directory.replay_command());
    text
}

/// What several runs came to.
#[derive(Default)]
pub(super) struct Tally {
    valid: u64,
    violations: u64,
    unknown: u64,
    vacuous: u64,
    measured: u64,
    interrupted: u64,
    kinds: std::collections::BTreeSet<String>,
}

impl Tally {
    /// How many runs there were, whatever came of them.
    pub(super) fn runs(&self) -> u64 {
        let judged = self.valid + self.violations + self.unknown + self.vacuous;
        judged + self.measured + self.interrupted
    }

    pub(super) fn add(&mut self, done: &Done) {
        match done.judged.ruling {
            // What half a run says of the promise is no verdict.
            _ if done.exit == Exit::Interrupted => self.interrupted += 1,
            Ruling::Valid => self.valid += 1,
            Ruling::Violation => self.violations += 1,
            Ruling::Unknown => self.unknown += 1,
            Ruling::Vacuous => self.vacuous += 1,
            Ruling::Measured => self.measured += 1,
        }
        let installed = done
            .summary
            .coverage
            .iter()
            .filter(|(_, coverage)| coverage.installed > 0);
        self.kinds.extend(installed.map(|(kind, _)| kind.clone()));
    }

    pub(super) fn text(&self) -> String {
        let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        let also = |count: u64, what: &str| match count {
            0 => String::new(),
            count => format!(", {count} {what}"),
        };
        let also = also(self.measured, "measured") + &also(self.interrupted, "interrupted");
        format!(
            "{} valid, {} violations, {} unknown, {} vacuous{also}; {} kinds of fault installed: {}",
            self.valid,
            self.violations,
            self.unknown,
            self.vacuous,
            kinds.len(),
            kinds.join(", ")
        )
    }
}
