//! The page of two runs.

use super::settings::differing;
use super::{Diff, Setting, Side};
use crate::calls::value;
use crate::error::ReportError;
use crate::escape::{short, visible};
use crate::index::mark;
use crate::theme;
use crate::units::{count, duration};
use askama::Template;
use std::collections::BTreeSet;
use stormglass_checker::{Event, Process};
use stormglass_nemesis::replay::Difference;

/// The most rows of a table.
const ROWS_MAX: usize = 300;

/// The most characters of a value.
const VALUE_CHARACTERS_MAX: usize = 300;

/// How many events are shown before and after the first that differs.
const CONTEXT: usize = 5;

#[derive(Template)]
#[template(path = "diff.html")]
struct Page {
    theme: String,
    report_style: &'static str,
    style: &'static str,
    class: &'static str,
    badge: &'static str,
    a: Head,
    b: Head,
    sentence: String,
    meaning: Option<String>,
    settings: Table,
    counts: Vec<Pair>,
    measures: Vec<Pair>,
    events: Vec<EventRow>,
    events_caption: String,
    records: Table,
}

struct Head {
    name: String,
    class: &'static str,
    verdict: &'static str,
    sentence: String,
}

/// Something of both runs.
struct Pair {
    name: String,
    a: String,
    b: String,
    differs: bool,
}

struct Table {
    rows: Vec<Pair>,
    left_out: usize,
}

struct EventRow {
    number: String,
    a: String,
    b: String,
    /// What the row is: the same in both, the first that differs, or behind it.
    place: &'static str,
    is_first: bool,
}

pub(super) fn render(diff: &Diff, a: &Side, b: &Side) -> Result<String, ReportError> {
    let (class, badge) = match diff {
        Diff { diverged: true, .. } => ("diverged", "DIVERGED"),
        Diff { same: true, .. } => ("same", "SAME"),
        Diff {
            same_trial: false, ..
        } => ("differs", "TWO TRIALS"),
        _ => ("differs", "DIFFERENT"),
    };
    let records = match diff.difference {
        Some(Difference::Record) => differing(&a.run.record, &b.run.record),
        _ => Vec::new(),
    };
    let page = Page {
        theme: theme::style(),
        report_style: include_str!("../../templates/report.css"),
        style: include_str!("../../templates/pages.css"),
        class,
        badge,
        a: head(a),
        b: head(b),
        sentence: visible(&diff.sentence),
        meaning: diff.meaning(a).map(|meaning| visible(&meaning)),
        settings: table(&diff.settings),
        counts: counts(a, b),
        measures: measures(a, b),
        events: diff.event.map(|at| events(a, b, at)).unwrap_or_default(),
        events_caption: caption(diff),
        records: table(&records),
    };
    page.render().map_err(|error| ReportError::Rendering {
        what: "page of two runs",
        cause: error.to_string(),
    })
}

fn head(side: &Side) -> Head {
    let (class, verdict) = mark(Some(side.summary.verdict));
    Head {
        name: visible(&side.name),
        class,
        verdict,
        sentence: short(&side.summary.sentence, VALUE_CHARACTERS_MAX),
    }
}

fn table(settings: &[Setting]) -> Table {
    let text = |value: &Option<serde_json::Value>| match value {
        None => "(absent)".to_string(),
        Some(value) => short(&value.to_string(), VALUE_CHARACTERS_MAX),
    };
    let rows = settings.iter().take(ROWS_MAX).map(|setting| Pair {
        name: short(&setting.field, VALUE_CHARACTERS_MAX),
        a: text(&setting.a),
        b: text(&setting.b),
        differs: true,
    });
    Table {
        rows: rows.collect(),
        left_out: settings.len().saturating_sub(ROWS_MAX),
    }
}

fn pair(name: &str, a: String, b: String) -> Pair {
    let differs = a != b;
    Pair {
        name: short(name, VALUE_CHARACTERS_MAX),
        a,
        b,
        differs,
    }
}

fn counts(a: &Side, b: &Side) -> Vec<Pair> {
    let row = |name: &str, tell: &dyn Fn(&Side) -> String| pair(name, tell(a), tell(b));
    let number = |name: &str, pick: &dyn Fn(&Side) -> u64| row(name, &|side| count(pick(side)));
    vec![
        number("operations", &|side| side.summary.counts.operations),
        number("ended ok", &|side| side.summary.counts.ok),
        number("refused or failed", &|side| side.summary.counts.fail),
        number("of unknown outcome", &|side| side.summary.counts.info),
        number("faults planned", &|side| side.summary.counts.faults_planned),
        number("faults installed", &|side| {
            side.summary.counts.faults_installed
        }),
        number("inputs of nodes", &|side| side.run.record.inputs),
        number("frames sent", &|side| side.run.record.traffic.sent),
        row("lasted", &|side| duration(side.run.record.ended_ns)),
        row("broke", &|side| {
            let broken = side.summary.broken();
            broken.map_or_else(String::new, |name| short(&name, VALUE_CHARACTERS_MAX))
        }),
        row("digest", &|side| {
            short(&side.run.record.digest, VALUE_CHARACTERS_MAX)
        }),
    ]
}

fn measures(a: &Side, b: &Side) -> Vec<Pair> {
    let all = a.summary.measures.iter().chain(&b.summary.measures);
    let names: BTreeSet<&str> = all.map(|measure| measure.name.as_str()).collect();
    let tell = |side: &Side, name: &str| {
        let found = side.summary.measures.iter().find(|one| one.name == name);
        found.map_or_else(
            || "(absent)".to_string(),
            |one| format!("{} of {}", count(one.count), count(one.of)),
        )
    };
    let row = |name: &&str| pair(name, tell(a, name), tell(b, name));
    names.iter().take(ROWS_MAX).map(row).collect()
}

/// The events around the first that differs.
fn events(a: &Side, b: &Side, first: usize) -> Vec<EventRow> {
    let (one, other) = (&a.run.history.events, &b.run.history.events);
    let end = (first + CONTEXT + 1).min(one.len().max(other.len()));
    (first.saturating_sub(CONTEXT)..end)
        .map(|at| {
            let (one, other) = (one.get(at), other.get(at));
            let (mut a, mut b) = (told(one), told(other));
            if one != other && a == b {
                a.push_str(&unseen(one));
                b.push_str(&unseen(other));
            }
            EventRow {
                number: count(at as u64 + 1),
                a,
                b,
                is_first: at == first,
                place: match (at == first, one == other) {
                    (true, _) => "first difference",
                    (_, true) => "same",
                    _ => "differs",
                },
            }
        })
        .collect()
}

/// What is said of events that differ and look the same.
fn unseen(event: Option<&Event>) -> String {
    let index = event.map_or(0, |event| event.index);
    format!("  (index {index}; they differ in it, or beyond what is shown)")
}

fn told(event: Option<&Event>) -> String {
    let Some(event) = event else {
        return "(the history has ended)".to_string();
    };
    let process = match event.process {
        Process::Nemesis => "nemesis".to_string(),
        Process::Client(number) => format!("process {number}"),
    };
    let mut text = format!(
        "{}.{:09} s  {process}  {}  {}",
        event.time / 1_000_000_000,
        event.time % 1_000_000_000,
        event.kind.name(),
        short(&event.f, VALUE_CHARACTERS_MAX)
    );
    let key = event.key.as_deref();
    let version = event.version.map(|version| format!("version {version}"));
    let parts = [
        key.map(|key| short(key, VALUE_CHARACTERS_MAX)),
        Some(value(&event.value)),
        version,
        event
            .error
            .as_deref()
            .map(|error| short(error, VALUE_CHARACTERS_MAX)),
    ];
    for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
        text.push_str("  ");
        text.push_str(&part);
    }
    text
}

fn caption(diff: &Diff) -> String {
    let inputs = match diff.difference {
        Some(Difference::Input { first, last, .. }) if first == last => {
            format!(
                "The first input of a node that differs is number {}.",
                count(first)
            )
        }
        Some(Difference::Input { first, last, .. }) => format!(
            "The first input of a node that differs is one of {} to {}.",
            count(first),
            count(last)
        ),
        _ => "The nodes took the same inputs.".to_string(),
    };
    format!(
        "{inputs} Events are counted from 1; up to {CONTEXT} are shown before and after the first that differs."
    )
}
