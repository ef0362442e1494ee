//! Writes histories in the formats of other tools. The same history always gives the same bytes, and what is written here is
//! read back as it was.

use std::io::{self, Write};

use serde_json::{Number, Value};

use super::elle_json::micro_words;
use crate::history::{Event, History, Process};

impl History {
    /// Writes Jepsen's EDN: one operation map a line. `f` and the words of micro-operations become keywords where EDN allows
    /// it, all other text strings.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_edn(&self, mut out: impl Write) -> io::Result<()> {
        for event in &self.events {
            write_event(&mut out, event)?;
        }
        out.flush()
    }

    /// Writes what elle-cli reads: one JSON array, one operation object a line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_elle_json(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(b"[")?;
        for (position, event) in self.events.iter().enumerate() {
            out.write_all(if position == 0 { b"" } else { b",\n" })?;
            let mut event = event.clone();
            // One colon is taken off when the file is read.
            if event.f.starts_with(':') {
                event.f.insert(0, ':');
            }
            for word in micro_words(&mut event.value) {
                if let Value::String(text) = word
                    && text.starts_with(':')
                {
                    text.insert(0, ':');
                }
            }
            serde_json::to_writer(&mut out, &event)?;
        }
        out.write_all(b"]\n")?;
        out.flush()
    }
}

fn write_event(out: &mut impl Write, event: &Event) -> io::Result<()> {
    write!(out, "{{:index ")?;
    write_number(out, &Number::from(event.index))?;
    write!(out, ", :time ")?;
    write_number(out, &Number::from(event.time))?;
    match event.process {
        Process::Client(number) => {
            write!(out, ", :process ")?;
            write_number(out, &Number::from(number))?;
        }
        Process::Nemesis => write!(out, ", :process :nemesis")?,
    }
    write!(out, ", :type :{}, :f ", event.kind.name())?;
    write_word(out, &event.f)?;
    if let Some(key) = &event.key {
        write!(out, ", :key ")?;
        write_text(out, key)?;
    }
    write!(out, ", :value ")?;
    match &event.value {
        Value::Array(items) => write_list(out, items, |out, item| match item {
            Value::Array(micro) => write_micro(out, micro),
            other => write_value(out, other),
        })?,
        other => write_value(out, other)?,
    }
    if let Some(version) = event.version {
        write!(out, ", :version ")?;
        write_number(out, &Number::from(version))?;
    }
    if let Some(error) = &event.error {
        write!(out, ", :error ")?;
        write_text(out, error)?;
    }
    out.write_all(b"}\n")
}

fn write_list<T: Write>(
    out: &mut T,
    items: &[Value],
    write: impl Fn(&mut T, &Value) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (position, item) in items.iter().enumerate() {
        out.write_all(if position == 0 { b"" } else { b" " })?;
        write(out, item)?;
    }
    out.write_all(b"]")
}

/// A list in a list: its first word becomes a keyword, as Elle wants `[:append 1 2]`.
fn write_micro(out: &mut impl Write, items: &[Value]) -> io::Result<()> {
    let (Some(Value::String(word)), true) = (items.first(), items.len() == 3) else {
        return write_list(out, items, write_value);
    };
    out.write_all(b"[")?;
    write_word(out, word)?;
    for item in items.iter().skip(1) {
        out.write_all(b" ")?;
        write_value(out, item)?;
    }
    out.write_all(b"]")
}

/// Values nest as deep as the readers allow, or as whoever built the history made them.
fn write_value<T: Write>(out: &mut T, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"nil"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => write_list(out, items, write_value),
        Value::Object(entries) => {
            out.write_all(b"{")?;
            for (position, (key, entry)) in entries.iter().enumerate() {
                out.write_all(if position == 0 { b"" } else { b", " })?;
                write_text(out, key)?;
                out.write_all(b" ")?;
                write_value(out, entry)?;
            }
            out.write_all(b"}")
        }
    }
}

/// Clojure's integers end at 63 bits; `N` marks larger ones.
fn write_number(out: &mut impl Write, number: &Number) -> io::Result<()> {
    let large = number.is_u64() && !number.is_i64();
    write!(out, "{number}{}", if large { "N" } else { "" })
}

/// A keyword where the text can be one, else a string.
fn write_word(out: &mut impl Write, text: &str) -> io::Result<()> {
    let letter = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_*+!?<>=.".contains(character);
    if letter && text.chars().all(plain) {
        return write!(out, ":{text}");
    }
    write_text(out, text)
}

/// The five escapes that every reader of EDN knows; all else stands for itself.
fn write_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\', '\n', '\r', '\t']) {
        let (before, from) = rest.split_at(at);
        out.write_all(before.as_bytes())?;
        let escape = match from.as_bytes().first() {
            Some(b'\n') => "\\n",
            Some(b'\r') => "\\r",
            Some(b'\t') => "\\t",
            Some(b'"') => "\\\"",
            _ => "\\\\",
        };
        out.write_all(escape.as_bytes())?;
        rest = from.get(1..).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())?;
    out.write_all(b"\"")
}
