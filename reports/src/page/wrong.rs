//! What went wrong for the clients: the operations that collide, and the states that the model can be in.

use crate::calls::value;
use crate::collision;
use crate::escape::{short, visible_lines};
use crate::timeline::Scene;
use crate::units::moment;
use stormglass_checker::states::Around;
use stormglass_checker::{Evidence, Operation, Outcome};
use stormglass_nemesis::record::Run;

/// The most operations in the table of those that collide.
const CULPRITS_MAX: usize = 60;

pub(super) struct Collision {
    pub(super) key: Option<String>,
    /// Whether a state is known around any of the operations.
    pub(super) stated: bool,
    pub(super) states: Option<Known>,
    pub(super) drawing: Option<String>,
    pub(super) rows: Vec<CulpritRow>,
    pub(super) left_out: usize,
    pub(super) minimal: bool,
    pub(super) explanation: String,
    pub(super) seen: Option<String>,
    /// Whether nothing before it breaks the promise.
    pub(super) earliest: bool,
}

/// What the model can be in when the operations begin that collide.
pub(super) struct Known {
    pub(super) after_events: usize,
    pub(super) states: Vec<String>,
}

pub(super) struct CulpritRow {
    pub(super) id: usize,
    /// The position of its call, by which the timeline knows it.
    pub(super) call: usize,
    pub(super) process: u64,
    pub(super) what: String,
    pub(super) argument: String,
    pub(super) result: String,
    pub(super) class: &'static str,
    /// What it found and left in the order that the judge found for what came before; empty where there is none.
    pub(super) state: String,
    pub(super) called: String,
    pub(super) returned: String,
}

pub(super) fn collided(evidence: &Evidence, run: &Run, scene: &Scene<'_>) -> Collision {
    let last = evidence
        .prefix_events
        .checked_sub(1)
        .and_then(|last| run.history.events.get(last));
    let culprits = &evidence.culprits;
    Collision {
        key: evidence.key.as_ref().map(|key| short(key, 64)),
        drawing: collision::draw(evidence),
        stated: culprits
            .iter()
            .any(|culprit| scene.states.contains_key(&culprit.call)),
        rows: culprits
            .iter()
            .take(CULPRITS_MAX)
            .map(|operation| {
                let mut row = culprit(operation, scene.states.get(&operation.call));
                let last = evidence.prefix_events.checked_sub(1);
                if row.state.is_empty() && last.is_some() && operation.deadline() == last {
                    row.state = "none allows it".to_string();
                }
                row
            })
            .collect(),
        states: evidence.context.as_ref().map(|context| Known {
            after_events: context.after_events,
            states: context
                .states
                .iter()
                .take(CULPRITS_MAX)
                .map(|state| short(state, 120))
                .collect(),
        }),
        left_out: culprits.len().saturating_sub(CULPRITS_MAX),
        minimal: evidence.minimal,
        explanation: visible_lines(&evidence.explanation),
        earliest: evidence.prefix_smallest,
        seen: last.map(|event| {
            format!(
                "{} (event {})",
                moment(event.time),
                evidence.prefix_events - 1
            )
        }),
    }
}

pub(super) fn culprit(operation: &Operation, around: Option<&Around>) -> CulpritRow {
    let (class, result) = match &operation.outcome {
        Outcome::Ok(returned) if *returned == operation.input && !returned.is_null() => {
            ("ok", "ok".to_string())
        }
        Outcome::Ok(returned) => ("ok", short(&returned.to_string(), 64)),
        Outcome::Mismatch => ("fail", "refused: mismatch".to_string()),
        Outcome::Unknown => ("info", "unknown".to_string()),
    };
    let key = operation
        .key
        .as_deref()
        .map(|key| format!(" {}", short(key, 64)))
        .unwrap_or_default();
    let at = |event: usize, time_ns: u64| format!("{} (event {event})", moment(time_ns));
    let returned = match (operation.deadline(), operation.ret_time) {
        (Some(event), Some(time_ns)) => at(event, time_ns),
        _ => "may still take effect".to_string(),
    };
    CulpritRow {
        id: operation.id,
        call: operation.call,
        process: operation.process,
        what: format!("{}{key}", short(&operation.f, 64)),
        argument: value(&operation.input),
        result,
        class,
        state: around.map_or_else(String::new, |around| {
            let [before, after] = [&around.before, &around.after].map(|state| short(state, 64));
            if before == after {
                before
            } else {
                format!("{before} \u{2192} {after}")
            }
        }),
        called: at(operation.call, operation.call_time),
        returned,
    }
}
