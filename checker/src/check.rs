//! Judges a whole history: part by part, the verdicts put together.
//!
//! 1. Calls are paired with returns ([`operation`](crate::operation)), read by the specification and split into parts
//!    ([`case`](crate::case)).
//! 2. Each part is judged: by a [monitor](crate::monitors) where one answers, else by the [search](crate::search).
//! 3. If some part is illegal, the verdict is invalid, and of several the one that breaks first is shown, with [evidence].
//!    If not, and a [limit](crate::limits) was reached in some part, the verdict is unknown. Otherwise it is valid, with one order for each
//!    part.
//!
//! So "invalid" in one part beats "unknown" in another: a part that is illegal makes the whole illegal, whatever the others are. And
//! "unknown" beats "valid".

use thiserror::Error;

use crate::case::{Case, Outcome};
use crate::error::HistoryError;
use crate::evidence;
use crate::history::History;
use crate::limits::{Limits, Meter};
use crate::search::Judge;
use crate::specification::{Specification, SpecificationError};
use crate::verdict::{Certificate, Judgement, Part, Progress, Unknown, Verdict};

/// A history that cannot be judged at all.
#[derive(Debug, Error)]
pub enum CheckError {
    /// Calls and returns do not fit together.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The specification does not understand an operation.
    #[error(
        "event {event}: `{f}` of process {process} is no operation of {specification}: {source}. Remedy: judge the \
         history by the specification of its workload"
    )]
    Specification {
        /// The name of the specification.
        specification: String,
        /// The position of the call in `history.events`.
        event: usize,
        /// The function.
        f: String,
        /// The process.
        process: u64,
        /// What was expected.
        source: SpecificationError,
    },
}

/// Judges `history` by `specification`.
///
/// `Invalid` in one part beats `Unknown` in another, and of several invalid parts the one that breaks first is shown. The number of
/// threads changes nothing but the time.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn check<S: Specification>(
    specification: &S,
    history: &History,
    limits: &Limits,
) -> Result<Judgement, CheckError> {
    let started = Meter::new(*limits);
    let operations = history.operations()?;
    let case = Case::new(specification, &operations)?;
    let (outcomes, work) = case.outcomes(Judge::Any, limits);
    let verdict = match first_breach(
        specification,
        history,
        &case,
        &outcomes,
        &started,
        work.steps,
    ) {
        Some(breach) => Verdict::Invalid(evidence::collect(
            specification,
            history,
            breach,
            &started,
            work.steps,
        )),
        None => without_breach(history, &case, outcomes, limits),
    };
    Ok(Judgement { verdict, work })
}

/// Of the parts that are illegal, the one with the smallest illegal prefix.
fn first_breach<S: Specification>(
    specification: &S,
    history: &History,
    case: &Case<'_, S>,
    outcomes: &[Outcome],
    started: &Meter,
    spent: u64,
) -> Option<evidence::Breach> {
    let mut suspects: Vec<(usize, usize, usize)> = Vec::new();
    for (number, outcome) in outcomes.iter().enumerate() {
        if let Outcome::Illegal { at_least, about } = outcome {
            suspects.push((*about, number, *at_least));
        }
    }
    // The one that seems to break first is located first; of each other it is then enough to ask whether it breaks before that.
    suspects.sort_unstable();
    let mut broken: Option<evidence::Breach> = None;
    let mut all_smallest = true;
    for (_, number, at_least) in suspects {
        let before = broken
            .as_ref()
            .map_or(usize::MAX, |breach| breach.prefix_events);
        if at_least >= before {
            continue;
        }
        let scope = &case.parts[number].scope;
        let (breach, certain) = evidence::locate(
            specification,
            history,
            scope,
            at_least..before,
            started,
            spent,
        );
        all_smallest &= certain;
        broken = breach.or(broken);
    }
    if let Some(breach) = &mut broken {
        // A part without an answer may be illegal at any event from where the search stopped.
        let open = |outcome: &Outcome| matches!(outcome, Outcome::Stopped(_, behind) if behind + 1 < breach.prefix_events);
        breach.prefix_smallest = all_smallest && !outcomes.iter().any(open);
    }
    broken
}

fn without_breach<S: Specification>(
    history: &History,
    case: &Case<'_, S>,
    outcomes: Vec<Outcome>,
    limits: &Limits,
) -> Verdict {
    let key = |number: usize| case.parts[number].scope.key().map(str::to_owned);
    let stopped = |outcome: &Outcome| matches!(outcome, Outcome::Stopped(..));
    let parts_open = outcomes.iter().filter(|outcome| stopped(outcome)).count();
    let mut parts = Vec::with_capacity(outcomes.len());
    let parts_total = outcomes.len();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Outcome::Legal(order) => parts.push(Part {
                key: key(number),
                order,
            }),
            Outcome::Illegal { .. } => {}
            Outcome::Stopped(reason, position) => {
                let limit = limits.of(reason);
                let progress = Progress {
                    events_judged: position,
                    events_total: history.events.len(),
                    key: key(number),
                    parts_open,
                    parts_total,
                };
                return Verdict::Unknown(Unknown {
                    reason,
                    limit,
                    progress,
                });
            }
        }
    }
    Verdict::Valid(Certificate { parts })
}
