//! A directory that is not whole: a run that was interrupted, a file of another version, a line that was cut.
//!
//! What is there still tells something. It makes a page, with what is missing on it, and never a verdict.

use super::{HISTORY, PAGE, RECORD, RUN_AGAIN, RunDirectory, SUMMARY, TRIAL, io_error, quoted};
use crate::error::ReportError;
use crate::salvaged::{Found, page, sentence};
use std::fs;
use std::path::PathBuf;
use stormglass_checker::{History, HistoryError};
use stormglass_nemesis::judge::judge;
use stormglass_nemesis::record::{Marks, RECORD_VERSION, Record, Run, Traffic, Wear};

/// The page of the run as it was made when the directory was whole, where another has taken its place.
pub const EARLIER: &str = "earlier.html";

/// What could be told of a run that is not whole. There is no verdict, and it is never a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// What there is to say, in a sentence or two.
    pub sentence: String,
    /// What is missing, and what to do about it: at least one.
    pub notes: Vec<String>,
    /// What runs it again; none where the trial cannot be read.
    pub commands: Vec<String>,
    /// The page.
    pub page: PathBuf,
}

impl RunDirectory {
    /// Makes a page of what is there, when [`RunDirectory::rebuild`] `refused`. The page of a run that once was whole is kept beside it as
    /// [`EARLIER`]; nothing else in the directory changes.
    ///
    /// # Errors
    /// [`ReportError::Io`] when the page cannot be written.
    pub fn salvage(&self, refused: &ReportError) -> Result<Salvaged, ReportError> {
        let mut notes = Vec::new();
        let trial = self.trial();
        if let Err(error) = &trial {
            notes.push(format!(
                "{error}; without it nothing can be judged, or run again"
            ));
        }
        let is_absent = |file: &&str| !self.path.join(file).is_file();
        let absent: Vec<&str> = [RECORD, HISTORY].into_iter().filter(is_absent).collect();
        if !absent.is_empty() {
            let are = if absent.len() == 1 { "is" } else { "are" };
            let absent = absent.join(" and ");
            notes.push(format!(
                "the run did not come to its end: {absent} {are} missing; run the trial again"
            ));
        }
        let record = match absent.contains(&RECORD) {
            true => None,
            false => self.salvaged_record(&mut notes),
        };
        let history = match absent.contains(&HISTORY) {
            true => History::default(),
            false => self.whole_lines(&mut notes),
        };
        let has_record = record.is_some();
        let run = Run {
            history,
            record: record.unwrap_or_else(nothing_seen),
        };
        let mut judged = None;
        if let Ok(trial) = &trial
            && !run.history.events.is_empty()
        {
            match judge(trial, &run) {
                Ok(judgement) => judged = Some(judgement),
                Err(error) => notes.push(error.to_string()),
            }
        }
        // All is there, and yet no report could be made of it.
        if notes.is_empty() {
            notes.push(refused.to_string());
        }
        let commands = match &trial {
            Ok(_) => vec![format!(
                "stormglass replay {}",
                quoted(self.path.join(TRIAL).display())
            )],
            Err(_) => Vec::new(),
        };
        let text = fs::read(self.path.join(TRIAL)).unwrap_or_default();
        let earlier = self.keep_earlier()?;
        let found = Found {
            run: &self.name,
            trial: trial.as_ref().map_err(|_| String::from_utf8_lossy(&text)),
            history: &run.history,
            record: has_record.then_some(&run.record),
            judged: judged.as_ref(),
            notes: &notes,
            commands: &commands,
            earlier: earlier.then_some(EARLIER),
        };
        self.put(PAGE, page(&found)?.as_bytes())?;
        Ok(Salvaged {
            sentence: sentence(&found),
            notes,
            commands,
            page: self.page(),
        })
    }

    fn salvaged_record(&self, notes: &mut Vec<String>) -> Option<Record> {
        match self.read_json(RECORD, RECORD_VERSION, RUN_AGAIN, RUN_AGAIN) {
            Ok(record) => Some(record),
            Err(error) => {
                notes.push(format!("{error}; the page is made without it"));
                None
            }
        }
    }

    /// The lines of the history up to the first that cannot be used.
    fn whole_lines(&self, notes: &mut Vec<String>) -> History {
        let path = self.path.join(HISTORY);
        let name = path.display().to_string();
        let bytes = match fs::read(&path).map_err(io_error(&path, "read")) {
            Ok(bytes) => bytes,
            Err(error) => {
                notes.push(format!("{error}; the page is made without it"));
                return History::default();
            }
        };
        let mut part = &bytes[..];
        // A line that cannot be read hides one before it that does not fit; there is no third kind.
        loop {
            match History::parse_jsonl(&name, part) {
                Ok(history) => {
                    if bytes.is_empty() {
                        notes.push(format!("{name}: there is nothing in it; {RUN_AGAIN}"));
                    }
                    return history;
                }
                Err(error) => {
                    let line = match &error {
                        HistoryError::Malformed { line, .. } => *line,
                        _ => 1,
                    };
                    let whole = lines(part, line.saturating_sub(1));
                    if whole.len() >= part.len() {
                        notes.push(format!("{error}; the page is made without it"));
                        return History::default();
                    }
                    notes.push(format!("{error}; the lines before it are used"));
                    part = whole;
                }
            }
        }
    }

    /// Keeps the page that was made when the directory was whole. Says whether there is one.
    fn keep_earlier(&self) -> Result<bool, ReportError> {
        let (page, earlier) = (self.page(), self.path.join(EARLIER));
        // `run.json` is written last: with it, the page is that of a whole run, unless it was kept before.
        if !earlier.is_file() && page.is_file() && self.path.join(SUMMARY).is_file() {
            fs::rename(&page, &earlier).map_err(io_error(&earlier, "written"))?;
        }
        Ok(earlier.is_file())
    }
}

/// The first so many lines.
fn lines(bytes: &[u8], count: usize) -> &[u8] {
    let taken = bytes.split_inclusive(|byte| *byte == b'\n').take(count);
    &bytes[..taken.map(<[u8]>::len).sum()]
}

/// The record of an arena that wrote none.
fn nothing_seen() -> Record {
    Record {
        schema_version: RECORD_VERSION,
        digest: String::new(),
        marks: Marks {
            every: 1,
            digits: String::new(),
        },
        inputs: 0,
        interrupted: true,
        ended_ns: 0,
        healed_ns: 0,
        traffic: Traffic::default(),
        wear: Wear::default(),
        faults: Vec::new(),
        facts: Vec::new(),
        violations: Vec::new(),
    }
}
