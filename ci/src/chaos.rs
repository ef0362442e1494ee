//! The chaos test of a server or a core of one's own.
//!
//! A test is a [`Chaos`], built in the order one thinks of it and then checked. First it runs again what broke once and was kept. Then it makes a
//! trial for each seed, runs it and judges what the clients saw. The first trial that is not valid ends the test.
//!
//! [`Chaos::new`] begins the test of an async server, which runs in turmoil; [`Chaos::core`] that of a pure [core](Core), which runs in the
//! simulator and in turmoil.
//!
//! The environment can turn a test without a change to it:
//!
//! | variable | what it does |
//! | --- | --- |
//! | `STORMGLASS_TRIAL` | runs this trial file and nothing else |
//! | `STORMGLASS_SEED` | runs this seed and nothing else |
//! | `STORMGLASS_SEEDS` | runs these seeds: `A..B`, or a number of them from the first on |
//! | `STORMGLASS_TIME` | makes the storm last that long: `20s`, `2m`, `1h 30m` |
//! | `STORMGLASS_OUT` | keeps the runs that failed here, not in `.stormglass/runs` of the package |
//!
//! # Regressions
//!
//! A trial that failed is kept for ever by a copy of its file in `tests/regressions/<name>` of the package, or in the folder of
//! [`Chaos::regressions`]. All files of the folder that end in `.json` are run before any seed, in the order of their names, and every one has to
//! be valid: the bug that it showed is mended. What a trial plants is left out there, unless the test plants it itself.

mod command;
mod core;
mod environment;
mod failure;
mod regressions;
mod run;
mod server;
mod survived;
mod under_test;

pub use self::core::{Answers, Core};
pub use failure::{ChaosError, Failure, LINES_MAX, Origin};
pub use survived::Survived;
pub use under_test::UnderTest;

use std::path::PathBuf;
use std::time::Duration;
use stormglass_nemesis::foreign::{Caller, Client, Make, Node, Start};
use stormglass_nemesis::trial::{Arena, Trial, Vacuity};
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
    regressions: Option<PathBuf>,
}

impl Plan {
    fn new(name: &str) -> Self {
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
        Self {
            pattern,
            faults: "all".to_string(),
            seeds: (0..10).collect(),
            out: None,
            regressions: None,
        }
    }
}

impl Chaos {
    /// A test of the server of that name: three nodes, five clients, reads and writes of six registers, all faults, 20 simulated seconds,
    /// seeds 0 to 9.
    pub fn new(name: &str) -> Self {
        Self {
            plan: Plan::new(name),
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
    /// [`FAULTS`](stormglass_nemesis::faults::FAULTS). A family, and `all`, leave out what cannot befall what is tested.
    pub fn faults(mut self, faults: &str) -> Self {
        self.plan.faults = faults.to_string();
        self
    }

    /// How long the storm lasts, in simulated time. `STORMGLASS_TIME` goes before it.
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

    /// The folder of the trials that broke something once, which are run before any seed: from the package on, or a whole path. A folder that is not
    /// there has none. Unless told otherwise it is `tests/regressions/<name>`.
    pub fn regressions(mut self, folder: impl Into<PathBuf>) -> Self {
        self.plan.regressions = Some(folder.into());
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

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
