//! A coordination service in the manner of etcd, over [Raft](crate::raft).
//!
//! # What it is
//!
//! Clients keep small data under *keys*. Every change makes a *revision* of the whole store, and what keys were at a revision can be read until it is
//! compacted. A transaction compares keys and does one thing or another, at one revision. A *watch* tells a client of every change of some keys
//! from a revision on. A key can go with a *lease*, and is deleted when the lease is not kept alive. Every member has the whole store, and any
//! member answers.
//!
//! # Promises
//!
//! * Reads and changes are strictly serializable, in the order of revisions.
//! * A serializable read is answered by the member itself, and shows the store as it was at some revision.
//! * A watch tells of its keys in order, of each change once, of every change, of whole revisions at a time; it can go on where it was; and it can say up
//!   to where it has told everything.
//! * A lease that is kept alive does not end, and one that has ended does not live.
//! * Revisions never go back, and what is compacted is said to be.
//! * Nothing is done or shown without the right to it, by the rights as they are where it stands in the order.
//!
//! A lock is a key, and whoever made it first holds it. That is no promise that nobody else acts as a holder: a client may have lost its lease and not know.
//! What a lock protects must compare the revisions at which the keys were made.
//!
//! # How a request travels
//!
//! The member that takes a change sends it to the leader, which puts it into the log; the member answers when it has applied it. A linearizable read
//! asks the leader how far the log is committed, who proves that it still leads before it says so; and waits until so much is applied
//! here. A serializable read is answered at once.
//!
//! # How leases end
//!
//! The leader alone counts their time, by its own clock, and puts their end into the log. Who leads no more forgets what it counted. A new leader gives every
//! lease what is left by the log, and an election timeout on top. So that a lease does not live for ever while leaders change, a leader puts into
//! the log how much is left once half of it has passed; and when such a lease is kept alive, that it has its full time again, before the client hears of it.
//!
//! # What is stored
//!
//! Beside the log a member keeps its *backend*: the state after some of the log, written now and then, with the index up to which it has
//! everything in the same write. A member that restarts begins with that, or with the snapshot if it is newer.
//!
//! # Code map
//!
//! | file | what is there |
//! | --- | --- |
//! | `mod.rs` | the member: its state, its inputs, how the log is driven |
//! | `words.rs` | what clients and members say to each other, and what goes into the log |
//! | `words/notation.rs` | how traces show that |
//! | `message.rs` | what members say to each other |
//! | `serving.rs` | a member and its clients: reads, changes, and what they wait for |
//! | `watching.rs` | watches |
//! | `leasing.rs` | what a leader does for the others: commits, reads, leases and their end |
//! | `state.rs` | the replicated state: what commands make of it |
//! | `store.rs` | the keys and their revisions |
//! | `auth.rs` | users, roles, and what they may do |
//! | `disk.rs` | what a member keeps; a cluster made of what another has stored |
//! | `rules.rs` | the decisions on which the promises rest |
//! | `habits.rs` | the decisions on which nothing rests |
//! | `mutants.rs` | bugs to plant in place of a rule |
//! | `harmless.rs` | changes that are no bugs, to plant in place of a habit |
//! | `invariants.rs` | what must always hold: the log's laws, and the state's own |
//! | `scripts/` | one behaviour each, with its whole trace |
//!
//! # Departures from etcd
//!
//! * A client's change that is asked again under the same number, at another member too, is done once. For that each client's last answer is part of the
//!   replicated state.
//! * Every transaction goes through the log, also one that only reads. There are none within others.
//! * Changes of one revision are told in the order of their keys.
//! * A compaction is done where it is applied, all at once; where it is applied together with changes before it, a watch that was not yet told of
//!   these is over, as one that is behind would be.
//! * A restored cluster is a new one to clients, too: nothing is known of what they asked of the old one, and they show their passwords again.
//! * Who is no member any more goes on to show what it has, until its clients go elsewhere.
//! * Leases count milliseconds, and clients choose their numbers.
//! * A token is a name and the auth revision at which the password was shown: whoever names another is taken for it.
//! * Who is root cannot be unmade while rights are looked at.
//!
//! # Not here
//!
//! Sorted ranges, ranges by revision bounds, filters of watches, defragmentation and alarms, TLS, JWT, the gRPC proxy.

pub mod auth;
pub mod disk;
pub mod habits;
pub mod harmless;
pub mod invariants;
mod leasing;
pub mod message;
pub mod mutants;
pub mod rules;
mod serving;
pub mod state;
pub mod store;
mod watching;
pub mod words;

use crate::contract::{
    Answer, ClientId, DelayRange, Effect, Effects, Input, Node, NodeId, Now, RequestId, Vocabulary,
};
use crate::explored::Outline;
use crate::facts::FactKind;
use crate::fixed::Fixed;
use crate::knobs::Reads;
use crate::node_set::NodeSet;
use crate::raft::Raft;
use crate::raft::message::{Index, Payload, Term, Write as LogWrite};
use crate::session::{Ask as AskBelow, Submission, Told};
use crate::system::{Backup, Budget, Links, Reference, Setup};
use disk::{Commit, EtcdDisk, Write};
use leasing::{Asked, Lessor};
use message::{Body, Message, Timer};
use rules::Rules;
use serving::Waiting;
use state::{News, State};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;
use watching::Watcher;
use words::{Command, Done, Error, Event, Header, Output, Reply, Request, Revision, WatchId};

/// One member.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Etcd {
    fixed: Fixed<Rules>,
    /// The cluster that it is of.
    cluster: u64,
    /// The log below, and the replicated state.
    raft: Raft<State>,
    /// The batches given to the disk and not yet durable, oldest first: whether each is the log's.
    writing: VecDeque<bool>,
    /// Up to which entry the backend has everything, once what was given to the disk is durable.
    stored: Index,
    /// What was run behind that.
    unstored: Vec<(u64, Arc<Submission<Command>>)>,
    /// How many ticks have passed since the backend was written, as far as it matters.
    ticks: u8,
    /// What its clients wait for. Each asks one thing at a time.
    waits: BTreeMap<ClientId, Waiting>,
    /// Its watches.
    watchers: BTreeMap<(ClientId, WatchId), Watcher>,
    /// Up to which revision those that are in step were told.
    told: Revision,
    /// In which term it leads.
    leads_in: Option<Term>,
    /// How long leases live, if it counts that.
    lessor: Option<Lessor>,
    /// For which clients it asks a majority whether it still leads.
    asked: BTreeMap<ClientId, Asked>,
    /// What other members had put into the log, and is not committed: where it stands, and which of them waits for it.
    proposed: VecDeque<(Index, NodeId)>,
}

/// What a step wants done, and when it is.
struct Turn<'a> {
    now: Now,
    effects: &'a mut Effects<Etcd>,
}

impl Turn<'_> {
    fn notify(&mut self, client: ClientId, event: Event) {
        self.effects.push(Effect::Notify { client, event });
    }
}

impl Vocabulary for Etcd {
    type Message = Message;
    type Request = Request;
    type Reply = Reply;
    type Event = Event;
    type Timer = Timer;
    type Write = Write;
}

impl Node for Etcd {
    type Config = Setup;
    type Disk = EtcdDisk;

    const MESSAGE_KINDS: &'static [&'static str] = message::KINDS;
    const FACTS: &'static [FactKind] = crate::raft::message::FACTS;

    fn message_kind(message: &Message) -> &'static str {
        message.kind()
    }

    fn progress(&self) -> u64 {
        self.raft.progress()
    }

    fn outline(&self) -> Outline {
        self.raft.outline()
    }

    fn boot(setup: &Setup, disk: EtcdDisk, now: Now, effects: &mut Effects<Self>) -> Self {
        let rules = Rules::planted(setup.mutant.as_deref());
        let mut below = setup.clone();
        // Leases have an end of their own; the memory of what was asked last has none.
        below.knobs.session_ms = 0;
        if let Some(change) = (rules.planted_below)() {
            below.mutant = Some(change.to_string());
        }
        let mut inner = Effects::default();
        let stored = (disk.backend.applied, disk.backend.sessions);
        let raft = Raft::begin(&below, disk.raft, Some(stored), &mut inner);
        let told = raft.sessions().machine().store().revision();
        let stored = raft.commit();
        let mut member = Self {
            fixed: Fixed::new(setup.clone(), rules),
            cluster: disk.cluster,
            raft,
            writing: VecDeque::new(),
            stored,
            unstored: Vec::new(),
            ticks: 0,
            waits: BTreeMap::new(),
            watchers: BTreeMap::new(),
            told,
            leads_in: None,
            lessor: None,
            asked: BTreeMap::new(),
            proposed: VecDeque::new(),
        };
        let mut turn = Turn { now, effects };
        member.carry_out(inner, None, &mut turn);
        member.set_tick(&mut turn);
        member
    }

    fn step(&mut self, now: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        let mut turn = Turn { now, effects };
        match input {
            Input::Deliver { from, message } if message.cluster == self.cluster => {
                match message.body {
                    Body::Raft(message) => self.drive(Input::Deliver { from, message }, &mut turn),
                    body => self.hear(from, body, &mut turn),
                }
            }
            // From another cluster that was made of the same members.
            Input::Deliver { .. } => {}
            Input::LinkUp(_) | Input::LinkDown(_) => {}
            Input::Persisted => {
                if self.writing.pop_front() == Some(true) {
                    self.drive(Input::Persisted, &mut turn);
                }
            }
            Input::TimerFired(Timer::Raft(timer)) => {
                self.drive(Input::TimerFired(timer), &mut turn);
            }
            Input::TimerFired(Timer::Tick) => {
                self.look_after_leases(&mut turn);
                self.look_after_watches(&mut turn);
                self.store(&mut turn);
                self.set_tick(&mut turn);
            }
            Input::Request {
                client,
                request_id,
                body,
                ..
            } => self.take((client, request_id), body, &mut turn),
            Input::ClientGone(client) => {
                self.waits.remove(&client);
                self.watchers.retain(|(watching, _), _| *watching != client);
            }
        }
    }
}

impl Etcd {
    fn setup(&self) -> &Setup {
        self.fixed.setup()
    }

    fn rules(&self) -> &Rules {
        self.fixed.rules()
    }

    fn id(&self) -> NodeId {
        self.setup().id
    }

    /// The log below.
    pub fn raft(&self) -> &Raft<State> {
        &self.raft
    }

    /// The replicated state, after what was applied here.
    pub fn state(&self) -> &State {
        self.raft.sessions().machine()
    }

    /// The cluster that it is of.
    pub fn cluster(&self) -> u64 {
        self.cluster
    }

    fn set_tick(&self, turn: &mut Turn<'_>) {
        let interval_ns = self.setup().knobs.heartbeat_interval_ms * 1_000_000;
        let range = DelayRange {
            min_ns: interval_ns,
            max_ns: interval_ns,
        };
        turn.effects.set_timer(Timer::Tick, range);
    }

    fn send(&self, to: NodeId, body: Body, turn: &mut Turn<'_>) {
        let cluster = self.cluster;
        turn.effects.send(to, Message { cluster, body });
    }

    /// Moves the log by one input, and tells the clients what came of it.
    fn drive(&mut self, input: Input<Raft<State>>, turn: &mut Turn<'_>) {
        self.drive_for(input, None, turn);
    }

    /// The same; `origin` is the member that takes a client's request with it.
    fn drive_for(
        &mut self,
        input: Input<Raft<State>>,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        let mut inner = Effects::default();
        self.raft.step(turn.now, input, &mut inner);
        self.carry_out(inner, origin, turn);
        self.keep_up(turn);
    }

    /// Passes on what the log wants done, but for its answers: those are for members here. An answer may set the log going again, so it comes
    /// last: what the log then writes stands behind what it writes now.
    fn carry_out(
        &mut self,
        mut inner: Effects<Raft<State>>,
        origin: Option<NodeId>,
        turn: &mut Turn<'_>,
    ) {
        let mut answers = Vec::new();
        for effect in inner.drain() {
            match effect {
                Effect::Send { to, message } => self.send(to, Body::Raft(message), turn),
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => answers.push(((client, request_id), answer)),
                Effect::Persist(writes) => {
                    for write in &writes {
                        // A snapshot that is written is a backend, too.
                        if let LogWrite::Snapshot(snapshot) | LogWrite::Install { snapshot, .. } =
                            write
                        {
                            self.stored = snapshot.last.index;
                            self.unstored.clear();
                        }
                    }
                    self.persist(writes.into_iter().map(Write::Raft).collect(), true, turn);
                }
                Effect::SetTimer { timer, range } => {
                    turn.effects.set_timer(Timer::Raft(timer), range);
                }
                Effect::CancelTimer(timer) => turn.effects.cancel_timer(Timer::Raft(timer)),
                Effect::Note(fact) => turn.effects.note(fact),
                // The log breaks no links, and tells nobody anything.
                Effect::ResetLink(_) | Effect::Notify { .. } => {}
            }
        }
        self.hear_news(turn);
        for (asker, answer) in answers {
            self.answered_below(asker, answer, origin, turn);
        }
    }

    fn persist(&mut self, writes: Vec<Write>, of_log: bool, turn: &mut Turn<'_>) {
        turn.effects.persist(writes);
        self.writing.push_back(of_log);
    }

    /// Brings the service to where the log is.
    fn keep_up(&mut self, turn: &mut Turn<'_>) {
        let leads_in = self.raft.is_leader().then(|| self.raft.term());
        if leads_in != self.leads_in {
            self.leads_in = leads_in;
            self.asked.clear();
            self.proposed.clear();
            if leads_in.is_none() && (self.rules().lessor_goes_with_leadership)() {
                self.lessor = None;
            }
        }
        self.hear_news(turn);
        self.hurry(turn);
        self.tell(turn);
        self.answer(turn);
    }

    /// Takes up what was applied; and who leads and has applied all that was there before it led counts from then on how long leases live.
    fn hear_news(&mut self, turn: &Turn<'_>) {
        for news in self.raft.machine_mut().take_news() {
            match news {
                News::Ran { at } if at > self.stored.0 => {
                    let entry = self.raft.log().get(Index(at));
                    if let Some(Payload::Command(ran)) = entry.map(|entry| &entry.payload) {
                        self.unstored.push((at, Arc::clone(ran)));
                    }
                }
                News::Ran { .. } => {}
                _ => {
                    if let Some(lessor) = &mut self.lessor {
                        lessor.hear(news, turn.now);
                    }
                }
            }
        }
        let term = self.raft.term();
        let is_settled = self.raft.is_leader() && self.raft.has_committed_in_its_term();
        if is_settled
            && self
                .lessor
                .as_ref()
                .is_none_or(|lessor| lessor.term != term)
        {
            let longest_ns = self.setup().knobs.election_timeout.max_ns;
            let leases = self.state().leases();
            self.lessor = Some(Lessor::begin(leases, term, longest_ns, turn.now));
        }
    }

    /// Tells the members whose clients wait for what is committed now.
    fn hurry(&mut self, turn: &mut Turn<'_>) {
        let mut waiting = NodeSet::EMPTY;
        while let Some((_, member)) = self
            .proposed
            .front()
            .copied()
            .filter(|(index, _)| *index <= self.raft.commit())
        {
            waiting.insert(member);
            self.proposed.pop_front();
        }
        for member in waiting.iter() {
            let mut inner = Effects::default();
            self.raft.tell_commit(member, turn.now, &mut inner);
            self.carry_out(inner, None, turn);
        }
    }

    /// Writes what was applied to the backend, and up to which entry that is, together.
    fn store(&mut self, turn: &mut Turn<'_>) {
        let ticks_per_commit = self.rules().habits.ticks_per_commit;
        self.ticks = ticks_per_commit.min(self.ticks + 1);
        let applied = self.raft.commit();
        if self.ticks < ticks_per_commit || applied == self.stored {
            return;
        }
        self.ticks = 0;
        self.stored = applied;
        let ran = std::mem::take(&mut self.unstored);
        let applied = Some(applied);
        let commits = match (self.rules().moves_together)() {
            true => vec![Commit { ran, applied }],
            false => {
                let data = Commit { ran, applied: None };
                let ran = Vec::new();
                vec![data, Commit { ran, applied }]
            }
        };
        let writes = commits.into_iter().map(Write::Commit);
        self.persist(writes.collect(), false, turn);
    }

    fn header(&self, revision: Revision) -> Header {
        Header {
            cluster: self.cluster,
            revision,
            term: self.raft.term().0,
        }
    }

    /// Answers a client, at a revision of the store.
    fn reply(
        &self,
        (client, request_id): (ClientId, RequestId),
        revision: Revision,
        result: Result<Done, Error>,
        turn: &mut Turn<'_>,
    ) {
        let header = self.header(revision);
        let reply = Reply { header, result };
        turn.effects.reply(client, request_id, Answer::Done(reply));
    }

    /// The same, at the store's revision here and now.
    fn reply_now(
        &self,
        asker: (ClientId, RequestId),
        result: Result<Done, Error>,
        turn: &mut Turn<'_>,
    ) {
        self.reply(asker, self.state().store().revision(), result, turn);
    }
}

/// `leader @2 .. revision=7 compacted=3 leases=[5] watches=[c1.1]`: the line that scripts and traces show.
impl Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raft.fmt(f)?;
        let (state, store) = (self.state(), self.state().store());
        write!(f, " revision={}", store.revision())?;
        if store.compacted() > 0 {
            write!(f, " compacted={}", store.compacted())?;
        }
        if !state.leases().is_empty() {
            write!(f, " leases={:?}", state.leases().keys().collect::<Vec<_>>())?;
        }
        if state.auth().enabled {
            write!(f, " auth={}", state.auth().revision)?;
        }
        if !self.watchers.is_empty() {
            let watches = self.watchers.iter();
            let watches = watches.map(|((client, watch), watcher)| {
                let behind = if watcher.in_step { "" } else { " behind" };
                format!("{client}.{watch}{behind}")
            });
            write!(f, " watches=[{}]", watches.collect::<Vec<_>>().join(", "))?;
        }
        if self.cluster != disk::FIRST_CLUSTER {
            write!(f, " cluster={}", self.cluster)?;
        }
        Ok(())
    }
}

/// The answer of the log to what a member here asked it.
type AnswerBelow = Answer<Told<Output>>;

/// An etcd-style cluster, as a [`System`](crate::system::System).
pub fn system(name: &'static str, summary: &'static str) -> Reference<Etcd> {
    Reference {
        name,
        summary,
        mutants: mutants::MUTANTS,
        harmless: harmless::HARMLESS,
        // What the log survives. Clocks that are wrong end leases early or late, by as much as they are wrong.
        budget: Budget {
            links: Links::Any,
            crashes: true,
            pauses: true,
            disk_stops: true,
            synced_loss: false,
            wall_clock: true,
            drift_percent_max: 50,
            membership: true,
        },
        reads: &[Reads::Quorum, Reads::Lease],
        invariants: invariants::INVARIANTS,
        manage: |manage| {
            Some(Request {
                as_user: None,
                ask: words::Ask::Manage(manage),
            })
        },
        report: |reply| match &reply.result {
            Ok(Done::Status(report)) => Some(report.clone()),
            _ => None,
        },
        backup: Some(Backup {
            ask: || Request {
                as_user: None,
                ask: words::Ask::Snapshot,
            },
            stored: |reply| match &reply.result {
                Ok(Done::Snapshot(image)) => Some(image.clone()),
                _ => None,
            },
            restore: disk::restore,
        }),
        watch: || Box::new(invariants::EtcdWatch::default()),
        core: PhantomData,
    }
}
