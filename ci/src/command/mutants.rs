//! `stormglass mutants`: the kill matrix. Hunts every planted bug until it is caught, and every harmless change in vain.

use super::run::{ArenaName, simulate};
use super::shrink::make_small;
use super::{Exit, Failure, Format, cpu, interrupt, jobs, names, print_line};
use crate::command::exit::OrExit;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;
use stormglass_impls::catalog;
use stormglass_impls::system::System;
use stormglass_nemesis::harness;
use stormglass_nemesis::hunt::{self, HARMLESS_TRIALS};
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::model::library;
use stormglass_nemesis::model::search::{End, Limits, Reason, search};
use stormglass_nemesis::model::space::{Reductions, Space};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::campaign::{self, KillLine};

#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    /// Only this cluster (see `list clusters`)
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Where to hunt
    #[arg(long, value_enum, default_value_t = ArenaName::Simulator)]
    arena: ArenaName,
    /// The most seeds from one starting seed
    #[arg(long, default_value_t = 5_000)]
    seeds: u64,
    /// From how many starting seeds each mutant is hunted
    #[arg(long, default_value_t = 20)]
    starts: u64,
    /// How many seeds each harmless change is given
    #[arg(long, default_value_t = 500)]
    harmless_seeds: u64,
    /// The most processor time to spend on making the first catch of each small
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    shrink_budget: Duration,
    /// Only this mutant or harmless change
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// How many seeds at a time; as many as there are processors when not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Add what came of each to this campaign, whose page shows it
    #[arg(long, value_name = "DIR")]
    campaign: Option<PathBuf>,
    /// Write the table to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// How far starting seeds lie apart: no two hunts meet the same seed.
const BETWEEN_STARTS: u64 = 1_000_000;

/// A row of the matrix.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    cluster: &'static str,
    arena: Arena,
    /// Whether it must not be caught.
    harmless: bool,
    /// What caught it, the most frequent first, with how often.
    caught_by: Vec<(String, usize)>,
    /// From how many starting seeds it was caught, of how many.
    caught: usize,
    starts: u64,
    /// Median over all the starting seeds; none when it was caught from fewer than half.
    seeds: Option<u64>,
    cpu_s: Option<f64>,
    /// Faults and operations of the first catch, shrunk.
    shrunk: Option<(u64, u64)>,
    knobs: String,
    command: String,
    /// What an exhaustive search says of it.
    model: Option<InModel>,
}

/// What an exhaustive search says of a mutant.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum InModel {
    /// It breaks a law by a way of that many steps, and by no shorter one.
    Broken {
        bounds: &'static str,
        property: String,
        steps: usize,
        states: u64,
        cpu_s: f64,
    },
    /// It is not shown: why.
    Not(String),
}

impl std::fmt::Display for InModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            InModel::Broken {
                bounds,
                property,
                steps,
                states,
                cpu_s,
            } => write!(
                f,
                "`{bounds}`: {property} in {steps} steps, {states} states, {cpu_s:.2} CPU s"
            ),
            InModel::Not(why) => f.write_str(why),
        }
    }
}

/// Searches for a mutant within its bounds, on one thread.
fn in_model(cluster: &str, id: &str) -> Result<Option<InModel>, Failure> {
    let Some(kill) = library::kill_of(id) else {
        return Ok(None);
    };
    let bounds = match kill.bounds {
        Ok(bounds) => bounds,
        Err(why) => return Ok(Some(InModel::Not(format!("not shown: {why}")))),
    };
    let found =
        library::bounds(cluster, bounds).expect("a mutant is shown within bounds there are");
    let space = Space::new(found, Some(id), Reductions::ALL).or_exit(Exit::Internal)?;
    let before_ns = cpu::thread_ns();
    let stop = || interrupt::asked().then_some(Reason::Interrupted);
    let limits = Limits {
        stop: &stop,
        ..Limits::default()
    };
    let outcome = search(&space, &limits).or_exit(Exit::Internal)?;
    let cpu_s = cpu::thread_ns().saturating_sub(before_ns) as f64 / 1e9;
    Ok(Some(match outcome.end {
        End::Broken {
            property, trace, ..
        } => InModel::Broken {
            bounds,
            property,
            steps: trace.len(),
            states: outcome.counts.unique,
            cpu_s,
        },
        End::Exhausted => InModel::Not(format!("`{bounds}`: exhausted, and nothing is broken")),
        End::Bounded { .. } => {
            InModel::Not(format!("`{bounds}`: nothing was found within the limits"))
        }
    }))
}

/// A planted bug, caught.
struct Catch {
    by: String,
    seeds: u64,
    cpu_ns: u64,
    trial: Trial,
    run: Run,
    judged: Judged,
}

pub(super) fn execute(args: &MutantsArgs, format: Format) -> Result<Exit, Failure> {
    let systems: Vec<_> = catalog::systems();
    let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
    if let Some(cluster) = args
        .cluster
        .as_ref()
        .filter(|name| !known.contains(&name.as_str()))
    {
        return Err(names::unknown("cluster", cluster, &known));
    }
    interrupt::listen();
    let mut rows = Vec::new();
    for system in &systems {
        if args
            .cluster
            .as_ref()
            .is_some_and(|name| name != system.name())
        {
            continue;
        }
        for (id, harmless) in planted(system.as_ref()) {
            if args.only.as_ref().is_some_and(|only| *only != id) {
                continue;
            }
            let row = match harmless {
                true => spare(args, system.name(), &id)?,
                false => kill(args, system.name(), &id)?,
            };
            match format {
                Format::Json => print_line(serde_json::to_string(&row).or_exit(Exit::Internal)?),
                Format::Human => print_line(line(&row)),
            }
            if let Some(folder) = &args.campaign {
                campaign::append(folder, campaign::KILLS, &row).or_exit(Exit::Unreadable)?;
            }
            rows.push(row);
            if interrupt::go_on().is_break() {
                return Ok(Exit::Interrupted);
            }
        }
    }
    if rows.is_empty() {
        eprintln!("stormglass: no mutant of that name; `list mutants` shows them");
        return Ok(Exit::NothingSelected);
    }
    if let Some(path) = &args.write {
        std::fs::write(path, page(args, &rows)).map_err(|error| Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!("{}: cannot be written ({error})", path.display()),
        })?;
    }
    let missed = |row: &Row| match row.harmless {
        true => row.caught > 0,
        false => (row.caught as u64) < row.starts,
    };
    Ok(match rows.iter().any(missed) {
        true => Exit::Violation,
        false => Exit::Valid,
    })
}

/// Everything that can be planted in a system and hunted with it, and whether it is harmless. What only a test can notice is left out.
fn planted(system: &dyn System) -> Vec<(String, bool)> {
    let own = system.mutants().iter().chain(harness::MUTANTS);
    let mutants = own.filter(|mutant| mutant.id != "harness/fault-feigned");
    let mutants = mutants.map(|mutant| (mutant.id.to_string(), false));
    let trials = HARMLESS_TRIALS.iter().map(|known| &known.about);
    let harmless = system.harmless().iter().chain(trials);
    mutants
        .chain(harmless.map(|known| (known.id.to_string(), true)))
        .collect()
}

/// Runs a trial of a seed. Gives what came of it, and the processor time.
fn attempt(
    cluster: &str,
    arena: Arena,
    seed: u64,
    id: &str,
) -> Result<(Trial, Run, Judged, u64), Failure> {
    let system = catalog::system(cluster).expect("the name came from the catalogue");
    let trial = hunt::trial(system.as_ref(), arena, seed, id);
    let (run, cpu_ns) = simulate(&trial)?;
    let judged = judge(&trial, &run).or_exit(Exit::Internal)?;
    Ok((trial, run, judged, cpu_ns))
}

fn workers(args: &MutantsArgs) -> usize {
    args.jobs.map_or_else(jobs::available, usize::from)
}

/// Hunts a mutant through so many seeds after this one, until it is caught. None, too, when the user ends it.
fn hunt_from(
    cluster: &str,
    arena: Arena,
    id: &str,
    before: u64,
    seeds_max: u64,
) -> Result<Option<Catch>, Failure> {
    let mut cpu_ns = 0;
    for seeds in 1..=seeds_max {
        let (trial, run, judged, took_ns) = attempt(cluster, arena, before + seeds, id)?;
        cpu_ns += took_ns;
        if let Some(by) = hunt::caught(&trial, &judged) {
            return Ok(Some(Catch {
                by,
                seeds,
                cpu_ns,
                trial,
                run,
                judged,
            }));
        }
        if interrupt::go_on().is_break() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Hunts a canary, from one starting seed, the same every night: that it is found says that the whole chain still sees.
pub(crate) fn canary(
    cluster: &str,
    arena: Arena,
    id: &str,
    seeds_max: u64,
) -> Result<KillLine, Failure> {
    let caught = hunt_from(cluster, arena, id, 0, seeds_max)?;
    Ok(KillLine {
        id: id.to_string(),
        cluster: cluster.to_string(),
        arena,
        harmless: false,
        caught: u64::from(caught.is_some()),
        starts: 1,
        seeds: caught.as_ref().map(|caught| caught.seeds),
        caught_by: caught.map(|caught| (caught.by, 1)).into_iter().collect(),
    })
}

/// Hunts a mutant from every starting seed until it is caught there.
fn kill(args: &MutantsArgs, cluster: &'static str, id: &str) -> Result<Row, Failure> {
    let arena = args.arena.into();
    let from = |start: u64| hunt_from(cluster, arena, id, start * BETWEEN_STARTS, args.seeds);
    let mut catches = Vec::new();
    let mut failed = None;
    jobs::in_order(
        0..args.starts,
        workers(args),
        from,
        |caught: Result<Option<Catch>, Failure>| {
            match caught {
                Ok(caught) => catches.extend(caught),
                Err(failure) => {
                    failed = Some(failure);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        },
    );
    if let Some(failure) = failed {
        return Err(failure);
    }
    let mut by = BTreeMap::<String, usize>::new();
    for caught in &catches {
        *by.entry(caught.by.clone()).or_default() += 1;
    }
    let mut caught_by: Vec<(String, usize)> = by.into_iter().collect();
    caught_by.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let easiest = catches.iter().min_by_key(|caught| caught.seeds);
    Ok(Row {
        id: id.to_string(),
        cluster,
        arena,
        harmless: false,
        caught_by,
        caught: catches.len(),
        starts: args.starts,
        seeds: median(catches.iter().map(|caught| caught.seeds), args.starts),
        cpu_s: median(catches.iter().map(|caught| caught.cpu_ns), args.starts)
            .map(|ns| ns as f64 / 1e9),
        shrunk: easiest.and_then(|caught| shrunk_size(caught, args.shrink_budget)),
        knobs: easiest.map_or_else(String::new, |caught| knobs(&caught.trial)),
        command: easiest.map_or_else(String::new, |caught| command(&caught.trial)),
        model: in_model(cluster, id)?,
    })
}

/// Gives a harmless change its seeds, in vain if all is well.
fn spare(args: &MutantsArgs, cluster: &'static str, id: &str) -> Result<Row, Failure> {
    let arena = args.arena.into();
    let mut alarms = Vec::new();
    let mut failed = None;
    let work = |seed| attempt(cluster, arena, seed, id);
    jobs::in_order(1..=args.harmless_seeds, workers(args), work, |done| {
        match done {
            Ok((trial, _, judged, _)) => {
                let alarm = hunt::caught(&trial, &judged);
                alarms.extend(alarm.map(|by| (by, command(&trial))));
            }
            Err(failure) => {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
        }
        interrupt::go_on()
    });
    if let Some(failure) = failed {
        return Err(failure);
    }
    Ok(Row {
        id: id.to_string(),
        cluster,
        arena,
        harmless: true,
        caught_by: alarms.iter().map(|(by, _)| (by.clone(), 1)).collect(),
        caught: alarms.len(),
        starts: args.harmless_seeds,
        seeds: None,
        cpu_s: None,
        shrunk: None,
        knobs: String::new(),
        command: alarms
            .first()
            .map_or_else(String::new, |(_, command)| command.clone()),
        model: None,
    })
}

/// The median over all starts, of which these caught something: none when more than half of them did not.
fn median(caught: impl Iterator<Item = u64>, starts: u64) -> Option<u64> {
    let mut sorted: Vec<u64> = caught.collect();
    sorted.sort_unstable();
    sorted.get(starts.checked_sub(1)? as usize / 2).copied()
}

/// How many faults and operations are left of a catch when it is shrunk.
fn shrunk_size(caught: &Catch, budget: Duration) -> Option<(u64, u64)> {
    let shrunk = make_small(&caught.trial, &caught.run, &caught.judged, None, budget);
    shrunk
        .ok()
        .map(|shrunk| (shrunk.after.faults, shrunk.after.operations))
}

fn knobs(trial: &Trial) -> String {
    let timeout = trial.knobs.election_timeout;
    format!(
        "{} an append, election {} to {} ms, sync {} to {} ms, network {} to {} us",
        trial.knobs.entries_per_append_max,
        timeout.min_ns / 1_000_000,
        timeout.max_ns / 1_000_000,
        trial.sync_ms.0,
        trial.sync_ms.1,
        trial.network.delay_us_min,
        trial.network.delay_us_max
    )
}

/// The command that makes this very trial from nothing. Harmless changes of a trial have no option of their own.
pub(super) fn command(trial: &Trial) -> String {
    let planted = trial.mutant.as_ref();
    let storm = planted
        .and_then(|id| hunt::bait(id))
        .map_or_else(String::new, |bait| {
            let (nodes, faults) = (bait.nodes, bait.faults.join(","));
            let knobs = bait.knobs.iter();
            let knobs: String = knobs
                .map(|(key, value)| format!(" --knob {key}={value}"))
                .collect();
            let plain = |said: bool, text: String| if said { text } else { String::new() };
            let (min, max) = bait.sync_ms;
            format!(
                " --nodes {nodes} --faults {faults}{knobs}{}{}{}",
                plain(bait.clients != 5, format!(" --clients {}", bait.clients))
                    + &plain(bait.spares > 0, format!(" --spares {}", bait.spares)),
                plain((min, max) != (0, 4), format!(" --sync {min}..{max}")),
                plain(bait.core, " --heal core".to_string()),
            )
        });
    let planted = planted.map_or_else(String::new, |id| format!(" --mutant {id}"));
    let workload = match trial.workload.name() {
        "register" => String::new(),
        name => format!(" --workload {name}"),
    };
    let arena = match trial.arena {
        Arena::Turmoil => "",
        Arena::Simulator => " --arena simulator",
        Arena::Live => " --arena live",
    };
    format!(
        "stormglass run {}{workload} --seed {}{arena}{storm}{planted}",
        trial.cluster, trial.seed
    )
}

fn by_text(row: &Row) -> String {
    let names: Vec<String> = row
        .caught_by
        .iter()
        .map(|(by, times)| format!("{by} {times}"))
        .collect();
    names.join(", ")
}

fn line(row: &Row) -> String {
    if row.harmless {
        let verdict = if row.caught == 0 { "SPARED" } else { "FLAGGED" };
        let alarm = if row.caught == 0 {
            String::new()
        } else {
            format!("  {}", row.command)
        };
        return format!(
            "{verdict:7} {:34} {} alarms in {} seeds{alarm}",
            row.id, row.caught, row.starts
        );
    }
    let verdict = match (row.caught as u64) < row.starts {
        true => "MISSED",
        false => "KILLED",
    };
    let median = |value: Option<String>| value.unwrap_or_else(|| "-".to_string());
    let model = row.model.as_ref();
    let model = model.map_or_else(String::new, |model| format!("\n        model {model}"));
    format!(
        "{verdict:7} {:34} {} of {} starts, median {} seeds, {} CPU s; {}\n        {}{model}",
        row.id,
        row.caught,
        row.starts,
        median(row.seeds.map(|seeds| seeds.to_string())),
        median(row.cpu_s.map(|cpu_s| format!("{cpu_s:.2}"))),
        by_text(row),
        row.command
    )
}

/// The matrix as a page.
fn page(args: &MutantsArgs, rows: &[Row]) -> String {
    let arena = Arena::from(args.arena).name();
    let mut text = format!(
        "# What kills each mutant, and how long it takes\n\n\
         Made by `stormglass mutants --arena {arena} --starts {} --seeds {} --harmless-seeds {} --write nemesis/KILLS.md`.\n\
         Each seed is a storm of a simulated minute in which the seed draws everything (swarm), or, where the command names faults, one that\n\
         brings a rare mutant out. A mutant is hunted from {} starting seeds; seeds and processor time to the first catch are medians over them, or `-` where more than half of them caught nothing. The command repeats the quickest catch, whose knobs and shrunk\n\
         size (faults and operations) are shown. The last column is of another arena: what `stormglass model` finds within the bounds of that\n\
         name, by a way of minimal length.\n\n\
         | mutant | caught by (times) | starts | seeds | CPU s | shrunk | knobs | command | model |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        args.starts, args.seeds, args.harmless_seeds, args.starts
    );
    for row in rows.iter().filter(|row| !row.harmless) {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_string());
        let _ = writeln!(
            text,
            "| {} | {} | {} of {} | {} | {} | {} | {} | `{}` | {} |",
            row.id,
            by_text(row),
            row.caught,
            row.starts,
            shown(row.seeds.map(|seeds| seeds.to_string())),
            shown(row.cpu_s.map(|cpu_s| format!("{cpu_s:.2}"))),
            shown(
                row.shrunk
                    .map(|(faults, calls)| format!("{faults} + {calls}"))
            ),
            row.knobs,
            row.command,
            shown(row.model.as_ref().map(InModel::to_string))
        );
    }
    text += "\n`harness/fault-feigned` is caught by `nemesis/tests/faults`, where every kind of fault must leave evidence of its own.\n\
             \n| harmless change | cluster | alarms |\n| --- | --- | --- |\n";
    for row in rows.iter().filter(|row| row.harmless) {
        let _ = writeln!(
            text,
            "| {} | {} | {} in {} seeds |",
            row.id, row.cluster, row.caught, row.starts
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_caught_nothing_counts_as_the_longest() {
        assert_eq!(median([7, 3, 5].into_iter(), 3), Some(5));
        assert_eq!(median([7, 3, 5].into_iter(), 6), Some(7));
        assert_eq!(median([7, 3, 5].into_iter(), 7), None);
        assert_eq!(median([].into_iter(), 0), None);
    }
}
