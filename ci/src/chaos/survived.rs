//! What a test that passed was put through.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::judge::Judged;
use stormglass_nemesis::record::{FaultStatus, Run};

/// What a server went through and kept its promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survived {
    name: String,
    /// The file of the trial, if it was repeated from one.
    replayed: Option<PathBuf>,
    /// The digests of the trials, by seed, in the order they were run; of a core, one for each arena.
    pub digests: Vec<(u64, String)>,
    /// Trials that broke something once, and were run first.
    pub regressions: u64,
    /// Operations that were called.
    pub operations: u64,
    /// Operations that were answered.
    pub operations_ok: u64,
    /// Faults that really happened, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Simulated time.
    pub simulated: Duration,
    /// Processor time of simulation and judgement.
    pub cpu: Duration,
}

impl Survived {
    pub(super) fn new(name: &str, replayed: Option<&Path>) -> Self {
        Self {
            name: name.to_string(),
            replayed: replayed.map(Path::to_path_buf),
            digests: Vec::new(),
            regressions: 0,
            operations: 0,
            operations_ok: 0,
            faults: BTreeMap::new(),
            simulated: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    pub(super) fn add(&mut self, seed: u64, run: &Run, judged: &Judged, cpu: Duration) {
        self.digests.push((seed, run.record.digest.clone()));
        self.count(run, judged, cpu);
    }

    pub(super) fn add_regression(&mut self, run: &Run, judged: &Judged, cpu: Duration) {
        self.regressions += 1;
        self.count(run, judged, cpu);
    }

    fn count(&mut self, run: &Run, judged: &Judged, cpu: Duration) {
        self.operations += judged.counts.operations;
        self.operations_ok += judged.counts.ok;
        let installed = run
            .record
            .faults
            .iter()
            .filter(|fault| fault.status == FaultStatus::Installed);
        for fault in installed {
            *self.faults.entry(fault.kind).or_default() += 1;
        }
        self.simulated += Duration::from_nanos(run.record.ended_ns);
        self.cpu += cpu;
    }

    /// How many faults of a kind or a family, by its name, really happened.
    pub fn installed(&self, name: &str) -> u64 {
        let faults = self.faults.iter();
        let named =
            faults.filter(|(kind, _)| [kind.info().name, kind.info().family].contains(&name));
        named.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Survived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        let kinds = self.faults.iter();
        let kinds: Vec<String> = kinds
            .map(|(kind, count)| format!("{count} {}", kind.name()))
            .collect();
        let simulated = self.simulated.as_secs_f64();
        // The clock of the system may be too coarse to see a short test.
        let rate = simulated / self.cpu.as_secs_f64().max(1e-3);
        if let Some(path) = &self.replayed {
            write!(f, "replayed {}: ", path.display())?;
        }
        writeln!(
            f,
            "{} kept its promise: {}{}, {} of {} operations ok, {faults} faults ({})",
            self.name,
            match self.regressions {
                0 => String::new(),
                count => counted(count as usize, "regression") + ", ",
            },
            counted(self.digests.len(), "trial"),
            self.operations_ok,
            self.operations,
            kinds.join(", "),
        )?;
        write!(
            f,
            "{simulated:.0} simulated seconds, {rate:.0} in a second of processor time"
        )
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
