//! The simulator: the cores alone, on a heap of events. Time jumps from one event to the next.
//!
//! It runs the same trials as turmoil with the same weather, machines, conductor, desk and observer, and gives the same kind of record.
//! What it leaves out is the host: sockets, codec, write-ahead log, scheduling. That is what makes it fast.
//!
//! | file | what is there |
//! | --- | --- |
//! | `mod.rs` | the loop: what is next, and who it is for |
//! | `agenda.rs` | the heap of events, and timers |
//! | `node.rs` | a node and the machine under it: inputs, pauses, disk, crashes |
//! | `links.rs` | the links between nodes: on which connection a frame travels, when a link is up |
//! | `client.rs` | a client and its way to the nodes |
//! | `steps.rs` | nothing happens but what is named (feature `model`) |

mod agenda;
mod client;
mod links;
mod node;
#[cfg(feature = "model")]
pub(crate) mod steps;

use crate::arena::{Progress, client_configs};
use crate::conditions::Conditions;
use crate::conductor::{Conductor, Order};
use crate::desk::Desk;
use crate::observer::{Board, Observed};
use crate::record::{Run, ViolationKind};
use crate::trial::Trial;
use crate::weather::EPOCH_NS;
use agenda::{Agenda, Event};
use client::Seat;
use links::{Link, Wire};
use node::Host;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stormglass_impls::contract::{ClientId, Input, NodeId, Now};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Links, System};
use stormglass_impls::wire::ClientFrame;
use stormglass_workloads::draw::Draws;
use stormglass_workloads::workload::Binding;

/// After how many steps the whole-state form of the invariants runs first. Each time is twice as late as the one before, so that its cost
/// stays a share of the whole, however long the log grows.
const STEPS_TO_AUDIT: u64 = 20_000;
/// How often progress is told, in simulated nanoseconds.
const PROGRESS_NS: u64 = 1_000_000_000;
/// How many events may happen at one moment. A cluster that does more there stands still in time.
const EVENTS_AT_ONCE_MAX: u64 = 1_000_000;
/// How many events may wait. A cluster whose messages multiply would take all memory there is.
const EVENTS_WAITING_MAX: usize = 1_000_000;

/// Runs a trial on a cluster of that system.
pub fn run(
    trial: &Trial,
    system: Rc<dyn System>,
    binding: Box<dyn Binding>,
    progress: &mut Progress<'_>,
) -> Run {
    let mut simulation = Simulation::new(trial, system, binding, None);
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
    conditions: Conditions,
    conductor: Conductor,
    desk: Desk,
    board: Rc<RefCell<Board>>,
    /// By node and node, from and to.
    wires: Vec<Wire>,
    /// By node and node, the lower and the higher.
    links: Vec<Link>,
    /// Whether the protocol counts on its links, and they go up and down by themselves.
    counts_on_links: bool,
    timers: Draws,
    healed: bool,
    interrupted: bool,
    steps: u64,
    next_audit: u64,
    /// The node that made the last step.
    stepped: Option<NodeId>,
    /// Where nothing happens but what is named: what waits to be named.
    held: Option<Held>,
}

/// What was sent and told where nothing arrives by itself.
#[derive(Default)]
struct Held {
    /// In the order of sending.
    letters: Vec<(NodeId, NodeId, Parcel)>,
    told: Vec<(ClientId, ClientFrame)>,
    /// The links that nodes broke: the node, and its peer.
    resets: Vec<(NodeId, NodeId)>,
}

impl<'t> Simulation<'t> {
    fn new(
        trial: &'t Trial,
        system: Rc<dyn System>,
        binding: Box<dyn Binding>,
        held: Option<Held>,
    ) -> Self {
        let now_ns = Rc::new(Cell::new(0));
        let clock = Rc::clone(&now_ns);
        let clock = Rc::new(move || clock.get());
        let board = Board::new(system.as_ref(), trial, clock);
        let board = Rc::new(RefCell::new(board));
        let conditions = Conditions::new(trial, &system.budget());
        let counts_on_links = system.budget().links == Links::Fifo && held.is_none();
        let system: Rc<dyn System> = Rc::new(Observed {
            system,
            board: Rc::clone(&board),
        });
        let nodes = usize::from(trial.nodes);
        let configs = client_configs(trial);
        let mut simulation = Self {
            trial,
            binding,
            agenda: Agenda::default(),
            nodes: (0..nodes)
                .map(|_| Host::new(system.blank_disk(), trial))
                .collect(),
            clients: configs
                .iter()
                .map(|config| Seat::new(config, trial))
                .collect(),
            conditions,
            conductor: Conductor::new(trial),
            desk: Desk::new(trial),
            wires: vec![Wire::default(); nodes * nodes],
            links: vec![Link::default(); nodes * nodes],
            counts_on_links,
            timers: Draws::new(trial.seed, "timer"),
            healed: false,
            interrupted: false,
            steps: 0,
            next_audit: STEPS_TO_AUDIT,
            stepped: None,
            held,
            now_ns,
            system,
            board,
        };
        NodeId::all(trial.nodes).for_each(|node| simulation.start(node));
        (0..configs.len() as u32).for_each(|client| simulation.plan(client));
        simulation
    }

    fn run(&mut self, progress: &mut Progress<'_>) {
        let (mut told_ns, mut at_once) = (0, 0);
        loop {
            let event_ns = self.agenda.next_ns().unwrap_or(u64::MAX);
            let cue_ns = self.next_cue_ns();
            if cue_ns <= event_ns {
                self.now_ns.set(cue_ns.max(self.now_ns.get()));
                if self.healed && cue_ns >= self.desk.patience_ends_ns() {
                    break;
                }
                self.cue();
                continue;
            }
            let Some((at_ns, sequence, event)) = self.agenda.pop() else {
                break;
            };
            at_once = if at_ns == self.now_ns.get() {
                at_once + 1
            } else {
                0
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
            if at_once > EVENTS_AT_ONCE_MAX {
                self.note_hang(
                    "standstill",
                    &format!("{at_once} events at one moment: time stands still"),
                );
            }
            if self.agenda.len() > EVENTS_WAITING_MAX {
                self.note_hang(
                    "flood",
                    &format!("{} events wait: what is sent multiplies", self.agenda.len()),
                );
            }
            if !self.board.borrow().violations.is_empty() || (self.healed && self.desk.all_done()) {
                break;
            }
        }
        self.audit();
    }

    /// When something happens that no event tells: a fault begins or ends, the storm is over, patience ends.
    fn next_cue_ns(&self) -> u64 {
        let end_ns = match self.healed {
            true => self.desk.patience_ends_ns(),
            false => self.trial.storm_ms * 1_000_000,
        };
        self.conductor
            .next_ns()
            .map_or(end_ns, |at_ns| at_ns.min(end_ns))
    }

    fn cue(&mut self) {
        let now_ns = self.now_ns.get();
        let board = Rc::clone(&self.board);
        let progress = |node| board.borrow().progress(node);
        let mut orders = self.conductor.due(now_ns, &mut self.conditions, &progress);
        if now_ns >= self.trial.storm_ms * 1_000_000 && !self.healed {
            orders.extend(self.conductor.heal(now_ns, &mut self.conditions));
            self.healed = true;
        }
        let ends = self.healed;
        for order in orders {
            match order {
                Order::Stop(node) => self.stop(node),
                Order::Start(node) => self.start(node),
                Order::Wake(node) => self.wake(node),
                Order::Reclock(node) => self.reclock(node),
                Order::Members(goal) => self.desk.wants(goal),
                Order::Lead(node) => self.desk.wants_leader(node),
            }
        }
        if ends {
            self.desk.storm_is_over();
        }
    }

    /// The trial would never end. Its last step names the node.
    fn note_hang(&self, name: &str, what: &str) {
        let message = format!("{what}, after {} ms", self.now_ns.get() / 1_000_000);
        let mut board = self.board.borrow_mut();
        board.violation(ViolationKind::Hang, name, self.stepped, message);
    }

    fn finish(mut self) -> Run {
        let history = self.desk.history();
        let mut board = self.board.borrow_mut();
        board.demand_progress(self.trial, &self.desk, self.interrupted);
        board.audit_harness(history);
        let wear = *self.conditions.machines.wear();
        let traffic = self.conditions.weather.traffic();
        let faults = self.conductor.finish(&self.conditions);
        let record = board.record(self.trial, self.interrupted, (traffic, wear), faults);
        Run {
            history: self.desk.finish(),
            record,
        }
    }

    /// The clocks of the world, and of the clients.
    fn now(&self) -> Now {
        let now_ns = self.now_ns.get();
        Now {
            monotonic_ns: now_ns,
            wall_ns: EPOCH_NS + now_ns,
        }
    }

    /// The clocks of a node. Where nothing happens but what is named, they stand still.
    fn now_of(&mut self, node: NodeId) -> Now {
        match self.held {
            Some(_) => Now::default(),
            None => self.conditions.machines.read_clock(node, self.now_ns.get()),
        }
    }

    fn happen(&mut self, sequence: u64, event: Event) {
        match event {
            Event::NodeTimer { node, life } => self.timer_fires(node, life, sequence),
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
                    self.hand(to, Input::Deliver { from, message });
                }
            }
            Event::Damaged { from, to, epoch } => {
                if self.epoch(from, to) == epoch {
                    self.conditions.weather.rejected();
                    self.give_up(from, to);
                }
            }
            Event::Reset { one, other } => self.reset(one, other),
            Event::Severed { one, other } => self.severed(one, other),
            Event::Dial { one, other, dial } => self.dial_again(one, other, dial),
            Event::Call {
                client,
                to,
                life,
                which: (session, request_id),
                body,
            } => {
                let client = ClientId(client);
                if self.nodes[to.index()].life == life {
                    self.hand(
                        to,
                        Input::Request {
                            client,
                            session,
                            request_id,
                            body,
                        },
                    );
                }
            }
            Event::Gone { client, node, life } => {
                if self.nodes[node.index()].life == life {
                    self.hand(node, Input::ClientGone(ClientId(client)));
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
            Event::Synced { node, life, lie } => self.synced(node, life, lie),
            Event::Failed { node, life, fault } => self.disk_fails(node, life, fault),
            Event::Free { node, life } => {
                if self.nodes[node.index()].life == life {
                    self.wake(node);
                }
            }
            Event::Work { client } => self.call(client),
        }
    }

    fn audit(&mut self) {
        let mut board = self.board.borrow_mut();
        if board.violations.is_empty() {
            board.audit();
        }
    }
}
