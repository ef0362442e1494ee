//! The live arena: a trial on real processes, which are killed as `kill -9` kills, and started again from their logs.
//!
//! Nothing is simulated and nothing repeats: the schedule and the operations come from the seed, and when they meet what is up to the machine.
//! The clients live in this process, so one clock orders the history. What kernel and disk hold survives a kill: this arena shows that a node
//! loses nothing that it gave to the system, and not what a loss of power would leave.
//!
//! Who leads is not told, as it is in the other arenas, but asked, every [`ASK_EVERY`]: what a fact should start begins that much later.

use super::Plan;
use super::asking;
use super::plan::{PLAN_VERSION, free_ports};
use super::process::{Bond, NodeProcess};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{Fact, NodeId, Now, RequestId};
use stormglass_impls::host::{Clock, PlainGate, TokioClock, TokioNet, draw_from};
use stormglass_impls::manage::Report;
use stormglass_impls::system::System;
use stormglass_nemesis::arena::{ArenaError, Progress, client_configs, prepare};
use stormglass_nemesis::conditions::Conditions;
use stormglass_nemesis::conductor::{Conductor, Order};
use stormglass_nemesis::desk::{self, Calling, Desk};
use stormglass_nemesis::observer::Board;
use stormglass_nemesis::record::{FactRecord, Run, ViolationKind, Wear};
use stormglass_nemesis::schedule::Notice;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::client::{ClientConfig, Outcome};
use stormglass_workloads::driver::{self, Driver, Task};
use stormglass_workloads::workload::Binding;
use tokio::task::JoinSet;

/// How often the nodes are asked how they are.
pub const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often faults that are due are looked for.
const TICK: Duration = Duration::from_millis(2);
/// How long a cluster may take until it leads itself.
const START: Duration = Duration::from_secs(30);
/// How often progress is told, in nanoseconds.
const PROGRESS_NS: u64 = 100_000_000;

/// What the tasks of a trial share.
struct Stage {
    trial: Trial,
    plan: Plan,
    system: Rc<dyn System>,
    clock: TokioClock,
    desk: RefCell<Desk>,
    board: RefCell<Board>,
    binding: Box<dyn Binding>,
    /// What each node said last of how it is.
    reports: RefCell<BTreeMap<NodeId, Report>>,
    /// Who was found to lead since the conductor last heard.
    found: RefCell<VecDeque<FactRecord>>,
}

/// Runs a trial. `program` is the `stormglass` command; the nodes keep their data in a directory.
pub fn run(
    trial: &Trial,
    program: &Path,
    directory: &Path,
    progress: &mut Progress<'_>,
) -> Result<Run, ArenaError> {
    let (system, binding) = prepare(trial)?;
    let failed = |cause: String| ArenaError::Failed {
        arena: Arena::Live.name(),
        cause,
    };
    let ports = free_ports(
        "127.0.0.1",
        trial.nodes,
        7_400 + (std::process::id() % 1_000) as u16 * 20,
    );
    let plan = Plan {
        schema_version: PLAN_VERSION,
        system: trial.cluster.clone(),
        voters: trial.nodes - trial.spares,
        addresses: ports
            .ok_or_else(|| failed("there are no free ports".into()))?
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect(),
        knobs: trial.knobs.clone(),
        mutant: trial.mutant.clone(),
    };
    plan.write(directory)
        .map_err(|error| failed(error.to_string()))?;
    let budget = system.budget();
    let run = asking::block_on(async {
        let mut machines = Machines {
            program,
            directory,
            nodes: BTreeMap::new(),
        };
        for node in NodeId::all(trial.nodes) {
            machines
                .start(node)
                .map_err(|error| failed(error.to_string()))?;
        }
        if asking::leader(&plan, START).await.is_none() {
            let words = machines
                .fallen()
                .map(|(node, words)| format!("{node} ended: {words}"));
            return Err(failed(words.unwrap_or_else(|| "nobody leads".to_string())));
        }
        // The trial begins now.
        let clock = TokioClock::start();
        let stage = Rc::new(Stage {
            trial: trial.clone(),
            plan,
            system,
            clock,
            desk: RefCell::new(Desk::new(trial)),
            board: RefCell::new(Board::blind(Rc::new(move || clock.now().monotonic_ns))),
            binding,
            reports: RefCell::default(),
            found: RefCell::default(),
        });
        Ok(storm(&stage, machines, Conditions::new(trial, &budget), progress).await)
    });
    run.map_err(|error| failed(error.to_string()))?
}

/// The processes of a cluster.
struct Machines<'a> {
    program: &'a Path,
    directory: &'a Path,
    /// Those that should run.
    nodes: BTreeMap<NodeId, NodeProcess>,
}

impl Machines<'_> {
    fn start(&mut self, node: NodeId) -> std::io::Result<()> {
        let process = NodeProcess::start(self.program, self.directory, node, Bond::Tied)?;
        self.nodes.insert(node, process);
        Ok(())
    }

    fn kill(&mut self, node: NodeId) {
        if let Some(mut process) = self.nodes.remove(&node) {
            process.kill();
        }
    }

    /// A node that ended by itself, and what it said last.
    fn fallen(&mut self) -> Option<(NodeId, String)> {
        let ended = |(node, process): (&NodeId, &mut NodeProcess)| {
            process.ended().map(|_| (*node, process.last_words()))
        };
        self.nodes.iter_mut().find_map(ended)
    }
}

impl Drop for Machines<'_> {
    fn drop(&mut self) {
        self.nodes.values_mut().for_each(NodeProcess::kill);
    }
}

/// Lets the clients work, with faults when they are due.
async fn storm(
    stage: &Rc<Stage>,
    mut machines: Machines<'_>,
    mut conditions: Conditions,
    progress: &mut Progress<'_>,
) -> Run {
    let trial = &stage.trial;
    let mut tasks = JoinSet::new();
    for client in client_configs(trial) {
        tasks.spawn_local(visit(Rc::clone(stage), client));
    }
    let mut watch = JoinSet::new();
    watch.spawn_local(keep_asking(Rc::clone(stage)));
    let storm_ns = trial.storm_ms * 1_000_000;
    let mut conductor = Conductor::new(trial);
    let (mut healed, mut told_ns, mut interrupted) = (false, 0, false);
    let (mut facts, mut kills) = (Vec::new(), 0);
    loop {
        let now_ns = stage.clock.now().monotonic_ns;
        while let Some(fact) = { stage.found.borrow_mut().pop_front() } {
            conductor.noticed(fact.time_ns, fact.node, &Notice::Fact(fact.fact));
            facts.push(fact);
        }
        let progress_of = |node| {
            stage
                .reports
                .borrow()
                .get(&node)
                .map(|report| report.commit)
        };
        let mut orders = conductor.due(now_ns, &mut conditions, &progress_of);
        if now_ns >= storm_ns && !healed {
            orders.extend(conductor.heal(now_ns, &mut conditions));
            stage.desk.borrow_mut().storm_is_over();
            healed = true;
        }
        for order in orders {
            match order {
                Order::Stop(node) => {
                    machines.kill(node);
                    stage.reports.borrow_mut().remove(&node);
                    kills += 1;
                }
                Order::Start(node) => {
                    if let Err(error) = machines.start(node) {
                        let mut board = stage.board.borrow_mut();
                        board.violation(
                            ViolationKind::Harness,
                            "start",
                            Some(node),
                            error.to_string(),
                        );
                    }
                }
                Order::Members(goal) => stage.desk.borrow_mut().wants(goal),
                Order::Lead(node) => stage.desk.borrow_mut().wants_leader(node),
                Order::Wake(_) | Order::Reclock(_) => {}
            }
        }
        if let Some((node, words)) = machines.fallen() {
            let mut board = stage.board.borrow_mut();
            board.violation(ViolationKind::Host, "host", Some(node), words);
        }
        let broken = !stage.board.borrow().violations.is_empty();
        let done = {
            let desk = stage.desk.borrow();
            healed && (now_ns >= desk.patience_ends_ns() || desk.all_done())
        };
        if broken || done {
            break;
        }
        if now_ns >= told_ns + PROGRESS_NS {
            told_ns = now_ns;
            if progress(now_ns).is_break() {
                interrupted = true;
                break;
            }
        }
        while let Some(Err(error)) = tasks.try_join_next() {
            let mut board = stage.board.borrow_mut();
            board.violation(ViolationKind::Panic, "client", None, error.to_string());
        }
        tokio::time::sleep(TICK).await;
    }
    drop((tasks, watch, machines));

    let desk = stage.desk.replace(Desk::new(trial));
    let mut board = stage.board.borrow_mut();
    board.demand_progress(trial, &desk, interrupted);
    board.audit_harness(desk.history());
    let counts = (conditions.weather.traffic(), Wear::default());
    let faults = conductor.finish(&conditions);
    board.note_event(("kills", kills));
    let mut record = board.record(trial, interrupted, counts, faults);
    record.facts = facts;
    Run {
        history: desk.finish(),
        record,
    }
}

/// Asks the nodes how they are, again and again.
async fn keep_asking(stage: Rc<Stage>) {
    let mut epoch_newest = 0;
    loop {
        for (node, report) in asking::reports(&stage.plan, Duration::from_millis(250)).await {
            let Some(report) = report else {
                // Who does not answer may be down: what it said before its end says nothing any more.
                stage.reports.borrow_mut().remove(&node);
                continue;
            };
            let fact = Fact::BecameLeader {
                epoch: report.epoch,
            };
            let time_ns = stage.clock.now().monotonic_ns;
            if report.leader == Some(node) && report.epoch > epoch_newest {
                epoch_newest = report.epoch;
                stage.found.borrow_mut().push_back(FactRecord {
                    time_ns,
                    node,
                    fact,
                });
            }
            stage.reports.borrow_mut().insert(node, report);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Runs a client.
async fn visit(stage: Rc<Stage>, config: ClientConfig) {
    let client = config.id.0;
    let driver = Driver {
        config,
        addresses: stage.plan.addresses.clone(),
        net: TokioNet,
        clock: stage.clock,
        gate: Rc::new(PlainGate),
        draw: draw_from(stage.trial.seed ^ u64::from(client)),
    };
    let mut seat = Seat {
        stage,
        client,
        calling: None,
    };
    let driven = driver.drive(&mut seat).await;
    driven.expect("a trial has an address for every node");
}

/// A client's place at the desk.
struct Seat {
    stage: Rc<Stage>,
    client: u32,
    calling: Option<Calling>,
}

impl driver::Desk for Seat {
    fn next(&mut self, now: Now) -> Task {
        let plan = self
            .stage
            .desk
            .borrow_mut()
            .plan(self.client, now.monotonic_ns);
        match plan {
            desk::Plan::CallAt(at_ns) => Task::CallAt { at_ns },
            desk::Plan::Done => Task::Done,
        }
    }

    fn call(&mut self, now: Now) -> (RequestId, Vec<u8>) {
        let stage = &self.stage;
        let (request, calling) = stage.desk.borrow_mut().call(self.client, now.monotonic_ns);
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
