//! What is finished, as the campaign keeps it in mind while it runs: which units, and which run directories stay.
//!
//! Of trials that failed alike only the first few keep their directories, first by the number of the unit and not by the clock: what is left at the end does
//! not depend on who was faster, or on how often the campaign was cut short.

use super::crew::{Done, Ended};
use super::signature;
use super::store::{Batch, Content, Shrunk, StorageFull};
use super::work::{Answer, Job, TrialJob};
use crate::command::run;
use crate::command::{Exit, Failure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::RunDirectory;
use stormglass_reports::campaign::{KillLine, ModelLine, Outcome, TrialLine};

/// The run directories, in the directory of a campaign.
pub(crate) const RUNS: &str = "runs";

/// How many trials that failed alike keep their directories.
pub(crate) const KEPT_MAX: usize = 5;

/// What is finished.
pub(crate) struct Rows {
    runs: PathBuf,
    units: BTreeSet<u64>,
    canaries: BTreeSet<u64>,
    models: BTreeSet<u64>,
    /// The kept rows of each failure, by unit.
    failures: BTreeMap<String, BTreeMap<u64, TrialLine>>,
    /// The directories of valid trials that are kept.
    samples: BTreeSet<PathBuf>,
    shrunk: BTreeMap<String, Shrunk>,
    spent_s: f64,
}

/// What is told while the campaign runs.
pub(crate) enum Told<'a> {
    Trial(&'a TrialLine),
    Canary(&'a KillLine),
    Model(&'a ModelLine),
}

/// What was taken in, and is to be committed.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) batch: Batch,
    /// Directories that are no longer wanted once that is committed.
    pub(crate) evicted: Vec<PathBuf>,
}

impl Taken {
    /// Tells each row that is new.
    pub(crate) fn each(&self, tell: &mut impl FnMut(&Told<'_>)) {
        let trials = self.batch.trials.iter();
        trials.for_each(|line| tell(&Told::Trial(line)));
        let canaries = self.batch.canaries.iter();
        canaries.for_each(|(_, line)| tell(&Told::Canary(line)));
        let models = self.batch.models.iter();
        models.for_each(|(_, line)| tell(&Told::Model(line)));
    }
}

impl Rows {
    pub(crate) fn of(content: Content, runs: PathBuf) -> Self {
        let mut rows = Self {
            runs,
            units: content.trials.keys().copied().collect(),
            canaries: content.canaries.keys().copied().collect(),
            models: content.models.keys().copied().collect(),
            failures: BTreeMap::new(),
            samples: BTreeSet::new(),
            shrunk: content.shrunk,
            spent_s: content.spent_s,
        };
        for (unit, line) in content.trials {
            match (&line.signature, &line.run) {
                (Some(signature), Some(_)) => {
                    let kept = rows.failures.entry(signature.clone()).or_default();
                    kept.insert(unit, line);
                }
                (None, Some(run)) => {
                    rows.samples.insert(run.clone());
                }
                (_, None) => {}
            }
        }
        rows
    }

    pub(crate) fn trials(&self) -> u64 {
        self.units.len() as u64
    }

    pub(crate) fn units(&self) -> BTreeSet<u64> {
        self.units.clone()
    }

    pub(crate) fn has_canary(&self, number: u64) -> bool {
        self.canaries.contains(&number)
    }

    pub(crate) fn has_model(&self, number: u64) -> bool {
        self.models.contains(&number)
    }

    /// How long the campaign has run, in seconds.
    pub(crate) fn spent_s(&self) -> f64 {
        self.spent_s
    }

    /// The first trial of each failure that repeats and was not made small yet: its signature, its unit and its directory.
    pub(crate) fn to_shrink(&self, most: usize) -> Vec<(String, u64, PathBuf)> {
        let repeats = |line: &TrialLine| {
            line.verdict == Outcome::Violation && line.repeats == Some(true) && line.run.is_some()
        };
        let firsts = self.failures.iter().filter_map(|(signature, kept)| {
            let (unit, line) = kept.first_key_value()?;
            repeats(line).then_some((signature, *unit, line))
        });
        // Which ones are made small does not depend on how often the campaign was cut short.
        let chosen = firsts.take(most).filter(|(signature, unit, _)| {
            let done = self.shrunk.get(*signature);
            done.is_none_or(|done| done.unit != *unit)
        });
        chosen
            .filter_map(|(signature, unit, line)| {
                Some((signature.clone(), unit, line.run.clone()?))
            })
            .collect()
    }

    /// Takes in what is finished. With it comes the failure that ends the campaign, if there is one; what it befell is not finished.
    pub(crate) fn take(&mut self, done: Vec<Done>, ended_s: f64) -> (Taken, Option<Failure>) {
        let (mut taken, mut failed) = (Taken::default(), None);
        self.spent_s = ended_s;
        taken.batch.spent_s = ended_s;
        for Done { job, ended } in done {
            if let Ended::Answered(Answer::Failed {
                cause,
                is_hosts: true,
                is_full,
            }) = &ended
            {
                failed = Some(Failure {
                    exit: Exit::Internal,
                    error: match is_full {
                        true => StorageFull.into(),
                        false => anyhow::anyhow!("{cause}; what is finished is safe"),
                    },
                });
                continue;
            }
            match job {
                Job::Trial(job) => {
                    let mut line = self.trial_line(&job, ended);
                    line.ended_s = Some(ended_s);
                    self.units.insert(line.unit);
                    self.keep(&mut line, &mut taken);
                    taken.batch.trials.push(line);
                }
                Job::Canary { number, canary } => {
                    let arena = canary.arena();
                    let mut line = KillLine {
                        id: canary.mutant,
                        cluster: canary.cluster,
                        arena,
                        harmless: false,
                        caught_by: Vec::new(),
                        caught: 0,
                        starts: 1,
                        seeds: None,
                    };
                    match ended {
                        Ended::Answered(Answer::Canary(answered)) => line = answered,
                        other => line.caught_by = vec![(why(&other).1, 0)],
                    }
                    self.canaries.insert(number);
                    taken.batch.canaries.push((number, line));
                }
                Job::Model { number, model, .. } => {
                    let line = match ended {
                        Ended::Answered(Answer::Model(answered)) => answered,
                        other => ModelLine {
                            cluster: model.cluster,
                            bounds: model.bounds,
                            mutant: None,
                            verdict: format!("{}: {}", why(&other).0.name(), why(&other).1),
                            states: 0,
                            seconds: 0.0,
                            samples: Vec::new(),
                        },
                    };
                    self.models.insert(number);
                    taken.batch.models.push((number, line));
                }
                Job::Shrink {
                    signature, unit, ..
                } => {
                    let size = match ended {
                        Ended::Answered(Answer::Shrunk(faults, operations)) => {
                            Some((faults, operations))
                        }
                        _ => None,
                    };
                    let shrunk = Shrunk { unit, size };
                    self.shrunk.insert(signature.clone(), shrunk.clone());
                    taken.batch.shrunk.push((signature, shrunk));
                }
            }
        }
        (taken, failed)
    }

    /// The row of a trial, however it ended.
    fn trial_line(&self, job: &TrialJob, ended: Ended) -> TrialLine {
        let ended = match ended {
            Ended::Answered(Answer::Trial(line)) => return *line,
            other => other,
        };
        let (outcome, said) = why(&ended);
        let repeats = match ended {
            Ended::Died { repeats, .. } => repeats,
            Ended::Answered(_) => true,
        };
        let args = super::plan::run_args(&job.words).ok();
        let trial = args
            .as_ref()
            .and_then(|args| Some((run::trial(args, job.seed).ok()?, args)));
        let command = trial.as_ref().map_or_else(String::new, |(trial, args)| {
            run::command_anywhere(args, trial)
        });
        let trial = trial.map(|(trial, _)| trial);
        let cluster = job.words.first().cloned().unwrap_or_default();
        let property = outcome.name().replace(' ', "-");
        // How long it took and how much it wanted says nothing about what is wrong.
        let detail = (outcome == Outcome::Crashed).then_some(said.as_str());
        let signature = signature::join(&cluster, &property, detail, repeats);
        let arena = trial.as_ref().map_or(Arena::Simulator, |trial| trial.arena);
        TrialLine {
            workload: trial
                .as_ref()
                .map_or_else(String::new, |trial| trial.workload.name().to_string()),
            sentence: said,
            property: Some(property),
            signature: Some(signature),
            mutant: trial.as_ref().and_then(|trial| trial.mutant.clone()),
            repeats: Some(repeats),
            command,
            run: trial.and_then(|trial| self.left_behind(&trial)),
            ..TrialLine::new(job.unit, &cluster, arena, job.seed, outcome)
        }
    }

    /// The directory of a trial whose worker died: the first it made. A second one, of the second try, has nothing more to tell, and neither has one whose
    /// worker died before it had written the trial down.
    fn left_behind(&self, trial: &Trial) -> Option<PathBuf> {
        let mut kept = None;
        let there = RunDirectory::names(trial).take_while(|name| self.runs.join(name).is_dir());
        for name in there {
            let path = self.runs.join(&name);
            match RunDirectory::at(&path).and_then(|directory| directory.trial()) {
                // Another trial, to which the same name fell first.
                Ok(found) if found != *trial => {}
                Ok(_) if kept.is_none() => kept = Some(PathBuf::from(name)),
                Ok(_) | Err(_) => {
                    let _ = std::fs::remove_dir_all(path);
                }
            }
        }
        kept
    }

    /// Keeps the directory of a failure while it is among the first of its kind, and of a valid trial that is a sample.
    fn keep(&mut self, line: &mut TrialLine, taken: &mut Taken) {
        let Some(run) = &line.run else { return };
        let Some(signature) = &line.signature else {
            self.samples.insert(run.clone());
            return;
        };
        let kept = self.failures.entry(signature.clone()).or_default();
        kept.insert(line.unit, line.clone());
        if kept.len() > KEPT_MAX
            && let Some((unit, mut last)) = kept.pop_last()
        {
            taken.evicted.extend(last.run.take());
            match unit == line.unit {
                true => line.run = None,
                false => taken.batch.poorer.push(last),
            }
        }
    }

    /// Removes directories that nobody wants any more.
    pub(crate) fn remove(&self, evicted: &[PathBuf]) {
        for run in evicted {
            // What cannot be removed is an orphan, and removed when the campaign is taken up again.
            let _ = std::fs::remove_dir_all(self.runs.join(run));
        }
    }

    /// Removes directories of trials that were under way when the campaign was cut short.
    pub(crate) fn remove_orphans(&self) {
        let wanted = |name: &String| {
            let path = PathBuf::from(name);
            let mut failures = self.failures.values().flat_map(BTreeMap::values);
            self.samples.contains(&path) || failures.any(|line| line.run.as_ref() == Some(&path))
        };
        let Ok(entries) = std::fs::read_dir(&self.runs) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && is_name_of_run(&name) && !wanted(&name) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Whether a directory is called as runs are: with six hexadecimal digits at the end.
fn is_name_of_run(name: &str) -> bool {
    name.rsplit_once('-')
        .is_some_and(|(_, id)| id.len() == 6 && id.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Why there is no answer of the right kind.
fn why(ended: &Ended) -> (Outcome, String) {
    match ended {
        Ended::Died { outcome, said, .. } => (*outcome, said.clone()),
        Ended::Answered(Answer::Failed { cause, .. }) => (Outcome::Crashed, cause.clone()),
        Ended::Answered(_) => {
            let text = "the worker answered something else";
            (Outcome::Crashed, text.to_string())
        }
    }
}
