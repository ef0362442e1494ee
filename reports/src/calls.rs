//! The operations of a history as they are drawn: every call with what it was told.
//!
//! The judge drops what certainly did not happen; people want to see it.

use crate::escape::short;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_checker::{Event, History, Kind, Process};

/// The most characters of one value that a page shows.
pub(crate) const VALUE_CHARACTERS_MAX: usize = 96;

/// How a call ended, as it is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// It happened.
    Ok,
    /// It changed nothing.
    Fail,
    /// Nobody knows.
    Info,
}

impl Ending {
    /// All of them, in the order in which they are drawn: what is rare comes on top.
    pub(crate) const ALL: [Ending; 3] = [Ending::Ok, Ending::Fail, Ending::Info];

    /// Its name, which is its colour's name too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ending::Ok => "ok",
            Ending::Fail => "fail",
            Ending::Info => "info",
        }
    }
}

/// One call of one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// The client, from 0. A client takes a new process number after an unknown outcome.
    pub(crate) client: u64,
    /// The process number.
    pub(crate) process: u64,
    /// The position of the call in the history.
    pub(crate) position: usize,
    /// The call.
    pub(crate) invoke: &'a Event,
    /// The return; an `info` is one.
    pub(crate) completion: Option<&'a Event>,
    /// The position of the return.
    pub(crate) returned: Option<usize>,
}

/// Pairs calls with returns. A return without a call is passed over: it is the judge who complains.
pub(crate) fn calls(history: &History, clients: u32) -> Vec<Call<'_>> {
    let clients = u64::from(clients.max(1));
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut calls: Vec<Call<'_>> = Vec::new();
    for (position, event) in history.events.iter().enumerate() {
        let Process::Client(process) = event.process else {
            continue;
        };
        if event.kind == Kind::Invoke {
            open.insert(process, calls.len());
            calls.push(Call {
                client: process % clients,
                process,
                position,
                invoke: event,
                completion: None,
                returned: None,
            });
        } else if let Some(slot) = open.remove(&process) {
            (calls[slot].completion, calls[slot].returned) = (Some(event), Some(position));
        }
    }
    calls
}

impl Call<'_> {
    pub(crate) fn ending(&self) -> Ending {
        match self.completion.map(|event| event.kind) {
            Some(Kind::Ok) => Ending::Ok,
            Some(Kind::Fail) => Ending::Fail,
            _ => Ending::Info,
        }
    }

    /// When it was called, in nanoseconds.
    pub(crate) fn called_ns(&self) -> u64 {
        self.invoke.time
    }

    /// When it returned; when the run ended, if it never did.
    pub(crate) fn until_ns(&self, ended_ns: u64) -> u64 {
        self.completion
            .map_or(ended_ns, |event| event.time)
            .max(self.invoke.time)
    }

    /// How long it took, in nanoseconds; `None` if it never returned.
    pub(crate) fn latency_ns(&self) -> Option<u64> {
        self.completion
            .map(|event| event.time.saturating_sub(self.invoke.time))
    }

    /// The function and its key: `write k1`.
    pub(crate) fn what(&self) -> String {
        let f = short(&self.invoke.f, VALUE_CHARACTERS_MAX);
        match &self.invoke.key {
            Some(key) => format!("{f} {}", short(key, VALUE_CHARACTERS_MAX)),
            None => f,
        }
    }

    /// The argument, empty if there is none.
    pub(crate) fn argument(&self) -> String {
        value(&self.invoke.value)
    }

    /// What came back: a value, `ok`, an error, or that nothing did.
    pub(crate) fn result(&self) -> String {
        let Some(completion) = self.completion else {
            return "no return".to_string();
        };
        let error = completion
            .error
            .as_deref()
            .map(|error| short(error, VALUE_CHARACTERS_MAX));
        match (completion.kind, error) {
            (Kind::Ok, _)
                if completion.value == self.invoke.value && !completion.value.is_null() =>
            {
                "ok".to_string()
            }
            (Kind::Ok, _) => short(&phrase(&completion.value), VALUE_CHARACTERS_MAX),
            (Kind::Fail, error) => {
                format!("fail: {}", error.as_deref().unwrap_or("no reason given"))
            }
            (_, error) => format!("unknown: {}", error.as_deref().unwrap_or("no reason given")),
        }
    }
}

/// A value as people read it; nothing for null.
pub(crate) fn value(value: &Value) -> String {
    if value.is_null() {
        String::new()
    } else {
        short(&phrase(value), VALUE_CHARACTERS_MAX)
    }
}

/// A value in few words. What is plain is as in JSON. Of an object only the fields that hold something are shown, and an object whose one such
/// field is another of that kind is passed over: services wrap what they are asked in several words.
fn phrase(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Array(_) | Value::Object(_) => put_phrase(&mut text, value, 0),
        plain => text = plain.to_string(),
    }
    text
}

/// Nobody sees more than a short text of a value.
const PHRASE_BYTES_MAX: usize = 4 * VALUE_CHARACTERS_MAX;

/// How deep a value is followed.
const DEPTH_MAX: usize = 16;

fn put_phrase(text: &mut String, value: &Value, depth: usize) {
    if text.len() > PHRASE_BYTES_MAX || depth > DEPTH_MAX {
        text.push('\u{2026}');
        return;
    }
    match value {
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                put_phrase(text, item, depth + 1);
                if text.len() > PHRASE_BYTES_MAX {
                    break;
                }
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut told = fields.iter().filter(|(_, value)| holds(value)).peekable();
            let first = told.next();
            match (first, told.peek()) {
                (None, _) => text.push_str("{}"),
                (Some((name, inner)), None) => {
                    if !wraps(inner) {
                        let _ = write!(text, "{name} ");
                    }
                    put_phrase(text, inner, depth + 1);
                }
                (Some(first), Some(_)) => {
                    for (at, (name, inner)) in std::iter::once(first).chain(told).enumerate() {
                        let _ = write!(text, "{}{name}=", if at > 0 { " " } else { "" });
                        let nested = inner.is_object();
                        text.push_str(if nested { "(" } else { "" });
                        put_phrase(text, inner, depth + 1);
                        text.push_str(if nested { ")" } else { "" });
                    }
                }
            }
        }
        Value::String(plain)
            if !plain.is_empty()
                && plain
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c)) =>
        {
            text.push_str(plain);
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// Whether a field says anything.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// Whether a value is an object of one field that says anything.
fn wraps(value: &Value) -> bool {
    let Value::Object(fields) = value else {
        return false;
    };
    fields.values().filter(|value| holds(value)).take(2).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_told_in_few_words() {
        let wrapped = json!({"ask": {"as_user": null, "ask": {"write": {"put": {"key": "a/b", "value": 3, "lease": null}}}}});
        assert_eq!(phrase(&wrapped), "put key=a/b value=3");
        let several = json!({"revision": 7, "result": {"Ok": {"range": {"kvs": [], "count": 0}}}});
        assert_eq!(phrase(&several), "result=(count 0) revision=7");
        assert_eq!(phrase(&json!([1, "x y", null])), "[1, \"x y\", null]");
        assert_eq!(phrase(&json!("plain")), "\"plain\"");
        assert_eq!(phrase(&json!({"a": null})), "{}");
    }

    #[test]
    fn a_huge_value_costs_no_more_than_what_is_shown_of_it() {
        let wide = json!(vec![json!({"a": [1, 2, 3], "b": "x"}); 100_000]);
        assert!(phrase(&wide).len() < 2 * PHRASE_BYTES_MAX);
        let deep = (0..100).fold(json!(1), |inner, _| json!({"a": inner, "b": 1}));
        assert!(phrase(&deep).contains('\u{2026}'));
    }
}
