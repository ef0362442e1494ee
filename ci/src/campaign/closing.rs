//! What a campaign came to: made from the rows alone, so that it is the same however often the campaign was cut short, and of however many
//! shards.

use super::known::Known;
use super::nights::{Night, Nights, today};
use super::rows::KEPT_MAX;
use super::store::{About, Content, Shrunk};
use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, print_line};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use stormglass_reports::ReportError;
use stormglass_reports::campaign::{
    self, Campaign, Closing, FailureLine, KILLS, KillLine, MODELS, ModelLine, Outcome, Share,
    Standing, TRIALS, TrialLine,
};

/// The file that says what came of it.
pub(crate) const SUMMARY: &str = "summary.md";

/// The most failures that the summary tells in full.
const FAILURES_MAX: usize = 50;

/// The rows of a campaign: of one shard, or of several.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) about: About,
    pub(crate) shards: Vec<Share>,
    pub(crate) trials: Vec<TrialLine>,
    pub(crate) canaries: Vec<KillLine>,
    pub(crate) models: Vec<ModelLine>,
    pub(crate) shrunk: BTreeMap<String, Shrunk>,
    pub(crate) was_interrupted: bool,
}

/// What a failure is held against.
pub(crate) struct Expectations {
    pub(crate) known: Vec<Known>,
    /// The ledger of nights; none for a shard, which is no night by itself.
    pub(crate) nights: Option<PathBuf>,
}

impl Whole {
    /// The rows of one shard.
    pub(crate) fn of(content: Content, was_interrupted: bool) -> Self {
        let about = content.about;
        let trials = content.trials.len() as u64;
        let shards = vec![about.share(trials)];
        Self {
            about,
            shards,
            trials: content.trials.into_values().collect(),
            canaries: content.canaries.into_values().collect(),
            models: content.models.into_values().collect(),
            shrunk: content.shrunk,
            was_interrupted,
        }
    }

    /// Writes lines, summary and page into a directory, and the night into the ledger. Gives what it came to.
    pub(crate) fn close(&self, folder: &Path, held: &Expectations) -> Result<Closed, Failure> {
        self.export(folder)?;
        let nights = held.nights.as_deref().map(Nights::read).transpose()?;
        let mut tonight = Night {
            name: self.about.name.clone(),
            day: today(),
            commit: self.about.commit.clone(),
            first_seed: self.about.first_seed,
            is_green: false,
            signatures: Default::default(),
        };
        let failures = self.failures(held, nights.as_ref(), &tonight);
        let mut exit = failures
            .iter()
            .fold(Exit::Valid, |exit, failure| exit.or_worse(exit_of(failure)));
        let mut notes = self.missed(&mut exit);
        notes.extend(unseen(held, &failures));
        let wants_trials = self.shards.iter().any(|shard| shard.planned != Some(0));
        if self.trials.is_empty() && self.about.has_storms && wants_trials {
            exit = exit.or_worse(Exit::Vacuous);
            notes.push("no trial was run: the budget was over before the first".to_string());
        } else if self.trials.is_empty() && self.canaries.is_empty() && self.models.is_empty() {
            exit = exit.or_worse(Exit::Vacuous);
            notes.push("nothing was run".to_string());
        }
        tonight.is_green = exit == Exit::Valid && !self.was_interrupted;
        tonight.signatures = failures
            .iter()
            .map(|failure| failure.signature.clone())
            .collect();
        if self.was_interrupted {
            exit = exit.or_worse(Exit::Interrupted);
            notes.push(format!(
                "it was interrupted: `{}` goes on with it",
                resume(folder)
            ));
        }
        let closing = Closing {
            name: self.about.name.clone(),
            build: self.about.build.clone(),
            commit: self.about.commit.clone(),
            day: tonight.day.clone(),
            first_seed: self.about.first_seed,
            is_green: tonight.is_green,
            shards: self.shards.clone(),
            failures,
            notes,
        };
        closing.write(folder).or_exit(Exit::Unreadable)?;
        let summary = self.summary(&closing);
        let path = folder.join(SUMMARY);
        std::fs::write(&path, &summary).map_err(|error| Failure {
            exit: Exit::Unreadable,
            error: anyhow::Error::new(error).context(format!("{}", path.display())),
        })?;
        let page = Campaign::read(folder).and_then(|campaign| campaign.write(folder));
        let page = page.or_exit(Exit::Unreadable)?;
        if let (Some(path), false) = (&held.nights, self.was_interrupted) {
            Nights::write(path, &tonight)?;
        }
        Ok(Closed {
            exit,
            summary,
            page,
            trials: self.trials.len(),
            failures: closing.failures.len(),
            is_green: closing.is_green,
        })
    }

    /// Writes the rows as lines. Planted bugs and models that others added stay, where the campaign has none of its own.
    pub(crate) fn export(&self, folder: &Path) -> Result<(), Failure> {
        let put = |written: Result<(), ReportError>| written.or_exit(Exit::Unreadable);
        put(campaign::write_lines(folder, TRIALS, &self.trials))?;
        if !self.canaries.is_empty() {
            put(campaign::write_lines(folder, KILLS, &self.canaries))?;
        }
        if !self.models.is_empty() {
            put(campaign::write_lines(folder, MODELS, &self.models))?;
        }
        Ok(())
    }

    /// What failed, each once, the worst first.
    fn failures(
        &self,
        held: &Expectations,
        nights: Option<&Nights>,
        tonight: &Night,
    ) -> Vec<FailureLine> {
        let mut alike: BTreeMap<&str, Vec<&TrialLine>> = BTreeMap::new();
        for line in &self.trials {
            if let Some(signature) = &line.signature {
                alike.entry(signature).or_default().push(line);
            }
        }
        let mut commits = None;
        let tell = |(signature, lines): (&str, Vec<&TrialLine>)| {
            let first = lines[0];
            let property = first.property.clone().unwrap_or_default();
            let known = held.known.iter();
            let known = known.filter(|known| known.is(&property, signature));
            let known = known.max_by_key(|known| known.expires.clone());
            let seen = nights.and_then(|nights| nights.first_seen(tonight, signature));
            let standing = match (known, seen) {
                (Some(known), _) if known.is_expired(&tonight.day) => Standing::Expired,
                (Some(_), _) => Standing::Known,
                (None, Some(_)) => Standing::Seen,
                (None, None) => Standing::New,
            };
            let since_green = || nights.map_or_else(Vec::new, |nights| nights.since_green(tonight));
            let left = self.shrunk.get(signature);
            FailureLine {
                signature: signature.to_string(),
                property,
                standing,
                reason: known.map(|known| format!("{} (until {})", known.reason, known.expires)),
                count: lines.len() as u64,
                unrepeated: lines
                    .iter()
                    .filter(|line| line.repeats == Some(false))
                    .count() as u64,
                cluster: first.cluster.clone(),
                workload: first.workload.clone(),
                arena: first.arena,
                seed: first.seed,
                outcome: first.verdict,
                sentence: first.sentence.clone(),
                run: first.run.as_ref().map(|run| run.display().to_string()),
                command: first.command.clone(),
                shrunk: left.and_then(|shrunk| shrunk.size),
                first_night: seen.map_or(&tonight.day, |night| &night.day).clone(),
                commits: match standing {
                    Standing::New => commits.get_or_insert_with(since_green).clone(),
                    Standing::Seen | Standing::Expired | Standing::Known => Vec::new(),
                },
            }
        };
        let mut failures: Vec<FailureLine> = alike.into_iter().map(tell).collect();
        failures.sort_by_key(|failure| (failure.standing, failure.outcome));
        failures
    }

    /// What else keeps the night from being green.
    fn missed(&self, exit: &mut Exit) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |worse: Exit, text: String| {
            *exit = exit.or_worse(worse);
            notes.push(text);
        };
        for shard in &self.shards {
            let of = self.shards.len();
            if shard.is_missing {
                note(
                    Exit::Unknown,
                    format!("shard {} of {of} is missing", shard.shard),
                );
            } else if let Some(planned) = shard.planned.filter(|planned| shard.trials < *planned) {
                let text = format!(
                    "shard {} of {of} was cut short: {} of {planned} trials",
                    shard.shard, shard.trials
                );
                note(Exit::Unknown, text);
            } else if !shard.is_finished && !self.was_interrupted {
                let text = format!("shard {} of {of} was cut short", shard.shard);
                note(Exit::Unknown, text);
            }
        }
        for canary in self.canaries.iter().filter(|canary| canary.caught == 0) {
            let said = canary.caught_by.first();
            let said = said.map_or_else(String::new, |(said, _)| format!(" ({said})"));
            let text = format!(
                "the planted bug {} of {} was not found{said}: what the others did not find says nothing",
                canary.id, canary.cluster
            );
            note(Exit::Violation, text);
        }
        for model in self
            .models
            .iter()
            .filter(|model| model.verdict != "exhausted")
        {
            let worse = match model.verdict.as_str() {
                "broken" => Exit::Violation,
                "vacuous" => Exit::Vacuous,
                "bounded" => Exit::Unknown,
                _ => Exit::Internal,
            };
            let text = format!(
                "the model {} {}: {}",
                model.cluster, model.bounds, model.verdict
            );
            note(worse, text);
        }
        notes
    }

    /// What it came to, in some lines. Nothing in it depends on how fast the machine was.
    fn summary(&self, closing: &Closing) -> String {
        let colour = if closing.is_green { "GREEN" } else { "RED" };
        let mut text = format!(
            "# {colour}: {}, seeds from {} on\n\n",
            closing.name, closing.first_seed
        );
        let mut verdicts: BTreeMap<&str, BTreeMap<Outcome, u64>> = BTreeMap::new();
        for line in &self.trials {
            let arena = verdicts.entry(line.arena.name()).or_default();
            *arena.entry(line.verdict).or_default() += 1;
        }
        for (arena, outcomes) in &verdicts {
            let outcomes = outcomes.iter();
            let told: Vec<String> = outcomes
                .map(|(outcome, count)| format!("{count} {}", outcome.name()))
                .collect();
            let _ = writeln!(text, "- {arena}: {}", told.join(", "));
        }
        let of = |count: fn(&TrialLine) -> u64| self.trials.iter().map(count).sum::<u64>();
        let _ = writeln!(
            text,
            "- {} trials, {} of {} operations ok, {} faults, {:.1} simulated hours",
            self.trials.len(),
            of(|line| line.ok),
            of(|line| line.operations),
            of(|line| line.faults_installed),
            of(|line| line.simulated_ns) as f64 / 3.6e12
        );
        if !self.canaries.is_empty() {
            let found = self.canaries.iter().filter(|canary| canary.caught > 0);
            let (found, all) = (found.count(), self.canaries.len());
            let _ = writeln!(text, "- {found} of {all} canaries found");
        }
        if !self.models.is_empty() {
            let models = self.models.iter();
            let whole = models.filter(|model| model.verdict == "exhausted").count();
            let _ = writeln!(text, "- {whole} of {} models exhausted", self.models.len());
        }
        for note in &closing.notes {
            let _ = writeln!(text, "- {}", note.replace(['\n', '\r'], " "));
        }
        if closing.failures.is_empty() {
            return text;
        }
        let _ = writeln!(text, "\n## {} failures\n", closing.failures.len());
        for failure in closing.failures.iter().take(FAILURES_MAX) {
            tell(&mut text, failure);
        }
        if closing.failures.len() > FAILURES_MAX {
            let more = closing.failures.len() - FAILURES_MAX;
            let _ = writeln!(text, "- and {more} more in campaign.json");
        }
        let _ = writeln!(
            text,
            "\nThe first {KEPT_MAX} trials of each keep their directories in runs/; any other is made again from its seed."
        );
        text
    }
}

/// The command that goes on with a campaign.
pub(crate) fn resume(folder: &Path) -> String {
    format!("stormglass soak --resume --out {}", folder.display())
}

/// A text as Markdown takes it, in one line.
fn plain(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    line.replace('<', "&lt;").replace('`', "'")
}

/// A failure in some lines.
fn tell(text: &mut String, failure: &FailureLine) {
    let times = match failure.count {
        1 => "once".to_string(),
        count => format!("{count} times"),
    };
    let _ = writeln!(
        text,
        "- {} `{}`, {times}, first night {}: {}",
        failure.standing.name().to_uppercase(),
        plain(&failure.signature),
        failure.first_night,
        plain(&failure.sentence)
    );
    if failure.unrepeated > 0 {
        let _ = writeln!(
            text,
            "  did not happen again: {} of them",
            failure.unrepeated
        );
    }
    if let Some(reason) = &failure.reason {
        let _ = writeln!(text, "  {}", plain(reason));
    }
    let _ = writeln!(text, "  `{}`", plain(&failure.command));
    if let Some(run) = &failure.run {
        let _ = writeln!(text, "  runs/{run}");
    }
    if !failure.commits.is_empty() {
        let _ = writeln!(text, "  since the last green night:");
        for commit in &failure.commits {
            let _ = writeln!(text, "    {commit}");
        }
    }
}

/// What a campaign came to.
pub(crate) struct Closed {
    pub(crate) exit: Exit,
    summary: String,
    page: PathBuf,
    trials: usize,
    failures: usize,
    is_green: bool,
}

impl Closed {
    /// Tells it; to a program with more besides.
    pub(crate) fn tell(&self, format: Format, mut more: Value) {
        eprintln!("stormglass: page {}", self.page.display());
        match format {
            Format::Human => print_line(self.summary.trim_end()),
            Format::Json => {
                more["trials"] = self.trials.into();
                more["failures"] = self.failures.into();
                more["green"] = self.is_green.into();
                print_line(more);
            }
        }
    }
}

fn exit_of(failure: &FailureLine) -> Exit {
    match (failure.standing, failure.outcome) {
        (Standing::Known, _) => Exit::Valid,
        (_, Outcome::Crashed) => Exit::Internal,
        (_, Outcome::Violation) => Exit::Violation,
        (_, Outcome::Unknown | Outcome::OutOfMemory | Outcome::TimedOut) => Exit::Unknown,
        (_, Outcome::Vacuous) => Exit::Vacuous,
        (_, Outcome::Valid | Outcome::Measured) => Exit::Valid,
    }
}

/// Known failures that were not seen: somebody may have mended them.
fn unseen(held: &Expectations, failures: &[FailureLine]) -> Vec<String> {
    let unseen = held.known.iter().filter(|known| {
        let mut failures = failures.iter();
        !failures.any(|failure| known.is(&failure.property, &failure.signature))
    });
    unseen
        .map(|known| {
            format!(
                "the known failure {} {} was not seen: if it is mended, take it off the list",
                known.property, known.signature
            )
        })
        .collect()
}
