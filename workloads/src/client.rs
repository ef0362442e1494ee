//! The client as a core: sends a call, retries under the same request id, and gives up at the deadline.
//!
//! It obeys the same [contract](stormglass_impls::contract) as the servers, so every arena drives it as it drives them. Its driver gives
//! it one operation at a time as an [`Input::Request`] and gets back one [`Answer::Done`] with an [`Outcome`].
//!
//! A retry is part of the same operation. Only an answer ends an operation early: a timeout or a broken connection proves nothing about
//! a mutation, so all the client does about either is to try again, elsewhere.
//!
//! Clusters differ in how they want to be asked, so a client has a [`Manner`]:
//!
//! | file | what is there |
//! | --- | --- |
//! | `leader.rs` | whoever leads answers: the client follows redirects, and asks again, or only once. It knows no system: bodies are bytes |
//! | [`session`] | whoever it is connected to answers, in a session: the client keeps connection and session alive, and takes in events |
//! | [`member`] | any member answers, without a session: the client goes from one to the next, and begins its watches anew there |
//! | `rest.rs` | standing still |

mod leader;
pub mod member;
mod rest;
pub mod session;

use leader::LeaderClient;
use member::MemberClient;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use session::SessionClient;
#[cfg(doc)]
use stormglass_impls::contract::Answer;
use stormglass_impls::contract::{
    ClientId, DelayRange, Disk, Effects, Input, Node, NodeId, Now, Refusal, RequestId, Vocabulary,
};
use stormglass_impls::facts::FactKind;
use stormglass_impls::wire::ClientFrame;

/// What a client is told once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientConfig {
    /// Its own id.
    pub id: ClientId,
    /// How many servers there are; their ids are `1..=servers`.
    pub servers: u8,
    /// How patient it is.
    pub patience: Patience,
    /// How it numbers a retry.
    pub numbering: Numbering,
    /// How it asks.
    pub manner: Manner,
}

impl ClientConfig {
    /// The server that a client asks first. Clients begin at different servers, so that a redirect is an everyday event.
    fn server_first(&self) -> NodeId {
        NodeId((self.id.0 % u32::from(self.servers)) as u8 + 1)
    }

    /// The server after that one, round and round.
    fn server_after(&self, server: NodeId) -> NodeId {
        NodeId(server.0 % self.servers + 1)
    }
}

/// How a client asks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Manner {
    /// Whom it takes for the leader.
    #[default]
    Leader,
    /// As [`Manner::Leader`], but never again once nobody knows what became of an attempt: for systems that would run a retry as a request of its own.
    Once,
    /// The server that it is connected to, in a session.
    Session {
        /// How long the session shall live without a sign of the client, in milliseconds.
        timeout_ms: u64,
    },
    /// Any member, and the next one if that does not answer.
    Member,
}

/// The lowest number that a client gives to what it asks for itself.
pub const OWN_REQUESTS: RequestId = RequestId(1 << 63);

/// How a client numbers a retry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Numbering {
    /// As the first attempt: whoever sees both runs one.
    #[default]
    Kept,
    /// Anew. A bug, to be planted: a request may run twice.
    Fresh,
}

/// How long a client waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// For an answer, before it asks the next server.
    pub attempt_timeout_ms: u64,
    /// Before it asks again where it was refused without a hint, or where the connection broke.
    pub backoff_ms: u64,
    /// For the whole operation, all attempts together. After that its outcome is unknown.
    pub deadline_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt_timeout_ms: 250,
            backoff_ms: 30,
            deadline_ms: 2_000,
        }
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The system carried it out and said this, in its wire form.
    Done(Vec<u8>),
    /// It was refused for good, and changed nothing.
    Refused(Refusal),
    /// The deadline passed, or the session was forgotten. It may have been carried out, may be later, or never.
    Unknown,
}

/// The client's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClientTimer {
    /// Time to try again: the attempt got no answer, or its pause is over.
    Retry,
    /// Time to give up.
    Deadline,
    /// Time for a sign of life.
    Ping,
    /// The answer to a sign of life is overdue.
    Pong,
    /// The client has stood still for long enough.
    Rest,
    /// The answer to a watch that was begun anew is overdue.
    Watch,
}

/// A client holds nothing that must outlive it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NoDisk;

impl Disk<()> for NoDisk {
    fn apply(&mut self, (): &()) {}
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client(Kind);

/// By its [`Manner`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Leader(LeaderClient),
    Session(Box<SessionClient>),
    Member(Box<MemberClient>),
}

impl Vocabulary for Client {
    type Message = ClientFrame;
    type Request = Vec<u8>;
    type Reply = Outcome;
    type Event = ();
    type Timer = ClientTimer;
    type Write = ();
}

impl Node for Client {
    type Config = ClientConfig;
    type Disk = NoDisk;

    const MESSAGE_KINDS: &'static [&'static str] = &["call", "answer", "event"];
    const FACTS: &'static [FactKind] = &[];

    fn message_kind(message: &ClientFrame) -> &'static str {
        match message {
            ClientFrame::Call { .. } => "call",
            ClientFrame::Answer { .. } => "answer",
            ClientFrame::Event(_) => "event",
        }
    }

    /// A client agrees on nothing with anybody.
    fn progress(&self) -> u64 {
        0
    }

    fn boot(config: &ClientConfig, _: NoDisk, _: Now, _: &mut Effects<Self>) -> Self {
        Self(match config.manner {
            Manner::Leader | Manner::Once => Kind::Leader(LeaderClient::new(config)),
            Manner::Session { timeout_ms } => {
                Kind::Session(Box::new(SessionClient::new(config, timeout_ms)))
            }
            Manner::Member => Kind::Member(Box::new(MemberClient::new(config))),
        })
    }

    fn step(&mut self, _: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        match &mut self.0 {
            Kind::Leader(client) => client.step(input, effects),
            Kind::Session(client) => client.step(input, effects),
            Kind::Member(client) => client.step(input, effects),
        }
    }
}

fn set(timer: ClientTimer, wait_ms: u64, effects: &mut Effects<Client>) {
    effects.set_timer(timer, DelayRange::from_ms(wait_ms, wait_ms));
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

fn write(words: &impl Serialize) -> Vec<u8> {
    let bytes = postcard::to_allocvec(words);
    bytes.expect("postcard fails only on maps of unknown length, and words have none")
}
