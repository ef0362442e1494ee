//! The page of a campaign.

use super::{Campaign, Closing, FailureLine, KillLine, Outcome, Standing, TrialLine};
use crate::error::ReportError;
use crate::escape::{short, visible};
use crate::page::PLAIN_SCRIPT;
use crate::plots::Plot;
use crate::plots::lines::{LINES_MAX, Line, lines};
use crate::run_directory::PAGE;
use crate::summary::word;
use crate::theme;
use crate::units::count;
use askama::Template;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use stormglass_nemesis::trial::Arena;

/// The most rows of a table.
const ROWS_MAX: usize = 500;

/// The most characters of a sentence.
const SENTENCE_CHARACTERS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "campaign.html")]
struct Page {
    theme: String,
    style: &'static str,
    behaviour_style: &'static str,
    script: &'static str,
    name: String,
    verdict: &'static str,
    sentence: String,
    alarms: String,
    notes: Vec<String>,
    arenas: Vec<&'static str>,
    grid: Vec<GridRow>,
    findings: Vec<Finding>,
    findings_left_out: usize,
    failures: Option<Vec<FailureRow>>,
    origin: Option<String>,
    kills: Vec<KillRow>,
    harmless: Vec<KillRow>,
    models: Vec<ModelRow>,
    models_left_out: usize,
    plots: Vec<Plot>,
}

struct GridRow {
    cluster: String,
    workload: String,
    cells: Vec<Vec<Verdicts>>,
}

struct Verdicts {
    class: &'static str,
    text: String,
}

struct Finding {
    class: &'static str,
    word: &'static str,
    what: String,
    sentence: String,
    link: Option<String>,
}

struct FailureRow {
    class: &'static str,
    standing: &'static str,
    property: String,
    what: String,
    link: Option<String>,
    count: String,
    sentence: String,
    reason: Option<String>,
    first_night: String,
    commits: Vec<String>,
    shrunk: Option<String>,
    command: String,
}

struct KillRow {
    id: String,
    cluster: String,
    arena: &'static str,
    class: &'static str,
    caught: String,
    seeds: String,
    by: String,
}

struct ModelRow {
    model: String,
    mutant: String,
    verdict: String,
    states: String,
    seconds: String,
    rate: String,
}

pub(super) fn render(campaign: &Campaign, folder: &Path) -> Result<String, ReportError> {
    let arenas: BTreeSet<Arena> = campaign.trials.iter().map(|trial| trial.arena).collect();
    let broke = |trial: &&TrialLine| trial.verdict != Outcome::Valid && trial.mutant.is_none();
    let found: Vec<&TrialLine> = campaign.trials.iter().filter(broke).collect();
    let (harmless, hunted): (Vec<&KillLine>, Vec<&KillLine>) =
        campaign.kills.iter().partition(|kill| kill.harmless);
    let plots = [rates(campaign)?, states(campaign)?];
    let (verdict, sentence) = sentence(campaign, &hunted);
    let closing = campaign.closing.as_ref();
    let page = Page {
        theme: theme::style(),
        style: include_str!("../../templates/report.css"),
        behaviour_style: crate::behaviour::STYLE,
        script: PLAIN_SCRIPT,
        name: short(&campaign.name, 120),
        verdict,
        sentence,
        alarms: alarms(campaign),
        notes: closing
            .iter()
            .flat_map(|closing| &closing.notes)
            .chain(&campaign.notes)
            .map(|note| short(note, 400))
            .collect(),
        failures: closing.map(|closing| {
            let failures = closing.failures.iter().take(ROWS_MAX);
            failures
                .map(|failure| failure_row(failure, folder))
                .collect()
        }),
        origin: closing.map(origin),
        grid: grid(campaign, &arenas),
        arenas: arenas.iter().map(|arena| arena.name()).collect(),
        findings: found
            .iter()
            .take(ROWS_MAX)
            .map(|trial| finding(trial, folder))
            .collect(),
        findings_left_out: found.len().saturating_sub(ROWS_MAX),
        kills: kill_rows(hunted),
        harmless: kill_rows(harmless),
        models: campaign
            .models
            .iter()
            .take(ROWS_MAX)
            .map(model_row)
            .collect(),
        models_left_out: campaign.models.len().saturating_sub(ROWS_MAX),
        plots: plots.into_iter().flatten().collect(),
    };
    page.render().map_err(|error| ReportError::Rendering {
        what: "page",
        cause: error.to_string(),
    })
}

/// What came of it, in a sentence.
fn sentence(campaign: &Campaign, hunted: &[&KillLine]) -> (&'static str, String) {
    let own = || {
        let trials = campaign.trials.iter();
        trials.filter(|trial| trial.mutant.is_none())
    };
    let of = |outcome: Outcome| own().filter(|trial| trial.verdict == outcome).count() as u64;
    let (broken, unknown, vacuous) = (
        of(Outcome::Violation),
        of(Outcome::Unknown),
        of(Outcome::Vacuous),
    );
    let (crashed, hungry, slow) = (
        of(Outcome::Crashed),
        of(Outcome::OutOfMemory),
        of(Outcome::TimedOut),
    );
    let missed = hunted
        .iter()
        .filter(|kill| kill.caught < kill.starts)
        .count() as u64;
    let laws = campaign.models.iter();
    let broken_models = laws
        .filter(|model| model.verdict == "broken" && model.mutant.is_none())
        .count() as u64;
    let mut parts = vec![format!(
        "{} of {} trials kept every promise",
        count(of(Outcome::Valid)),
        count(own().count() as u64)
    )];
    let mut part = |number: u64, text: &str| {
        if number > 0 {
            parts.push(format!("{} {text}", count(number)));
        }
    };
    part(broken, "broke one");
    part(crashed, "crashed");
    part(hungry, "ran out of memory");
    part(slow, "took too long");
    part(unknown, "could not be judged");
    part(vacuous, "tested nothing");
    part(broken_models, "models broke a law");
    let closing = campaign.closing.as_ref();
    let failures = closing.map_or(&[][..], |closing| &closing.failures);
    let known = failures
        .iter()
        .filter(|failure| failure.standing == Standing::Known);
    part(known.count() as u64, "failures are known");
    let shards = closing.map_or(&[][..], |closing| &closing.shards);
    let missing = shards.iter().filter(|shard| shard.is_missing).count() as u64;
    part(missing, "shards are missing");
    if !hunted.is_empty() {
        let caught = hunted.len() as u64 - missed;
        parts.push(format!(
            "{} of {} planted bugs were always caught",
            count(caught),
            count(hunted.len() as u64)
        ));
    }
    let verdict = match closing.map(|closing| closing.is_green) {
        _ if broken_models > 0 || missed > 0 => "violation",
        Some(true) if !campaign.trials.is_empty() => "valid",
        _ if broken + crashed > 0 => "violation",
        _ if unknown + hungry + slow > 0 => "unknown",
        Some(false) => "unknown",
        _ if vacuous > 0 || campaign.trials.is_empty() => "vacuous",
        _ => "valid",
    };
    (verdict, format!("{}.", parts.join("; ")))
}

/// Who ran it, and on what.
fn origin(closing: &Closing) -> String {
    let commit = closing.commit.as_deref().unwrap_or("no commit");
    format!(
        "{}: {}, {}, build {}, seeds from {} on, {}",
        short(&closing.name, 80),
        short(&closing.day, 20),
        short(commit, 40),
        short(&closing.build, 40),
        closing.first_seed,
        match closing.shards.len() {
            1 => "one shard".to_string(),
            shards => format!("{shards} shards"),
        }
    )
}

fn failure_row(failure: &FailureLine, folder: &Path) -> FailureRow {
    let link = failure.run.as_deref();
    FailureRow {
        class: match failure.standing {
            Standing::Known => "measured",
            Standing::New | Standing::Seen | Standing::Expired => word(failure.outcome.ruling()),
        },
        standing: failure.standing.name(),
        property: short(&failure.property, 120),
        what: format!(
            "{} {}, {}, seed {}",
            short(&failure.cluster, 60),
            short(&failure.workload, 60),
            failure.arena.name(),
            failure.seed
        ),
        link: link.and_then(|name| beside(folder, name)),
        count: match failure.unrepeated {
            0 => count(failure.count),
            unrepeated => format!(
                "{}, {} of them not again",
                count(failure.count),
                count(unrepeated)
            ),
        },
        sentence: short(&failure.sentence, SENTENCE_CHARACTERS_MAX),
        reason: failure.reason.as_deref().map(|reason| short(reason, 300)),
        first_night: short(&failure.first_night, 20),
        commits: failure
            .commits
            .iter()
            .map(|commit| short(commit, 120))
            .collect(),
        shrunk: failure
            .shrunk
            .map(|(faults, operations)| format!("{faults} faults and {operations} operations")),
        command: short(&failure.command, 400),
    }
}

/// The page of a run beside the campaign, where it is there. The campaign may have been moved since: its runs lie beside its lines.
fn beside(folder: &Path, name: &str) -> Option<String> {
    let page = format!("runs/{name}/{PAGE}");
    folder.join(&page).is_file().then(|| visible(&page))
}

fn alarms(campaign: &Campaign) -> String {
    let alarms = campaign.false_alarms();
    match (alarms.alarms, alarms.share_max) {
        (0, Some(share)) => format!(
            "No alarm was raised without cause in {} trials of clusters as they are and of harmless changes: with 95 % confidence, fewer than one trial in {} raises one.",
            count(alarms.trials),
            count((1.0 / share) as u64)
        ),
        (0, None) => {
            "Nothing says how often an alarm is raised without cause: no trial had nothing to find."
                .to_string()
        }
        (raised, _) => format!(
            "{} alarms were raised by harmless changes in {} trials: look at those first.",
            count(raised),
            count(alarms.trials)
        ),
    }
}

fn grid(campaign: &Campaign, arenas: &BTreeSet<Arena>) -> Vec<GridRow> {
    let grid = campaign.grid();
    let rows = grid.iter().take(ROWS_MAX);
    rows.map(|((cluster, workload), tallies)| GridRow {
        cluster: short(cluster, 120),
        workload: short(workload, 60),
        cells: arenas
            .iter()
            .map(|arena| {
                let tally = tallies.get(arena);
                let verdicts = tally.iter().flat_map(|tally| &tally.verdicts);
                verdicts
                    .map(|(outcome, number)| Verdicts {
                        class: word(outcome.ruling()),
                        text: format!("{} {}", count(*number), outcome.name()),
                    })
                    .collect()
            })
            .collect(),
    })
    .collect()
}

fn finding(trial: &TrialLine, folder: &Path) -> Finding {
    let name = trial.run.as_ref().and_then(|run| run.file_name());
    let name = name.map(|name| name.to_string_lossy().into_owned());
    Finding {
        class: word(trial.verdict.ruling()),
        word: trial.verdict.name(),
        what: format!(
            "{} {}, {}, seed {}",
            short(&trial.cluster, 60),
            short(&trial.workload, 60),
            trial.arena.name(),
            trial.seed
        ),
        sentence: short(&trial.sentence, SENTENCE_CHARACTERS_MAX),
        link: name.and_then(|name| beside(folder, &name)),
    }
}

/// Those that got away first, then those that took longest.
fn kill_rows(mut kills: Vec<&KillLine>) -> Vec<KillRow> {
    kills.sort_by_key(|kill| {
        let got_away = kill.caught < kill.starts;
        (
            kill.harmless == got_away,
            std::cmp::Reverse(kill.seeds),
            kill.id.clone(),
        )
    });
    let row = |kill: &&KillLine| {
        let good = match kill.harmless {
            true => kill.caught == 0,
            false => kill.caught >= kill.starts,
        };
        let by: Vec<String> = kill
            .caught_by
            .iter()
            .take(6)
            .map(|(by, times)| match times {
                1 => short(by, 80),
                times => format!("{} ({times})", short(by, 80)),
            })
            .collect();
        KillRow {
            id: short(&kill.id, 80),
            cluster: short(&kill.cluster, 40),
            arena: kill.arena.name(),
            class: if good { "valid" } else { "violation" },
            caught: format!("{} of {}", count(kill.caught), count(kill.starts)),
            seeds: kill.seeds.map_or_else(|| "\u{2013}".to_string(), count),
            by: by.join(", "),
        }
    };
    kills.iter().take(ROWS_MAX).map(row).collect()
}

fn model_row(model: &super::ModelLine) -> ModelRow {
    ModelRow {
        model: format!("{} {}", short(&model.cluster, 40), short(&model.bounds, 60)),
        mutant: model
            .mutant
            .as_deref()
            .map_or_else(String::new, |mutant| short(mutant, 80)),
        verdict: short(&model.verdict, 40),
        states: count(model.states),
        seconds: format!("{:.2} s", model.seconds),
        rate: count((model.states as f64 / model.seconds.max(1e-3)) as u64),
    }
}

/// Trials a second over the time of the campaign.
fn rates(campaign: &Campaign) -> Result<Option<Plot>, ReportError> {
    const STRETCHES: f64 = 60.0;
    let mut ends: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for trial in &campaign.trials {
        if let Some(ended_s) = trial
            .ended_s
            .filter(|ended_s| ended_s.is_finite() && *ended_s >= 0.0)
        {
            ends.entry(trial.arena.name()).or_default().push(ended_s);
        }
    }
    let last = ends.values().flatten().copied().fold(0.0, f64::max);
    let length = (last / STRETCHES).max(1.0);
    let line = |(arena, ends): (&&str, &Vec<f64>)| {
        let mut counts = vec![0u64; (last / length) as usize + 1];
        for ended_s in ends {
            counts[(ended_s / length) as usize] += 1;
        }
        let points = counts.iter().enumerate();
        Line {
            name: (*arena).to_string(),
            points: points
                .map(|(at, trials)| ((at as f64 + 0.5) * length, *trials as f64 / length))
                .collect(),
        }
    };
    let drawn: Vec<Line> = ends.iter().map(line).collect();
    lines(
        "seeds-a-second",
        "Trials that ended, a second, over the time of the campaign",
        "seeds a second",
        &drawn,
    )
}

/// States found over the time of each search, the largest first.
fn states(campaign: &Campaign) -> Result<Option<Plot>, ReportError> {
    let mut models: Vec<_> = campaign
        .models
        .iter()
        .filter(|model| model.mutant.is_none())
        .collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.states));
    let line = |model: &&super::ModelLine| {
        let sampled = model
            .samples
            .iter()
            .map(|(at, states)| (*at, *states as f64));
        let end = (model.seconds, model.states as f64);
        Line {
            name: format!("{} {}", model.cluster, model.bounds),
            points: std::iter::once((0.0, 0.0))
                .chain(sampled)
                .chain([end])
                .collect(),
        }
    };
    let drawn: Vec<Line> = models.iter().take(LINES_MAX).map(line).collect();
    lines(
        "states-over-time",
        "States found over the time of each search",
        "states",
        &drawn,
    )
}
