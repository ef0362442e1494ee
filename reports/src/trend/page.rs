//! The page of several nights.

use super::plot::{LINES, draw};
use super::{Night, Ranked, Standing, Trend};
use crate::error::ReportError;
use crate::escape::{short, visible};
use crate::theme;
use crate::units::{count, date};
use askama::Template;

/// The most rows of a table.
const ROWS_MAX: usize = 300;

/// The most nights whose failures are listed one by one.
const LISTED_MAX: usize = 60;

/// The most characters of a text.
const CHARACTERS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "trend.html")]
struct Page {
    theme: String,
    report_style: &'static str,
    style: &'static str,
    sentence: String,
    plot: String,
    legend: Vec<(&'static str, &'static str, &'static str)>,
    nights: Vec<NightRow>,
    nights_left_out: usize,
    ranking: Vec<RankedRow>,
    ranking_left_out: usize,
    lists: Vec<List>,
    lists_left_out: usize,
}

struct NightRow {
    number: usize,
    name: String,
    date: String,
    trials: String,
    violations: String,
    unknown: String,
    vacuous: String,
    simulated: String,
    new: usize,
    known: usize,
    resolved: usize,
    untested: usize,
    notes: Vec<String>,
}

struct RankedRow {
    standing: &'static str,
    broken: String,
    cluster: String,
    mutant: String,
    count: String,
    count_newest: String,
    nights: usize,
    first: usize,
    last: usize,
    unrepeated: String,
    run: String,
}

/// What has become of the failures by one night.
struct List {
    number: usize,
    name: String,
    failures: Vec<(&'static str, String, String, String, String)>,
    left_out: usize,
}

pub(super) fn render(trend: &Trend) -> Result<String, ReportError> {
    let nights = trend.nights.len();
    // Newest first, here as everywhere; what is cut is old.
    let newest_first = || (0..nights).rev();
    let page = Page {
        theme: theme::style(),
        report_style: include_str!("../../templates/report.css"),
        style: include_str!("../../templates/pages.css"),
        sentence: trend.sentence(),
        plot: draw(&trend.nights)?,
        legend: LINES
            .iter()
            .map(|line| (line.colour, line.shape, line.text))
            .collect(),
        nights: newest_first()
            .take(ROWS_MAX)
            .map(|at| night(trend, at))
            .collect(),
        nights_left_out: nights.saturating_sub(ROWS_MAX),
        ranking: trend.ranking.iter().take(ROWS_MAX).map(ranked).collect(),
        ranking_left_out: trend.ranking.len().saturating_sub(ROWS_MAX),
        lists: newest_first()
            .take(LISTED_MAX)
            .map(|at| list(trend, at))
            .collect(),
        lists_left_out: nights.saturating_sub(LISTED_MAX),
    };
    page.render().map_err(|error| ReportError::Rendering {
        what: "page of nights",
        cause: error.to_string(),
    })
}

fn night(trend: &Trend, at: usize) -> NightRow {
    let night = &trend.nights[at];
    let rate = |number: u64| match night.per_thousand(number) {
        Some(rate) => format!("{} ({rate:.2})", count(number)),
        None => String::new(),
    };
    NightRow {
        number: at + 1,
        name: name(night),
        date: date(night.written_ms / 1_000),
        trials: count(night.trials),
        violations: rate(night.violations),
        unknown: rate(night.unknown),
        vacuous: rate(night.vacuous),
        simulated: format!("{} s", count(night.simulated_s.round() as u64)),
        new: trend.count(at, Standing::New),
        known: trend.count(at, Standing::Known),
        resolved: trend.count(at, Standing::Resolved),
        untested: trend.count(at, Standing::Untested),
        notes: night
            .notes
            .iter()
            .map(|note| short(note, 2 * CHARACTERS_MAX))
            .collect(),
    }
}

fn name(night: &Night) -> String {
    visible(&night.name)
}

fn text(text: &str) -> String {
    short(text, CHARACTERS_MAX)
}

fn ranked(ranked: &Ranked) -> RankedRow {
    RankedRow {
        standing: ranked.standing.name(),
        broken: text(&ranked.signature.broken),
        cluster: text(&ranked.signature.cluster),
        mutant: text(ranked.signature.mutant.as_deref().unwrap_or_default()),
        count: count(ranked.count),
        count_newest: count(ranked.count_newest),
        nights: ranked.nights,
        first: ranked.first + 1,
        last: ranked.last + 1,
        unrepeated: count(ranked.unrepeated),
        run: text(ranked.run.as_deref().unwrap_or_default()),
    }
}

fn list(trend: &Trend, at: usize) -> List {
    let standings = trend.standings.get(at).map_or(&[][..], Vec::as_slice);
    let failures = standings.iter().take(ROWS_MAX);
    List {
        number: at + 1,
        name: name(&trend.nights[at]),
        failures: failures
            .map(|(signature, standing, number)| {
                (
                    standing.name(),
                    text(&signature.broken),
                    text(&signature.cluster),
                    text(signature.mutant.as_deref().unwrap_or_default()),
                    count(*number),
                )
            })
            .collect(),
        left_out: standings.len().saturating_sub(ROWS_MAX),
    }
}
