//! The real host in turmoil where nothing happens but what is named.
//!
//! Clocks stand still and every timer that is set is due, but the gate admits none that is not named. What nodes send each other is taken at the gate; a
//! message that is named is carried by a courier, from a host of its own, over a fresh connection through the real socket and codec. A sync waits at
//! the gate when a node is to die before its end. Crashes and boots are turmoil's, with its disk.

use super::{PORT, WAL, machines};
use crate::model::action::Fate;
use crate::model::trace::{Stage, Trace, TraceError, What, letter_digest, state_digest};
use crate::observer::{Board, Observed};
use crate::trial::{Arena, Trial};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, Input, NodeId, Now, RequestId, Session};
use stormglass_impls::host::connection::{End, Outbox, dial};
use stormglass_impls::host::turmoil::{TurmoilDisk, TurmoilNet};
use stormglass_impls::host::{
    Admit, Clock, Compaction, Fate as FrameFate, Fsync, Gate, Host, HostError, PlainGate,
    RECONNECT_AFTER, frame,
};
use stormglass_impls::parcel::{Parcel, encode_into};
use stormglass_impls::system::{Erased, System, Word};
use stormglass_impls::wire::{ClientFrame, Party};
use tokio::sync::Notify;

/// How many ticks a step is given to happen.
const TICKS_TO_ACT: u32 = 2_000;
/// How many ticks follow it: writes end, and a connection that the courier's took the place of is made again.
const TICKS_TO_SETTLE: u32 = 400;
/// How many ticks a cluster is given to come up.
const TICKS_TO_START: u32 = 2_000;

/// What the courier carries.
#[derive(Clone)]
struct Errand {
    from: Party,
    to: NodeId,
    payload: Vec<u8>,
}

/// An input that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Letter(u128),
    Timer(String),
    Request(ClientId, RequestId),
}

/// What all hosts share. It lives outside of them, so no crash touches it.
struct Shared {
    system: Rc<dyn System>,
    board: Rc<RefCell<Board>>,
    /// By digest, what nodes sent each other, in its wire form.
    letters: RefCell<BTreeMap<u128, Vec<u8>>>,
    told: RefCell<Vec<(ClientId, ClientFrame)>>,
    /// By node: what it takes next.
    named: Vec<RefCell<Option<Named>>>,
    /// By node: whether its disk may sync.
    syncs: Vec<Cell<bool>>,
    /// By node: told when one of these has changed.
    changed: Vec<Notify>,
    errand: RefCell<Option<Errand>>,
    errand_changed: Notify,
    /// Hosts that stopped by themselves, and why.
    stopped: RefCell<Vec<String>>,
}

impl Shared {
    /// Whether a node may take an input.
    fn admits(&self, node: NodeId, input: &Input<Erased>) -> bool {
        let named = self.named[node.index()].borrow();
        let is_named = |input: Named| named.as_ref() == Some(&input);
        match input {
            Input::Deliver { from, message } => {
                is_named(Named::Letter(letter_digest(*from, node, message)))
            }
            Input::TimerFired(timer) => is_named(Named::Timer(format!("{timer:?}"))),
            Input::Request {
                client, request_id, ..
            } => is_named(Named::Request(*client, *request_id)),
            // The end of a write is named by letting the disk sync; what becomes of connections is no step of the model.
            Input::Persisted | Input::LinkUp(_) | Input::LinkDown(_) | Input::ClientGone(_) => true,
        }
    }
}

struct StepGate(Rc<Shared>);

impl Gate for StepGate {
    fn frame(&self, from: Party, to: Party, _: u64, framed: &[u8]) -> FrameFate {
        let payload = frame::payload(framed).unwrap_or_default();
        match (from, to) {
            (Party::Node(from), Party::Node(to)) => {
                if let Ok(message) = self.0.system.decode(Word::Message, payload) {
                    let digest = letter_digest(from, to, &message);
                    self.0.letters.borrow_mut().insert(digest, payload.to_vec());
                }
                FrameFate::Take
            }
            (Party::Node(_), Party::Client(client)) => {
                if let Ok(told) = ClientFrame::read(payload) {
                    self.0.told.borrow_mut().push((client, told));
                }
                FrameFate::Pass
            }
            _ => FrameFate::Pass,
        }
    }

    fn admit(&self, node: NodeId, ready: &[Input<Erased>]) -> Admit {
        let Some(at) = ready.iter().position(|input| self.0.admits(node, input)) else {
            return Admit::Hold;
        };
        let is_named = matches!(
            ready[at],
            Input::Deliver { .. } | Input::TimerFired(_) | Input::Request { .. }
        );
        if is_named {
            self.0.named[node.index()].take();
        }
        Admit::Next(at)
    }

    fn sync(&self, node: NodeId) -> Fsync {
        match self.0.syncs[node.index()].get() {
            true => Fsync::After { ns: 0 },
            false => Fsync::Hold,
        }
    }

    async fn changed(&self, node: NodeId) {
        self.0.changed[node.index()].notified().await;
    }
}

/// A clock that stands still.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Now {
        Now::default()
    }

    async fn sleep_until(&self, _: u64) {
        std::future::pending().await
    }
}

/// The cluster of a trace.
struct Steps {
    sim: ::turmoil::Sim<'static>,
    shared: Rc<Shared>,
    calls: Vec<(ClientId, RequestId, Parcel)>,
}

/// Sets the cluster of a trace on a stage.
pub(crate) fn with<T>(
    trace: &Trace,
    walk: impl FnOnce(&mut dyn Stage) -> Result<T, TraceError>,
) -> Result<T, TraceError> {
    let trial = trace.trial(Arena::Turmoil)?;
    let calls = trace.calls()?.into_iter();
    let calls = calls.map(|call| (call.client_id(), call.request_id(), call.body));
    let system = catalog::system(&trial.cluster).expect("calls are of a cluster that there is");
    let board = Board::new(system.as_ref(), &trial, Rc::new(|| 0));
    let nodes = usize::from(trial.nodes);
    let shared = Rc::new(Shared {
        system: Rc::clone(&system),
        board: Rc::new(RefCell::new(board)),
        letters: RefCell::default(),
        told: RefCell::default(),
        named: (0..nodes).map(|_| RefCell::default()).collect(),
        syncs: vec![Cell::new(true); nodes],
        changed: (0..nodes).map(|_| Notify::new()).collect(),
        errand: RefCell::default(),
        errand_changed: Notify::new(),
        stopped: RefCell::default(),
    });
    let mut steps = Steps {
        sim: build(&trial, &shared),
        calls: calls.collect(),
        shared,
    };
    let started = steps.tick(TICKS_TO_START);
    started.map_err(|cause| TraceError::Beyond {
        arena: "turmoil",
        cause,
    })?;
    walk(&mut steps)
}

fn build(trial: &Trial, shared: &Rc<Shared>) -> ::turmoil::Sim<'static> {
    let mut sim = machines(trial);
    let addresses: Vec<String> = NodeId::all(trial.nodes)
        .map(|node| format!("{node}:{PORT}"))
        .collect();
    let observed: Rc<dyn System> = Rc::new(Observed {
        system: Rc::clone(&shared.system),
        board: Rc::clone(&shared.board),
    });
    for node in NodeId::all(trial.nodes) {
        let setup = crate::arena::setup(node, trial);
        let (shared, system) = (Rc::clone(shared), Rc::clone(&observed));
        let addresses = addresses.clone();
        sim.host(node.to_string(), move || {
            let host = Host {
                system: Rc::clone(&system),
                setup: setup.clone(),
                addresses: addresses.clone(),
                wal_path: WAL.into(),
                compaction: Compaction::default(),
                net: TurmoilNet,
                disk: TurmoilDisk,
                clock: StoppedClock,
                gate: Rc::new(StepGate(Rc::clone(&shared))),
                // Every timer is due as soon as it is set, and waits to be named.
                draw: Box::new(|_, _| 0),
            };
            let shared = Rc::clone(&shared);
            async move {
                let stopped: Result<Infallible, HostError> = host.run().await;
                let Err(error) = stopped;
                shared.stopped.borrow_mut().push(format!("{node}: {error}"));
                std::future::pending::<()>().await;
                Ok(())
            }
        });
    }
    let shared = Rc::clone(shared);
    sim.host("courier", move || {
        let (shared, addresses) = (Rc::clone(&shared), addresses.clone());
        async move {
            carry(&shared, &addresses).await;
            Ok(())
        }
    });
    sim
}

/// Carries one errand after the other. A node's is carried until another takes its place; a client stays connected, for its answer may come late.
async fn carry(shared: &Rc<Shared>, addresses: &[String]) {
    let mut connection = 0;
    loop {
        let errand = shared.errand.take();
        let Some(Errand { from, to, payload }) = errand else {
            shared.errand_changed.notified().await;
            continue;
        };
        connection += 1;
        let address = addresses[to.index()].clone();
        let carried = async move {
            let outbox = Outbox::new(Rc::new(PlainGate), from, Party::Node(to), connection);
            // One that cannot be made now can be made a little later; one that was made has carried what it was for.
            while deliver(&outbox, &address, &payload).await.is_err() {
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        };
        match from {
            Party::Client(_) => {
                tokio::task::spawn_local(carried);
            }
            Party::Node(_) => tokio::select! {
                biased;
                () = shared.errand_changed.notified() => {}
                () = carried => {}
            },
        }
    }
}

/// Makes a connection, says one thing on it, and listens until it ends.
async fn deliver(outbox: &Outbox<PlainGate>, address: &str, payload: &[u8]) -> Result<(), End> {
    let (wire, _) = dial(&TurmoilNet, outbox, address).await?;
    outbox.send(payload);
    wire.serve(outbox, async |_| Ok(())).await;
    Ok(())
}

impl Steps {
    fn tick(&mut self, ticks: u32) -> Result<(), String> {
        for _ in 0..ticks {
            self.sim.step().map_err(|error| error.to_string())?;
        }
        match self.shared.stopped.borrow().first() {
            Some(stopped) => Err(format!("a host stopped: {stopped}")),
            None => Ok(()),
        }
    }

    /// Sends the courier, or calls it back.
    fn send_out(&self, errand: Option<Errand>) {
        *self.shared.errand.borrow_mut() = errand;
        self.shared.errand_changed.notify_waiters();
    }

    fn wake(&self, node: NodeId) {
        self.shared.changed[node.index()].notify_waiters();
    }

    fn crash(&mut self, node: NodeId) -> Result<(), String> {
        self.sim.crash(node.to_string());
        self.shared.named[node.index()].take();
        self.shared.syncs[node.index()].set(true);
        self.sim.bounce(node.to_string());
        self.tick(TICKS_TO_START)
    }

    /// What a node is to take, and what the courier brings for it.
    fn name(&self, what: &What) -> Result<(NodeId, Named, Option<Errand>), String> {
        match what {
            What::Deliver { from, to, letter } => {
                let letters = self.shared.letters.borrow();
                let digest = u128::from_str_radix(letter, 16).map_err(|error| error.to_string())?;
                let payload = letters.get(&digest).ok_or("no such message was sent")?;
                let errand = Errand {
                    from: Party::Node(*from),
                    to: *to,
                    payload: payload.clone(),
                };
                Ok((*to, Named::Letter(digest), Some(errand)))
            }
            What::Fire { node, timer } => Ok((*node, Named::Timer(timer.clone()), None)),
            What::Ask { node, call } => {
                let (client, request_id, body) = &self.calls[usize::from(*call)];
                let (client, request_id) = (*client, *request_id);
                let mut payload = Vec::new();
                let frame = ClientFrame::Call {
                    session: Session(0),
                    request_id,
                    body: body.encode(),
                };
                encode_into(&frame, &mut payload);
                self.shared.board.borrow_mut().recorded(client, request_id);
                let errand = Errand {
                    from: Party::Client(client),
                    to: *node,
                    payload,
                };
                Ok((*node, Named::Request(client, request_id), Some(errand)))
            }
            What::Persisted { .. } | What::Crash { .. } | What::Reset { .. } => {
                Err("it is no step of a host whose writes end in the step that begins them".into())
            }
        }
    }
}

impl Stage for Steps {
    fn arena(&self) -> &'static str {
        "turmoil"
    }

    fn act(&mut self, what: &What, fate: Fate) -> Result<(), String> {
        if let What::Crash { node, .. } = what {
            return self.crash(*node);
        }
        let (node, named, errand) = self.name(what)?;
        self.shared.syncs[node.index()].set(fate != Fate::Dies);
        *self.shared.named[node.index()].borrow_mut() = Some(named);
        self.wake(node);
        self.send_out(errand);
        let mut ticks = 0;
        while self.shared.named[node.index()].borrow().is_some() {
            if ticks == TICKS_TO_ACT {
                return Err(format!("it did not happen within {ticks} ticks"));
            }
            ticks += 1;
            self.tick(1)?;
        }
        // The step is made in the tick that admits it; what it wrote is under way.
        self.send_out(None);
        match fate {
            Fate::Dies => self.crash(node),
            Fate::Plain | Fate::Unheard => self.tick(TICKS_TO_SETTLE),
        }
    }

    fn node(&self, node: NodeId) -> Option<u128> {
        self.shared.board.borrow().state(node, state_digest)
    }

    fn letters(&self) -> BTreeSet<u128> {
        self.shared.letters.borrow().keys().copied().collect()
    }

    fn told(&mut self) -> Vec<(ClientId, ClientFrame)> {
        self.shared.told.take()
    }

    fn broken(&self) -> Vec<String> {
        let board = self.shared.board.borrow();
        board
            .violations
            .iter()
            .map(|violation| violation.name.clone())
            .collect()
    }
}
