//! The history: what clients saw, event by event, in the order in which it happened.
//!
//! # What is recorded
//! A client records an event before it sends an operation, and another when it knows how the operation ended. The order matters: if the
//! call is recorded before it is sent, and the return after it has arrived, the recorded span contains the real one. Then a history can
//! look more concurrent than it was, but never less, and nothing that is concluded from it is false.
//!
//! | `type` | what it says |
//! | --- | --- |
//! | `invoke` | the operation is about to be sent; `value` is its argument |
//! | `ok` | it happened between its call and this event; `value` is its result |
//! | `fail` | it did not happen, for certain. With the error `mismatch` it also saw something: a comparison was made and refused |
//! | `info` | it may have happened, may still happen at any later time, or never: a timeout, a broken connection, a crash |
//!
//! A timeout proves nothing about a mutation, so `fail` is only for answers that say so. A retry under the same number is part of the same
//! operation: one call, one return. A process has one operation open at a time, and after an `info` the client goes on under a new number,
//! because its old operation may still be in flight.
//!
//! # What is exact
//! The order of events is taken for the order in which they happened. That is exact if one clock, or one process, ordered them. A history
//! that was merged from several clocks must be widened first, each call earlier and each return later by what the clocks may differ: the
//! judge cannot know it. The time of an event is for people; only [`TtlCache`](crate::TtlCache) reads it. Events of the nemesis are for
//! people, too.
//!
//! Read next: [`operation`](crate::operation), how calls find their returns.

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// The longest line a history may have, in bytes. A longer one is an error and is never held in memory whole.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who did it. In JSON an integer, or `"nemesis"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// A client with one operation open at a time. After an `info` it takes a new number.
    Client(u64),
    /// The one who injects faults. Its events are for people; the judge skips them.
    Nemesis,
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(formatter, "{number}"),
            Self::Nemesis => formatter.write_str("nemesis"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(number) => serializer.serialize_u64(*number),
            Self::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ProcessVisitor;

        impl de::Visitor<'_> for ProcessVisitor {
            type Value = Process;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a process: a whole number from 0 on, or \"nemesis\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Process, E> {
                Ok(Process::Client(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Process, E> {
                match text {
                    "nemesis" | ":nemesis" => Ok(Process::Nemesis),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }

        deserializer.deserialize_any(ProcessVisitor)
    }
}

impl Process {
    /// Reads the JSON form. Jepsen's EDN-flavoured `":nemesis"` is understood too.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self::Client),
            Value::String(text) if text == "nemesis" || text == ":nemesis" => Some(Self::Nemesis),
            _ => None,
        }
    }
}

/// What kind of event it is. In JSON the key `type`, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The operation is about to be sent.
    Invoke,
    /// It happened, between its invoke and this event.
    Ok,
    /// It did not happen. With the error `mismatch`, a comparison was seen to be refused.
    Fail,
    /// It may have happened, or may happen at any later time, or never.
    Info,
}

impl Kind {
    /// The JSON form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }

    /// Reads the JSON form.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Invoke, Self::Ok, Self::Fail, Self::Info]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One event: a call, a return, or something the nemesis did. One line of a history file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The writer's number of the event. The judge goes by the order of lines, never by this.
    #[serde(default)]
    pub index: u64,
    /// Nanoseconds since the start of the run. For people; it decides nothing. 0 when not recorded.
    #[serde(default)]
    pub time: u64,
    /// Who did it.
    pub process: Process,
    /// Call, or how it returned.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The function: `read`, `write`, `cas` and so on. A return repeats that of its call.
    pub f: String,
    /// The key, for objects that are independent per key. A return repeats that of its call or omits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// On an invoke the argument; on an `ok` the result.
    #[serde(default)]
    pub value: Value,
    /// A revision, zxid or index given by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it failed or is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A whole history. The order of `events` is the order in which they happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// All events, of all processes and keys.
    pub events: Vec<Event>,
}

impl History {
    /// Writes one JSON object a line, keys in the order of [`Event`]'s fields, optional keys omitted when absent.
    /// The same history always gives the same bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_jsonl(&self, mut out: impl Write) -> io::Result<()> {
        for event in &self.events {
            serde_json::to_writer(&mut out, event)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}
