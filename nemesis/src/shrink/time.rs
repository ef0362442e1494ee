//! Cuts the time of a trial.

use super::Property;
use super::search::{Best, Search};
use crate::schedule::{Fault, When};
use crate::trial::{Healing, Trial};
use stormglass_checker::Verdict;

const NS_PER_MS: u64 = 1_000_000;

/// No progress in less than this would say nothing of the cluster.
const RECOVERY_MS_MIN: u64 = 5_000;

/// Ends the storm where the property was broken: up to there the run stays as it is.
pub(super) fn cut(search: &mut Search<'_>) {
    if let Some(broke_ns) = broke_ns(search.best()) {
        let trial = until(search.trial(), broke_ns / NS_PER_MS + 1);
        search.offer(trial);
    }
    let healing = Healing::Everything;
    let trial = Trial {
        healing,
        ..search.trial().clone()
    };
    search.offer(trial);
}

/// Ends the storm earlier where that keeps the property, and begins later: what went before the first event is left out.
pub(super) fn tighten(search: &mut Search<'_>) {
    cut(search);
    for eighths in [1, 2, 4, 6, 7] {
        let trial = search.trial();
        let trial = until(trial, trial.storm_ms * eighths / 8);
        if trial.schedule.len() == search.trial().schedule.len() && search.offer(trial) {
            break;
        }
    }
    let first_ms = first_ns(search.trial()) / NS_PER_MS;
    for early_ms in [300, 1_000, first_ms / 2] {
        let trial = earlier(search.trial(), first_ms.saturating_sub(early_ms));
        if search.offer(trial) {
            break;
        }
    }
    let recovery_ms = search.trial().recovery_ms.min(RECOVERY_MS_MIN);
    let trial = Trial {
        recovery_ms,
        ..search.trial().clone()
    };
    search.offer(trial);
}

/// When the property was broken, in simulated nanoseconds, where a moment can be named.
fn broke_ns(best: &Best) -> Option<u64> {
    match (Property::of(&best.judged)?, &best.judged.judgement.verdict) {
        (Property::Promise { .. }, Verdict::Invalid(evidence)) => {
            let last = evidence.prefix_events.checked_sub(1)?;
            Some(best.run.history.events.get(last)?.time)
        }
        _ => best
            .judged
            .violations
            .first()
            .map(|violation| violation.time_ns),
    }
}

/// The trial with a storm that ends earlier, at a tick. What would begin after it is left out.
fn until(trial: &Trial, storm_ms: u64) -> Trial {
    let mut trial = trial.clone();
    let ticks = storm_ms.div_ceil(trial.tick_ms).max(1);
    trial.storm_ms = (ticks * trial.tick_ms).min(trial.storm_ms);
    let storm_ns = trial.storm_ms * NS_PER_MS;
    if let Some(calls) = &mut trial.calls {
        calls.retain(|call| call.at_ns < storm_ns);
    }
    trial.schedule.retain(|fault| earliest_ns(fault) < storm_ns);
    trial
}

/// The trial with all that happens in it earlier by some time.
fn earlier(trial: &Trial, by_ms: u64) -> Trial {
    let by_ms = by_ms - by_ms % trial.tick_ms.max(1);
    let mut trial = trial.clone();
    if by_ms == 0 || by_ms >= trial.storm_ms {
        return trial;
    }
    let by_ns = by_ms * NS_PER_MS;
    trial.storm_ms -= by_ms;
    for call in trial.calls.iter_mut().flatten() {
        call.at_ns = call.at_ns.saturating_sub(by_ns);
    }
    for fault in &mut trial.schedule {
        fault.when = match fault.when {
            When::AtMs(at_ms) => When::AtMs(at_ms.saturating_sub(by_ms)),
            When::AtNs(at_ns) => When::AtNs(at_ns.saturating_sub(by_ns)),
            When::OnFact {
                fact,
                from_ms,
                after_ms,
            } => When::OnFact {
                fact,
                from_ms: from_ms.saturating_sub(by_ms),
                after_ms,
            },
        };
    }
    trial
}

fn first_ns(trial: &Trial) -> u64 {
    let calls = trial.calls.iter().flatten().map(|call| call.at_ns);
    let faults = trial.schedule.iter().map(earliest_ns);
    calls.chain(faults).min().unwrap_or(0)
}

/// When a fault can begin at the earliest, in simulated nanoseconds.
fn earliest_ns(fault: &Fault) -> u64 {
    match fault.when {
        When::OnFact { from_ms, .. } => from_ms * NS_PER_MS,
        When::AtMs(at_ms) => at_ms * NS_PER_MS,
        When::AtNs(at_ns) => at_ns,
    }
}
