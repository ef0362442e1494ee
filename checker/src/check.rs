//! Judges a whole history: part by part, the verdicts put together.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::error::HistoryError;
use crate::evidence;
use crate::history::History;
use crate::limits::{Limits, Meter, Reason};
use crate::operation::Operation;
use crate::search::{Found, Item, search};
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
/// `Invalid` in one part beats `Unknown` in another, and of several invalid parts the one that breaks first is shown.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn check<S: Specification>(
    specification: &S,
    history: &History,
    limits: &Limits,
) -> Result<Judgement, CheckError> {
    let operations = history.operations()?;
    let parts = parts(specification, &operations)?;
    let mut meter = Meter::new(*limits);
    let mut orders: Vec<Option<Vec<usize>>> = vec![None; parts.len()];
    let mut stopped: BTreeMap<usize, (Reason, usize)> = BTreeMap::new();
    let mut broken: Option<evidence::Breach> = None;

    let mut judge =
        |number: usize, meter: &mut Meter, stopped: &mut BTreeMap<usize, (Reason, usize)>| {
            let part: &ParsedPart<'_, S::Op> = &parts[number];
            let items = part.items(specification);
            let horizon = broken
                .as_ref()
                .map_or(usize::MAX, |breach| breach.prefix_events);
            match search(
                specification,
                &[specification.initial()],
                &items,
                horizon,
                meter,
                None,
            ) {
                Found::Legal(order) => {
                    orders[number] = Some(order.into_iter().map(|item| items[item].id).collect());
                }
                Found::Illegal(refusal) => {
                    let at_least = items[refusal.item]
                        .deadline
                        .map_or(0, |deadline| deadline + 1);
                    let breach = evidence::locate(
                        specification,
                        history,
                        part.key,
                        at_least,
                        limits,
                        meter.work.steps,
                    );
                    if breach.prefix_events < horizon {
                        broken = Some(breach);
                    }
                }
                Found::Stopped(reason, position) => {
                    stopped.insert(number, (reason, position));
                }
            }
        };
    // Each part first gets its share, so that one hard part cannot hide that another is broken.
    for number in 0..parts.len() {
        let share = meter.steps_left() / (parts.len() - number) as u64;
        meter.allow(share);
        judge(number, &mut meter, &mut stopped);
    }
    if parts.len() > 1 {
        let again: Vec<usize> = stopped
            .iter()
            .filter(|(_, (reason, _))| *reason == Reason::Steps)
            .map(|(number, _)| *number)
            .collect();
        for number in again {
            meter.allow(u64::MAX);
            if meter.steps_left() > 0 {
                stopped.remove(&number);
                judge(number, &mut meter, &mut stopped);
            }
        }
    }

    let verdict = if let Some(breach) = broken {
        Verdict::Invalid(evidence::collect(
            specification,
            history,
            breach,
            limits,
            meter.work.steps,
        ))
    } else if let Some((number, (reason, position))) = stopped.iter().next() {
        let limit = match reason {
            Reason::Steps => limits.steps,
            Reason::Bytes => limits.bytes,
            Reason::Time => limits.time.map_or(0, |time| time.as_nanos() as u64),
        };
        let progress = Progress {
            events_judged: *position,
            events_total: history.events.len(),
            key: parts[*number].key.map(str::to_owned),
            parts_open: stopped.len(),
            parts_total: parts.len(),
        };
        Verdict::Unknown(Unknown {
            reason: *reason,
            limit,
            progress,
        })
    } else {
        let parts = parts.iter().zip(orders);
        let parts = parts.map(|(part, order)| Part {
            key: part.key.map(str::to_owned),
            order: order.unwrap_or_default(),
        });
        Verdict::Valid(Certificate {
            parts: parts.collect(),
        })
    };
    Ok(Judgement {
        verdict,
        work: meter.work,
    })
}

/// The operations of one part, with what they mean. Those that tell nothing are left out.
struct ParsedPart<'a, Op> {
    key: Option<&'a str>,
    operations: Vec<(&'a Operation, Op)>,
}

impl<Op> ParsedPart<'_, Op> {
    fn items<S: Specification<Op = Op>>(&self, specification: &S) -> Vec<Item<'_, Op>> {
        let items = self.operations.iter().map(|(operation, op)| Item {
            id: operation.id,
            op,
            effect: specification.effect(op),
            call: operation.call,
            deadline: operation.deadline(),
        });
        items.collect()
    }
}

fn parts<'a, S: Specification>(
    specification: &S,
    operations: &'a [Operation],
) -> Result<Vec<ParsedPart<'a, S::Op>>, CheckError> {
    let mut parts = BTreeMap::new();
    for operation in operations {
        let key = operation.key.as_deref().filter(|_| specification.per_key());
        let parsed =
            specification
                .parse(operation)
                .map_err(|source| CheckError::Specification {
                    specification: specification.name().to_owned(),
                    event: operation.call,
                    f: operation.f.clone(),
                    process: operation.process,
                    source,
                })?;
        let part = parts.entry(key).or_insert_with(|| ParsedPart {
            key,
            operations: Vec::new(),
        });
        part.operations.extend(parsed.map(|op| (operation, op)));
    }
    Ok(parts.into_values().collect())
}
