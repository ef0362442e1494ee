//! `report.html`: one page that stands alone.

use crate::bands::bands;
use crate::calls::{calls, value};
use crate::error::ReportError;
use crate::escape::{script_json, short, visible, visible_lines};
use crate::plots::{Plot, ended_ns};
use crate::reigns::{outages, reigns};
use crate::run_directory::ORIGINAL;
use crate::script_data::{CALLS_MAX, script_data};
use crate::summary::{RunSummary, word};
use crate::timeline::{Mark, Scene, detail, first_window, overview};
use crate::units::{bytes, count, duration, moment};
use crate::{collision, theme};
use askama::Template;
use stormglass_checker::{Evidence, Operation, Outcome, Verdict};
use stormglass_nemesis::judge::{Judged, Measure, Ruling};
use stormglass_nemesis::record::{FaultRecord, FaultStatus, Run};
use stormglass_nemesis::schedule::{Fault, When};
use stormglass_nemesis::trial::Trial;

/// The most rows of a table.
const ROWS_MAX: usize = 400;

/// The most operations in the table of those that collide.
const CULPRITS_MAX: usize = 60;

/// The most characters of a sentence from outside.
const SENTENCE_CHARACTERS_MAX: usize = 2_000;

/// Everything a page tells.
pub(crate) struct Told<'a> {
    pub(crate) trial: &'a Trial,
    pub(crate) run: &'a Run,
    pub(crate) judged: &'a Judged,
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
    overview: String,
    detail: String,
    data: String,
    calls_left_out: Option<String>,
    plots: &'a [Plot],
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

struct Collision {
    key: Option<String>,
    drawing: Option<String>,
    rows: Vec<CulpritRow>,
    left_out: usize,
    minimal: bool,
    explanation: String,
    seen: Option<String>,
}

struct CulpritRow {
    id: usize,
    process: u64,
    what: String,
    argument: String,
    result: String,
    class: &'static str,
    called: String,
    returned: String,
}

struct Inside {
    name: String,
    node: String,
    time: String,
    message: String,
}

struct CoverageRow {
    kind: String,
    summary: &'static str,
    installed: u64,
    skipped: u64,
    indeterminate: u64,
}

struct FaultRow {
    id: u32,
    kind: &'static str,
    family: &'static str,
    planned: String,
    began: String,
    lasted: String,
    nodes: String,
    status: &'static str,
    reason: String,
    effects: String,
    window: Option<(u64, u64)>,
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
    let (data, calls_left_out) = script_data(&scene, window);
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
        script: include_str!("../templates/report.js"),
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
        collision: evidence.map(|evidence| collided(evidence, run)),
        inside: inside(judged),
        inside_left_out: judged.violations.len().saturating_sub(ROWS_MAX),
        overview: overview(&scene),
        detail: detail(&scene, window),
        data: script_json(&data).map_err(|error| failed(error.to_string()))?,
        calls_left_out: (calls_left_out > 0).then(|| {
            format!(
                "The detail holds the {} operations around that window; the overview and the plots show all of them.",
                count(CALLS_MAX as u64)
            )
        }),
        plots,
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
    let outages = outages(&run.record, &bands);
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
        reigns: reigns(&run.record, &outages, ended_ns),
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
        tile("unknown", count(counts.info), share(counts.info), "info"),
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

fn collided(evidence: &Evidence, run: &Run) -> Collision {
    let last = evidence
        .prefix_events
        .checked_sub(1)
        .and_then(|last| run.history.events.get(last));
    let culprits = &evidence.culprits;
    Collision {
        key: evidence.key.as_ref().map(|key| short(key, 64)),
        drawing: collision::draw(evidence),
        rows: culprits.iter().take(CULPRITS_MAX).map(culprit).collect(),
        left_out: culprits.len().saturating_sub(CULPRITS_MAX),
        minimal: evidence.minimal,
        explanation: visible_lines(&evidence.explanation),
        seen: last.map(|event| {
            format!(
                "{} (event {})",
                moment(event.time),
                evidence.prefix_events - 1
            )
        }),
    }
}

fn culprit(operation: &Operation) -> CulpritRow {
    let (class, result) = match &operation.outcome {
        Outcome::Ok(returned) if *returned == operation.input && !returned.is_null() => {
            ("ok", "ok".to_string())
        }
        Outcome::Ok(returned) => ("ok", short(&returned.to_string(), 64)),
        Outcome::Mismatch => ("fail", "refused: mismatch".to_string()),
        Outcome::Unknown => ("info", "unknown".to_string()),
    };
    let key = operation
        .key
        .as_deref()
        .map(|key| format!(" {}", short(key, 64)))
        .unwrap_or_default();
    let at = |event: usize, time_ns: u64| format!("{} (event {event})", moment(time_ns));
    let returned = match (operation.deadline(), operation.ret_time) {
        (Some(event), Some(time_ns)) => at(event, time_ns),
        _ => "may still take effect".to_string(),
    };
    CulpritRow {
        id: operation.id,
        process: operation.process,
        what: format!("{}{key}", short(&operation.f, 64)),
        argument: value(&operation.input),
        result,
        class,
        called: at(operation.call, operation.call_time),
        returned,
    }
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

fn coverage(summary: &RunSummary) -> Vec<CoverageRow> {
    let infos = stormglass_nemesis::faults::FAULTS;
    let rows = summary.coverage.iter().map(|(kind, coverage)| CoverageRow {
        kind: kind.clone(),
        summary: infos
            .iter()
            .find(|info| info.name == kind)
            .map_or("", |info| info.summary),
        installed: coverage.installed,
        skipped: coverage.skipped,
        indeterminate: coverage.indeterminate,
    });
    rows.collect()
}

fn fault_row(trial: &Trial, fault: &FaultRecord) -> FaultRow {
    let planned = trial.schedule.iter().find(|planned| planned.id == fault.id);
    let (status, reason) = match &fault.status {
        FaultStatus::Installed => ("installed", String::new()),
        FaultStatus::Skipped { reason } => ("skipped", short(reason, 200)),
        FaultStatus::Indeterminate { reason } => ("indeterminate", short(reason, 200)),
    };
    let lasted = match (fault.from_ns, fault.until_ns) {
        (Some(from_ns), Some(until_ns)) => duration(until_ns.saturating_sub(from_ns)),
        (Some(_), None) => "to the end".to_string(),
        _ => String::new(),
    };
    FaultRow {
        id: fault.id,
        kind: fault.kind.name(),
        family: fault.kind.info().family,
        planned: planned.map(plan).unwrap_or_default(),
        began: fault.from_ns.map(moment).unwrap_or_default(),
        lasted,
        nodes: fault
            .nodes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        status,
        reason,
        effects: count(fault.effects),
        window: fault
            .from_ns
            .map(|from_ns| (from_ns / 1_000, fault.until_ns.unwrap_or(from_ns) / 1_000)),
    }
}

pub(crate) fn plan(fault: &Fault) -> String {
    let ms = |ms: u64| ms.saturating_mul(1_000_000);
    let lasts = duration(ms(fault.lasts_ms));
    match fault.when {
        When::AtMs(at_ms) => format!("at {} for {lasts}", moment(ms(at_ms))),
        When::AtNs(at_ns) => format!("at {} for {lasts}", moment(at_ns)),
        When::OnFact {
            fact,
            from_ms,
            after_ms,
        } => {
            let fact = format!("{fact:?}")
                .chars()
                .fold(String::new(), |mut words, character| {
                    if character.is_uppercase() && !words.is_empty() {
                        words.push(' ');
                    }
                    words.extend(character.to_lowercase());
                    words
                });
            format!(
                "{} after a node {fact}, from {} on, for {lasts}",
                duration(ms(after_ms)),
                moment(ms(from_ms))
            )
        }
    }
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
