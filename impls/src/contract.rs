//! The contract between a protocol core and whatever drives it.
//!
//! A core is a value with two functions: [`Node::boot`] makes it from what its disk kept, and [`Node::step`] moves it by one
//! [`Input`]. It answers with a list of [`Effect`]s, in order, and does nothing else: it has no clock, no randomness, no I/O and
//! no threads. So the same value can be driven by an exhaustive search, by a heap of simulated events, by tokio inside turmoil and by
//! tokio on a real machine, and it cannot tell which.
//!
//! # Laws
//!
//! 1. **Order.** Effects are one ordered list. A driver carries them out in that order.
//! 2. **Durability.** What a message claims is durable must be durable: a vote or an acknowledgement is emitted only in the step that
//!    takes the [`Input::Persisted`] for it. A leader may send entries while its own write is under way; that claims nothing.
//! 3. **Disk.** Persists complete in order and [`Input::Persisted`] answers the oldest one outstanding. A crash keeps a prefix of
//!    the writes. Hard state that did not change is not written again.
//! 4. **State.** What is in the state behaves; nothing else is there: no counter, no metric, no text. Two states that behave alike
//!    should be equal, because an exhaustive search counts them.
//! 5. **Time.** [`Now`] enters the state only where behaviour depends on it. A driver reads its clock after it took an input, and first
//!    hands over every timer that is due at that reading: a paused node wakes to its timers, then to its mail.
//! 6. **Links.** Between [`Input::LinkUp`] and [`Input::LinkDown`] the messages of a pair arrive in order and at most once, or the
//!    link goes down; nothing of an older connection arrives after. A send may be lost. Answers and events to one client leave in
//!    effect order.
//! 7. **Facts.** [`Effect::Note`] tells reports, invariants and fact-triggered faults what happened. It never steers the core.

use crate::explored::{Outline, Renaming};
use crate::facts::FactKind;
use crate::node_set::NodeSet;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use std::hash::Hash;

/// What can be stored, sent, compared and hashed: everything a core is made of.
pub trait Data:
    Clone + Eq + Ord + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<T: Clone + Eq + Ord + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static> Data
    for T
{
}

/// A node of a cluster. Ids are dense and start at 1, as people count: a cluster of three is `n1`, `n2`, `n3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u8);

impl NodeId {
    /// The ids of a cluster of `count` nodes, in order.
    pub fn all(count: u8) -> impl DoubleEndedIterator<Item = NodeId> + Clone {
        (1..=count).map(NodeId)
    }

    /// The position of this node in a list of all nodes, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0) - 1
    }
}

/// A client. It stays the same across reconnections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u32);

/// A client's session, by which a system knows a retried request: the place in the log at which it was opened. Zero is no session, which
/// is all that a client needs where sessions never expire.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Session(pub u64);

/// The number of a request of its client, growing. A retry keeps its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// Shows a number by its digits, with something before them.
macro_rules! display_as {
    ($type:ty, $prefix:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(crate) use display_as;

display_as!(NodeId, "n");
display_as!(ClientId, "c");
display_as!(RequestId, "#");
display_as!(Session, "s");

/// A reading of one node's own clocks, which a nemesis may bend.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Now {
    /// Nanoseconds since some moment before the node booted; never goes back while the node runs.
    pub monotonic_ns: u64,
    /// Nanoseconds since the Unix epoch as this node believes; may jump either way.
    pub wall_ns: u64,
}

/// How long a timer waits: the driver draws a length from `min_ns..=max_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DelayRange {
    /// The shortest wait, in nanoseconds.
    pub min_ns: u64,
    /// The longest wait, in nanoseconds, not below `min_ns`.
    pub max_ns: u64,
}

impl DelayRange {
    /// A range given in milliseconds.
    pub const fn from_ms(min_ms: u64, max_ms: u64) -> Self {
        assert!(min_ms <= max_ms, "a delay range runs from short to long");
        Self {
            min_ns: min_ms * 1_000_000,
            max_ns: max_ms * 1_000_000,
        }
    }
}

/// The words a core speaks. Split from [`Node`] so that the erased form of a core (see [`crate::system`]) can use the same
/// [`Input`] and [`Effect`].
pub trait Vocabulary: Clone + Eq + Hash + Debug + 'static {
    /// What nodes say to each other.
    type Message: Clone + Eq + Hash + Debug;
    /// What a client asks.
    type Request: Clone + Eq + Hash + Debug;
    /// What a client is told when its request was carried out.
    type Reply: Clone + Eq + Hash + Debug;
    /// What a client is told unasked.
    type Event: Clone + Eq + Hash + Debug;
    /// The name of a timer. Setting a timer that is set moves it.
    type Timer: Clone + Eq + Hash + Debug;
    /// One change to the disk.
    type Write: Clone + Eq + Hash + Debug;
}

/// What a log of writes folds to: the content of a disk.
pub trait Disk<W>: Data + Default {
    /// Applies one write.
    fn apply(&mut self, write: &W);
}

/// A protocol core: a pure state machine that is one node of a cluster.
pub trait Node:
    Vocabulary<Message: Data, Request: Data, Reply: Data, Event: Data, Timer: Data, Write: Data>
    + Send
    + Sync
{
    /// What a node is told once: its id, its peers, its knobs.
    type Config: Data;
    /// What its writes fold to.
    type Disk: Disk<Self::Write>;

    /// The kinds of message there are: what [`Node::message_kind`] can say.
    const MESSAGE_KINDS: &'static [&'static str];

    /// The kinds of fact that a correct node can [note](Effect::Note). A report says which of them never happened.
    const FACTS: &'static [FactKind];

    /// Which kind a message is, in the protocol's own word. For observers and faults; it never steers the core.
    fn message_kind(message: &Self::Message) -> &'static str;

    /// How far this node is in what the cluster agreed on, as far as it knows: an index or a position that grows, but for a restart or a snapshot
    /// that takes it back. For observers and
    /// faults; it never steers the core.
    fn progress(&self) -> u64;

    /// Where this node stands, in words that every protocol has. For bounds and coverage; it never steers the core.
    fn outline(&self) -> Outline {
        Outline::default()
    }

    /// From which epoch on a receiver ignores this message for ever: once its disk has that epoch, the message changes nothing in it and is not
    /// answered. `None` when there is no such epoch, or nobody can say. For reductions of a search; it never steers the core.
    fn stale_from(_config: &Self::Config, _message: &Self::Message) -> Option<u64> {
        None
    }

    /// How its words read with other names for the nodes, if the protocol treats all nodes alike as long as nobody hands over or leaves. For
    /// reductions of a search.
    fn renaming() -> Option<Renaming<Self>> {
        None
    }

    /// The epoch that a disk keeps: that of [`Node::stale_from`].
    fn epoch_of(_disk: &Self::Disk) -> u64 {
        0
    }

    /// Why no node can be made of a config, in words that name the field; `None` when one can. [`Node::boot`] may panic at what this refuses.
    fn refuses(_config: &Self::Config) -> Option<String> {
        None
    }

    /// Makes a node from what its disk kept. A first boot gets the default disk.
    fn boot(config: &Self::Config, disk: Self::Disk, now: Now, effects: &mut Effects<Self>)
    -> Self;

    /// Moves the node by one input.
    fn step(&mut self, now: Now, input: Input<Self>, effects: &mut Effects<Self>);
}

/// One thing that happens to a node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input<V: Vocabulary> {
    /// A message arrived.
    Deliver {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: V::Message,
    },
    /// A connection to a peer was made.
    LinkUp(NodeId),
    /// The connection to a peer broke: what was sent on it may be lost.
    LinkDown(NodeId),
    /// A timer ran out. It is no longer set.
    TimerFired(V::Timer),
    /// A client asks.
    Request {
        /// Who.
        client: ClientId,
        /// In which session.
        session: Session,
        /// Which request of the client; the same at every retry.
        request_id: RequestId,
        /// What is asked.
        body: V::Request,
    },
    /// A client's connection closed. Its session lives on.
    ClientGone(ClientId),
    /// The oldest outstanding [`Effect::Persist`] is durable.
    Persisted,
}

/// One thing a node wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect<V: Vocabulary> {
    /// Send a message. It may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What it says.
        message: V::Message,
    },
    /// Break the connection to a peer and make a new one.
    ResetLink(NodeId),
    /// Make these writes durable, in this order, then give [`Input::Persisted`]. Never empty.
    Persist(Vec<V::Write>),
    /// Set a timer, or move it when it is set.
    SetTimer {
        /// Which.
        timer: V::Timer,
        /// How long it waits.
        range: DelayRange,
    },
    /// Stop a timer. A timer that is not set may be cancelled.
    CancelTimer(V::Timer),
    /// Answer a client's request.
    Reply {
        /// Who.
        client: ClientId,
        /// Which request.
        request_id: RequestId,
        /// The answer.
        answer: Answer<V::Reply>,
    },
    /// Tell a client something it did not just ask.
    Notify {
        /// Who.
        client: ClientId,
        /// What happened.
        event: V::Event,
    },
    /// Let the world know of a fact.
    Note(Fact),
}

/// How a request ended at the node that took it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Answer<R> {
    /// It was carried out.
    Done(R),
    /// This node did not carry it out now. An earlier attempt under the same request id may have been carried out elsewhere.
    Refused(Refusal),
}

impl<R> Answer<R> {
    /// The same answer with its content replaced.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> Answer<S> {
        match self {
            Answer::Done(reply) => Answer::Done(f(reply)),
            Answer::Refused(refusal) => Answer::Refused(refusal),
        }
    }
}

/// Why a node did not carry out a request. [`Refusal::claim`] says what a client may conclude from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// Only a leader can, and this node is none.
    NotLeader {
        /// Who leads, as far as this node knows.
        leader: Option<NodeId>,
    },
    /// The node took the command, and was deposed before it knew what became of it.
    LeadershipLost,
    /// Too much waits to be committed.
    Overloaded {
        /// When to ask again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The command came without a session where sessions expire. One was opened.
    SessionOpened {
        /// Under which to ask again.
        session: Session,
    },
    /// The session has expired, and with it the memory of what was carried out in it.
    SessionExpired,
    /// The cluster is changing: on its way to what was asked for, or to something else.
    ChangeUnderWay,
    /// What was asked for makes no sense: a cluster without voters, a transfer to a node that has no vote.
    Senseless,
}

/// What a refusal claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name, as `not-leader`.
    pub name: &'static str,
    /// What happened, in a sentence.
    pub meaning: &'static str,
    /// Whether the request as this node took it certainly changes nothing in the machine, now or later. An earlier attempt under the same
    /// request id, or another copy of this one, is another matter; and members change step by step, while each step is refused as under way.
    pub definite: bool,
    /// Whether asking again under the same request id may succeed.
    pub retryable: bool,
    /// What is best done next.
    pub remedy: &'static str,
}

impl Refusal {
    /// One of each kind.
    pub const ALL: &'static [Refusal] = &[
        Refusal::NotLeader { leader: None },
        Refusal::LeadershipLost,
        Refusal::Overloaded { retry_after_ms: 0 },
        Refusal::SessionOpened {
            session: Session(0),
        },
        Refusal::SessionExpired,
        Refusal::ChangeUnderWay,
        Refusal::Senseless,
    ];

    /// What it claims.
    pub fn claim(self) -> Claim {
        let claim = |name, meaning, definite, retryable, remedy| Claim {
            name,
            meaning,
            definite,
            retryable,
            remedy,
        };
        match self {
            Refusal::NotLeader { .. } => claim(
                "not-leader",
                "only a leader can, and this node is none",
                true,
                true,
                "ask the node it names, or the next one",
            ),
            Refusal::LeadershipLost => claim(
                "leadership-lost",
                "the node took the command and was deposed before it knew what became of it",
                false,
                true,
                "ask the next node under the same request id: it runs once",
            ),
            Refusal::Overloaded { .. } => claim(
                "overloaded",
                "too much waits to be committed",
                true,
                true,
                "ask again after the time it names",
            ),
            Refusal::SessionOpened { .. } => claim(
                "session-opened",
                "the command came without a session where sessions expire, and one was opened",
                true,
                true,
                "ask again at once under that session",
            ),
            Refusal::SessionExpired => claim(
                "session-expired",
                "the session has expired, and with it the memory of what was carried out in it",
                true,
                false,
                "an earlier attempt may have been carried out: ask anew only what may run twice",
            ),
            Refusal::ChangeUnderWay => claim(
                "change-under-way",
                "the cluster is changing: on its way to what was asked for, or to something else",
                true,
                true,
                "ask again after a pause, until it is done",
            ),
            Refusal::Senseless => claim(
                "senseless",
                "a cluster without voters, a node that is none, a transfer to a node without a vote",
                true,
                false,
                "ask for something else",
            ),
        }
    }
}

/// What reports, invariants and fact-triggered faults are told. One list for all protocols, so that a trigger needs no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    /// The node stands for election in a term, ballot or epoch.
    Campaigned {
        /// The term, ballot or epoch.
        epoch: u64,
    },
    /// The node gave its vote.
    Voted {
        /// The term, ballot or epoch.
        epoch: u64,
        /// To whom.
        candidate: NodeId,
    },
    /// The node leads.
    BecameLeader {
        /// The term, ballot or epoch.
        epoch: u64,
    },
    /// The node led and no longer does.
    SteppedDown {
        /// The term, ballot or epoch it led.
        epoch: u64,
    },
    /// The node removed entries that contradict its leader's.
    Truncated {
        /// The first index removed.
        from: u64,
    },
    /// The node learned that the cluster has other members. What is not committed yet may be taken back.
    MembersChanged {
        /// Who has a vote now; while two sets of voters share the say, those of either.
        voters: NodeSet,
    },
    /// The node made a snapshot, and dropped the log before it.
    SnapshotTaken {
        /// The last index in it.
        index: u64,
    },
    /// The node was behind, and took over another's snapshot.
    SnapshotInstalled {
        /// The last index in it.
        index: u64,
    },
    /// The leader asked another node to take over.
    HandedOver {
        /// Whom.
        to: NodeId,
    },
    /// A message came that no correct node sends at that point.
    ShouldNotHappen {
        /// Which, by its place in the protocol's own list.
        branch: u8,
    },
}

/// The ordered list of what a step wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Effects<V: Vocabulary>(Vec<Effect<V>>);

impl<V: Vocabulary> Default for Effects<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Vocabulary> Effects<V> {
    /// Appends an effect.
    pub fn push(&mut self, effect: Effect<V>) {
        self.0.push(effect);
    }

    /// Sends a message.
    pub fn send(&mut self, to: NodeId, message: V::Message) {
        self.push(Effect::Send { to, message });
    }

    /// Asks for writes to be made durable.
    pub fn persist(&mut self, writes: Vec<V::Write>) {
        assert!(
            !writes.is_empty(),
            "a persist writes something, or its completion would be awaited for nothing"
        );
        self.push(Effect::Persist(writes));
    }

    /// Sets a timer.
    pub fn set_timer(&mut self, timer: V::Timer, range: DelayRange) {
        self.push(Effect::SetTimer { timer, range });
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, timer: V::Timer) {
        self.push(Effect::CancelTimer(timer));
    }

    /// Answers a client.
    pub fn reply(&mut self, client: ClientId, request_id: RequestId, answer: Answer<V::Reply>) {
        self.push(Effect::Reply {
            client,
            request_id,
            answer,
        });
    }

    /// Notes a fact.
    pub fn note(&mut self, fact: Fact) {
        self.push(Effect::Note(fact));
    }

    /// What was asked for so far.
    pub fn as_slice(&self) -> &[Effect<V>] {
        &self.0
    }

    /// Appends effects.
    pub fn extend(&mut self, effects: impl Iterator<Item = Effect<V>>) {
        self.0.extend(effects);
    }

    /// Takes the effects out, leaving the list empty and its memory in place.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect<V>> + '_ {
        self.0.drain(..)
    }
}
