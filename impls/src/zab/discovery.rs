//! Phase 1: the leader finds an epoch that is above all that a quorum has accepted, and learns how recent their histories are (Zab 1.0).

use super::impossible::Impossible;
use super::leader::{Leader, Peer};
use super::message::{Epoch, Message, Timer, Zxid};
use super::rules::{Acceptance, Stage};
use super::{Follower, Held, Phase, Role, Turn, Zab};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;

impl<M: Machine> Zab<M> {
    /// This node was elected. Those who turned to it already are its first followers.
    pub(super) fn lead(&mut self, turn: &mut Turn<'_, M>) {
        let callers = std::mem::take(&mut self.callers);
        let joined = callers.iter().map(|node| (node, Peer::joined()));
        self.role = Role::Leading(Leader::new(joined.collect()));
        self.be_patient(turn);
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.propose_epoch(turn);
    }

    /// Another node was elected. Those who took this one for the leader are turned away.
    pub(super) fn follow(&mut self, leader: NodeId, turn: &mut Turn<'_, M>) {
        for caller in std::mem::take(&mut self.callers).iter() {
            self.reset_link(caller, turn);
        }
        self.role = Role::Following(Follower {
            leader,
            phase: Phase::Discovery,
        });
        self.be_patient(turn);
        self.turn_to_leader(turn);
    }

    /// A follower turns to its leader, as soon as there is a link.
    pub(super) fn turn_to_leader(&self, turn: &mut Turn<'_, M>) {
        if let Role::Following(Follower { leader, .. }) = &self.role {
            let accepted = self.accepted;
            self.send(*leader, Message::FollowerInfo { accepted }, turn);
        }
    }

    /// A node takes this one for its leader. Who still looks keeps that in mind; who follows another turns it away.
    pub(super) fn take_follower_info(
        &mut self,
        from: NodeId,
        accepted: Epoch,
        turn: &mut Turn<'_, M>,
    ) {
        self.heard = self.heard.max(accepted);
        match &mut self.role {
            Role::Looking(_) => {
                self.callers.insert(from);
            }
            Role::Following(_) => self.reset_link(from, turn),
            Role::Leading(leader) if leader.peers.contains_key(&from) => {
                self.impossible(Impossible::JoinsTwice, turn);
                self.part_with(from, turn);
            }
            Role::Leading(leader) => {
                leader.peers.insert(from, Peer::joined());
                match leader.epoch {
                    None => self.propose_epoch(turn),
                    // It can never follow in this epoch. In the next, which will be above what it has accepted, it can.
                    Some(epoch) if accepted > epoch => self.look(turn),
                    Some(epoch) if leader.announced => {
                        self.send(from, Message::LeaderInfo { epoch }, turn);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// A quorum has turned to this node: it takes an epoch above all that they have accepted.
    fn propose_epoch(&mut self, turn: &mut Turn<'_, M>) {
        let (heard, epoch_after) = (self.heard, self.rules().epoch_after);
        let nodes = usize::from(self.setup().nodes);
        let is_quorum = self.rules().is_quorum;
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        if leader.epoch.is_some() || !is_quorum(leader.peers.len() + 1, nodes) {
            return;
        }
        // What its followers have accepted is among what it has heard.
        let epoch = epoch_after(heard);
        leader.epoch = Some(epoch);
        (self.accepted, self.heard) = (epoch, epoch);
        turn.effects.note(Fact::Campaigned { epoch: epoch.0 });
        turn.held.push(Held::OwnEpoch);
        self.be_patient(turn);
    }

    /// The leader has accepted its own epoch, durably: it may name it.
    pub(super) fn announce_epoch(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let epoch = leader.epoch.expect("it has accepted an epoch of its own");
        leader.announced = true;
        let peers: Vec<NodeId> = leader.peers.keys().copied().collect();
        for peer in self.in_order(&peers) {
            self.send(peer, Message::LeaderInfo { epoch }, turn);
        }
        self.discovered(turn);
    }

    /// A follower hears its leader's epoch, and accepts it unless it has accepted a later one.
    pub(super) fn take_leader_info(&mut self, epoch: Epoch, turn: &mut Turn<'_, M>) {
        let acceptance = (self.rules().accepts_epoch)(self.accepted, epoch);
        let (current, last) = (self.current, self.history_end());
        let Role::Following(follower) = &mut self.role else {
            return;
        };
        if follower.phase != Phase::Discovery {
            return self.fail(Impossible::EpochTwice, turn);
        }
        let leader = follower.leader;
        let current = match acceptance {
            Acceptance::Refused => return self.fail(Impossible::LowerEpoch, turn),
            Acceptance::New => Some(current),
            Acceptance::Again => None,
        };
        follower.phase = Phase::Synchronisation { taking: None };
        if current.is_some() {
            self.accepted = epoch;
            self.heard = self.heard.max(epoch);
            let (epoch, candidate) = (epoch.0, leader);
            turn.effects.note(Fact::Voted { epoch, candidate });
        }
        self.claim(leader, Message::AckEpoch { current, last }, turn);
    }

    /// A follower takes part in the leader's epoch.
    pub(super) fn take_ack_epoch(
        &mut self,
        from: NodeId,
        (current, last): (Option<Epoch>, Zxid),
        turn: &mut Turn<'_, M>,
    ) {
        let own = (self.current, self.history_end());
        let may_lead = self.rules().may_lead;
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let begun = leader.is_synchronising();
        let Some(peer) = leader.peers.get_mut(&from) else {
            return;
        };
        if peer.stage != Stage::Joined || !leader.announced {
            self.impossible(Impossible::AcceptsTwice, turn);
            return self.part_with(from, turn);
        }
        (peer.stage, peer.last, peer.counts) = (Stage::Accepted, last, current.is_some());
        if !leader.broadcasts() {
            self.be_patient(turn);
        }
        if begun {
            return self.synchronise(from, turn);
        }
        if current.is_some_and(|current| !may_lead(own, (current, last))) {
            return self.look(turn);
        }
        self.discovered(turn);
    }

    /// Begins phase 2 when a quorum takes part in the epoch.
    fn discovered(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leading(leader) = &self.role else {
            return;
        };
        let counted = leader.peers.values().filter(|peer| peer.counts).count();
        if leader.announced && !leader.is_synchronising() && self.is_quorum(counted + 1) {
            self.begin_synchronisation(turn);
        }
    }
}
