//! The keys of an operation, as JSON values, made into an event. What a key may hold is the same in every format.

use serde_json::Value;

use crate::error::{Problem, excerpt};
use crate::history::{Event, Kind, Process};

/// Whose habits a file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// JSON lines of this crate.
    Ours,
    /// Files of Jepsen and its relatives: -1 stands for an unknown time or index, and transactions may lack their `f`.
    Jepsen,
}

/// The keys that matter; `None` for those that are absent.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) index: Option<Value>,
    pub(super) time: Option<Value>,
    pub(super) process: Option<Value>,
    pub(super) kind: Option<Value>,
    pub(super) f: Option<Value>,
    pub(super) key: Option<Value>,
    pub(super) value: Option<Value>,
    pub(super) version: Option<Value>,
    pub(super) error: Option<Value>,
}

impl Fields {
    /// The place for the key `name`, if it is one that matters.
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Option<Value>> {
        Some(match name {
            "index" => &mut self.index,
            "time" => &mut self.time,
            "process" => &mut self.process,
            "type" => &mut self.kind,
            "f" => &mut self.f,
            "key" => &mut self.key,
            "value" => &mut self.value,
            "version" => &mut self.version,
            "error" => &mut self.error,
            _ => return None,
        })
    }

    /// The event. `number` stands in for a missing index.
    pub(super) fn event(mut self, number: u64, dialect: Dialect) -> Result<Event, Problem> {
        if dialect == Dialect::Jepsen {
            self.adapt();
        }
        let process = self.process.as_ref().and_then(Process::from_json);
        let process = process.ok_or_else(|| {
            wrong(
                "process",
                "a whole number from 0 on, or \"nemesis\"",
                self.process.as_ref(),
            )
        })?;
        let kind = self.kind.as_ref().and_then(Value::as_str);
        let kind = kind
            .and_then(Kind::from_name)
            .ok_or_else(|| wrong("type", "one of invoke, ok, fail, info", self.kind.as_ref()))?;
        let f = match self.f {
            Some(Value::String(f)) => f,
            other => return Err(wrong("f", "the name of a function", other.as_ref())),
        };
        Ok(Event {
            index: whole("index", self.index)?.unwrap_or(number),
            time: whole("time", self.time)?.unwrap_or(0),
            process,
            kind,
            f,
            key: key(self.key)?,
            version: whole("version", self.version)?,
            error: error(self.error),
            value: self.value.unwrap_or(Value::Null),
        })
    }

    fn adapt(&mut self) {
        for field in [&mut self.index, &mut self.time] {
            if field.as_ref().and_then(Value::as_i64) == Some(-1) {
                *field = None;
            }
        }
        let nameless = matches!(self.f, None | Some(Value::Null));
        if nameless && self.value.as_ref().is_some_and(is_transaction) {
            self.f = Some(Value::from("txn"));
        }
    }
}

/// A list of micro-operations: lists that begin with a word, `["append", 1, 2]`.
pub(super) fn is_transaction(value: &Value) -> bool {
    let micro = |item: &Value| item.get(0).is_some_and(Value::is_string);
    value
        .as_array()
        .is_some_and(|items| items.iter().all(micro))
}

/// An optional whole number. `null` counts as absent.
fn whole(name: &'static str, value: Option<Value>) -> Result<Option<u64>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(name, "a whole number from 0 on", Some(&value))),
        },
    }
}

/// The key: text, or a number, which is read as its digits since Jepsen's keys are often numbers.
fn key(value: Option<Value>) -> Result<Option<String>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(wrong("key", "text", Some(&other))),
    }
}

/// The error: text, or whatever structure another tool put there, kept as JSON text.
fn error(value: Option<Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
    }
}

fn wrong(key: &'static str, expected: &'static str, found: Option<&Value>) -> Problem {
    let found = match found {
        None => "nothing".to_owned(),
        Some(value) => excerpt(&value.to_string()),
    };
    Problem::WrongType {
        key,
        expected,
        found,
    }
}
