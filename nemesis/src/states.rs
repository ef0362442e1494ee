//! The state of the object around each operation, as the judge orders them: what people ask of an operation they point at.

use crate::judge::Judged;
use crate::record::Run;
use crate::trial::Trial;
use std::collections::BTreeMap;
use stormglass_checker::states::Around;
use stormglass_checker::{Certificate, History, Limits, Verdict};

/// The state around operations, by the position of their call in the history. Of a history that breaks its promise, those of the longest
/// beginning that keeps it; none where the judge keeps no state, or found no order within the trial's limits.
pub fn states(trial: &Trial, run: &Run, judged: &Judged) -> BTreeMap<usize, Around> {
    let workload = trial.workload.start(trial.seed);
    let beginning;
    let (history, certificate): (&History, Certificate) = match &judged.judgement.verdict {
        Verdict::Valid(certificate) => (&run.history, certificate.clone()),
        Verdict::Invalid(evidence) => {
            let kept = evidence.prefix_events.saturating_sub(1);
            let events = run.history.events.iter().take(kept).cloned().collect();
            beginning = History { events };
            let limits = Limits {
                steps: trial.limits.steps,
                bytes: trial.limits.bytes,
                ..Limits::default()
            };
            match workload
                .judge(&beginning, &limits)
                .map(|findings| findings.judgement.verdict)
            {
                Ok(Verdict::Valid(certificate)) => (&beginning, certificate),
                _ => return BTreeMap::new(),
            }
        }
        Verdict::Unknown(_) => return BTreeMap::new(),
    };
    let around = workload.states(history, &certificate);
    let pairs = history.pairs().unwrap_or_default();
    let placed = pairs.iter().zip(around);
    placed
        .filter_map(|(pair, around)| Some((pair.call, around?)))
        .collect()
}
