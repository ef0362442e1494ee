//! What happens around every step of a node, in every arena: the digest, the facts, the invariants, and a net for panics.
//!
//! [`Observed`] wraps a system. The nodes it boots look like any other, so neither the host nor the simulator knows that it is watched.
use stormglass_impls::knobs::Reads;
use stormglass_impls::manage::Manage;

use crate::desk::Desk;
use crate::harness;
#[cfg(feature = "model")]
use crate::model::tape::{self, Taped};
use crate::quiet::{quietly, text_of};
use crate::record::{
    FactRecord, FaultRecord, Marks, RECORD_VERSION, Record, Traffic, Violation, ViolationKind, Wear,
};
use crate::schedule::{Notice, Trigger, When};
use crate::trial::{Healing, Trial};
use crate::watchdog::{self, Pulse};
use crate::wiretap::{self, Tap};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use stormglass_checker::History;
use stormglass_impls::contract::{ClientId, Effect, Effects, Input, NodeId, Now, RequestId};
use stormglass_impls::facts::FactKind;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{
    Broken, Budget, DecodeError, DiskImage, Erased, Harmless, InvariantInfo, Member, Mutant, Setup,
    System, Unwatched, Watch, Word,
};
use stormglass_workloads::client::OWN_REQUESTS;

/// How many marks of the digest are kept at most.
const MARKS_MAX: usize = 1 << 18;

/// What was observed of one cluster so far.
pub struct Board {
    digest: SipHasher13,
    /// See [`crate::record::Record::inputs`].
    inputs: u64,
    /// See [`Marks`]: the last two bytes of the digest after every so many inputs.
    marks: Vec<u16>,
    marks_every: u64,
    /// See [`crate::record::Record::facts`].
    facts: Vec<FactRecord>,
    /// What broke. The first one ends the trial.
    pub violations: Vec<Violation>,
    /// What the conductor has not seen yet: when, where, what.
    unseen: VecDeque<(u64, NodeId, Notice)>,
    /// Whether the conductor waits for disks to be given something to write.
    notices_writes: bool,
    /// The newest request of each client that the history knows of.
    recorded: BTreeMap<ClientId, RequestId>,
    /// The inputs that somebody wants described, by number, and what was described.
    wanted: std::ops::Range<u64>,
    described: Vec<String>,
    /// Listens to what is said, if somebody wants to hear it.
    pub(crate) tap: Option<Tap>,
    pulse: Arc<Pulse>,
    watch: Box<dyn Watch>,
    /// The nodes that are up. A crash drops a node, and with it this way to it.
    members: BTreeMap<NodeId, Weak<RefCell<Box<dyn Member>>>>,
    /// The arena's clock, in simulated nanoseconds: nodes may have clocks of their own that are wrong.
    clock: Rc<dyn Fn() -> u64>,
}

impl Board {
    /// An empty board for a cluster of that system.
    pub fn new(system: &dyn System, trial: &Trial, clock: Rc<dyn Fn() -> u64>) -> Self {
        let mut board = Self::with(system.watch(), clock);
        board.notices_writes = trial.schedule.iter().any(|fault| {
            matches!(
                fault.when,
                When::OnFact {
                    fact: Trigger::Persisting,
                    ..
                }
            )
        });
        board
    }

    /// An empty board for a cluster whose nodes nobody can look into.
    pub fn blind(clock: Rc<dyn Fn() -> u64>) -> Self {
        Self::with(Box::new(Unwatched), clock)
    }

    fn with(watch: Box<dyn Watch>, clock: Rc<dyn Fn() -> u64>) -> Self {
        Self {
            digest: SipHasher13::new(),
            inputs: 0,
            marks: Vec::new(),
            marks_every: 1,
            facts: Vec::new(),
            violations: Vec::new(),
            unseen: VecDeque::new(),
            notices_writes: false,
            recorded: BTreeMap::new(),
            wanted: WANTED.take(),
            described: Vec::new(),
            tap: wiretap::wanted(),
            pulse: watchdog::pulse(),
            watch,
            members: BTreeMap::new(),
            clock,
        }
    }

    /// The history knows of this request now, and of those before it.
    pub fn recorded(&mut self, client: ClientId, request: RequestId) {
        self.recorded.insert(client, request);
    }

    /// How far a node is in what the cluster agreed on; `None` when it is down. Must not be called from within a step.
    pub fn progress(&self, node: NodeId) -> Option<u64> {
        let member = self.members.get(&node)?.upgrade()?;
        let progress = member.borrow().progress();
        Some(progress)
    }

    /// Looks at a node's state; `None` when it is down or cannot be seen. Must not be called from within a step.
    #[cfg(feature = "model")]
    pub(crate) fn state<T>(
        &self,
        node: NodeId,
        look: impl FnOnce(&dyn stormglass_impls::explored::NodeState) -> T,
    ) -> Option<T> {
        let member = self.members.get(&node)?.upgrade()?;
        let member = member.borrow();
        member.state().map(look)
    }

    /// Puts an event into the digest, with its time. It counts as an input, where no inputs can be seen.
    pub fn note_event(&mut self, event: impl Hash + Debug) {
        let now_ns = (self.clock)();
        (now_ns, &event).hash(&mut self.digest);
        self.describe(now_ns, format_args!("{event:?}"));
        self.count_input();
    }

    /// Describes what is being put into the digest, if somebody wants that one described.
    fn describe(&mut self, now_ns: u64, what: std::fmt::Arguments<'_>) {
        if self.wanted.contains(&self.inputs) {
            let at_s = now_ns as f64 / 1e9;
            self.described.push(format!("{at_s:.9} s: {what}"));
        }
    }

    /// The digest of all inputs so far: 32 hexadecimal digits.
    pub fn digest(&self) -> String {
        format!("{:032x}", self.digest.finish128().as_u128())
    }

    /// The oldest thing the conductor has not seen: when, where, what.
    pub fn next_notice(&mut self) -> Option<(u64, NodeId, Notice)> {
        self.unseen.pop_front()
    }

    /// Writes down that something broke.
    pub fn violation(
        &mut self,
        kind: ViolationKind,
        name: &str,
        node: Option<NodeId>,
        message: String,
    ) {
        let time_ns = (self.clock)();
        self.violations.push(Violation {
            kind,
            name: name.to_string(),
            time_ns,
            node,
            message,
        });
    }

    /// Runs the whole-state form of the invariants over the nodes that are up. Must not be called from within a step.
    pub fn audit(&mut self) {
        let up: Vec<_> = self
            .members
            .iter()
            .filter_map(|(node, member)| Some((*node, member.upgrade()?)))
            .collect();
        let up: Vec<_> = up
            .iter()
            .map(|(node, member)| (*node, member.borrow()))
            .collect();
        let up: Vec<(NodeId, &dyn Member)> = up
            .iter()
            .map(|(node, member)| (*node, &***member))
            .collect();
        let verdict = self.watch.audit(&up);
        self.note_broken(None, verdict);
    }

    /// At the end: a cluster that was whole again and did not answer every final read made no progress. Not asked of a trial that ended
    /// early, because something broke or somebody interrupted it.
    pub fn demand_progress(&mut self, trial: &Trial, desk: &Desk, interrupted: bool) {
        if interrupted || desk.all_done() || !self.violations.is_empty() {
            return;
        }
        let unread = desk.unread().join(", ");
        let members = desk.members_missing();
        let whole = match &trial.healing {
            Healing::Everything => "everything is healed".to_string(),
            Healing::Core { core, .. } => format!("the majority {core:?} is healed"),
        };
        let missing = match members {
            Some(members) if unread.is_empty() => format!("the members did not become {members}"),
            Some(members) => format!(
                "no answer to the final read of {unread}, nor did the members become {members},"
            ),
            None => format!("no answer to the final read of {unread}"),
        };
        let waited_ms = desk.patience_ns() / 1_000_000;
        let message = format!("{missing} for {waited_ms} ms, and {whole}");
        self.violation(ViolationKind::Progress, "progress", None, message);
    }

    /// At the end: whether the history says only what can be known. What it should not say makes every verdict worthless.
    pub fn audit_harness(&mut self, history: &History) {
        if let Err(message) = harness::audit(history) {
            let (kind, name) = harness::FINDING;
            self.violation(kind, name, None, message);
        }
    }

    /// What was observed, as a record.
    pub fn record(
        &self,
        trial: &Trial,
        interrupted: bool,
        (traffic, wear): (Traffic, Wear),
        faults: Vec<FaultRecord>,
    ) -> Record {
        DESCRIBED.replace(self.described.clone());
        if let Some(tap) = &self.tap {
            wiretap::heard(tap);
        }
        Record {
            schema_version: RECORD_VERSION,
            digest: self.digest(),
            marks: Marks {
                every: self.marks_every,
                digits: self
                    .marks
                    .iter()
                    .map(|mark| format!("{mark:04x}"))
                    .collect(),
            },
            inputs: self.inputs,
            interrupted,
            ended_ns: (self.clock)(),
            healed_ns: trial.storm_ms * 1_000_000,
            traffic,
            wear,
            faults,
            facts: self.facts.clone(),
            violations: self.violations.clone(),
        }
    }

    fn note_input(&mut self, node: NodeId, input: &Input<Erased>) {
        let now_ns = (self.clock)();
        self.pulse.enter(node, now_ns);
        (now_ns, node, input).hash(&mut self.digest);
        self.describe(now_ns, format_args!("{node} takes {input:?}"));
        self.count_input();
        if let (Some(tap), Input::Deliver { from, message }) = (&mut self.tap, input) {
            tap.arrived(now_ns, *from, node, message);
        }
        if let Input::Request {
            client, request_id, ..
        } = input
        {
            self.check_recorded(*client, *request_id);
        }
    }

    /// A request that reached a node was called before: the history must know of it. What a client asks for itself was not called.
    fn check_recorded(&mut self, client: ClientId, request: RequestId) {
        if request >= OWN_REQUESTS {
            return;
        }
        if self
            .recorded
            .get(&client)
            .is_none_or(|newest| request > *newest)
        {
            let (kind, name) = harness::FINDING;
            let message = format!(
                "request {request} of {client} reached a node, and the history knows no such call"
            );
            self.violation(kind, name, None, message);
        }
    }

    fn count_input(&mut self) {
        self.inputs += 1;
        if self.inputs.is_multiple_of(self.marks_every) {
            self.marks.push(self.digest.finish128().as_u128() as u16);
            if self.marks.len() == MARKS_MAX {
                let mut position = 0;
                self.marks.retain(|_| {
                    position += 1;
                    position % 2 == 0
                });
                self.marks_every *= 2;
            }
        }
    }

    fn note_boot(&mut self, node: NodeId) {
        let now_ns = (self.clock)();
        (now_ns, node, "boot").hash(&mut self.digest);
        if let Some(tap) = &mut self.tap {
            tap.booted(now_ns, node);
        }
    }

    fn note_effects(&mut self, node: NodeId, effects: &[Effect<Erased>]) {
        if let Some(tap) = &mut self.tap {
            tap.wanted((self.clock)(), node, effects);
        }
        for effect in effects {
            if let Effect::Note(fact) = effect {
                let record = FactRecord {
                    time_ns: (self.clock)(),
                    node,
                    fact: *fact,
                };
                self.facts.push(record);
                self.unseen
                    .push_back((record.time_ns, node, Notice::Fact(*fact)));
            } else if let (Effect::Persist(_), true) = (effect, self.notices_writes) {
                self.unseen
                    .push_back(((self.clock)(), node, Notice::Persisting));
            }
        }
    }

    fn note_broken(&mut self, node: Option<NodeId>, verdict: Result<(), Broken>) {
        if let Err(Broken { invariant, message }) = verdict {
            self.violation(ViolationKind::Invariant, invariant, node, message);
        }
    }

    fn note_panic(&mut self, node: NodeId, payload: &(dyn Any + Send)) {
        let message = text_of(payload);
        self.violation(ViolationKind::Panic, "panic", Some(node), message);
    }
}

thread_local! {
    /// Which inputs the next board of this thread describes.
    static WANTED: std::cell::RefCell<std::ops::Range<u64>> = const { std::cell::RefCell::new(0..0) };
    /// What the last board of this thread described.
    static DESCRIBED: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Runs a trial with the inputs of these numbers, from 0, described. What is described is no part of the record.
pub fn describing<T>(inputs: std::ops::Range<u64>, run: impl FnOnce() -> T) -> (T, Vec<String>) {
    WANTED.replace(inputs);
    DESCRIBED.take();
    let result = run();
    (result, DESCRIBED.take())
}

/// A system whose nodes are observed.
pub struct Observed {
    /// The system itself.
    pub system: Rc<dyn System>,
    /// Where it is written down.
    pub board: Rc<RefCell<Board>>,
}

/// A node that is observed. After a panic it is dead: it takes inputs and does nothing.
struct Watched {
    node: NodeId,
    member: Option<Rc<RefCell<Box<dyn Member>>>>,
    board: Rc<RefCell<Board>>,
}

impl Member for Watched {
    fn step(&mut self, now: Now, input: Input<Erased>, effects: &mut Effects<Erased>) {
        let Some(member) = &mut self.member else {
            return;
        };
        let mut board = self.board.borrow_mut();
        board.note_input(self.node, &input);
        if matches!(input, Input::Persisted) {
            board.watch.synced(self.node);
        }
        drop(board);
        let before = effects.as_slice().len();
        #[cfg(feature = "model")]
        let taken = tape::is_on().then(|| input.clone());
        let stepped = quietly(|| member.borrow_mut().step(now, input, effects));
        #[cfg(feature = "model")]
        if let (Ok(()), Some(input)) = (&stepped, taken) {
            let node = self.node;
            tape::note(&**member.borrow(), |state, outline| Taped::Stepped {
                node,
                input,
                state,
                outline,
            });
        }
        self.board.borrow().pulse.leave();
        let mut board = self.board.borrow_mut();
        match stepped {
            Ok(()) => {
                let new = &effects.as_slice()[before..];
                board.note_effects(self.node, new);
                let verdict = board
                    .watch
                    .stepped(self.node, member.borrow().as_ref(), new);
                board.note_broken(Some(self.node), verdict);
            }
            Err(payload) => {
                board.note_panic(self.node, payload.as_ref());
                self.member = None;
            }
        }
    }

    /// The observer itself: what it observes is for the board alone.
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn describe(&self) -> String {
        self.member.as_ref().map_or_else(
            || "panicked".to_string(),
            |member| member.borrow().describe(),
        )
    }

    fn progress(&self) -> u64 {
        self.member
            .as_ref()
            .map_or(0, |member| member.borrow().progress())
    }
}

/// What a panic is called that a disk's fold of a node's writes ended in.
pub(crate) const MISFIT: &str = "misfit";

/// A disk that is observed: writes that make no sense one after the other are a finding, wherever they are read.
struct WatchedDisk {
    disk: Box<dyn DiskImage>,
    board: Rc<RefCell<Board>>,
}

impl DiskImage for WatchedDisk {
    fn apply(&mut self, write: &Parcel) {
        if let Err(payload) = quietly(|| self.disk.apply(write)) {
            let message = format!(
                "the write {write:?} does not fit the disk: {}",
                text_of(payload.as_ref())
            );
            self.board
                .borrow_mut()
                .violation(ViolationKind::Panic, MISFIT, None, message);
        }
    }

    fn duplicate(&self) -> Box<dyn DiskImage> {
        Box::new(WatchedDisk {
            disk: self.disk.duplicate(),
            board: Rc::clone(&self.board),
        })
    }

    fn encode(&self) -> Vec<u8> {
        self.disk.encode()
    }

    fn as_any(&self) -> &dyn Any {
        self.disk.as_any()
    }
}

impl System for Observed {
    fn name(&self) -> &'static str {
        self.system.name()
    }

    fn summary(&self) -> &'static str {
        self.system.summary()
    }

    fn mutants(&self) -> &'static [Mutant] {
        self.system.mutants()
    }

    fn harmless(&self) -> &'static [Harmless] {
        self.system.harmless()
    }

    fn budget(&self) -> Budget {
        self.system.budget()
    }

    fn message_kinds(&self) -> &'static [&'static str] {
        self.system.message_kinds()
    }

    fn facts(&self) -> &'static [FactKind] {
        self.system.facts()
    }

    fn message_kind(&self, message: &Parcel) -> &'static str {
        self.system.message_kind(message)
    }

    fn invariants(&self) -> &'static [InvariantInfo] {
        self.system.invariants()
    }

    fn blank_disk(&self) -> Box<dyn DiskImage> {
        Box::new(WatchedDisk {
            disk: self.system.blank_disk(),
            board: Rc::clone(&self.board),
        })
    }

    fn read_disk(&self, bytes: &[u8]) -> Result<Box<dyn DiskImage>, DecodeError> {
        let disk = self.system.read_disk(bytes)?;
        let board = Rc::clone(&self.board);
        Ok(Box::new(WatchedDisk { disk, board }))
    }

    fn reads(&self) -> &'static [Reads] {
        self.system.reads()
    }

    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Box<dyn Member> {
        let node = setup.id;
        {
            let board = self.board.borrow();
            board.pulse.enter(node, (board.clock)());
        }
        let booted = quietly(|| self.system.boot(setup, disk, now, effects));
        let mut board = self.board.borrow_mut();
        board.note_boot(node);
        let member = match booted {
            Ok(member) => {
                board.note_effects(node, effects.as_slice());
                let verdict = board.watch.booted(node, member.as_ref());
                board.note_broken(Some(node), verdict);
                #[cfg(feature = "model")]
                tape::note(&*member, |state, outline| Taped::Booted {
                    node,
                    state,
                    outline,
                });
                let member = Rc::new(RefCell::new(member));
                board.members.insert(node, Rc::downgrade(&member));
                Some(member)
            }
            Err(payload) => {
                board.note_panic(node, payload.as_ref());
                None
            }
        };
        Box::new(Watched {
            node,
            member,
            board: Rc::clone(&self.board),
        })
    }

    fn decode(&self, word: Word, bytes: &[u8]) -> Result<Parcel, DecodeError> {
        self.system.decode(word, bytes)
    }

    fn manage(&self, manage: Manage) -> Option<Parcel> {
        self.system.manage(manage)
    }

    fn watch(&self) -> Box<dyn Watch> {
        self.system.watch()
    }
}
