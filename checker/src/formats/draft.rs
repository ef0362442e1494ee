//! The events of a file while they are read, with their lines, and what the options make of them.

use serde_json::Value;

use super::options::{FailedCas, ReadOptions};
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, Process};
use crate::operation::{MISMATCH, pairs};

/// Events, and the line on which each begins.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) events: Vec<Event>,
    pub(super) lines: Vec<usize>,
}

impl Draft {
    pub(super) fn push(&mut self, event: Event, line: usize) {
        self.events.push(event);
        self.lines.push(line);
    }

    /// Applies the options, and checks that calls and returns fit together.
    pub(super) fn finish(
        &mut self,
        name: &str,
        options: &ReadOptions,
    ) -> Result<History, HistoryError> {
        for (event, line) in self.events.iter_mut().zip(&self.lines) {
            if options.independent {
                split(event).map_err(|problem| HistoryError::Malformed {
                    file: name.to_owned(),
                    line: *line,
                    problem,
                })?;
            }
            read_failed_cas(event, options.failed_cas);
        }
        pairs(&self.events, name, |position| self.lines[position])?;
        let events = std::mem::take(&mut self.events);
        Ok(History { events })
    }
}

/// Splits a value `[key value]` of Jepsen's independent workloads. A return may say nothing: then it has no value.
fn split(event: &mut Event) -> Result<(), Problem> {
    if event.process == Process::Nemesis || (event.kind != Kind::Invoke && event.value.is_null()) {
        return Ok(());
    }
    let pair = match std::mem::take(&mut event.value) {
        Value::Array(items) => <[Value; 2]>::try_from(items).map_err(Value::Array),
        other => Err(other),
    };
    let [key, value] = pair.map_err(|other| Problem::WrongType {
        key: "value",
        expected: "a pair of key and value, as independent workloads have it",
        found: excerpt(&other.to_string()),
    })?;
    event.key = Some(match key {
        Value::String(text) => text,
        other => other.to_string(),
    });
    event.value = value;
    Ok(())
}

/// Makes a failed `cas` the observation that it is under this reading, or takes it away.
fn read_failed_cas(event: &mut Event, reading: FailedCas) {
    if event.kind != Kind::Fail {
        return;
    }
    let refused = event.error.as_deref() == Some(MISMATCH);
    match reading {
        FailedCas::Auto | FailedCas::Recorded => {}
        FailedCas::Mismatch => {
            if event.f == "cas" && event.error.is_none() && !event.value.is_null() {
                event.error = Some(MISMATCH.to_owned());
            }
        }
        FailedCas::Ignore => {
            if refused {
                event.error = Some(format!("{MISMATCH}, ignored"));
            }
        }
    }
}
