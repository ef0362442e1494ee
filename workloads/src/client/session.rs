//! The client of a cluster in which every server answers, in a session: it keeps one connection and its session alive, and takes in what its
//! watches tell.
//!
//! An operation is a [`Call`], and what comes of it is [`Returned`], both in wire form. The client speaks the
//! [words of a ZooKeeper-style service](stormglass_impls::zookeeper::words).
//!
//! # Connections
//!
//! It has one at most. It connects when it has something to do, or a session to keep, and then stays connected. A connection is over when the
//! server says so, when it breaks, or when an answer is overdue; the next server is tried after a pause. What a server said before it answered the
//! request for a connection belongs to an older one, and is ignored.
//!
//! # Numbers
//!
//! Operations have the numbers that the driver gives them, and keep them on the next connection: the servers run each at most once in a session.
//! What the client asks for itself has numbers with the top bit set.

mod watches;

use super::rest::Rest;
use super::{
    Client, ClientConfig, ClientTimer, Numbering, OWN_REQUESTS, Outcome, read, set, write,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use stormglass_impls::contract::{
    Answer, Effect, Effects, Input, NodeId, Refusal, RequestId, Session,
};
use stormglass_impls::wire::ClientFrame;
use stormglass_impls::zookeeper::words::{
    Body, Error, Event, Op, Reply, Request, SessionId, Watch, ZxidNumber,
};
use watches::{uses_up, watch_of};

/// What a client is to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Call {
    /// Ask a server this.
    Ask(Request),
    /// Stand still, as in a long garbage collection: say nothing, not even that it lives. What comes meanwhile is taken in afterwards.
    Rest {
        /// For how long, in milliseconds.
        ms: u64,
    },
}

/// What came of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Returned {
    /// What the server said. After a rest, that the client is there.
    pub reply: Reply,
    /// In which session.
    pub session: SessionId,
    /// Which server.
    pub server: NodeId,
    /// The watches that fired since the operation before this one ended, as [`Event::Fired`], in the order in which the client heard of them.
    pub events: Vec<Event>,
}

/// How many signs of life fit into the time after which a session expires.
const PINGS_PER_TIMEOUT: u64 = 3;

/// See [the module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionClient {
    config: ClientConfig,
    /// How long its session is to live without a sign of it, in milliseconds.
    timeout_ms: u64,
    /// How long it does: what the server granted.
    granted_ms: u64,
    /// The server that it is connected to, or tries next.
    server: NodeId,
    link: Link,
    /// `None` before it has one, and when it has expired.
    session: Option<SessionId>,
    /// The newest zxid that it has heard of. It outlives sessions.
    seen: ZxidNumber,
    /// Of all that happened to its watches up to here it was told. Only an answer to what it asked on a connection raises it: what a server says, it
    /// says in order, so the events before have come. Behind the answer to a connect, and behind an event, there may be more of them.
    told: ZxidNumber,
    /// Registered, and not fired.
    watches: BTreeSet<Watch>,
    /// Fired since an operation ended last.
    events: Vec<Event>,
    /// How much it has asked for itself.
    own_requests: u64,
    open: Option<Open>,
    /// What has come while it stands still.
    rest: Option<Rest>,
}

/// How it stands with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Link {
    /// It has no connection, and wants none.
    Down,
    /// It wants one, after a pause.
    Pausing,
    /// It asked for one under this number.
    Connecting(RequestId),
    /// It has one.
    Connected {
        /// The sign of life that was not answered yet.
        ping: Option<RequestId>,
    },
}

/// The operation under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    request_id: RequestId,
    request: Request,
    /// Whether an attempt is out and unanswered.
    out: bool,
    /// Whether an attempt was out when its connection ended: nobody knows what became of it.
    lost: bool,
}

/// What a server says, as far as the client can read it.
enum Said {
    Reply(Reply),
    Refused(Refusal),
    /// It is no reply.
    Senseless(Vec<u8>),
}

impl SessionClient {
    pub(super) fn new(config: &ClientConfig, timeout_ms: u64) -> Self {
        Self {
            config: config.clone(),
            timeout_ms,
            granted_ms: timeout_ms,
            server: config.server_first(),
            link: Link::Down,
            session: None,
            seen: 0,
            told: 0,
            watches: BTreeSet::new(),
            events: Vec::new(),
            own_requests: 0,
            open: None,
            rest: None,
        }
    }

    pub(super) fn step(&mut self, input: Input<Client>, effects: &mut Effects<Client>) {
        match (&mut self.rest, input) {
            (Some(_), Input::TimerFired(ClientTimer::Rest)) => self.wake(effects),
            (Some(rest), input) => rest.keep(input),
            (None, input) => self.take(input, effects),
        }
    }

    fn take(&mut self, input: Input<Client>, effects: &mut Effects<Client>) {
        match input {
            Input::Request {
                request_id, body, ..
            } => self.called(request_id, &body, effects),
            Input::Deliver { from, message } if from == self.server => self.heard(message, effects),
            Input::LinkDown(server) if server == self.server && self.listens() => {
                self.give_up(effects)
            }
            Input::TimerFired(timer) => self.fired(timer, effects),
            // What comes from elsewhere belongs to an older connection.
            Input::Deliver { .. } | Input::LinkDown(_) => {}
            Input::LinkUp(_) | Input::ClientGone(_) | Input::Persisted => {}
        }
    }

    fn called(&mut self, request_id: RequestId, body: &[u8], effects: &mut Effects<Client>) {
        assert!(self.open.is_none(), "a client has one operation open");
        match read::<Call>(body) {
            Some(Call::Rest { ms }) => {
                set(ClientTimer::Rest, ms, effects);
                self.rest = Some(Rest::new(request_id));
            }
            Some(Call::Ask(request)) => {
                self.open = Some(Open {
                    request_id,
                    request,
                    out: false,
                    lost: false,
                });
                let deadline_ms = self.config.patience.deadline_ms;
                set(ClientTimer::Deadline, deadline_ms, effects);
                match self.link {
                    Link::Down => self.begin(effects),
                    Link::Connected { .. } => self.attempt(effects),
                    Link::Pausing | Link::Connecting(_) => {}
                }
            }
            None => {
                let answer = Answer::Done(Outcome::Refused(Refusal::Senseless));
                effects.reply(self.config.id, request_id, answer);
            }
        }
    }

    /// The client has stood still, and takes in what came meanwhile: first what was due, then its mail, as any paused node does.
    fn wake(&mut self, effects: &mut Effects<Client>) {
        let Some(rest) = self.rest.take() else { return };
        let request_id = rest.request_id();
        for input in rest.kept() {
            self.take(input, effects);
        }
        let reply = Reply {
            zxid: self.seen,
            body: Body::Pong,
        };
        let returned = self.returned(reply);
        let outcome = Answer::Done(Outcome::Done(returned));
        effects.reply(self.config.id, request_id, outcome);
    }

    fn fired(&mut self, timer: ClientTimer, effects: &mut Effects<Client>) {
        if timer == ClientTimer::Retry {
            self.renumber();
        }
        let is_out = self.open.as_ref().is_some_and(|open| open.out);
        match (timer, self.link) {
            (ClientTimer::Retry, Link::Pausing) => self.begin(effects),
            (ClientTimer::Retry, Link::Connecting(_)) => self.give_up(effects),
            (ClientTimer::Retry, Link::Down | Link::Connected { .. }) if is_out => {
                self.give_up(effects)
            }
            (ClientTimer::Retry, Link::Connected { .. }) => self.attempt(effects),
            (ClientTimer::Pong, Link::Connected { ping: Some(_) }) => self.give_up(effects),
            (ClientTimer::Ping, Link::Connected { ping: None }) => self.ping(effects),
            // The one before it is still out.
            (ClientTimer::Ping, Link::Connected { .. }) => self.ping_later(effects),
            (ClientTimer::Deadline, _) => self.overdue(effects),
            _ => {}
        }
    }

    /// The operation takes too long. An answer that comes late must not be taken for another, so the connection is over, too.
    fn overdue(&mut self, effects: &mut Effects<Client>) {
        let listens = self.listens();
        self.end(Outcome::Unknown, effects);
        if listens {
            effects.push(Effect::ResetLink(self.server));
            self.move_on(effects);
        } else if self.session.is_none() {
            self.disconnected(effects);
        }
    }

    /// Whether something is to come from the server.
    fn listens(&self) -> bool {
        match self.link {
            Link::Connecting(_) | Link::Connected { .. } => true,
            Link::Down => self.open.as_ref().is_some_and(|open| open.out),
            Link::Pausing => false,
        }
    }

    /// Numbers a retry, if retries have numbers of their own.
    fn renumber(&mut self) {
        if let (Numbering::Fresh, Some(open)) = (self.config.numbering, &mut self.open) {
            open.request_id.0 += 1 << 32;
        }
    }

    /// Does what is to be done first without a connection: makes one, unless what is asked needs none.
    fn begin(&mut self, effects: &mut Effects<Client>) {
        let request = self.open.as_ref().map(|open| &open.request);
        if let (Some(Request::Manage(_)), None) = (request, self.session) {
            self.link = Link::Down;
            return self.attempt(effects);
        }
        let connect = Request::Connect {
            session: self.session,
            timeout_ms: self.timeout_ms,
            seen: self.seen,
            told: self.told,
            watches: self.watches.iter().cloned().collect(),
        };
        let request_id = self.ask(&connect, effects);
        self.link = Link::Connecting(request_id);
        let patience_ms = self.config.patience.attempt_timeout_ms;
        set(ClientTimer::Retry, patience_ms, effects);
    }

    fn ping(&mut self, effects: &mut Effects<Client>) {
        let request_id = self.ask(&Request::Ping, effects);
        self.link = Link::Connected {
            ping: Some(request_id),
        };
        let patience_ms = self.config.patience.attempt_timeout_ms;
        set(ClientTimer::Pong, patience_ms, effects);
        self.ping_later(effects);
    }

    fn ping_later(&self, effects: &mut Effects<Client>) {
        let wait_ms = (self.granted_ms / PINGS_PER_TIMEOUT).max(1);
        set(ClientTimer::Ping, wait_ms, effects);
    }

    /// Asks something for the client itself. Gives the number.
    fn ask(&mut self, request: &Request, effects: &mut Effects<Client>) -> RequestId {
        self.own_requests += 1;
        let request_id = RequestId(OWN_REQUESTS.0 | self.own_requests);
        self.send(request_id, request, effects);
        request_id
    }

    fn send(&self, request_id: RequestId, request: &Request, effects: &mut Effects<Client>) {
        let call = ClientFrame::Call {
            session: Session(0),
            request_id,
            body: write(request),
        };
        effects.send(self.server, call);
    }

    /// Sends the operation, if there is one.
    fn attempt(&mut self, effects: &mut Effects<Client>) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        open.out = true;
        self.send(open.request_id, &open.request, effects);
        self.open = Some(open);
        let patience_ms = self.config.patience.attempt_timeout_ms;
        set(ClientTimer::Retry, patience_ms, effects);
        if let Link::Connected { .. } = self.link {
            self.ping_later(effects);
        }
    }

    /// The connection is over, or was never made: the client breaks it, and goes on at the next server.
    fn give_up(&mut self, effects: &mut Effects<Client>) {
        if self.listens() {
            effects.push(Effect::ResetLink(self.server));
        }
        self.move_on(effects);
    }

    /// Goes on at the next server, if there is something to do or a session to keep.
    fn move_on(&mut self, effects: &mut Effects<Client>) {
        self.server = self.config.server_after(self.server);
        self.disconnected(effects);
        if let Some(open) = &mut self.open {
            open.lost |= std::mem::take(&mut open.out);
        }
        if self.open.is_some() || self.session.is_some() {
            self.link = Link::Pausing;
            let pause_ms = self.config.patience.backoff_ms;
            set(ClientTimer::Retry, pause_ms, effects);
        }
    }

    fn disconnected(&mut self, effects: &mut Effects<Client>) {
        self.link = Link::Down;
        for timer in [ClientTimer::Retry, ClientTimer::Ping, ClientTimer::Pong] {
            effects.cancel_timer(timer);
        }
    }

    /// A word of the server came.
    fn heard(&mut self, message: ClientFrame, effects: &mut Effects<Client>) {
        match message {
            ClientFrame::Answer { request_id, answer } => {
                self.answered(request_id, answer, effects)
            }
            ClientFrame::Event(event) => {
                if let (Link::Connected { .. }, Some(event)) = (self.link, read(&event)) {
                    self.told(event, effects);
                }
            }
            // A server calls nobody.
            ClientFrame::Call { .. } => {}
        }
    }

    fn told(&mut self, event: Event, effects: &mut Effects<Client>) {
        match &event {
            Event::Fired { change, path, zxid } => {
                self.seen = self.seen.max(*zxid);
                self.watches
                    .retain(|watch| watch.path != *path || !uses_up(*change, watch.what));
                self.events.push(event);
            }
            Event::Closed => self.give_up(effects),
        }
    }

    fn answered(
        &mut self,
        request_id: RequestId,
        answer: Answer<Vec<u8>>,
        effects: &mut Effects<Client>,
    ) {
        let said = match answer {
            Answer::Refused(refusal) => Said::Refused(refusal),
            Answer::Done(bytes) => match read::<Reply>(&bytes) {
                Some(reply) => Said::Reply(reply),
                None => Said::Senseless(bytes),
            },
        };
        let open = self.open.as_ref().filter(|open| open.out);
        let is_open = open.is_some_and(|open| open.request_id == request_id);
        let is_awaited = match self.link {
            Link::Connecting(connect) => connect == request_id,
            Link::Connected { ping } => is_open || ping == Some(request_id),
            Link::Down => is_open,
            Link::Pausing => false,
        };
        if !is_awaited {
            return;
        }
        if let Said::Reply(reply) = &said {
            self.seen = self.seen.max(reply.zxid);
            if let Body::Done(_) | Body::Pong = reply.body {
                self.told = self.told.max(reply.zxid);
            }
        }
        match (self.link, said) {
            (_, said) if has_expired(&said) => self.expired(effects),
            (_, Said::Reply(reply)) if reply.body == Body::Behind => self.move_on(effects),
            (_, Said::Reply(reply)) if reply.body == Body::NotServing => self.move_on(effects),
            (Link::Connecting(_), said) => self.connected(said, effects),
            (_, said) if is_open => self.settled(said, effects),
            (_, said) => self.ponged(said, effects),
        }
    }

    /// What came of asking for a connection.
    fn connected(&mut self, said: Said, effects: &mut Effects<Client>) {
        match said {
            Said::Reply(Reply {
                body:
                    Body::Connected {
                        session,
                        timeout_ms,
                    },
                ..
            }) => {
                self.session = Some(session);
                self.granted_ms = timeout_ms;
                self.link = Link::Connected { ping: None };
                effects.cancel_timer(ClientTimer::Retry);
                self.ping_later(effects);
                self.attempt(effects);
            }
            Said::Refused(Refusal::Overloaded { retry_after_ms }) => {
                self.link = Link::Pausing;
                set(ClientTimer::Retry, retry_after_ms.max(1), effects);
            }
            Said::Reply(_) | Said::Refused(_) | Said::Senseless(_) => self.give_up(effects),
        }
    }

    /// What came of a sign of life.
    fn ponged(&mut self, said: Said, effects: &mut Effects<Client>) {
        match said {
            Said::Reply(Reply {
                body: Body::Pong, ..
            })
            // Whoever has no time for a sign of life has seen it.
            | Said::Refused(Refusal::Overloaded { .. }) => {
                self.link = Link::Connected { ping: None };
                effects.cancel_timer(ClientTimer::Pong);
            }
            Said::Reply(_) | Said::Refused(_) | Said::Senseless(_) => self.give_up(effects),
        }
    }

    /// What came of the operation.
    fn settled(&mut self, said: Said, effects: &mut Effects<Client>) {
        let reply = match said {
            Said::Reply(reply) => reply,
            // Whoever reads it will say so.
            Said::Senseless(bytes) => return self.end(Outcome::Done(bytes), effects),
            Said::Refused(Refusal::Overloaded { retry_after_ms }) => {
                if let Some(open) = &mut self.open {
                    open.out = false;
                }
                if let Link::Down = self.link {
                    self.link = Link::Pausing;
                }
                return set(ClientTimer::Retry, retry_after_ms.max(1), effects);
            }
            Said::Refused(Refusal::Senseless) => {
                return self.end(Outcome::Refused(Refusal::Senseless), effects);
            }
            Said::Refused(_) => return self.give_up(effects),
        };
        let is_closed = self.open.as_ref().is_some_and(|open| {
            open.request == Request::Write(Op::Close) && matches!(reply.body, Body::Done(Ok(_)))
        });
        if let (Some(open), Body::Done(Ok(done))) = (&self.open, &reply.body) {
            self.watches.extend(watch_of(&open.request, done));
        }
        let returned = self.returned(reply);
        self.end(Outcome::Done(returned), effects);
        if is_closed {
            self.session = None;
            self.watches.clear();
            effects.push(Effect::ResetLink(self.server));
            self.disconnected(effects);
        }
    }

    /// The session has ended, and with it the memory of what was carried out in it.
    fn expired(&mut self, effects: &mut Effects<Client>) {
        self.session = None;
        self.watches.clear();
        self.disconnected(effects);
        match &self.open {
            Some(open) if open.out || open.lost => self.end(Outcome::Unknown, effects),
            Some(_) => self.begin(effects),
            None => {}
        }
    }

    /// What came of a call, in its wire form.
    fn returned(&mut self, reply: Reply) -> Vec<u8> {
        write(&Returned {
            reply,
            session: self.session.unwrap_or_default(),
            server: self.server,
            events: std::mem::take(&mut self.events),
        })
    }

    fn end(&mut self, outcome: Outcome, effects: &mut Effects<Client>) {
        let Some(open) = self.open.take() else { return };
        if open.out {
            effects.cancel_timer(ClientTimer::Retry);
        }
        effects.cancel_timer(ClientTimer::Deadline);
        effects.reply(self.config.id, open.request_id, Answer::Done(outcome));
    }
}

/// Whether this says that the session has ended.
fn has_expired(said: &Said) -> bool {
    match said {
        Said::Reply(reply) => matches!(
            reply.body,
            Body::Expired | Body::Done(Err(Error::SessionExpired))
        ),
        Said::Refused(refusal) => *refusal == Refusal::SessionExpired,
        Said::Senseless(_) => false,
    }
}

#[cfg(test)]
mod tests;
