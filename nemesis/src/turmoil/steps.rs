//! The real host in turmoil where nothing happens but what is named.
//!
//! Clocks stand still and every timer that is set is due, but the gate admits none that is not named. What nodes send each other is taken at the gate; a
//! message that is named is carried by a courier, from a host of its own, over a fresh connection through the real socket and codec. A sync waits at
//! the gate when a node is to die before its end. Crashes and boots are turmoil's, with its disk.
//!
//! What a core hears of its links is named, too: a courier breaks links that break in no model. So what hosts say of their connections waits in their
//! mailboxes until a trace has a use for it, and what it has none for waits for ever. Where messages arrive in order, a link that breaks in
//! a trace is really broken, by a courier that comes with empty hands; then both ends take what their hosts made of that, in the model's order.

use super::{PORT, WAL, machines};
use crate::model::action::Fate;
use crate::model::bounds::Network;
use crate::model::trace::{Stage, Trace, TraceError, What, letter_digest, state_digest};
use crate::observer::{Board, Observed};
use crate::trial::{Arena, Trial};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
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
    /// Nothing for one whose coming is all that is wanted: it takes the place of the connection that was there.
    payload: Option<Vec<u8>>,
}

/// What a node sent another.
struct Letter {
    from: NodeId,
    to: NodeId,
    digest: u128,
    /// In its wire form.
    payload: Vec<u8>,
}

/// An input that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Letter(u128),
    Timer(String),
    Request(ClientId, RequestId),
    LinkUp(NodeId),
    LinkDown(NodeId),
}

/// What all hosts share. It lives outside of them, so no crash touches it.
struct Shared {
    system: Rc<dyn System>,
    board: Rc<RefCell<Board>>,
    /// Whether messages arrive in order, on links that can break.
    is_fifo: bool,
    /// In the order of sending. Where messages may arrive at any time each is there once, and otherwise until it has arrived or is lost.
    letters: RefCell<Vec<Letter>>,
    /// The links that nodes broke: the node, and its peer.
    resets: RefCell<Vec<(NodeId, NodeId)>>,
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
            Input::LinkUp(peer) => is_named(Named::LinkUp(*peer)),
            Input::LinkDown(peer) => is_named(Named::LinkDown(*peer)),
            // The end of a write is named by letting the disk sync; what becomes of clients' connections is no step of the model.
            Input::Persisted | Input::ClientGone(_) => true,
        }
    }

    fn sent(&self, letter: Letter) {
        let mut letters = self.letters.borrow_mut();
        let is_it = |other: &Letter| other.digest == letter.digest;
        if self.is_fifo || !letters.iter().any(is_it) {
            letters.push(letter);
        }
    }

    /// Finds a letter in its wire form. Where they arrive in order it must be the oldest of its pair, and is gone by that.
    fn letter(&self, from: NodeId, to: NodeId, digest: u128) -> Result<Vec<u8>, String> {
        let mut letters = self.letters.borrow_mut();
        let is_of_pair = |letter: &Letter| (letter.from, letter.to) == (from, to);
        if !self.is_fifo {
            let is_it = |letter: &&Letter| is_of_pair(letter) && letter.digest == digest;
            let found = letters
                .iter()
                .find(is_it)
                .ok_or("no such message was sent")?;
            return Ok(found.payload.clone());
        }
        let oldest = letters.iter().position(is_of_pair);
        let oldest = oldest.ok_or("nothing is under way there")?;
        match letters[oldest].digest == digest {
            true => Ok(letters.remove(oldest).payload),
            false => Err("another message comes first".into()),
        }
    }

    /// Nothing is under way between two nodes any more.
    fn cut(&self, one: NodeId, other: NodeId) {
        let mut letters = self.letters.borrow_mut();
        letters.retain(|Letter { from, to, .. }| {
            (*from, *to) != (one, other) && (*from, *to) != (other, one)
        });
    }
}

struct StepGate(Rc<Shared>);

impl Gate for StepGate {
    fn frame(&self, from: Party, to: Party, _: u64, framed: &[u8]) -> FrameFate {
        let payload = frame::payload(framed).unwrap_or_default();
        match (from, to) {
            (Party::Node(from), Party::Node(to)) => {
                if let Ok(message) = self.0.system.decode(Word::Message, payload) {
                    self.0.sent(Letter {
                        from,
                        to,
                        digest: letter_digest(from, to, &message),
                        payload: payload.to_vec(),
                    });
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
        let is_unnamed = matches!(ready[at], Input::Persisted | Input::ClientGone(_));
        if !is_unnamed {
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

    fn guards_links(&self) -> bool {
        false
    }

    fn broken_off(&self, node: NodeId, peer: NodeId) {
        self.0.resets.borrow_mut().push((node, peer));
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
        is_fifo: trace.bounds.network == Network::Fifo,
        letters: RefCell::default(),
        resets: RefCell::default(),
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
    let started = started.and_then(|()| steps.links_begin());
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
            while deliver(&outbox, &address, payload.as_deref())
                .await
                .is_err()
            {
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

/// Makes a connection, says one thing on it or nothing, and listens until it ends.
async fn deliver(
    outbox: &Outbox<PlainGate>,
    address: &str,
    payload: Option<&[u8]>,
) -> Result<(), End> {
    let (wire, _) = dial(&TurmoilNet, outbox, address).await?;
    payload.into_iter().for_each(|payload| outbox.send(payload));
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
        self.tick(TICKS_TO_START)?;
        // Who died breaks no links any more: it has none.
        self.shared.resets.take();
        if !self.shared.is_fifo {
            return Ok(());
        }
        for peer in self.others(node) {
            self.shared.cut(node, peer);
            self.take(node, Named::LinkUp(peer), None)?;
            self.take(peer, Named::LinkDown(node), None)?;
            self.take(peer, Named::LinkUp(node), None)?;
        }
        Ok(())
    }

    fn others(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let nodes = NodeId::all(self.shared.named.len() as u8);
        nodes.filter(move |peer| *peer != node)
    }

    /// All nodes have booted, and their links are there.
    fn links_begin(&mut self) -> Result<(), String> {
        if !self.shared.is_fifo {
            return Ok(());
        }
        for node in NodeId::all(self.shared.named.len() as u8) {
            for peer in self.others(node) {
                self.take(node, Named::LinkUp(peer), None)?;
            }
        }
        Ok(())
    }

    /// The link of two nodes breaks and is made again. Where anything may arrive at any time there are no links.
    fn reset(&mut self, one: NodeId, other: NodeId) -> Result<(), String> {
        if !self.shared.is_fifo {
            return Ok(());
        }
        self.send_out(Some(Errand {
            from: Party::Node(other),
            to: one,
            payload: None,
        }));
        self.tick(TICKS_TO_SETTLE)?;
        self.send_out(None);
        self.tick(TICKS_TO_SETTLE)?;
        self.shared.cut(one, other);
        for (node, peer) in [(one, other), (other, one)] {
            self.take(node, Named::LinkDown(peer), None)?;
            self.take(node, Named::LinkUp(peer), None)?;
        }
        Ok(())
    }

    /// A node takes an input, and all that follows from it without being named.
    fn take(&mut self, node: NodeId, named: Named, errand: Option<Errand>) -> Result<(), String> {
        self.admit(node, named, errand)?;
        self.settle()
    }

    /// Writes end, connections are made again, and links that a node broke are broken.
    fn settle(&mut self) -> Result<(), String> {
        self.tick(TICKS_TO_SETTLE)?;
        for (node, peer) in self.shared.resets.take() {
            self.reset(node, peer)?;
        }
        Ok(())
    }

    /// A node takes an input. The step is made in the tick that admits it; what it wrote is under way.
    fn admit(&mut self, node: NodeId, named: Named, errand: Option<Errand>) -> Result<(), String> {
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
        self.send_out(None);
        Ok(())
    }

    /// What a node is to take, and what the courier brings for it.
    fn name(&self, what: &What) -> Result<(NodeId, Named, Option<Errand>), String> {
        match what {
            What::Deliver { from, to, letter } => {
                let digest = u128::from_str_radix(letter, 16).map_err(|error| error.to_string())?;
                let errand = Errand {
                    from: Party::Node(*from),
                    to: *to,
                    payload: Some(self.shared.letter(*from, *to, digest)?),
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
                    payload: Some(payload),
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
        match what {
            What::Crash { node, .. } => return self.crash(*node),
            What::Reset { one, other } => return self.reset(*one, *other),
            _ => {}
        }
        let (node, named, errand) = self.name(what)?;
        self.shared.syncs[node.index()].set(fate != Fate::Dies);
        self.admit(node, named, errand)?;
        match fate {
            Fate::Dies => self.crash(node),
            Fate::Plain | Fate::Unheard => self.settle(),
        }
    }

    fn node(&self, node: NodeId) -> Option<u128> {
        self.shared.board.borrow().state(node, state_digest)
    }

    fn letters(&self) -> BTreeSet<u128> {
        let letters = self.shared.letters.borrow();
        letters.iter().map(|letter| letter.digest).collect()
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
