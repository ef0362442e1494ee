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
//! Leases alone ask more of the world: that no clock is faster or slower than true time by more than the knob says.
//!
//! # Code map
//!
//! | file | what is there | paper |
//! | --- | --- | --- |
//! | `mod.rs` | the node: its state, its inputs, terms, applying | 5.1 |
//! | `boot.rs` | a node made from its disk | |
//! | `turn.rs` | one step under way: what it writes, and what waits for that | figure 2 |
//! | `message.rs` | messages, log entries, timers, writes, and their notation | figure 2 |
//! | `log.rs` | the log in memory and on disk; hints | 5.3 |
//! | `members.rs` | who takes part, and the steps from one set of voters to another | 6 |
//! | `candidate.rs` | standing for election, voting, trusting a leader | 5.2, 5.4.1, dissertation 9.6, 4.2.3 |
//! | `follower.rs` | taking entries from a leader | 5.3 |
//! | `snapshots.rs` | taking snapshots, sending them in parts, installing them | 7 |
//! | `leader.rs` | appending, committing, serving commands | 5.3, 5.4.2 |
//! | `progress.rs` | what a leader knows of a follower, and what it sends it next | 5.3, dissertation 10.2 |
//! | `reads.rs` | reads by rounds and by lease | dissertation 6.4 |
//! | `membership.rs` | changing the members, handing over | 6, dissertation 4, 3.10 |
//! | `status.rs` | how a node shows itself | |
//! | `renamed.rs` | what an exhaustive search may leave out: other names for the nodes, messages that are ignored for ever | |
//! | `rules.rs` | the decisions on which safety rests | |
//! | `habits.rs` | the decisions on which nothing but speed rests | |
//! | `mutants.rs` | bugs to plant in place of a rule | |
//! | `harmless.rs` | changes that are no bugs, to plant in place of a habit | |
//! | `invariants.rs` | what must always hold, across all nodes | figure 3 |
//! | `scripts/` | one behaviour each, with its whole trace | |
//!
//! # What waits for the disk
//!
//! A step writes at most one batch: hard state, truncation, entries, snapshots, in this order. What the step claims to be durable (a vote, an
//! acceptance, a request for votes, the leader's own copy of an entry) is *held* with the batch and let go when the batch is durable. A
//! claim made while an older batch is outstanding waits for that one too. A claim that is let go late is like a message that was late on
//! the network, which Raft allows at any time; a crash drops what is held together with the unfinished batch.
//!
//! # Members
//!
//! A change of members takes effect at a node when the entry is *appended* to its log, not when it is committed or applied. A leader that still
//! counted by the old members while others already count by the new could commit with a majority that shares no node with theirs; and
//! a node that came back from a crash would not know, before it had heard how far the log is committed, by whom to be elected. The price is that a
//! change can be taken back together with its entry, so every node keeps the members as of each entry that changes them.
//!
//! A change of one voter is made at once, for the majorities before and after share a node. A greater one goes through a joint
//! configuration, in which the old and the new voters must each agree; the leader leaves it by itself as soon as it is committed. One change is under
//! way at a time. Newcomers are learners until they have caught up. A leader that is no longer among the members leads until that is
//! committed, asks the best of the others to take over, and steps down.
//!
//! # Trust and leases
//!
//! Who heard its leader within the shortest election timeout trusts it: it gives nobody a vote and follows nobody into a newer term. A leader
//! whose majority falls silent steps down. So a majority that answered a round will elect nobody for that long after the round was sent, and the
//! leader may answer reads alone, for a share of that time that allows for the drift of clocks. A node that restarts does not know whom it
//! trusted, and trusts for that long to be safe. Handing over breaks the trust on purpose, and ends the lease for the rest of the term.
//!
//! # Departures from the paper
//!
//! * A follower that refuses a base says which term stands there and where that term begins, so that the leader skips whole terms.
//! * A leader sends ahead without waiting for acceptances, as far as its window goes, and goes back when a base is refused.
//! * Reads do not go through the log. They wait for a round of messages that began after they came (dissertation 6.4). A round is
//!   named in every append, so that one answer confirms all rounds up to its own; reads that come while a round is under way share the next.
//! * The leader's copy counts for a majority only when it is durable; its appends leave before (dissertation 10.2.1).
//! * A deposed leader tells the clients of what it had not committed that it does not know what became of it.
//!
//! # Not here
//!
//! Disk-based state machines: a snapshot is made in one step, in memory.

mod boot;
mod candidate;
mod follower;
pub mod habits;
pub mod harmless;
pub mod invariants;
mod leader;
mod log;
pub mod members;
mod membership;
pub mod message;
pub mod mutants;
mod progress;
mod reads;
mod renamed;
pub mod rules;
mod snapshots;
mod status;
mod turn;

use crate::claims::Claims;
use crate::facts::FactKind;
use crate::fixed::Fixed;
pub use log::{Log, RaftDisk};
pub use progress::Progress;

use crate::contract::{
    Answer, DelayRange, Effects, Fact, Input, Node, NodeId, Now, Refusal, Vocabulary,
};
use crate::explored::{Outline, Renaming};
use crate::knobs::{Knobs, Reads};
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::session::{Ask, Sessions, Told};
use crate::snapshot::Assembly;
use crate::system::{Budget, Links, Reference, Setup};
use habits::Habits;
use leader::Leader;
use members::Members;
use message::{
    Body, Campaign, Index, Message, Payload, Position, Round, Snapshot, Term, Timer, Write,
};
use rules::Rules;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use turn::{Held, Turn};

/// One node of a Raft cluster that replicates the machine `M`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raft<M: Machine> {
    fixed: Fixed<Rules>,
    /// The newest term seen. Never falls.
    term: Term,
    /// Who got this node's vote in this term. Set at most once a term.
    vote: Option<NodeId>,
    /// Entries up to `commit` never change.
    log: Log<M::Command>,
    /// The newest snapshot. It ends in the log or at its base, and never behind `commit`.
    snapshot: Option<Snapshot>,
    /// How far the log is known to be committed. All of that is applied: applying is part of the step.
    commit: Index,
    /// The machine after the entries up to `commit`.
    sessions: Sessions<M>,
    role: Role<M>,
    /// Whether a leader was heard within the shortest election timeout, or may have been, before a restart.
    trusts: bool,
    /// One for each batch given to the disk and not yet durable, oldest first: what to do when it is.
    claims: Claims<Held<M::Command>>,
}

/// What a node is at the moment. What a role knows is gone when the role changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role<M: Machine> {
    Follower {
        /// Whom it follows: the leader of this term, once that was heard.
        leader: Option<NodeId>,
        /// The snapshot that this leader is sending.
        incoming: Option<Assembly<Position>>,
    },
    /// It asks who would vote for it in the next term.
    PreCandidate {
        /// Who would, itself included.
        votes: NodeSet,
    },
    Candidate {
        /// Who voted for it in this term, itself included once its own vote is durable.
        votes: NodeSet,
    },
    Leader(Leader<M>),
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
    const FACTS: &'static [FactKind] = message::FACTS;

    fn message_kind(message: &Self::Message) -> &'static str {
        message.kind()
    }

    fn progress(&self) -> u64 {
        self.commit.0
    }

    fn outline(&self) -> Outline {
        status::outline(self)
    }

    fn stale_from(setup: &Setup, message: &Self::Message) -> Option<u64> {
        renamed::stale_from(setup, message)
    }

    fn renaming() -> Option<Renaming<Self>> {
        Some(renamed::renaming())
    }

    fn epoch_of(disk: &Self::Disk) -> u64 {
        disk.term.0
    }

    fn boot(
        setup: &Setup,
        disk: RaftDisk<M::Command>,
        _: Now,
        effects: &mut Effects<Self>,
    ) -> Self {
        Self::begin(setup, disk, None, effects)
    }

    fn step(&mut self, now: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        let before = (self.term, self.vote);
        let mut turn = Turn {
            effects,
            now,
            before,
            writes: Vec::new(),
            held: Vec::new(),
        };
        match input {
            Input::Deliver { from, message } => self.deliver(from, message, &mut turn),
            Input::TimerFired(Timer::Election) => self.leader_is_silent(&mut turn),
            Input::TimerFired(Timer::Heartbeat) => self.heartbeat(&mut turn),
            Input::TimerFired(Timer::Quorum) => self.look_for_quorum(&mut turn),
            Input::TimerFired(Timer::Transfer) => self.give_up_transfer(&mut turn),
            Input::Request {
                client,
                session,
                request_id,
                body,
            } => match body {
                Ask::Manage(manage) => self.manage((client, request_id), manage, &mut turn),
                _ if !self.is_leader() => turn.effects.reply(client, request_id, self.refusal()),
                Ask::Command(command) => {
                    self.propose((client, session, request_id), command, &mut turn)
                }
                Ask::Query(query) => self.take_read((client, request_id), query, &mut turn),
            },
            Input::Persisted => {
                let durable = self.claims.batch_ends();
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

impl<M: Machine> Role<M> {
    fn follower(leader: Option<NodeId>) -> Self {
        let incoming = None;
        Role::Follower { leader, incoming }
    }
}

impl<M: Machine> Raft<M> {
    fn setup(&self) -> &Setup {
        self.fixed.setup()
    }

    fn rules(&self) -> &Rules {
        self.fixed.rules()
    }

    fn id(&self) -> NodeId {
        self.setup().id
    }

    fn knobs(&self) -> &Knobs {
        &self.setup().knobs
    }

    fn habits(&self) -> &Habits {
        &self.rules().habits
    }

    /// The members in force.
    pub fn members(&self) -> Members {
        let newest = self.log.members();
        // What is committed matters to a broken rule only, and the newest members mostly are.
        let committed = self.log.members_at(self.commit);
        (self.rules().members_in_force)(newest, committed)
    }

    /// The other members, in the order in which this node turns to them.
    fn peers(&self) -> impl Iterator<Item = NodeId> + use<M> {
        let (id, nodes, node_at) = (self.id(), self.setup().nodes, self.habits().node_at);
        let members = self.members().everyone();
        (1..=nodes)
            .map(move |place| node_at(place, nodes))
            .filter(move |peer| *peer != id && members.contains(*peer))
    }

    /// How often a leader lets itself be heard.
    fn heartbeat_interval(&self) -> DelayRange {
        let interval_ns =
            self.knobs().heartbeat_interval_ms * 1_000_000 / self.habits().heartbeats_per_interval;
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

    /// The last entry known to be committed.
    fn committed(&self) -> Position {
        let committed = self.log.position(self.commit);
        committed.expect("a committed entry is in the log, or its base")
    }

    /// Whether an entry of its own term is committed. Who leads has applied all that older leaders decided, then (Raft 5.4.2, 8).
    pub(crate) fn has_committed_in_its_term(&self) -> bool {
        self.committed().term == self.term
    }

    /// This node's log.
    pub fn log(&self) -> &Log<M::Command> {
        &self.log
    }

    /// This node's machine with its client table, after the committed entries.
    pub fn sessions(&self) -> &Sessions<M> {
        &self.sessions
    }

    /// The machine, for whoever wraps this node.
    pub(crate) fn machine_mut(&mut self) -> &mut M {
        self.sessions.machine_mut()
    }

    /// The vote this node has given in its term.
    pub fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// This node's newest snapshot.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// What this node knows of the others while it leads.
    pub fn progress_of_peers(&self) -> impl Iterator<Item = (NodeId, &Progress)> {
        let leader = match &self.role {
            Role::Leader(leader) => Some(leader),
            _ => None,
        };
        let progress = leader.into_iter().flat_map(|leader| &leader.progress);
        progress.map(|(peer, progress)| (*peer, progress))
    }

    /// Whether this node leads in its term.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Terms order everything: a message of a newer term moves the node into it, one of an older term is answered, if it is a request,
    /// so that its sender learns of the newer one, and otherwise ignored (Raft 5.1). A pre-vote is about a term that nobody is in yet.
    fn deliver(&mut self, from: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        let Message { term, body } = message;
        let asked_about = match &body {
            Body::RequestVote { campaign, .. } => {
                if term > self.term && !self.heeds(*campaign) {
                    return;
                }
                *campaign == Campaign::Pre
            }
            Body::Vote { pre, granted } => *pre && *granted,
            _ => false,
        };
        if term > self.term && !asked_about {
            self.follow(term, None, turn);
        }
        let current = term == self.term;
        match body {
            Body::RequestVote {
                last,
                campaign: Campaign::Pre,
            } => self.answer_pre_vote(from, term, last, turn),
            Body::RequestVote { last, .. } => self.answer_vote(from, current, last, turn),
            Body::Append {
                base,
                entries,
                commit,
                round,
            } if current => {
                self.take_append(from, base, entries, (commit, round), turn);
            }
            Body::Append { base, round, .. } => {
                let hint = self.log.hint(base.index);
                let round = (self.rules().round_to_answer)(round, term, self.term);
                let base = base.index;
                self.claim(from, Body::Rejected { base, hint, round }, turn);
            }
            Body::Chunk {
                last,
                members,
                total,
                offset,
                bytes,
                round,
            } if current => {
                let part = snapshots::Part {
                    last,
                    members,
                    total,
                    offset,
                    bytes,
                };
                self.take_part(from, part, round, turn);
            }
            Body::Vote { granted, pre: true } => self.count_pre_vote(from, granted, term, turn),
            Body::Vote {
                granted,
                pre: false,
            } if (self.rules().may_count_vote)(term, self.term) => {
                self.count_vote(from, granted, turn)
            }
            Body::Accepted { matched, round } if current => {
                self.accepted(from, matched, round, turn)
            }
            Body::Rejected { base, hint, round } if current => {
                self.rejected(from, base, hint, round, turn)
            }
            Body::Received {
                last,
                offset,
                round,
            } if current => self.received(from, last, offset, round, turn),
            Body::TimeoutNow if current => self.take_over(turn),
            // A chunk of an older term: its sender learns of the newer one as it would from an append.
            Body::Chunk { last, .. } => {
                let hint = self.log.hint(last.index);
                let (base, round) = (last.index, Round(0));
                self.claim(from, Body::Rejected { base, hint, round }, turn);
            }
            Body::Vote { .. }
            | Body::Accepted { .. }
            | Body::Rejected { .. }
            | Body::Received { .. }
            | Body::TimeoutNow => {}
        }
    }

    /// Becomes a follower in a term: a newer one, or this one when its leader was heard or a majority was not. A leader tells the clients
    /// that wait for it what it knows.
    fn follow(&mut self, term: Term, leader: Option<NodeId>, turn: &mut Turn<'_, M>) {
        assert!(term >= self.term, "a term never falls");
        let led_in = self.term;
        if term > self.term {
            (self.term, self.vote) = (term, None);
        }
        let led = std::mem::replace(&mut self.role, Role::follower(leader));
        let Role::Leader(led) = led else { return };
        turn.effects.note(Fact::SteppedDown { epoch: led_in.0 });
        turn.effects.cancel_timer(Timer::Heartbeat);
        if self.knobs().check_quorum {
            turn.effects.cancel_timer(Timer::Quorum);
        }
        self.trusts = false;
        self.await_leader(turn);
        let refusal = self.refusal();
        for read in led.reads {
            turn.effects
                .reply(read.client, read.request_id, refusal.clone());
        }
        if let Some(transfer) = led.transfer {
            turn.effects.cancel_timer(Timer::Transfer);
            // Who handed over has said so.
            if !transfer.told {
                let (client, request_id) = transfer.asked_by;
                turn.effects.reply(client, request_id, refusal.clone());
            }
        }
        let lost = Answer::Refused(Refusal::LeadershipLost);
        for entry in self.log.after(self.commit) {
            if let (true, Payload::Command(known)) = (entry.position.term == led_in, &entry.payload)
            {
                turn.effects
                    .reply(known.client, known.request_id, lost.clone());
            }
        }
    }

    fn refusal<R>(&self) -> Answer<R> {
        let leader = self.known_leader();
        Answer::Refused(Refusal::NotLeader { leader })
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower { leader, .. } => *leader,
            Role::Leader(_) => Some(self.id()),
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
        }
    }

    /// Moves the commit index, and applies what that commits. A leader tells the clients. That it never falls is for the rules to say
    /// and for an invariant to watch.
    fn commit_to(&mut self, commit: Index, turn: &mut Turn<'_, M>) {
        assert!(
            commit <= self.log.last().index,
            "only what is there can be committed"
        );
        let before = std::mem::replace(&mut self.commit, commit);
        let expire_after_ms = self.fixed.setup().knobs.session_ms;
        for entry in self.log.between(before, commit) {
            let Payload::Command(submission) = &entry.payload else {
                continue;
            };
            let place = entry.position.index.0;
            let answer = self
                .sessions
                .apply((place, place), submission, expire_after_ms);
            if let (Role::Leader(_), Some(answer)) = (&self.role, answer) {
                turn.effects
                    .reply(submission.client, submission.request_id, answer);
            }
        }
        self.take_snapshot(turn);
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
            membership: true,
        },
        reads: &[Reads::Quorum, Reads::Lease],
        invariants: invariants::INVARIANTS,
        manage: |manage| Some(Ask::Manage(manage)),
        report: |reply| reply.report(),
        backup: None,
        watch: || Box::new(invariants::RaftWatch::<M>::default()),
        core: PhantomData,
    }
}
