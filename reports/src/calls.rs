//! The operations of a history as they are drawn: every call with what it was told.
//!
//! The judge drops what certainly did not happen; people want to see it.

use crate::escape::short;
use crate::units::{duration, moment};
use std::collections::BTreeMap;
use stormglass_checker::{Event, History, Kind, Process};

/// The most characters of one value that a page shows.
pub(crate) const VALUE_CHARACTERS_MAX: usize = 64;

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
            });
        } else if let Some(slot) = open.remove(&process) {
            calls[slot].completion = Some(event);
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
            (Kind::Ok, _) => short(&completion.value.to_string(), VALUE_CHARACTERS_MAX),
            (Kind::Fail, error) => {
                format!("fail: {}", error.as_deref().unwrap_or("no reason given"))
            }
            (_, error) => format!("unknown: {}", error.as_deref().unwrap_or("no reason given")),
        }
    }

    /// All of it in a line or two, for a tooltip.
    pub(crate) fn title(&self) -> String {
        let argument = self.argument();
        let space = if argument.is_empty() { "" } else { " " };
        let lasted = self.latency_ns().map_or_else(
            || "never returned".to_string(),
            |ns| format!("took {}", duration(ns)),
        );
        format!(
            "{}{space}{argument} \u{2192} {} (process {}; called at {}, {lasted})",
            self.what(),
            self.result(),
            self.process,
            moment(self.called_ns()),
        )
    }
}

/// A value as people read it; nothing for null.
pub(crate) fn value(value: &serde_json::Value) -> String {
    if value.is_null() {
        String::new()
    } else {
        short(&value.to_string(), VALUE_CHARACTERS_MAX)
    }
}
