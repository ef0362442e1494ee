//! The client of a cluster that answers through its leader: it follows redirects, and any server may answer a retry.
//!
//! One that [asks once](Manner::Once) retries only what certainly did not happen: what was refused for good. Else it waits for its deadline.

use super::{Client, ClientConfig, ClientTimer, Manner, Numbering, Outcome};
use stormglass_impls::contract::{
    Answer, DelayRange, Effects, Input, NodeId, Refusal, RequestId, Session,
};
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::wire::ClientFrame;

/// See [the module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LeaderClient {
    config: ClientConfig,
    /// Whom it asks next: the server that answered last, or the one it was pointed to.
    server: NodeId,
    /// Where sessions expire, the one it has. It outlives operations.
    session: Session,
    open: Option<Open>,
}

/// The operation under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    request_id: RequestId,
    body: Vec<u8>,
    /// Whether the attempt is out and unanswered; otherwise the client pauses before the next.
    waiting: bool,
    /// The servers asked since all of them were. A hint to one of them is not followed: a leader that nobody can hear and its last follower, or
    /// one that was removed and those who do not know it yet, would send the client round in a circle for ever.
    asked: NodeSet,
}

impl LeaderClient {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            config: config.clone(),
            server: config.server_first(),
            session: Session(0),
            open: None,
        }
    }

    pub(super) fn step(&mut self, input: Input<Client>, effects: &mut Effects<Client>) {
        match input {
            Input::Request {
                request_id, body, ..
            } => {
                assert!(self.open.is_none(), "a client has one operation open");
                self.open = Some(Open {
                    request_id,
                    body,
                    waiting: false,
                    asked: NodeSet::EMPTY,
                });
                let deadline_ms = self.config.patience.deadline_ms;
                effects.set_timer(
                    ClientTimer::Deadline,
                    DelayRange::from_ms(deadline_ms, deadline_ms),
                );
                self.attempt(effects);
            }
            Input::Deliver {
                from,
                message: ClientFrame::Answer { request_id, answer },
            } => self.answered(from, request_id, answer, effects),
            Input::LinkDown(server) => {
                let waits_here = self.open.as_ref().is_some_and(|open| open.waiting);
                if waits_here && server == self.server && !self.asks_once() {
                    self.server = self.config.server_after(server);
                    self.pause(self.config.patience.backoff_ms, effects);
                }
            }
            Input::TimerFired(ClientTimer::Retry) => {
                let Some(open) = &self.open else { return };
                if open.waiting && self.asks_once() {
                    return;
                }
                if open.waiting {
                    self.server = self.config.server_after(self.server);
                }
                self.renumber();
                self.attempt(effects);
            }
            Input::TimerFired(ClientTimer::Deadline) => self.end(Outcome::Unknown, effects),
            // These are another client's.
            Input::TimerFired(
                ClientTimer::Ping | ClientTimer::Pong | ClientTimer::Rest | ClientTimer::Watch,
            ) => {}
            // A server calls nobody, and this client asked for no events.
            Input::Deliver { .. } => {}
            Input::LinkUp(_) | Input::ClientGone(_) | Input::Persisted => {}
        }
    }

    fn asks_once(&self) -> bool {
        self.config.manner == Manner::Once
    }

    /// Numbers a retry, if retries have numbers of their own.
    fn renumber(&mut self) {
        if let (Numbering::Fresh, Some(open)) = (self.config.numbering, &mut self.open) {
            open.request_id.0 += 1 << 32;
        }
    }

    fn attempt(&mut self, effects: &mut Effects<Client>) {
        let Some(open) = &mut self.open else { return };
        open.waiting = true;
        if open.asked.len() >= usize::from(self.config.servers) {
            open.asked = NodeSet::EMPTY;
        }
        open.asked.insert(self.server);
        let call = ClientFrame::Call {
            session: self.session,
            request_id: open.request_id,
            body: open.body.clone(),
        };
        effects.send(self.server, call);
        let timeout_ms = self.config.patience.attempt_timeout_ms;
        effects.set_timer(
            ClientTimer::Retry,
            DelayRange::from_ms(timeout_ms, timeout_ms),
        );
    }

    fn pause(&mut self, backoff_ms: u64, effects: &mut Effects<Client>) {
        let Some(open) = &mut self.open else { return };
        open.waiting = false;
        effects.set_timer(
            ClientTimer::Retry,
            DelayRange::from_ms(backoff_ms, backoff_ms),
        );
    }

    fn answered(
        &mut self,
        from: NodeId,
        request_id: RequestId,
        answer: Answer<Vec<u8>>,
        effects: &mut Effects<Client>,
    ) {
        let Some(open) = &self.open else { return };
        if open.request_id != request_id {
            return; // An answer to an operation that has ended.
        }
        match answer {
            Answer::Done(reply) => {
                self.server = from;
                self.end(Outcome::Done(reply), effects);
            }
            // A refusal that is not from the server now asked says nothing about the attempt under way.
            // A session is for all servers.
            Answer::Refused(refusal)
                if (from != self.server || !open.waiting)
                    && !matches!(refusal, Refusal::SessionExpired) => {}
            // What became of it nobody knows, and a retry would be another request.
            Answer::Refused(refusal) if self.asks_once() && !refusal.claim().definite => {
                self.end(Outcome::Unknown, effects);
            }
            Answer::Refused(Refusal::NotLeader {
                leader: Some(leader),
            }) if leader != from
                && !open.asked.contains(leader)
                && (1..=self.config.servers).contains(&leader.0) =>
            {
                self.server = leader;
                self.attempt(effects);
            }
            Answer::Refused(Refusal::NotLeader { .. } | Refusal::LeadershipLost) => {
                self.server = self.config.server_after(self.server);
                self.pause(self.config.patience.backoff_ms, effects);
            }
            Answer::Refused(Refusal::Overloaded { retry_after_ms }) => {
                self.pause(retry_after_ms.max(1), effects)
            }
            Answer::Refused(Refusal::ChangeUnderWay) => {
                self.pause(self.config.patience.backoff_ms, effects)
            }
            // Without a session nothing was carried out, so the operation may begin anew in one.
            Answer::Refused(Refusal::SessionOpened { session }) if self.session == Session(0) => {
                self.session = session;
                self.attempt(effects);
            }
            Answer::Refused(Refusal::SessionOpened { .. }) => {}
            Answer::Refused(Refusal::SessionExpired) => {
                self.session = Session(0);
                self.end(Outcome::Unknown, effects);
            }
            Answer::Refused(refusal @ Refusal::Senseless) => {
                self.end(Outcome::Refused(refusal), effects);
            }
        }
    }

    fn end(&mut self, outcome: Outcome, effects: &mut Effects<Client>) {
        let Some(open) = self.open.take() else { return };
        effects.cancel_timer(ClientTimer::Retry);
        effects.cancel_timer(ClientTimer::Deadline);
        effects.reply(self.config.id, open.request_id, Answer::Done(outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NoDisk, Patience};
    use super::*;
    use stormglass_impls::contract::{ClientId, Effect, Node, Now};

    fn client(servers: u8) -> Client {
        client_of(servers, Manner::Leader)
    }

    fn client_of(servers: u8, manner: Manner) -> Client {
        let config = ClientConfig {
            id: ClientId(0),
            servers,
            patience: Patience::default(),
            numbering: Numbering::Kept,
            manner,
        };
        Client::boot(&config, NoDisk, Now::default(), &mut Effects::default())
    }

    fn step(client: &mut Client, input: Input<Client>) -> Vec<Effect<Client>> {
        let mut effects = Effects::default();
        client.step(Now::default(), input, &mut effects);
        effects.as_slice().to_vec()
    }

    fn request(id: u64) -> Input<Client> {
        Input::Request {
            client: ClientId(0),
            session: Session(0),
            request_id: RequestId(id),
            body: vec![9],
        }
    }

    fn answer(from: u8, id: u64, answer: Answer<Vec<u8>>) -> Input<Client> {
        let request_id = RequestId(id);
        Input::Deliver {
            from: NodeId(from),
            message: ClientFrame::Answer { request_id, answer },
        }
    }

    fn call_to(effects: &[Effect<Client>]) -> Option<(NodeId, RequestId)> {
        effects.iter().find_map(|effect| match effect {
            Effect::Send {
                to,
                message: ClientFrame::Call { request_id, .. },
            } => Some((*to, *request_id)),
            _ => None,
        })
    }

    fn outcome(effects: &[Effect<Client>]) -> Option<Outcome> {
        effects.iter().find_map(|effect| match effect {
            Effect::Reply {
                answer: Answer::Done(outcome),
                ..
            } => Some(outcome.clone()),
            _ => None,
        })
    }

    fn refused(leader: Option<u8>) -> Answer<Vec<u8>> {
        Answer::Refused(Refusal::NotLeader {
            leader: leader.map(NodeId),
        })
    }

    #[test]
    fn a_call_follows_a_redirect_and_ends_with_the_answer() {
        let mut client = client(3);
        assert_eq!(
            call_to(&step(&mut client, request(1))),
            Some((NodeId(1), RequestId(1)))
        );
        let redirected = step(&mut client, answer(1, 1, refused(Some(3))));
        assert_eq!(call_to(&redirected), Some((NodeId(3), RequestId(1))));
        let done = step(&mut client, answer(3, 1, Answer::Done(vec![7])));
        assert_eq!(outcome(&done), Some(Outcome::Done(vec![7])));
        assert_eq!(
            call_to(&step(&mut client, request(2))),
            Some((NodeId(3), RequestId(2))),
            "the server that answered is asked first next time"
        );
    }

    #[test]
    fn silence_moves_on_to_the_next_server_under_the_same_request_id() {
        let mut client = client(3);
        step(&mut client, request(5));
        for server in [2, 3, 1] {
            let retried = step(&mut client, Input::TimerFired(ClientTimer::Retry));
            assert_eq!(call_to(&retried), Some((NodeId(server), RequestId(5))));
        }
        let late = step(&mut client, answer(2, 5, Answer::Done(vec![1])));
        assert_eq!(
            outcome(&late),
            Some(Outcome::Done(vec![1])),
            "whoever answers, answers"
        );
    }

    #[test]
    fn a_hint_to_a_server_that_was_silent_is_not_followed() {
        let mut client = client(3);
        step(&mut client, request(1));
        let retried = step(&mut client, Input::TimerFired(ClientTimer::Retry));
        assert_eq!(call_to(&retried), Some((NodeId(2), RequestId(1))));
        let refused = step(&mut client, answer(2, 1, refused(Some(1))));
        assert_eq!(call_to(&refused), None, "n1 was silent a moment ago");
        let retried = step(&mut client, Input::TimerFired(ClientTimer::Retry));
        assert_eq!(call_to(&retried), Some((NodeId(3), RequestId(1))));
    }

    fn session_of(effects: &[Effect<Client>]) -> Option<Session> {
        effects.iter().find_map(|effect| match effect {
            Effect::Send {
                message: ClientFrame::Call { session, .. },
                ..
            } => Some(*session),
            _ => None,
        })
    }

    #[test]
    fn a_client_takes_the_session_it_is_given_and_keeps_it_until_it_expires() {
        let mut client = client(3);
        assert_eq!(session_of(&step(&mut client, request(1))), Some(Session(0)));
        let session = Session(40);
        let opened = || Answer::Refused(Refusal::SessionOpened { session });
        let again = step(&mut client, answer(1, 1, opened()));
        assert_eq!(session_of(&again), Some(session));
        assert_eq!(step(&mut client, answer(1, 1, opened())), vec![], "late");
        step(&mut client, answer(1, 1, Answer::Done(vec![7])));
        assert_eq!(session_of(&step(&mut client, request(2))), Some(session));
        let expired = step(
            &mut client,
            answer(1, 2, Answer::Refused(Refusal::SessionExpired)),
        );
        assert_eq!(
            outcome(&expired),
            Some(Outcome::Unknown),
            "an attempt before it may have been carried out"
        );
        assert_eq!(session_of(&step(&mut client, request(3))), Some(Session(0)));
    }

    #[test]
    fn every_refusal_is_retried_as_it_claims() {
        for refusal in Refusal::ALL {
            let mut client = client(3);
            step(&mut client, request(1));
            let mut effects = step(&mut client, answer(1, 1, Answer::Refused(*refusal)));
            let ended = outcome(&effects);
            if call_to(&effects).is_none() && ended.is_none() {
                effects = step(&mut client, Input::TimerFired(ClientTimer::Retry));
            }
            let retried = call_to(&effects);
            let claim = refusal.claim();
            assert_eq!(claim.retryable, retried.is_some(), "{refusal:?}");
            assert_eq!(claim.retryable, ended.is_none(), "{refusal:?}");
            assert!(
                retried.is_none_or(|(_, id)| id == RequestId(1)),
                "a retry keeps its number: {refusal:?}"
            );
        }
    }

    /// Servers that point in a circle do not hold a client: it comes to everyone.
    #[test]
    fn hints_that_go_round_in_a_circle_are_left() {
        let mut client = client(4);
        let mut at = call_to(&step(&mut client, request(1))).unwrap().0;
        let mut seen = vec![at.0];
        for _ in 0..6 {
            let circle = if at.0 == 3 { 1 } else { at.0 + 1 };
            let mut effects = step(&mut client, answer(at.0, 1, refused(Some(circle))));
            if call_to(&effects).is_none() {
                effects = step(&mut client, Input::TimerFired(ClientTimer::Retry));
            }
            at = call_to(&effects).expect("it goes on asking").0;
            seen.push(at.0);
        }
        assert_eq!(seen[..4], [1, 2, 3, 4]);
    }

    #[test]
    fn a_broken_connection_proves_nothing_and_is_retried_after_a_pause() {
        let mut client = client(3);
        step(&mut client, request(1));
        let broken = step(&mut client, Input::LinkDown(NodeId(1)));
        assert_eq!((call_to(&broken), outcome(&broken)), (None, None));
        let retried = step(&mut client, Input::TimerFired(ClientTimer::Retry));
        assert_eq!(call_to(&retried), Some((NodeId(2), RequestId(1))));
        let elsewhere = step(&mut client, Input::LinkDown(NodeId(1)));
        assert_eq!(elsewhere, vec![], "a connection it does not wait on");
    }

    #[test]
    fn who_asks_once_goes_on_only_where_nothing_happened() {
        let begun = || {
            let mut client = client_of(3, Manner::Once);
            step(&mut client, request(1));
            client
        };
        let quiet = |client: &mut Client, input| {
            let effects = step(client, input);
            assert_eq!((call_to(&effects), outcome(&effects)), (None, None));
        };
        let mut silent = begun();
        quiet(&mut silent, Input::TimerFired(ClientTimer::Retry));
        quiet(&mut silent, Input::LinkDown(NodeId(1)));
        quiet(&mut silent, Input::TimerFired(ClientTimer::Retry));
        let gave_up = step(&mut silent, Input::TimerFired(ClientTimer::Deadline));
        assert_eq!(outcome(&gave_up), Some(Outcome::Unknown));

        let redirected = step(&mut begun(), answer(1, 1, refused(Some(3))));
        assert_eq!(call_to(&redirected), Some((NodeId(3), RequestId(1))));
        let lost = Answer::Refused(Refusal::LeadershipLost);
        let lost = step(&mut begun(), answer(1, 1, lost));
        assert_eq!(outcome(&lost), Some(Outcome::Unknown));
        let mut full = begun();
        let later = Answer::Refused(Refusal::Overloaded { retry_after_ms: 5 });
        quiet(&mut full, answer(1, 1, later));
        let again = step(&mut full, Input::TimerFired(ClientTimer::Retry));
        assert_eq!(call_to(&again), Some((NodeId(1), RequestId(1))));
    }

    #[test]
    fn at_the_deadline_the_outcome_is_unknown_and_a_late_answer_changes_nothing() {
        let mut client = client(3);
        step(&mut client, request(1));
        let gave_up = step(&mut client, Input::TimerFired(ClientTimer::Deadline));
        assert_eq!(outcome(&gave_up), Some(Outcome::Unknown));
        assert_eq!(
            step(&mut client, answer(1, 1, Answer::Done(vec![1]))),
            vec![]
        );
        step(&mut client, request(2));
        let stale = step(&mut client, answer(1, 1, Answer::Done(vec![1])));
        assert_eq!(stale, vec![], "an answer to the operation before");
    }
}
