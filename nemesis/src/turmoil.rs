//! The turmoil arena: the real host, codec and write-ahead log on turmoil's network and file system.
//!
//! Turmoil gives the machines: each node is a host with its own tokio runtime, sockets and disk, which crashes and comes back as turmoil
//! does it. Every delay and every cut is made at the host's gate, drawn as everywhere else from the seed, the link and the frame; turmoil's
//! own latency is constant and its losses are off. All clients live on one host, because the cost of a tick grows with the hosts.

use crate::arena::{ArenaError, Progress};
use crate::conductor::{Conductor, Order};
use crate::desk::{Desk, Ending, Plan};
use crate::observer::{Board, Observed};
use crate::record::{Run, ViolationKind};
use crate::trial::Trial;
use crate::weather::{self, Passage, Weather};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{ClientId, DelayRange, NodeId, Now, RequestId};
use stormglass_impls::host::turmoil::{TurmoilClock, TurmoilDisk, TurmoilNet};
use stormglass_impls::host::{Draw, Fate, Fsync, Gate, Host};
use stormglass_impls::system::{Setup, System};
use stormglass_impls::wire::Party;
use stormglass_workloads::client::{ClientConfig, Outcome};
use stormglass_workloads::draw::Draws;
use stormglass_workloads::driver::{self, Driver, Task};
use stormglass_workloads::workload::{Binding, Operation};

/// The port every node listens at.
const PORT: u16 = 7_000;
/// How often progress is told, in simulated nanoseconds.
const PROGRESS_NS: u64 = 1_000_000_000;
/// How often the whole-state form of the invariants runs, in simulated nanoseconds.
const AUDIT_NS: u64 = 10_000_000_000;

/// What all hosts of a simulation share. It lives outside of them, so no crash touches it.
struct Stage {
    trial: Trial,
    weather: RefCell<Weather>,
    board: Rc<RefCell<Board>>,
    desk: RefCell<Desk>,
    binding: Rc<dyn Binding>,
    timers: Draws,
    syncs: Draws,
    /// How often each party drew for a timer.
    timer_draws: RefCell<BTreeMap<u64, u64>>,
    /// How often each node synced.
    sync_draws: RefCell<BTreeMap<NodeId, u64>>,
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
    let board = Rc::new(RefCell::new(Board::new(system.as_ref(), clock)));
    let stage = Rc::new(Stage {
        trial: trial.clone(),
        weather: RefCell::new(Weather::new(trial.network, trial.seed)),
        board: Rc::clone(&board),
        desk: RefCell::new(Desk::new(trial)),
        binding,
        timers: Draws::new(trial.seed, "timer"),
        syncs: Draws::new(trial.seed, "sync"),
        timer_draws: RefCell::default(),
        sync_draws: RefCell::default(),
    });
    let system: Rc<dyn System> = Rc::new(Observed { system, board });
    let mut sim = build(&stage, &system);
    let mut conductor = Conductor::new(trial);
    let interrupted = storm(&stage, &mut sim, &mut conductor, &now_ns, progress)?;
    stage.audit();
    drop(sim);

    let mut board = stage.board.borrow_mut();
    board.demand_progress(trial, &stage.desk.borrow(), interrupted);
    let weather = stage.weather.borrow();
    let faults = conductor.finish(&weather);
    let record = board.record(trial, interrupted, weather.traffic(), faults);
    let desk = stage.desk.replace(Desk::new(trial));
    Ok(Run {
        history: desk.finish(),
        record,
    })
}

fn build(stage: &Rc<Stage>, system: &Rc<dyn System>) -> ::turmoil::Sim<'static> {
    let trial = &stage.trial;
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
    let mut sim = builder.build();
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
            for client in 0..stage.trial.clients {
                clients.spawn_local(visit(Rc::clone(&stage), client, addresses.clone()));
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

/// Runs a node. A host that stops by itself is a finding, not the end of the simulation.
async fn serve(stage: &Rc<Stage>, system: Rc<dyn System>, node: NodeId, addresses: Vec<String>) {
    let setup = Setup {
        id: node,
        nodes: stage.trial.nodes,
        knobs: stage.trial.knobs.clone(),
        mutant: stage.trial.mutant.clone(),
    };
    let host = Host {
        system,
        setup,
        addresses,
        wal_path: "/wal".into(),
        net: TurmoilNet,
        disk: TurmoilDisk,
        clock: TurmoilClock,
        gate: Rc::new(StormGate(Rc::clone(stage))),
        draw: stage.draw(Party::Node(node)),
    };
    let stopped: Result<Infallible, _> = host.run().await;
    let Err(error) = stopped;
    stage
        .board
        .borrow_mut()
        .violation(ViolationKind::Host, "host", Some(node), error.to_string());
    std::future::pending::<()>().await;
}

/// Runs a client.
async fn visit(stage: Rc<Stage>, client: u32, addresses: Vec<String>) {
    let driver = Driver {
        config: ClientConfig {
            id: ClientId(client),
            servers: stage.trial.nodes,
            patience: stage.trial.patience,
        },
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
        requests: 0,
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
        let mut orders = conductor.due(now, &mut stage.weather.borrow_mut());
        if now >= storm_ns && !healed {
            orders.extend(conductor.heal(now, &mut stage.weather.borrow_mut()));
            healed = true;
        }
        for order in orders {
            match order {
                Order::Stop(node) => sim.crash(node.to_string()),
                Order::Start(node) => sim.bounce(node.to_string()),
            }
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
        while let Some(seen) = { stage.board.borrow_mut().next_fact() } {
            conductor.noticed(&seen);
        }
    }
}

impl Stage {
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

/// The gate of every host and client: asks the weather.
struct StormGate(Rc<Stage>);

impl Gate for StormGate {
    fn dial(&self, from: Party, to: Party, _: u64) -> bool {
        self.0.weather.borrow_mut().may_dial(from, to)
    }

    fn frame(&self, from: Party, to: Party, _: u64, _: &[u8]) -> Fate {
        match self.0.weather.borrow_mut().passage(from, to) {
            Passage::Cut => Fate::Drop,
            Passage::After(ns) => Fate::Delay { ns },
        }
    }

    fn sync(&self, node: NodeId) -> Fsync {
        let mut draws = self.0.sync_draws.borrow_mut();
        let draws = draws.entry(node).or_default();
        *draws += 1;
        let (low, high) = self.0.trial.sync_ms;
        let ns = self
            .0
            .syncs
            .within(&[node.0.into(), *draws], low * 1_000_000..=high * 1_000_000);
        Fsync::After { ns }
    }
}

/// A client's place at the desk.
struct Seat {
    stage: Rc<Stage>,
    client: u32,
    calling: Option<Operation>,
    requests: u64,
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
        let operation = self
            .stage
            .desk
            .borrow_mut()
            .call(self.client, now.monotonic_ns);
        let body = self.stage.binding.request(&operation);
        self.calling = Some(operation);
        self.requests += 1;
        (RequestId(self.requests), body)
    }

    fn ended(&mut self, now: Now, _: RequestId, outcome: Outcome) {
        let operation = self.calling.take().expect("only what was called can end");
        let ending = Ending::of(&operation, outcome, self.stage.binding.as_ref());
        if let Err(error) = &ending {
            self.stage.board.borrow_mut().violation(
                ViolationKind::Protocol,
                "protocol",
                None,
                error.clone(),
            );
        }
        let ending = ending.unwrap_or_else(Ending::Unknown);
        self.stage
            .desk
            .borrow_mut()
            .ended(self.client, now.monotonic_ns, ending);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a simulation lasts less than 584 years")
}
