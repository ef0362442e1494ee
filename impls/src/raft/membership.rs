//! Changing who takes part, and handing over (Raft 6; dissertation 3.10, 4).

use super::members::{Members, Step};
use super::message::{Body, Index, Payload, Timer};
use super::progress::Progress;
use super::turn::Turn;
use super::{Raft, Role};
use crate::contract::{Answer, ClientId, DelayRange, Fact, NodeId, Refusal, RequestId};
use crate::machine::Machine;
use crate::manage::Manage;
use crate::node_set::NodeSet;
use crate::session::Told;

/// A leader is handing over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Transfer {
    pub(super) to: NodeId,
    /// Who wants to know.
    pub(super) asked_by: (ClientId, RequestId),
    /// Whether that node was told to take over, and the one who asked that it was.
    pub(super) told: bool,
}

type Asked = (ClientId, RequestId);

/// How many entries a learner may be behind when it gets a vote, at least.
const CAUGHT_UP: u64 = 64;

impl<M: Machine> Raft<M> {
    /// Does what an operator asks.
    pub(super) fn manage(&mut self, asked: Asked, manage: Manage, turn: &mut Turn<'_, M>) {
        let answer = match manage {
            Manage::Status => Some(Answer::Done(Told::Status(self.report()))),
            _ if !self.is_leader() => Some(self.refusal()),
            Manage::Members(goal) => Some(self.change_members(goal, turn)),
            Manage::Transfer(to) => self.transfer(to, asked, turn),
        };
        if let Some(answer) = answer {
            turn.effects.reply(asked.0, asked.1, answer);
        }
    }

    /// Takes the next step towards these voters.
    fn change_members(&mut self, goal: NodeSet, turn: &mut Turn<'_, M>) -> Answer<Told<M::Output>> {
        let all = NodeSet::first(self.setup().nodes);
        if goal.is_empty() || !goal.is_subset(all) {
            return Answer::Refused(Refusal::Senseless);
        }
        let Role::Leader(leader) = &self.role else {
            return self.refusal();
        };
        let newest = self.log.members();
        let under_way = newest.is_joint()
            || self.log.members_index() > self.commit
            || leader.transfer.is_some();
        if !(self.rules().may_change_members)(self.committed().term, self.term, under_way) {
            return Answer::Refused(Refusal::ChangeUnderWay);
        }
        // Close enough that the others do not notice. Not closer, however small an append is: under load a learner is always a little behind.
        let close = (self.knobs().entries_per_append_max as u64).max(CAUGHT_UP);
        let caught_up = |node: NodeId| {
            let progress = leader.progress.get(&node);
            progress.is_some_and(|progress| {
                progress.matched > Index(0) && progress.matched.0 + close >= self.log.last().index.0
            })
        };
        match newest.step_towards(goal, caught_up) {
            Step::There => Answer::Done(Told::Managed),
            Step::Wait => Answer::Refused(Refusal::ChangeUnderWay),
            Step::Change(next) => {
                self.append(Payload::Members(next), turn);
                Answer::Refused(Refusal::ChangeUnderWay)
            }
        }
    }

    /// Keeps track of those who are members now, and of nobody else.
    pub(super) fn track_members(&mut self) {
        let (id, last) = (self.id(), self.log.last().index);
        let members: Members = self.members();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let everyone = members.everyone().without(id);
        leader.progress.retain(|peer, _| everyone.contains(*peer));
        for peer in everyone.iter() {
            leader
                .progress
                .entry(peer)
                .or_insert_with(|| Progress::unknown(last));
        }
    }

    /// Something was committed. If it is a joint configuration, it is left; if this node has no vote any more, it leads no longer.
    pub(super) fn members_committed(&mut self, turn: &mut Turn<'_, M>) {
        let newest = self.log.members();
        if !self.is_leader() || self.log.members_index() > self.commit {
            return;
        }
        if newest.is_joint() {
            self.append(Payload::Members(newest.left()), turn);
        } else if !newest.has_vote(self.id()) {
            let Role::Leader(leader) = &self.role else {
                return;
            };
            let voters = leader.progress.iter();
            let voters = voters.filter(|(peer, _)| newest.has_vote(**peer));
            let best = voters.max_by_key(|(_, progress)| progress.matched);
            if let Some(best) = best.map(|(peer, _)| *peer) {
                self.tell_to_take_over(best, turn);
            }
            self.follow(self.term, None, turn);
        }
    }

    /// Begins to hand over to a node. Gives the answer, unless that comes later.
    fn transfer(
        &mut self,
        to: NodeId,
        asked_by: Asked,
        turn: &mut Turn<'_, M>,
    ) -> Option<Answer<Told<M::Output>>> {
        if !(1..=self.setup().nodes).contains(&to.0) || !self.members().has_vote(to) {
            return Some(Answer::Refused(Refusal::Senseless));
        }
        if to == self.id() {
            return Some(Answer::Done(Told::Managed));
        }
        let shortest_ns = self.knobs().election_timeout.min_ns;
        let Role::Leader(leader) = &mut self.role else {
            return Some(self.refusal());
        };
        if leader.transfer.is_some() {
            return Some(Answer::Refused(Refusal::ChangeUnderWay));
        }
        let told = false;
        leader.transfer = Some(Transfer { to, asked_by, told });
        let range = DelayRange {
            min_ns: shortest_ns,
            max_ns: shortest_ns,
        };
        turn.effects.set_timer(Timer::Transfer, range);
        self.hand_over_if_ready(turn);
        None
    }

    /// Tells the node that is to lead to stand for election, once it has all of the log: or it would not win.
    pub(super) fn hand_over_if_ready(&mut self, turn: &mut Turn<'_, M>) {
        let last = self.log.last().index;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(transfer) = &mut leader.transfer else {
            return;
        };
        let progress = leader.progress.get(&transfer.to);
        if transfer.told || progress.is_none_or(|progress| progress.matched < last) {
            return;
        }
        transfer.told = true;
        let (to, (client, request_id)) = (transfer.to, transfer.asked_by);
        self.tell_to_take_over(to, turn);
        turn.effects
            .reply(client, request_id, Answer::Done(Told::Managed));
    }

    fn tell_to_take_over(&mut self, to: NodeId, turn: &mut Turn<'_, M>) {
        if let Role::Leader(leader) = &mut self.role {
            leader.handed_over = true;
        }
        turn.effects.note(Fact::HandedOver { to });
        self.send(to, Body::TimeoutNow, turn);
    }

    /// The node that is to lead did not take over in time: this one goes on (dissertation 3.10).
    pub(super) fn give_up_transfer(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if let Some(transfer) = leader.transfer.take()
            && !transfer.told
        {
            let (client, request_id) = transfer.asked_by;
            let refusal = Answer::Refused(Refusal::ChangeUnderWay);
            turn.effects.reply(client, request_id, refusal);
        }
    }
}
