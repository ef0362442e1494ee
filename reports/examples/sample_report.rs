//! Writes sample reports: a storm that was weathered, and a planted bug that was caught, if one of the first seeds catches it.
//!
//! `cargo run -p stormglass-reports --example sample_report -- OUT`

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use stormglass_checker::Verdict;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_reports::{RunDirectory, Timings};
use stormglass_workloads::workload::WorkloadConfig;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args().nth(1).map_or_else(
        || std::env::temp_dir().join("stormglass-samples"),
        PathBuf::from,
    );
    let (trial, run, judged) = storm(1, None)?;
    write(&out, &trial, &run, &judged)?;
    for mutant in [
        "raft/read-without-quorum",
        "raft/vote-not-persisted",
        "raft/commit-old-term",
    ] {
        for seed in 0..200 {
            let (trial, run, judged) = storm(seed, Some(mutant))?;
            let outside = matches!(judged.judgement.verdict, Verdict::Invalid(_));
            if judged.ruling == Ruling::Violation
                && (outside || mutant != "raft/read-without-quorum")
            {
                write(&out, &trial, &run, &judged)?;
                break;
            }
        }
    }
    Ok(())
}

fn storm(seed: u64, mutant: Option<&str>) -> Result<(Trial, Run, Judged), Box<dyn Error>> {
    let workload = WorkloadConfig::register();
    let mut trial = Trial::calm("raft-cache", workload, Arena::Simulator, seed);
    trial.mutant = mutant.map(str::to_string);
    trial.knobs.entries_per_append_max = 1;
    let system = stormglass_impls::catalog::system("raft-cache").expect("there is raft-cache");
    let kinds = swarm::kinds_of(&trial, system.as_ref());
    trial.schedule = swarm::storm(&trial, system.as_ref(), kinds).schedule();
    let run = arena::run(&trial, &mut |_| ControlFlow::Continue(()))?;
    let judged = judge(&trial, &run)?;
    Ok((trial, run, judged))
}

fn write(out: &Path, trial: &Trial, run: &Run, judged: &Judged) -> Result<(), Box<dyn Error>> {
    let directory = RunDirectory::create(out, trial)?;
    let mutant = trial
        .mutant
        .as_ref()
        .map(|mutant| format!(" --mutant {mutant}"))
        .unwrap_or_default();
    let command = format!(
        "cargo run --release -- run {} --faults all --seed {}{mutant}",
        trial.cluster, trial.seed
    );
    directory.write(trial, run, judged, &Timings::default(), &command)?;
    println!("{}", directory.page().display());
    Ok(())
}
