//! `stormglass replay TRACE`: a way through a model, walked again.

use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use serde_json::json;
use stormglass_nemesis::model::trace::{Trace, TraceError, Walked};

/// The arenas that walk a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Core,
    Simulator,
    Turmoil,
}

/// Walks a trace again, in all arenas or in one, and says whether it comes to the same.
pub(super) fn walk_again(
    trace: &Trace,
    only: Option<Ground>,
    format: Format,
) -> Result<Exit, Failure> {
    let mut exit = match trace.property {
        Some(_) => Exit::Violation,
        None => Exit::Valid,
    };
    let all = [Ground::Core, Ground::Simulator, Ground::Turmoil];
    for ground in all
        .into_iter()
        .filter(|ground| only.is_none_or(|only| only == *ground))
    {
        let (name, walked) = match ground {
            Ground::Core => ("core", trace.walk_core()),
            Ground::Simulator => ("simulator", trace.walk_simulator()),
            Ground::Turmoil => ("turmoil", trace.walk_turmoil()),
        };
        if !told(trace, name, walked, format)? {
            exit = Exit::Diverged;
        }
    }
    Ok(exit)
}

/// Says what came of a walk, and whether it is what the trace says.
fn told(
    trace: &Trace,
    arena: &str,
    walked: Result<Walked, TraceError>,
    format: Format,
) -> Result<bool, Failure> {
    let walked = match walked {
        Ok(walked) => walked,
        // Not a fault of the trace.
        Err(error @ TraceError::Beyond { .. }) => {
            match format {
                Format::Human => print_line(format!("SKIPPED  {arena}: {error}")),
                Format::Json => print_line(json!({"arena": arena, "skipped": error.to_string()})),
            }
            return Ok(true);
        }
        Err(error) => return Err(error).or_exit(Exit::Unreadable),
    };
    let parting = trace.parting(&walked);
    match format {
        Format::Json => print_line(json!({
            "arena": arena,
            "same": parting.is_none(),
            "step": parting.as_ref().map(|parting| parting.number),
            "difference": parting.as_ref().map(|parting| &parting.what),
            "broken": walked.broken,
        })),
        Format::Human => match &parting {
            None => {
                let end = match &trace.property {
                    Some(property) => format!(", and {property} is broken at the end"),
                    None => String::new(),
                };
                print_line(format!(
                    "SAME  {arena}: {} steps, with the same nodes and messages after each{end}",
                    trace.steps.len()
                ));
            }
            Some(parting) => {
                let step = parting
                    .number
                    .checked_sub(1)
                    .and_then(|at| trace.steps.get(at));
                let text = step.map_or("the beginning", |step| &step.text);
                print_line(format!(
                    "DIVERGED  {arena}: after step {} ({text}): {}",
                    parting.number, parting.what
                ));
            }
        },
    }
    Ok(parting.is_none())
}
