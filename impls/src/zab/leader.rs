//! Who leads: what it knows of its followers, how it lets itself be heard, and how it ends.

use super::message::{Epoch, Place, Timer, Txn, Value, Zxid};
use super::reads::PendingRead;
use super::rules::Stage;
use super::{Role, Turn, Zab};
use crate::contract::{Answer, Fact, NodeId, Refusal};
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::session::Stamps;
use std::collections::BTreeMap;

/// What a leader knows, from its election on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader<M: Machine> {
    /// Its epoch, once a quorum has turned to it.
    pub(super) epoch: Option<Epoch>,
    /// Whether it has accepted that epoch itself, durably, and named it.
    pub(super) announced: bool,
    /// How far it has come.
    pub(super) stretch: Stretch,
    /// Whether its own history is durable as that of its epoch.
    pub(super) own_current: bool,
    /// What it proposed up to here is durable at this node.
    pub(super) own_acked: Zxid,
    /// Who is in conversation with it.
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// Who was heard since a quorum was.
    pub(super) heard: NodeSet,
    /// How often it still goes on waiting for its broadcast to begin.
    pub(super) patience: u8,
    /// How many heartbeats went by without that; counted no further than it matters.
    silence: u64,
    /// How many bytes wait to be committed.
    pub(super) open_bytes: u64,
    /// Reads that wait, at most one a client.
    pub(super) reads: Vec<PendingRead<M::Query>>,
    /// Its share of replicated time, where sessions expire.
    pub(super) stamps: Option<Stamps>,
}

/// How many election timeouts a leader whose followers are there waits for what it needs from their disks and its own, as
/// ZooKeeper's initLimit is a multiple of its syncLimit.
const PATIENCE: u8 = 4;

/// How far a leader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stretch {
    /// Phase 1: it looks for an epoch.
    Discovery,
    /// Phase 2: a quorum comes to have its history, which ends here.
    Synchronisation { initial: Place },
    /// Phase 3: it broadcasts, in places after this one.
    Broadcast { initial: Place },
}

/// What a leader knows of a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) stage: Stage,
    /// Whether its acceptance of the epoch counts.
    pub(super) counts: bool,
    /// The end of its history when it accepted.
    pub(super) last: Zxid,
    /// What is durable there.
    pub(super) acked: Zxid,
    /// How many pings it has not answered yet.
    pub(super) pongs_owed: u64,
}

impl Peer {
    /// One that has just turned to its leader.
    pub(super) fn joined() -> Self {
        Self {
            stage: Stage::Joined,
            counts: false,
            last: Zxid::NONE,
            acked: Zxid::NONE,
            pongs_owed: 0,
        }
    }
}

impl<M: Machine> Leader<M> {
    /// A leader with its first followers.
    pub(super) fn new(peers: BTreeMap<NodeId, Peer>) -> Self {
        Self {
            epoch: None,
            announced: false,
            stretch: Stretch::Discovery,
            own_current: false,
            own_acked: Zxid::NONE,
            peers,
            heard: NodeSet::EMPTY,
            patience: PATIENCE,
            silence: 0,
            open_bytes: 0,
            reads: Vec::new(),
            stamps: None,
        }
    }

    /// Whether a quorum takes part in its epoch.
    pub(super) fn is_synchronising(&self) -> bool {
        self.stretch != Stretch::Discovery
    }

    /// Whether a quorum has its history.
    pub(super) fn broadcasts(&self) -> bool {
        matches!(self.stretch, Stretch::Broadcast { .. })
    }
}

/// What a transaction takes in the log beside a command.
const TXN_BYTES: u64 = 32;

/// About how many bytes a transaction takes.
pub(super) fn bytes_of<M: Machine>(value: &Value<M::Command>) -> u64 {
    match value {
        Value::Command(submission) => TXN_BYTES + submission.weight::<M>(),
        Value::Noop => TXN_BYTES,
    }
}

impl<M: Machine> Zab<M> {
    /// Cuts transactions into portions of which each fits a message.
    pub(super) fn portions<'a>(&self, txns: &'a [Txn<M::Command>]) -> Vec<&'a [Txn<M::Command>]> {
        let knobs = self.knobs();
        let (mut portions, mut from, mut bytes) = (Vec::new(), 0, 0);
        for (at, txn) in txns.iter().enumerate() {
            let weight = bytes_of::<M>(&txn.value);
            let full = at - from == knobs.entries_per_append_max
                || bytes + weight > knobs.append_bytes_max;
            if full && at > from {
                portions.push(&txns[from..at]);
                (from, bytes) = (at, 0);
            }
            bytes += weight;
        }
        if from < txns.len() {
            portions.push(&txns[from..]);
        }
        portions
    }

    /// These nodes in the order in which this one turns to nodes.
    pub(super) fn in_order(&self, nodes: &[NodeId]) -> Vec<NodeId> {
        self.peers().filter(|peer| nodes.contains(peer)).collect()
    }

    /// Those who are to hear of proposals, or of commits.
    pub(super) fn audience(&self, hears: impl Fn(Stage) -> bool) -> Vec<NodeId> {
        let Role::Leading(leader) = &self.role else {
            return Vec::new();
        };
        let stage = |peer: &NodeId| leader.peers.get(peer).map(|known| known.stage);
        self.peers()
            .filter(|peer| stage(peer).is_some_and(&hears))
            .collect()
    }

    /// Lets itself be heard, and leads no more when no quorum has been heard for as long as followers wait for a leader.
    pub(super) fn ping(&mut self, turn: &mut Turn<'_, M>) {
        if self.falls_silent() {
            return self.look(turn);
        }
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.ping_all(turn);
    }

    /// Counts a heartbeat, and whether a quorum was heard since the last. Says whether none was for as long as others wait. Before the broadcast
    /// begins another timer limits the wait.
    fn falls_silent(&mut self) -> bool {
        let timeout_ns = self.knobs().election_timeout.max_ns;
        let silence_max = timeout_ns / self.heartbeat_interval().min_ns.max(1) + 1;
        let (nodes, is_quorum) = (usize::from(self.setup().nodes), self.rules().is_quorum);
        let Role::Leading(leader) = &mut self.role else {
            return false;
        };
        if !leader.broadcasts() {
            return false;
        }
        match is_quorum(leader.heard.len() + 1, nodes) {
            true => (leader.heard, leader.silence) = (NodeSet::EMPTY, 0),
            false => leader.silence = (leader.silence + 1).min(silence_max),
        }
        leader.silence >= silence_max
    }

    /// The broadcast has not begun in time. The leader goes on waiting for a while, if a quorum is there.
    pub(super) fn run_out_of_patience(&mut self, turn: &mut Turn<'_, M>) {
        let (nodes, is_quorum) = (usize::from(self.setup().nodes), self.rules().is_quorum);
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let is_there = is_quorum(leader.heard.len() + 1, nodes);
        leader.heard = NodeSet::EMPTY;
        leader.patience = leader.patience.saturating_sub(1);
        if is_there && leader.patience > 0 {
            self.be_patient(turn);
        } else {
            self.look(turn);
        }
    }

    /// Ends the conversation with one follower.
    pub(super) fn part_with(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        if let Role::Leading(leader) = &mut self.role {
            leader.peers.remove(&peer);
        }
        self.reset_link(peer, turn);
    }

    /// Breaks a link: nothing that was said on it arrives any more.
    pub(super) fn reset_link(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        if self.links.contains(peer) {
            self.links = self.links.without(peer);
            turn.effects.push(crate::contract::Effect::ResetLink(peer));
        }
    }

    /// Ends what this node was: all its conversations, and what it has held back for them.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_, M>) {
        self.claims.forget();
        turn.held.clear();
        let was = std::mem::replace(&mut self.role, Role::Looking(Default::default()));
        match was {
            Role::Looking(_) => {}
            Role::Following(follower) => self.reset_link(follower.leader, turn),
            Role::Leading(leader) => {
                let peers: Vec<NodeId> = leader.peers.keys().copied().collect();
                for peer in self.in_order(&peers) {
                    self.reset_link(peer, turn);
                }
                self.abdicate(leader, turn);
            }
        }
    }

    /// Clients whose commands are open are told that nobody here knows what becomes of them.
    fn abdicate(&self, leader: Leader<M>, turn: &mut Turn<'_, M>) {
        let (Some(epoch), true) = (leader.epoch, leader.broadcasts()) else {
            return;
        };
        turn.effects.note(Fact::SteppedDown { epoch: epoch.0 });
        for txn in self.log.after(self.delivered) {
            if let Value::Command(submission) = &txn.value {
                let lost = Answer::Refused(Refusal::LeadershipLost);
                turn.effects
                    .reply(submission.client, submission.request_id, lost);
            }
        }
        for read in leader.reads {
            let elsewhere = Answer::Refused(Refusal::NotLeader { leader: None });
            turn.effects.reply(read.client, read.request_id, elsewhere);
        }
    }
}
