//! A server and its clients.

use super::leading::Grants;
use super::message::{Message, opener};
use super::words::{
    Act, Body, Command, Op, Read, Request, SessionId, Watch, Watched, What, ZxidNumber,
};
use super::words::{Done, Event};
use super::{Turn, Zookeeper};
use crate::contract::{Answer, ClientId, NodeId, Refusal, RequestId};
use crate::manage::Manage;
use std::collections::BTreeSet;

/// One client that is connected here, or about to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    /// What is still to fire.
    pub(super) watches: BTreeSet<Watch>,
    /// What the client waits for. It asks one thing at a time.
    pub(super) waits: Option<Waiting>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// A session is being opened for it.
    Opening,
    /// The leader is asked whether its session goes on. Up to which zxid the client was told of what happened to its watches.
    Revalidating(SessionId, ZxidNumber),
    /// It stands.
    Open(SessionId),
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) request_id: RequestId,
    pub(super) until: Until,
}

/// When a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Until {
    /// When its change is delivered here.
    Delivered,
    /// When the leader has said whether its session goes on, or what is committed.
    Told,
    /// When everything up to here is delivered here.
    Reached(ZxidNumber),
}

impl Connection {
    /// Which session it is for, if it stands.
    pub(super) fn session(&self) -> SessionId {
        match self.stage {
            Stage::Open(session) => session,
            Stage::Opening | Stage::Revalidating(..) => SessionId::NONE,
        }
    }
}

/// Who asks, in which request.
pub(super) type Asker = (ClientId, RequestId);

impl Zookeeper {
    /// A client asks.
    pub(super) fn take(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        request: Request,
        turn: &mut Turn<'_>,
    ) {
        let asker = (client, request_id);
        match request {
            Request::Manage(Manage::Status) => {
                let body = Body::Status(self.zab.status());
                turn.reply(client, request_id, self.delivered(), body);
            }
            // There is no server that can.
            Request::Manage(Manage::Members(_) | Manage::Transfer(_)) => {
                let answer = Answer::Refused(Refusal::Senseless);
                turn.effects.reply(client, request_id, answer);
            }
            Request::Connect {
                session,
                timeout_ms,
                seen,
                told,
                watches,
            } => {
                if let Some(leader) = self.welcome(asker, seen, turn) {
                    match session {
                        None => self.open(asker, timeout_ms, turn),
                        Some(session) => {
                            self.revalidate(asker, leader, (session, told), watches, turn);
                        }
                    }
                }
            }
            _ => {
                let connection = self.connections.get(&client);
                let session = connection.map_or(SessionId::NONE, Connection::session);
                if session == SessionId::NONE {
                    return turn.reply(client, request_id, self.delivered(), Body::NotServing);
                }
                self.lives(session, turn);
                self.serve(asker, session, request, turn);
            }
        }
    }

    /// A client begins a connection, and has seen a zxid. Gives the leader, if there may be one.
    fn welcome(
        &mut self,
        (client, request_id): Asker,
        seen: ZxidNumber,
        turn: &mut Turn<'_>,
    ) -> Option<NodeId> {
        self.connections.remove(&client);
        let delivered = self.delivered();
        let body = match self.serves {
            None => Body::NotServing,
            Some(_) if !(self.rules().may_connect)(seen, delivered) => Body::Behind,
            Some((leader, _)) => return Some(leader),
        };
        turn.reply(client, request_id, delivered, body);
        None
    }

    /// A connection that opens a session. Watches that the client brings along are from another, and over with it.
    fn open(&mut self, asker: Asker, timeout_ms: u64, turn: &mut Turn<'_>) {
        let (client, request_id) = asker;
        let connection = Connection {
            stage: Stage::Opening,
            watches: BTreeSet::new(),
            waits: Some(Waiting {
                request_id,
                until: Until::Delivered,
            }),
        };
        self.connections.insert(client, connection);
        if self.answer_delivered(client, ZxidNumber::MAX, turn) {
            return; // It was asked before, at another server.
        }
        let timeout_ms = Grants::of(self.setup()).nearest_ms(timeout_ms);
        let act = Act::Open { client, timeout_ms };
        self.submit((opener(client), request_id), SessionId::NONE, act, turn);
    }

    /// A connection in a session that is to go on.
    fn revalidate(
        &mut self,
        (client, request_id): Asker,
        leader: NodeId,
        (session, told): (SessionId, ZxidNumber),
        watches: Vec<Watch>,
        turn: &mut Turn<'_>,
    ) {
        let connection = Connection {
            stage: Stage::Revalidating(session, told),
            watches: watches.into_iter().collect(),
            waits: Some(Waiting {
                request_id,
                until: Until::Told,
            }),
        };
        self.connections.insert(client, connection);
        let message = Message::Revalidate {
            client,
            request_id,
            session,
        };
        self.send_to_leader(leader, message, turn);
    }

    /// The leader has said whether a session goes on.
    pub(super) fn revalidated(
        &mut self,
        (client, request_id): Asker,
        timeout_ms: Option<u64>,
        turn: &mut Turn<'_>,
    ) {
        let delivered = self.delivered();
        let Some(connection) = self.connections.get_mut(&client) else {
            return;
        };
        let Stage::Revalidating(session, told) = connection.stage else {
            return;
        };
        if connection.waits.map(|waits| waits.request_id) != Some(request_id) {
            return;
        }
        connection.waits = None;
        let Some(timeout_ms) = timeout_ms else {
            // This server may be behind the end. The client is not: what it does next is in a session that is opened after it.
            self.connections.remove(&client);
            return turn.reply(client, request_id, delivered, Body::Expired);
        };
        connection.stage = Stage::Open(session);
        let body = Body::Connected {
            session,
            timeout_ms,
        };
        turn.reply(client, request_id, delivered, body);
        self.catch_up_watches(client, told, turn);
    }

    /// Watches that a client brought along fire at once if what they wait for has happened since the client was told of all there was to tell.
    fn catch_up_watches(&mut self, client: ClientId, told: ZxidNumber, turn: &mut Turn<'_>) {
        let (missed, zxid) = (self.rules().missed, self.delivered());
        let tree = self.zab.sessions().machine().tree();
        let Some(connection) = self.connections.get_mut(&client) else {
            return;
        };
        let mut fired = BTreeSet::new();
        connection.watches.retain(|watch| {
            let stat = tree.get(&watch.path).map(|node| node.stat());
            let Some(change) = missed(watch.what, stat.as_ref(), told) else {
                return true;
            };
            // A client is told once of what ends two of its watches.
            if fired.insert((change, watch.path.clone())) {
                let path = watch.path.clone();
                turn.notify(client, Event::Fired { change, path, zxid });
            }
            false
        });
    }

    /// A client that is connected asks.
    fn serve(&mut self, asker: Asker, session: SessionId, request: Request, turn: &mut Turn<'_>) {
        let (client, request_id) = asker;
        match request {
            Request::Ping => turn.reply(client, request_id, self.delivered(), Body::Pong),
            Request::Read(read) => self.read(asker, session, &read, turn),
            Request::Write(op) => self.write(asker, session, op, turn),
            Request::Sync => {
                let Some((leader, _)) = self.serves else {
                    return;
                };
                self.wait(asker, Until::Told);
                self.send_to_leader(leader, Message::Sync { client, request_id }, turn);
            }
            Request::Connect { .. } | Request::Manage(_) => {}
        }
    }

    /// A read is answered at once, from what this server has delivered.
    fn read(
        &mut self,
        (client, request_id): Asker,
        session: SessionId,
        read: &Read,
        turn: &mut Turn<'_>,
    ) {
        let done = self.znodes().read(session, read);
        if read.watch
            && let Some(what) = watched(read.what, done.as_ref().ok())
            && let Some(connection) = self.connections.get_mut(&client)
        {
            let path = read.path.clone();
            connection.watches.insert(Watch { what, path });
        }
        turn.reply(client, request_id, self.delivered(), Body::Done(done));
    }

    /// A change is proposed by the leader, and answered when it is delivered here.
    fn write(&mut self, asker: Asker, session: SessionId, op: Op, turn: &mut Turn<'_>) {
        self.wait(asker, Until::Delivered);
        if self.answer_delivered(asker.0, ZxidNumber::MAX, turn) {
            return; // It was asked before.
        }
        self.submit(asker, session, Act::Do(op), turn);
    }

    fn wait(&mut self, (client, request_id): Asker, until: Until) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.waits = Some(Waiting { request_id, until });
        }
    }

    /// Has something proposed.
    fn submit(&mut self, asker: Asker, session: SessionId, act: Act, turn: &mut Turn<'_>) {
        let Some((leader, _)) = self.serves else {
            return;
        };
        let (client, request_id) = asker;
        let command = Command {
            session,
            at_ms: 0,
            act,
        };
        let message = Message::Forward {
            client,
            request_id,
            command,
        };
        self.send_to_leader(leader, message, turn);
    }

    /// What is for the leader, which may be this server.
    fn send_to_leader(&mut self, leader: NodeId, message: Message, turn: &mut Turn<'_>) {
        if leader == self.id() {
            self.hear(leader, message, turn);
        } else {
            turn.effects.send(leader, message);
        }
    }

    /// The leader takes no more now.
    pub(super) fn overloaded(&mut self, asker: Asker, retry_after_ms: u64, turn: &mut Turn<'_>) {
        let (client, request_id) = (ClientId(asker.0.0 & !(1 << 31)), asker.1);
        let Some(connection) = self.connections.get_mut(&client) else {
            return;
        };
        if connection.waits.map(|waits| waits.request_id) != Some(request_id) {
            return;
        }
        connection.waits = None;
        if connection.stage == Stage::Opening {
            self.connections.remove(&client);
        }
        let answer = Answer::Refused(Refusal::Overloaded { retry_after_ms });
        turn.effects.reply(client, request_id, answer);
    }

    /// The leader has said what is committed.
    pub(super) fn synced(&mut self, asker: Asker, zxid: ZxidNumber, turn: &mut Turn<'_>) {
        let Some(connection) = self.connections.get_mut(&asker.0) else {
            return;
        };
        let told = Waiting {
            request_id: asker.1,
            until: Until::Told,
        };
        if connection.waits == Some(told) {
            connection.waits = Some(Waiting {
                until: Until::Reached(zxid),
                ..told
            });
            // A leader says this to itself in the step in which it delivers. The events of that come first.
            self.tell(turn);
        }
    }

    /// A client has given a sign of life.
    fn lives(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        if let Some(leading) = &mut self.leading {
            return leading.heard_of(session, turn.now);
        }
        self.alive.insert(session);
        if let (Some((leader, _)), true) = (self.serves, self.rules().habits.tells_of_life_at_once)
        {
            self.tell_of_life(leader, turn);
        }
    }

    /// Tells the leader which clients gave a sign of life.
    pub(super) fn tell_of_life(&mut self, leader: NodeId, turn: &mut Turn<'_>) {
        if !self.alive.is_empty() {
            let sessions = std::mem::take(&mut self.alive).into_iter().collect();
            turn.effects.send(leader, Message::Alive { sessions });
        }
    }
}

/// Which watch a read leaves, by what it found.
fn watched(what: What, found: Option<&Done>) -> Option<Watched> {
    match (what, found?) {
        (What::Exists, Done::Exists(None)) => Some(Watched::Exists),
        (What::Exists | What::Data, _) => Some(Watched::Data),
        (What::Children, _) => Some(Watched::Children),
        (What::Acl, _) => None,
    }
}
