//! Phase 1: asking for promises, and what to propose again (Paxos Made Simple, 2.2, 2.4 and section 3).

use super::message::{Accepted, Ballot, Body, Proposal, Slot, Timer, Value};
use super::{Held, Paxos, Role, Turn};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;
use crate::node_set::NodeSet;
use std::collections::BTreeMap;

/// What a proposer knows in phase 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate<M: Machine> {
    /// Its ballot. It has promised no higher one.
    pub(super) ballot: Ballot,
    /// Who has promised, itself included once its own promise is durable.
    pub(super) promises: NodeSet,
    /// What they reported, by slot, in the order in which it came.
    reports: BTreeMap<Slot, Vec<Accepted<M::Command>>>,
    /// The farthest that any of them knows the log to be chosen. The candidate has to know as much before it leads.
    known: Slot,
}

impl<M: Machine> Paxos<M> {
    /// No leader was heard for too long. An acceptor asks for promises; any other node makes sure that the acceptors know as much as it does:
    /// it may be the last to have seen how an era ended.
    pub(super) fn no_leader_heard(&mut self, turn: &mut Turn<'_, M>) {
        assert!(!self.is_leader(), "a leader waits for no leader");
        if self.is_acceptor() {
            return self.campaign(turn);
        }
        self.follow(None, turn);
        self.await_leader(turn);
        let chosen = self.chosen;
        for acceptor in self.fellow_acceptors() {
            self.send(acceptor, Body::Known { chosen }, turn);
        }
    }

    /// Phase 1a, in a new ballot. The prepare says that this node will never again use that ballot, so it waits until that is durable.
    pub(super) fn campaign(&mut self, turn: &mut Turn<'_, M>) {
        let ballot = (self.rules().ballot_after)(self.seen, self.id());
        (self.promised, self.seen) = (ballot, ballot);
        self.follow(None, turn);
        self.role = Role::Candidate(Candidate {
            ballot,
            promises: NodeSet::EMPTY,
            reports: BTreeMap::new(),
            known: self.chosen,
        });
        let epoch = ballot.epoch();
        turn.effects.note(Fact::Campaigned { epoch });
        self.await_leader(turn);
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        turn.held.push(Held::OwnPromise(ballot));
        let after = self.chosen;
        for acceptor in self.fellow_acceptors() {
            self.claim(acceptor, Body::Prepare { ballot, after }, turn);
        }
    }

    /// Asks those again who have not answered.
    pub(super) fn prepare_again(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Candidate(candidate) = &self.role else {
            return;
        };
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        let (ballot, promises) = (candidate.ballot, candidate.promises);
        let after = self.chosen;
        for acceptor in self.fellow_acceptors() {
            if !promises.contains(acceptor) {
                self.claim(acceptor, Body::Prepare { ballot, after }, turn);
            }
        }
    }

    /// The candidate's own promise is durable.
    pub(super) fn own_promise(&mut self, ballot: Ballot, turn: &mut Turn<'_, M>) {
        let accepted = self.report(self.chosen, ballot);
        self.take_promise(self.id(), ballot, self.chosen, accepted, turn);
    }

    /// An acceptor promised.
    pub(super) fn take_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        chosen: Slot,
        accepted: Vec<Accepted<M::Command>>,
        turn: &mut Turn<'_, M>,
    ) {
        let is_acceptor = self.era.acceptors.contains(from);
        let Role::Candidate(candidate) = &mut self.role else {
            return;
        };
        if ballot != candidate.ballot || !is_acceptor || candidate.promises.contains(from) {
            return;
        }
        candidate.promises.insert(from);
        candidate.known = candidate.known.max(chosen);
        for entry in accepted {
            candidate.reports.entry(entry.slot).or_default().push(entry);
        }
        if self.chosen < chosen {
            self.fetch(from, turn);
        }
        self.lead_if_prepared(turn);
    }

    /// Leads, once phase 1 is complete and this node knows what its acceptors know.
    pub(super) fn lead_if_prepared(&mut self, turn: &mut Turn<'_, M>) {
        let (quorums, is_prepared) = (self.quorums(), self.rules().is_prepared);
        let Role::Candidate(candidate) = &mut self.role else {
            return;
        };
        if !is_prepared(candidate.promises.len(), quorums.prepare) || candidate.known > self.chosen
        {
            return;
        }
        let ballot = candidate.ballot;
        let reports = std::mem::take(&mut candidate.reports);
        let proposals = self.to_propose_again(&reports);
        self.lead(ballot, proposals, turn);
    }

    /// What the promises leave to propose: in each slot up to the last reported one what the rules say, and nothing behind a seal that stands.
    fn to_propose_again(
        &self,
        reports: &BTreeMap<Slot, Vec<Accepted<M::Command>>>,
    ) -> Vec<Proposal<M::Command>> {
        let rules = self.rules();
        let last = reports
            .last_key_value()
            .map_or(self.chosen, |(slot, _)| *slot);
        let mut proposals = Vec::new();
        let mut later = Ballot::NONE;
        for slot in (self.chosen.0 + 1..=last.0).rev().map(Slot) {
            let reported = reports.get(&slot).map_or(&[][..], Vec::as_slice);
            let ballots: Vec<Ballot> = reported.iter().map(|entry| entry.ballot).collect();
            let adopted = (rules.adopts)(&ballots).map(|at| &reported[at]);
            let mut value = adopted.map_or(Value::Noop, |entry| entry.value.clone());
            let ballot = adopted.map_or(Ballot::NONE, |entry| entry.ballot);
            if matches!(value, Value::Seal(_)) {
                if (rules.seal_stands)(ballot, later) {
                    proposals.clear();
                } else {
                    value = Value::Noop;
                }
            }
            later = later.max(ballot);
            proposals.push(Proposal { slot, value });
        }
        proposals.reverse();
        proposals
    }

    /// Outbid, in phase 1 or before its proposals were accepted. Waits, and the longer the more often that happened in a row.
    pub(super) fn take_nack(&mut self, ballot: Ballot, promised: Ballot, turn: &mut Turn<'_, M>) {
        self.seen = self.seen.max(promised);
        if self.own_ballot() == Some(ballot) && promised > ballot {
            self.defeats += 1;
            self.follow(None, turn);
            self.await_leader(turn);
        }
    }
}
