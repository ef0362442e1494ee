//! A member and its clients: what they ask, and what they wait for.

use super::message::{Body, kept_for};
use super::state::sound_ask;
use super::words::{Ask, Command, Done, Error, Op, Output, Request};
use super::{AskBelow, Etcd, Turn};
use crate::contract::{Answer, ClientId, Input, NodeId, Refusal, RequestId, Session};
use crate::raft::message::Index;
use crate::session::Told;
use crate::snapshot::Image;

/// What a client waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) request_id: RequestId,
    request: Request,
    until: Until,
}

/// When a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Until {
    /// When its change is applied here.
    Applied,
    /// When the leader has said something.
    Told,
    /// When everything up to here is applied here.
    Reached(Index),
}

/// Who asks, in which request.
pub(super) type Asker = (ClientId, RequestId);

impl Etcd {
    /// A client asks. What it waited for before it waits for no more.
    pub(super) fn take(&mut self, asker: Asker, request: Request, turn: &mut Turn<'_>) {
        let (client, request_id) = asker;
        if !matches!(request.ask, Ask::Manage(_)) {
            self.waits.remove(&client);
        }
        if let Err(error) = sound_ask(&request.ask) {
            return self.reply_now(asker, Err(error), turn);
        }
        let until = match &request.ask {
            Ask::Manage(manage) => {
                let input = Input::Request {
                    client,
                    session: Session(0),
                    request_id,
                    body: AskBelow::Manage(*manage),
                };
                return self.drive(input, turn);
            }
            Ask::Range(range) if range.serializable => return self.serve(asker, &request, turn),
            Ask::Snapshot | Ask::Watch(_) | Ask::CancelWatch { .. } | Ask::Progress { .. } => {
                return self.serve(asker, &request, turn);
            }
            Ask::Write(_) => Until::Applied,
            Ask::Range(_)
            | Ask::Authenticate { .. }
            | Ask::KeepAlive { .. }
            | Ask::TimeToLive { .. } => Until::Told,
        };
        if let Some(output) = self.applied(asker) {
            // It was asked before.
            return self.reply(asker, output.revision, output.result, turn);
        }
        let Some(leader) = self.raft.known_leader() else {
            let leader = None;
            return self.refuse(asker, Refusal::NotLeader { leader }, turn);
        };
        let body = body_of(asker, &request);
        let waiting = Waiting {
            request_id,
            request,
            until,
        };
        self.waits.insert(client, waiting);
        self.send_to(leader, body, turn);
    }

    /// What is for a member, which may be this one.
    pub(super) fn send_to(&mut self, to: NodeId, body: Body, turn: &mut Turn<'_>) {
        if to == self.id() {
            self.hear(to, body, turn);
        } else {
            self.send(to, body, turn);
        }
    }

    fn refuse(&self, (client, request_id): Asker, refusal: Refusal, turn: &mut Turn<'_>) {
        let answer = Answer::Refused(refusal);
        turn.effects.reply(client, request_id, answer);
    }

    /// What came of a client's newest change, if this is it.
    fn applied(&self, (client, request_id): Asker) -> Option<Output> {
        let answer = self
            .raft
            .sessions()
            .answered(client, Session(0), request_id);
        match answer {
            Some(Answer::Done(Told::Output(output))) => Some(output),
            _ => None,
        }
    }

    /// Who waits here with that request.
    fn waiting(&mut self, (client, request_id): Asker) -> Option<&mut Waiting> {
        let waiting = self.waits.get_mut(&client)?;
        (waiting.request_id == request_id).then_some(waiting)
    }

    /// The leader has said how far the log was committed.
    pub(super) fn read_indexed(&mut self, asker: Asker, index: Index, turn: &mut Turn<'_>) {
        if let Some(waiting) = self.waiting(asker)
            && waiting.until == Until::Told
        {
            waiting.until = Until::Reached(index);
            self.answer_one(asker.0, turn);
        }
    }

    /// The leader has said how a lease is.
    pub(super) fn lease_is(
        &mut self,
        asker: Asker,
        result: Result<Done, Error>,
        turn: &mut Turn<'_>,
    ) {
        if self.waiting(asker).is_some() {
            self.waits.remove(&asker.0);
            self.reply_now(asker, result, turn);
        }
    }

    /// Whoever was taken for the leader did not do it.
    pub(super) fn refused(&mut self, asker: Asker, refusal: Refusal, turn: &mut Turn<'_>) {
        if self.waiting(asker).is_some() {
            self.waits.remove(&asker.0);
            self.refuse(asker, refusal, turn);
        }
    }

    /// Answers those who wait for something that is applied by now.
    pub(super) fn answer(&mut self, turn: &mut Turn<'_>) {
        let waits: Vec<ClientId> = self.waits.keys().copied().collect();
        for client in waits {
            self.answer_one(client, turn);
        }
    }

    fn answer_one(&mut self, client: ClientId, turn: &mut Turn<'_>) {
        let Some(waiting) = self.waits.get(&client) else {
            return;
        };
        let asker = (client, waiting.request_id);
        match waiting.until {
            Until::Told => {}
            Until::Applied => {
                if let Some(output) = self.applied(asker) {
                    self.waits.remove(&client);
                    self.reply(asker, output.revision, output.result, turn);
                }
            }
            Until::Reached(index) => {
                if self.raft.commit() >= index
                    && let Some(waiting) = self.waits.remove(&client)
                {
                    self.serve(asker, &waiting.request, turn);
                }
            }
        }
    }

    /// Answers what is answered from what is applied here.
    fn serve(&mut self, asker: Asker, request: &Request, turn: &mut Turn<'_>) {
        let (state, as_user) = (self.state(), request.as_user.as_ref());
        let permitted = state.auth().permits(as_user, &request.ask, state.store());
        let result = permitted.and_then(|()| self.served(asker.0, &request.ask));
        self.reply_now(asker, result, turn);
    }

    fn served(&mut self, client: ClientId, ask: &Ask) -> Result<Done, Error> {
        let state = self.raft.sessions().machine();
        match ask {
            Ask::Range(range) => state.read(range, state.store().revision()),
            Ask::Authenticate { user, password } => {
                let auth_revision = state.auth().authenticate(user, password)?;
                Ok(Done::Auth { auth_revision })
            }
            Ask::Snapshot => Ok(Done::Snapshot(Image::of(state))),
            Ask::Watch(watch) => Ok(self.watch(client, watch)),
            Ask::CancelWatch { watch } => {
                let watcher = self.watchers.remove(&(client, *watch));
                watcher.map(|_| Done::Heard).ok_or(Error::WatchNotFound)
            }
            Ask::Progress { watch } => {
                let watcher = self.watchers.get_mut(&(client, *watch));
                watcher.ok_or(Error::WatchNotFound)?.wants_progress = true;
                Ok(Done::Heard)
            }
            // These are not answered here.
            Ask::Write(_) | Ask::KeepAlive { .. } | Ask::TimeToLive { .. } | Ask::Manage(_) => {
                Err(Error::BadArguments)
            }
        }
    }

    /// The log answers what was asked here.
    pub(super) fn answered_below(
        &mut self,
        asker: Asker,
        answer: super::AnswerBelow,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        match answer {
            Answer::Done(Told::Status(report)) => {
                self.reply_now(asker, Ok(Done::Status(report)), turn);
            }
            Answer::Done(Told::Managed) => self.reply_now(asker, Ok(Done::Heard), turn),
            Answer::Done(Told::Output(_)) => self.proved(asker, turn),
            Answer::Refused(refusal) => {
                if let Some(asked) = self.take_asked(asker) {
                    let client = kept_for(asker.0).unwrap_or(asker.0);
                    let request_id = asked.request_id;
                    let body = Body::Refused {
                        client,
                        request_id,
                        refusal,
                    };
                    return self.send_to(asked.origin, body, turn);
                }
                self.not_done(asker, refusal, origin, turn);
            }
        }
    }

    /// The log did not take a change, or does not know what became of it; or the cluster was not managed.
    fn not_done(
        &mut self,
        asker: Asker,
        refusal: Refusal,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        let (client, request_id) = asker;
        match origin {
            Some(origin) if origin != self.id() => {
                let body = Body::Refused {
                    client,
                    request_id,
                    refusal,
                };
                self.send(origin, body, turn);
            }
            _ if self.waiting(asker).is_some() => self.refused(asker, refusal, turn),
            // What another member asked for is lost with this leadership: its client asks again. What remains is an operator's.
            Some(_) => {}
            None if refusal != Refusal::LeadershipLost => self.refuse(asker, refusal, turn),
            None => {}
        }
    }
}

/// What the leader is asked for a client.
fn body_of((client, request_id): Asker, request: &Request) -> Body {
    let as_user = request.as_user.clone();
    let lease = |lease: &u64, keep_alive| Body::Lease {
        client,
        request_id,
        as_user: as_user.clone(),
        lease: *lease,
        keep_alive,
    };
    match &request.ask {
        Ask::Write(op) => {
            let op: Op = op.clone();
            Body::Propose {
                client,
                request_id,
                command: Command::Do { as_user, op },
            }
        }
        Ask::KeepAlive { lease: known } => lease(known, true),
        Ask::TimeToLive { lease: known } => lease(known, false),
        _ => Body::ReadIndex { client, request_id },
    }
}
