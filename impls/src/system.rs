//! A whole system behind one object-safe face.
//!
//! Arenas and the host know no protocol. They hold a [`System`] (how to boot a node, how to read its wire forms, what must always
//! hold) and a [`Member`] for each node, and they pass [`Parcel`]s between them. [`Reference`] gives this face to any [`Node`].

mod reference;

pub use reference::Unwatched;
pub(crate) use reference::{Typed, TypedDisk};

use crate::contract::{Effect, Effects, Input, Node, NodeId, Now, Vocabulary};
use crate::explored::{Memory, NodeState};
use crate::facts::FactKind;
use crate::knobs::{Knobs, Reads};
use crate::manage::{Manage, Report};
use crate::node_set::NodeSet;
use crate::parcel::Parcel;
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};
use std::any::Any;

/// The vocabulary in which every word is a parcel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Erased;

impl Vocabulary for Erased {
    type Message = Parcel;
    type Request = Parcel;
    type Reply = Parcel;
    type Event = Parcel;
    type Timer = Parcel;
    type Write = Parcel;
}

/// One node of a system, its types put away.
pub trait Member {
    /// Moves the node by one input; appends what it wants done.
    fn step(&mut self, now: Now, input: Input<Erased>, effects: &mut Effects<Erased>);

    /// The core itself, for those who know its type.
    fn as_any(&self) -> &dyn Any;

    /// The core's state in a line, for traces and scripts.
    fn describe(&self) -> String;

    /// See [`Node::progress`].
    fn progress(&self) -> u64;

    /// Its state as an exhaustive search sees it; `None` where it cannot be seen.
    fn state(&self) -> Option<&dyn NodeState> {
        None
    }
}

/// The content of one node's disk, its type put away.
pub trait DiskImage {
    /// Applies one write.
    fn apply(&mut self, write: &Parcel);

    /// A copy.
    fn duplicate(&self) -> Box<dyn DiskImage>;

    /// All of it in its wire form; [`System::read_disk`] reads it.
    fn encode(&self) -> Vec<u8>;

    /// The disk itself, for those who know its type.
    fn as_any(&self) -> &dyn Any;
}

/// Which of a system's words a run of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// [`Vocabulary::Message`].
    Message,
    /// [`Vocabulary::Request`].
    Request,
    /// [`Vocabulary::Reply`].
    Reply,
    /// [`Vocabulary::Event`].
    Event,
    /// [`Vocabulary::Write`].
    Write,
    /// [`Node::Disk`].
    Disk,
}

/// Bytes that are not the word they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes are not a {word:?} of {system}: {cause}")]
pub struct DecodeError {
    /// What was expected.
    pub word: Word,
    /// Of which system.
    pub system: String,
    /// How many bytes there were.
    pub length: usize,
    /// What the decoder says.
    pub cause: String,
}

/// What one node is told at its creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Setup {
    /// Its own id.
    pub id: NodeId,
    /// How many nodes there are, spares and all; their ids are `1..=nodes`.
    pub nodes: u8,
    /// Who has a vote when the cluster begins. The same at every node; later members are agreed on in the log.
    pub voters: NodeSet,
    /// The protocol's knobs.
    pub knobs: Knobs,
    /// The change to plant, by its id, if any: a [`Mutant`] or a [`Harmless`] one.
    pub mutant: Option<String>,
}

impl Setup {
    /// A node of a cluster in which every node has a vote, with the knobs as they are by default.
    pub fn of(id: NodeId, nodes: u8) -> Self {
        Self {
            id,
            nodes,
            voters: NodeSet::first(nodes),
            knobs: Knobs::default(),
            mutant: None,
        }
    }
}

/// A bug that some system shipped, ready to be planted: exactly one rule or one effect of the core is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its id, as `raft/commit-old-term`.
    pub id: &'static str,
    /// What the mutated code does wrong.
    pub mechanism: &'static str,
    /// Where it happened.
    pub source: &'static str,
    /// The property that must catch it.
    pub seen_by: &'static str,
}

/// A change that is no bug, ready to be planted as a [`Mutant`] is. Whoever calls it one raises a false alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Harmless {
    /// Its id, as `harmless/sent-twice`.
    pub id: &'static str,
    /// What the changed code does otherwise.
    pub change: &'static str,
}

/// The faults that a system promises to survive with every promise kept. Only what lies within may be held against it: a fault beyond
/// its budget can break a correct system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// What may happen to frames.
    pub links: Links,
    /// Nodes may stop, lose what they had not synced, and restart.
    pub crashes: bool,
    /// Nodes may stand still for a while and then go on.
    pub pauses: bool,
    /// A disk may fail loudly: it reports the failure, and its node stops.
    pub disk_stops: bool,
    /// What was synced may be lost or altered: a sync that lies, flipped bits, a wiped disk.
    pub synced_loss: bool,
    /// Wall clocks may show anything and jump either way.
    pub wall_clock: bool,
    /// How much faster or slower than true time a monotonic clock may run, in percent.
    pub drift_percent_max: u64,
    /// Its members may change, and its leadership may be handed over, while it serves.
    pub membership: bool,
}

impl Budget {
    /// What a protocol survives that trusts in nothing but what it has synced: the network may do what it likes, nodes may stop, stand still and
    /// restart, and no clock has to be right. Its members stay the same.
    pub const ASYNCHRONOUS: Budget = Budget {
        links: Links::Any,
        crashes: true,
        pauses: true,
        disk_stops: true,
        synced_loss: false,
        wall_clock: true,
        drift_percent_max: 50,
        membership: false,
    };
}

/// What a protocol asks of the links between its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// Nothing: frames may be lost, delayed, reordered and repeated.
    Any,
    /// First in, first out for each pair. Frames may be delayed in order; loss, reordering and repetition must become resets of the link.
    Fifo,
}

/// An invariant of a system, for lists and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvariantInfo {
    /// Its name, as `election-safety`.
    pub name: &'static str,
    /// The law in a sentence.
    pub law: &'static str,
    /// Where the law is stated.
    pub source: &'static str,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {message}")]
pub struct Broken {
    /// Which one, by its name.
    pub invariant: &'static str,
    /// What was seen.
    pub message: String,
}

/// The invariants of one cluster, with their history. It is told of every boot and every step, and reads only what changed.
pub trait Watch {
    /// A node booted from its disk.
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Result<(), Broken>;

    /// The oldest write of a node that was under way is durable. Told before the step in which the node learns of it.
    fn synced(&mut self, _node: NodeId) {}

    /// A node made a step with these effects.
    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Result<(), Broken>;

    /// The plain, whole-state form of the same laws over the nodes that are up: slow, and the oracle of the incremental form.
    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Result<(), Broken>;

    /// How often each invariant was put to the test, by its name: a law that nothing could have broken proves nothing.
    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// A system under test, its types put away.
pub trait System {
    /// Its name, as `raft-cache`.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence.
    fn summary(&self) -> &'static str;

    /// The mutants that can be planted in it.
    fn mutants(&self) -> &'static [Mutant];

    /// The harmless changes that can be planted in it.
    fn harmless(&self) -> &'static [Harmless];

    /// The faults it promises to survive.
    fn budget(&self) -> Budget;

    /// The kinds of message its nodes send: what [`System::message_kind`] can say.
    fn message_kinds(&self) -> &'static [&'static str];

    /// Which kind a message is. For observers and faults; it never steers a node.
    ///
    /// # Panics
    /// When the message is of another system.
    fn message_kind(&self, message: &Parcel) -> &'static str;

    /// The kinds of fact its nodes can note. What none of them can note is not missing from a run.
    fn facts(&self) -> &'static [FactKind];

    /// What must always hold inside it.
    fn invariants(&self) -> &'static [InvariantInfo];

    /// An empty disk.
    fn blank_disk(&self) -> Box<dyn DiskImage>;

    /// Reads a disk from its wire form.
    fn read_disk(&self, bytes: &[u8]) -> Result<Box<dyn DiskImage>, DecodeError>;

    /// How it can make reads linearizable.
    fn reads(&self) -> &'static [Reads];

    /// Why no node can be made of a setup, in words that name the field; `None` when one can.
    fn refuses(&self, _setup: &Setup) -> Option<String> {
        None
    }

    /// Makes a node from its disk.
    ///
    /// # Panics
    /// When the disk is of another system, or the setup is one that [`System::refuses`].
    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Box<dyn Member>;

    /// Reads one of its words from its wire form.
    fn decode(&self, word: Word, bytes: &[u8]) -> Result<Parcel, DecodeError>;

    /// What an operator asks, as a request; `None` where the cluster cannot be managed.
    fn manage(&self, manage: Manage) -> Option<Parcel>;

    /// How a node is, if that is what a reply in its wire form says.
    fn report(&self, _reply: &[u8]) -> Option<Report> {
        None
    }

    /// What asks a member for all that it has stored; `None` where that cannot be asked.
    fn ask_for_backup(&self) -> Option<Parcel> {
        None
    }

    /// The disk of a member of a new cluster that begins with what a member of another has stored, in its wire form; `None` where that cannot be. The
    /// error says why those bytes are no such thing.
    fn restore(
        &self,
        _stored: &[u8],
        _cluster: u64,
        _voters: NodeSet,
    ) -> Option<Result<Box<dyn DiskImage>, String>> {
        None
    }

    /// What a member has stored, in its wire form, if that is what a reply in its wire form says.
    fn stored(&self, _reply: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The invariants of a new cluster.
    fn watch(&self) -> Box<dyn Watch>;
}

/// How a cluster is made of what another has stored.
pub struct Backup<N: Node> {
    /// What asks a member for all that it has stored.
    pub ask: fn() -> N::Request,
    /// What a member has stored, if a reply says that.
    pub stored: fn(&N::Reply) -> Option<Image>,
    /// See [`System::restore`].
    pub restore: fn(&Image, u64, NodeSet) -> Result<N::Disk, String>,
}

/// Gives any core the face of a [`System`].
pub struct Reference<N: Node<Config = Setup>> {
    /// See [`System::name`].
    pub name: &'static str,
    /// See [`System::summary`].
    pub summary: &'static str,
    /// See [`System::mutants`].
    pub mutants: &'static [Mutant],
    /// See [`System::harmless`].
    pub harmless: &'static [Harmless],
    /// See [`System::budget`].
    pub budget: Budget,
    /// See [`System::reads`].
    pub reads: &'static [Reads],
    /// See [`System::invariants`].
    pub invariants: &'static [InvariantInfo],
    /// See [`System::manage`].
    pub manage: fn(Manage) -> Option<N::Request>,
    /// How a node is, if a reply says that.
    pub report: fn(&N::Reply) -> Option<Report>,
    /// How a cluster is made of what another has stored, where that can be.
    pub backup: Option<Backup<N>>,
    /// See [`System::watch`].
    pub watch: fn() -> Box<dyn Memory>,
    /// Which core.
    pub core: std::marker::PhantomData<N>,
}
