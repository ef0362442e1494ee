//! The operation: a call with what became of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, Process};

/// The error of a `fail` that is an observation: the comparison was made, and refused.
pub const MISMATCH: &str = "mismatch";

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Dense, in the order of calls; the position in the list [`History::operations`] returns.
    pub id: usize,
    /// The client's number.
    pub process: u64,
    /// The function.
    pub f: String,
    /// The key, for objects that are independent per key.
    pub key: Option<String>,
    /// The value of the call: the argument.
    pub input: Value,
    /// What is known of its effect.
    pub outcome: Outcome,
    /// The position of the call in `history.events`.
    pub call: usize,
    /// The position of the return in `history.events`. An `info` has one, but bounds nothing: see [`Operation::deadline`].
    pub ret: Option<usize>,
    /// When it was called, in nanoseconds; for people.
    pub call_time: u64,
    /// When it returned, in nanoseconds; for people.
    pub ret_time: Option<u64>,
    /// The revision, zxid or index that the server gave it: of its effect, or of what it read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What is known of an operation's effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It took effect between call and return; this is the value of the completion.
    Ok(Value),
    /// It changed nothing, and observed between call and return that its comparison does not hold.
    Mismatch,
    /// It may take effect at any time from the call on, or never.
    Unknown,
}

impl Operation {
    /// The event by which it has taken effect. `None` for an operation of unknown outcome: it may be for ever in flight.
    pub fn deadline(&self) -> Option<usize> {
        match self.outcome {
            Outcome::Ok(_) | Outcome::Mismatch => self.ret,
            Outcome::Unknown => None,
        }
    }

    /// True when this one returned before `other` was called, so that every order must keep them so.
    pub fn precedes(&self, other: &Self) -> bool {
        self.deadline()
            .is_some_and(|deadline| deadline < other.call)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.f)?;
        if let Some(key) = &self.key {
            write!(formatter, " {key}")?;
        }
        if !self.input.is_null() {
            write!(formatter, " {}", self.input)?;
        }
        match &self.outcome {
            Outcome::Ok(value) if *value == self.input => write!(formatter, " -> ok"),
            Outcome::Ok(value) => write!(formatter, " -> {value}"),
            Outcome::Mismatch => write!(formatter, " -> mismatch"),
            Outcome::Unknown => write!(formatter, " -> ?"),
        }
    }
}

impl History {
    /// Pairs calls with returns. Events of the nemesis are skipped; a `fail` other than a mismatch did not happen
    /// and is dropped; a call without a return is of unknown outcome.
    ///
    /// # Errors
    /// [`HistoryError::Malformed`] when calls and returns do not fit together. `line` is then the position of the
    /// event, counted from 1.
    pub fn operations(&self) -> Result<Vec<Operation>, HistoryError> {
        pair(&self.events, "history", |position| position + 1)
    }
}

/// The work behind [`History::operations`], for readers who know the true line of each event.
pub(crate) fn pair(
    events: &[Event],
    name: &str,
    line: impl Fn(usize) -> usize,
) -> Result<Vec<Operation>, HistoryError> {
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut retired: BTreeMap<u64, usize> = BTreeMap::new();
    let mut operations: Vec<Option<Operation>> = Vec::new();
    for (position, event) in events.iter().enumerate() {
        let Process::Client(process) = event.process else {
            continue;
        };
        let malformed = |problem| HistoryError::Malformed {
            file: name.to_owned(),
            line: line(position),
            problem,
        };
        if event.kind == Kind::Invoke {
            if let Some(info) = retired.get(&process) {
                let info_line = line(*info);
                return Err(malformed(Problem::ProcessReused { process, info_line }));
            }
            if let Some(slot) = open.insert(process, operations.len()) {
                let first = operations[slot]
                    .as_ref()
                    .map_or(0, |operation| operation.call);
                let first_line = line(first);
                return Err(malformed(Problem::TwoOpenCalls {
                    process,
                    first_line,
                }));
            }
            operations.push(Some(called(event, process, position)));
            continue;
        }
        let slot = open.remove(&process);
        let Some(operation) = slot.and_then(|slot| operations[slot].as_mut()) else {
            let (kind, f) = (event.kind.name(), event.f.clone());
            return Err(malformed(Problem::ReturnWithoutCall { process, kind, f }));
        };
        agree(operation, event, line(operation.call)).map_err(malformed)?;
        operation.ret = Some(position);
        operation.ret_time = Some(event.time);
        operation.version = event.version;
        match event.kind {
            Kind::Ok => operation.outcome = Outcome::Ok(event.value.clone()),
            Kind::Fail if event.error.as_deref() == Some(MISMATCH) => {
                operation.outcome = Outcome::Mismatch;
            }
            Kind::Fail => {
                if let Some(slot) = slot {
                    operations[slot] = None;
                }
            }
            Kind::Info | Kind::Invoke => {
                retired.insert(process, position);
            }
        }
    }
    let mut kept: Vec<Operation> = operations.into_iter().flatten().collect();
    for (id, operation) in kept.iter_mut().enumerate() {
        operation.id = id;
    }
    Ok(kept)
}

fn called(event: &Event, process: u64, position: usize) -> Operation {
    Operation {
        id: 0,
        process,
        f: event.f.clone(),
        key: event.key.clone(),
        input: event.value.clone(),
        outcome: Outcome::Unknown,
        call: position,
        ret: None,
        call_time: event.time,
        ret_time: None,
        version: None,
    }
}

/// A return must be of the function and key that were called. It may leave the key out.
fn agree(operation: &Operation, event: &Event, call_line: usize) -> Result<(), Problem> {
    let differs = |field, call: &str, found: &str| Problem::ReturnDiffers {
        field,
        call: excerpt(call),
        call_line,
        found: excerpt(found),
    };
    if operation.f != event.f {
        return Err(differs("f", &operation.f, &event.f));
    }
    match (&operation.key, &event.key) {
        (_, None) => Ok(()),
        (Some(call), Some(found)) if call == found => Ok(()),
        (call, Some(found)) => Err(differs("key", call.as_deref().unwrap_or_default(), found)),
    }
}
