//! What the tests of the host share: a small core, a system that writes down what its nodes are given, a gate that is told what to do,
//! and a caller who asks as a client does.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod memory_disk;
pub mod storm;
use stormglass_impls::knobs::Reads;
use stormglass_impls::manage::Manage;

use serde::{Deserialize, Serialize};
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{
    Answer, ClientId, DelayRange, Disk as Image, Effects, Input, Node, NodeId, Now, RequestId,
    Session, Vocabulary,
};
use stormglass_impls::facts::FactKind;
use stormglass_impls::host::connection::{End, Outbox, dial};
use stormglass_impls::host::frame::Frame;
use stormglass_impls::host::{Admit, Fate, Fsync, Gate, Net};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{
    Budget, DecodeError, DiskImage, Erased, Harmless, InvariantInfo, Links, Member, Mutant,
    Reference, Setup, System, Unwatched, Watch, Word,
};
use stormglass_impls::wire::{ClientFrame, Party};
use tokio::sync::{Notify, mpsc};

/// Adds up what clients ask, answers with the sum once it is durable, and beats to its peers every 20 to 30 ms.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tally {
    setup: Setup,
    sum: u64,
    unanswered: Vec<(ClientId, RequestId, u64)>,
    beats: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Beat(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TallyTimer {
    Beat,
    Other,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sum(pub u64);

impl Image<u64> for Sum {
    fn apply(&mut self, write: &u64) {
        self.0 += write;
    }
}

impl Vocabulary for Tally {
    type Message = Beat;
    type Request = u64;
    type Reply = u64;
    type Event = ();
    type Timer = TallyTimer;
    type Write = u64;
}

impl Node for Tally {
    type Config = Setup;
    type Disk = Sum;

    const MESSAGE_KINDS: &'static [&'static str] = &["beat"];
    const FACTS: &'static [FactKind] = &[];

    fn message_kind(_: &Beat) -> &'static str {
        "beat"
    }

    fn progress(&self) -> u64 {
        self.sum
    }

    fn boot(setup: &Setup, disk: Sum, now: Now, effects: &mut Effects<Self>) -> Self {
        effects.set_timer(TallyTimer::Beat, DelayRange::from_ms(20, 30));
        Self {
            setup: setup.clone(),
            sum: disk.0,
            unanswered: Vec::new(),
            // So that no two lives of a node send the same beat.
            beats: now.monotonic_ns,
        }
    }

    fn step(&mut self, _: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Request {
                client,
                request_id,
                body,
                ..
            } => {
                self.unanswered.push((client, request_id, body));
                effects.persist(vec![body]);
            }
            Input::Persisted => {
                let (client, request_id, body) = self.unanswered.remove(0);
                self.sum += body;
                effects.reply(client, request_id, Answer::Done(self.sum));
            }
            Input::TimerFired(TallyTimer::Beat) => {
                self.beats += 1;
                for peer in NodeId::all(self.setup.nodes).filter(|peer| *peer != self.setup.id) {
                    effects.send(peer, Beat(self.beats));
                }
                effects.set_timer(TallyTimer::Beat, DelayRange::from_ms(20, 30));
            }
            _ => {}
        }
    }
}

/// One thing a node was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub at_ns: u64,
    pub node: NodeId,
    /// Nothing for a boot.
    pub input: Option<Input<Erased>>,
}

/// The [`Tally`] system, its inputs written down.
pub struct Traced {
    inner: Reference<Tally>,
    trace: Rc<RefCell<Vec<Given>>>,
}

pub type Trace = Rc<RefCell<Vec<Given>>>;

pub fn tally() -> (Rc<dyn System>, Trace) {
    let inner = Reference {
        name: "tally",
        summary: "adds up",
        mutants: &[],
        harmless: &[],
        budget: Budget {
            links: Links::Any,
            crashes: true,
            pauses: true,
            disk_stops: true,
            synced_loss: false,
            wall_clock: true,
            drift_percent_max: 0,
            membership: false,
        },
        reads: &[],
        invariants: &[],
        manage: |_| None,
        report: |_| None,
        backup: None,
        watch: || Box::new(Unwatched),
        core: std::marker::PhantomData,
    };
    let trace = Trace::default();
    (
        Rc::new(Traced {
            inner,
            trace: Rc::clone(&trace),
        }),
        trace,
    )
}

struct TracedMember {
    node: NodeId,
    inner: Box<dyn Member>,
    trace: Trace,
}

impl Member for TracedMember {
    fn step(&mut self, now: Now, input: Input<Erased>, effects: &mut Effects<Erased>) {
        let given = Given {
            at_ns: now.monotonic_ns,
            node: self.node,
            input: Some(input.clone()),
        };
        self.trace.borrow_mut().push(given);
        self.inner.step(now, input, effects);
    }

    fn as_any(&self) -> &dyn Any {
        self.inner.as_any()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn progress(&self) -> u64 {
        self.inner.progress()
    }
}

impl System for Traced {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn summary(&self) -> &'static str {
        self.inner.summary()
    }

    fn mutants(&self) -> &'static [Mutant] {
        self.inner.mutants()
    }

    fn harmless(&self) -> &'static [Harmless] {
        self.inner.harmless()
    }

    fn budget(&self) -> Budget {
        self.inner.budget()
    }

    fn message_kinds(&self) -> &'static [&'static str] {
        self.inner.message_kinds()
    }

    fn facts(&self) -> &'static [FactKind] {
        self.inner.facts()
    }

    fn message_kind(&self, message: &Parcel) -> &'static str {
        self.inner.message_kind(message)
    }

    fn invariants(&self) -> &'static [InvariantInfo] {
        self.inner.invariants()
    }

    fn blank_disk(&self) -> Box<dyn DiskImage> {
        self.inner.blank_disk()
    }

    fn read_disk(&self, bytes: &[u8]) -> Result<Box<dyn DiskImage>, DecodeError> {
        self.inner.read_disk(bytes)
    }

    fn reads(&self) -> &'static [Reads] {
        self.inner.reads()
    }

    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Box<dyn Member> {
        self.trace.borrow_mut().push(Given {
            at_ns: now.monotonic_ns,
            node: setup.id,
            input: None,
        });
        let inner = self.inner.boot(setup, disk, now, effects);
        Box::new(TracedMember {
            node: setup.id,
            inner,
            trace: Rc::clone(&self.trace),
        })
    }

    fn decode(&self, word: Word, bytes: &[u8]) -> Result<Parcel, DecodeError> {
        self.inner.decode(word, bytes)
    }

    fn manage(&self, manage: Manage) -> Option<Parcel> {
        self.inner.manage(manage)
    }

    fn watch(&self) -> Box<dyn Watch> {
        self.inner.watch()
    }
}

/// The beats a node was given from a peer, with their times, in order.
pub fn beats(trace: &Trace, node: u8, from: u8) -> Vec<(u64, u64)> {
    let trace = trace.borrow();
    let beats = trace
        .iter()
        .filter(|given| given.node == NodeId(node))
        .filter_map(|given| match &given.input {
            Some(Input::Deliver {
                from: sender,
                message,
            }) if *sender == NodeId(from) => Some((given.at_ns, message.open::<Beat>().unwrap().0)),
            _ => None,
        });
    beats.collect()
}

/// How often a node was given an input like that.
pub fn count(trace: &Trace, node: u8, like: impl Fn(&Input<Erased>) -> bool) -> usize {
    let trace = trace.borrow();
    let inputs = trace
        .iter()
        .filter(|given| given.node == NodeId(node))
        .filter_map(|given| given.input.as_ref());
    inputs.filter(|input| like(input)).count()
}

pub type SyncRule = Box<dyn FnMut(NodeId) -> Fsync>;
pub type FrameRule = Box<dyn FnMut(Party, Party, u64, &[u8]) -> Fate>;

/// A gate that does as it is told.
#[derive(Default)]
pub struct TestGate {
    pub frames: RefCell<Option<FrameRule>>,
    /// Who is not admitted any input.
    pub held: RefCell<BTreeSet<NodeId>>,
    pub syncs: RefCell<BTreeMap<NodeId, Fsync>>,
    pub sync_rule: RefCell<Option<SyncRule>>,
    /// Who cannot be dialled.
    pub unreachable: RefCell<BTreeSet<NodeId>>,
    /// The longest list of ready inputs it was shown.
    pub ready_max: RefCell<usize>,
    pub changed: Notify,
}

impl TestGate {
    pub fn on_frame(&self, rule: impl FnMut(Party, Party, u64, &[u8]) -> Fate + 'static) {
        *self.frames.borrow_mut() = Some(Box::new(rule));
    }

    pub fn on_sync(&self, rule: impl FnMut(NodeId) -> Fsync + 'static) {
        *self.sync_rule.borrow_mut() = Some(Box::new(rule));
    }

    pub fn hold(&self, node: u8) {
        self.held.borrow_mut().insert(NodeId(node));
    }

    pub fn release(&self, node: u8) {
        self.held.borrow_mut().remove(&NodeId(node));
        self.changed.notify_waiters();
    }

    pub fn sync(&self, node: u8, sync: Fsync) {
        self.syncs.borrow_mut().insert(NodeId(node), sync);
        self.changed.notify_waiters();
    }
}

impl Gate for TestGate {
    fn dial(&self, _: Party, to: Party, _: u64) -> bool {
        !matches!(to, Party::Node(node) if self.unreachable.borrow().contains(&node))
    }

    fn frame(&self, from: Party, to: Party, connection: u64, bytes: &[u8]) -> Fate {
        match &mut *self.frames.borrow_mut() {
            Some(rule) => rule(from, to, connection, bytes),
            None => Fate::Pass,
        }
    }

    fn admit(&self, node: NodeId, ready: &[Input<Erased>]) -> Admit {
        let mut ready_max = self.ready_max.borrow_mut();
        *ready_max = ready.len().max(*ready_max);
        if self.held.borrow().contains(&node) {
            Admit::Hold
        } else {
            Admit::Next(0)
        }
    }

    fn sync(&self, node: NodeId) -> Fsync {
        if let Some(rule) = &mut *self.sync_rule.borrow_mut() {
            return rule(node);
        }
        self.syncs
            .borrow()
            .get(&node)
            .copied()
            .unwrap_or(Fsync::After { ns: 0 })
    }

    fn changed(&self, _: NodeId) -> impl Future<Output = ()> {
        self.changed.notified()
    }
}

/// One client connection, and a way to ask on it.
pub struct Caller {
    outbox: Rc<Outbox<TestGate>>,
    answers: mpsc::UnboundedReceiver<ClientFrame>,
    request_id: u64,
}

impl Caller {
    pub async fn connect<N: Net>(
        net: N,
        gate: &Rc<TestGate>,
        client: u32,
        address: &str,
    ) -> Result<Self, End> {
        let (from, to) = (Party::Client(ClientId(client)), Party::Node(NodeId(1)));
        let outbox = Outbox::new(Rc::clone(gate), from, to, 1);
        let (wire, _) = dial(&net, &outbox, address).await?;
        let (sender, answers) = mpsc::unbounded_channel();
        let served = Rc::clone(&outbox);
        tokio::task::spawn_local(async move {
            let deliver = async |frame| {
                let Frame::Data(payload) = frame else {
                    panic!("a node greets a client once")
                };
                let frame = postcard::from_bytes(&payload)
                    .map_err(|error| End::Senseless(error.to_string()))?;
                sender.send(frame).map_err(|_| End::Dropped)
            };
            wire.serve(&served, deliver).await;
        });
        Ok(Self {
            outbox,
            answers,
            request_id: 0,
        })
    }

    pub fn send(&mut self, frame: &ClientFrame) {
        self.outbox.send(&postcard::to_allocvec(frame).unwrap());
    }

    /// Asks for a number to be added. Nothing when the connection ended or no answer came in time.
    pub async fn add(&mut self, number: u64) -> Option<u64> {
        self.request_id += 1;
        let body = postcard::to_allocvec(&number).unwrap();
        self.send(&ClientFrame::Call {
            session: Session(0),
            request_id: RequestId(self.request_id),
            body,
        });
        loop {
            match self.next().await? {
                // A gate may have copied an answer.
                ClientFrame::Answer { request_id, .. } if request_id.0 < self.request_id => {}
                ClientFrame::Answer {
                    request_id,
                    answer: Answer::Done(reply),
                } if request_id.0 == self.request_id => {
                    return Some(postcard::from_bytes(&reply).unwrap());
                }
                other => panic!("a tally answers what it was asked, and not {other:?}"),
            }
        }
    }

    pub async fn next(&mut self) -> Option<ClientFrame> {
        tokio::time::timeout(Duration::from_secs(1), self.answers.recv())
            .await
            .ok()
            .flatten()
    }

    pub fn close(&self) {
        self.outbox.close();
    }
}
