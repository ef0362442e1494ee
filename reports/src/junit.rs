//! `junit.xml`: a run as a test case.
//!
//! A violation is a failure. Unknown is an error: the test did not come to an end. Vacuous is a failure too, because tools show a
//! skipped test as harmless, and a run that tested nothing is not.

use crate::error::ReportError;
use crate::escape::{visible, visible_lines};
use crate::summary::{RunSummary, word};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_nemesis::judge::Ruling;

/// One document for any number of runs: a suite for each cluster and workload, a case for each run.
///
/// # Errors
/// [`ReportError::Rendering`], should the writer refuse.
pub fn render(runs: &[RunSummary]) -> Result<String, ReportError> {
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    for run in runs {
        let name = visible(&format!("{} {}", run.cluster, run.workload));
        let suite = suites
            .entry(name.clone())
            .or_insert_with(|| TestSuite::new(name));
        suite.add_test_case(case(run));
    }
    let mut report = Report::new("stormglass");
    report.add_test_suites(suites.into_values());
    report.to_string().map_err(|error| ReportError::Rendering {
        what: "JUnit file",
        cause: error.to_string(),
    })
}

fn case(run: &RunSummary) -> TestCase {
    let mut status = match run.verdict {
        Ruling::Valid | Ruling::Measured => TestCaseStatus::success(),
        Ruling::Violation | Ruling::Vacuous => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Ruling::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if !matches!(run.verdict, Ruling::Valid | Ruling::Measured) {
        status
            .set_type(word(run.verdict))
            .set_message(visible(&run.sentence))
            .set_description(visible_lines(&story(run)));
    }
    let mutant = run
        .mutant
        .as_ref()
        .map(|mutant| format!(", mutant {mutant}"))
        .unwrap_or_default();
    let name = format!(
        "seed {}, {} arena{mutant} ({})",
        run.seed,
        run.arena.name(),
        run.run
    );
    let mut case = TestCase::new(visible(&name), status);
    case.set_classname(visible(&format!(
        "stormglass.{}.{}",
        run.cluster, run.workload
    )));
    let cpu_ms =
        run.timings.simulate_cpu_ms.unwrap_or(0.0) + run.timings.judge_cpu_ms.unwrap_or(0.0);
    // Timings come from a file; a number that is no length of time is left out.
    if let Ok(time) = Duration::try_from_secs_f64(cpu_ms / 1_000.0) {
        case.set_time(time);
    }
    // What a tool shows of a test that passed, if it shows anything.
    let shown = format!("{}\nRun it again: {}", run.sentence, run.command);
    case.set_system_out(visible_lines(&shown));
    case.add_property(("command", visible(&run.command).as_str()));
    case.add_property(("digest", visible(&run.digest).as_str()));
    case
}

/// Everything a reader of a log needs: what broke, and how to see it again.
fn story(run: &RunSummary) -> String {
    let mut lines = vec![run.sentence.clone()];
    lines.extend(
        run.violations
            .clients
            .iter()
            .map(|evidence| evidence.explanation.clone()),
    );
    for violation in &run.violations.inside {
        let node = violation
            .node
            .map(|node| format!(" at {node}"))
            .unwrap_or_default();
        lines.push(format!(
            "{}{node}, at {} ns: {}",
            violation.name, violation.time_ns, violation.message
        ));
    }
    lines.push(format!("Run it again: {}", run.command));
    lines.join("\n")
}
