//! Registers that any node serves and that a minority of dead nodes does not stop, as a pure core.
//!
//! The algorithm is that of Attiya, Bar-Noy and Dolev ("Sharing memory robustly in message-passing systems", 1995), with several writers. A value
//! carries a stamp. A write asks a majority for the newest stamp, and puts its value with a newer one at a majority. A read asks a majority for the
//! newest value, and puts it at a majority before it answers: then no later read can see an older one.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use stormglass::contract::{
    Answer, ClientId, DelayRange, Disk, Effects, Input, Node, NodeId, Now, RequestId, Vocabulary,
};
use stormglass::{
    Answers, Budget, Completion, FactKind, Mutant, NodeSet, Operation, Reference, Setup,
};

/// The bug that can be planted: a read answers without putting what it saw at a majority.
pub const NO_WRITE_BACK: &str = "abd/no-write-back";

const MUTANTS: &[Mutant] = &[Mutant {
    id: NO_WRITE_BACK,
    mechanism: "a read answers with what it saw, although a majority may not have it",
    source: "Attiya, Bar-Noy and Dolev 1995: why readers must write",
    seen_by: "linearizability",
}];

/// The core as a system: its name, and what it promises to survive.
pub fn system() -> Reference<Abd> {
    Reference {
        mutants: MUTANTS,
        ..Reference::new(
            "abd-register",
            "registers by majority quorums",
            Budget::ASYNCHRONOUS,
        )
    }
}

/// The age of a value: the greater one is newer. No two values have the same.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp {
    counter: u64,
    node: u8,
}

/// A value and its age. What was never written has the oldest stamp and no value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    stamp: Stamp,
    value: Option<String>,
}

/// What one client asked under one number: no two are the same, not even across restarts.
type Asked = (ClientId, RequestId);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    Get { asked: Asked, key: String },
    Held { asked: Asked, entry: Entry },
    Put { asked: Asked, write: Write },
    Stored { asked: Asked },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Request {
    Read { key: String },
    Write { key: String, value: String },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reply {
    Value(Option<String>),
    Written,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Write {
    key: String,
    entry: Entry,
}

/// What a node has stored: all of it is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Store(BTreeMap<String, Entry>);

impl Disk<Write> for Store {
    fn apply(&mut self, write: &Write) {
        if write.entry > self.get(&write.key) {
            self.0.insert(write.key.clone(), write.entry.clone());
        }
    }
}

impl Store {
    fn get(&self, key: &str) -> Entry {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

/// A request under way at the node that took it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    request: Request,
    /// What is to be put at a majority; while nothing is, the node still asks for the newest entry.
    put: Option<Write>,
    /// The newest entry that anybody has told.
    newest: Entry,
    /// Who has answered in this phase.
    heard: NodeSet,
}

/// What waits for a write to be durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Then {
    /// This node has put it, and tells the others to.
    Spread(Asked),
    /// This node tells another that it has stored it.
    Confirm(NodeId, Asked),
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Abd {
    setup: Setup,
    store: Store,
    /// The writes that are not durable yet, the oldest first. Nobody is told of what is in them.
    syncing: VecDeque<(Write, Then)>,
    open: BTreeMap<Asked, Open>,
}

impl Vocabulary for Abd {
    type Message = Message;
    type Request = Request;
    type Reply = Reply;
    type Event = ();
    type Timer = Asked;
    type Write = Write;
}

impl Node for Abd {
    type Config = Setup;
    type Disk = Store;

    const MESSAGE_KINDS: &'static [&'static str] = &["get", "held", "put", "stored"];
    const FACTS: &'static [FactKind] = &[];

    fn message_kind(message: &Message) -> &'static str {
        match message {
            Message::Get { .. } => "get",
            Message::Held { .. } => "held",
            Message::Put { .. } => "put",
            Message::Stored { .. } => "stored",
        }
    }

    fn progress(&self) -> u64 {
        let counters = self.store.0.values().map(|entry| entry.stamp.counter);
        counters.max().unwrap_or(0)
    }

    fn boot(setup: &Setup, store: Store, _: Now, _: &mut Effects<Self>) -> Self {
        Self {
            setup: setup.clone(),
            store,
            syncing: VecDeque::new(),
            open: BTreeMap::new(),
        }
    }

    fn step(&mut self, _: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Request {
                client,
                request_id,
                body,
                ..
            } => self.begin((client, request_id), body, effects),
            Input::Deliver { from, message } => self.deliver(from, message, effects),
            Input::TimerFired(asked) => self.ask(asked, effects),
            Input::Persisted => {
                let (write, then) = self.syncing.pop_front().expect("a write is under way");
                self.store.apply(&write);
                self.stored(then, effects);
            }
            // Whatever is lost is sent again, and a client that is gone is answered in vain.
            Input::LinkUp(_) | Input::LinkDown(_) | Input::ClientGone(_) => {}
        }
    }
}

impl Abd {
    fn begin(&mut self, asked: Asked, request: Request, effects: &mut Effects<Self>) {
        let (Request::Read { key } | Request::Write { key, .. }) = &request;
        let newest = self.store.get(key);
        let open = Open {
            request,
            put: None,
            newest,
            heard: NodeSet::EMPTY.with(self.setup.id),
        };
        self.open.insert(asked, open);
        self.ask(asked, effects);
        self.proceed(asked, effects);
    }

    /// Asks those who have not answered, and asks again after a while: the network may lose anything.
    fn ask(&mut self, asked: Asked, effects: &mut Effects<Self>) {
        let Some(open) = self.open.get(&asked) else {
            return;
        };
        let is_own_durable = open.heard.contains(self.setup.id);
        for peer in NodeId::all(self.setup.nodes).filter(|node| !open.heard.contains(*node)) {
            let message = match (&open.request, &open.put) {
                (_, Some(_)) if !is_own_durable => break,
                (_, Some(write)) => Message::Put {
                    asked,
                    write: write.clone(),
                },
                (Request::Read { key } | Request::Write { key, .. }, None) => Message::Get {
                    asked,
                    key: key.clone(),
                },
            };
            effects.send(peer, message);
        }
        effects.set_timer(asked, DelayRange::from_ms(50, 100));
    }

    fn deliver(&mut self, from: NodeId, message: Message, effects: &mut Effects<Self>) {
        match message {
            Message::Get { asked, key } => {
                let entry = self.store.get(&key);
                effects.send(from, Message::Held { asked, entry });
            }
            Message::Put { asked, write } => {
                self.persist(write, Then::Confirm(from, asked), effects);
            }
            Message::Held { asked, entry } => {
                let asking = self.open.get_mut(&asked).filter(|open| open.put.is_none());
                if let Some(open) = asking {
                    open.newest = open.newest.clone().max(entry);
                    open.heard.insert(from);
                    self.proceed(asked, effects);
                }
            }
            Message::Stored { asked } => {
                if let Some(open) = self.open.get_mut(&asked) {
                    open.heard.insert(from);
                    self.proceed(asked, effects);
                }
            }
        }
    }

    /// Goes on where a majority has answered: from asking to putting, and from putting to the answer.
    fn proceed(&mut self, asked: Asked, effects: &mut Effects<Self>) {
        let nodes = usize::from(self.setup.nodes);
        let heard = |open: &&mut Open| open.heard.len() * 2 > nodes;
        let Some(open) = self.open.get_mut(&asked).filter(heard) else {
            return;
        };
        let answers_early = self.setup.mutant.as_deref() == Some(NO_WRITE_BACK);
        let reply = match (&open.request, &open.put) {
            (Request::Write { .. }, Some(_)) => Reply::Written,
            (Request::Read { .. }, put) if put.is_some() || answers_early => {
                Reply::Value(open.newest.value.clone())
            }
            (Request::Read { key }, _) => {
                let (key, entry) = (key.clone(), open.newest.clone());
                return self.put(asked, Write { key, entry }, effects);
            }
            (Request::Write { key, value }, None) => {
                let own = self.syncing.iter().map(|(write, _)| write);
                let own = own.filter(|write| write.key == *key);
                let counters = own.map(|write| write.entry.stamp.counter);
                let seen = open
                    .newest
                    .stamp
                    .counter
                    .max(self.store.get(key).stamp.counter);
                let stamp = Stamp {
                    counter: counters.fold(seen, u64::max) + 1,
                    node: self.setup.id.0,
                };
                let (key, value) = (key.clone(), Some(value.clone()));
                let entry = Entry { stamp, value };
                return self.put(asked, Write { key, entry }, effects);
            }
        };
        self.open.remove(&asked);
        effects.cancel_timer(asked);
        effects.reply(asked.0, asked.1, Answer::Done(reply));
    }

    /// Puts a write at this node, and then at the others: a stamp that somebody has seen is never given again.
    fn put(&mut self, asked: Asked, write: Write, effects: &mut Effects<Self>) {
        if let Some(open) = self.open.get_mut(&asked) {
            open.heard = NodeSet::EMPTY;
            open.put = Some(write.clone());
        }
        self.persist(write, Then::Spread(asked), effects);
    }

    fn persist(&mut self, write: Write, then: Then, effects: &mut Effects<Self>) {
        if write.entry <= self.store.get(&write.key) {
            return self.stored(then, effects);
        }
        effects.persist(vec![write.clone()]);
        self.syncing.push_back((write, then));
    }

    /// A write is durable, or an newer one is.
    fn stored(&mut self, then: Then, effects: &mut Effects<Self>) {
        match then {
            Then::Confirm(node, asked) => effects.send(node, Message::Stored { asked }),
            Then::Spread(asked) => {
                if let Some(open) = self.open.get_mut(&asked) {
                    open.heard.insert(self.setup.id);
                    self.ask(asked, effects);
                    self.proceed(asked, effects);
                }
            }
        }
    }
}

/// What the clients of the register workload ask, in the words of this core. A value is its JSON text.
impl Answers for Abd {
    fn request(operation: &Operation) -> Result<Request, String> {
        let key = operation.key.clone().unwrap_or_default();
        match operation.f {
            "read" => Ok(Request::Read { key }),
            "write" => {
                let value = operation.value.to_string();
                Ok(Request::Write { key, value })
            }
            _ => Err("a quorum of registers cannot compare and set".to_string()),
        }
    }

    fn completion(operation: &Operation, reply: &Reply) -> Result<Completion, String> {
        match (operation.f, reply) {
            ("read", Reply::Value(None)) => Ok(Completion::Ok(serde_json::Value::Null)),
            ("read", Reply::Value(Some(text))) => serde_json::from_str(text)
                .map(Completion::Ok)
                .map_err(|error| error.to_string()),
            ("write", Reply::Written) => Ok(Completion::Ok(operation.value.clone())),
            (f, reply) => Err(format!("{reply:?} is no answer to {f}")),
        }
    }
}
