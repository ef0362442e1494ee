//! Promising and accepting (Paxos Made Simple, 2.2).

use super::message::{Accepted, Ballot, Body, Proposal, Round, Slot};
use super::{Paxos, Turn};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;

impl<M: Machine> Paxos<M> {
    /// Phase 1b: promises, and reports what it accepted where it does not know what was chosen; or says what it has promised instead.
    pub(super) fn answer_prepare(
        &mut self,
        proposer: NodeId,
        ballot: Ballot,
        after: Slot,
        turn: &mut Turn<'_, M>,
    ) {
        if !self.is_acceptor() {
            return;
        }
        if !(self.rules().may_promise)(self.promised, ballot) {
            return self.refuse(proposer, ballot, turn);
        }
        if ballot > self.promised {
            self.promise(ballot, turn);
            self.follow(None, turn);
            turn.effects.note(Fact::Voted {
                epoch: ballot.epoch(),
                candidate: proposer,
            });
            self.await_leader(turn);
        }
        let accepted = self.report(after, ballot);
        let chosen = self.chosen;
        self.claim(
            proposer,
            Body::Promise {
                ballot,
                chosen,
                accepted,
            },
            turn,
        );
    }

    /// Takes part in no ballot below this any more, nor in one of its own: whoever it was that led or stood for that, does so no more.
    fn promise(&mut self, ballot: Ballot, turn: &mut Turn<'_, M>) {
        self.seen = self.seen.max(ballot);
        if ballot > self.promised {
            self.promised = ballot;
            if self.own_ballot().is_some() {
                self.follow(None, turn);
            }
        }
    }

    /// What this acceptor accepted after a slot, where it does not know what was chosen.
    pub(super) fn report(&self, after: Slot, prepare: Ballot) -> Vec<Accepted<M::Command>> {
        let must_report = self.rules().must_report;
        let open = self.log.after(after.max(self.chosen));
        open.filter(|entry| must_report(entry.ballot, prepare))
            .cloned()
            .collect()
    }

    /// Phase 2b: accepts, unless it has promised more.
    pub(super) fn take_accept(
        &mut self,
        leader: NodeId,
        ballot: Ballot,
        proposals: Vec<Proposal<M::Command>>,
        chosen: Slot,
        turn: &mut Turn<'_, M>,
    ) {
        if !self.is_acceptor() {
            return;
        }
        if !(self.rules().may_accept)(self.promised, ballot) {
            return self.refuse(leader, ballot, turn);
        }
        self.obey(leader, ballot, turn);
        self.promise(
            (self.rules().promised_by_accepting)(self.promised, ballot),
            turn,
        );
        let slots = proposals.iter().map(|proposal| proposal.slot).collect();
        for Proposal { slot, value } in proposals {
            let held = self.log.get(slot).map(|held| held.ballot);
            // What was accepted in this ballot is on the disk already. And where something is known to be chosen nothing is left to accept: in
            // the ballot it was chosen in and in any higher one the same is proposed, and a lower one finds no quorum any more.
            if slot > self.chosen && held != Some(ballot) {
                self.accept(
                    Accepted {
                        slot,
                        ballot,
                        value,
                    },
                    turn,
                );
            }
        }
        self.claim(leader, Body::Accepted { ballot, slots }, turn);
        self.learn_from(ballot, chosen, turn);
    }

    /// Accepts a proposal, in place of what it accepted there before.
    pub(super) fn accept(&mut self, entry: Accepted<M::Command>, turn: &mut Turn<'_, M>) {
        self.log.insert(entry.clone());
        turn.accepted.push(entry);
    }

    /// A leader was heard. Its heartbeat asks for nothing but an answer: how far this acceptor has come.
    pub(super) fn take_heartbeat(
        &mut self,
        leader: NodeId,
        ballot: Ballot,
        chosen: Slot,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        if ballot < self.promised {
            return self.refuse(leader, ballot, turn);
        }
        self.obey(leader, ballot, turn);
        self.learn_from(ballot, chosen, turn);
        let (highest, own) = (self.highest(), self.chosen);
        self.send(
            leader,
            Body::Heard {
                ballot,
                round,
                highest,
                chosen: own,
            },
            turn,
        );
        if own < chosen && !std::mem::take(&mut self.is_taught) {
            self.fetch(leader, turn);
        }
    }

    /// The highest slot in which this node accepted anything, or knows that something was chosen.
    pub(super) fn highest(&self) -> Slot {
        self.log.last().max(self.chosen)
    }

    fn refuse(&self, proposer: NodeId, ballot: Ballot, turn: &mut Turn<'_, M>) {
        let promised = self.promised;
        self.send(proposer, Body::Nack { ballot, promised }, turn);
    }
}
