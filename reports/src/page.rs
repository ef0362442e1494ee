//! `report.html`: one page that stands alone.

mod faults;
mod wrong;

use crate::bands::bands;
use crate::behaviour::{self, Behaviour};
use crate::calls::calls;
use crate::conversation::{Conversation, conversation};
use crate::error::ReportError;
use crate::escape::{short, visible, visible_lines};
use crate::plots::{Plot, ended_ns};
use crate::reigns::{outages, pauses, reigns};
use crate::roles::stints;
use crate::run_directory::{HISTORY, ORIGINAL};
use crate::script_data::pack;
use crate::summary::{RunSummary, word};
use crate::theme;
use crate::timeline::{Mark, Scene, first_window, overview};
use crate::units::{bytes, count, duration, moment};
use askama::Template;
pub(crate) use faults::plan;
use faults::{CoverageRow, FaultRow, coverage, fault_row};
use stormglass_checker::Verdict;
use stormglass_nemesis::judge::{Judged, Measure, Ruling};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::states::states;
use stormglass_nemesis::trial::Trial;
use stormglass_nemesis::wiretap::Messages;
use wrong::{Collision, collided};

/// The most rows of a table.
const ROWS_MAX: usize = 400;

/// The most characters of a sentence from outside.
const SENTENCE_CHARACTERS_MAX: usize = 2_000;

/// The script of a page without a timeline: light and dark, and copying.
pub(crate) const PLAIN_SCRIPT: &str = concat!(
    include_str!("../templates/script/page.js"),
    "setUpPage();\nroot.dataset.ready = \"true\";\n",
);

/// The page's script: what every page can do, the data, the timeline, and how to move through it.
const SCRIPT: &str = concat!(
    include_str!("../templates/script/page.js"),
    include_str!("../templates/script/data.js"),
    include_str!("../templates/script/timeline.js"),
    include_str!("../templates/script/steering.js"),
);

/// Everything a page tells.
pub(crate) struct Told<'a> {
    pub(crate) trial: &'a Trial,
    pub(crate) run: &'a Run,
    pub(crate) judged: &'a Judged,
    /// What was heard on the network around what broke, if somebody listened.
    pub(crate) messages: Option<&'a Messages>,
    /// What is wrong with what was heard, if something is.
    pub(crate) messages_note: Option<&'a str>,
    pub(crate) summary: &'a RunSummary,
    /// The command that replays the directory; none for a cluster that only its own tests can start.
    pub(crate) replay: Option<&'a str>,
    /// What shrinking came to, when this is the page of a shrunk run in the directory of the run it was made from.
    pub(crate) shrunk: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    theme: String,
    style: &'static str,
    script: &'static str,
    cluster: String,
    workload: &'static str,
    seed: u64,
    arena: &'static str,
    mutant: Option<String>,
    interrupted: bool,
    shrunk: Option<String>,
    original: &'static str,
    verdict: &'static str,
    sentence: String,
    promise: String,
    vacuous: Option<String>,
    unknown: Option<String>,
    commands: Vec<String>,
    tiles: Vec<Tile>,
    measures: Vec<MeasureRow>,
    collision: Option<Collision>,
    inside: Vec<Inside>,
    inside_left_out: usize,
    conversation: Option<Conversation>,
    messages_note: Option<String>,
    overview: String,
    data: String,
    calls_left_out: Option<String>,
    plots: &'a [Plot],
    behaviour: String,
    behaviour_style: &'static str,
    coverage: Vec<CoverageRow>,
    faults: Vec<FaultRow>,
    faults_left_out: usize,
    reigns: Vec<ReignRow>,
    reigns_left_out: usize,
    settings: String,
    facts: Vec<(&'static str, String)>,
}

struct Tile {
    name: &'static str,
    figure: String,
    note: String,
    class: &'static str,
}

struct MeasureRow {
    name: String,
    count: String,
    of: String,
    meaning: String,
}

struct Inside {
    name: String,
    node: String,
    time: String,
    message: String,
}

struct ReignRow {
    epoch: u64,
    node: String,
    from: String,
    lasted: String,
    end: &'static str,
}

/// Makes the page.
pub(crate) fn render(told: &Told<'_>, plots: &[Plot]) -> Result<String, ReportError> {
    let Told {
        trial,
        run,
        judged,
        summary,
        ..
    } = told;
    let scene = scene(told);
    let window = first_window(&scene);
    let packed = pack(&scene, window)?;
    let failed = |cause: String| ReportError::Rendering {
        what: "page",
        cause,
    };
    let evidence = match &judged.judgement.verdict {
        Verdict::Invalid(evidence) => Some(evidence),
        Verdict::Valid(_) | Verdict::Unknown(_) => None,
    };
    let shown = |text: &str| short(text, SENTENCE_CHARACTERS_MAX);
    let page = Page {
        theme: theme::style(),
        style: include_str!("../templates/report.css"),
        script: SCRIPT,
        cluster: shown(&trial.cluster),
        workload: trial.workload.name(),
        seed: trial.seed,
        arena: trial.arena.name(),
        mutant: trial.mutant.as_deref().map(shown),
        interrupted: run.record.interrupted,
        shrunk: told.shrunk.map(shown),
        original: ORIGINAL,
        verdict: word(judged.ruling),
        sentence: shown(&judged.sentence),
        promise: shown(&judged.promise),
        vacuous: judged.vacuous.as_deref().filter(|_| judged.ruling == Ruling::Vacuous).map(shown),
        unknown: unknown(judged),
        commands: commands(told),
        tiles: tiles(told, scene.reigns.len()),
        measures: measures(judged),
        collision: evidence.map(|evidence| collided(evidence, run, &scene)),
        inside: inside(judged),
        inside_left_out: judged.violations.len().saturating_sub(ROWS_MAX),
        conversation: told.messages.and_then(|messages| {
            conversation(messages, &scene, &run.record, &judged.violations)
        }),
        messages_note: told.messages_note.map(|note| short(note, SENTENCE_CHARACTERS_MAX)),
        overview: overview(&scene),
        data: packed.text,
        calls_left_out: (packed.left_out > 0).then(|| {
            format!(
                "{} of {} operations found no room in this page: the timeline holds those around the first view, the overview and the plots \
                 show all, and all of the data is in {HISTORY}.",
                count(packed.left_out as u64),
                count(scene.calls.len() as u64)
            )
        }),
        plots,
        behaviour: behaviour::render(&Behaviour::of(trial, run, judged))?,
        behaviour_style: behaviour::STYLE,
        coverage: coverage(summary),
        faults: run.record.faults.iter().take(ROWS_MAX).map(|fault| fault_row(trial, fault)).collect(),
        faults_left_out: run.record.faults.len().saturating_sub(ROWS_MAX),
        reigns: reign_rows(&scene),
        reigns_left_out: scene.reigns.len().saturating_sub(ROWS_MAX),
        settings: settings(trial),
        facts: facts(told),
    };
    page.render().map_err(|error| failed(error.to_string()))
}

fn scene<'a>(told: &Told<'a>) -> Scene<'a> {
    let Told {
        trial, run, judged, ..
    } = told;
    let ended_ns = ended_ns(run);
    let bands = bands(&run.record, ended_ns);
    let outages = outages(trial, &run.record, ended_ns);
    let mut marks = Vec::new();
    let mut culprits = std::collections::BTreeSet::new();
    if let Verdict::Invalid(evidence) = &judged.judgement.verdict {
        let last = evidence
            .prefix_events
            .checked_sub(1)
            .and_then(|last| run.history.events.get(last));
        marks.extend(last.map(|event| {
            let text = format!(
                "the promise is broken by what was seen at {}",
                moment(event.time)
            );
            Mark {
                time_ns: event.time,
                text,
            }
        }));
        culprits.extend(evidence.culprits.iter().map(|operation| operation.call));
    }
    marks.extend(judged.violations.iter().map(|violation| {
        let text = short(&format!("{}: {}", violation.name, violation.message), 200);
        Mark {
            time_ns: violation.time_ns,
            text,
        }
    }));
    // A trial that was never validated may name more clients than can be drawn.
    let clients = trial.clients.clamp(1, 999);
    Scene {
        calls: calls(&run.history, clients),
        reigns: reigns(trial, &run.record, &outages, ended_ns),
        pauses: pauses(&run.record, &bands),
        stints: stints(&run.record, &outages, ended_ns),
        states: states(trial, run, judged),
        bands,
        outages,
        marks,
        culprits,
        nodes: trial.nodes,
        clients,
        healed_ns: run.record.healed_ns,
        ended_ns,
    }
}

fn commands(told: &Told<'_>) -> Vec<String> {
    let mut commands: Vec<_> = told.replay.map(visible).into_iter().collect();
    if Some(told.summary.command.as_str()) != told.replay && !told.summary.command.is_empty() {
        commands.push(visible(&told.summary.command));
    }
    commands
}

fn unknown(judged: &Judged) -> Option<String> {
    let Verdict::Unknown(unknown) = &judged.judgement.verdict else {
        return None;
    };
    let progress = &unknown.progress;
    let key = progress
        .key
        .as_ref()
        .map(|key| format!(", while judging key {}", short(key, 64)))
        .unwrap_or_default();
    Some(format!(
        "The judge had settled {} of {} events{key}; {} of {} parts have no answer. Give it more steps or bytes in the trial's limits, \
         or make the run shorter.",
        count(progress.events_judged as u64),
        count(progress.events_total as u64),
        progress.parts_open,
        progress.parts_total,
    ))
}

fn measures(judged: &Judged) -> Vec<MeasureRow> {
    let row = |measure: &Measure| MeasureRow {
        name: short(&measure.name, SENTENCE_CHARACTERS_MAX),
        count: count(measure.count),
        of: count(measure.of),
        meaning: short(&measure.meaning, SENTENCE_CHARACTERS_MAX),
    };
    judged.measures.iter().take(ROWS_MAX).map(row).collect()
}

fn tiles(told: &Told<'_>, reigns: usize) -> Vec<Tile> {
    let counts = &told.judged.counts;
    let record = &told.run.record;
    let share = |part: u64| match counts.operations {
        0 => "none were called".to_string(),
        all => format!("{:.1} %", part as f64 * 100.0 / all as f64),
    };
    let seconds = record.ended_ns as f64 / 1e9;
    let rate = if seconds > 0.0 {
        format!("{:.1} a second", counts.operations as f64 / seconds)
    } else {
        String::new()
    };
    let healed = if record.healed_ns < record.ended_ns {
        format!("healed at {:.1} s", record.healed_ns as f64 / 1e9)
    } else {
        "ended in the storm".to_string()
    };
    let tile = |name, figure, note, class| Tile {
        name,
        figure,
        note,
        class,
    };
    vec![
        tile("operations", count(counts.operations), rate, ""),
        tile("ok", count(counts.ok), share(counts.ok), "ok"),
        tile(
            "refused or failed",
            count(counts.fail),
            share(counts.fail),
            "fail",
        ),
        tile(
            "unknown",
            count(counts.info),
            share(counts.info),
            if counts.info > 0 { "info" } else { "" },
        ),
        tile(
            "faults",
            count(counts.faults_installed),
            format!("of {} planned", counts.faults_planned),
            "",
        ),
        tile(
            "leaders",
            count(reigns as u64),
            format!("{} nodes", told.trial.nodes),
            "",
        ),
        tile(
            told.trial.arena.time(),
            duration(record.ended_ns),
            healed,
            "",
        ),
        tile(
            "inputs",
            count(record.inputs),
            format!("{} frames", count(record.traffic.sent)),
            "",
        ),
    ]
}

fn inside(judged: &Judged) -> Vec<Inside> {
    let row = |violation: &stormglass_nemesis::record::Violation| Inside {
        name: short(&violation.name, 120),
        node: violation
            .node
            .map(|node| node.to_string())
            .unwrap_or_default(),
        time: moment(violation.time_ns),
        message: short(&violation.message, SENTENCE_CHARACTERS_MAX),
    };
    judged.violations.iter().take(ROWS_MAX).map(row).collect()
}

fn reign_rows(scene: &Scene<'_>) -> Vec<ReignRow> {
    let row = |reign: &crate::reigns::Reign| ReignRow {
        epoch: reign.epoch,
        node: reign.node.to_string(),
        from: moment(reign.from_ns),
        lasted: duration(reign.until_ns.saturating_sub(reign.from_ns)),
        end: reign.end.text(),
    };
    scene.reigns.iter().take(ROWS_MAX).map(row).collect()
}

/// The trial without its schedule, which has a table of its own.
pub(crate) fn settings(trial: &Trial) -> String {
    let bare = Trial {
        schedule: Vec::new(),
        ..trial.clone()
    };
    let text = serde_json::to_value(&bare).map(|mut value| {
        value
            .as_object_mut()
            .and_then(|fields| fields.remove("schedule"));
        serde_json::to_string_pretty(&value).unwrap_or_default()
    });
    visible_lines(&text.unwrap_or_default())
}

fn facts(told: &Told<'_>) -> Vec<(&'static str, String)> {
    let Told {
        run,
        judged,
        summary,
        ..
    } = told;
    let traffic = &run.record.traffic;
    let work = &judged.judgement.work;
    let ms =
        |ms: Option<f64>| ms.map_or_else(|| "not measured".to_string(), |ms| format!("{ms:.0} ms"));
    vec![
        ("run", visible(&summary.run)),
        ("digest", visible(&run.record.digest)),
        (
            "network",
            format!(
                "{} frames sent: {} cut, {} lost, {} slowed, {} held, {} reordered, {} repeated, {} damaged ({} of them noticed)",
                count(traffic.sent),
                count(traffic.cut),
                count(traffic.lost + traffic.reset),
                count(traffic.slowed),
                count(traffic.held),
                count(traffic.reordered),
                count(traffic.duplicated),
                count(traffic.corrupted),
                count(traffic.rejected)
            ),
        ),
        (
            "simulation",
            format!("{} of CPU time", ms(summary.timings.simulate_cpu_ms)),
        ),
        (
            "judge",
            format!(
                "{} of CPU time, {} steps, {} configurations and {} at the peak",
                ms(summary.timings.judge_cpu_ms),
                count(work.steps),
                count(work.frontier_peak),
                bytes(work.bytes_peak),
            ),
        ),
    ]
}
