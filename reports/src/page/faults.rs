//! What was done to the cluster: each fault, as planned and as it went.

use crate::escape::short;
use crate::summary::RunSummary;
use crate::units::{count, duration, moment};
use stormglass_nemesis::record::{FaultRecord, FaultStatus};
use stormglass_nemesis::schedule::{Fault, When};
use stormglass_nemesis::trial::Trial;

pub(super) struct FaultRow {
    pub(super) id: u32,
    pub(super) kind: &'static str,
    pub(super) family: &'static str,
    pub(super) planned: String,
    pub(super) began: String,
    pub(super) lasted: String,
    pub(super) nodes: String,
    pub(super) status: &'static str,
    pub(super) reason: String,
    pub(super) effects: String,
    /// Whether the timeline shows it.
    pub(super) drawn: bool,
}

pub(super) struct CoverageRow {
    pub(super) kind: String,
    pub(super) summary: &'static str,
    pub(super) installed: u64,
    pub(super) skipped: u64,
    pub(super) indeterminate: u64,
}

pub(super) fn coverage(summary: &RunSummary) -> Vec<CoverageRow> {
    let infos = stormglass_nemesis::faults::FAULTS;
    let rows = summary.coverage.iter().map(|(kind, coverage)| CoverageRow {
        kind: kind.clone(),
        summary: infos
            .iter()
            .find(|info| info.name == kind)
            .map_or("", |info| info.summary),
        installed: coverage.installed,
        skipped: coverage.skipped,
        indeterminate: coverage.indeterminate,
    });
    rows.collect()
}

pub(super) fn fault_row(trial: &Trial, fault: &FaultRecord) -> FaultRow {
    let planned = trial.schedule.iter().find(|planned| planned.id == fault.id);
    let (status, reason) = match &fault.status {
        FaultStatus::Installed => ("installed", String::new()),
        FaultStatus::Skipped { reason } => ("skipped", short(reason, 200)),
        FaultStatus::Indeterminate { reason } => ("indeterminate", short(reason, 200)),
    };
    let lasted = match (fault.from_ns, fault.until_ns) {
        (Some(from_ns), Some(until_ns)) => duration(until_ns.saturating_sub(from_ns)),
        (Some(_), None) => "to the end".to_string(),
        _ => String::new(),
    };
    FaultRow {
        id: fault.id,
        kind: fault.kind.name(),
        family: fault.kind.info().family,
        planned: planned.map(plan).unwrap_or_default(),
        began: fault.from_ns.map(moment).unwrap_or_default(),
        lasted,
        nodes: fault
            .nodes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        status,
        reason,
        effects: count(fault.effects),
        drawn: fault.from_ns.is_some() && !matches!(fault.status, FaultStatus::Skipped { .. }),
    }
}

pub(crate) fn plan(fault: &Fault) -> String {
    let ms = |ms: u64| ms.saturating_mul(1_000_000);
    let lasts = duration(ms(fault.lasts_ms));
    match fault.when {
        When::AtMs(at_ms) => format!("at {} for {lasts}", moment(ms(at_ms))),
        When::AtNs(at_ns) => format!("at {} for {lasts}", moment(at_ns)),
        When::OnFact {
            fact,
            from_ms,
            after_ms,
        } => {
            let fact = format!("{fact:?}")
                .chars()
                .fold(String::new(), |mut words, character| {
                    if character.is_uppercase() && !words.is_empty() {
                        words.push(' ');
                    }
                    words.extend(character.to_lowercase());
                    words
                });
            format!(
                "{} after a node {fact}, from {} on, for {lasts}",
                duration(ms(after_ms)),
                moment(ms(from_ms))
            )
        }
    }
}
