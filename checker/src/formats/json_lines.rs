//! Reads histories written as JSON lines: one event a line, Jepsen's keys.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::{Map, Value};

use super::draft::Draft;
use super::fields::{Dialect, Fields};
use super::lines::Lines;
use super::options::{FailedCas, ReadOptions};
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, Process};

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
    pub fn parse_jsonl(name: &str, reader: impl BufRead) -> Result<Self, HistoryError> {
        let options = ReadOptions {
            failed_cas: FailedCas::Recorded,
            ..ReadOptions::default()
        };
        draft(name, reader)?.finish(name, &options)
    }
}

pub(super) fn draft(name: &str, reader: impl BufRead) -> Result<Draft, HistoryError> {
    let mut draft = Draft::default();
    let mut lines = Lines::new(name, reader);
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        if line.text.trim().is_empty() {
            continue;
        }
        match parse_event(line.text, line.complete, number - 1) {
            Ok(event) => draft.push(event, number as usize),
            Err(problem) => return Err(lines.malformed(problem)),
        }
    }
    Ok(draft)
}

/// Reads one line. What is not quite as [`History::write_jsonl`] writes it is read again with patience, which accepts more
/// and says what is wrong.
fn parse_event(text: &str, complete: bool, number: u64) -> Result<Event, Problem> {
    match serde_json::from_str::<Plain>(text) {
        Ok(plain) => Ok(plain.event(number)),
        Err(_) => with_patience(text, complete, number),
    }
}

fn with_patience(text: &str, complete: bool, number: u64) -> Result<Event, Problem> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // A line that ends too early but has its newline was not cut by a crash; it is merely wrong.
        if error.is_eof() && !complete {
            Problem::Truncated
        } else {
            Problem::NotJson(excerpt(text.trim_end()))
        }
    })?;
    let Value::Object(object) = value else {
        return Err(Problem::NotJson(excerpt(text.trim_end())));
    };
    fields(object).event(number, Dialect::Ours)
}

/// The keys of an operation from a JSON object.
pub(super) fn fields(object: Map<String, Value>) -> Fields {
    let mut fields = Fields::default();
    for (key, value) in object {
        if let Some(slot) = fields.slot(&key) {
            *slot = Some(value);
        }
    }
    fields
}

/// An event as this crate writes it, deserialized without a detour.
#[derive(Deserialize)]
pub(super) struct Plain {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    time: Option<u64>,
    process: Process,
    #[serde(rename = "type")]
    kind: Kind,
    f: String,
    #[serde(default)]
    key: Option<Word>,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    error: Option<String>,
}

impl Plain {
    pub(super) fn event(self, number: u64) -> Event {
        Event {
            index: self.index.unwrap_or(number),
            time: self.time.unwrap_or(0),
            process: self.process,
            kind: self.kind,
            f: self.f,
            key: self.key.map(|Word(text)| text),
            value: self.value,
            version: self.version,
            error: self.error,
        }
    }
}

/// Text, or the digits of a whole number.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;

        impl Visitor<'_> for WordVisitor {
            type Value = Word;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }

        deserializer.deserialize_any(WordVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"index":10,"time":-20,"process":"nemesis","type":"invoke","f":"read","key":7,"value":[1,{"a":null}],"version":null,"error":"x"}"#;

    fn pieces() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "{",
            "}",
            "\"index\":",
            "\"time\":",
            "\"process\":",
            "\"type\":",
            "\"f\":",
            "\"key\":",
            "\"value\":",
            "\"version\":",
            "\"error\":",
            "\"other\":",
            "\"nemesis\"",
            "\"invoke\"",
            "\":ok\"",
            "\"ok\"",
            "\"\\u0061\"",
            "1",
            "-1",
            "0",
            "1.0",
            "1e3",
            "18446744073709551616",
            "null",
            "[1]",
            "{}",
            "true",
            ",",
            ",",
            ",",
            " ",
        ]);
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    /// A line with some keys, mostly of the right type, perhaps one of them twice.
    fn lines() -> impl Strategy<Value = String> {
        let value = proptest::sample::select(vec![
            "null",
            "1",
            "-1",
            "1.5",
            "18446744073709551615",
            "18446744073709551616",
            "\"nemesis\"",
            "\":nemesis\"",
            "\"ok\"",
            "\"\"",
            "[]",
            "{\"a\":1}",
            "true",
            "tru",
        ]);
        let key = proptest::sample::select(vec![
            "index", "time", "process", "type", "f", "key", "value", "value", "version", "error",
            "other",
        ]);
        let process = proptest::sample::select(vec!["0", "7", "\"nemesis\"", "\":nemesis\"", "-1"]);
        let kind = proptest::sample::select(vec!["invoke", "ok", "fail", "info", "Ok"]);
        let rest = proptest::collection::vec((key, value), 0..4);
        (process, kind, rest).prop_map(|(process, kind, rest)| {
            let rest = rest
                .iter()
                .map(|(key, value)| format!(",\"{key}\":{value}"));
            let rest: String = rest.collect();
            format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"a\"{rest}}}")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

        /// The direct way accepts nothing that the patient one refuses, and reads the same.
        #[test]
        fn both_ways_read_the_same(text in prop_oneof![pieces(), lines()], complete in any::<bool>()) {
            prop_assert_eq!(parse_event(&text, complete, 5), with_patience(&text, complete, 5));
        }
    }

    #[test]
    fn the_direct_way_is_taken() {
        let good = GOOD.replace("-20", "20");
        assert!(serde_json::from_str::<Plain>(&good).is_ok());
        assert!(serde_json::from_str::<Plain>(GOOD).is_err());
    }
}
