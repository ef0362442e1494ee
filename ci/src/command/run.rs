//! `stormglass run`: trials from seeds, each run, judged and reported.

use super::exit::OrExit;
use super::telling::{Tally, line, paragraph};
use super::ticker::Ticker;
use super::{
    Exit, Failure, Format, Store, config, cpu, explain, interrupt, jobs, names, print_line,
};
use clap::{Args, ValueEnum};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use stormglass_impls::catalog;
use stormglass_impls::knobs::Knobs;
use stormglass_impls::system::System;
use stormglass_nemesis::arena::{self, ArenaError};
use stormglass_nemesis::faults::{FAULTS, FaultKind};
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::record::{Run, ViolationKind};
use stormglass_nemesis::replay::{Difference, explain as explain_difference};
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Healing, Trial};
use stormglass_nemesis::watchdog;
use stormglass_nemesis::wiretap::{self, Messages};
use stormglass_reports::{RunDirectory, RunSummary, Timings};
use stormglass_workloads::workload::{WORKLOADS, WorkloadConfig};

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Which cluster (see `list clusters`)
    cluster: String,
    /// What its clients do (see `list workloads`), or `any`, which the seed draws
    #[arg(long, default_value = "register")]
    workload: String,
    /// Which faults: kinds or families, separated by commas (see `list faults`), or all, or none; or swarm: each seed draws its own
    /// kinds, its own settings of protocol, network and disks, and what heals
    #[arg(long, default_value = "swarm", value_delimiter = ',')]
    faults: Vec<String>,
    /// Let faults go beyond what the cluster promises to survive: what breaks after such a fault is measured, not judged
    #[arg(long)]
    beyond_promise: bool,
    /// Seeds everything: the storm, the operations, every delay
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from `--seed` on. Of several, the last run and those that are not valid keep their directories
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many seeds at a time; as many as there are processors when not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Where: turmoil runs the real host, the simulator only the cores, many times faster; live runs real processes, in real time
    #[arg(long, value_enum, default_value_t = RunArena::Turmoil)]
    arena: RunArena,
    /// How many nodes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=99))]
    nodes: u8,
    /// How many clients
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=999))]
    clients: u32,
    /// How long the storm lasts, in simulated time
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// About how many operations of all clients together, before the final reads: the same number for each client
    #[arg(long)]
    ops: Option<u64>,
    /// Plant a bug (see `list mutants`)
    #[arg(long, value_name = "ID")]
    mutant: Option<String>,
    /// Explain the planted bug instead of running it: the rule it replaces, the smallest script that shows it, and why it is wrong
    #[arg(long, requires = "mutant")]
    explain: bool,
    /// Nodes on top of these that have no vote to begin with
    #[arg(long, default_value_t = 0)]
    spares: u8,
    /// Turn a knob of the protocol, after the seed has drawn: some bugs live only at one setting. May be given again
    #[arg(long = "knob", value_name = "NAME=VALUE")]
    knobs: Vec<String>,
    /// How long a sync of a disk takes, in milliseconds
    #[arg(long, value_name = "MIN..MAX", value_parser = sync_range)]
    sync: Option<(u64, u64)>,
    /// What heals when the storm is over: everything, or only a majority that the seed draws
    #[arg(long, value_enum)]
    heal: Option<HealName>,
    #[command(flatten)]
    store: Store,
}

impl RunArgs {
    /// Whether a trial has faults, where any were asked for.
    pub(crate) fn has_its_faults(&self, trial: &Trial) -> bool {
        !trial.schedule.is_empty() || self.faults == ["none"]
    }
}

/// What heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HealName {
    Everything,
    Core,
}

fn sync_range(text: &str) -> Result<(u64, u64), String> {
    let (min, max) = text.split_once("..").ok_or("1..25 is a range")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("{text}: {error}"))
    };
    Ok((number(min)?, number(max)?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RunArena {
    Turmoil,
    Simulator,
    Live,
}

impl From<RunArena> for Arena {
    fn from(name: RunArena) -> Arena {
        match name {
            RunArena::Turmoil => Arena::Turmoil,
            RunArena::Simulator => Arena::Simulator,
            RunArena::Live => Arena::Live,
        }
    }
}

/// The arenas in which a trial can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ArenaName {
    Turmoil,
    Simulator,
}

impl From<ArenaName> for Arena {
    fn from(name: ArenaName) -> Arena {
        match name {
            ArenaName::Turmoil => Arena::Turmoil,
            ArenaName::Simulator => Arena::Simulator,
        }
    }
}

pub(super) fn execute(args: &RunArgs, format: Format) -> Result<Exit, Failure> {
    let first = trial(args, args.seed)?;
    if let (true, Some(mutant)) = (args.explain, &args.mutant) {
        return explain::execute(&args.cluster, mutant, format);
    }
    if args.seeds == 0 {
        eprintln!("stormglass: --seeds 0 selects nothing");
        return Ok(Exit::NothingSelected);
    }
    let last = args.seed.checked_add(args.seeds - 1);
    let last =
        last.ok_or_else(|| Failure::usage("--seed and --seeds together go past the last seed"))?;
    if !args.has_its_faults(&first) {
        eprintln!(
            "stormglass: no fault of these kinds fits into {:?} with {} nodes; say --faults none for a calm",
            args.time, args.nodes
        );
        return Ok(Exit::NothingSelected);
    }
    let named = FAULTS
        .iter()
        .filter(|info| args.faults.iter().any(|name| name == info.name));
    for info in named.filter(|info| args.nodes < info.nodes_min) {
        eprintln!(
            "stormglass: {} needs {} nodes and is left out",
            info.name, info.nodes_min
        );
    }
    interrupt::listen();
    let several = args.seeds > 1;
    let jobs = args.jobs.map_or_else(jobs::available, usize::from);
    let mut worst = Exit::Valid;
    let mut tally = Tally::default();
    let work = |seed| {
        let trial = if seed == args.seed {
            first.clone()
        } else {
            trial(args, seed)?
        };
        let keep = if seed < last {
            Keep::Findings
        } else {
            Keep::All
        };
        let done = run_one(&trial, &args.store.out, &command(args, &trial), keep);
        done.map_err(|failure| Failure {
            error: failure.error.context(format!("seed {seed}")),
            ..failure
        })
    };
    let each = |done: Result<Done, Failure>| {
        let done = match done {
            Ok(done) => done,
            // What other seeds have shown still counts.
            Err(failure) => {
                eprintln!("stormglass: {:#}", failure.error);
                worst = worst.or_worse(failure.exit);
                return ControlFlow::Break(());
            }
        };
        match format {
            Format::Json => print_line(serde_json::to_string(&done.summary).unwrap_or_default()),
            Format::Human if several => print_line(line(&done)),
            Format::Human => print_line(paragraph(&done)),
        }
        tally.add(&done);
        worst = worst.or_worse(done.exit);
        if done.directory.path().exists()
            && let Err(error) = done.directory.make_latest(&args.store.out)
        {
            eprintln!("stormglass: {error}");
        }
        // No seed begins after an interrupt, and those that had ended by then are told.
        ControlFlow::Continue(())
    };
    let seeds = (args.seed..=last).take_while(|_| interrupt::go_on().is_continue());
    jobs::in_order(seeds, jobs.min(args.seeds as usize), work, each);
    if interrupt::asked() && tally.runs() < args.seeds {
        worst = worst.or_worse(Exit::Interrupted);
    }
    if several && format == Format::Human {
        print_line(tally.text());
    }
    Ok(worst)
}

/// A trial that was run, judged and reported.
pub(crate) struct Done {
    pub(crate) trial: Trial,
    pub(crate) judged: Judged,
    pub(crate) summary: RunSummary,
    pub(crate) directory: RunDirectory,
    pub(crate) exit: Exit,
    /// Where a second run of the same trial first differs, if it does. Only what broke runs twice.
    pub(crate) differs: Option<Difference>,
}

/// Which runs keep their directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    All,
    /// All but valid ones, whose directories are removed.
    Findings,
}

/// Runs a trial, judges it and writes its directory. `command` makes the same trial from nothing.
pub(crate) fn run_one(
    trial: &Trial,
    out: &Path,
    command: &str,
    keep: Keep,
) -> Result<Done, Failure> {
    trial.validate().map_err(Failure::usage)?;
    let directory = RunDirectory::create(out, trial).or_exit(Exit::Unreadable)?;
    let nodes = directory.path().join("nodes");
    let (run, simulate_ns) = match trial.arena {
        Arena::Live => live(trial, &nodes)?,
        Arena::Turmoil | Arena::Simulator => simulate(trial)?,
    };
    let started_ns = cpu::thread_ns();
    let judged = judge(trial, &run).or_exit(Exit::Internal)?;
    let judge_ns = cpu::thread_ns() - started_ns;
    let timings = Timings {
        simulate_cpu_ms: Some(simulate_ns as f64 / 1e6),
        judge_cpu_ms: Some(judge_ns as f64 / 1e6),
        ..Timings::default()
    };
    let exit = if run.record.interrupted {
        Exit::Interrupted
    } else if judged
        .violations
        .iter()
        .any(|violation| violation.kind == ViolationKind::Harness)
    {
        Exit::Internal
    } else {
        judged.ruling.into()
    };
    let passes = exit == Exit::Valid && judged.ruling == Ruling::Valid;
    if passes && nodes.exists() {
        // The nodes' logs are evidence of what broke, and nothing did.
        std::fs::remove_dir_all(&nodes).or_exit(Exit::Internal)?;
    }
    let (differs, messages) = run_twice(trial, &run, &judged)?;
    if let Some(messages) = messages {
        directory.put_messages(&messages).or_exit(Exit::Internal)?;
    }
    let summary = if passes && keep == Keep::Findings {
        std::fs::remove_dir_all(directory.path()).or_exit(Exit::Internal)?;
        RunSummary::new(
            directory.name(),
            trial,
            &run.record,
            &judged,
            &timings,
            command,
        )
    } else {
        directory
            .write(trial, &run, &judged, &timings, command)
            .or_exit(Exit::Internal)?
    };
    Ok(Done {
        differs,
        trial: trial.clone(),
        judged,
        summary,
        directory,
        exit,
    })
}

/// What broke runs again before it is reported: whether it can be repeated is the first thing one wants to know. The second run is listened to.
fn run_twice(
    trial: &Trial,
    run: &Run,
    judged: &Judged,
) -> Result<(Option<Difference>, Option<Messages>), Failure> {
    let broke = matches!(judged.ruling, Ruling::Violation | Ruling::Measured);
    if !broke || !wiretap::repeats(trial, run, judged) {
        return Ok((None, None));
    }
    let window = wiretap::stretch(run, judged).unwrap_or_default();
    let (explained, messages) = wiretap::listening(window, || explain_difference(trial, run));
    let (_, difference) = explained.or_exit(Exit::Internal)?;
    // What another run said does not belong to this one.
    Ok((
        difference.clone(),
        messages.filter(|_| difference.is_none()),
    ))
}

/// Runs a trial in its arena, with a bar. Gives the run and the processor time it took, in nanoseconds.
pub(super) fn simulate(trial: &Trial) -> Result<(Run, u64), Failure> {
    let ticker = Ticker::start(trial);
    let own = trial.clone();
    let watched = watchdog::watched(watchdog::STEP_CPU_MAX, move || {
        let started_ns = cpu::thread_ns();
        let run = arena::run(&own, &mut |now_ns| {
            ticker.at(now_ns);
            interrupt::go_on()
        });
        (run, cpu::thread_ns() - started_ns)
    });
    let (run, cpu_ns) = match watched {
        Ok(done) => done,
        Err(stuck) => (
            Ok(watchdog::run_of(trial, stuck)),
            stuck.given.as_nanos() as u64,
        ),
    };
    Ok((run.map_err(arena_failed)?, cpu_ns))
}

fn arena_failed(error: ArenaError) -> Failure {
    let exit = match error {
        ArenaError::Failed { .. } => Exit::SystemFailed,
        ArenaError::LeftOut(_) => Exit::Usage,
        _ => Exit::Unreadable,
    };
    Failure {
        exit,
        error: error.into(),
    }
}

/// Runs a trial on real processes. The processor time is that of the clients alone.
fn live(trial: &Trial, nodes: &Path) -> Result<(Run, u64), Failure> {
    let program = std::env::current_exe().or_exit(Exit::Internal)?;
    let ticker = Ticker::start(trial);
    let started_ns = cpu::thread_ns();
    let run = stormglass::live::arena::run(trial, &program, nodes, &mut |now_ns| {
        ticker.at(now_ns);
        interrupt::go_on()
    });
    Ok((run.map_err(arena_failed)?, cpu::thread_ns() - started_ns))
}

/// A run that cannot be made again cannot be compared with another, nor made smaller.
pub(super) fn must_repeat(trial: &Trial) -> Result<(), Failure> {
    match trial.arena.repeats() {
        true => Ok(()),
        false => Err(Failure::usage(
            "a live run does not repeat: its trial can be run in another arena with `stormglass replay --arena`",
        )),
    }
}

/// The name of whichever workload the seed draws.
const ANY_WORKLOAD: &str = "any";

/// The trial of a seed.
pub(crate) fn trial(args: &RunArgs, seed: u64) -> Result<Trial, Failure> {
    let systems = catalog::systems();
    let Some(system) = systems.iter().find(|system| system.name() == args.cluster) else {
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        return Err(names::unknown("cluster", &args.cluster, &known));
    };
    let workload = match args.workload.as_str() {
        ANY_WORKLOAD => Some(WorkloadConfig::drawn(&args.cluster, seed)),
        name => WorkloadConfig::named(name, &args.cluster),
    };
    let Some(workload) = workload else {
        let offered = WORKLOADS.iter();
        let offered = offered.filter(|info| info.clusters.contains(&args.cluster.as_str()));
        let known = offered.map(|info| info.name).chain([ANY_WORKLOAD]);
        let known: Vec<&str> = known.collect();
        return Err(names::unknown("workload", &args.workload, &known));
    };
    if let Some(mutant) = &args.mutant {
        let known = arena::mutants(system.as_ref());
        if !known.contains(&mutant.as_str()) {
            let text = names::unknown_mutant_text(&args.cluster, mutant, &known);
            return Err(Failure::usage(text));
        }
    }
    let mut trial = Trial::calm(&args.cluster, workload, args.arena.into(), seed);
    trial.nodes = args.nodes.saturating_add(args.spares);
    trial.spares = args.spares;
    trial.clients = args.clients;
    trial.storm_ms = u64::try_from(args.time.as_millis()).unwrap_or(u64::MAX);
    trial.operations_per_client_max = args.ops.map(|ops| ops.div_ceil(u64::from(args.clients)));
    trial.mutant = args.mutant.clone();
    trial.beyond_promise = args.beyond_promise;
    trial.validate().map_err(Failure::usage)?;
    if args.arena == RunArena::Live {
        // Elections and deadlines that a busy machine can keep, and clients that keep it busy.
        trial.knobs = Knobs::serving();
        trial.patience.deadline_ms = 10_000;
        trial.workload.set_think_time_ms(0, 10);
        let faults = match args.faults.as_slice() {
            [one] if one == "swarm" => &["all".to_string()],
            named => named,
        };
        let kinds = kinds(faults, &trial, system.as_ref())?;
        trial.schedule = swarm::storm(&trial, system.as_ref(), kinds).schedule();
    } else if args.faults == ["swarm"] {
        swarm::draw(&mut trial, system.as_ref());
    } else {
        let kinds = kinds(&args.faults, &trial, system.as_ref())?;
        trial.schedule = swarm::storm(&trial, system.as_ref(), kinds).schedule();
    }
    trial.sync_ms = args.sync.unwrap_or(trial.sync_ms);
    match args.heal {
        Some(HealName::Everything) => trial.healing = Healing::Everything,
        Some(HealName::Core) => trial.healing = swarm::core(&trial),
        None => {}
    }
    for knob in &args.knobs {
        let (key, value) = knob.split_once('=').unwrap_or((knob, ""));
        trial.knobs.turn(key, value).map_err(Failure::usage)?;
    }
    trial.validate().map_err(Failure::usage)?;
    Ok(trial)
}

/// The kinds of fault that a list of kinds and families names. A family, and `all`, leave out what the arena cannot represent and what
/// goes beyond the promise; to name that by itself is an error.
fn kinds(faults: &[String], trial: &Trial, system: &dyn System) -> Result<Vec<FaultKind>, Failure> {
    let possible = swarm::kinds_of(trial, system);
    let mut kinds = Vec::new();
    for name in faults {
        let meant = FAULTS
            .iter()
            .filter(|info| name == "all" || *name == info.family);
        kinds.extend(
            meant
                .clone()
                .map(|info| info.kind)
                .filter(|kind| possible.contains(kind)),
        );
        match FAULTS.iter().find(|info| info.name == name) {
            Some(info) if possible.contains(&info.kind) => kinds.push(info.kind),
            Some(info) if !info.arenas.contains(&trial.arena) => {
                let arena = trial.arena.name();
                return Err(Failure::usage(format!(
                    "--faults: the {arena} arena cannot represent {name}; choose another arena"
                )));
            }
            Some(_) => {
                return Err(Failure::usage(format!(
                    "--faults: {name} goes beyond what {} promises to survive; add --beyond-promise, and what breaks is measured",
                    system.name()
                )));
            }
            None if meant.count() > 0 || name == "none" => {}
            None => {
                let known = FAULTS.iter().flat_map(|info| [info.name, info.family]);
                let known: Vec<&str> = known.chain(["all", "none", "swarm"]).collect();
                return Err(names::unknown("fault", name, &known));
            }
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// The command that makes this very trial from nothing.
fn command(args: &RunArgs, trial: &Trial) -> String {
    line_of(args, trial) + config::plainly()
}

/// The same, for whoever reads it elsewhere: nothing that configures that place changes it.
pub(crate) fn command_anywhere(args: &RunArgs, trial: &Trial) -> String {
    line_of(args, trial) + " --no-config"
}

fn line_of(args: &RunArgs, trial: &Trial) -> String {
    let mut words = vec![
        "stormglass run".to_string(),
        args.cluster.clone(),
        format!("--seed {}", trial.seed),
    ];
    let mut option = |differs: bool, text: String| {
        if differs {
            words.push(text);
        }
    };
    option(
        args.workload != "register",
        format!("--workload {}", args.workload),
    );
    option(
        args.faults != ["swarm"],
        format!("--faults {}", args.faults.join(",")),
    );
    option(args.beyond_promise, "--beyond-promise".to_string());
    option(
        args.arena != RunArena::Turmoil,
        format!("--arena {}", trial.arena.name()),
    );
    option(args.nodes != 5, format!("--nodes {}", args.nodes));
    option(args.clients != 5, format!("--clients {}", args.clients));
    option(
        trial.storm_ms != 60_000,
        format!("--time {}ms", trial.storm_ms),
    );
    option(
        args.ops.is_some(),
        format!("--ops {}", args.ops.unwrap_or_default()),
    );
    option(
        args.mutant.is_some(),
        format!("--mutant {}", args.mutant.as_deref().unwrap_or_default()),
    );
    option(args.spares > 0, format!("--spares {}", args.spares));
    if let Some((min, max)) = args.sync {
        option(true, format!("--sync {min}..{max}"));
    }
    if let Some(heal) = args.heal {
        let name = if heal == HealName::Core {
            "core"
        } else {
            "everything"
        };
        option(true, format!("--heal {name}"));
    }
    for knob in &args.knobs {
        option(true, format!("--knob {knob}"));
    }
    words.join(" ")
}
