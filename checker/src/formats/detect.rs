//! Tells the format of a history from its first bytes.

use serde_json::Value;

use super::jepsen_log;
use super::options::Input;
use crate::error::{HistoryError, Problem, excerpt};

/// The format of a file that begins with `start`. An empty file is an empty history.
pub(super) fn format(file: &str, start: &[u8]) -> Result<Input, HistoryError> {
    let text = String::from_utf8_lossy(start);
    let first = skip(&text);
    let inside = first.get(1..).map_or("", skip);
    let format = match (first.chars().next(), inside.chars().next()) {
        // Nothing, or nothing but comments, which only EDN has.
        (None, _) if text.trim_start().is_empty() => Some(Input::JsonLines),
        (None, _) | (Some('(' | '#'), _) => Some(Input::Edn),
        (Some('{'), Some('"' | '}') | None) => Some(json(first)),
        (Some('{'), Some(_)) => Some(Input::Edn),
        (Some('['), Some('{')) => {
            let key = inside.get(1..).map_or("", skip);
            let json = key.starts_with(['"', '}']) || key.is_empty();
            Some(if json { Input::ElleJson } else { Input::Edn })
        }
        (Some('['), Some(']')) => Some(Input::ElleJson),
        (Some('['), Some('#')) => Some(Input::Edn),
        _ => None,
    };
    if let Some(format) = format {
        return Ok(format);
    }
    if text.contains(jepsen_log::MARK)
        || text
            .lines()
            .any(|line| jepsen_log::operation(line).is_some())
    {
        return Ok(Input::JepsenLog);
    }
    let line = first.lines().next().unwrap_or_default();
    Err(HistoryError::Malformed {
        file: file.to_owned(),
        line: 1,
        problem: Problem::UnknownFormat(excerpt(line)),
    })
}

/// Skips white space and comments of EDN.
fn skip(text: &str) -> &str {
    let mut text = text.trim_start();
    while text.starts_with(';') {
        text = text
            .split_once('\n')
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    text
}

/// JSON objects one after the other: a type with a colon, or an absent `f`, shows that they are not this crate's.
fn json(first: &str) -> Input {
    let line = first.lines().next().unwrap_or_default();
    let Ok(Value::Object(object)) = serde_json::from_str(line) else {
        return Input::JsonLines;
    };
    let kind = object.get("type").and_then(Value::as_str);
    let nameless = kind.is_some() && !object.contains_key("f");
    if nameless || kind.is_some_and(|kind| kind.starts_with(':')) {
        Input::ElleJson
    } else {
        Input::JsonLines
    }
}
