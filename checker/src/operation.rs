//! The operation: a call with what became of it.
//!
//! [`History::operations`] pairs each call with its return. What the judge is told afterwards is only this list: the argument, the outcome,
//! and the two positions in the history between which the operation took effect.
//!
//! | the call's process goes on with | outcome | took effect |
//! | --- | --- | --- |
//! | `ok` | [`Outcome::Ok`] with the result | between call and return |
//! | `fail` with the error `mismatch` | [`Outcome::Mismatch`] | nothing changed; the refusal was seen between call and return |
//! | any other `fail` | none: the operation is left out | never |
//! | `info` | [`Outcome::Unknown`] | at any time from the call on, or never |
//! | nothing | [`Outcome::Unknown`] | the same |
//!
//! One operation *precedes* another if it returned before the other was called ([`Operation::precedes`]). This is the real-time order of
//! Herlihy and Wing ("Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 1990, section 2), and the only thing of the
//! history, beside results, that an order must keep. An operation of unknown outcome precedes nothing.
//!
//! Two calls at once of one process, a return without a call, a return of another function or key, and a call after an `info` of the same
//! process are errors with the line and a remedy ([`HistoryError`]): a history that contradicts itself is not judged.

use std::fmt;

use rustc_hash::FxHashMap;
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

    /// The same operations under the same numbers, as positions: for those who read the values where they are.
    ///
    /// # Errors
    /// As [`History::operations`].
    pub fn pairs(&self) -> Result<Vec<Pair>, HistoryError> {
        let mut pairs = pairs(&self.events, "history", |position| position + 1)?;
        pairs.retain(|pair| {
            pair.ret
                .is_none_or(|ret| may_have_happened(&self.events[ret]))
        });
        Ok(pairs)
    }
}

/// The work behind [`History::operations`], for those who have only some of the events.
pub(crate) fn pair(
    events: &[Event],
    name: &str,
    line: impl Fn(usize) -> usize,
) -> Result<Vec<Operation>, HistoryError> {
    let pairs = pairs(events, name, line)?;
    let mut operations = Vec::with_capacity(pairs.len());
    for Pair { process, call, ret } in pairs {
        let (begin, end) = (&events[call], ret.map(|ret| &events[ret]));
        let Some(outcome) = end.map_or(Some(Outcome::Unknown), outcome) else {
            continue;
        };
        operations.push(Operation {
            id: operations.len(),
            process,
            f: begin.f.clone(),
            key: begin.key.clone(),
            input: begin.value.clone(),
            outcome,
            call,
            ret,
            call_time: begin.time,
            ret_time: end.map(|end| end.time),
            version: end.and_then(|end| end.version),
        });
    }
    Ok(operations)
}

/// Whether this return leaves it open, or says, that the operation happened, or that a comparison was seen to be refused.
fn may_have_happened(end: &Event) -> bool {
    end.kind != Kind::Fail || end.error.as_deref() == Some(MISMATCH)
}

/// What a return tells; `None` when the operation did not happen.
fn outcome(end: &Event) -> Option<Outcome> {
    match end.kind {
        Kind::Ok => Some(Outcome::Ok(end.value.clone())),
        Kind::Fail => may_have_happened(end).then_some(Outcome::Mismatch),
        Kind::Info | Kind::Invoke => Some(Outcome::Unknown),
    }
}

/// A call and its return, as positions in the list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The client's number.
    pub process: u64,
    /// Where it was called.
    pub call: usize,
    /// Where it returned, if it did.
    pub ret: Option<usize>,
}

/// What a process is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Activity {
    /// It may call.
    #[default]
    Idle,
    /// The pair with this number waits for its return.
    Open(usize),
    /// The event at this position was an info: the process may not go on.
    Retired(usize),
}

/// The activity of every process. Process numbers are small and dense in almost every history, so that they index a
/// list; a number beyond the length of the history goes to a map, and no input can make the list long.
struct Processes {
    dense_max: u64,
    dense: Vec<Activity>,
    sparse: FxHashMap<u64, Activity>,
}

impl Processes {
    fn of(&mut self, process: u64) -> &mut Activity {
        if process >= self.dense_max {
            return self.sparse.entry(process).or_default();
        }
        let at = process as usize;
        if at >= self.dense.len() {
            self.dense.resize(at + 1, Activity::Idle);
        }
        &mut self.dense[at]
    }
}

/// Finds the return of every call, in the order of calls. Clones nothing: readers run it only to see whether calls and
/// returns fit together, and know the true `line` of each event.
pub(crate) fn pairs(
    events: &[Event],
    name: &str,
    line: impl Fn(usize) -> usize,
) -> Result<Vec<Pair>, HistoryError> {
    let mut pairs: Vec<Pair> = Vec::with_capacity(events.len() / 2 + 1);
    let mut processes = Processes {
        dense_max: events.len() as u64 + 1024,
        dense: Vec::new(),
        sparse: FxHashMap::default(),
    };
    for (position, event) in events.iter().enumerate() {
        let Process::Client(process) = event.process else {
            continue;
        };
        let malformed = |problem| HistoryError::Malformed {
            file: name.to_owned(),
            line: line(position),
            problem,
        };
        let activity = processes.of(process);
        match (event.kind, *activity) {
            (Kind::Invoke, Activity::Idle) => {
                *activity = Activity::Open(pairs.len());
                pairs.push(Pair {
                    process,
                    call: position,
                    ret: None,
                });
            }
            (Kind::Invoke, Activity::Retired(info)) => {
                let info_line = line(info);
                return Err(malformed(Problem::ProcessReused { process, info_line }));
            }
            (Kind::Invoke, Activity::Open(number)) => {
                let first_line = line(pairs[number].call);
                return Err(malformed(Problem::TwoOpenCalls {
                    process,
                    first_line,
                }));
            }
            (kind, Activity::Open(number)) => {
                let pair = &mut pairs[number];
                agree(&events[pair.call], event, || line(pair.call)).map_err(malformed)?;
                pair.ret = Some(position);
                *activity = match kind {
                    Kind::Info => Activity::Retired(position),
                    _ => Activity::Idle,
                };
            }
            (kind, Activity::Idle | Activity::Retired(_)) => {
                let (kind, f) = (kind.name(), event.f.clone());
                return Err(malformed(Problem::ReturnWithoutCall { process, kind, f }));
            }
        }
    }
    Ok(pairs)
}

/// A return must be of the function and key that were called. It may leave the key out.
fn agree(call: &Event, end: &Event, call_line: impl Fn() -> usize) -> Result<(), Problem> {
    let differs = |field, called: &str, found: &str| Problem::ReturnDiffers {
        field,
        call: excerpt(called),
        call_line: call_line(),
        found: excerpt(found),
    };
    if call.f != end.f {
        return Err(differs("f", &call.f, &end.f));
    }
    match (&call.key, &end.key) {
        (_, None) => Ok(()),
        (Some(called), Some(found)) if called == found => Ok(()),
        (called, Some(found)) => Err(differs("key", called.as_deref().unwrap_or_default(), found)),
    }
}
