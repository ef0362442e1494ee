//! The ladder: all guarantees on one history, and the strongest that it keeps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::CheckError;
use crate::history::History;
use crate::limits::Limits;
use crate::operation::Operation;
use crate::specification::Specification;

use super::constraints::Rule;
use super::{Answer, Guarantee, Unproven, Witness};
use super::{
    all_sessions, convergence, foreign, linearizability, monotonic_reads, monotonic_writes,
};
use super::{one_order, read_your_writes, versions, writes_follow_reads};

/// What each guarantee says of a history, the strongest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// One a guarantee, in the order of [`Guarantee::ALL`].
    pub rungs: Vec<Rung>,
}

/// One guarantee, and whether the history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// What was found.
    pub answer: Answer,
}

/// Judges `history` by every guarantee. `limits` holds for each of the three that search.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn ladder<S: Specification>(
    specification: &S,
    history: &History,
    limits: &Limits,
) -> Result<Ladder, CheckError> {
    let operations = history.operations()?;
    let by_order = |guarantee, rule| one_order(specification, &operations, guarantee, rule, limits);
    let mut linearizable = linearizability::judge(specification, history, limits)?;
    let (mut ordered, sequential);
    if linearizable.is_satisfied() {
        ordered = Answer::Satisfied(Witness::Stronger(Guarantee::Linearizability));
        sequential = Answer::Satisfied(Witness::Stronger(Guarantee::Linearizability));
    } else {
        ordered = by_order(Guarantee::OrderedSequential, Rule::MutationsInRealTime)?;
        sequential = match ordered.is_satisfied() {
            true => Answer::Satisfied(Witness::Stronger(Guarantee::OrderedSequential)),
            false => by_order(Guarantee::Sequential, Rule::ProgramOrder)?,
        };
    }
    // What breaks a weaker guarantee breaks every stronger one.
    ordered.inherit(&sequential);
    linearizable.inherit(&ordered);
    let mut rungs = vec![
        Rung {
            guarantee: Guarantee::Linearizability,
            answer: linearizable,
        },
        Rung {
            guarantee: Guarantee::OrderedSequential,
            answer: ordered,
        },
        Rung {
            guarantee: Guarantee::Sequential,
            answer: sequential,
        },
    ];
    rungs.extend(sessions(specification, &operations, &rungs[2].answer)?);
    rungs.push(Rung {
        guarantee: Guarantee::Convergence,
        answer: convergence::of_operations(specification, &operations)
            .map_err(|(id, error)| foreign(specification, &operations, id, error))?,
    });
    Ok(Ladder { rungs })
}

fn sessions<S: Specification>(
    specification: &S,
    operations: &[Operation],
    sequential: &Answer,
) -> Result<Vec<Rung>, CheckError> {
    // The order that shows sequential consistency need not be the one the server's numbers tell.
    let numbered = operations
        .iter()
        .any(|operation| operation.version.is_some());
    let mut rungs = Vec::new();
    for (guarantee, demands) in [
        (Guarantee::AllSessions, all_sessions::DEMANDS),
        (Guarantee::ReadYourWrites, read_your_writes::DEMANDS),
        (Guarantee::MonotonicReads, monotonic_reads::DEMANDS),
        (Guarantee::MonotonicWrites, monotonic_writes::DEMANDS),
        (Guarantee::WritesFollowReads, writes_follow_reads::DEMANDS),
    ] {
        let mut answer = versions::judge(specification, operations, guarantee, demands)
            .map_err(|(id, error)| foreign(specification, operations, id, error))?;
        let open = matches!(answer, Answer::Unknown(Unproven::NotRuledOut { .. }));
        if open && !numbered && sequential.is_satisfied() {
            answer = Answer::Satisfied(Witness::Stronger(Guarantee::Sequential));
        }
        rungs.push(Rung { guarantee, answer });
    }
    Ok(rungs)
}

impl Ladder {
    /// What was found of one guarantee.
    pub fn answer(&self, guarantee: Guarantee) -> Option<&Answer> {
        self.rungs
            .iter()
            .find(|rung| rung.guarantee == guarantee)
            .map(|rung| &rung.answer)
    }

    fn satisfied(&self, guarantee: Guarantee) -> bool {
        self.answer(guarantee).is_some_and(Answer::is_satisfied)
    }

    /// The strongest guarantees that the history keeps: those that follow from no other that it keeps. Unknown is not kept.
    pub fn strongest(&self) -> Vec<Guarantee> {
        let kept = || {
            Guarantee::ALL
                .into_iter()
                .filter(|guarantee| self.satisfied(*guarantee))
        };
        kept()
            .filter(|weak| !kept().any(|strong| strong.is_stronger_than(*weak)))
            .collect()
    }

    /// The next stronger ones, which it does not keep, or not for certain: those of which everything weaker is kept. Each with its
    /// counterexample, or why there is no answer.
    pub fn next(&self) -> Vec<&Rung> {
        let reachable = |rung: &&Rung| {
            let weaker = |weak: &Guarantee| rung.guarantee.is_stronger_than(*weak);
            !rung.answer.is_satisfied()
                && Guarantee::ALL
                    .into_iter()
                    .filter(weaker)
                    .all(|weak| self.satisfied(weak))
        };
        self.rungs.iter().filter(reachable).collect()
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rung in &self.rungs {
            let answer = match &rung.answer {
                Answer::Satisfied(Witness::Stronger(stronger)) => {
                    format!("kept, since {} is", stronger.name())
                }
                Answer::Satisfied(_) => "kept".to_owned(),
                Answer::Violated(violation) => {
                    let ids: Vec<String> = violation
                        .culprits
                        .iter()
                        .take(8)
                        .map(|culprit| format!("#{}", culprit.id))
                        .collect();
                    format!("broken by {}", ids.join(" "))
                }
                Answer::Unknown(why) => format!("unknown: {why}"),
            };
            writeln!(formatter, "{:<32}{answer}", rung.guarantee.name())?;
        }
        Ok(())
    }
}
