//! `stormglass fingerprint`: many trials, a line each, that must be the same in every process and every build.

use super::run::{ArenaName, simulate};
use super::{Exit, Failure, Format, interrupt, names, print_line};
use clap::Args;
use serde_json::json;
use std::time::Duration;
use stormglass_impls::catalog;
use stormglass_nemesis::replay::fingerprint;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::Trial;
use stormglass_workloads::workload::WorkloadConfig;

#[derive(Debug, Args)]
pub(crate) struct FingerprintArgs {
    /// Which cluster (see `list clusters`)
    cluster: String,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// How long each storm lasts, in simulated time
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Where
    #[arg(long, value_enum, default_value_t = ArenaName::Turmoil)]
    arena: ArenaName,
}

pub(super) fn execute(args: &FingerprintArgs, format: Format) -> Result<Exit, Failure> {
    let Some(system) = catalog::system(&args.cluster) else {
        let systems = catalog::systems();
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        return Err(names::unknown("cluster", &args.cluster, &known));
    };
    interrupt::listen();
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let workload = WorkloadConfig::usual(&args.cluster);
        let mut trial = Trial::calm(&args.cluster, workload, args.arena.into(), seed);
        trial.storm_ms = u64::try_from(args.time.as_millis()).unwrap_or(u64::MAX);
        trial.validate().map_err(Failure::usage)?;
        swarm::draw(&mut trial, system.as_ref());
        let (run, _) = simulate(&trial)?;
        if run.record.interrupted {
            return Ok(Exit::Interrupted);
        }
        let number = fingerprint(&run);
        match format {
            Format::Human => print_line(format!("seed {seed}  {number}")),
            Format::Json => print_line(json!({"seed": seed, "fingerprint": number})),
        }
    }
    Ok(match args.seeds {
        0 => Exit::NothingSelected,
        _ => Exit::Valid,
    })
}
