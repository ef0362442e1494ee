//! The turmoil arena: the real host, codec and write-ahead log on turmoil's network and file system.
//!
//! Turmoil gives the machines: each node is a host with its own tokio runtime, sockets and disk, which crashes and comes back as turmoil
//! does it. Every delay and every cut is made at the host's gate, drawn as everywhere else from the seed, the link and the frame; turmoil's
//! own latency is constant and its losses are off. All clients live on one host, because the cost of a tick grows with the hosts.
//!
//! | file | what is there |
//! | --- | --- |
//! | `mod.rs` | the simulation: hosts, clients, and faults between the ticks |
//! | `gate.rs` | the gate of every host |
//! | `machine.rs` | the disk and the clocks of a node |
//! | `steps.rs` | nothing happens but what is named (feature `model`) |

mod gate;
mod machine;
#[cfg(feature = "model")]
pub(crate) mod steps;

use crate::arena::{ArenaError, Progress, client_configs, setup};
use crate::conditions::Conditions;
use crate::conductor::{Conductor, Order};
use crate::desk::{Calling, Desk, Plan};
use crate::observer::{Board, Observed};
use crate::record::{Run, ViolationKind};
use crate::trial::Trial;
use crate::weather;
use gate::StormGate;
use machine::{StormClock, StormDisk, Unsynced};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{ClientId, DelayRange, NodeId, Now, RequestId};
use stormglass_impls::host::turmoil::{TurmoilClock, TurmoilNet};
use stormglass_impls::host::{Compaction, Draw, Host, HostError, WalError};
use stormglass_impls::system::System;
use stormglass_impls::wire::Party;
use stormglass_workloads::client::{ClientConfig, Outcome};
use stormglass_workloads::draw::Draws;
use stormglass_workloads::driver::{self, Driver, Task};
use stormglass_workloads::workload::Binding;
use tokio::sync::Notify;

/// Where every node has its log.
const WAL: &str = "/wal";
/// The port every node listens at.
const PORT: u16 = 7_000;
/// How often progress is told, in simulated nanoseconds.
const PROGRESS_NS: u64 = 1_000_000_000;
/// How often the whole-state form of the invariants runs, in simulated nanoseconds.
const AUDIT_NS: u64 = 10_000_000_000;

/// What all hosts of a simulation share. It lives outside of them, so no crash touches it.
struct Stage {
    trial: Trial,
    /// The system as it is, not observed: for reading its words.
    system: Rc<dyn System>,
    conditions: RefCell<Conditions>,
    board: Rc<RefCell<Board>>,
    desk: RefCell<Desk>,
    binding: Rc<dyn Binding>,
    timers: Draws,
    /// How often each party drew for a timer.
    timer_draws: RefCell<BTreeMap<u64, u64>>,
    /// By node: what it has written and not synced.
    unsynced: Vec<RefCell<Unsynced>>,
    /// By node: until when its last step takes, in simulated nanoseconds.
    busy_until_ns: Vec<Cell<u64>>,
    /// By node: told when it may go on, or its clock changed.
    woken: Vec<Notify>,
    /// The nodes whose disk a fault has damaged behind their backs.
    damaged: RefCell<BTreeSet<NodeId>>,
    /// The nodes that are about to stop, and the fault that makes their disk fail.
    stopping: RefCell<BTreeMap<NodeId, u32>>,
    /// The nodes that stopped themselves since the conductor last heard: for a fault of their disk, or because it is damaged.
    stopped: RefCell<Vec<(NodeId, Option<u32>)>>,
}

/// Runs a trial on a cluster of that system.
pub fn run(
    trial: &Trial,
    system: Rc<dyn System>,
    binding: Rc<dyn Binding>,
    progress: &mut Progress<'_>,
) -> Result<Run, ArenaError> {
    let now_ns = Rc::new(Cell::new(0));
    let clock = Rc::clone(&now_ns);
    // Within a tick every host has a time of its own; between ticks there is only the simulation's.
    let clock = Rc::new(move || ::turmoil::sim_elapsed().map_or_else(|| clock.get(), nanoseconds));
    let board = Rc::new(RefCell::new(Board::new(system.as_ref(), trial, clock)));
    let nodes = usize::from(trial.nodes);
    let stage = Rc::new(Stage {
        trial: trial.clone(),
        system: Rc::clone(&system),
        conditions: RefCell::new(Conditions::new(trial, &system.budget())),
        board: Rc::clone(&board),
        desk: RefCell::new(Desk::new(trial)),
        binding,
        timers: Draws::new(trial.seed, "timer"),
        timer_draws: RefCell::default(),
        unsynced: (0..nodes).map(|_| RefCell::default()).collect(),
        busy_until_ns: vec![Cell::new(0); nodes],
        woken: (0..nodes).map(|_| Notify::new()).collect(),
        damaged: RefCell::default(),
        stopping: RefCell::default(),
        stopped: RefCell::default(),
    });
    let system: Rc<dyn System> = Rc::new(Observed { system, board });
    let mut sim = build(&stage, &system);
    let mut conductor = Conductor::new(trial);
    let interrupted = storm(&stage, &mut sim, &mut conductor, &now_ns, progress)?;
    stage.audit();
    drop(sim);

    let mut board = stage.board.borrow_mut();
    board.demand_progress(trial, &stage.desk.borrow(), interrupted);
    board.audit_harness(stage.desk.borrow().history());
    let mut conditions = stage.conditions.borrow_mut();
    let counts = (conditions.weather.traffic(), *conditions.machines.wear());
    let faults = conductor.finish(&conditions);
    let record = board.record(trial, interrupted, counts, faults);
    let desk = stage.desk.replace(Desk::new(trial));
    Ok(Run {
        history: desk.finish(),
        record,
    })
}

/// A network without hosts, on which nothing is delayed or lost.
fn machines(trial: &Trial) -> ::turmoil::Sim<'static> {
    let tick = Duration::from_millis(trial.tick_ms);
    let mut builder = ::turmoil::Builder::new();
    builder
        .rng_seed(trial.seed)
        .epoch(std::time::UNIX_EPOCH + Duration::from_nanos(weather::EPOCH_NS))
        .tick_duration(tick)
        .simulation_duration(Duration::from_secs(30 * 86_400))
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::ZERO)
        // Turmoil never gives back the port of a connection that was not made. These are as many as Linux has.
        .ephemeral_ports(32_768..=65_535)
        .tcp_capacity(4_096);
    builder.build()
}

fn build(stage: &Rc<Stage>, system: &Rc<dyn System>) -> ::turmoil::Sim<'static> {
    let trial = &stage.trial;
    let mut sim = machines(trial);
    let addresses: Vec<String> = NodeId::all(trial.nodes)
        .map(|node| format!("{node}:{PORT}"))
        .collect();
    for node in NodeId::all(trial.nodes) {
        let (stage, system, addresses) = (Rc::clone(stage), Rc::clone(system), addresses.clone());
        sim.host(node.to_string(), move || {
            let (stage, system, addresses) =
                (Rc::clone(&stage), Rc::clone(&system), addresses.clone());
            async move {
                serve(&stage, system, node, addresses).await;
                Ok(())
            }
        });
    }
    let stage = Rc::clone(stage);
    sim.host("clients", move || {
        let (stage, addresses) = (Rc::clone(&stage), addresses.clone());
        async move {
            let mut clients = tokio::task::JoinSet::new();
            for config in client_configs(&stage.trial) {
                clients.spawn_local(visit(Rc::clone(&stage), config, addresses.clone()));
            }
            while let Some(ended) = clients.join_next().await {
                if let Err(error) = ended {
                    stage.board.borrow_mut().violation(
                        ViolationKind::Panic,
                        "client",
                        None,
                        error.to_string(),
                    );
                }
            }
            Ok(())
        }
    });
    sim
}

/// Runs a node. A host that stops by itself is a finding, unless a fault of its disk made it stop, and not the end of the simulation.
async fn serve(stage: &Rc<Stage>, system: Rc<dyn System>, node: NodeId, addresses: Vec<String>) {
    let host = Host {
        system,
        setup: setup(node, &stage.trial),
        addresses,
        wal_path: WAL.into(),
        // Small enough that an ordinary trial has its log written anew a few times.
        compaction: Compaction {
            file_bytes_min: 4 << 10,
            ..Compaction::default()
        },
        net: TurmoilNet,
        disk: StormDisk {
            stage: Rc::clone(stage),
            node,
        },
        clock: StormClock {
            stage: Rc::clone(stage),
            node,
        },
        gate: Rc::new(StormGate(Rc::clone(stage))),
        draw: stage.draw(Party::Node(node)),
    };
    let stopped: Result<Infallible, _> = host.run().await;
    let Err(error) = stopped;
    let expected = stage.stopping.borrow_mut().remove(&node);
    let damaged = matches!(
        error,
        HostError::Wal(WalError::Damaged { .. } | WalError::Foreign { .. })
    );
    if expected.is_some() || (damaged && stage.damaged.borrow().contains(&node)) {
        stage.stopped.borrow_mut().push((node, expected));
    } else {
        let mut board = stage.board.borrow_mut();
        board.violation(ViolationKind::Host, "host", Some(node), error.to_string());
    }
    std::future::pending::<()>().await;
}

/// Runs a client.
async fn visit(stage: Rc<Stage>, config: ClientConfig, addresses: Vec<String>) {
    let client = config.id.0;
    let driver = Driver {
        config,
        addresses,
        net: TurmoilNet,
        clock: TurmoilClock,
        gate: Rc::new(StormGate(Rc::clone(&stage))),
        draw: stage.draw(Party::Client(ClientId(client))),
    };
    let mut seat = Seat {
        stage,
        client,
        calling: None,
    };
    driver
        .drive(&mut seat)
        .await
        .expect("a trial has an address for every node");
}

/// Lets the simulation run, tick by tick, faults between the ticks. Says whether it was interrupted.
fn storm(
    stage: &Rc<Stage>,
    sim: &mut ::turmoil::Sim<'static>,
    conductor: &mut Conductor,
    now_ns: &Cell<u64>,
    progress: &mut Progress<'_>,
) -> Result<bool, ArenaError> {
    let storm_ns = stage.trial.storm_ms * 1_000_000;
    let (mut healed, mut told_ns, mut audited_ns) = (false, 0, 0);
    loop {
        let now = nanoseconds(sim.elapsed());
        now_ns.set(now);
        stage.hear_stops(sim, conductor, now);
        let progress_of = |node| stage.board.borrow().progress(node);
        let mut orders = conductor.due(now, &mut stage.conditions.borrow_mut(), &progress_of);
        if now >= storm_ns && !healed {
            orders.extend(conductor.heal(now, &mut stage.conditions.borrow_mut()));
            healed = true;
        }
        for order in orders {
            match order {
                Order::Stop(node) => stage.crash(node, sim),
                Order::Start(node) => sim.bounce(node.to_string()),
                Order::Wake(node) | Order::Reclock(node) => {
                    stage.woken[node.index()].notify_waiters()
                }
                Order::Members(goal) => stage.desk.borrow_mut().wants(goal),
                Order::Lead(node) => stage.desk.borrow_mut().wants_leader(node),
            }
        }
        if healed {
            stage.desk.borrow_mut().storm_is_over();
        }
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
        if now >= audited_ns + AUDIT_NS {
            audited_ns = now;
            stage.audit();
        }
        sim.step().map_err(|error| ArenaError::Failed {
            arena: "turmoil",
            cause: error.to_string(),
        })?;
        while let Some((time_ns, node, notice)) = { stage.board.borrow_mut().next_notice() } {
            conductor.noticed(time_ns, node, &notice);
        }
    }
}

impl Stage {
    /// A node is about to stop, because this fault makes its disk fail.
    fn expect_stop(&self, node: NodeId, fault: u32) {
        self.stopping.borrow_mut().insert(node, fault);
    }

    fn crash(&self, node: NodeId, sim: &mut ::turmoil::Sim<'static>) {
        sim.crash(node.to_string());
        self.busy_until_ns[node.index()].set(0);
        self.unsynced[node.index()].borrow_mut().next = None;
        self.stopping.borrow_mut().remove(&node);
    }

    /// Tells the conductor of the nodes that stopped themselves, and takes down what is left of them.
    fn hear_stops(
        &self,
        sim: &mut ::turmoil::Sim<'static>,
        conductor: &mut Conductor,
        now_ns: u64,
    ) {
        for (node, fault) in self.stopped.take() {
            self.crash(node, sim);
            match fault {
                Some(fault) => conductor.stopped_itself(node, fault, now_ns),
                None => {
                    self.conditions.borrow_mut().machines.wear().disks_refused += 1;
                    conductor.refused_to_start(node);
                }
            }
        }
    }

    fn audit(&self) {
        let mut board = self.board.borrow_mut();
        if board.violations.is_empty() {
            board.audit();
        }
    }

    /// Draws timers for a party, by how many it has drawn. The count goes on across crashes.
    fn draw<T: 'static>(self: &Rc<Self>, party: Party) -> Draw<T> {
        let stage = Rc::clone(self);
        let key = weather::key(party);
        Box::new(move |_, range: DelayRange| {
            let mut draws = stage.timer_draws.borrow_mut();
            let draws = draws.entry(key).or_default();
            *draws += 1;
            stage
                .timers
                .within(&[key, *draws], range.min_ns..=range.max_ns)
        })
    }
}

/// A client's place at the desk.
struct Seat {
    stage: Rc<Stage>,
    client: u32,
    calling: Option<Calling>,
}

impl driver::Desk for Seat {
    fn next(&mut self, now: Now) -> Task {
        match self
            .stage
            .desk
            .borrow_mut()
            .plan(self.client, now.monotonic_ns)
        {
            Plan::CallAt(at_ns) => Task::CallAt { at_ns },
            Plan::Done => Task::Done,
        }
    }

    fn call(&mut self, now: Now) -> (RequestId, Vec<u8>) {
        let mut desk = self.stage.desk.borrow_mut();
        let (request, calling) = desk.call(self.client, now.monotonic_ns);
        let mut board = self.stage.board.borrow_mut();
        board.recorded(ClientId(self.client), desk.recorded(self.client));
        let stage = &self.stage;
        let body = calling.request(stage.system.as_ref(), stage.binding.as_ref());
        self.calling = Some(calling);
        (request, body)
    }

    fn ended(&mut self, now: Now, _: RequestId, outcome: Outcome) {
        let calling = self.calling.take().expect("only what was called can end");
        let (now_ns, binding) = (now.monotonic_ns, self.stage.binding.as_ref());
        let mut desk = self.stage.desk.borrow_mut();
        if let Err(error) = desk.returned(self.client, now_ns, &calling, outcome, binding) {
            let mut board = self.stage.board.borrow_mut();
            board.violation(ViolationKind::Protocol, "protocol", None, error);
        }
    }
}

/// The simulated time of the host that asks, in nanoseconds.
fn now_ns() -> u64 {
    ::turmoil::sim_elapsed().map_or(0, nanoseconds)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a simulation lasts less than 584 years")
}
