//! Reads Jepsen's text log: `INFO  jepsen.util - 3<tab>:invoke<tab>:cas<tab>[3 0]`, and the same without what precedes the
//! process, as `history.txt` has it.
//!
//! Lines that are not about operations are skipped. There are no times. A keyword in place of the value of a `:fail` or
//! `:info` is its error, as is a second value: `:fail :cas [3 0] :timed-out`.

use std::io::BufRead;

use serde_json::Value;

use super::draft::Draft;
use super::edn;
use super::lines::Lines;
use super::options::{FailedCas, ReadOptions};
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, Process};

/// What precedes an operation on its line, with `-` or `:` and spaces behind it.
pub(super) const MARK: &str = "jepsen.util";

impl History {
    /// Reads a Jepsen text log and checks that calls and returns fit together. `name` stands for the file in errors.
    /// A failed `cas` with its arguments is a refused comparison; [`read_with`](crate::formats::input::read_with) can read it
    /// otherwise.
    ///
    /// # Errors
    /// [`HistoryError`], with file, line, what was expected there and a remedy.
    pub fn parse_jepsen_log(name: &str, reader: impl BufRead) -> Result<Self, HistoryError> {
        let options = ReadOptions {
            failed_cas: FailedCas::Mismatch,
            ..ReadOptions::default()
        };
        draft(name, reader)?.finish(name, &options)
    }
}

pub(super) fn draft(name: &str, reader: impl BufRead) -> Result<Draft, HistoryError> {
    let mut draft = Draft::default();
    let mut lines = Lines::new(name, reader);
    while let Some(line) = lines.next()? {
        let Some(text) = operation(line.text) else {
            continue;
        };
        match parse_event(text, draft.events.len() as u64) {
            Some(event) => draft.push(event, lines.number),
            None => {
                let problem = Problem::NotAnOperation(excerpt(text));
                return Err(lines.malformed(problem));
            }
        }
    }
    if draft.events.is_empty() {
        lines.number = lines.number.max(1);
        let problem = Problem::UnknownFormat(format!("no line with `{MARK} -`"));
        return Err(lines.malformed(problem));
    }
    Ok(draft)
}

/// The part of a line that is about an operation: what follows the mark, or the whole line if it begins with a process and
/// a type. Behind the mark, anything that has only one of the two counts as well, so that a damaged operation is not passed
/// over.
pub(super) fn operation(line: &str) -> Option<&str> {
    let (text, marked) = match line.split_once(MARK) {
        Some((_, rest)) => {
            let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
            (rest.strip_prefix('-').unwrap_or(rest), true)
        }
        None => (line, false),
    };
    let text = text.trim();
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let process = first == ":nemesis" || first.bytes().all(|byte| byte.is_ascii_digit());
    let second = words.next();
    let about = if marked {
        process || second.is_some_and(|word| word.starts_with(':'))
    } else {
        let kind = second.and_then(|word| word.strip_prefix(':'));
        process && kind.is_some_and(|kind| Kind::from_name(kind).is_some())
    };
    about.then_some(text)
}

fn parse_event(operation: &str, index: u64) -> Option<Event> {
    let mut rest = operation;
    let process = match word(&mut rest) {
        ":nemesis" => Process::Nemesis,
        number => Process::Client(number.parse().ok()?),
    };
    let kind = Kind::from_name(word(&mut rest).strip_prefix(':')?)?;
    let f = word(&mut rest).strip_prefix(':')?.to_owned();
    let (value, error) = match arguments(rest.trim_start()) {
        Some(arguments) => arguments,
        // What the nemesis did is for people, and need not be EDN.
        None if process == Process::Nemesis => (Value::from(rest.trim_start()), None),
        None => return None,
    };
    let (value, error) = match (kind, value, error) {
        // A keyword in place of the value.
        (Kind::Fail | Kind::Info, Value::String(reason), None)
            if process != Process::Nemesis && rest.trim_start().starts_with(':') =>
        {
            (Value::Null, Some(reason))
        }
        (_, value, error) => (value, error),
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

/// Takes the next word.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    *rest = after;
    word
}

/// The value, and the error if there is one.
fn arguments(text: &str) -> Option<(Value, Option<String>)> {
    if text.is_empty() || text == "nil" {
        return Some((Value::Null, None));
    }
    let short = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if let (true, Ok(number)) = (short, text.parse::<u64>()) {
        return Some((Value::from(number), None));
    }
    let mut values = edn::values(text).ok()?.into_iter();
    let (value, error) = (values.next()?, values.next());
    if values.next().is_some() {
        return None;
    }
    let error = error
        .filter(|error| !error.is_null())
        .map(|error| match error {
            Value::String(text) => text,
            other => other.to_string(),
        });
    Some((value, error))
}
