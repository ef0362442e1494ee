//! The simulator: the cores alone, on a heap of events. Time jumps from one event to the next.
//!
//! It runs the same trials as turmoil with the same weather, conductor, desk and observer, and gives the same kind of record. What it
//! leaves out is the host: sockets, codec, write-ahead log, scheduling. That is what makes it fast.

mod agenda;

use crate::arena::Progress;
use crate::conductor::{Conductor, Order};
use crate::desk::{Desk, Ending, Plan};
use crate::observer::{Board, Observed};
use crate::record::{Run, ViolationKind};
use crate::trial::Trial;
use crate::weather::{self, Passage, Weather};
use agenda::{Agenda, Event, Timers};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use stormglass_impls::contract::{
    Answer, ClientId, DelayRange, Effect, Effects, Input, Node, NodeId, Now, RequestId,
};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{DiskImage, Erased, Member, Setup, System, Word};
use stormglass_impls::wire::{ClientFrame, Party};
use stormglass_workloads::client::{Client, ClientConfig, ClientTimer, NoDisk, Outcome};
use stormglass_workloads::draw::Draws;
use stormglass_workloads::workload::{Binding, Operation};

/// After how many steps the whole-state form of the invariants runs.
const STEPS_PER_AUDIT: u64 = 20_000;
/// How often progress is told, in simulated nanoseconds.
const PROGRESS_NS: u64 = 1_000_000_000;

/// Runs a trial on a cluster of that system.
pub fn run(
    trial: &Trial,
    system: Rc<dyn System>,
    binding: Box<dyn Binding>,
    progress: &mut Progress<'_>,
) -> Run {
    let mut simulation = Simulation::new(trial, system, binding);
    simulation.run(progress);
    simulation.finish()
}

struct Simulation<'t> {
    trial: &'t Trial,
    system: Rc<dyn System>,
    binding: Box<dyn Binding>,
    now_ns: Rc<Cell<u64>>,
    agenda: Agenda,
    nodes: Vec<Host>,
    clients: Vec<Seat>,
    weather: Weather,
    conductor: Conductor,
    desk: Desk,
    board: Rc<RefCell<Board>>,
    /// When the last frame on each connection arrives: frames of one connection keep their order.
    arrivals: BTreeMap<(Party, Party), u64>,
    /// How often the connection between two nodes was reset.
    resets: BTreeMap<(NodeId, NodeId), u64>,
    timers: Draws,
    syncs: Draws,
    torn: Draws,
    healed: bool,
    interrupted: bool,
    steps: u64,
}

/// A node, or the machine where one was.
struct Host {
    /// Counts the boots; what belongs to an older life is not delivered.
    life: u64,
    member: Option<Box<dyn Member>>,
    disk: Box<dyn DiskImage>,
    /// Batches given to the disk and not yet durable, oldest first.
    unsynced: VecDeque<Vec<Parcel>>,
    syncs: u64,
    timers: Timers<Parcel>,
}

/// A client and what it has open.
struct Seat {
    client: Client,
    timers: Timers<ClientTimer>,
    calling: Option<Operation>,
    next_request: u64,
}

/// The name of the link between two nodes, either way.
fn link(one: NodeId, other: NodeId) -> (NodeId, NodeId) {
    (one.min(other), one.max(other))
}

impl<'t> Simulation<'t> {
    fn new(trial: &'t Trial, system: Rc<dyn System>, binding: Box<dyn Binding>) -> Self {
        let now_ns = Rc::new(Cell::new(0));
        let clock = Rc::clone(&now_ns);
        let board = Rc::new(RefCell::new(Board::new(
            system.as_ref(),
            Rc::new(move || clock.get()),
        )));
        let system: Rc<dyn System> = Rc::new(Observed {
            system,
            board: Rc::clone(&board),
        });
        let host = |_| Host {
            life: 0,
            member: None,
            disk: system.blank_disk(),
            unsynced: VecDeque::new(),
            syncs: 0,
            timers: Timers::new(),
        };
        let seat = |client| {
            let config = ClientConfig {
                id: ClientId(client),
                servers: trial.nodes,
                patience: trial.patience,
            };
            Seat {
                client: Client::boot(&config, NoDisk, Now::default(), &mut Effects::default()),
                timers: Timers::new(),
                calling: None,
                next_request: 1,
            }
        };
        let mut simulation = Self {
            trial,
            binding,
            agenda: Agenda::default(),
            nodes: NodeId::all(trial.nodes).map(host).collect(),
            clients: (0..trial.clients).map(seat).collect(),
            weather: Weather::new(trial.network, trial.seed),
            conductor: Conductor::new(trial),
            desk: Desk::new(trial),
            arrivals: BTreeMap::new(),
            resets: BTreeMap::new(),
            timers: Draws::new(trial.seed, "timer"),
            syncs: Draws::new(trial.seed, "sync"),
            torn: Draws::new(trial.seed, "torn write"),
            healed: false,
            interrupted: false,
            steps: 0,
            now_ns,
            system,
            board,
        };
        NodeId::all(trial.nodes).for_each(|node| simulation.start(node));
        (0..trial.clients).for_each(|client| simulation.plan(client));
        simulation
    }

    fn run(&mut self, progress: &mut Progress<'_>) {
        let mut told_ns = 0;
        let storm_ns = self.trial.storm_ms * 1_000_000;
        loop {
            let event_ns = self.agenda.next_ns().unwrap_or(u64::MAX);
            let cue_ns = match self.healed {
                true => self.desk.patience_ends_ns(),
                false => self.conductor.next_ns().unwrap_or(u64::MAX).min(storm_ns),
            };
            if cue_ns <= event_ns {
                self.now_ns.set(cue_ns);
                if self.healed {
                    break;
                }
                self.cue(cue_ns, storm_ns);
                continue;
            }
            let Some((at_ns, sequence, event)) = self.agenda.pop() else {
                break;
            };
            self.now_ns.set(at_ns);
            if at_ns >= told_ns + PROGRESS_NS {
                told_ns = at_ns;
                if progress(told_ns).is_break() {
                    self.interrupted = true;
                    break;
                }
            }
            self.happen(sequence, event);
            if !self.board.borrow().violations.is_empty() || (self.healed && self.desk.all_done()) {
                break;
            }
        }
        self.audit();
    }

    fn cue(&mut self, now_ns: u64, storm_ns: u64) {
        let mut orders = self.conductor.due(now_ns, &mut self.weather);
        if now_ns >= storm_ns {
            orders.extend(self.conductor.heal(now_ns, &mut self.weather));
            self.healed = true;
        }
        for order in orders {
            match order {
                Order::Stop(node) => self.stop(node),
                Order::Start(node) => self.start(node),
            }
        }
    }

    fn finish(self) -> Run {
        let mut board = self.board.borrow_mut();
        board.demand_progress(self.trial, &self.desk, self.interrupted);
        let faults = self.conductor.finish(&self.weather);
        let record = board.record(self.trial, self.interrupted, self.weather.traffic(), faults);
        Run {
            history: self.desk.finish(),
            record,
        }
    }

    fn now(&self) -> Now {
        let now_ns = self.now_ns.get();
        Now {
            monotonic_ns: now_ns,
            wall_ns: weather::EPOCH_NS + now_ns,
        }
    }

    fn happen(&mut self, sequence: u64, event: Event) {
        match event {
            Event::NodeTimer { node, life } => {
                let host = &mut self.nodes[node.index()];
                if host.life == life
                    && let Some(timer) = host.timers.take(sequence)
                {
                    self.step(node, Input::TimerFired(timer));
                }
            }
            Event::ClientTimer { client } => {
                if let Some(timer) = self.clients[client as usize].timers.take(sequence) {
                    self.step_client(client, Input::TimerFired(timer));
                }
            }
            Event::Message {
                from,
                to,
                epoch,
                message,
            } => {
                if self.epoch(from, to) == epoch {
                    self.step(to, Input::Deliver { from, message });
                }
            }
            Event::Call {
                client,
                to,
                life,
                request_id,
                body,
            } => {
                if self.nodes[to.index()].life == life {
                    self.step(
                        to,
                        Input::Request {
                            client: ClientId(client),
                            request_id,
                            body,
                        },
                    );
                }
            }
            Event::Told {
                from,
                client,
                frame,
            } => {
                self.step_client(
                    client,
                    Input::Deliver {
                        from,
                        message: frame,
                    },
                );
            }
            Event::Broken { node, client } => self.step_client(client, Input::LinkDown(node)),
            Event::Synced { node, life } => {
                let host = &mut self.nodes[node.index()];
                if host.life == life {
                    let batch = host
                        .unsynced
                        .pop_front()
                        .expect("a sync ends the oldest batch");
                    batch.iter().for_each(|write| host.disk.apply(write));
                    self.step(node, Input::Persisted);
                }
            }
            Event::Work { client } => self.call(client),
        }
    }

    fn start(&mut self, node: NodeId) {
        let now = self.now();
        let setup = Setup {
            id: node,
            nodes: self.trial.nodes,
            knobs: self.trial.knobs.clone(),
            mutant: self.trial.mutant.clone(),
        };
        let host = &mut self.nodes[node.index()];
        host.life += 1;
        let mut effects = Effects::default();
        host.member = Some(
            self.system
                .boot(&setup, host.disk.as_ref(), now, &mut effects),
        );
        self.carry_out(node, effects);
        for peer in NodeId::all(self.trial.nodes).filter(|peer| *peer != node) {
            if self.nodes[peer.index()].member.is_some() {
                self.step(peer, Input::LinkUp(node));
                self.step(node, Input::LinkUp(peer));
            }
        }
    }

    /// Stops a node. Of the writes it was making, a prefix survives.
    fn stop(&mut self, node: NodeId) {
        let host = &mut self.nodes[node.index()];
        if host.member.take().is_none() {
            return;
        }
        let writes: Vec<Parcel> = host.unsynced.drain(..).flatten().collect();
        let kept = self
            .torn
            .within(&[node.0.into(), host.life], 0..=writes.len() as u64);
        writes
            .iter()
            .take(kept as usize)
            .for_each(|write| host.disk.apply(write));
        host.life += 1;
        host.timers.clear();
        // What the old life was still writing holds nothing up in the next.
        self.arrivals
            .remove(&(Party::Node(node), Party::Node(node)));
        for peer in NodeId::all(self.trial.nodes) {
            if self.nodes[peer.index()].member.is_some() {
                self.step(peer, Input::LinkDown(node));
            }
        }
        for client in 0..self.trial.clients {
            if let Some(at_ns) = self.arrival(Party::Node(node), Party::Client(ClientId(client))) {
                self.agenda.add(at_ns, Event::Broken { node, client });
            }
        }
    }

    fn step(&mut self, node: NodeId, input: Input<Erased>) {
        let now = self.now();
        let mut effects = Effects::default();
        let Some(member) = &mut self.nodes[node.index()].member else {
            return;
        };
        member.step(now, input, &mut effects);
        self.carry_out(node, effects);
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_AUDIT) {
            self.audit();
        }
    }

    fn audit(&mut self) {
        let mut board = self.board.borrow_mut();
        if board.violations.is_empty() {
            board.audit();
        }
    }

    fn carry_out(&mut self, node: NodeId, mut effects: Effects<Erased>) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => {
                    if let Some(at_ns) = self.arrival(Party::Node(node), Party::Node(to)) {
                        let epoch = self.epoch(node, to);
                        self.agenda.add(
                            at_ns,
                            Event::Message {
                                from: node,
                                to,
                                epoch,
                                message,
                            },
                        );
                    }
                }
                Effect::Persist(writes) => self.persist(node, writes),
                Effect::SetTimer { timer, range } => self.set_timer(node, timer, range),
                Effect::CancelTimer(timer) => self.nodes[node.index()].timers.cancel(&timer),
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => {
                    let answer = answer.map(|reply| reply.encode());
                    self.tell(node, client, ClientFrame::Answer { request_id, answer });
                }
                Effect::Notify { client, event } => {
                    self.tell(node, client, ClientFrame::Event(event.encode()))
                }
                // The observer has written it down, and it is told to the conductor below.
                Effect::Note(_) => {}
                // Frames under way on the old connection are lost, and both ends see it break and come back.
                Effect::ResetLink(peer) => {
                    self.resets
                        .entry(link(node, peer))
                        .and_modify(|count| *count += 1)
                        .or_insert(1);
                    for (one, other) in [(node, peer), (peer, node)] {
                        self.step(one, Input::LinkDown(other));
                        self.step(one, Input::LinkUp(other));
                    }
                }
            }
        }
        while let Some(seen) = { self.board.borrow_mut().next_fact() } {
            self.conductor.noticed(&seen);
        }
    }

    fn tell(&mut self, node: NodeId, client: ClientId, frame: ClientFrame) {
        if let Some(at_ns) = self.arrival(Party::Node(node), Party::Client(client)) {
            self.agenda.add(
                at_ns,
                Event::Told {
                    from: node,
                    client: client.0,
                    frame,
                },
            );
        }
    }

    /// What must not have changed between the sending of a frame and its arrival: the lives of both nodes, and the connection.
    fn epoch(&self, from: NodeId, to: NodeId) -> (u64, u64, u64) {
        let resets = self
            .resets
            .get(&link(from, to))
            .copied()
            .unwrap_or_default();
        (
            self.nodes[from.index()].life,
            self.nodes[to.index()].life,
            resets,
        )
    }

    fn persist(&mut self, node: NodeId, writes: Vec<Parcel>) {
        let host = &mut self.nodes[node.index()];
        host.syncs += 1;
        host.unsynced.push_back(writes);
        let (low, high) = self.trial.sync_ms;
        let range = low * 1_000_000..=high * 1_000_000;
        let takes_ns = self.syncs.within(&[node.0.into(), host.syncs], range);
        let life = host.life;
        let disk = (Party::Node(node), Party::Node(node));
        let at_ns = self
            .arrivals
            .get(&disk)
            .copied()
            .unwrap_or(0)
            .max(self.now_ns.get())
            + takes_ns;
        self.arrivals.insert(disk, at_ns);
        self.agenda.add(at_ns, Event::Synced { node, life });
    }

    fn set_timer(&mut self, node: NodeId, timer: Parcel, range: DelayRange) {
        let host = &mut self.nodes[node.index()];
        host.timers.draws += 1;
        let wait_ns = self.timers.within(
            &[node.0.into(), host.timers.draws],
            range.min_ns..=range.max_ns,
        );
        let life = host.life;
        let sequence = self
            .agenda
            .add(self.now_ns.get() + wait_ns, Event::NodeTimer { node, life });
        host.timers.set(timer, sequence);
    }

    /// When a frame that is sent now arrives; `None` when it is lost.
    fn arrival(&mut self, from: Party, to: Party) -> Option<u64> {
        match self.weather.passage(from, to) {
            Passage::Cut => None,
            Passage::After(delay_ns) => {
                let last = self.arrivals.entry((from, to)).or_default();
                *last = (self.now_ns.get() + delay_ns).max(*last);
                Some(*last)
            }
        }
    }

    fn plan(&mut self, client: u32) {
        if let Plan::CallAt(at_ns) = self.desk.plan(client, self.now_ns.get()) {
            self.agenda.add(at_ns, Event::Work { client });
        }
    }

    fn call(&mut self, client: u32) {
        let operation = self.desk.call(client, self.now_ns.get());
        let body = self.binding.request(&operation);
        let seat = &mut self.clients[client as usize];
        let request_id = RequestId(seat.next_request);
        seat.next_request += 1;
        seat.calling = Some(operation);
        self.step_client(
            client,
            Input::Request {
                client: ClientId(client),
                request_id,
                body,
            },
        );
    }

    fn step_client(&mut self, client: u32, input: Input<Client>) {
        let now = self.now();
        let mut effects = Effects::default();
        self.clients[client as usize]
            .client
            .step(now, input, &mut effects);
        let party = Party::Client(ClientId(client));
        for effect in effects.drain() {
            match effect {
                Effect::Send {
                    to,
                    message: ClientFrame::Call { request_id, body },
                } => {
                    if self.nodes[to.index()].member.is_none() {
                        // Nobody listens there: the connection is refused at once.
                        let at_ns = self.now_ns.get() + self.trial.network.delay_us_max * 1_000;
                        self.agenda.add(at_ns, Event::Broken { node: to, client });
                    } else if let Some(at_ns) = self.arrival(party, Party::Node(to)) {
                        let body = self
                            .system
                            .decode(Word::Request, &body)
                            .expect("a binding makes requests of its system");
                        let life = self.nodes[to.index()].life;
                        self.agenda.add(
                            at_ns,
                            Event::Call {
                                client,
                                to,
                                life,
                                request_id,
                                body,
                            },
                        );
                    }
                }
                Effect::SetTimer { timer, range } => {
                    let timers = &mut self.clients[client as usize].timers;
                    timers.draws += 1;
                    let keys = [weather::key(party), timers.draws];
                    let wait_ns = self.timers.within(&keys, range.min_ns..=range.max_ns);
                    let sequence = self
                        .agenda
                        .add(self.now_ns.get() + wait_ns, Event::ClientTimer { client });
                    timers.set(timer, sequence);
                }
                Effect::CancelTimer(timer) => self.clients[client as usize].timers.cancel(&timer),
                Effect::Reply {
                    answer: Answer::Done(outcome),
                    ..
                } => self.ended(client, outcome),
                other => unreachable!("a client does not {other:?}"),
            }
        }
    }

    fn ended(&mut self, client: u32, outcome: Outcome) {
        let operation = self.clients[client as usize]
            .calling
            .take()
            .expect("only what was called can end");
        let ending =
            Ending::of(&operation, outcome, self.binding.as_ref()).unwrap_or_else(|error| {
                self.board.borrow_mut().violation(
                    ViolationKind::Protocol,
                    "protocol",
                    None,
                    error.clone(),
                );
                Ending::Unknown(error)
            });
        self.desk.ended(client, self.now_ns.get(), ending);
        self.plan(client);
    }
}
