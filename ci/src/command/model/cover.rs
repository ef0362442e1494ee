//! What storms come to, held against what the model comes to.

use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, print_line};
use indicatif::HumanCount;
use serde_json::json;
use stormglass_nemesis::model::coverage;
use stormglass_nemesis::model::search::{End, Outcome};
use stormglass_nemesis::model::space::Space;

/// The most shapes that are shown.
const SHAPES_MAX: usize = 30;

/// Holds what storms come to against what the model came to.
pub(super) fn cover(
    space: &Space,
    outcome: &Outcome,
    seeds: u64,
    format: Format,
) -> Result<Exit, Failure> {
    if !coverage::is_comparable(space.bounds()) {
        let text = "storms begin at the beginning, and their writes end by themselves: these bounds have a prelude, or pipelined disks";
        return Err(Failure::usage(text));
    }
    let storms = coverage::storms(space.bounds(), 1..=seeds).or_exit(Exit::Internal)?;
    let missing = storms
        .shapes
        .iter()
        .filter(|(shape, _)| !outcome.shapes.contains(shape));
    let missing: Vec<(String, u64)> = missing
        .map(|(shape, seed)| (shape.to_string(), *seed))
        .collect();
    let targets = outcome
        .shapes
        .iter()
        .filter(|shape| !storms.shapes.contains_key(shape));
    let targets: Vec<String> = targets.map(ToString::to_string).collect();
    let exhausted = outcome.end == End::Exhausted;
    match format {
        Format::Json => print_line(json!({
            "model": outcome.shapes.len(),
            "storms": storms.shapes.len(),
            "steps": storms.steps,
            "missing_in_model": missing,
            "targets": targets,
        })),
        Format::Human => {
            print_line(format!(
                "  coverage  {} kinds of state in the model; {} in {seeds} storms, over {} steps within the bounds",
                outcome.shapes.len(),
                storms.shapes.len(),
                HumanCount(storms.steps),
            ));
            match (missing.is_empty(), exhausted) {
                (true, _) => print_line("  the model has all that storms came to"),
                (false, false) => {
                    print_line("  the search was not exhausted, so what it misses says nothing")
                }
                (false, true) => {
                    for (shape, seed) in &missing {
                        print_line(format!("  NOT IN THE MODEL, seed {seed}: {shape}"));
                    }
                }
            }
            print_line(format!("  storms have yet to come to {}:", targets.len()));
            for target in targets.iter().take(SHAPES_MAX) {
                print_line(format!("    {target}"));
            }
            if targets.len() > SHAPES_MAX {
                print_line(format!(
                    "    and {} more (--format json has all)",
                    targets.len() - SHAPES_MAX
                ));
            }
        }
    }
    Ok(match exhausted && !missing.is_empty() {
        true => Exit::Violation,
        false => Exit::Valid,
    })
}
