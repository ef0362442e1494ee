//! Raft: a replicated log led by one elected node at a time.
//!
//! # What
//!
//! Clients send commands to the leader. The leader puts each into its log, copies the log to the others and, once a majority holds an
//! entry durably, calls it *committed*. Every node applies committed entries to its state machine in log order, so all machines go
//! through the same states. Who leads is decided by election: time is cut into *terms*, and in each a node gives at most one vote.
//!
//! # Promises
//!
//! Commands and queries are linearizable, and each command runs at most once however often its client retries it. They hold while
//! nodes crash and restart with what they had synced, and while the network loses, delays, repeats and reorders messages. While a
//! majority of nodes can talk to each other, the cluster makes progress.
//!
//! # Code map
//!
//! | file | what is there | paper |
//! | --- | --- | --- |
//! | `mod.rs` | the node: its state, its inputs, terms, what waits for the disk | 5.1 |
//! | `message.rs` | messages, log entries, timers, writes, and their notation | figure 2 |
//! | `log.rs` | the log in memory and on disk; hints | 5.3 |
//! | `candidate.rs` | standing for election and voting | 5.2, 5.4.1 |
//! | `follower.rs` | taking entries from a leader | 5.3 |
//! | `leader.rs` | replicating, committing, serving commands and reads | 5.3, 5.4.2, dissertation 6.4 |
//! | `rules.rs` | the decisions on which safety rests | |
//! | `habits.rs` | the decisions on which nothing but speed rests | |
//! | `mutants.rs` | bugs to plant in place of a rule | |
//! | `harmless.rs` | changes that are no bugs, to plant in place of a habit | |
//! | `invariants.rs` | what must always hold, across all nodes | figure 3 |
//! | `scripts/` | one behaviour each, with its whole trace | |
//!
//! # What waits for the disk
//!
//! A step writes at most one batch: hard state, truncation, entries, in this order. What the step claims to be durable (a vote, an
//! acceptance, a request for votes, the leader's own copy of an entry) is *held* with the batch and let go when the batch is durable. A
//! claim made while an older batch is outstanding waits for that one too. A claim that is let go late is like a message that was late on
//! the network, which Raft allows at any time; a crash drops what is held together with the unfinished batch.
//!
//! # Departures from the paper
//!
//! * A follower that refuses a base says which term stands there and where that term begins, so that the leader skips whole terms.
//! * A leader sends ahead without waiting for acceptances, and goes back when a base is refused.
//! * Reads do not go through the log. They wait for a round of messages that began after they came (dissertation 6.4). A round is
//!   named in every append, so that one answer confirms all rounds up to its own.
//! * The leader's copy counts for a majority only when it is durable; its appends leave before (dissertation 10.2.1).
//!
//! # Not here
//!
//! Pre-vote, check-quorum, membership change, compaction and leases.

mod candidate;
mod follower;
pub mod habits;
pub mod harmless;
pub mod invariants;
mod leader;
mod log;
pub mod message;
pub mod mutants;
pub mod rules;

use crate::knobs::Reads;
pub use log::{Log, RaftDisk};

use crate::contract::{
    Answer, DelayRange, Effects, Fact, Input, Node, NodeId, Now, Refusal, Vocabulary,
};
use crate::machine::Machine;
use crate::session::{Ask, Sessions, Told};
use crate::system::{Budget, Links, Reference, Setup};
use habits::Habits;
use leader::Leader;
use message::{Body, Index, Message, Payload, Position, Term, Timer, Write};
use rules::Rules;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

/// One node of a Raft cluster that replicates the machine `M`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raft<M: Machine> {
    fixed: Fixed,
    /// The newest term seen. Never falls.
    term: Term,
    /// Who got this node's vote in this term. Set at most once a term.
    vote: Option<NodeId>,
    /// Entries up to `commit` never change.
    log: Log<M::Command>,
    /// How far the log is known to be committed. All of that is applied: applying is part of the step.
    commit: Index,
    /// The machine after the entries up to `commit`.
    sessions: Sessions<M>,
    role: Role<M>,
    /// One for each batch given to the disk and not yet durable, oldest first: what to do when it is.
    outstanding: VecDeque<Vec<Held<M::Command>>>,
}

/// What a node is at the moment. What a role knows is gone when the role changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role<M: Machine> {
    Follower {
        /// Whom it follows: the leader of this term, once that was heard.
        leader: Option<NodeId>,
    },
    Candidate {
        /// Who voted for it in this term, itself included once its own vote is durable.
        votes: BTreeSet<NodeId>,
    },
    Leader(Leader<M>),
}

/// What must not happen before a batch of writes is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Held<C> {
    /// A message that claims something durable.
    Send { to: NodeId, message: Message<C> },
    /// The candidate's own vote in this term counts.
    OwnVote(Term),
    /// The leader's own copy of the log up to here counts, if it still leads in this term.
    OwnCopy(Position, Term),
}

impl<C> Held<C> {
    /// Whether it claims a copy of entries; otherwise a term and a vote.
    fn is_copy(&self) -> bool {
        match self {
            Held::Send { message, .. } => matches!(message.body, Body::Accepted { .. }),
            Held::OwnCopy(..) => true,
            Held::OwnVote(_) => false,
        }
    }
}

/// What never changes in a node's life. It is no part of its state: it neither compares nor hashes.
#[derive(Clone)]
struct Fixed(Arc<(Setup, Rules)>);

impl PartialEq for Fixed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Fixed {}

impl Hash for Fixed {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One step under way: what it wants written, what must wait for that, and what is wanted at once.
struct Turn<'a, M: Machine> {
    effects: &'a mut Effects<Raft<M>>,
    /// The hard state before the step: unchanged hard state is not written again.
    before: (Term, Option<NodeId>),
    writes: Vec<Write<M::Command>>,
    held: Vec<Held<M::Command>>,
}

impl<M: Machine> Vocabulary for Raft<M> {
    type Message = Message<M::Command>;
    type Request = Ask<M::Command, M::Query>;
    type Reply = Told<M::Output>;
    type Event = ();
    type Timer = Timer;
    type Write = Write<M::Command>;
}

impl<M: Machine> Node for Raft<M> {
    type Config = Setup;
    type Disk = RaftDisk<M::Command>;

    const MESSAGE_KINDS: &'static [&'static str] = message::KINDS;

    fn message_kind(message: &Self::Message) -> &'static str {
        message.kind()
    }

    fn progress(&self) -> u64 {
        self.commit.0
    }

    fn boot(
        setup: &Setup,
        disk: RaftDisk<M::Command>,
        _: Now,
        effects: &mut Effects<Self>,
    ) -> Self {
        let rules = Rules::planted(setup.mutant.as_deref())
            .expect("a setup names a mutant or a harmless change of its system");
        assert!(
            setup.knobs.entries_per_append_max > 0,
            "an append that can hold no entry replicates nothing"
        );
        effects.set_timer(Timer::Election, setup.knobs.election_timeout);
        Self {
            fixed: Fixed(Arc::new((setup.clone(), rules))),
            term: disk.term,
            vote: disk.vote,
            log: disk.log,
            commit: Index(0),
            sessions: Sessions::default(),
            role: Role::Follower { leader: None },
            outstanding: VecDeque::new(),
        }
    }

    fn step(&mut self, _: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        let before = (self.term, self.vote);
        let mut turn = Turn {
            effects,
            before,
            writes: Vec::new(),
            held: Vec::new(),
        };
        match input {
            Input::Deliver { from, message } => self.deliver(from, message, &mut turn),
            Input::TimerFired(Timer::Election) => self.stand_for_election(&mut turn),
            Input::TimerFired(Timer::Heartbeat) => self.heartbeat(&mut turn),
            Input::Request {
                client,
                session,
                request_id,
                body,
            } => match (&self.role, body) {
                (Role::Leader(_), Ask::Command(command)) => {
                    self.propose(client, session, request_id, command, &mut turn)
                }
                (Role::Leader(_), Ask::Query(query)) => {
                    self.take_read(client, request_id, query, &mut turn)
                }
                _ => turn.effects.reply(client, request_id, self.refusal()),
            },
            Input::Persisted => {
                let durable = self
                    .outstanding
                    .pop_front()
                    .expect("a completion answers an outstanding persist");
                durable
                    .into_iter()
                    .for_each(|held| self.let_go(held, &mut turn));
            }
            // Raft assumes nothing of its links, and a client's session outlives its connection.
            Input::LinkUp(_) | Input::LinkDown(_) | Input::ClientGone(_) => {}
        }
        self.close(turn);
    }
}

impl<M: Machine> Raft<M> {
    fn setup(&self) -> &Setup {
        &self.fixed.0.0
    }

    fn rules(&self) -> &Rules {
        &self.fixed.0.1
    }

    fn id(&self) -> NodeId {
        self.setup().id
    }

    fn nodes(&self) -> usize {
        usize::from(self.setup().nodes)
    }

    fn habits(&self) -> &Habits {
        &self.rules().habits
    }

    /// The other nodes, in the order in which this node turns to them.
    fn peers(&self) -> impl Iterator<Item = NodeId> + use<M> {
        let (id, nodes, node_at) = (self.id(), self.setup().nodes, self.habits().node_at);
        (1..=nodes)
            .map(move |place| node_at(place, nodes))
            .filter(move |peer| *peer != id)
    }

    /// How often a leader lets itself be heard.
    fn heartbeat_interval(&self) -> DelayRange {
        let interval_ns = self.setup().knobs.heartbeat_interval_ms * 1_000_000
            / self.habits().heartbeats_per_interval;
        DelayRange {
            min_ns: interval_ns,
            max_ns: interval_ns,
        }
    }

    /// The newest term this node has seen.
    pub fn term(&self) -> Term {
        self.term
    }

    /// How far this node knows the log to be committed.
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// This node's log.
    pub fn log(&self) -> &Log<M::Command> {
        &self.log
    }

    /// This node's machine with its client table, after the committed entries.
    pub fn sessions(&self) -> &Sessions<M> {
        &self.sessions
    }

    /// Whether this node leads in its term.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Terms order everything: a message of a newer term moves the node into it, one of an older term is answered, if it is a request,
    /// so that its sender learns of the newer one, and otherwise ignored (Raft 5.1).
    fn deliver(&mut self, from: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        let Message { term, body } = message;
        if term > self.term {
            self.follow(term, None, turn);
        }
        let current = term == self.term;
        match body {
            Body::RequestVote { last } => self.answer_vote(from, current, last, turn),
            Body::Append {
                base,
                entries,
                commit,
                round,
            } if current => {
                self.take_append(from, base, entries, commit, round, turn);
            }
            Body::Append { base, round, .. } => {
                let hint = self.log.hint(base.index);
                let round = (self.rules().round_to_answer)(round, term, self.term);
                self.claim(
                    from,
                    Body::Rejected {
                        base: base.index,
                        hint,
                        round,
                    },
                    turn,
                );
            }
            Body::Vote { granted } if (self.rules().may_count_vote)(term, self.term) => {
                self.count_vote(from, granted, turn)
            }
            Body::Accepted { matched, round } if current => {
                self.accepted(from, matched, round, turn)
            }
            Body::Rejected { base, hint, round } if current => {
                self.rejected(from, base, hint, round, turn)
            }
            Body::Vote { .. } | Body::Accepted { .. } | Body::Rejected { .. } => {}
        }
    }

    /// Becomes a follower in a term: a newer one, or this one when its leader was heard.
    fn follow(&mut self, term: Term, leader: Option<NodeId>, turn: &mut Turn<'_, M>) {
        assert!(term >= self.term, "a term never falls");
        if term > self.term {
            (self.term, self.vote) = (term, None);
        }
        let led = std::mem::replace(&mut self.role, Role::Follower { leader });
        if let Role::Leader(leader) = led {
            turn.effects.note(Fact::SteppedDown {
                epoch: turn.before.0.0,
            });
            turn.effects.cancel_timer(Timer::Heartbeat);
            self.await_leader(turn);
            let refusal = self.refusal();
            for read in leader.reads {
                turn.effects
                    .reply(read.client, read.request_id, refusal.clone());
            }
        }
    }

    /// Waits to hear from a leader, from now on anew. Who leads waits for none.
    fn await_leader(&self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() {
            turn.effects
                .set_timer(Timer::Election, self.setup().knobs.election_timeout);
        }
    }

    fn refusal<R>(&self) -> Answer<R> {
        let leader = match &self.role {
            Role::Follower { leader } => *leader,
            Role::Candidate { .. } | Role::Leader(_) => None,
        };
        Answer::Refused(Refusal::NotLeader { leader })
    }

    /// Moves the commit index, and applies what that commits. A leader tells the clients. That it never falls is for the rules to say
    /// and for an invariant to watch.
    fn commit_to(&mut self, commit: Index, turn: &mut Turn<'_, M>) {
        assert!(
            commit <= self.log.last().index,
            "only what is there can be committed"
        );
        let before = std::mem::replace(&mut self.commit, commit);
        for entry in self.log.between(before, commit) {
            let Payload::Command(submission) = &entry.payload else {
                continue;
            };
            let expire_after_ms = self.setup().knobs.session_ms;
            let answer = self
                .sessions
                .apply(entry.position.index.0, submission, expire_after_ms);
            if let (Role::Leader(_), Some(answer)) = (&self.role, answer) {
                turn.effects
                    .reply(submission.client, submission.request_id, answer);
            }
        }
    }

    /// Sends what claims nothing durable.
    fn send(&self, to: NodeId, body: Body<M::Command>, turn: &mut Turn<'_, M>) {
        let message = Message {
            term: self.term,
            body,
        };
        self.transmit(to, message, turn);
    }

    fn transmit(&self, to: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        for _ in 1..self.habits().copies_per_message {
            turn.effects.send(to, message.clone());
        }
        turn.effects.send(to, message);
    }

    /// Sends what claims something durable, once it is.
    fn claim(&self, to: NodeId, body: Body<M::Command>, turn: &mut Turn<'_, M>) {
        turn.held.push(Held::Send {
            to,
            message: Message {
                term: self.term,
                body,
            },
        });
    }

    fn let_go(&mut self, held: Held<M::Command>, turn: &mut Turn<'_, M>) {
        match held {
            Held::Send { to, message } => self.transmit(to, message, turn),
            Held::OwnVote(term) if term == self.term => self.count_vote(self.id(), true, turn),
            Held::OwnCopy(last, term) if term == self.term => self.own_copy(last.index, turn),
            Held::OwnVote(_) | Held::OwnCopy(..) => {}
        }
    }

    /// Ends a step: gives the disk what it wrote, and lets its claims wait for that, or for older writes, or for nothing.
    fn close(&mut self, mut turn: Turn<'_, M>) {
        loop {
            if (self.term, self.vote) != turn.before {
                turn.before = (self.term, self.vote);
                let term = (self.rules().term_to_persist)(self.term);
                let vote = (self.rules().vote_to_persist)(self.vote);
                turn.writes.insert(0, Write::HardState { term, vote });
            }
            if !turn.writes.is_empty() {
                turn.effects.persist(std::mem::take(&mut turn.writes));
                self.outstanding.push_back(Vec::new());
            }
            let (may_claim, under_way) = (self.rules().may_claim, self.outstanding.len());
            let held = std::mem::take(&mut turn.held).into_iter();
            let (free, waiting): (Vec<_>, Vec<_>) =
                held.partition(|held| may_claim(held.is_copy(), under_way));
            if !waiting.is_empty() {
                let newest = self.outstanding.back_mut();
                newest.expect("a claim waits for a write").extend(waiting);
            }
            if free.is_empty() {
                return;
            }
            free.into_iter()
                .for_each(|held| self.let_go(held, &mut turn));
        }
    }
}

/// `follower of n1 @2 vote=n1 log=[1@1 2@2] commit=2`: the line that scripts and traces show.
impl<M: Machine> Debug for Raft<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Role::Follower {
                leader: Some(leader),
            } => write!(f, "follower of {leader}")?,
            Role::Follower { leader: None } => write!(f, "follower")?,
            Role::Candidate { votes } => write!(f, "candidate votes={votes:?}")?,
            Role::Leader(_) => write!(f, "leader")?,
        }
        write!(f, " @{}", self.term)?;
        if let Some(vote) = self.vote {
            write!(f, " vote={vote}")?;
        }
        write!(f, " log={:?} commit={}", self.log, self.commit)?;
        if !self.outstanding.is_empty() {
            write!(f, " writing={}", self.outstanding.len())?;
        }
        Ok(())
    }
}

/// A Raft cluster that replicates the machine `M`, as a [`System`](crate::system::System).
pub fn system<M: Machine>(name: &'static str, summary: &'static str) -> Reference<Raft<M>> {
    Reference {
        name,
        summary,
        mutants: mutants::MUTANTS,
        harmless: harmless::HARMLESS,
        // The network may do what it likes, and time is only a reason to act. What was synced must be there: a vote that is lost can be
        // given twice. A clock half as fast again, or half as slow, still lets an election timeout outlast several heartbeats.
        budget: Budget {
            links: Links::Any,
            crashes: true,
            pauses: true,
            disk_stops: true,
            synced_loss: false,
            wall_clock: true,
            drift_percent_max: 50,
        },
        reads: &[Reads::Quorum],
        invariants: invariants::INVARIANTS,
        watch: || Box::new(invariants::RaftWatch::<M>::default()),
        core: PhantomData,
    }
}
