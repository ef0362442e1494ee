//! The client of a cluster in which any member answers, and watches tell of changes as they come.
//!
//! An operation is a [`Call`], and what comes of it is [`Returned`], both in wire form. The client speaks the
//! [words of an etcd-style service](stormglass_impls::etcd::words).
//!
//! # Connections
//!
//! It talks to one member at a time. It leaves it when an answer is overdue, when the member refuses, or when the connection breaks, and goes on at the
//! next one after a pause. With nothing open and no watch it wants no connection.
//!
//! # Watches
//!
//! A watch that a member has begun is open until it is cancelled, or until the member says that what it is to tell next is forgotten. It lives in a
//! connection. On the next one the client begins it anew, from the first revision of which it was not told; who may not begin it any more has lost it.
//! What watches tell is handed on as it was told, with the answer to the operation that ends next: whether it is right is not for a client to judge.
//!
//! # Numbers
//!
//! Operations have the numbers that the driver gives them, and keep them at the next member: the members run each at most once. A watch begins under
//! a number of the client's own, with the top bit set, another at each attempt. So an answer that a member gave on an older connection is never taken for
//! the beginning of a watch, and what it tells there of the same watch is known to be old: it comes before the answer to the newest attempt.

mod watches;

use super::rest::Rest;
use super::{
    Client, ClientConfig, ClientTimer, Numbering, OWN_REQUESTS, Outcome, read, set, write,
};
use serde::{Deserialize, Serialize};
use stormglass_impls::contract::{
    Answer, Effect, Effects, Input, NodeId, Refusal, RequestId, Session,
};
use stormglass_impls::etcd::words::{Ask, Done, Error, Event, Reply, Request};
use stormglass_impls::wire::ClientFrame;
use watches::Watches;

/// What a client is to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Call {
    /// Ask a member this.
    Ask(Request),
    /// Stand still, as in a long garbage collection. What comes meanwhile is taken in afterwards.
    Rest {
        /// For how long, in milliseconds.
        ms: u64,
    },
}

/// What came of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Returned {
    /// What the member said. After a rest, nothing.
    pub reply: Option<Reply>,
    /// Which member.
    pub server: NodeId,
    /// What the client's watches told since the operation before this one ended, in the order in which it heard of it. Fragments are put together.
    pub events: Vec<Event>,
}

/// See [the module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MemberClient {
    config: ClientConfig,
    /// The member that it talks to, or tries next.
    server: NodeId,
    /// Where sessions expire, the one it has. It outlives operations.
    session: Session,
    /// Whether it waits before it goes on at the next member. Nothing is awaited from anybody meanwhile.
    pausing: bool,
    /// While it is not pausing, none of them is lost.
    watches: Watches,
    /// Told since an operation ended last.
    events: Vec<Event>,
    /// How much it has asked for itself.
    own_requests: u64,
    open: Option<Open>,
    /// What has come while it stands still.
    rest: Option<Rest>,
}

/// The operation under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    request_id: RequestId,
    request: Request,
    /// The number under which an attempt is out and unanswered.
    out: Option<RequestId>,
}

/// What a member says, as far as the client can read it.
enum Said {
    Reply(Reply),
    Refused(Refusal),
    /// It is no reply.
    Senseless(Vec<u8>),
}

impl MemberClient {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            config: config.clone(),
            server: config.server_first(),
            session: Session(0),
            pausing: false,
            watches: Watches::default(),
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
            Input::Deliver { from, message } if from == self.server && !self.pausing => {
                self.heard(message, effects)
            }
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
                    out: None,
                });
                let deadline_ms = self.config.patience.deadline_ms;
                set(ClientTimer::Deadline, deadline_ms, effects);
                if !self.pausing {
                    self.attempt(effects);
                }
            }
            None => {
                let answer = Answer::Done(Outcome::Refused(Refusal::Senseless));
                effects.reply(self.config.id, request_id, answer);
            }
        }
    }

    /// The client has stood still, and takes in what came meanwhile.
    fn wake(&mut self, effects: &mut Effects<Client>) {
        let Some(rest) = self.rest.take() else { return };
        let request_id = rest.request_id();
        for input in rest.kept() {
            self.take(input, effects);
        }
        let returned = self.returned(None);
        let outcome = Answer::Done(Outcome::Done(returned));
        effects.reply(self.config.id, request_id, outcome);
    }

    fn fired(&mut self, timer: ClientTimer, effects: &mut Effects<Client>) {
        match timer {
            ClientTimer::Retry => {
                self.renumber();
                match &self.open {
                    _ if self.pausing => self.begin(effects),
                    Some(open) if open.out.is_some() => self.give_up(effects),
                    Some(_) => self.attempt(effects),
                    None => {}
                }
            }
            ClientTimer::Watch if self.watches.are_awaited() => self.give_up(effects),
            ClientTimer::Deadline => self.overdue(effects),
            // The one is set only while a watch is awaited; the others are another client's.
            ClientTimer::Watch | ClientTimer::Ping | ClientTimer::Pong | ClientTimer::Rest => {}
        }
    }

    /// The operation takes too long. An answer that comes late must not be taken for another, so the connection is over, too.
    fn overdue(&mut self, effects: &mut Effects<Client>) {
        let is_out = self.open.as_ref().is_some_and(|open| open.out.is_some());
        self.end(Outcome::Unknown, effects);
        if is_out {
            effects.push(Effect::ResetLink(self.server));
            self.move_on(effects);
        } else if !self.pausing || self.watches.are_none() {
            self.pausing = false;
            effects.cancel_timer(ClientTimer::Retry);
        }
    }

    /// Whether something is to come from the member.
    fn listens(&self) -> bool {
        let is_out = self.open.as_ref().is_some_and(|open| open.out.is_some());
        is_out || self.watches.are_with_a_member()
    }

    /// Numbers a retry, if retries have numbers of their own.
    fn renumber(&mut self) {
        if let (Numbering::Fresh, Some(open)) = (self.config.numbering, &mut self.open) {
            open.request_id.0 += 1 << 32;
        }
    }

    /// Goes on at a member: first with the watches, since the operation may be about one of them.
    fn begin(&mut self, effects: &mut Effects<Client>) {
        self.pausing = false;
        for watch in self.watches.lost() {
            let request_id = self.own_number();
            let request = self.watches.begins_anew(watch, request_id);
            self.send(request_id, &request, effects);
        }
        if self.watches.are_awaited() {
            let patience_ms = self.config.patience.attempt_timeout_ms;
            set(ClientTimer::Watch, patience_ms, effects);
        }
        self.attempt(effects);
    }

    /// A number for something that the client asks for itself.
    fn own_number(&mut self) -> RequestId {
        self.own_requests += 1;
        RequestId(OWN_REQUESTS.0 | self.own_requests)
    }

    fn send(&self, request_id: RequestId, request: &Request, effects: &mut Effects<Client>) {
        let call = ClientFrame::Call {
            session: self.session,
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
        let number = match open.request.ask {
            Ask::Watch(_) => self.own_number(),
            _ => open.request_id,
        };
        open.out = Some(number);
        self.send(number, &open.request, effects);
        self.open = Some(open);
        let patience_ms = self.config.patience.attempt_timeout_ms;
        set(ClientTimer::Retry, patience_ms, effects);
    }

    /// The connection is over, or never was: the client breaks it, and goes on at the next member.
    fn give_up(&mut self, effects: &mut Effects<Client>) {
        effects.push(Effect::ResetLink(self.server));
        self.move_on(effects);
    }

    /// Goes on at the next member, if there is something to do or a watch to keep.
    fn move_on(&mut self, effects: &mut Effects<Client>) {
        self.server = self.config.server_after(self.server);
        self.watches.lose();
        if let Some(open) = &mut self.open {
            open.out = None;
        }
        effects.cancel_timer(ClientTimer::Watch);
        self.pausing = self.open.is_some() || !self.watches.are_none();
        match self.pausing {
            true => set(ClientTimer::Retry, self.config.patience.backoff_ms, effects),
            false => effects.cancel_timer(ClientTimer::Retry),
        }
    }

    /// A word of the member came.
    fn heard(&mut self, message: ClientFrame, effects: &mut Effects<Client>) {
        match message {
            ClientFrame::Answer { request_id, answer } => {
                self.answered(request_id, answer, effects)
            }
            ClientFrame::Event(event) => {
                let event = read(&event);
                let whole = event.and_then(|event| self.watches.told(event));
                self.events.extend(whole);
            }
            // A member calls nobody.
            ClientFrame::Call { .. } => {}
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
        let out = self.open.as_ref().and_then(|open| open.out);
        if out == Some(request_id) {
            self.settled(said, effects);
        } else if self.watches.are_awaited_under(request_id) {
            self.began_anew(request_id, said, effects);
        }
    }

    /// What came of a watch that was to begin anew.
    fn began_anew(&mut self, request_id: RequestId, said: Said, effects: &mut Effects<Client>) {
        let Said::Reply(reply) = said else {
            return self.give_up(effects);
        };
        match reply.result {
            Ok(_) => self.watches.began_anew(request_id),
            Err(_) => self.watches.was_refused(request_id),
        }
        if !self.watches.are_awaited() {
            effects.cancel_timer(ClientTimer::Watch);
        }
    }

    /// What came of the operation.
    fn settled(&mut self, said: Said, effects: &mut Effects<Client>) {
        match said {
            Said::Reply(reply) => {
                if let Some(open) = &self.open {
                    learn(&open.request, &reply.result, &mut self.watches);
                }
                let returned = self.returned(Some(reply));
                self.end(Outcome::Done(returned), effects);
            }
            // Whoever reads it will say so.
            Said::Senseless(bytes) => self.end(Outcome::Done(bytes), effects),
            Said::Refused(Refusal::Overloaded { retry_after_ms }) => {
                if let Some(open) = &mut self.open {
                    open.out = None;
                }
                set(ClientTimer::Retry, retry_after_ms.max(1), effects);
            }
            // Without a session nothing was carried out, so the operation may begin anew in one.
            Said::Refused(Refusal::SessionOpened { session }) if self.session == Session(0) => {
                self.session = session;
                self.attempt(effects);
            }
            Said::Refused(Refusal::SessionOpened { .. }) => {}
            Said::Refused(Refusal::SessionExpired) => {
                self.session = Session(0);
                self.end(Outcome::Unknown, effects);
            }
            Said::Refused(Refusal::Senseless) => {
                self.end(Outcome::Refused(Refusal::Senseless), effects)
            }
            Said::Refused(
                Refusal::NotLeader { .. } | Refusal::LeadershipLost | Refusal::ChangeUnderWay,
            ) => self.give_up(effects),
        }
    }

    /// What came of a call, in its wire form.
    fn returned(&mut self, reply: Option<Reply>) -> Vec<u8> {
        write(&Returned {
            reply,
            server: self.server,
            events: std::mem::take(&mut self.events),
        })
    }

    fn end(&mut self, outcome: Outcome, effects: &mut Effects<Client>) {
        let Some(open) = self.open.take() else { return };
        if open.out.is_some() {
            effects.cancel_timer(ClientTimer::Retry);
        }
        effects.cancel_timer(ClientTimer::Deadline);
        effects.reply(self.config.id, open.request_id, Answer::Done(outcome));
    }
}

/// What an answer says of watches.
fn learn(request: &Request, result: &Result<Done, Error>, watches: &mut Watches) {
    match (&request.ask, result) {
        (Ask::Watch(watch), Ok(Done::Watch { start_revision })) => {
            watches.began(request.as_user.clone(), watch.clone(), *start_revision);
        }
        (Ask::CancelWatch { watch }, Ok(_) | Err(Error::WatchNotFound)) => watches.end(*watch),
        (Ask::Authenticate { user, .. }, Ok(Done::Auth { auth_revision })) => {
            watches.identify(user, *auth_revision);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
