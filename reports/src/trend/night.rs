//! One night, read from its directory.

use crate::campaign::Outcome;
use crate::error::ReportError;
use crate::index::{self, Entry};
use crate::run_directory::{RunDirectory, io_error};
use crate::units::count;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The file of a soak with a line a trial.
const TRIALS: &str = "trials.jsonl";

/// The folder of a soak with the directories of what it found.
const RUNS: &str = "runs";

/// The most lines that are named as unusable.
const NOTES_MAX: usize = 5;

/// What broke, where: two failures with the same signature are taken for one bug.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Signature {
    /// The promise or the law, by name.
    pub broken: String,
    /// The system under test.
    pub cluster: String,
    /// The bug planted, if any.
    pub mutant: Option<String>,
}

/// How often one signature failed in a night.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// How often.
    pub count: u64,
    /// How many of them came out differently when they were run again.
    pub unrepeated: u64,
    /// The first run that shows it, as the night wrote it down.
    pub run: Option<String>,
}

/// A night of trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Night {
    /// The directory, as it was named.
    pub name: String,
    /// When its newest trial was written, in milliseconds since 1970.
    pub written_ms: u64,
    /// How many trials have a verdict.
    pub trials: u64,
    /// How many broke something.
    pub violations: u64,
    /// How many the judge could not finish.
    pub unknown: u64,
    /// How many tested nothing.
    pub vacuous: u64,
    /// How long all of them were, in simulated seconds.
    pub simulated_s: f64,
    /// What broke.
    #[serde(serialize_with = "as_list")]
    pub failures: BTreeMap<Signature, Failure>,
    /// What could not be read, and what became of it.
    pub notes: Vec<String>,
    /// Clusters, with the bug planted in them, that were tested.
    #[serde(skip)]
    subjects: BTreeSet<(String, Option<String>)>,
}

/// JSON has no keys but texts.
fn as_list<S: Serializer>(
    failures: &BTreeMap<Signature, Failure>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        signature: &'a Signature,
        #[serde(flatten)]
        failure: &'a Failure,
    }
    let lines = failures.iter();
    serializer.collect_seq(lines.map(|(signature, failure)| Line { signature, failure }))
}

/// A line of a soak. What other versions add is passed over, and what they lack is not missed.
#[derive(Deserialize)]
struct Line {
    cluster: String,
    verdict: Outcome,
    #[serde(default)]
    sentence: String,
    #[serde(default)]
    mutant: Option<String>,
    #[serde(default)]
    property: Option<String>,
    #[serde(default)]
    simulated_ns: u64,
    #[serde(default)]
    run: Option<PathBuf>,
    #[serde(default)]
    repeats: Option<bool>,
}

impl Night {
    /// Reads a directory: of a soak, or of runs.
    ///
    /// # Errors
    /// [`ReportError::NoTrials`], [`ReportError::Io`].
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        let mut night = Self {
            name: folder.display().to_string(),
            ..Self::default()
        };
        let trials = folder.join(TRIALS);
        if trials.is_file() {
            night.take_lines(folder, &trials)?;
        } else {
            night.take_runs(folder)?;
        }
        Ok(night)
    }

    /// How often something broke in this night.
    pub fn count_of(&self, signature: &Signature) -> u64 {
        self.failures
            .get(signature)
            .map_or(0, |failure| failure.count)
    }

    /// Whether this night put to the test what once broke so.
    pub fn tested(&self, signature: &Signature) -> bool {
        let subject = (signature.cluster.clone(), signature.mutant.clone());
        self.subjects.contains(&subject)
    }

    /// So many in a thousand trials; nothing when there were none.
    pub fn per_thousand(&self, number: u64) -> Option<f64> {
        (self.trials > 0).then(|| number as f64 * 1_000.0 / self.trials as f64)
    }

    fn take_lines(&mut self, folder: &Path, trials: &Path) -> Result<(), ReportError> {
        let bytes = fs::read(trials).map_err(io_error(trials, "read"))?;
        self.written_ms = index::written_ms(trials).unwrap_or_default();
        let mut unusable = 0;
        for (number, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Line>(bytes) {
                Ok(line) => self.take_line(folder, line),
                Err(error) => {
                    unusable += 1;
                    if unusable <= NOTES_MAX {
                        self.notes.push(format!(
                            "{TRIALS}:{number}: {}; the line is left out, as the last one is when its night was cut short",
                            cause(&error)
                        ));
                    }
                }
            }
        }
        if unusable > NOTES_MAX {
            let more = count((unusable - NOTES_MAX) as u64);
            self.notes.push(format!("and {more} more such lines"));
        }
        Ok(())
    }

    fn take_line(&mut self, folder: &Path, line: Line) {
        // The soak wrote down the path from where it stood; its folder may have been moved since.
        let beside = |run: &PathBuf| folder.join(RUNS).join(run.file_name().unwrap_or_default());
        let summary = || {
            let run = line.run.as_ref()?;
            let directory = RunDirectory::at(&beside(run)).or_else(|_| RunDirectory::at(run));
            directory.ok()?.summary().ok()?.broken()
        };
        let broken = has_broken(line.verdict).then(|| {
            let known = line.property.clone().or_else(summary);
            known.unwrap_or_else(|| told_by(&line.sentence))
        });
        let run = line.run.as_ref().map(|run| run.display().to_string());
        let repeats = line.repeats.unwrap_or(true);
        let subject = (line.cluster, line.mutant);
        self.add(
            line.verdict,
            line.simulated_ns,
            subject,
            broken,
            run,
            repeats,
        );
    }

    fn take_runs(&mut self, folder: &Path) -> Result<(), ReportError> {
        let entries = index::entries(folder)?;
        if RunDirectory::list(folder)?.is_empty() {
            let path = folder.to_path_buf();
            return Err(ReportError::NoTrials { path });
        }
        let (judged, others): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| entry.verdict.is_some());
        let newest = judged.iter().chain(&others);
        self.written_ms = newest
            .filter_map(|entry| entry.written_ms)
            .max()
            .unwrap_or_default();
        for entry in judged {
            let Some(verdict) = entry.verdict else {
                continue;
            };
            let verdict = Outcome::from(verdict);
            let broken = has_broken(verdict)
                .then(|| entry.broken.unwrap_or_else(|| told_by(&entry.sentence)));
            let run = Some(folder.join(&entry.name).display().to_string());
            let subject = (entry.cluster, entry.mutant);
            self.add(verdict, entry.simulated_ns, subject, broken, run, true);
        }
        for entry in others.iter().take(NOTES_MAX) {
            let note = entry.note.as_deref().unwrap_or("no verdict");
            self.notes
                .push(format!("{} is left out: {note}", entry.name));
        }
        if others.len() > NOTES_MAX {
            let more = count((others.len() - NOTES_MAX) as u64);
            self.notes.push(format!(
                "and {more} more directories; `stormglass report index` lists them"
            ));
        }
        Ok(())
    }

    fn add(
        &mut self,
        verdict: Outcome,
        simulated_ns: u64,
        subject: (String, Option<String>),
        broken: Option<String>,
        run: Option<String>,
        repeats: bool,
    ) {
        self.trials += 1;
        self.simulated_s += simulated_ns as f64 / 1e9;
        match verdict {
            Outcome::Violation => self.violations += 1,
            Outcome::Unknown | Outcome::Crashed | Outcome::OutOfMemory | Outcome::TimedOut => {
                self.unknown += 1;
            }
            Outcome::Vacuous => self.vacuous += 1,
            Outcome::Valid | Outcome::Measured => {}
        }
        if let Some(broken) = broken {
            let (cluster, mutant) = subject.clone();
            let signature = Signature {
                broken,
                cluster,
                mutant,
            };
            let failure = self.failures.entry(signature).or_default();
            failure.count += 1;
            failure.unrepeated += u64::from(!repeats);
            if failure.run.is_none() {
                failure.run = run;
            }
        }
        self.subjects.insert(subject);
    }
}

/// Whether something broke: a promise, or the trial itself.
fn has_broken(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Violation | Outcome::Crashed | Outcome::OutOfMemory | Outcome::TimedOut
    )
}

/// What is wrong with a line, without the place inside it: the number of the line is told already.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((cause, _)) => cause.to_string(),
        None => text,
    }
}

/// What broke, as far as the verdict's sentence tells: a name, or the sentence without what differs from run to run.
fn told_by(sentence: &str) -> String {
    let word_after = |phrase: &str| {
        let rest = sentence.split_once(phrase)?.1;
        let word = rest.split_whitespace().next()?;
        Some(word.trim_end_matches(['.', ':']).to_string())
    };
    if sentence.contains("is not linearizable") {
        return "linearizability".to_string();
    }
    word_after(" breaks the promise ")
        .or_else(|| word_after(" broke its own law "))
        .unwrap_or_else(|| {
            let place = sentence.rsplit_once(" at n");
            place
                .map_or(sentence, |(what, _)| what)
                .trim_end_matches('.')
                .to_string()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_tells_what_broke_and_not_where() {
        for (sentence, broken) in [
            (
                "What the clients saw is not linearizable for key k1.",
                "linearizability",
            ),
            (
                "What the clients saw breaks the promise watch-ordered.",
                "watch-ordered",
            ),
            (
                "The cluster broke its own law election-safety at n3.",
                "election-safety",
            ),
            ("A node panicked at n3.", "A node panicked"),
            ("A client panicked.", "A client panicked"),
            ("", ""),
        ] {
            assert_eq!(told_by(sentence), broken);
        }
    }
}
