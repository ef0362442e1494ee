//! What a leader does for the others: it proposes what their clients ask, knows which sessions live, and says what is committed.

use super::connections::Asker;
use super::message::{EXPIRER, Message};
use super::words::{Act, Command, SessionId};
use super::znodes::Znodes;
use super::{AnswerBelow, Turn, Zookeeper};
use crate::contract::{Answer, ClientId, Input, NodeId, Now, Refusal, RequestId, Session};
use crate::session::Ask;
use crate::system::Setup;
use std::collections::BTreeMap;

/// What a leader knows beside the broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leading {
    sessions: BTreeMap<SessionId, Life>,
    /// Who waits for a sync. A client that asks for another waits for no older one.
    syncs: Askers,
}

/// How a session does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Life {
    /// It lives.
    Lives {
        /// When something was last heard of its client, by this leader's own clock.
        heard_ns: u64,
        /// How long it lives without that, in milliseconds.
        timeout_ms: u64,
    },
    /// Its end is proposed. If this leader is deposed, that may come to nothing: whoever asks meanwhile waits until it is delivered.
    Ending(Askers),
}

/// By client: which of its requests asks, and at which server.
type Askers = BTreeMap<ClientId, (RequestId, NodeId)>;

impl Leading {
    /// A leadership begins. All sessions have their full time again.
    pub(super) fn new(znodes: &Znodes, now: Now) -> Self {
        let mut leading = Self {
            sessions: BTreeMap::new(),
            syncs: BTreeMap::new(),
        };
        for (session, known) in znodes.sessions() {
            leading.opened(*session, known.timeout_ms, now);
        }
        leading
    }

    pub(super) fn opened(&mut self, session: SessionId, timeout_ms: u64, now: Now) {
        let heard_ns = now.monotonic_ns;
        let life = Life::Lives {
            heard_ns,
            timeout_ms,
        };
        self.sessions.insert(session, life);
    }

    /// The end of a session is delivered. Gives who waits to be told of it.
    pub(super) fn ended(&mut self, session: SessionId) -> Askers {
        match self.sessions.remove(&session) {
            Some(Life::Ending(askers)) => askers,
            Some(Life::Lives { .. }) | None => Askers::new(),
        }
    }

    /// A sync is answered. Gives the server at which its client waits for it.
    fn waits_for_sync(&mut self, (client, request_id): Asker) -> Option<NodeId> {
        let (newest, origin) = *self.syncs.get(&client)?;
        if newest != request_id {
            return None;
        }
        self.syncs.remove(&client);
        Some(origin)
    }

    /// Something was heard of a session's client.
    pub(super) fn heard_of(&mut self, session: SessionId, now: Now) {
        if let Some(Life::Lives { heard_ns, .. }) = self.sessions.get_mut(&session) {
            *heard_ns = now.monotonic_ns;
        }
    }

    /// A client asks whether a session goes on. Gives for how long without a sign of it, or that the session has ended; nothing when that is not
    /// known yet.
    fn asked(
        &mut self,
        session: SessionId,
        (client, request_id): Asker,
        origin: NodeId,
    ) -> Option<Option<u64>> {
        match self.sessions.get_mut(&session) {
            Some(Life::Lives { timeout_ms, .. }) => Some(Some(*timeout_ms)),
            Some(Life::Ending(askers)) => {
                askers.insert(client, (request_id, origin));
                None
            }
            None => Some(None),
        }
    }
}

/// What session timeouts a cluster grants: from 4 to 40 heartbeats of its leader. ZooKeeper's are 2 to 20 ticks, and its leader
/// pings twice a tick.
pub(super) struct Grants {
    least_ms: u64,
    most_ms: u64,
}

impl Grants {
    pub(super) fn of(setup: &Setup) -> Self {
        let heartbeat_ms = setup.knobs.heartbeat_interval_ms;
        Self {
            least_ms: heartbeat_ms * 4,
            most_ms: heartbeat_ms * 40,
        }
    }

    /// The timeout nearest to what a client wants.
    pub(super) fn nearest_ms(&self, wanted_ms: u64) -> u64 {
        wanted_ms.clamp(self.least_ms, self.most_ms)
    }
}

impl Zookeeper {
    /// A message that is not the broadcast's. Of one that is for a leader a server that leads no more wants nothing: it has broken the link.
    pub(super) fn hear(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        match message {
            Message::Zab(_) => {}
            Message::Overloaded {
                client,
                request_id,
                retry_after_ms,
            } => self.overloaded((client, request_id), retry_after_ms, turn),
            Message::Revalidated {
                client,
                request_id,
                timeout_ms,
            } => self.revalidated((client, request_id), timeout_ms, turn),
            Message::Synced {
                client,
                request_id,
                zxid,
            } => self.synced((client, request_id), zxid, turn),
            _ => self.hear_follower(from, message, turn),
        }
    }

    /// A server, perhaps this one, asks its leader.
    fn hear_follower(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        let asks_quorum = (self.rules().asks_quorum_to_sync)();
        let Some(leading) = &mut self.leading else {
            return;
        };
        match message {
            Message::Forward {
                client,
                request_id,
                command,
            } => self.propose((client, request_id), command, from, turn),
            Message::Alive { sessions } => {
                for session in sessions {
                    leading.heard_of(session, turn.now);
                }
            }
            Message::Revalidate {
                client,
                request_id,
                session,
            } => {
                leading.heard_of(session, turn.now);
                let asker = (client, request_id);
                if let Some(timeout_ms) = leading.asked(session, asker, from) {
                    self.say_revalidated(asker, timeout_ms, from, turn);
                }
            }
            Message::Sync { client, request_id } => {
                if !asks_quorum {
                    return self.say_synced((client, request_id), from, turn);
                }
                leading.syncs.insert(client, (request_id, from));
                let input = Input::Request {
                    client,
                    session: Session(0),
                    request_id,
                    body: Ask::Query(()),
                };
                self.drive_for(input, Some(from), turn);
            }
            _ => {}
        }
    }

    fn propose(
        &mut self,
        (client, request_id): Asker,
        mut command: Command,
        origin: NodeId,
        turn: &mut Turn<'_>,
    ) {
        command.at_ms = turn.now.wall_ns / 1_000_000;
        let input = Input::Request {
            client,
            session: Session(0),
            request_id,
            body: Ask::Command(command),
        };
        self.drive_for(input, Some(origin), turn);
    }

    /// The broadcast answers what it was asked here. That something was delivered each server sees by itself.
    pub(super) fn answered_below(
        &mut self,
        asker: Asker,
        answer: AnswerBelow,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        let waits = self.leading.as_mut();
        let waits = waits.and_then(|leading| leading.waits_for_sync(asker));
        match (answer, waits) {
            (Answer::Done(_), Some(origin)) => self.say_synced(asker, origin, turn),
            (Answer::Refused(Refusal::Overloaded { retry_after_ms }), _) => {
                let message = Message::Overloaded {
                    client: asker.0,
                    request_id: asker.1,
                    retry_after_ms,
                };
                if let Some(origin) = origin.filter(|_| asker.0 != EXPIRER) {
                    self.send_to(origin, message, turn);
                }
            }
            // Whoever leads no more has broken all links, and its clients are told to go elsewhere.
            _ => {}
        }
    }

    /// Says to a server whether a session goes on.
    fn say_revalidated(
        &mut self,
        (client, request_id): Asker,
        timeout_ms: Option<u64>,
        to: NodeId,
        turn: &mut Turn<'_>,
    ) {
        let message = Message::Revalidated {
            client,
            request_id,
            timeout_ms,
        };
        self.send_to(to, message, turn);
    }

    /// The end of a session is delivered here: a leader tells those who asked for the session meanwhile.
    pub(super) fn say_ended(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        let leading = self.leading.as_mut();
        let askers = leading.map_or_else(Askers::new, |leading| leading.ended(session));
        for (client, (request_id, origin)) in askers {
            self.say_revalidated((client, request_id), None, origin, turn);
        }
    }

    /// Says to a server what is committed.
    fn say_synced(&mut self, (client, request_id): Asker, to: NodeId, turn: &mut Turn<'_>) {
        let zxid = self.delivered();
        let message = Message::Synced {
            client,
            request_id,
            zxid,
        };
        self.send_to(to, message, turn);
    }

    /// What is for a server, which may be this one.
    fn send_to(&mut self, to: NodeId, message: Message, turn: &mut Turn<'_>) {
        if to == self.id() {
            self.hear(to, message, turn);
        } else {
            turn.effects.send(to, message);
        }
    }

    /// A leader ends the sessions of whose clients it has heard nothing for too long.
    pub(super) fn end_silent_sessions(&mut self, turn: &mut Turn<'_>) {
        let (is_expired, now_ns) = (self.rules().is_expired, turn.now.monotonic_ns);
        let silent: Vec<SessionId> = match &self.leading {
            None => return,
            Some(leading) => {
                let silent = leading.sessions.iter().filter(|(_, life)| match life {
                    Life::Lives {
                        heard_ns,
                        timeout_ms,
                    } => is_expired(now_ns.saturating_sub(*heard_ns) / 1_000_000, *timeout_ms),
                    Life::Ending(_) => false,
                });
                silent.map(|(session, _)| *session).collect()
            }
        };
        for session in silent {
            let last = self.zab.log().last();
            let command = Command {
                session,
                at_ms: 0,
                act: Act::Expire,
            };
            // A number that no earlier end of a session had, by whichever leader.
            let request_id = RequestId(last.as_number() + 1);
            self.propose((EXPIRER, request_id), command, self.id(), turn);
            let proposed = self.zab.log().last() != last;
            if let (Some(leading), true) = (&mut self.leading, proposed)
                && let Some(life) = leading.sessions.get_mut(&session)
            {
                *life = Life::Ending(Askers::new());
            }
        }
    }
}
