//! The chaos test of a server of one's own.
//!
//! A test is a [`Chaos`], built in the order one thinks of it and then checked. For each seed it makes a trial, runs it under turmoil and
//! judges what the clients saw. The first trial that is not valid ends the test.
//!
//! The environment can turn a test without a change to it:
//!
//! | variable | what it does |
//! | --- | --- |
//! | `STORMGLASS_TRIAL` | runs this trial file and nothing else |
//! | `STORMGLASS_SEED` | runs this seed and no other |
//! | `STORMGLASS_SEEDS` | runs these seeds: `A..B`, or a number of them from the first on |
//! | `STORMGLASS_OUT` | keeps the runs that failed here, not in `.stormglass/runs` of the package |

mod environment;
mod failure;
mod survived;

pub use failure::{ChaosError, Failure};
pub use survived::Survived;

use environment::{Environment, Selection};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass_nemesis::foreign::{self, Caller, Client, Foreign, Make, Node, Start};
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::profile::Storm;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial, Vacuity};
use stormglass_reports::{RunDirectory, Timings};
use stormglass_workloads::register::RegisterConfig;
use stormglass_workloads::workload::WorkloadConfig;

/// A chaos test. It can be checked once it knows how a node starts and how a client is made.
#[derive(Clone)]
#[must_use = "a chaos test does nothing until `check` is called"]
pub struct Chaos<N = Missing, C = Missing> {
    plan: Plan,
    node: N,
    client: C,
}

/// In place of what a test has not been told yet.
#[derive(Clone, Copy, Debug)]
pub struct Missing;

#[derive(Clone)]
struct Plan {
    /// A trial of no particular seed, its schedule empty.
    pattern: Trial,
    faults: String,
    seeds: Vec<u64>,
    out: Option<PathBuf>,
}

impl Chaos {
    /// A test of the server of that name: three nodes, five clients, reads and writes of six registers, all faults, 20 simulated seconds,
    /// seeds 0 to 9.
    pub fn new(name: &str) -> Self {
        let registers = RegisterConfig {
            keys: 6,
            reads_percent: 50,
            writes_percent: 50,
            // Dense enough that operations are under way whenever a fault begins: some bugs show in no other moment.
            think_time_ms_min: 5,
            think_time_ms_max: 30,
            ..RegisterConfig::default()
        };
        let workload = WorkloadConfig::Register(registers);
        let pattern = Trial {
            nodes: 3,
            clients: 5,
            storm_ms: 20_000,
            ..Trial::calm(name, workload, Arena::Turmoil, 0)
        };
        let plan = Plan {
            pattern,
            faults: "all".to_string(),
            seeds: (0..10).collect(),
            out: None,
        };
        Self {
            plan,
            node: Missing,
            client: Missing,
        }
    }
}

impl<N, C> Chaos<N, C> {
    /// How many nodes: 1 to 99.
    pub fn nodes(mut self, nodes: u8) -> Self {
        self.plan.pattern.nodes = nodes;
        self
    }

    /// How many clients: 1 to 999.
    pub fn clients(mut self, clients: u32) -> Self {
        self.plan.pattern.clients = clients;
        self
    }

    /// How a node starts, at first and after every crash. The future is the node; see [`Start::new`].
    pub fn node<S, F, T, E>(self, start: S) -> Chaos<Start, C>
    where
        S: Fn(Node) -> F + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        E: std::fmt::Display,
    {
        let node = Start::new(start);
        Chaos {
            plan: self.plan,
            node,
            client: self.client,
        }
    }

    /// How a client is made, at first and after every outcome nobody knows; see [`Client`].
    pub fn client<M, T>(self, make: M) -> Chaos<N, Make>
    where
        M: Fn(Caller) -> T + 'static,
        T: Client + 'static,
    {
        let client = Make::new(make);
        Chaos {
            plan: self.plan,
            node: self.node,
            client,
        }
    }

    /// What the clients do, and by that what the server must promise.
    pub fn workload(mut self, workload: WorkloadConfig) -> Self {
        self.plan.pattern.workload = workload;
        self
    }

    /// Which faults: names of kinds and families separated by commas, as `partition,crash`, or `all`, or `none`. The names are those of
    /// [`FAULTS`](stormglass_nemesis::faults::FAULTS).
    pub fn faults(mut self, faults: &str) -> Self {
        self.plan.faults = faults.to_string();
        self
    }

    /// How long the storm lasts, in simulated time.
    pub fn time(mut self, storm: Duration) -> Self {
        self.plan.pattern.storm_ms = milliseconds(storm);
        self
    }

    /// How long after the storm the server may take to answer the final reads. No answer in that time is a violation.
    pub fn recovery(mut self, recovery: Duration) -> Self {
        self.plan.pattern.recovery_ms = milliseconds(recovery);
        self
    }

    /// How long a call may take. After that nobody knows its outcome, and a new client takes over.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.plan.pattern.patience.deadline_ms = milliseconds(deadline);
        self
    }

    /// The length of a tick of the simulation, a millisecond unless told otherwise. Longer ones are cheaper and coarser.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.plan.pattern.tick_ms = milliseconds(tick);
        self
    }

    /// The seeds, one trial for each.
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.plan.seeds = seeds.into_iter().collect();
        self
    }

    /// What a trial must have seen to count as a test.
    pub fn vacuity(mut self, vacuity: Vacuity) -> Self {
        self.plan.pattern.vacuity = vacuity;
        self
    }

    /// Where the runs that failed are kept. `STORMGLASS_OUT` goes before it.
    pub fn out(mut self, out: impl Into<PathBuf>) -> Self {
        self.plan.out = Some(out.into());
        self
    }
}

impl Chaos<Start, Make> {
    /// Runs the test, and says what it came to on standard output.
    ///
    /// # Panics
    /// At the first trial that is not valid, with the verdict, its explanation, where the run is kept and the command that repeats it.
    /// Unknown and vacuous are not valid.
    #[track_caller]
    pub fn check(&self) -> Survived {
        match self.run() {
            Ok(survived) => {
                println!("{survived}");
                survived
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Chaos::check`], but returns what that panics with, and says nothing.
    ///
    /// # Errors
    /// [`ChaosError::Failed`] for a trial that is not valid; the others for a test that cannot be run.
    pub fn run(&self) -> Result<Survived, ChaosError> {
        let environment = Environment::read()?;
        match &environment.selection {
            Selection::Trial(path) => self.repeat(path, &environment),
            Selection::Seeds(seeds) => self.seeded(seeds, &environment),
            Selection::Count(count) => {
                let first = self.plan.seeds.first().copied().unwrap_or_default();
                let seeds: Vec<u64> = (first..first.saturating_add(*count)).collect();
                self.seeded(&seeds, &environment)
            }
            Selection::AsTold => self.seeded(&self.plan.seeds, &environment),
        }
    }

    /// Runs the trial of a file, and nothing else. The file says everything but what the server is.
    ///
    /// # Errors
    /// As [`Chaos::run`]. A file that cannot be used is named with the field or the line that is wrong.
    pub fn replay(&self, path: &Path) -> Result<Survived, ChaosError> {
        self.repeat(path, &Environment::read()?)
    }

    /// The trial of a seed, as the test would run it.
    ///
    /// # Errors
    /// [`ChaosError::Setup`].
    pub fn trial(&self, seed: u64) -> Result<Trial, ChaosError> {
        let mut trial = self.plan.pattern.clone();
        trial.seed = seed;
        let storm = Storm {
            nodes: trial.nodes,
            spares: trial.spares,
            storm_ms: trial.storm_ms,
            election_timeout_ms_min: trial.knobs.election_timeout.min_ns / 1_000_000,
            kinds: foreign::kinds(&self.plan.faults).map_err(ChaosError::Setup)?,
            message_kinds: &[],
            drift_percent_max: 0,
            seed,
        };
        // A storm over no nodes cannot be drawn.
        trial.validate().map_err(ChaosError::Setup)?;
        trial.schedule = foreign::storm(&storm);
        Ok(trial)
    }

    fn seeded(&self, seeds: &[u64], environment: &Environment) -> Result<Survived, ChaosError> {
        if seeds.is_empty() {
            return Err(ChaosError::Setup(
                "seeds: there are none, so nothing is tested".to_string(),
            ));
        }
        let mut survived = Survived::new(&self.plan.pattern.cluster, None);
        for seed in seeds {
            self.attempt(&self.trial(*seed)?, environment, &mut survived)?;
        }
        Ok(survived)
    }

    fn repeat(&self, path: &Path, environment: &Environment) -> Result<Survived, ChaosError> {
        let trial = Trial::read(path)?;
        let (found, wanted) = (&trial.cluster, &self.plan.pattern.cluster);
        if found != wanted {
            let cause = format!(
                "cluster: the trial is one of {found:?}, this is a test of {wanted:?}; run the test it came from"
            );
            return Err(ChaosError::Unfit {
                path: path.to_path_buf(),
                cause,
            });
        }
        let mut survived = Survived::new(wanted, Some(path));
        self.attempt(&trial, environment, &mut survived)
            .map_err(|error| match error {
                ChaosError::Setup(cause) => ChaosError::Unfit {
                    path: path.to_path_buf(),
                    cause,
                },
                ChaosError::Failed(failure) => {
                    ChaosError::Failed(Box::new(failure.replayed_from(path)))
                }
                other => other,
            })?;
        Ok(survived)
    }

    /// Runs and judges a trial. What is not valid is run again, to see whether it can be repeated, and kept.
    fn attempt(
        &self,
        trial: &Trial,
        environment: &Environment,
        survived: &mut Survived,
    ) -> Result<(), ChaosError> {
        let began = Instant::now();
        let begun = cpu_time();
        let run = self.ride(trial)?;
        let simulated = cpu_time().saturating_sub(begun);
        let judged = judge(trial, &run).map_err(|error| ChaosError::Check {
            seed: trial.seed,
            error,
        })?;
        let all = cpu_time().saturating_sub(begun);
        if judged.ruling == Ruling::Valid {
            survived.add(trial, &run, &judged, all);
            return Ok(());
        }
        let again = self.ride(trial)?;
        let repeats = again == run;
        let timings = Timings {
            simulate_cpu_ms: Some(simulated.as_secs_f64() * 1e3),
            judge_cpu_ms: Some(all.saturating_sub(simulated).as_secs_f64() * 1e3),
            wall_ms: Some(began.elapsed().as_secs_f64() * 1e3),
        };
        let out = self.plan.out.as_deref();
        let kept = keep(&environment.out(out), trial, &run, &judged, &timings);
        let failure = Failure::new(trial, &run, &judged, repeats, kept);
        Err(ChaosError::Failed(Box::new(failure)))
    }

    fn ride(&self, trial: &Trial) -> Result<Run, ChaosError> {
        let cluster = Foreign {
            start: self.node.clone(),
            client: self.client.clone(),
        };
        let ridden = foreign::run(trial, &cluster, &mut |_| ControlFlow::Continue(()));
        ridden.map_err(|error| ChaosError::arena(trial.seed, error))
    }
}

/// Keeps a run. An error here must not hide the verdict, so it is given as text.
fn keep(
    out: &Path,
    trial: &Trial,
    run: &Run,
    judged: &Judged,
    timings: &Timings,
) -> Result<PathBuf, String> {
    let kept = RunDirectory::create(out, trial).and_then(|directory| {
        let file = directory
            .path()
            .join(stormglass_reports::run_directory::TRIAL);
        let command = failure::replay_command(&file);
        directory.write(trial, run, judged, timings, &command)?;
        Ok(directory.path().to_path_buf())
    });
    kept.map_err(|error| error.to_string())
}

/// Processor time of this thread; where the system does not tell, wall time since the first call.
fn cpu_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    told.map_or_else(
        || {
            static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
            START.get_or_init(Instant::now).elapsed()
        },
        Duration::from_nanos,
    )
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
