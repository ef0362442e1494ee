//! Zab: the atomic broadcast under ZooKeeper. A primary turns what clients ask into transactions, and all deliver them in its order.
//!
//! # Primaries and epochs
//!
//! Raft and Paxos decide the places of a log one by one. Zab thinks in *histories*: what a node has accepted, from the beginning. One node at a
//! time is the primary, in an *epoch* that is its own, and gives each transaction a *zxid*: its epoch, and a counter. Two promises follow
//! from that which a log of independent places does not make. What one primary broadcasts is delivered in the order in which it was
//! broadcast, without a gap; so a primary may have many changes under way of which each builds on the one before. And a new primary has
//! delivered everything that earlier ones got delivered anywhere before it broadcasts anything itself.
//!
//! # Four phases
//!
//! * *Election* finds a node that is likely to be able to lead: one whose history is as recent as any of a quorum's. Nothing rests on it.
//! * *Discovery* makes sure. A quorum of followers tell the newest epoch they have accepted. The leader takes a higher one; who accepts it takes
//!   part in no older one any more, and tells how recent its history is. If any is more recent than the leader's, the leader gives up.
//! * *Synchronisation* gives the followers the leader's history: what they lack is sent, what they have in excess is taken away. When a quorum
//!   has it on disk, it is the history that the epoch begins with, and committed.
//! * *Broadcast* is the rest of the epoch. The leader proposes, followers accept in order, what a quorum has accepted is committed.
//!
//! Why is nothing lost? Say a transaction is committed in epoch 5: a quorum has accepted it. The leader of epoch 6 hears of a quorum that
//! accepts epoch 6, and some node is in both. That one accepted the transaction before it accepted epoch 6, for after that it
//! would have taken no proposal of epoch 5. So when it told how recent its history was, the transaction was in it; the leader's is no less
//! recent, and of two histories the one that is more recent has all that was committed in the other. So it is in the history that epoch 6 begins
//! with, and so on for every epoch after that.
//!
//! A *recent* history is one synchronised in a late epoch, and of those the longest. That is what `current` is for, the epoch in which a history
//! was last synchronised; the zxid of its last transaction alone does not tell, for an epoch in which nothing was broadcast leaves none.
//!
//! # Links
//!
//! All this counts on links that are first in, first out, and lose nothing while they are up. A leader and a follower hold one conversation on
//! one link; when either leaves it, it breaks the link, and nothing of the old conversation comes into a new one. When a link breaks the
//! follower looks for a leader again. Nothing is ever sent twice, no message carries an epoch or a number to tell it from older
//! ones, and there is no window and no retry.
//!
//! # Promises
//!
//! Commands and queries are linearizable, and each command runs at most once however often its client retries it. They hold while nodes
//! crash and restart with what they had synced, and while links break and come back. While a majority can talk to each other and hears
//! nobody whom only some of them hear, the cluster makes progress. A node with a good history that one of the majority hears and the others
//! do not can keep an election from settling on anybody else: a weakness of fast leader election, and of ZooKeeper.
//!
//! # Code map
//!
//! | file | what is there | source |
//! | --- | --- | --- |
//! | `mod.rs` | the node: its state, its inputs | |
//! | `message.rs` | messages, transactions, timers, writes, and their notation | |
//! | `log.rs` | the history in memory and on disk | |
//! | `election.rs` | fast leader election | Medeiros 2012 |
//! | `discovery.rs` | phase 1, of leader and follower | Zab 1.0 |
//! | `synchronisation.rs` | phase 2, of leader and follower | Zab 1.0 |
//! | `broadcast.rs` | phase 3, of leader and follower; snapshots | Zab 2011, 4.1 |
//! | `reads.rs` | linearizable reads | |
//! | `leader.rs` | what a leader knows of its followers; how it ends | |
//! | `status.rs` | how a node is, in words | |
//! | `impossible.rs` | messages that should not have come | |
//! | `turn.rs` | one step: what it sends, what it writes, what waits for the disk | |
//! | `rules.rs` | the decisions on which safety rests | |
//! | `habits.rs` | the decisions on which nothing but speed rests | |
//! | `mutants.rs` | bugs to plant in place of a rule | |
//! | `harmless.rs` | changes that are no bugs, to plant in place of a habit | |
//! | `invariants.rs`, `history.rs` | what must always hold, across all nodes; what that needs to remember | |
//! | `scripts/` | one behaviour each, with its whole trace | |
//!
//! # Departures from ZooKeeper
//!
//! * A follower takes its leader's history over in one step, when NEWLEADER comes; a snapshot and what follows it are one write.
//! * A commit says that everything up to a zxid is committed, not one transaction; and so does an acknowledgement.
//! * Nothing that is not committed touches the machine; ZooKeeper loads its whole log into the tree when it starts.
//! * A follower that has accepted a later epoch than its leader's makes that leader begin anew. In ZooKeeper it stays outside.
//! * A node that looks for a leader begins another round when the one it votes for is gone, and keeps in mind who has turned to it, as a socket that listens keeps its callers.
//!
//! # Not here
//!
//! Observers, dynamic reconfiguration, weighted quorums.

mod broadcast;
mod discovery;
mod election;
pub mod habits;
pub mod harmless;
mod history;
pub mod impossible;
pub mod invariants;
mod leader;
mod log;
pub mod message;
pub mod mutants;
mod reads;
pub mod rules;
mod status;
mod synchronisation;
mod turn;

use crate::claims::Claims;
use crate::facts::FactKind;
use crate::fixed::Fixed;
pub use log::{Log, Snapshot, ZabDisk};

use crate::contract::{Answer, DelayRange, Effects, Input, Node, NodeId, Now, Refusal, Vocabulary};
use crate::explored::{self, Outline};
use crate::knobs::{Knobs, Reads};
use crate::machine::Machine;
use crate::manage::Manage;
use crate::node_set::NodeSet;
use crate::session::{Ask, Sessions, Told};
use crate::system::{Budget, Links, Reference, Setup};
use election::Looking;
use habits::Habits;
use leader::Leader;
use message::{Epoch, Message, Place, Round, Timer, Vote, Write, Zxid};
use rules::Rules;
use std::hash::Hash;
use std::marker::PhantomData;
use synchronisation::Taking;
use turn::{Held, Turn};

/// One node of a Zab cluster that replicates the machine `M`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Zab<M: Machine> {
    fixed: Fixed<Rules>,
    /// The newest epoch that this node takes part in: in none below it any more. Never falls.
    accepted: Epoch,
    /// The epoch in which its history was last synchronised. Never above the accepted one.
    current: Epoch,
    /// What it has accepted.
    log: Log<M::Command>,
    /// How much of that it knows to be committed. All of that is delivered: delivering is part of the step.
    delivered: Place,
    /// The machine after what was delivered.
    sessions: Sessions<M>,
    /// The newest snapshot. What was dropped from the log is in it.
    snapshot: Option<Snapshot>,
    /// To whom there is a link.
    links: NodeSet,
    /// Who took this node for the leader while it was looking for one.
    callers: NodeSet,
    /// The newest epoch that it has heard anybody to have accepted, itself among them. If it leads, it leads in a later one.
    heard: Epoch,
    /// The round of election that it is in, or settled in.
    round: Round,
    /// Whom it wants to lead, or has settled on.
    vote: Vote,
    role: Role<M>,
    /// One for each batch given to the disk and not yet durable, oldest first: what to do when it is.
    claims: Claims<Held<M::Command>>,
}

/// What a node is at the moment. What a role knows is gone when the role changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role<M: Machine> {
    /// It looks for a leader.
    Looking(Looking),
    /// It was not elected.
    Following(Follower<M::Command>),
    /// It was elected.
    Leading(Leader<M>),
}

/// What a follower knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Follower<C> {
    leader: NodeId,
    phase: Phase<C>,
}

/// How far a follower has come with its leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase<C> {
    /// It waits for the leader's epoch.
    Discovery,
    /// It has accepted that, and waits for the leader's history.
    Synchronisation { taking: Option<Taking<C>> },
    /// It has the history, and waits until a quorum has.
    Synchronised,
    /// It takes part in the broadcast.
    Broadcast,
}

impl<M: Machine> Vocabulary for Zab<M> {
    type Message = Message<M::Command>;
    type Request = Ask<M::Command, M::Query>;
    type Reply = Told<M::Output>;
    type Event = ();
    type Timer = Timer;
    type Write = Write<M::Command>;
}

impl<M: Machine> Node for Zab<M> {
    type Config = Setup;
    type Disk = ZabDisk<M::Command>;

    const MESSAGE_KINDS: &'static [&'static str] = message::KINDS;
    const FACTS: &'static [FactKind] = message::FACTS;

    fn message_kind(message: &Self::Message) -> &'static str {
        message.kind()
    }

    fn progress(&self) -> u64 {
        self.delivered.0
    }

    fn outline(&self) -> Outline {
        Outline {
            role: match &self.role {
                Role::Looking(_) => explored::Role::Candidate,
                Role::Following(_) => explored::Role::Follower,
                Role::Leading(leader) if leader.broadcasts() => explored::Role::Leader,
                Role::Leading(_) => explored::Role::Candidate,
            },
            epoch: self.accepted.0,
            last: self.log.last_place().0,
            last_epoch: self.log.last().epoch.0,
            decided: self.delivered.0,
        }
    }

    fn refuses(setup: &Setup) -> Option<String> {
        let unsound = |field: &str, cause: &str| Some(format!("{field}: {cause}"));
        let knobs = &setup.knobs;
        if setup.voters != NodeSet::first(setup.nodes) {
            return unsound(
                "voters",
                "every node of Zab has a vote: it has no observers here",
            );
        }
        if knobs.quorums.is_some() {
            return unsound("knobs.quorums", "quorums of Zab are majorities");
        }
        if knobs.reads == Reads::Lease {
            return unsound(
                "knobs.reads",
                "Zab here has no lease: a read asks a quorum or goes through the log",
            );
        }
        if knobs.entries_per_append_max == 0 {
            return unsound(
                "knobs.entries_per_append_max",
                "a message that can hold no transaction replicates nothing",
            );
        }
        if knobs.snapshot_chunk_bytes == 0 {
            return unsound(
                "knobs.snapshot_chunk_bytes",
                "a chunk that can hold nothing carries no snapshot",
            );
        }
        if knobs.zxids_per_epoch_max == 0 {
            return unsound(
                "knobs.zxids_per_epoch_max",
                "an epoch without a transaction brings nothing forward",
            );
        }
        None
    }

    fn boot(setup: &Setup, disk: ZabDisk<M::Command>, _: Now, effects: &mut Effects<Self>) -> Self {
        let of_machine = |id: &&str| !M::has_mutant(id);
        let rules = Rules::planted(setup.mutant.as_deref().filter(of_machine))
            .expect("a setup names a mutant or a harmless change of its system");
        let refused = Self::refuses(setup);
        assert!(refused.is_none(), "a setup is sound: {refused:?}");
        let (accepted, current) = (disk.accepted, disk.current);
        assert!(
            current <= accepted,
            "the epoch of a history was accepted: on the disk that is {current}, and {accepted} is the newest accepted"
        );
        let snapshot = disk.snapshot.as_ref();
        let image = snapshot.map(|known| &known.image);
        let sessions = Sessions::begun(image, setup.mutant.as_deref());
        let vote = Vote {
            epoch: current,
            last: Zxid::NONE,
            leader: setup.id,
        };
        let mut node = Self {
            fixed: Fixed::new(setup.clone(), rules),
            accepted,
            current,
            delivered: snapshot.map_or(Place(0), |known| known.place),
            log: disk.log,
            sessions,
            snapshot: disk.snapshot,
            links: NodeSet::EMPTY,
            callers: NodeSet::EMPTY,
            heard: accepted,
            round: Round(0),
            vote,
            role: Role::Looking(Looking::default()),
            claims: Claims::default(),
        };
        let mut turn = Turn::new(Now::default(), (accepted, current), effects);
        node.look(&mut turn);
        node.close(turn);
        node
    }

    fn step(&mut self, now: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        let mut turn = Turn::new(now, (self.accepted, self.current), effects);
        match input {
            Input::Deliver { from, message } => self.deliver(from, message, &mut turn),
            Input::LinkUp(peer) => self.link_up(peer, &mut turn),
            Input::LinkDown(peer) => self.link_down(peer, &mut turn),
            Input::TimerFired(timer) => self.fire(timer, &mut turn),
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
                Ask::Manage(manage) => {
                    let answer = match manage {
                        Manage::Status => Answer::Done(Told::Status(self.status())),
                        Manage::Members(_) | Manage::Transfer(_) => {
                            Answer::Refused(Refusal::Senseless)
                        }
                    };
                    turn.effects.reply(client, request_id, answer);
                }
            },
            Input::Persisted => {
                let durable = self.claims.batch_ends();
                durable
                    .into_iter()
                    .for_each(|held| self.let_go(held, &mut turn));
            }
            // A client's session outlives its connection.
            Input::ClientGone(_) => {}
        }
        self.close(turn);
    }
}

impl<M: Machine> Zab<M> {
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

    fn is_quorum(&self, count: usize) -> bool {
        (self.rules().is_quorum)(count, usize::from(self.setup().nodes))
    }

    /// The newest epoch this node takes part in, and the one its history was last synchronised in.
    pub fn epochs(&self) -> (Epoch, Epoch) {
        (self.accepted, self.current)
    }

    /// What this node has accepted.
    pub fn log(&self) -> &Log<M::Command> {
        &self.log
    }

    /// How much of it was delivered.
    pub fn delivered(&self) -> Place {
        self.delivered
    }

    /// The last transaction delivered.
    pub fn delivered_zxid(&self) -> Zxid {
        let zxid = self.log.zxid_at(self.delivered);
        zxid.expect("what is dropped from a log was delivered, and the last of it is known")
    }

    /// This node's machine with its client table, after what was delivered.
    pub fn sessions(&self) -> &Sessions<M> {
        &self.sessions
    }

    /// This node's machine, for the service around it.
    pub(crate) fn machine_mut(&mut self) -> &mut M {
        self.sessions.machine_mut()
    }

    /// The newest snapshot of this node.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The epoch this node leads in, once a quorum takes part in it.
    pub fn leads_in(&self) -> Option<Epoch> {
        match &self.role {
            Role::Leading(leader) if leader.is_synchronising() => leader.epoch,
            _ => None,
        }
    }

    /// What this node says its history ends with.
    fn history_end(&self) -> Zxid {
        (self.rules().history_ends)(self.log.last(), self.delivered_zxid())
    }

    /// How far this node has come with its leader, if it follows one.
    fn phase(&mut self) -> Option<&mut Phase<M::Command>> {
        match &mut self.role {
            Role::Following(follower) => Some(&mut follower.phase),
            Role::Looking(_) | Role::Leading(_) => None,
        }
    }

    /// A message arrived. What is not said in a conversation that this node is in means nothing; nor does what was said on a link that this
    /// node has just broken.
    fn deliver(&mut self, from: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        if !self.links.contains(from) {
            return;
        }
        match message {
            Message::Notification {
                round,
                vote,
                standing,
            } => self.take_notification(from, (round, vote, standing), turn),
            Message::FollowerInfo { accepted } => self.take_follower_info(from, accepted, turn),
            _ => match &mut self.role {
                Role::Looking(_) => {}
                Role::Following(follower) if follower.leader == from => {
                    self.be_patient(turn);
                    self.hear_leader(message, turn);
                }
                Role::Following(_) => {}
                Role::Leading(leader) if leader.peers.contains_key(&from) => {
                    leader.heard.insert(from);
                    self.hear_follower(from, message, turn);
                }
                Role::Leading(_) => {}
            },
        }
    }

    /// A follower hears its leader.
    fn hear_leader(&mut self, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        match message {
            Message::LeaderInfo { epoch } => self.take_leader_info(epoch, turn),
            Message::Diff => self.take_diff(turn),
            Message::Trunc { to } => self.take_trunc(to, turn),
            Message::Snap {
                zxid,
                place,
                total,
                offset,
                bytes,
            } => self.take_snap((zxid, place), (total, offset, &bytes), turn),
            Message::Propose { txns } => self.take_proposals(txns, turn),
            Message::NewLeader { epoch } => self.take_new_leader(epoch, turn),
            Message::UpToDate { committed } => self.take_up_to_date(committed, turn),
            Message::Commit { zxid } => self.commit(zxid, turn),
            Message::Ping => {
                if let Role::Following(follower) = &self.role {
                    self.send(follower.leader, Message::Pong, turn);
                }
            }
            // A leader says nothing of that.
            _ => {}
        }
    }

    /// A leader hears a follower.
    fn hear_follower(
        &mut self,
        from: NodeId,
        message: Message<M::Command>,
        turn: &mut Turn<'_, M>,
    ) {
        match message {
            Message::AckEpoch { current, last } => self.take_ack_epoch(from, (current, last), turn),
            Message::AckNewLeader { last } => self.take_ack_new_leader(from, last, turn),
            Message::Ack { zxid } => self.take_ack(from, zxid, turn),
            Message::Pong => self.take_pong(from, turn),
            // A follower says nothing of that.
            _ => {}
        }
    }

    /// A link is there.
    fn link_up(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        self.links.insert(peer);
        match &self.role {
            Role::Looking(_) => self.notify(peer, turn),
            Role::Following(follower) if follower.leader == peer => self.turn_to_leader(turn),
            Role::Following(_) | Role::Leading(_) => {}
        }
    }

    /// A link is gone, and with it the conversation on it.
    fn link_down(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        // A link that this node broke itself is not there any more.
        let was_there = self.links.contains(peer);
        self.links = self.links.without(peer);
        self.callers = self.callers.without(peer);
        match &mut self.role {
            Role::Looking(_) => self.lose_sight_of(peer, turn),
            Role::Following(follower) if follower.leader == peer && was_there => self.look(turn),
            Role::Leading(leader) => {
                leader.peers.remove(&peer);
            }
            Role::Following(_) => {}
        }
    }

    fn fire(&mut self, timer: Timer, turn: &mut Turn<'_, M>) {
        match (timer, &self.role) {
            (Timer::Election, Role::Following(_)) => self.look(turn),
            (Timer::Election, Role::Leading(leader)) if !leader.broadcasts() => {
                self.run_out_of_patience(turn)
            }
            (Timer::Heartbeat, Role::Looking(_)) => self.notify_again(turn),
            (Timer::Heartbeat, Role::Leading(_)) => self.ping(turn),
            (Timer::Settle, Role::Looking(_)) => self.settle_if_supported(turn),
            _ => {}
        }
    }

    /// Waits for the others, from now on anew.
    fn be_patient(&self, turn: &mut Turn<'_, M>) {
        let timeout = self.knobs().election_timeout;
        turn.effects.set_timer(Timer::Election, timeout);
    }

    /// How often a leader lets itself be heard, and who looks says again whom it wants.
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
            Role::Following(follower) => Some(follower.leader),
            Role::Looking(_) | Role::Leading(_) => None,
        };
        Answer::Refused(Refusal::NotLeader { leader })
    }
}

/// A Zab cluster that replicates the machine `M`, as a [`System`](crate::system::System).
pub fn system<M: Machine>(name: &'static str, summary: &'static str) -> Reference<Zab<M>> {
    Reference {
        name,
        summary,
        mutants: mutants::MUTANTS,
        harmless: harmless::HARMLESS,
        // Links may break at any time, and while they are up they keep the order and lose nothing: Zab counts on that. Time is only a reason to
        // act. What was synced must be there, or a quorum that accepted forgets. A clock half as fast again, or half as slow, still lets a
        // follower hear several heartbeats before it gives its leader up.
        budget: Budget {
            links: Links::Fifo,
            crashes: true,
            pauses: true,
            disk_stops: true,
            synced_loss: false,
            wall_clock: true,
            drift_percent_max: 50,
            membership: false,
        },
        reads: &[Reads::Quorum, Reads::Log],
        invariants: invariants::INVARIANTS,
        manage: |manage| (manage == Manage::Status).then_some(Ask::Manage(manage)),
        report: |reply| reply.report(),
        backup: None,
        watch: || Box::new(invariants::ZabWatch::<M>::default()),
        core: PhantomData,
    }
}
