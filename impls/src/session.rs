//! Client sessions: each command runs at most once, however often it is retried. Every protocol that replicates a [`Machine`] shares them.
//!
//! A client numbers its requests and has one open at a time, so the answer to its newest command is all a replica has to keep
//! (Raft dissertation, section 6.3). The table is part of the replicated state: it changes only when a log entry is applied, and it is
//! part of every snapshot.
//!
//! # Expiry
//!
//! A table that forgets nobody grows for ever, and one that forgets must not let a late retry run twice. So where sessions expire, a client
//! must open one: that is a log entry, and its place in the log is the session's number. A command names its session, and one that the table does not
//! know is refused. What is meant by late is decided by replicated time: the leader stamps what it appends, and a replica knows no other time than
//! the greatest stamp it has applied. So all replicas expire the same sessions at the same entry, whatever their clocks say.

use crate::contract::{Answer, ClientId, Now, Refusal, RequestId, Session};
use crate::machine::Machine;
use crate::manage::{Manage, Report};
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display};

/// What a client asks of a replicated machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ask<C, Q> {
    /// Change the state, through the log.
    Command(C),
    /// Read the state.
    Query(Q),
    /// Run the cluster.
    Manage(Manage),
}

/// What a client is told when its request was carried out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Told<O> {
    /// What the machine gave back.
    Output(O),
    /// The cluster is as it was asked to be.
    Managed,
    /// How the node is.
    Status(Report),
}

impl<O> Told<O> {
    /// How the node is, if that is what it says.
    pub(crate) fn report(&self) -> Option<Report> {
        match self {
            Told::Status(report) => Some(report.clone()),
            Told::Output(_) | Told::Managed => None,
        }
    }
}

impl<O: Debug> Debug for Told<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Output(output) => output.fmt(f),
            Told::Managed => f.write_str("managed"),
            Told::Status(report) => report.fmt(f),
        }
    }
}

/// What a client put into a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Submission<C> {
    /// Whose.
    pub client: ClientId,
    /// In which session. Zero where sessions do not expire.
    pub session: Session,
    /// Which of that client's requests.
    pub request_id: RequestId,
    /// When, in replicated time: milliseconds. Zero where sessions do not expire.
    pub at_ms: u64,
    /// What to do.
    pub act: Act<C>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Act<C> {
    /// Run a command.
    Run(C),
    /// Open a session for the client.
    Open,
}

impl<C> Submission<C> {
    /// About how many bytes what it does takes, on the wire and in a log; what it stands in comes on top.
    pub(crate) fn weight<M: Machine<Command = C>>(&self) -> u64 {
        match &self.act {
            Act::Run(command) => M::weight(command),
            Act::Open => 0,
        }
    }
}

/// `c1#1`, or `open(c1#1)`: how traces show it.
impl<C> Display for Submission<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, request) = (self.client, self.request_id);
        match self.act {
            Act::Run(_) => write!(f, "{client}{request}"),
            Act::Open => write!(f, "open({client}{request})"),
        }
    }
}

/// A machine with its client table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Sessions<M: Machine> {
    machine: M,
    clients: BTreeMap<ClientId, Known<M::Output>>,
    /// The greatest stamp applied, in milliseconds.
    now_ms: u64,
    /// No session expires before this, in milliseconds.
    none_before_ms: u64,
}

/// What is known of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Known<O> {
    session: Session,
    /// Its newest request that was applied.
    newest: RequestId,
    /// What that gave back; nothing when it opened the session.
    output: Option<O>,
    /// When it was last heard of, in replicated milliseconds.
    seen_ms: u64,
}

impl<M: Machine> Default for Sessions<M> {
    fn default() -> Self {
        Self {
            machine: M::default(),
            clients: BTreeMap::new(),
            now_ms: 0,
            none_before_ms: 0,
        }
    }
}

impl<M: Machine> Sessions<M> {
    /// Applies what a client put into the log at a place, unless it was applied before. Gives the answer to send, or `None` when the client has
    /// since moved on and waits for no answer to this one. `at`: its place as the machine is told of it. `expire_after_ms`: how long a client may be silent; 0 for ever. The same at
    /// all replicas.
    pub fn apply(
        &mut self,
        (place, at): (u64, u64),
        submission: &Submission<M::Command>,
        expire_after_ms: u64,
    ) -> Option<Answer<Told<M::Output>>> {
        let Submission {
            client,
            session,
            request_id,
            at_ms,
            act,
        } = submission;
        self.pass_time(*at_ms, expire_after_ms);
        let seen_ms = self.now_ms;
        let known = self.clients.get_mut(client);
        let command = match (act, known) {
            (Act::Open, Some(known)) if known.output.is_none() && known.newest == *request_id => {
                return Some(opened(known.session));
            }
            (Act::Open, Some(known)) if known.newest > *request_id => return None,
            (Act::Open, _) => {
                let session = Session(place);
                let (newest, output) = (*request_id, None);
                let fresh = Known {
                    session,
                    newest,
                    output,
                    seen_ms,
                };
                self.clients.insert(*client, fresh);
                return Some(opened(session));
            }
            (Act::Run(_), Some(known)) if known.session != *session => {
                return Some(Answer::Refused(Refusal::SessionExpired));
            }
            (Act::Run(_), None) if *session != Session(0) => {
                return Some(Answer::Refused(Refusal::SessionExpired));
            }
            (Act::Run(command), Some(known)) => {
                known.seen_ms = seen_ms;
                match (&known.output, request_id.cmp(&known.newest)) {
                    (_, std::cmp::Ordering::Less) => return None,
                    (Some(output), std::cmp::Ordering::Equal) => {
                        return Some(Answer::Done(Told::Output(output.clone())));
                    }
                    _ => command,
                }
            }
            (Act::Run(command), None) => command,
        };
        let output = self.machine.apply(at, command);
        self.remember(submission, output.clone());
        Some(Answer::Done(Told::Output(output)))
    }

    /// Remembers what came of a client's newest request.
    pub(crate) fn remember(&mut self, submission: &Submission<M::Command>, output: M::Output) {
        let known = Known {
            session: submission.session,
            newest: submission.request_id,
            output: Some(output),
            seen_ms: self.now_ms,
        };
        self.clients.insert(submission.client, known);
    }

    /// Time has come to a stamp: those who were silent for too long are forgotten.
    fn pass_time(&mut self, at_ms: u64, expire_after_ms: u64) {
        self.now_ms = self.now_ms.max(at_ms);
        if expire_after_ms == 0 || self.now_ms < self.none_before_ms {
            return;
        }
        let now_ms = self.now_ms;
        self.clients
            .retain(|_, known| known.seen_ms + expire_after_ms >= now_ms);
        let oldest_ms = self.clients.values().map(|known| known.seen_ms).min();
        self.none_before_ms = oldest_ms.unwrap_or(now_ms) + expire_after_ms + 1;
    }

    /// The answer to a request that was applied here already and is its client's newest.
    pub fn answered(
        &self,
        client: ClientId,
        session: Session,
        request_id: RequestId,
    ) -> Option<Answer<Told<M::Output>>> {
        let known = self.clients.get(&client)?;
        if known.newest != request_id {
            return None;
        }
        match &known.output {
            Some(output) if known.session == session => {
                Some(Answer::Done(Told::Output(output.clone())))
            }
            None if session == Session(0) => Some(opened(known.session)),
            _ => None,
        }
    }

    /// Answers a query.
    pub fn query(&self, query: &M::Query) -> M::Output {
        self.machine.query(query)
    }

    /// The machine inside.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine inside, for who made it.
    pub(crate) fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// How many clients are known.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The greatest stamp applied, in milliseconds of replicated time.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// All of it, for a snapshot, with the clients that belong into one.
    pub fn image(&self, belongs: fn(ClientId) -> bool) -> Image {
        let machine = self.machine.for_snapshot();
        if machine.is_none() && self.clients.keys().all(|client| belongs(*client)) {
            return Image::of(self);
        }
        let mut part = self.clone();
        part.clients.retain(|client, _| belongs(*client));
        part.machine = machine.unwrap_or(part.machine);
        Image::of(&part)
    }

    /// What a snapshot holds, or nothing yet, settled in: see [`Machine::settle_in`].
    pub fn begun(image: Option<&Image>, mutant: Option<&str>) -> Self {
        let mut sessions = image.map_or_else(Self::default, Self::from_image);
        sessions.machine.settle_in(mutant);
        sessions
    }

    /// What a snapshot holds.
    ///
    /// # Panics
    /// When it is the image of something else: what a snapshot holds was written by a node of the same system.
    pub fn from_image(image: &Image) -> Self {
        let sessions = image.open();
        sessions
            .unwrap_or_else(|error| panic!("a snapshot holds a machine and its clients: {error}"))
    }
}

/// A leader's share of replicated time: from where the log had brought it when the leadership began, it goes on by the leader's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamps {
    from_ms: u64,
    since_ns: u64,
}

impl Stamps {
    /// A leadership begins, and the newest stamp in its log is `from_ms`.
    pub fn begin(from_ms: u64, now: Now) -> Self {
        Self {
            from_ms,
            since_ns: now.monotonic_ns,
        }
    }

    /// The stamp of what is appended now, in milliseconds.
    pub fn at(self, now: Now) -> u64 {
        self.from_ms + now.monotonic_ns.saturating_sub(self.since_ns) / 1_000_000
    }
}

fn opened<R>(session: Session) -> Answer<R> {
    Answer::Refused(Refusal::SessionOpened { session })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::cache::{Cache, Command, Output};

    const TTL_MS: u64 = 100;

    fn submission(client: u32, session: u64, request: u64, at_ms: u64) -> Submission<Command> {
        Submission {
            client: ClientId(client),
            session: Session(session),
            request_id: RequestId(request),
            at_ms,
            act: Act::Run(Command::Append {
                key: "k".into(),
                suffix: format!("{client}.{request} "),
            }),
        }
    }

    fn open(client: u32, request: u64, at_ms: u64) -> Submission<Command> {
        Submission {
            act: Act::Open,
            ..submission(client, 0, request, at_ms)
        }
    }

    const STORED: Option<Answer<Told<Output>>> = Some(Answer::Done(Told::Output(Output::Stored)));

    #[test]
    fn without_expiry_a_client_needs_no_session_and_runs_nothing_twice() {
        let mut sessions = Sessions::<Cache>::default();
        assert_eq!(sessions.apply((1, 1), &submission(1, 0, 1, 0), 0), STORED);
        let once = sessions.clone();
        assert_eq!(sessions.apply((2, 2), &submission(1, 0, 1, 0), 0), STORED);
        assert_eq!(sessions, once);
        assert_eq!(sessions.apply((3, 3), &submission(1, 0, 2, 0), 0), STORED);
        let twice = sessions.clone();
        assert_eq!(sessions.apply((4, 4), &submission(1, 0, 1, 0), 0), None);
        assert_eq!(sessions, twice, "an old request changes nothing");
    }

    #[test]
    fn a_session_expires_by_the_stamps_of_others_and_its_late_retry_runs_nothing() {
        let mut sessions = Sessions::<Cache>::default();
        assert_eq!(
            sessions.apply((7, 7), &open(1, 1, 0), TTL_MS),
            Some(opened(Session(7)))
        );
        assert_eq!(
            sessions.apply((8, 8), &open(1, 1, 0), TTL_MS),
            Some(opened(Session(7))),
            "opened once, however often it is asked for"
        );
        assert_eq!(
            sessions.apply((9, 9), &submission(1, 7, 1, 1), TTL_MS),
            STORED
        );
        sessions.apply((10, 10), &open(2, 1, 1 + TTL_MS), TTL_MS);
        assert_eq!(sessions.clients(), 2, "silent, and not for too long");
        sessions.apply((11, 11), &submission(2, 10, 1, 2 + TTL_MS), TTL_MS);
        assert_eq!(sessions.clients(), 1);
        let before = sessions.clone();
        assert_eq!(
            sessions.apply((12, 12), &submission(1, 7, 1, 0), TTL_MS),
            Some(Answer::Refused(Refusal::SessionExpired)),
        );
        assert_eq!(
            sessions, before,
            "time never goes back, and nothing ran twice"
        );
    }

    #[test]
    fn a_new_session_shuts_the_old_one_out() {
        let mut sessions = Sessions::<Cache>::default();
        sessions.apply((1, 1), &open(1, 1, 0), TTL_MS);
        assert_eq!(
            sessions.apply((2, 2), &open(1, 5, 0), TTL_MS),
            Some(opened(Session(2)))
        );
        assert_eq!(
            sessions.apply((3, 3), &submission(1, 1, 2, 0), TTL_MS),
            Some(Answer::Refused(Refusal::SessionExpired)),
        );
        assert_eq!(
            sessions.apply((4, 4), &submission(1, 2, 5, 0), TTL_MS),
            STORED
        );
        assert_eq!(
            sessions.apply((5, 5), &open(1, 1, 0), TTL_MS),
            None,
            "an old opening, late"
        );
    }

    #[test]
    fn what_was_applied_is_answered_from_the_table_and_survives_a_snapshot() {
        let mut sessions = Sessions::<Cache>::default();
        sessions.apply((1, 1), &open(1, 1, 5), TTL_MS);
        let asked = |sessions: &Sessions<Cache>, session, request| {
            sessions.answered(ClientId(1), Session(session), RequestId(request))
        };
        assert_eq!(asked(&sessions, 0, 1), Some(opened(Session(1))));
        assert_eq!(
            asked(&sessions, 1, 1),
            None,
            "the command itself did not run yet"
        );
        sessions.apply((2, 2), &submission(1, 1, 1, 6), TTL_MS);
        assert_eq!(asked(&sessions, 1, 1), STORED);
        assert_eq!(asked(&sessions, 1, 2), None);
        assert_eq!(Sessions::from_image(&sessions.image(|_| true)), sessions);
    }
}
