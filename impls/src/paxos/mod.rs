//! Multi-Paxos: a replicated log in which every slot is decided by majority, and a leader that has done half of the work in advance.
//!
//! # One slot
//!
//! Some nodes are to agree on one value, once and for all, although messages get lost and nodes crash. Three roles: *proposers* propose values,
//! *acceptors* accept them, *learners* learn what was chosen. A value is *chosen* when a majority of the acceptors has accepted it. A node
//! plays all three.
//!
//! One acceptor could decide alone, and would take the decision with it when it dies. With several, an acceptor that accepts only the first
//! value it hears of may leave every value one vote short. So acceptors must be free to accept again, and then something else must see to it that
//! nothing but the chosen value is ever accepted after it was chosen. That is what *ballots* are for. A ballot is a number with its
//! proposer's name, so no two proposers ever use the same one. A ballot has two phases:
//!
//! * *Prepare* and *promise*. The proposer asks: take part in no ballot below mine, and tell me what you have accepted. An acceptor that has not
//!   promised more promises that, and reports the value it accepted last, with its ballot.
//! * *Accept* and *accepted*. With the promises of a majority, the proposer proposes the reported value of the highest ballot; where none was
//!   reported, whatever it likes. An acceptor that has not promised more accepts, and says so.
//!
//! Say a value is chosen in ballot 5. The proposer of ballot 6 hears from a majority, and in it is at least one acceptor of that value.
//! That one accepted before it promised, for after its promise it would have refused ballot 5. So ballot 6 hears of the value of ballot 5,
//! no report can name a higher ballot, and it proposes that value. So do ballot 7 and all that follow, each for the same reason. The whole
//! of safety is in these sentences; whatever else this folder does must not break one of them.
//!
//! Two proposers can outbid each other for ever. Nothing bad comes of it, but nothing else either: so they wait, each for a random time,
//! and longer after every defeat.
//!
//! # Many slots
//!
//! A log is a row of such decisions: what is chosen in slot 1, in slot 2 and so on. *Multi-Paxos* runs phase 1 once, for all slots that are open
//! and all that will ever be, in one ballot: a prepare names the slot after which it asks, and a promise reports everything accepted there. Whoever
//! has the promises is the *leader* until somebody promises more. It proposes again what was reported, fills gaps between with
//! *no-ops*, and from then on each command costs one round of phase 2, many of them at a time. All nodes apply what is chosen in slot order.
//!
//! Nothing in the argument needs majorities. It needs that each set of acceptors that answers phase 1 meets each set that accepts in phase 2:
//! with `n` acceptors, any two sizes that are together more than `n` will do ([Flexible Paxos](members::Quorums)).
//!
//! # Eras
//!
//! The acceptors can change. A *seal* is a value like any other: chosen in slot 7 it ends the log of its *era*, and slots from 8 on belong to
//! the next era, whose acceptors it names. Eras share no slot, so each is a Paxos of its own and their quorums need not meet. Two things must
//! hold. Nothing may be chosen behind a seal by the acceptors before it: a leader proposes nothing behind its own seal, and
//! [`rules::seal_stands`] says what becomes of one that a new leader finds. And no one may take part in an era without knowing what was
//! decided before it: [`rules::may_take_part`]. The acceptors that are new get the log or a snapshot first; who led has to win the next
//! era with a new ballot, like everybody else.
//!
//! # Promises
//!
//! Commands and queries are linearizable, and each command runs at most once however often its client retries it. They hold while nodes
//! crash and restart with what they had synced, and while the network loses, delays, repeats and reorders messages. While a quorum of each
//! kind can talk to each other, the cluster makes progress.
//!
//! # Code map
//!
//! | file | what is there | paper |
//! | --- | --- | --- |
//! | `mod.rs` | the node: its state, its inputs, eras | |
//! | `message.rs` | messages, values, timers, writes, and their notation | |
//! | `log.rs` | the log in memory and on disk | |
//! | `acceptor.rs` | promising and accepting | Paxos Made Simple 2.2 |
//! | `proposer.rs` | phase 1: preparing, counting promises, what to propose again; duels | 2.2, 2.4, 3 |
//! | `leader.rs` | phase 2: proposing, counting acceptances, sending again | 2.2, 3 |
//! | `learner.rs` | learning what is chosen, and applying it | 2.3 |
//! | `catch_up.rs` | telling those who are behind, by log or by snapshot; compaction | |
//! | `reads.rs` | linearizable reads | Linearizable Quorum Reads |
//! | `members.rs` | quorums, seals, handing over, status | Flexible Paxos, Stoppable Paxos |
//! | `turn.rs` | one step: what it sends, what it writes, what waits for the disk | 2.5 |
//! | `rules.rs` | the decisions on which safety rests | |
//! | `habits.rs` | the decisions on which nothing but speed rests | |
//! | `mutants.rs` | bugs to plant in place of a rule | |
//! | `harmless.rs` | changes that are no bugs, to plant in place of a habit | |
//! | `invariants.rs`, `history.rs` | what must always hold, across all nodes; what that needs to remember | |
//! | `scripts/` | one behaviour each, with its whole trace | |
//!
//! # Departures from the papers
//!
//! * A promise reports what is accepted in slots that its acceptor does not know to be chosen, and says up to where it does know. A proposer that
//!   knows less catches up before it leads.
//! * A proposer in phase 1 asks again those who have not answered: a quorum may be all nodes, and a lost message should not cost a ballot.
//! * Acceptors tell their leader alone what they accepted (the distinguished learner of Paxos Made Simple, 2.3); it tells all how far the log
//!   is chosen with everything it sends.
//! * Refusals name the higher ballot, so that a proposer does not climb there step by step.
//! * A read goes through a slot of its own, or asks a phase 1 quorum for the highest slot each has accepted in.
//! * With `check_quorum` a leader that no phase 2 quorum answers for an election timeout leads no more; without, it points clients elsewhere when full.
//! * The lease of Paxos Made Live is left out: a read without a message trusts clocks.
//!
//! # Not here
//!
//! Fast, generalized and Byzantine Paxos; disks that lose what they said was synced (Paxos Made Live, 5.1): their nodes may not come back.

mod acceptor;
mod catch_up;
pub mod habits;
pub mod harmless;
mod history;
pub mod invariants;
mod leader;
mod learner;
mod log;
pub mod members;
pub mod message;
pub mod mutants;
mod proposer;
mod reads;
pub mod rules;
mod turn;

use crate::claims::Claims;
use crate::facts::FactKind;
use crate::fixed::Fixed;
pub use log::{Log, PaxosDisk, Snapshot};

use crate::contract::{
    Answer, DelayRange, Effects, Fact, Input, Node, NodeId, Now, Refusal, Vocabulary,
};
use crate::explored::{self, Outline};
use crate::knobs::{Knobs, Reads};
use crate::machine::Machine;
use crate::session::{Ask, Sessions, Told};
use crate::snapshot::Assembly;
use crate::system::{Budget, Links, Reference, Setup};
use habits::Habits;
use leader::Leader;
use members::Quorums;
use message::{Ballot, Body, Era, Message, Slot, Timer, Value, Write};
use proposer::Candidate;
use rules::Rules;
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::marker::PhantomData;
use turn::{Held, Turn};

/// One node of a Paxos cluster that replicates the machine `M`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Paxos<M: Machine> {
    fixed: Fixed<Rules>,
    /// The acceptor takes part in no ballot below this. Never falls. Who stands for a ballot or leads in it has promised that one.
    promised: Ballot,
    /// The highest ballot heard of. The next own one is above it.
    seen: Ballot,
    /// What was accepted, and up to `chosen` what was chosen, which never changes.
    log: Log<M::Command>,
    /// Every slot up to here is known to be chosen. All of that is applied: applying is part of the step.
    chosen: Slot,
    /// How much of `chosen` was given to the disk.
    chosen_written: Slot,
    /// The era of the slot after `chosen`.
    era: Era,
    /// The machine after the slots up to `chosen`.
    sessions: Sessions<M>,
    /// The newest snapshot. What was dropped from the log is in it.
    snapshot: Option<Snapshot>,
    /// The pieces of a snapshot that is on its way here, by its last slot.
    assembly: Option<Assembly<Slot>>,
    /// Whether a lesson has brought anything since the last heartbeat.
    is_taught: bool,
    /// How often in a row this node was outbid, since it last heard a leader or got anything chosen.
    defeats: u32,
    role: Role<M>,
    /// One for each batch given to the disk and not yet durable, oldest first: what to do when it is.
    claims: Claims<Held<M::Command>>,
}

/// What a node is at the moment, beside an acceptor and a learner. What a role knows is gone when the role changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role<M: Machine> {
    Follower {
        /// Whom it heard last with the highest ballot.
        leader: Option<NodeId>,
    },
    /// In phase 1.
    Candidate(Candidate<M>),
    /// In phase 2.
    Leader(Leader<M>),
}

impl<M: Machine> Vocabulary for Paxos<M> {
    type Message = Message<M::Command>;
    type Request = Ask<M::Command, M::Query>;
    type Reply = Told<M::Output>;
    type Event = ();
    type Timer = Timer;
    type Write = Write<M::Command>;
}

impl<M: Machine> Node for Paxos<M> {
    type Config = Setup;
    type Disk = PaxosDisk<M::Command>;

    const MESSAGE_KINDS: &'static [&'static str] = message::KINDS;
    const FACTS: &'static [FactKind] = message::FACTS;

    fn message_kind(message: &Self::Message) -> &'static str {
        message.kind()
    }

    fn progress(&self) -> u64 {
        self.chosen.0
    }

    fn outline(&self) -> Outline {
        let last = self.log.after(self.chosen).last();
        Outline {
            role: match self.role {
                Role::Follower { .. } => explored::Role::Follower,
                Role::Candidate(_) => explored::Role::Candidate,
                Role::Leader(_) => explored::Role::Leader,
            },
            epoch: self.seen.max(self.promised).number,
            last: last.map_or(self.chosen, |entry| entry.slot).0,
            last_epoch: last.map_or(0, |entry| entry.ballot.number),
            decided: self.chosen.0,
        }
    }

    fn refuses(setup: &Setup) -> Option<String> {
        let unsound = |field: &str, cause: String| Some(format!("knobs.{field}: {cause}"));
        let Knobs {
            quorums,
            reads,
            entries_per_append_max,
            snapshot_chunk_bytes,
            ..
        } = setup.knobs;
        if let Err(error) = Quorums::of(quorums, setup.voters.len()) {
            return unsound("quorums", error.to_string());
        }
        if reads == Reads::Lease {
            return unsound(
                "reads",
                "Paxos here has no lease: a read asks a quorum or goes through the log".into(),
            );
        }
        if entries_per_append_max == 0 {
            return unsound(
                "entries_per_append_max",
                "a message that can hold no value replicates nothing".into(),
            );
        }
        if snapshot_chunk_bytes == 0 {
            return unsound(
                "snapshot_chunk_bytes",
                "a chunk that can hold nothing carries no snapshot".into(),
            );
        }
        None
    }

    fn boot(
        setup: &Setup,
        disk: PaxosDisk<M::Command>,
        _: Now,
        effects: &mut Effects<Self>,
    ) -> Self {
        let rules = Rules::planted(setup.mutant.as_deref())
            .expect("a setup names a mutant or a harmless change of its system");
        let refused = Self::refuses(setup);
        assert!(refused.is_none(), "a setup is sound: {refused:?}");
        effects.set_timer(Timer::Election, setup.knobs.election_timeout);
        let mut node = Self {
            fixed: Fixed::new(setup.clone(), rules),
            promised: disk.promised,
            seen: disk.promised,
            log: disk.log,
            chosen: Slot(0),
            chosen_written: disk.chosen,
            era: Era {
                number: 0,
                after: Slot(0),
                acceptors: setup.voters,
            },
            sessions: Sessions::default(),
            snapshot: disk.snapshot,
            assembly: None,
            is_taught: false,
            defeats: 0,
            role: Role::Follower { leader: None },
            claims: Claims::default(),
        };
        node.replay(disk.chosen);
        node
    }

    fn step(&mut self, now: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        let mut turn = Turn::new(now, self.promised, effects);
        match input {
            Input::Deliver { from, message } => self.deliver(from, message, &mut turn),
            Input::TimerFired(Timer::Election) => self.no_leader_heard(&mut turn),
            Input::TimerFired(Timer::Heartbeat) => self.heartbeat(&mut turn),
            Input::Request {
                client,
                session,
                request_id,
                body,
            } => match body {
                Ask::Command(command) => {
                    self.take_command((client, session, request_id), command, &mut turn)
                }
                Ask::Query(query) => self.take_read(client, request_id, query, &mut turn),
                Ask::Manage(manage) => self.manage(client, request_id, manage, &mut turn),
            },
            Input::Persisted => {
                let durable = self.claims.batch_ends();
                durable
                    .into_iter()
                    .for_each(|held| self.let_go(held, &mut turn));
            }
            // Paxos assumes nothing of its links, and a client's session outlives its connection.
            Input::LinkUp(_) | Input::LinkDown(_) | Input::ClientGone(_) => {}
        }
        self.close(turn);
    }
}

impl<M: Machine> Paxos<M> {
    fn setup(&self) -> &Setup {
        self.fixed.setup()
    }

    fn knobs(&self) -> &Knobs {
        &self.setup().knobs
    }

    fn rules(&self) -> &Rules {
        self.fixed.rules()
    }

    fn habits(&self) -> &Habits {
        &self.rules().habits
    }

    fn id(&self) -> NodeId {
        self.setup().id
    }

    /// The other nodes, in the order in which this node turns to them.
    fn peers(&self) -> impl Iterator<Item = NodeId> + use<M> {
        let (id, nodes, node_at) = (self.id(), self.setup().nodes, self.habits().node_at);
        (1..=nodes)
            .map(move |place| node_at(place, nodes))
            .filter(move |peer| *peer != id)
    }

    /// The other acceptors of this era.
    fn fellow_acceptors(&self) -> impl Iterator<Item = NodeId> + use<M> {
        let acceptors = self.era.acceptors;
        self.peers().filter(move |peer| acceptors.contains(*peer))
    }

    fn is_acceptor(&self) -> bool {
        self.era.acceptors.contains(self.id())
    }

    /// The highest ballot this node has promised.
    pub fn promised(&self) -> Ballot {
        self.promised
    }

    /// How far this node knows the log to be chosen. It has applied all of that.
    pub fn chosen(&self) -> Slot {
        self.chosen
    }

    /// This node's log.
    pub fn log(&self) -> &Log<M::Command> {
        &self.log
    }

    /// The era of the slot after [`Paxos::chosen`].
    pub fn era(&self) -> Era {
        self.era
    }

    /// This node's machine with its client table, after the chosen slots.
    pub fn sessions(&self) -> &Sessions<M> {
        &self.sessions
    }

    /// The newest snapshot of this node.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The ballot this node stands for or leads in. It has promised that ballot, and no higher one.
    fn own_ballot(&self) -> Option<Ballot> {
        match &self.role {
            Role::Follower { .. } => None,
            Role::Candidate(candidate) => Some(candidate.ballot),
            Role::Leader(leader) => Some(leader.ballot),
        }
    }

    /// Whether this node leads, in the ballot it has promised.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Whether this node asks for promises, in the ballot it has promised itself.
    pub fn is_candidate(&self) -> bool {
        matches!(self.role, Role::Candidate(_))
    }

    /// Eras come before ballots: what a node of an older era says counts for nothing here but tells that it is behind, and from one of a
    /// newer era this node first has to learn how its own ended.
    fn deliver(&mut self, from: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        let Message { era, body } = message;
        match body {
            Body::Fetch { after, part } => return self.teach(from, after, part, turn),
            Body::Learn {
                entries,
                ends,
                chosen,
            } => return self.take_learned(from, entries, (ends, chosen), turn),
            Body::Chunk {
                of,
                total,
                offset,
                bytes,
            } => return self.take_chunk(from, of, (total, offset, &bytes), turn),
            _ => {}
        }
        if era.number < self.era.number {
            let chosen = self.chosen;
            if !body.is_answer() {
                self.send(from, Body::Known { chosen }, turn);
            }
            return;
        }
        if era.number > self.era.number {
            if !(self.rules().may_take_part)(self.chosen, era.after) {
                return self.hear_of_newer_era(from, &body, turn);
            }
            // Who has the state has applied the seal, and with it came to this very era.
            self.era = era;
        }
        match body {
            Body::Prepare { ballot, after } => self.answer_prepare(from, ballot, after, turn),
            Body::Promise {
                ballot,
                chosen,
                accepted,
            } => self.take_promise(from, ballot, chosen, accepted, turn),
            Body::Accept {
                ballot,
                proposals,
                chosen,
            } => self.take_accept(from, ballot, proposals, chosen, turn),
            Body::Accepted { ballot, slots } => self.take_accepted(from, ballot, &slots, turn),
            Body::Nack { ballot, promised } => self.take_nack(ballot, promised, turn),
            Body::Heartbeat {
                ballot,
                chosen,
                round,
            } => self.take_heartbeat(from, ballot, chosen, round, turn),
            Body::Heard {
                ballot,
                round,
                highest,
                chosen,
            } => self.take_heard(from, ballot, round, (highest, chosen), turn),
            Body::Known { chosen } => self.compare(from, chosen, turn),
            Body::TakeOver => self.take_over(turn),
            Body::Fetch { .. } | Body::Learn { .. } | Body::Chunk { .. } => {
                unreachable!("answered above, whatever the era")
            }
        }
    }

    /// Somebody speaks in an era of which this node has not seen the beginning.
    fn hear_of_newer_era(&mut self, from: NodeId, body: &Body<M::Command>, turn: &mut Turn<'_, M>) {
        match body {
            Body::Heartbeat { ballot, .. } | Body::Accept { ballot, .. } => {
                self.obey(from, *ballot, turn)
            }
            _ if self.own_ballot().is_some() => self.follow(None, turn),
            _ => {}
        }
        self.fetch(from, turn);
    }

    /// Heard a leader: follows it, unless a later one was heard of.
    fn obey(&mut self, leader: NodeId, ballot: Ballot, turn: &mut Turn<'_, M>) {
        if ballot < self.seen {
            return;
        }
        self.seen = ballot;
        self.defeats = 0;
        if !matches!(self.role, Role::Follower { leader: Some(known) } if known == leader) {
            self.follow(Some(leader), turn);
        }
        self.await_leader(turn);
    }

    /// Proposes nothing any more. Clients whose commands are open are told that nobody here knows what becomes of them.
    fn follow(&mut self, leader: Option<NodeId>, turn: &mut Turn<'_, M>) {
        let was = std::mem::replace(&mut self.role, Role::Follower { leader });
        if matches!(was, Role::Follower { .. }) {
            return;
        }
        turn.effects.cancel_timer(Timer::Heartbeat);
        let Role::Leader(was) = was else { return };
        let epoch = was.ballot.epoch();
        turn.effects.note(Fact::SteppedDown { epoch });
        self.await_leader(turn);
        let open = was.open.keys().filter_map(|slot| self.log.get(*slot));
        for entry in open {
            if let Value::Command(submission) = &entry.value {
                let lost = Answer::Refused(Refusal::LeadershipLost);
                turn.effects
                    .reply(submission.client, submission.request_id, lost);
            }
        }
        for read in was.reads {
            turn.effects
                .reply(read.client, read.request_id, self.not_leader());
        }
    }

    /// Waits to hear from a leader, from now on anew. Who leads waits for none.
    fn await_leader(&self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() {
            let timeout = self.knobs().election_timeout;
            let range = (self.habits().backoff)(timeout, self.defeats);
            turn.effects.set_timer(Timer::Election, range);
        }
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

    fn not_leader<R>(&self) -> Answer<R> {
        let leader = match &self.role {
            Role::Follower { leader } => *leader,
            Role::Candidate(_) | Role::Leader(_) => None,
        };
        Answer::Refused(Refusal::NotLeader { leader })
    }
}

/// `follower of n1 promised=1.n1 log=[1=c1#1@1.n1] chosen=1`: the line that scripts and traces show.
impl<M: Machine> Debug for Paxos<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Role::Follower {
                leader: Some(leader),
            } => write!(f, "{} of {leader}", self.rank())?,
            Role::Candidate(candidate) => write!(f, "candidate promises={}", candidate.promises)?,
            Role::Follower { leader: None } | Role::Leader(_) => f.write_str(self.rank())?,
        }
        write!(f, " promised={}", self.promised)?;
        if let Some(snapshot) = &self.snapshot {
            write!(f, " snapshot={}", snapshot.slot)?;
        }
        write!(f, " log={:?} chosen={}", self.log, self.chosen)?;
        if self.era.number > 0 {
            write!(f, " era={} {}", self.era.number, self.era.acceptors)?;
        }
        if self.claims.under_way() > 0 {
            write!(f, " writing={}", self.claims.under_way())?;
        }
        Ok(())
    }
}

/// A Paxos cluster that replicates the machine `M`, as a [`System`](crate::system::System).
pub fn system<M: Machine>(name: &'static str, summary: &'static str) -> Reference<Paxos<M>> {
    Reference {
        name,
        summary,
        mutants: mutants::MUTANTS,
        harmless: harmless::HARMLESS,
        // The network may do what it likes, and time is only a reason to act. What was synced must be there: an acceptor that forgets what it
        // promised or accepted can be one of two majorities. A clock half as fast again, or half as slow, still lets an election timeout
        // outlast several heartbeats.
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
        reads: &[Reads::Quorum, Reads::Log],
        invariants: invariants::INVARIANTS,
        manage: |manage| Some(Ask::Manage(manage)),
        report: |reply| reply.report(),
        backup: None,
        watch: || Box::new(invariants::PaxosWatch::<M>::default()),
        core: PhantomData,
    }
}
