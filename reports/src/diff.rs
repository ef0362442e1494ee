//! Two runs side by side: what was asked of them, what came of it, and the first event at which they part.

mod page;
mod settings;

pub use settings::Setting;

use crate::error::ReportError;
use crate::run_directory::{RunDirectory, put};
use crate::summary::{RunSummary, Timings};
use crate::units::{count, moment};
use serde::Serialize;
use std::path::{Path, PathBuf};
use stormglass_nemesis::judge::judge;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::replay::{Difference, difference, parting};
use stormglass_nemesis::trial::Trial;

/// A run, read whole.
pub struct Side {
    /// The name of its directory.
    pub name: String,
    /// What was asked of it.
    pub trial: Trial,
    /// What came back.
    pub run: Run,
    /// What that showed.
    pub summary: RunSummary,
}

impl Side {
    /// Reads a run. One whose `run.json` cannot be read is judged again; nothing is written.
    ///
    /// # Errors
    /// Those of [`RunDirectory::load`], and [`ReportError::Check`].
    pub fn read(directory: &RunDirectory) -> Result<Self, ReportError> {
        let (trial, run) = directory.load()?;
        let summary = match directory.summary() {
            Ok(summary) => summary,
            Err(_) => {
                let judged = judge(&trial, &run)?;
                let (timings, command) = (Timings::default(), directory.replay_command());
                let name = directory.name();
                RunSummary::new(name, &trial, &run.record, &judged, &timings, &command)
            }
        };
        Ok(Self {
            name: directory.name().to_string(),
            trial,
            run,
            summary,
        })
    }
}

/// How two runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// The name of the first.
    pub a: String,
    /// The name of the second.
    pub b: String,
    /// Whether both are runs of one and the same trial.
    pub same_trial: bool,
    /// Whether nothing that happened differs.
    pub same: bool,
    /// Whether one trial came to two ends where it must not: nondeterminism.
    pub diverged: bool,
    /// How far they are the same, in a sentence or two.
    pub sentence: String,
    /// The settings of the trial that differ.
    pub settings: Vec<Setting>,
    /// Where the runs first differ.
    pub difference: Option<Difference>,
    /// The position of the first event that differs, from 0.
    pub event: Option<usize>,
}

impl Diff {
    /// Compares two runs.
    pub fn of(a: &Side, b: &Side) -> Self {
        let same_trial = a.trial == b.trial;
        let difference = difference(&a.run, &b.run);
        let event = parting(&a.run.history, &b.run.history);
        let same = difference.is_none();
        let interrupted = a.run.record.interrupted || b.run.record.interrupted;
        let repeats = a.trial.arena.repeats();
        Self {
            a: a.name.clone(),
            b: b.name.clone(),
            same_trial,
            same,
            diverged: same_trial && !same && repeats && !interrupted,
            sentence: sentence(a, b, difference.as_ref(), event),
            settings: settings::differing(&a.trial, &b.trial),
            difference,
            event,
        }
    }

    /// What the difference means, as a sentence; nothing when there is nothing to add.
    pub fn meaning(&self, a: &Side) -> Option<String> {
        match (self.same_trial, self.same) {
            (false, _) => Some(format!(
                "These are two trials: {}. That their runs differ is no sign of nondeterminism.",
                settings::told(&self.settings)
            )),
            (true, true) => None,
            (true, false) if self.diverged => Some(format!(
                "NONDETERMINISM: one and the same trial came to two different ends. {}",
                stormglass_nemesis::replay::USUAL_CAUSES
            )),
            (true, false) if !a.trial.arena.repeats() => Some(
                "Both are runs of one trial on real processes, where nothing repeats.".to_string(),
            ),
            (true, false) => Some(
                "Both are runs of one trial, and one was interrupted: that they differ is no sign of nondeterminism."
                    .to_string(),
            ),
        }
    }

    /// Makes the page, `diff-<A>-<B>.html` in `out`, and says where it is.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write(&self, a: &Side, b: &Side, out: &Path) -> Result<PathBuf, ReportError> {
        let path = out.join(format!("diff-{}-{}.html", part(&a.name), part(&b.name)));
        std::fs::create_dir_all(out).map_err(crate::run_directory::io_error(out, "created"))?;
        put(&path, page::render(self, a, b)?.as_bytes())?;
        Ok(path)
    }
}

/// A name as a part of the name of a file. What tells runs apart is at the end.
fn part(name: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let more = name.chars().count().saturating_sub(CHARACTERS_MAX);
    let end: String = name.chars().skip(more).collect();
    let safe = |character: char| match character {
        character if crate::run_directory::is_plain(character) => character,
        _ => '-',
    };
    end.chars().map(safe).collect()
}

/// How far two runs are the same.
fn sentence(a: &Side, b: &Side, difference: Option<&Difference>, event: Option<usize>) -> String {
    let events = (a.run.history.events.len(), b.run.history.events.len());
    let inputs = (a.run.record.inputs, b.run.record.inputs);
    let of = |numbers: (u64, u64)| match numbers {
        (one, other) if one == other => count(one),
        (one, other) => format!("{} and {}", count(one), count(other)),
    };
    let all_events = of((events.0 as u64, events.1 as u64));
    let history = match event {
        None => format!(", and their {all_events} events of the history are the same"),
        Some(0) => ", and their histories differ from the first event on".to_string(),
        Some(same) => {
            let last = a.run.history.events.get(same - 1);
            let time_ns = last.map_or(0, |event| event.time);
            format!(
                " and event {} of {all_events} of the history ({})",
                count(same as u64),
                moment(time_ns)
            )
        }
    };
    match difference {
        None => format!(
            "The runs are the same: {} inputs and {all_events} events of the history.",
            count(inputs.0)
        ),
        Some(Difference::Input {
            first: 1, last: 1, ..
        }) => {
            format!("The runs differ from the first input on{history}.")
        }
        Some(Difference::Input { first, last, .. }) => {
            // Of long runs only every so many inputs are known.
            let roughly = match last - first {
                0 => String::new(),
                _ => format!(
                    " (they part before input {})",
                    count(last.saturating_add(1))
                ),
            };
            format!(
                "The runs are the same up to input {} of {}{roughly}{history}.",
                count(first - 1),
                of(inputs)
            )
        }
        Some(Difference::History { event: 0 }) => format!(
            "The nodes took the same {} inputs{history}.",
            count(inputs.0)
        ),
        Some(Difference::History { .. }) => format!(
            "The runs are the same in all {} inputs, up to{}.",
            count(inputs.0),
            history.replacen(" and", "", 1)
        ),
        Some(Difference::Record) => format!(
            "The runs are the same in {} inputs and {all_events} events of the history, and only what was written down about them differs.",
            count(inputs.0)
        ),
    }
}
