//! Reads histories written as JSON lines: one event a line, Jepsen's keys.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, LINE_BYTES_MAX, Process};
use crate::operation::pair;

impl History {
    /// Reads a file of JSON lines and checks that calls and returns fit together.
    ///
    /// Unknown keys are tolerated, empty lines are skipped. A missing `time` is 0; a missing `index` is the number
    /// of the line, counted from 0.
    ///
    /// # Errors
    /// [`HistoryError`], with file, line, what was expected there and a remedy.
    pub fn read_jsonl(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|source| HistoryError::Unreadable {
            file: file.clone(),
            source,
        })?;
        Self::parse_jsonl(&file, BufReader::new(opened))
    }

    /// The same from any reader: `text.as_bytes()`, standard input. `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`History::read_jsonl`].
    pub fn parse_jsonl(name: &str, mut reader: impl BufRead) -> Result<Self, HistoryError> {
        let mut events = Vec::new();
        let mut lines = Vec::new();
        let mut line = 0;
        while let Some(text) = next_line(name, line + 1, &mut reader)? {
            line += 1;
            if text.text.trim().is_empty() {
                continue;
            }
            let event = parse_event(&text, line).map_err(|problem| HistoryError::Malformed {
                file: name.to_owned(),
                line,
                problem,
            })?;
            events.push(event);
            lines.push(line);
        }
        pair(&events, name, |position| lines[position])?;
        Ok(Self { events })
    }
}

/// One line and whether it had its newline.
pub(crate) struct Line {
    pub(crate) text: String,
    complete: bool,
}

/// The next line, or `None` at the end. Never holds more than the cap.
pub(crate) fn next_line(
    name: &str,
    line: usize,
    reader: &mut impl BufRead,
) -> Result<Option<Line>, HistoryError> {
    let malformed = |problem| HistoryError::Malformed {
        file: name.to_owned(),
        line,
        problem,
    };
    let mut bytes = Vec::new();
    let cap = LINE_BYTES_MAX as u64 + 1;
    reader
        .take(cap)
        .read_until(b'\n', &mut bytes)
        .map_err(|source| HistoryError::Unreadable {
            file: name.to_owned(),
            source,
        })?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let complete = bytes.last() == Some(&b'\n');
    if !complete && bytes.len() > LINE_BYTES_MAX {
        return Err(malformed(Problem::LineTooLong {
            bytes_max: LINE_BYTES_MAX,
        }));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let column = error.utf8_error().valid_up_to();
        malformed(Problem::InvalidUtf8 {
            byte: error.as_bytes()[column],
            column: column + 1,
        })
    })?;
    Ok(Some(Line { text, complete }))
}

fn parse_event(line: &Line, number: usize) -> Result<Event, Problem> {
    let value: Value = serde_json::from_str(&line.text).map_err(|error| {
        // A line that ends too early but has its newline was not cut by a crash; it is merely wrong.
        if error.is_eof() && !line.complete {
            Problem::Truncated
        } else {
            Problem::NotJson(excerpt(line.text.trim_end()))
        }
    })?;
    let Value::Object(mut object) = value else {
        return Err(Problem::NotJson(excerpt(line.text.trim_end())));
    };
    let process = object
        .get("process")
        .and_then(Process::from_json)
        .ok_or_else(|| {
            wrong(
                &object,
                "process",
                "a whole number from 0 on, or \"nemesis\"",
            )
        })?;
    let kind = object
        .get("type")
        .and_then(Value::as_str)
        .and_then(Kind::from_name)
        .ok_or_else(|| wrong(&object, "type", "one of invoke, ok, fail, info"))?;
    let f = object
        .get("f")
        .and_then(Value::as_str)
        .ok_or_else(|| wrong(&object, "f", "the name of a function"))?
        .to_owned();
    Ok(Event {
        index: whole(&object, "index")?.unwrap_or(number as u64 - 1),
        time: whole(&object, "time")?.unwrap_or(0),
        process,
        kind,
        f,
        key: key(&object)?,
        version: whole(&object, "version")?,
        error: error(&object)?,
        value: object.remove("value").unwrap_or(Value::Null),
    })
}

/// An optional whole number. `null` counts as absent.
fn whole(object: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, Problem> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(object, name, "a whole number from 0 on")),
        },
    }
}

/// The key: text, or a number, which is read as its digits since Jepsen's keys are often numbers.
fn key(object: &Map<String, Value>) -> Result<Option<String>, Problem> {
    match object.get("key") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(wrong(object, "key", "text")),
    }
}

/// The error: text, or whatever structure another tool put there, kept as JSON text.
fn error(object: &Map<String, Value>) -> Result<Option<String>, Problem> {
    Ok(match object.get("error") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    })
}

fn wrong(object: &Map<String, Value>, key: &'static str, expected: &'static str) -> Problem {
    let found = match object.get(key) {
        None => "nothing".to_owned(),
        Some(value) => excerpt(&value.to_string()),
    };
    Problem::WrongType {
        key,
        expected,
        found,
    }
}
