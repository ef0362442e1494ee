//! A coordination service in the manner of ZooKeeper, over [Zab](crate::zab).
//!
//! # What it is
//!
//! Clients keep small data in a tree of *znodes*. Each server has all of it in memory and answers reads by itself; every change goes through the
//! broadcast, and all servers apply all changes in one order. A client has a *session* with the whole service, not with a server: when its server
//! is gone it goes on at another, and what is its own, ephemeral nodes and watches, stays until the leader finds that nothing was heard of the
//! client for too long.
//!
//! # Promises
//!
//! * Changes are linearizable, in the order of their zxids.
//! * A client's requests are done in the order in which it made them.
//! * A client sees one system: what it sees never goes back, whichever server it is connected to. What it reads may be old.
//! * What a client watches it is told of once, before it sees what the change made.
//! * After a sync a client sees all that was answered to anyone before it asked for the sync.
//! * Ephemeral nodes are there as long as their session, and no longer.
//! * Nothing is done or shown without the right to it, by the lists as they are where the change stands in the order.
//!
//! # How a request travels
//!
//! A client begins with *connect*. The server refuses it when it has no leader, or has delivered less than the client has seen; that is all that
//! keeps a client's view from going back. A session is opened by a transaction, and its number is the zxid of that; one that goes on is confirmed by
//! the leader, who alone knows which sessions still live. A read is answered at once, from what the server has delivered. A change is *forwarded*
//! to the leader, which proposes it. The server that took it answers when it has delivered it itself, not before: so a client that reads at
//! its own server what it has just written finds it there.
//!
//! A *sync* asks the leader what is committed. The leader makes sure that it still leads before it answers, and the server waits until it has
//! delivered that much.
//!
//! # How sessions end
//!
//! Servers tell the leader which clients gave a sign of life, with the pongs that they send it anyway. The leader alone decides that a session
//! has ended, by its own clock, and puts that into the log: so all servers remove its ephemeral nodes at the same zxid. It
//! tells nobody of that end before it is delivered: one that is only proposed comes to nothing if the leader is deposed. A new leader knows the
//! sessions from the log, and gives all of them their full time again.
//!
//! # Code map
//!
//! | file | what is there |
//! | --- | --- |
//! | `mod.rs` | the server: its state, its inputs, how the broadcast is driven |
//! | `words.rs` | what clients and servers say to each other, and what goes into the log |
//! | `words/notation.rs` | how traces show that |
//! | `message.rs` | what servers say to each other |
//! | `connections.rs` | a server and its clients: connect, read, write, sync |
//! | `telling.rs` | what clients are told when something was delivered: watches, answers |
//! | `leading.rs` | what a leader does for the others: proposals, sessions and their end, syncs |
//! | `znodes.rs`, `tree.rs` | the replicated state: what commands make of it |
//! | `rules.rs` | the decisions on which the promises rest |
//! | `habits.rs` | the decisions on which nothing rests |
//! | `mutants.rs` | bugs to plant in place of a rule |
//! | `harmless.rs` | changes that are no bugs, to plant in place of a habit |
//! | `invariants.rs` | what must always hold: the broadcast's laws, and the state's own |
//! | `scripts/` | one behaviour each, with its whole trace |
//!
//! # Departures from ZooKeeper
//!
//! * A client's change that is asked again under the same number, at another server too, is done once. ZooKeeper leaves it to the client to find
//!   out whether it was done. For that each client's last answer is part of the replicated state, and stays there for ever: it grows with the number
//!   of clients that ever asked for a change.
//! * Who a session is (`addauth`) is part of the replicated state, and need not be said again after a reconnection.
//! * A sync asks a quorum; in ZooKeeper a leader that was replaced and does not know it yet may answer one.
//! * Whoever may see a node's list sees the digests in it. ZooKeeper shows them only to those who may set it.
//! * A session has no password: a client that names another's session is taken for it.
//! * An epoch's zxids and their order are Zab's; see its own departures.
//!
//! # Not here
//!
//! Quotas, containers and nodes that live for a time, recursive watches, observers, SASL and x509, reconfiguration.

mod connections;
pub mod habits;
pub mod harmless;
pub mod invariants;
mod leading;
pub mod message;
pub mod mutants;
pub mod rules;
mod telling;
pub mod tree;
pub mod words;
pub mod znodes;

use crate::contract::{
    Answer, ClientId, Effect, Effects, Input, Node, NodeId, Now, RequestId, Vocabulary,
};
use crate::explored::Outline;
use crate::facts::FactKind;
use crate::fixed::Fixed;
use crate::knobs::Reads;
use crate::manage::Manage;
use crate::session::Told;
use crate::system::{Budget, Links, Reference, Setup};
use crate::zab::message::{Epoch, Timer, Write};
use crate::zab::{Zab, ZabDisk};
use connections::Connection;
use leading::Leading;
use message::Message;
use rules::Rules;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use words::{Body, Command, Event, Output, Reply, Request, SessionId, ZxidNumber};
use znodes::Znodes;

/// One server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Zookeeper {
    fixed: Fixed<Rules>,
    /// The broadcast below, and the replicated state.
    zab: Zab<Znodes>,
    /// Its clients. There is none while it takes part in no broadcast.
    connections: BTreeMap<ClientId, Connection>,
    /// Whose broadcast it takes part in, in which epoch.
    serves: Option<(NodeId, Epoch)>,
    /// If that is its own: what it does for the others.
    leading: Option<Leading>,
    /// The sessions of its clients that gave a sign of life since the leader was told.
    alive: BTreeSet<SessionId>,
}

/// What a step wants done, and when it is.
struct Turn<'a> {
    now: Now,
    effects: &'a mut Effects<Zookeeper>,
}

impl Turn<'_> {
    /// Answers a client.
    fn reply(&mut self, client: ClientId, request_id: RequestId, zxid: ZxidNumber, body: Body) {
        let reply = Reply { zxid, body };
        self.effects.reply(client, request_id, Answer::Done(reply));
    }

    fn notify(&mut self, client: ClientId, event: Event) {
        self.effects.push(Effect::Notify { client, event });
    }
}

impl Vocabulary for Zookeeper {
    type Message = Message;
    type Request = Request;
    type Reply = Reply;
    type Event = Event;
    type Timer = Timer;
    type Write = Write<Command>;
}

impl Node for Zookeeper {
    type Config = Setup;
    type Disk = ZabDisk<Command>;

    const MESSAGE_KINDS: &'static [&'static str] = message::KINDS;
    const FACTS: &'static [FactKind] = crate::zab::message::FACTS;

    fn message_kind(message: &Message) -> &'static str {
        message.kind()
    }

    fn progress(&self) -> u64 {
        self.zab.progress()
    }

    fn outline(&self) -> Outline {
        self.zab.outline()
    }

    fn refuses(setup: &Setup) -> Option<String> {
        Zab::<Znodes>::refuses(setup)
    }

    fn boot(setup: &Setup, disk: Self::Disk, now: Now, effects: &mut Effects<Self>) -> Self {
        let mut below = setup.clone();
        // Sessions of this service have an end of their own; the memory of what was asked last has none.
        below.knobs.session_ms = 0;
        let mut inner = Effects::default();
        let zab = Zab::boot(&below, disk, now, &mut inner);
        let rules = Rules::planted(setup.mutant.as_deref());
        let mut server = Self {
            fixed: Fixed::new(setup.clone(), rules),
            zab,
            connections: BTreeMap::new(),
            serves: None,
            leading: None,
            alive: BTreeSet::new(),
        };
        let mut turn = Turn { now, effects };
        server.carry_out(inner, None, &mut turn);
        server.keep_up(&mut turn);
        server
    }

    fn step(&mut self, now: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        let mut turn = Turn { now, effects };
        match input {
            Input::Deliver { from, message } => match message {
                Message::Zab(message) => self.drive(Input::Deliver { from, message }, &mut turn),
                _ => self.hear(from, message, &mut turn),
            },
            Input::LinkUp(peer) => self.drive(Input::LinkUp(peer), &mut turn),
            Input::LinkDown(peer) => self.drive(Input::LinkDown(peer), &mut turn),
            Input::Persisted => self.drive(Input::Persisted, &mut turn),
            Input::TimerFired(timer) => {
                self.drive(Input::TimerFired(timer), &mut turn);
                if timer == Timer::Heartbeat {
                    self.end_silent_sessions(&mut turn);
                }
            }
            Input::Request {
                client,
                request_id,
                body,
                ..
            } => self.take(client, request_id, body, &mut turn),
            Input::ClientGone(client) => {
                self.connections.remove(&client);
            }
        }
    }
}

impl Zookeeper {
    fn setup(&self) -> &Setup {
        self.fixed.setup()
    }

    fn rules(&self) -> &Rules {
        self.fixed.rules()
    }

    fn id(&self) -> NodeId {
        self.setup().id
    }

    /// The broadcast below.
    pub fn zab(&self) -> &Zab<Znodes> {
        &self.zab
    }

    /// The replicated state, after what was delivered here.
    pub fn znodes(&self) -> &Znodes {
        self.zab.sessions().machine()
    }

    /// The last zxid delivered here.
    fn delivered(&self) -> ZxidNumber {
        self.zab.delivered_zxid().as_number()
    }

    /// Moves the broadcast by one input, and tells the clients what came of it.
    fn drive(&mut self, input: Input<Zab<Znodes>>, turn: &mut Turn<'_>) {
        self.drive_for(input, None, turn);
    }

    /// The same; `origin` is the server that takes a client's request with it.
    fn drive_for(
        &mut self,
        input: Input<Zab<Znodes>>,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        let mut inner = Effects::default();
        self.zab.step(turn.now, input, &mut inner);
        self.carry_out(inner, origin, turn);
        self.keep_up(turn);
    }

    /// Passes on what the broadcast wants done, but for its answers: those are for servers here.
    fn carry_out(
        &mut self,
        mut inner: Effects<Zab<Znodes>>,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        for effect in inner.drain() {
            let effect = match effect {
                Effect::Send { to, message } => {
                    let pong = message.kind() == "pong";
                    turn.effects.send(to, Message::Zab(message));
                    if pong {
                        self.tell_of_life(to, turn);
                    }
                    continue;
                }
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => {
                    self.answered_below((client, request_id), answer, origin, turn);
                    continue;
                }
                Effect::ResetLink(peer) => Effect::ResetLink(peer),
                Effect::Persist(writes) => Effect::Persist(writes),
                Effect::SetTimer { timer, range } => Effect::SetTimer { timer, range },
                Effect::CancelTimer(timer) => Effect::CancelTimer(timer),
                Effect::Note(fact) => Effect::Note(fact),
                Effect::Notify { .. } => continue, // The broadcast tells nobody anything.
            };
            turn.effects.push(effect);
        }
    }

    /// Brings the service to where the broadcast is.
    fn keep_up(&mut self, turn: &mut Turn<'_>) {
        let serves = self.zab.serves();
        if serves != self.serves {
            // Whoever was served belongs to a broadcast that is over here.
            for (client, _) in std::mem::take(&mut self.connections) {
                turn.notify(client, Event::Closed);
            }
            self.alive.clear();
            self.serves = serves;
            let leads = serves.is_some_and(|(leader, _)| leader == self.id());
            self.leading = leads.then(|| Leading::new(self.znodes(), turn.now));
        }
        self.tell(turn);
    }
}

/// `leader .. clients=[c1=s1.1]`: the line that scripts and traces show.
impl Debug for Zookeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.zab.fmt(f)?;
        if !self.connections.is_empty() {
            let clients = self.connections.iter();
            let clients = clients.map(|(client, connection)| (client, connection.session()));
            f.write_str(" clients=")?;
            f.debug_map().entries(clients).finish()?;
        }
        Ok(())
    }
}

/// The answer of the broadcast to what a server here asked it.
type AnswerBelow = Answer<Told<Output>>;

/// A ZooKeeper-style cluster, as a [`System`](crate::system::System).
pub fn system(name: &'static str, summary: &'static str) -> Reference<Zookeeper> {
    Reference {
        name,
        summary,
        mutants: mutants::MUTANTS,
        harmless: harmless::HARMLESS,
        // What the broadcast survives. Clocks that are wrong end sessions early or late, and that is all they do.
        budget: Budget {
            links: Links::Fifo,
            crashes: true,
            pauses: true,
            disk_stops: true,
            synced_loss: false,
            wall_clock: true,
            drift_percent_max: 50,
            membership: false,
        },
        reads: &[Reads::Quorum, Reads::Log],
        invariants: invariants::INVARIANTS,
        manage: |manage| (manage == Manage::Status).then_some(Request::Manage(manage)),
        report: |reply| match &reply.body {
            Body::Status(report) => Some(report.clone()),
            _ => None,
        },
        backup: None,
        watch: || Box::new(invariants::ZookeeperWatch::default()),
        core: PhantomData,
    }
}
