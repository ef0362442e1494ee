//! Reads the text log of older Jepsen runs: `INFO  jepsen.util - 3<tab>:invoke<tab>:cas<tab>[3 0]`.
//!
//! Lines that are not about operations are skipped. There are no times. `:fail :cas` with its arguments is a
//! comparison that was refused, a definite observation. A `:fail` with a keyword such as `:timed-out` says nothing.

use std::io::BufRead;

use serde_json::Value;

use super::json_lines::next_line;
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, Process};
use crate::operation::{MISMATCH, pair};

/// What precedes an operation on its line.
pub(crate) const MARK: &str = "jepsen.util - ";

/// Vectors nest at most this deep, so that no input can exhaust the stack.
const DEPTH_MAX: usize = 16;

impl History {
    /// Reads a Jepsen text log and checks that calls and returns fit together. `name` stands for the file in errors.
    ///
    /// # Errors
    /// [`HistoryError`], with file, line, what was expected there and a remedy.
    pub fn parse_jepsen_log(name: &str, mut reader: impl BufRead) -> Result<Self, HistoryError> {
        let mut events: Vec<Event> = Vec::new();
        let mut lines = Vec::new();
        let mut line = 0;
        while let Some(text) = next_line(name, line + 1, &mut reader)? {
            line += 1;
            let Some((_, operation)) = text.text.split_once(MARK) else {
                continue;
            };
            let event =
                parse_event(operation.trim_end(), events.len() as u64).ok_or_else(|| {
                    HistoryError::Malformed {
                        file: name.to_owned(),
                        line,
                        problem: Problem::NotAnOperation(excerpt(operation.trim_end())),
                    }
                })?;
            events.push(event);
            lines.push(line);
        }
        if events.is_empty() {
            return Err(HistoryError::Malformed {
                file: name.to_owned(),
                line: line.max(1),
                problem: Problem::UnknownFormat(format!("no line with `{}`", MARK.trim_end())),
            });
        }
        pair(&events, name, |position| lines[position])?;
        Ok(Self { events })
    }
}

fn parse_event(operation: &str, index: u64) -> Option<Event> {
    let mut words = operation.splitn(4, '\t');
    let process = match words.next()?.trim() {
        ":nemesis" => Process::Nemesis,
        number => Process::Client(number.parse().ok()?),
    };
    let kind = Kind::from_name(words.next()?.trim().strip_prefix(':')?)?;
    let f = words.next()?.trim().strip_prefix(':')?.to_owned();
    let argument = words.next().unwrap_or("nil").trim();
    let reason = argument.strip_prefix(':').map(str::to_owned);
    let (value, error) = match (kind, reason) {
        (Kind::Fail | Kind::Info, Some(reason)) => (Value::Null, Some(reason)),
        (Kind::Fail, None) if f == "cas" => (edn(argument)?, Some(MISMATCH.to_owned())),
        _ => (edn(argument)?, None),
    };
    Some(Event {
        index,
        time: 0,
        process,
        kind,
        f,
        key: None,
        value,
        version: None,
        error,
    })
}

/// Reads the few forms of EDN that such logs hold: nil, booleans, numbers, text, keywords and vectors.
fn edn(text: &str) -> Option<Value> {
    let mut rest = text;
    let value = form(&mut rest, 0)?;
    rest.trim().is_empty().then_some(value)
}

fn form(rest: &mut &str, depth: usize) -> Option<Value> {
    let separators = |character: char| character.is_whitespace() || character == ',';
    *rest = rest.trim_start_matches(separators);
    if let Some(inside) = rest.strip_prefix('[') {
        if depth == DEPTH_MAX {
            return None;
        }
        *rest = inside;
        let mut items = Vec::new();
        loop {
            *rest = rest.trim_start_matches(separators);
            if let Some(after) = rest.strip_prefix(']') {
                *rest = after;
                return Some(Value::Array(items));
            }
            items.push(form(rest, depth + 1)?);
        }
    }
    if rest.starts_with('"') {
        // The escapes of EDN text that occur in logs are those of JSON.
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let text = stream.next()?.ok()?;
        let used = stream.byte_offset();
        *rest = &rest[used..];
        return Some(Value::String(text));
    }
    let end = rest.find(|character| separators(character) || "[]".contains(character));
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after;
    match word {
        "" => None,
        "nil" => Some(Value::Null),
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => match word.strip_prefix(':') {
            Some(keyword) => Some(Value::String(keyword.to_owned())),
            None => serde_json::from_str::<serde_json::Number>(word)
                .ok()
                .map(Value::Number),
        },
    }
}
