//! The page of a history that came from elsewhere: a file, and what the judge says of it.

use crate::collision;
use crate::escape::{short, visible, visible_lines, xml};
use crate::page::PLAIN_SCRIPT;
use crate::run_directory::quoted;
use crate::theme;
use crate::units::moment;
use askama::Template;
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_checker::{Event, History, Kind, Process, Verdict, limits::Work};

/// A history and its verdict.
#[derive(Clone, Copy, Debug)]
pub struct JudgedHistory<'a> {
    /// Where it came from.
    pub file: &'a str,
    /// How the file was read, in one line.
    pub how_read: &'a str,
    /// The model it was judged by.
    pub model: &'a str,
    /// The options on which the verdict rests besides, word by word.
    pub options: &'a [String],
    /// What that promises.
    pub promise: &'a str,
    /// The verdict in a word, in capitals.
    pub word: &'a str,
    /// And in a sentence or more.
    pub sentence: &'a str,
    /// The history.
    pub history: &'a History,
    /// The verdict with what shows it.
    pub verdict: &'a Verdict,
    /// What it cost.
    pub work: Work,
}

#[derive(Template)]
#[template(path = "judged.html")]
struct Page {
    theme: String,
    style: &'static str,
    script: &'static str,
    word: String,
    class: &'static str,
    file: String,
    model: String,
    headline: String,
    promise: String,
    command: String,
    how_read: String,
    prose: Option<String>,
    collision: Option<String>,
    bands: Option<String>,
    bands_caption: String,
    facts: Vec<(&'static str, String)>,
}

const NAME_CHARACTERS_MAX: usize = 40;

/// The most characters of a message from outside.
const CHARACTERS_MAX: usize = 8_000;

/// The page. It stands alone.
///
/// # Errors
/// Those of the template, which are failures of ours.
pub fn page(judged: &JudgedHistory<'_>) -> Result<String, askama::Error> {
    let evidence = match judged.verdict {
        Verdict::Invalid(evidence) => Some(evidence),
        _ => None,
    };
    let headline = match judged.verdict {
        Verdict::Invalid(evidence) => format!(
            "The first {} events cannot be explained{}.",
            evidence.prefix_events,
            evidence
                .key
                .as_ref()
                .map(|key| format!(" for key {}", short(key, NAME_CHARACTERS_MAX)))
                .unwrap_or_default()
        ),
        _ => judged.sentence.to_owned(),
    };
    let bands = bands(&judged.history.events);
    Page {
        theme: theme::style(),
        style: include_str!("../templates/report.css"),
        script: PLAIN_SCRIPT,
        word: visible(judged.word),
        class: class(judged.word),
        file: visible(judged.file),
        model: visible(judged.model),
        headline: visible(&headline),
        promise: visible(judged.promise),
        command: visible(&command(judged)),
        how_read: visible(judged.how_read),
        prose: evidence.map(|_| {
            visible_lines(
                &judged
                    .sentence
                    .chars()
                    .take(CHARACTERS_MAX)
                    .collect::<String>(),
            )
        }),
        collision: evidence.and_then(collision::draw),
        bands_caption: caption(&bands),
        bands: draw(&bands, &judged.history.events),
        facts: facts(judged),
    }
    .render()
}

/// What comes to this verdict again.
fn command(judged: &JudgedHistory<'_>) -> String {
    let (file, model) = (quoted(judged.file), judged.model);
    let mut command = format!("stormglass check {file} --model {model}");
    for word in judged.options {
        command.push(' ');
        command.push_str(&quoted(word));
    }
    command
}

fn class(word: &str) -> &'static str {
    match word {
        "VALID" => "valid",
        "VIOLATION" => "violation",
        "VACUOUS" => "vacuous",
        _ => "unknown",
    }
}

fn facts(judged: &JudgedHistory<'_>) -> Vec<(&'static str, String)> {
    let clients = || {
        let events = judged.history.events.iter();
        events.filter(|event| event.process != Process::Nemesis)
    };
    let count = |kind| {
        clients()
            .filter(|event| event.kind == kind)
            .count()
            .to_string()
    };
    let mut functions: BTreeMap<&str, usize> = BTreeMap::new();
    for event in clients().filter(|event| event.kind == Kind::Invoke) {
        *functions.entry(event.f.as_str()).or_default() += 1;
    }
    let functions: Vec<String> = functions
        .iter()
        .map(|(f, count)| format!("{count} {}", short(f, NAME_CHARACTERS_MAX)))
        .collect();
    vec![
        ("operations", count(Kind::Invoke)),
        ("ok", count(Kind::Ok)),
        ("failed", count(Kind::Fail)),
        ("of unknown outcome", count(Kind::Info)),
        ("functions", functions.join(", ")),
        ("steps of the judge", judged.work.steps.to_string()),
        (
            "configurations at once",
            judged.work.frontier_peak.to_string(),
        ),
        ("bytes at once", judged.work.bytes_peak.to_string()),
    ]
}

/// Something the nemesis did, from one event to another.
struct Band {
    f: String,
    from: usize,
    /// The last event, when it is known to have ended.
    until: Option<usize>,
}

/// The most bands that are drawn.
const BANDS_MAX: usize = 200;

/// What a function that ends a fault begins with, and what the one it ends begins with.
const ENDINGS: [(&str, &str); 6] = [
    ("stop", "start"),
    ("heal", ""),
    ("resume", "pause"),
    ("restart", "kill"),
    ("reset", "bump"),
    ("end", "begin"),
];

/// Jepsen's nemesis tells what it does by pairs of functions: `start` and `stop`, `start-partition` and `stop-partition`, `pause` and `resume`.
fn bands(events: &[Event]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    let nemesis = events
        .iter()
        .enumerate()
        .filter(|(_, event)| event.process == Process::Nemesis);
    for (at, event) in nemesis {
        let ends = ENDINGS
            .iter()
            .find_map(|(end, start)| Some((event.f.strip_prefix(end)?, *start)));
        match ends {
            // Healing ends whatever there is.
            Some((_, "")) => {
                for band in std::mem::take(&mut open).into_values() {
                    bands[band].until = Some(at);
                }
                continue;
            }
            Some((rest, start)) => {
                if let Some(band) = open.remove(&format!("{start}{rest}")) {
                    bands[band].until = Some(at);
                }
                continue;
            }
            None => {}
        }
        if open.contains_key(&event.f) {
            continue;
        }
        open.insert(event.f.clone(), bands.len());
        bands.push(Band {
            f: event.f.clone(),
            from: at,
            until: None,
        });
    }
    bands
}

fn caption(bands: &[Band]) -> String {
    let drawn = bands.len().min(BANDS_MAX);
    let cut = match bands.len() - drawn {
        0 => String::new(),
        more => format!(" {more} more are left out here; the history has them."),
    };
    format!(
        "{drawn} faults, as the history names them. A band without an end stands to the end of the history.{cut}"
    )
}

const WIDTH: f64 = 960.0;
const ROW: f64 = 20.0;
const ROWS_MAX: usize = 8;

fn draw(bands: &[Band], events: &[Event]) -> Option<String> {
    if bands.is_empty() {
        return None;
    }
    // Where there are no times, events are as good.
    let timed = events.iter().any(|event| event.time > 0);
    let place = |at: usize| match events.get(at) {
        Some(event) if timed => event.time as f64,
        _ => at as f64,
    };
    let span = place(events.len().saturating_sub(1)).max(1.0);
    let rows = bands.len().min(ROWS_MAX);
    let height = rows as f64 * ROW + 26.0;
    let mut svg = format!(
        "<svg class=\"bands\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" aria-label=\"The faults over time\">\n"
    );
    for (number, band) in bands.iter().take(BANDS_MAX).enumerate() {
        let from = place(band.from) / span * WIDTH;
        let until = band.until.map_or(WIDTH, |at| place(at) / span * WIDTH);
        let y = (number % ROWS_MAX) as f64 * ROW + 2.0;
        let name = xml(&short(&band.f, NAME_CHARACTERS_MAX));
        let when = if timed {
            moment(events.get(band.from).map_or(0, |event| event.time))
        } else {
            format!("event {}", band.from)
        };
        let _ = writeln!(
            svg,
            "<g><title>{name}, from {when}</title><rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"var(--bad)\" fill-opacity=\".18\" stroke=\"var(--bad)\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"currentColor\">{name}</text></g>",
            (until - from).max(1.0),
            ROW - 4.0,
            (from + 4.0).min(WIDTH - 80.0),
            y + 12.0,
        );
    }
    let end = if timed {
        moment(events.last().map_or(0, |event| event.time))
    } else {
        format!("event {}", events.len())
    };
    let _ = writeln!(
        svg,
        "<text x=\"0\" y=\"{:.1}\" font-size=\"11\" fill=\"currentColor\">0</text><text x=\"{WIDTH:.0}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"end\" fill=\"currentColor\">{}</text>",
        height - 6.0,
        height - 6.0,
        xml(&end)
    );
    svg.push_str("</svg>\n");
    Some(svg)
}
