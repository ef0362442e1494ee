//! `index.html`: all runs of a directory on one page.
//!
//! Nothing is left out: a directory that is half-written, of another version or damaged is a row like any other, with what is wrong and
//! what to do about it.

use crate::error::ReportError;
use crate::escape::{address, script_json, short, visible};
use crate::run_directory::{
    EARLIER, HISTORY, PAGE, RECORD, RunDirectory, SUMMARY, TRIAL, io_error, put,
};
use crate::summary::{RunSummary, word};
use crate::theme;
use crate::units::{count, date};
use askama::Template;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use stormglass_nemesis::judge::Ruling;

/// The page, in the directory of runs.
pub const INDEX: &str = "index.html";

/// The most rows that stand in the page itself; the script draws from all.
const ROWS_MAX: usize = 200;

/// The most characters of a sentence.
const SENTENCE_CHARACTERS_MAX: usize = 200;

/// The most characters of a name.
const NAME_CHARACTERS_MAX: usize = 80;

/// A directory in the directory of runs, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The name of the directory.
    pub name: String,
    /// The address of its page, from the directory of runs; absent when there is no page.
    pub page: Option<String>,
    /// The verdict; absent when it is not known.
    pub verdict: Option<Ruling>,
    /// The system under test; empty when it is not known, like the next two.
    pub cluster: String,
    /// What the clients did.
    pub workload: String,
    /// Where it ran.
    pub arena: String,
    /// The seed.
    pub seed: Option<u64>,
    /// How many nodes.
    pub nodes: Option<u64>,
    /// The bug planted, if any.
    pub mutant: Option<String>,
    /// How many operations were called.
    pub operations: Option<u64>,
    /// How many of them ended ok.
    pub ok: Option<u64>,
    /// How many faults were installed, and how many were planned.
    pub faults: Option<(u64, u64)>,
    /// How long it was, in simulated nanoseconds.
    pub simulated_ns: u64,
    /// What was broken, by name.
    pub broken: Option<String>,
    /// When its newest file was written, in milliseconds since 1970.
    pub written_ms: Option<u64>,
    /// The verdict in a sentence.
    pub sentence: String,
    /// What is missing or wrong, and what to do.
    pub note: Option<String>,
}

/// What a page over all runs shows, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The page.
    pub page: PathBuf,
    /// All directories, the newest first.
    pub entries: Vec<Entry>,
}

impl Index {
    /// What the runs came to: `4 runs: 2 valid, 1 violation, 1 without a verdict`.
    pub fn tally(&self) -> String {
        tally(&self.entries)
    }

    /// How many runs have that verdict.
    pub fn count(&self, verdict: Option<Ruling>) -> usize {
        let same = |entry: &&Entry| entry.verdict == verdict;
        self.entries.iter().filter(same).count()
    }
}

/// Makes the page over all runs in `out`, and says where it is.
///
/// # Errors
/// Those of [`build`].
pub fn write(out: &Path) -> Result<PathBuf, ReportError> {
    build(out).map(|index| index.page)
}

/// Makes the page over all runs in `out`, and gives what it shows.
///
/// # Errors
/// [`ReportError::NoRuns`] when there is no such directory, [`ReportError::Io`].
pub fn build(out: &Path) -> Result<Index, ReportError> {
    let entries = entries(out)?;
    let page = out.join(INDEX);
    put(&page, render(out, &entries)?.as_bytes())?;
    Ok(Index { page, entries })
}

/// All directories in `out`, the newest first. Those that begin with a dot are nobody's run.
///
/// # Errors
/// [`ReportError::NoRuns`] when there is no such directory, [`ReportError::Io`].
pub fn entries(out: &Path) -> Result<Vec<Entry>, ReportError> {
    let found = match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let out = out.to_path_buf();
            return Err(ReportError::NoRuns { out });
        }
        found => found.map_err(io_error(out, "read"))?,
    };
    let mut entries = Vec::new();
    for entry in found {
        let name = entry.map_err(io_error(out, "read"))?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && out.join(&name).is_dir() {
            entries.extend(read(out, &name));
        }
    }
    entries.sort_by(|one, other| {
        let key = |entry: &Entry| Reverse(entry.written_ms);
        (key(one), &one.name).cmp(&(key(other), &other.name))
    });
    Ok(entries)
}

/// What can be read of a directory; nothing when it went away meanwhile.
fn read(out: &Path, name: &OsStr) -> Option<Entry> {
    let path = out.join(name);
    let mut entry = Entry {
        name: name.to_string_lossy().into_owned(),
        page: path
            .join(PAGE)
            .is_file()
            .then(|| format!("{}/{PAGE}", address(name))),
        written_ms: written_ms(&path.join(SUMMARY)).or_else(|| written_ms(&path.join(TRIAL))),
        ..Entry::default()
    };
    let summary = RunDirectory::at(&path).and_then(|directory| directory.summary());
    match summary {
        // What `run.json` says is of a run that is no longer there as it was.
        Ok(_) if path.join(EARLIER).is_file() => {
            entry.guess(&path);
            entry.note = Some(
                "the run was found not whole when its report was made last; its page says what is missing".to_string(),
            );
        }
        Ok(_)
            if [RECORD, HISTORY]
                .iter()
                .any(|file| !path.join(file).is_file()) =>
        {
            entry.guess(&path);
            let missing = [RECORD, HISTORY]
                .into_iter()
                .find(|file| !path.join(file).is_file());
            entry.note = Some(format!(
                "{} is missing, so nothing shows that what {SUMMARY} says is so; run the trial again with `stormglass replay` on its {TRIAL}",
                missing.unwrap_or(HISTORY)
            ));
        }
        Ok(summary) => {
            entry.take(summary);
            if entry.page.is_none() {
                entry.note = Some(format!(
                    "{PAGE} is missing; make it again with `stormglass report` on the directory"
                ));
            }
        }
        Err(_) if !path.is_dir() => return None,
        Err(error) => {
            entry.guess(&path);
            entry.note = Some(wrong(&path, &error));
        }
    }
    Some(entry)
}

/// What is missing or wrong with a directory without a sound summary, and the remedy.
fn wrong(path: &Path, error: &ReportError) -> String {
    let unfinished = [RECORD, HISTORY]
        .into_iter()
        .find(|file| !path.join(file).is_file());
    match (error, unfinished) {
        // The reports cannot be made again from what is not there.
        (ReportError::Missing { path: missing, .. }, Some(file)) if missing.ends_with(SUMMARY) => {
            format!(
                "{file} is missing: the run did not come to its end, or is under way; run the trial again with `stormglass replay` on its {TRIAL}"
            )
        }
        _ => {
            // The names of the folders above say nothing beside the name of the run.
            let whole = format!("{}{}", path.display(), std::path::MAIN_SEPARATOR);
            error.to_string().replace(&whole, "")
        }
    }
}

/// When a file was last written, in milliseconds since 1970.
pub(crate) fn written_ms(path: &Path) -> Option<u64> {
    let written = fs::metadata(path).ok()?.modified().ok()?;
    let since = written.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

impl Entry {
    fn take(&mut self, summary: RunSummary) {
        let counts = &summary.counts;
        self.verdict = Some(summary.verdict);
        self.broken = summary.broken();
        self.arena = summary.arena.name().to_string();
        (self.seed, self.nodes) = (Some(summary.seed), Some(summary.nodes.into()));
        (self.operations, self.ok) = (Some(counts.operations), Some(counts.ok));
        self.faults = Some((counts.faults_installed, counts.faults_planned));
        self.simulated_ns = summary.simulated_ns;
        self.cluster = summary.cluster;
        self.workload = summary.workload;
        self.mutant = summary.mutant;
        self.sentence = summary.sentence;
    }

    /// Takes what a file of another version, or a trial alone, says under the names that we know. No verdict: that would have to be right.
    fn guess(&mut self, path: &Path) {
        let value = |file: &str| -> Value {
            let bytes = fs::read(path.join(file)).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let sources = [value(SUMMARY), value(TRIAL)];
        let find = |name: &str| sources.iter().find_map(|source| source.get(name));
        let text = |name: &str| find(name).and_then(Value::as_str).map(str::to_string);
        let number = |name: &str| find(name).and_then(Value::as_u64);
        self.cluster = text("cluster").unwrap_or_default();
        self.arena = text("arena").unwrap_or_default();
        self.mutant = text("mutant");
        (self.seed, self.nodes) = (number("seed"), number("nodes"));
        let workload = find("workload").map(|found| found.get("name").unwrap_or(found));
        self.workload = workload
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string();
    }

    fn ok_percent(&self) -> Option<f64> {
        match (self.ok, self.operations) {
            (Some(ok), Some(operations)) if operations > 0 => {
                Some(ok as f64 * 100.0 / operations as f64)
            }
            _ => None,
        }
    }
}

/// A row as it stands in the page, and as the script draws it.
struct Row {
    class: &'static str,
    verdict: &'static str,
    name: String,
    page: Option<String>,
    cluster: String,
    workload: String,
    arena: String,
    seed: String,
    nodes: String,
    mutant: String,
    operations: String,
    ok: String,
    faults: String,
    when: String,
    sentence: String,
    note: Option<String>,
}

/// A verdict's class in the page, and its name.
pub(crate) fn mark(verdict: Option<Ruling>) -> (&'static str, &'static str) {
    verdict.map_or(("none", "no verdict"), |ruling| {
        (word(ruling), word(ruling))
    })
}

impl Row {
    fn of(entry: &Entry) -> Self {
        let (class, verdict) = mark(entry.verdict);
        let name = |text: &str| short(text, NAME_CHARACTERS_MAX);
        let number = |number: Option<u64>| number.map(count).unwrap_or_default();
        Self {
            class,
            verdict,
            name: visible(&entry.name),
            page: entry.page.clone(),
            cluster: name(&entry.cluster),
            workload: name(&entry.workload),
            arena: name(&entry.arena),
            seed: entry.seed.map(|seed| seed.to_string()).unwrap_or_default(),
            nodes: number(entry.nodes),
            mutant: name(entry.mutant.as_deref().unwrap_or_default()),
            operations: number(entry.operations),
            ok: entry
                .ok_percent()
                .map(|percent| format!("{percent:.1} %"))
                .unwrap_or_default(),
            faults: entry
                .faults
                .map(|(installed, planned)| format!("{} of {}", count(installed), count(planned)))
                .unwrap_or_default(),
            when: entry
                .written_ms
                .map(|written| date(written / 1_000))
                .unwrap_or_default(),
            sentence: short(&entry.sentence, SENTENCE_CHARACTERS_MAX),
            note: entry
                .note
                .as_deref()
                .map(|note| short(note, 2 * SENTENCE_CHARACTERS_MAX)),
        }
    }

    /// The same for the script: texts as they are shown, and the numbers by which rows are sorted.
    fn data(&self, entry: &Entry) -> Value {
        json!([
            self.class,
            self.name,
            self.page,
            self.cluster,
            self.workload,
            self.arena,
            // No number: a script's numbers end at 53 bits.
            self.seed,
            entry.nodes,
            self.mutant,
            entry.operations,
            entry.ok_percent(),
            entry.faults,
            self.when,
            self.sentence,
            self.note,
        ])
    }
}

fn tally(entries: &[Entry]) -> String {
    let count_of = |verdict: Option<Ruling>| {
        let same = |entry: &&Entry| entry.verdict == verdict;
        entries.iter().filter(same).count() as u64
    };
    let all = [
        (Some(Ruling::Valid), "valid", "valid"),
        (Some(Ruling::Violation), "violation", "violations"),
        (Some(Ruling::Unknown), "unknown", "unknown"),
        (Some(Ruling::Vacuous), "vacuous", "vacuous"),
        (Some(Ruling::Measured), "measured", "measured"),
        (None, "without a verdict", "without a verdict"),
    ];
    let told: Vec<String> = all
        .into_iter()
        .map(|(verdict, one, many)| (count_of(verdict), one, many))
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| {
            format!("{} {}", count(number), if number == 1 { one } else { many })
        })
        .collect();
    match entries.len() {
        0 => "no runs".to_string(),
        1 => format!("1 run: {}", told.join(", ")),
        many => format!("{} runs: {}", count(many as u64), told.join(", ")),
    }
}

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    theme: String,
    report_style: &'static str,
    style: &'static str,
    out: String,
    tally: String,
    rows: Vec<Row>,
    total: String,
    /// How many rows only the script can show.
    cut: Option<String>,
    data: String,
    script: &'static str,
}

fn render(out: &Path, entries: &[Entry]) -> Result<String, ReportError> {
    let failed = |cause: String| ReportError::Rendering {
        what: "index",
        cause,
    };
    let mut rows: Vec<Row> = entries.iter().map(Row::of).collect();
    let data: Vec<Value> = rows
        .iter()
        .zip(entries)
        .map(|(row, entry)| row.data(entry))
        .collect();
    let cut = rows.len().saturating_sub(ROWS_MAX);
    rows.truncate(ROWS_MAX);
    let page = Page {
        theme: theme::style(),
        report_style: include_str!("../templates/report.css"),
        style: include_str!("../templates/pages.css"),
        out: visible(&out.display().to_string()),
        tally: tally(entries),
        rows,
        total: count(entries.len() as u64),
        cut: (cut > 0).then(|| count(cut as u64)),
        data: script_json(&data).map_err(|error| failed(error.to_string()))?,
        script: include_str!("../templates/index.js"),
    };
    page.render().map_err(|error| failed(error.to_string()))
}
