//! The page of a run directory that is not whole: what is there, and what is missing.

use crate::error::ReportError;
use crate::escape::{short, visible, visible_lines};
use crate::page::{PLAIN_SCRIPT, plan, settings};
use crate::units::{count, moment};
use crate::{collision, theme};
use askama::Template;
use std::borrow::Cow;
use stormglass_checker::{Evidence, History, Verdict};
use stormglass_nemesis::judge::Judged;
use stormglass_nemesis::record::{Record, Violation};
use stormglass_nemesis::schedule::Fault;
use stormglass_nemesis::trial::Trial;

/// What was found of a run.
pub(crate) struct Found<'a> {
    /// The name of the directory.
    pub(crate) run: &'a str,
    /// The trial, or the text of a file that is none.
    pub(crate) trial: Result<&'a Trial, Cow<'a, str>>,
    /// The lines of the history that can be used.
    pub(crate) history: &'a History,
    pub(crate) record: Option<&'a Record>,
    /// What is there, judged.
    pub(crate) judged: Option<&'a Judged>,
    /// What is missing, a sentence each.
    pub(crate) notes: &'a [String],
    pub(crate) commands: &'a [String],
    /// The name of the page that was made when the directory was whole.
    pub(crate) earlier: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "salvaged.html")]
struct Page {
    theme: String,
    style: &'static str,
    script: &'static str,
    run: String,
    tags: Vec<String>,
    sentence: String,
    promise: Option<String>,
    notes: Vec<String>,
    earlier: Option<String>,
    commands: Vec<String>,
    prose: Option<String>,
    collision: Option<String>,
    inside: Vec<String>,
    facts: Vec<(&'static str, String)>,
    schedule: Vec<Row>,
    schedule_left_out: usize,
    settings_title: &'static str,
    settings: String,
}

struct Row {
    id: u32,
    kind: &'static str,
    planned: String,
}

/// The most rows of a list.
const ROWS_MAX: usize = 400;

/// The most characters of a text from outside.
const CHARACTERS_MAX: usize = 8_000;

/// The page. It stands alone, and its verdict is that there is none.
pub(crate) fn page(found: &Found<'_>) -> Result<String, ReportError> {
    let evidence = evidence(found);
    let schedule: &[Fault] = found.trial.as_ref().map_or(&[], |trial| &trial.schedule);
    let (settings_title, settings) = match &found.trial {
        Ok(trial) => ("The trial", settings(trial)),
        Err(text) => ("What trial.json says", cut(text)),
    };
    let page = Page {
        theme: theme::style(),
        style: include_str!("../templates/report.css"),
        script: PLAIN_SCRIPT,
        run: visible(found.run),
        tags: tags(found),
        sentence: visible(&sentence(found)),
        promise: found
            .judged
            .map(|judged| short(&judged.promise, CHARACTERS_MAX)),
        notes: found
            .notes
            .iter()
            .map(|note| short(note, CHARACTERS_MAX))
            .collect(),
        earlier: found.earlier.map(visible),
        commands: found
            .commands
            .iter()
            .map(|command| short(command, CHARACTERS_MAX))
            .collect(),
        prose: evidence.map(|evidence| cut(&evidence.explanation)),
        collision: evidence.and_then(collision::draw),
        inside: inside(found).iter().take(ROWS_MAX).map(broken).collect(),
        facts: facts(found),
        schedule: schedule
            .iter()
            .take(ROWS_MAX)
            .map(|fault| Row {
                id: fault.id,
                kind: fault.kind.name(),
                planned: plan(fault),
            })
            .collect(),
        schedule_left_out: schedule.len().saturating_sub(ROWS_MAX),
        settings_title,
        settings,
    };
    page.render().map_err(|error| ReportError::Rendering {
        what: "page",
        cause: error.to_string(),
    })
}

/// The verdict in a sentence.
pub(crate) fn sentence(found: &Found<'_>) -> String {
    let broke = evidence(found).is_some() || !inside(found).is_empty();
    match (found.judged, broke) {
        (Some(judged), true) => {
            let sentence = short(&judged.sentence, CHARACTERS_MAX);
            format!("The run is not whole, so it has no verdict; what is there breaks the promise all the same. {sentence}")
        }
        (None, true) => "The run is not whole, so it has no verdict; what is there shows a law broken all the same.".to_string(),
        (Some(_), false) => format!(
            "The run is not whole, so it has no verdict. In the {} events that are there nothing breaks the promise; that says nothing of the rest.",
            count(found.history.events.len() as u64)
        ),
        (None, false) => "The run is not whole, so it has no verdict, and what is there cannot be judged.".to_string(),
    }
}

fn evidence<'a>(found: &Found<'a>) -> Option<&'a Evidence> {
    match &found.judged?.judgement.verdict {
        Verdict::Invalid(evidence) => Some(evidence),
        Verdict::Valid(_) | Verdict::Unknown(_) => None,
    }
}

fn inside<'a>(found: &Found<'a>) -> &'a [Violation] {
    found.record.map_or(&[], |record| &record.violations)
}

fn broken(violation: &Violation) -> String {
    let node = violation.node.map(|node| format!(" at {node}"));
    let text = format!(
        "{}{}, {}: {}",
        violation.name,
        node.unwrap_or_default(),
        moment(violation.time_ns),
        violation.message
    );
    short(&text, CHARACTERS_MAX)
}

fn cut(text: &str) -> String {
    let head: String = text.chars().take(CHARACTERS_MAX).collect();
    let more = if head.len() < text.len() {
        "\n\u{2026}"
    } else {
        ""
    };
    format!("{}{more}", visible_lines(&head))
}

fn tags(found: &Found<'_>) -> Vec<String> {
    let Ok(trial) = &found.trial else {
        return Vec::new();
    };
    let mut tags = vec![
        short(&trial.cluster, CHARACTERS_MAX),
        trial.workload.name().to_string(),
        format!("seed {}", trial.seed),
        format!("{} arena", trial.arena.name()),
    ];
    tags.extend(
        trial
            .mutant
            .as_ref()
            .map(|mutant| format!("mutant {}", short(mutant, CHARACTERS_MAX))),
    );
    tags
}

fn facts(found: &Found<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if !found.history.events.is_empty() {
        facts.push(("events", count(found.history.events.len() as u64)));
    }
    if let Some(judged) = found.judged {
        let counts = &judged.counts;
        facts.push(("operations", count(counts.operations)));
        facts.push(("ok", count(counts.ok)));
        facts.push(("failed", count(counts.fail)));
        facts.push(("of unknown outcome", count(counts.info)));
    }
    if let Some(record) = found.record {
        facts.push(("ended", moment(record.ended_ns)));
        facts.push(("inputs", count(record.inputs)));
        facts.push(("faults, as they went", count(record.faults.len() as u64)));
        facts.push(("digest", short(&record.digest, CHARACTERS_MAX)));
    }
    facts
}
