//! What proves a verdict, as a file: written by one command, verified by another, or by somebody else.

use super::{Exit, Failure, Format, print_line, write_file};
use crate::command::exit::OrExit;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use stormglass_checker::model::Visitor;
use stormglass_checker::{
    Confirmed, Evidence, History, Limits, Model, Options, Specification, Verdict, verify_evidence,
};

/// The file.
#[derive(Serialize, Deserialize)]
struct Proof {
    /// The model the verdict is about.
    model: String,
    /// The verdict, with what shows it.
    #[serde(flatten)]
    verdict: Verdict,
}

pub(super) fn write(path: &Path, model: Model, verdict: &Verdict) -> Result<(), Failure> {
    let proof = Proof {
        model: model.name().to_owned(),
        verdict: verdict.clone(),
    };
    let text = serde_json::to_string(&proof).or_exit(Exit::Internal)?;
    write_file(path, &(text + "\n"))
}

pub(super) fn verify(
    path: &Path,
    model: Model,
    options: &Options,
    history: &History,
    limits: &Limits,
    format: Format,
) -> Result<Exit, Failure> {
    let refused = |problem: String| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!("{}: {problem}", path.display()),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(format!("cannot be read ({error})")))?;
    let proof: Proof = serde_json::from_str(&text).map_err(|error| {
        refused(format!(
            "{error}. Remedy: name a file that `check --certificate` wrote"
        ))
    })?;
    if proof.model != model.name() {
        let problem = format!(
            "it proves something of the model {}, and you name {}",
            proof.model,
            model.name()
        );
        return Err(refused(problem));
    }
    let fails = |problem: String| refused(format!("proves nothing of this history: {problem}"));
    let (exit, word, sentence) = match &proof.verdict {
        Verdict::Valid(certificate) => {
            model.verify(options, history, certificate).map_err(fails)?;
            (
                Exit::Valid,
                "VALID",
                "the order in the file is legal, step by step".to_owned(),
            )
        }
        Verdict::Invalid(evidence) => {
            let confirm = Confirm {
                history,
                evidence,
                limits,
            };
            let confirmed = model.with(options, history, confirm).map_err(fails)?;
            let by = match confirmed {
                Confirmed::Oracle => "the oracle, which tries every order, finds none",
                Confirmed::Search => {
                    "judged again, by the search: there are too many operations for the oracle"
                }
            };
            (
                Exit::Violation,
                "VIOLATION",
                format!("the operations in the file collide; {by}"),
            )
        }
        Verdict::Unknown(_) => return Err(refused("it holds no answer".to_owned())),
    };
    match format {
        Format::Json => {
            print_line(json!({"verdict": word.to_lowercase(), "verified": true, "how": sentence}))
        }
        Format::Human => print_line(format!("{word}  verified: {sentence}")),
    }
    Ok(exit)
}

struct Confirm<'a> {
    history: &'a History,
    evidence: &'a Evidence,
    limits: &'a Limits,
}

impl Visitor for Confirm<'_> {
    type Output = Result<Confirmed, String>;

    fn visit<S: Specification>(self, specification: &S) -> Self::Output {
        verify_evidence(specification, self.history, self.evidence, self.limits)
    }
}
