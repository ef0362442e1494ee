//! `stormglass compare`: all clusters under one workload and one storm, and a page that lays them side by side.

use super::exit::OrExit;
use super::run::{Done, Keep, run_one};
use super::telling::line;
use super::{Exit, Failure, Format, config, interrupt, jobs, names, print_line};
use clap::Args;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::catalog;
use stormglass_impls::system::System;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::RunDirectory;
use stormglass_reports::comparison::{Compared, Comparison};
use stormglass_workloads::workload::WorkloadConfig;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What the clients do: a workload that every cluster offers
    #[arg(long, default_value = "register")]
    workload: String,
    /// Seeds the storm
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many storms, from `--seed` on
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// How many nodes; several are compared for their cost
    #[arg(long, default_value = "5,3,7", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(3..=15))]
    nodes: Vec<u8>,
    /// How many clients
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    clients: u32,
    /// How long the storm lasts, in simulated time
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Where the runs and the page go
    #[arg(long, value_name = "DIR", default_value = ".stormglass/comparison")]
    out: PathBuf,
    /// Run nothing: make the page again from the runs that are there
    #[arg(long)]
    rebuild: bool,
}

pub(super) fn execute(args: &CompareArgs, format: Format) -> Result<Exit, Failure> {
    interrupt::listen();
    let (directories, worst) = match args.rebuild {
        true => (all_in(&args.out)?, Exit::Valid),
        // What was compared before, perhaps under another storm, is not mixed in.
        false => run_all(args, format)?,
    };
    let mut command = command(args);
    if worst == Exit::Interrupted {
        let finished = directories.len();
        eprintln!("stormglass: {finished} runs are of storms that all clusters have been through");
        if finished == 0 {
            return Ok(worst);
        }
        command += &format!("  # interrupted: {finished} runs are compared");
    }
    let mut runs = Vec::new();
    for directory in directories {
        match Compared::load(&directory) {
            Ok(run) => runs.push(run),
            // Another run tells as much as it did.
            Err(error) => eprintln!("stormglass: {error}; the page does without"),
        }
    }
    if runs.is_empty() {
        eprintln!(
            "stormglass: there is no finished run in {}",
            args.out.display()
        );
        return Ok(Exit::NothingSelected);
    }
    let comparison = Comparison::of(&runs);
    let page = comparison
        .write(&args.out, &command)
        .or_exit(Exit::Unreadable)?;
    match format {
        Format::Json => print_line(serde_json::to_string(&comparison).or_exit(Exit::Internal)?),
        Format::Human => {
            for row in &comparison.clusters {
                print_line(format!(
                    "{:<12} {} of {} kept, {:.1} ok a second",
                    row.cluster, row.kept, row.runs, row.ok_per_second
                ));
            }
            print_line(format!("  page    {}", page.display()));
        }
    }
    Ok(worst)
}

fn all_in(out: &Path) -> Result<Vec<RunDirectory>, Failure> {
    let names = RunDirectory::list(out).or_exit(Exit::Unreadable)?;
    let directories = names.iter().map(|name| RunDirectory::at(&out.join(name)));
    directories
        .collect::<Result<_, _>>()
        .or_exit(Exit::Unreadable)
}

/// Runs every cluster under every storm. When interrupted, gives the runs of those storms that all clusters
/// have been through: the others compare nothing.
fn run_all(args: &CompareArgs, format: Format) -> Result<(Vec<RunDirectory>, Exit), Failure> {
    let systems = catalog::systems();
    let offered = systems
        .iter()
        .filter(|system| WorkloadConfig::named(&args.workload, system.name()).is_some());
    let systems: Vec<Rc<dyn System>> = offered.cloned().collect();
    if systems.is_empty() {
        return Err(names::unknown("workload", &args.workload, &["register"]));
    }
    std::fs::create_dir_all(&args.out).or_exit(Exit::Unreadable)?;
    let mut trials = Vec::new();
    for nodes in &args.nodes {
        for seed in args.seed..args.seed.saturating_add(args.seeds) {
            trials.extend(storm(args, &systems, *nodes, seed)?);
        }
    }
    let command = command(args);
    let of_storm = |done: &Done| (done.trial.nodes, done.trial.seed);
    let (mut finished, mut worst) = (Vec::new(), Exit::Valid);
    let work = |trial: Trial| run_one(&trial, &args.out, &command, Keep::All);
    let each = |done: Result<Done, Failure>| match done {
        Ok(done) => {
            if format == Format::Human {
                eprintln!(
                    "{:<12} {} nodes, {}",
                    done.trial.cluster,
                    done.trial.nodes,
                    line(&done)
                );
            }
            worst = worst.or_worse(done.exit);
            if done.exit != Exit::Interrupted {
                finished.push((of_storm(&done), done.directory));
            }
            ControlFlow::Continue(())
        }
        Err(failure) => {
            eprintln!("stormglass: {:#}", failure.error);
            worst = worst.or_worse(failure.exit);
            ControlFlow::Break(())
        }
    };
    let all = trials.len();
    let trials = trials
        .into_iter()
        .take_while(|_| interrupt::go_on().is_continue());
    jobs::in_order(trials, jobs::available(), work, each);
    if interrupt::asked() && finished.len() < all {
        worst = worst.or_worse(Exit::Interrupted);
        let mut clusters = BTreeMap::<_, usize>::new();
        for (storm, _) in &finished {
            *clusters.entry(*storm).or_default() += 1;
        }
        finished.retain(|(storm, _)| clusters[storm] == systems.len());
    }
    let directories = finished.into_iter().map(|(_, directory)| directory);
    Ok((directories.collect(), worst))
}

/// The trials of one storm: a cluster each, with the same faults at the same times. The kinds are those that every cluster promises to survive,
/// but for changes of members, which are not the same thing in each, and kinds of message, which are each cluster's own.
fn storm(
    args: &CompareArgs,
    systems: &[Rc<dyn System>],
    nodes: u8,
    seed: u64,
) -> Result<Vec<Trial>, Failure> {
    let trial = |system: &Rc<dyn System>| {
        let workload = WorkloadConfig::named(&args.workload, system.name())?;
        let mut trial = Trial::calm(system.name(), workload, Arena::Simulator, seed);
        trial.nodes = nodes;
        trial.clients = args.clients;
        trial.storm_ms = u64::try_from(args.time.as_millis()).unwrap_or(u64::MAX);
        Some(trial)
    };
    let mut trials: Vec<Trial> = systems.iter().filter_map(trial).collect();
    let (Some(first), Some(system)) = (trials.first(), systems.first()) else {
        return Ok(Vec::new());
    };
    let survives = |kind: &FaultKind| {
        systems
            .iter()
            .all(|system| swarm::kinds_of(first, system.as_ref()).contains(kind))
    };
    let is_same = |kind: &FaultKind| !kind.changes_members() && *kind != FaultKind::LoseKind;
    let kinds = swarm::kinds_of(first, system.as_ref());
    let kinds = kinds.into_iter().filter(survives).filter(is_same).collect();
    let mut storm = swarm::storm(first, system.as_ref(), kinds);
    let drifts = systems
        .iter()
        .map(|system| system.budget().drift_percent_max);
    storm.drift_percent_max = drifts.min().unwrap_or(0);
    let schedule = storm.schedule();
    for trial in &mut trials {
        trial.schedule = schedule.clone();
        trial.validate().map_err(Failure::usage)?;
    }
    Ok(trials)
}

fn command(args: &CompareArgs) -> String {
    let nodes: Vec<String> = args.nodes.iter().map(u8::to_string).collect();
    format!(
        "stormglass compare --workload {} --seed {} --seeds {} --nodes {} --clients {} --time {}ms{}",
        args.workload,
        args.seed,
        args.seeds,
        nodes.join(","),
        args.clients,
        args.time.as_millis(),
        config::plainly()
    )
}
