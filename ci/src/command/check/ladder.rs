//! Judging a history by every guarantee.

use super::{Exit, Failure, Format, at_first, at_its_line, counts, how_read, print_line};
use serde_json::json;
use stormglass_checker::guarantees::Answer;
use stormglass_checker::model::Visitor;
use stormglass_checker::{
    CheckError, Guarantee, History, Ladder, Limits, Model, Options, Recording, Specification,
};

struct Climb<'a>(&'a History, &'a Limits);

impl Visitor for Climb<'_> {
    type Output = Result<Ladder, CheckError>;

    fn visit<S: Specification>(self, specification: &S) -> Self::Output {
        stormglass_checker::ladder(specification, self.0, self.1)
    }
}

pub(super) fn judge(
    model: Model,
    options: &Options,
    recording: &Recording,
    limits: &Limits,
    format: Format,
) -> Result<Exit, Failure> {
    let history = &recording.history;
    let ladder = model
        .with(options, history, Climb(history, limits))
        .map_err(|error| at_its_line(recording, error))?;
    let (called, ok) = counts(history);
    // The command asks for the top; what is kept below is told, and no pass.
    let exit = match ladder.answer(Guarantee::Linearizability) {
        Some(Answer::Satisfied(_)) if ok == 0 => Exit::Vacuous,
        Some(Answer::Satisfied(_)) => Exit::Valid,
        Some(Answer::Violated(_)) => Exit::Violation,
        _ => Exit::Unknown,
    };
    let strongest: Vec<&str> = ladder
        .strongest()
        .iter()
        .map(|guarantee| guarantee.name())
        .collect();
    match format {
        Format::Json => {
            let next: Vec<&str> = ladder
                .next()
                .iter()
                .map(|rung| rung.guarantee.name())
                .collect();
            print_line(
                json!({"model": model.name(), "strongest": strongest, "next": next, "rungs": ladder.rungs}),
            );
        }
        Format::Human => {
            let kept = match strongest.as_slice() {
                [] => "none of the guarantees is kept".to_owned(),
                kept => kept.join(", and "),
            };
            print_line(format!("STRONGEST  {kept}"));
            for line in ladder.to_string().lines() {
                print_line(format!("  {line}"));
            }
            for rung in ladder.next() {
                match &rung.answer {
                    Answer::Violated(violation) => {
                        print_line(format!("  why not {}:", rung.guarantee.name()));
                        for line in violation.explanation.lines() {
                            print_line(format!("    {line}"));
                        }
                    }
                    Answer::Unknown(why) => {
                        print_line(format!("  {}: no answer, {why}", rung.guarantee.name()));
                    }
                    Answer::Satisfied(_) => {}
                }
            }
            print_line(format!(
                "  {}{}",
                how_read(recording),
                at_first(model, options)
            ));
            print_line(format!("  {called} operations, {ok} ok"));
        }
    }
    Ok(exit)
}
