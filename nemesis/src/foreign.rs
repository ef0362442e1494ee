//! Attacks a server that is not ours: any async server that uses turmoil's network and file system, as it is.
//!
//! A foreign cluster is two closures: how a node starts, and how a client is made. There is no gate in such a server, so faults are made
//! with turmoil itself, between ticks. What follows from that:
//!
//! - A cut drops whole segments, those in flight too, and turmoil's TCP never sends them again: a connection that met a cut is stuck for
//!   ever. The evidence of a cut (`effects` of its record) is the number of directed links turmoil really cut while both ends were up.
//! - Turmoil has one latency for both ways of a link. A slow link is slow both ways, by a delay drawn once for each fault and link. On a
//!   good day every link has a latency of its own, drawn from the seed and constant.
//! - The acceptance of a connection does not pass the network: a one-way cut stops the call for it and the data, not the acceptance.
//! - Clients reach every node that is up. Faults lie between nodes.
//! - Nobody says who leads or how far a node is, so no fault is aimed by that: see [`storm`].
//! - A crash loses everything that was not synced.
//! - Of the kinds of fault, those that need no gate can be made: see [`FaultInfo::foreign`](crate::faults::FaultInfo::foreign).
//! - There are no inputs to hash. The digest covers every call and its ending, every start and every stop, each with its time.

mod client;
mod links;
mod panics;

pub use client::{Caller, Client};

use crate::arena::{ArenaError, Progress};
use crate::conditions::Conditions;
use crate::conductor::{Conductor, Order};
use crate::desk::Desk;
use crate::faults::{FaultKind, named};
use crate::observer::Board;
use crate::profile::Storm;
use crate::record::{Run, Traffic, ViolationKind, Wear};
use crate::schedule::{Fault, When};
use crate::trial::{Arena, Trial};
use crate::watchdog::{self, Pulse};
use crate::weather;
use client::AnyClient;
use links::Links;
use panics::Panics;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_impls::contract::NodeId;
use stormglass_impls::system::{self, Budget};

/// The host all clients live on: the cost of a tick grows with the hosts.
const CLIENTS: &str = "clients";
/// How often progress is told, in simulated nanoseconds.
const PROGRESS_NS: u64 = 1_000_000_000;

type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A node, as the code that starts it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number, from 1.
    pub id: u8,
    /// Its host name: what others reach it by, and what it finds itself by in [`Node::nodes`].
    pub name: String,
    /// The host names of all nodes by number, its own among them.
    pub nodes: Vec<String>,
}

impl Node {
    /// The host names of the other nodes, by number.
    pub fn peers(&self) -> Vec<String> {
        let others = self.nodes.iter().filter(|name| **name != self.name);
        others.cloned().collect()
    }
}

/// How a node starts.
#[derive(Clone)]
pub struct Start(Rc<dyn Fn(Node) -> LocalFuture<'static, Result<(), String>>>);

impl Start {
    /// `start` is called at the start and after every crash, and finds the disk as the crash left it. Its future is the node: an error
    /// it ends with is a violation, and so is a panic of it or of anything it spawned. A future that ends well leaves what it spawned
    /// running.
    pub fn new<S, F, T, E>(start: S) -> Self
    where
        S: Fn(Node) -> F + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        E: Display,
    {
        Self(Rc::new(move |node| {
            let running = start(node);
            Box::pin(async move { running.await.map(|_| ()).map_err(|e| e.to_string()) })
        }))
    }
}

/// How a client is made.
#[derive(Clone)]
pub struct Make(Rc<dyn Fn(Caller) -> Box<dyn AnyClient>>);

impl Make {
    /// `make` is called for every client, and again after every outcome nobody knows.
    pub fn new<M, C>(make: M) -> Self
    where
        M: Fn(Caller) -> C + 'static,
        C: Client + 'static,
    {
        Self(Rc::new(move |caller| Box::new(make(caller))))
    }
}

/// A cluster that is not ours.
#[derive(Clone)]
pub struct Foreign {
    /// How its nodes start.
    pub start: Start,
    /// How its clients are made.
    pub client: Make,
}

/// The kinds of fault that can befall a foreign cluster, from a list of [names](named).
///
/// # Errors
/// A sentence that names what is no fault, or none that can befall such a cluster.
pub fn kinds(list: &str) -> Result<Vec<FaultKind>, String> {
    named(list, &|kind| {
        let cause = "needs to know who leads, or a gate at every node, which only pure cores have";
        (!kind.info().foreign).then(|| cause.to_string())
    })
}

/// The schedule of a storm over a foreign cluster. What the storm would aim at a leader befalls a node drawn from the seed.
pub fn storm(storm: &Storm) -> Vec<Fault> {
    storm.leaderless_schedule()
}

/// Keeps every other foreign cluster of this process waiting, for as long as it is held: tasks of tokio have numbers that they share. Whoever runs
/// something else on tokio beside a test of such a cluster holds it, too.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is assumed of a server that promises nothing in particular.
const PROMISE: Budget = Budget {
    links: system::Links::Any,
    crashes: true,
    pauses: false,
    disk_stops: false,
    synced_loss: false,
    wall_clock: false,
    drift_percent_max: 0,
    membership: false,
};

/// What all hosts of a simulation share. It lives outside of them, so no crash touches it.
struct Stage {
    trial: Trial,
    cluster: Foreign,
    board: RefCell<Board>,
    desk: RefCell<Desk>,
    panics: Panics,
}

/// Runs a trial on a foreign cluster. The trial's `cluster` is a name and nothing else.
pub fn run(
    trial: &Trial,
    cluster: &Foreign,
    progress: &mut Progress<'_>,
) -> Result<Run, ArenaError> {
    check(trial)?;
    let alone = alone();
    align_task_numbers();
    let now_ns = Rc::new(Cell::new(0));
    let clock = Rc::clone(&now_ns);
    // Within a tick every host has a time of its own; between ticks there is only the simulation's.
    let clock = Rc::new(move || ::turmoil::sim_elapsed().map_or_else(|| clock.get(), nanoseconds));
    let stage = Rc::new(Stage {
        trial: trial.clone(),
        cluster: cluster.clone(),
        board: RefCell::new(Board::blind(clock)),
        desk: RefCell::new(Desk::new(trial)),
        panics: Panics::catch(),
    });
    let mut conductor = Conductor::new(trial);
    let mut conditions = Conditions::new(trial, &PROMISE);
    let mut sim = build(&stage);
    // A panic may come from where no task is: from what a crash drops, or from turmoil itself. It was caught as all are, and the
    // simulation is not used any more.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        ride(
            &stage,
            &mut sim,
            &mut conductor,
            &mut conditions,
            &now_ns,
            progress,
        )
    }));
    stage.hear_panics();
    // What panics because the simulation is over was not part of the trial.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(sim)));
    let broken = !stage.board.borrow().violations.is_empty();
    let interrupted = match outcome {
        Ok(Ok(interrupted)) => interrupted,
        _ if broken => false,
        Ok(Err(cause)) => {
            return Err(ArenaError::Failed {
                arena: "turmoil",
                cause,
            });
        }
        Err(panic) => std::panic::resume_unwind(panic),
    };
    drop(alone);
    let mut board = stage.board.borrow_mut();
    board.demand_progress(trial, &stage.desk.borrow(), interrupted);
    let faults = conductor.finish(&conditions);
    let record = board.record(
        trial,
        interrupted,
        (Traffic::default(), Wear::default()),
        faults,
    );
    let desk = stage.desk.replace(Desk::new(trial));
    Ok(Run {
        history: desk.finish(),
        record,
    })
}

/// One foreign cluster at a time in a process. Tokio numbers its tasks through the whole process, and ends the tasks of a crashed node in
/// an order that depends on their numbers: two clusters at a time would disturb each other.
static ALONE: Mutex<()> = Mutex::new(());

/// Lets the numbers of the tasks of this trial begin at a multiple of what their order of ending depends on.
fn align_task_numbers() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .build()
        .expect("a runtime without threads needs nothing");
    let number = || runtime.spawn(async {}).id().to_string().parse::<u64>();
    // A number that cannot be read is one that nothing can be done about.
    while number().is_ok_and(|number| !number.is_multiple_of(64)) {}
}

/// Checks what a foreign cluster cannot do.
fn check(trial: &Trial) -> Result<(), ArenaError> {
    trial.validate().map_err(ArenaError::Unsound)?;
    let unsound = |text: &str| Err(ArenaError::Unsound(text.to_string()));
    if trial.arena != Arena::Turmoil {
        return unsound("arena: a server of one's own runs in turmoil and nowhere else");
    }
    if trial.mutant.is_some() {
        return unsound("mutant: only reference clusters have mutants; plant a bug in the server");
    }
    for fault in &trial.schedule {
        if !fault.kind.info().foreign || matches!(fault.when, When::OnFact { .. }) {
            let text = "schedule: fault {}: kind: a server that is not ours cannot be given this fault; it has no gate and tells no facts";
            return unsound(&text.replace("{}", &fault.id.to_string()));
        }
    }
    Ok(())
}

fn build(stage: &Rc<Stage>) -> ::turmoil::Sim<'static> {
    let trial = &stage.trial;
    let latency = Duration::from_micros(trial.network.delay_us_max);
    let mut builder = ::turmoil::Builder::new();
    builder
        .rng_seed(trial.seed)
        .epoch(std::time::UNIX_EPOCH + Duration::from_nanos(weather::EPOCH_NS))
        .tick_duration(Duration::from_millis(trial.tick_ms))
        .simulation_duration(Duration::from_secs(30 * 86_400))
        .min_message_latency(latency)
        .max_message_latency(latency)
        // Turmoil never gives back the port of a connection that was not made. These are as many as Linux has.
        .ephemeral_ports(32_768..=65_535)
        .tcp_capacity(4_096);
    let mut sim = builder.build();
    let nodes: Vec<String> = NodeId::all(trial.nodes)
        .map(|node| node.to_string())
        .collect();
    for id in NodeId::all(trial.nodes) {
        let node = Node {
            id: id.0,
            name: id.to_string(),
            nodes: nodes.clone(),
        };
        let stage = Rc::clone(stage);
        sim.host(node.name.clone(), move || {
            serve(Rc::clone(&stage), id, node.clone())
        });
    }
    let stage = Rc::clone(stage);
    sim.host(CLIENTS, move || {
        let (stage, nodes) = (Rc::clone(&stage), nodes.clone());
        async move {
            let mut clients = tokio::task::JoinSet::new();
            for id in 0..stage.trial.clients {
                clients.spawn_local(client::visit(Rc::clone(&stage), id, nodes.clone()));
            }
            // A client that panics was caught as all panics are.
            while clients.join_next().await.is_some() {}
            Ok(())
        }
    });
    sim
}

/// Runs a node from a start to its crash. A node that stops by itself is a finding, not the end of the simulation.
async fn serve(stage: Rc<Stage>, id: NodeId, node: Node) -> ::turmoil::Result {
    stage.panics.house(id);
    stage.board.borrow_mut().note_event((id, "start"));
    let running = Beating {
        node: id,
        running: (stage.cluster.start.0)(node),
        pulse: watchdog::pulse(),
    };
    if let Err(error) = running.await {
        stage
            .board
            .borrow_mut()
            .violation(ViolationKind::Host, "node", Some(id), error);
    }
    std::future::pending().await
}

/// A node whose every turn moves the pulse of the trial.
struct Beating {
    node: NodeId,
    running: LocalFuture<'static, Result<(), String>>,
    pulse: Arc<Pulse>,
}

impl Future for Beating {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let now_ns = ::turmoil::sim_elapsed().map_or(0, nanoseconds);
        self.pulse.enter(self.node, now_ns);
        let polled = self.running.as_mut().poll(context);
        self.pulse.leave();
        polled
    }
}

/// Lets the simulation run, tick by tick, faults between the ticks. Says whether it was interrupted.
fn ride(
    stage: &Stage,
    sim: &mut ::turmoil::Sim<'static>,
    conductor: &mut Conductor,
    conditions: &mut Conditions,
    now_ns: &Cell<u64>,
    progress: &mut Progress<'_>,
) -> Result<bool, String> {
    let storm_ns = stage.trial.storm_ms * 1_000_000;
    let mut links = Links::new(&stage.trial, CLIENTS, sim);
    let (mut healed, mut told_ns) = (false, 0);
    loop {
        let now = nanoseconds(sim.elapsed());
        now_ns.set(now);
        let cue = conductor.next_ns().is_some_and(|at_ns| at_ns <= now);
        let heals = now >= storm_ns && !healed;
        let mut orders = conductor.due(now, conditions, &|_| None);
        if heals {
            orders.extend(conductor.heal(now, conditions));
            healed = true;
        }
        for order in orders {
            match order {
                Order::Stop(node) => {
                    sim.crash(node.to_string());
                    stage.board.borrow_mut().note_event((node, "stop"));
                }
                Order::Start(node) => sim.bounce(node.to_string()),
                // Such a server tells of no pauses, and nobody knows how to manage it.
                Order::Wake(_) | Order::Reclock(_) | Order::Members(_) | Order::Lead(_) => {}
            }
        }
        if cue || heals {
            links.follow(&mut conditions.weather, sim);
        }
        stage.hear_panics();
        let broken = !stage.board.borrow().violations.is_empty();
        let desk = stage.desk.borrow();
        if broken || (healed && (now >= desk.patience_ends_ns() || desk.all_done())) {
            return Ok(false);
        }
        drop(desk);
        if now >= told_ns + PROGRESS_NS {
            told_ns = now;
            if progress(now).is_break() {
                return Ok(true);
            }
        }
        sim.step().map_err(|error| error.to_string())?;
    }
}

impl Stage {
    /// The time of the host it is asked on, in simulated nanoseconds.
    fn now_ns(&self) -> u64 {
        ::turmoil::sim_elapsed().map_or(0, nanoseconds)
    }

    /// Writes down the panics caught since it was last asked.
    fn hear_panics(&self) {
        for panic in self.panics.take() {
            self.board.borrow_mut().violation(
                ViolationKind::Panic,
                "panic",
                panic.node,
                panic.message,
            );
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a simulation lasts less than 584 years")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FAULTS;
    use crate::schedule::Target;

    #[test]
    fn a_family_and_all_leave_out_what_needs_a_leader() {
        let all = kinds("all").unwrap();
        assert_eq!(all.len(), FAULTS.iter().filter(|info| info.foreign).count());
        assert!(!all.contains(&FaultKind::KillFreshLeader));
        assert_eq!(
            kinds("crash, slow-links").unwrap(),
            [
                FaultKind::SlowLinks,
                FaultKind::Crash,
                FaultKind::CrashAll,
                FaultKind::PowerBlip
            ]
        );
        assert_eq!(kinds("none").unwrap(), []);
        assert!(kinds("partition-leader").unwrap_err().contains("who leads"));
        assert!(kinds("plague").unwrap_err().contains("there is no fault"));
    }

    #[test]
    fn a_storm_over_strangers_aims_at_no_leader() {
        let shape = |seed| Storm {
            nodes: 3,
            spares: 0,
            storm_ms: 60_000,
            election_timeout_ms_min: 150,
            kinds: kinds("all").unwrap(),
            message_kinds: &[],
            drift_percent_max: 0,
            seed,
        };
        let aimed = |fault: &Fault| fault.action.target() == Some(&Target::Leader);
        let plain: Vec<Fault> = (0..10).flat_map(|seed| shape(seed).schedule()).collect();
        assert!(plain.iter().any(aimed), "or this test tests nothing");
        let blind: Vec<Fault> = (0..10).flat_map(|seed| storm(&shape(seed))).collect();
        assert_eq!(blind.len(), plain.len());
        assert!(!blind.iter().any(aimed));
    }
}
