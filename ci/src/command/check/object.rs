//! Judging a history by a model of one object.

use super::{
    CheckArgs, Exit, Failure, Format, at_first, at_its_line, counts, how_read, limit, print_line,
    proof, write_file,
};
use crate::command::exit::OrExit;
use bytesize::ByteSize;
use serde_json::json;
use stormglass_checker::{Judgement, Limits, Model, Options, Recording, Verdict};
use stormglass_reports::judged::{JudgedHistory, page};

pub(super) fn judge(
    args: &CheckArgs,
    model: Model,
    options: &Options,
    recording: &Recording,
    limits: &Limits,
    format: Format,
) -> Result<Exit, Failure> {
    let history = &recording.history;
    let judgement = model
        .judge(options, history, limits)
        .map_err(|error| at_its_line(recording, error))?;
    let how_read = how_read(recording) + &at_first(model, options);
    let (called, ok) = counts(history);
    let vacuous = ok == 0;
    let exit = match &judgement.verdict {
        Verdict::Valid(_) if vacuous => Exit::Vacuous,
        Verdict::Valid(_) => Exit::Valid,
        Verdict::Invalid(_) => Exit::Violation,
        Verdict::Unknown(_) => Exit::Unknown,
    };
    if let Some(path) = &args.certificate {
        match &judgement.verdict {
            Verdict::Unknown(_) => {
                eprintln!("no certificate was written: there is no answer to prove")
            }
            verdict => proof::write(path, model, verdict)?,
        }
    }
    let (word, sentence) = told(&judgement, vacuous);
    if let Some(path) = &args.report {
        let text = page(&JudgedHistory {
            file: &recording.file,
            how_read: &how_read,
            model: model.name(),
            options: &args.options(),
            promise: &model.promise(),
            word,
            sentence: &sentence,
            history,
            verdict: &judgement.verdict,
            work: judgement.work,
        })
        .or_exit(Exit::Internal)?;
        write_file(path, &text)?;
    }
    match format {
        Format::Json => {
            let mut value = serde_json::to_value(&judgement).or_exit(Exit::Internal)?;
            value["model"] = json!(model.name());
            value["format"] = json!(recording.format.name());
            value["failed_cas"] = json!(recording.failed_cas.name());
            value["initial"] = options.initial.clone();
            print_line(value);
        }
        Format::Human => {
            print_line(format!("{word}  {}", sentence.replace('\n', "\n  ")));
            print_line(format!("  promise: {}", model.promise()));
            print_line(format!("  {how_read}"));
            let work = judgement.work;
            print_line(format!(
                "  {called} operations, {ok} ok; {} steps, at most {} configurations and {} at once",
                work.steps,
                work.frontier_peak,
                ByteSize(work.bytes_peak)
            ));
        }
    }
    Ok(exit)
}

/// The verdict, in a word and in a sentence or more.
fn told(judgement: &Judgement, vacuous: bool) -> (&'static str, String) {
    match &judgement.verdict {
        Verdict::Valid(_) if vacuous => (
            "VACUOUS",
            "no operation ended ok, so nothing was put to the test".to_owned(),
        ),
        Verdict::Valid(_) => ("VALID", "the history is linearizable".to_owned()),
        Verdict::Invalid(evidence) => {
            let verified = match (evidence.culprits.is_empty(), evidence.verified) {
                (true, _) => "",
                (false, true) => {
                    "\nVerified: the oracle, which tries every order, finds none, either."
                }
                (false, false) => {
                    "\nReduced, and not independently verified: there are too many operations for the oracle, which tries every order."
                }
            };
            ("VIOLATION", format!("{}{verified}", evidence.explanation))
        }
        Verdict::Unknown(unknown) => (
            "UNKNOWN",
            format!(
                "after {} of {} events {}",
                unknown.progress.events_judged,
                unknown.progress.events_total,
                limit(unknown.reason, unknown.limit)
            ),
        ),
    }
}
