//! Linearizable reads (Linearizable Quorum Reads in Paxos 2019).
//!
//! A read through the log takes a slot of its own, which holds a no-op: what the leader has applied when that is chosen is what the read
//! sees. A quorum read takes no slot. It asks acceptors for the highest slot they accepted anything in. What was chosen before the read came
//! was accepted by a phase 2 quorum, so with the answers of a phase 1 quorum the highest of them is not below it. The leader sees to it that
//! everything up to there is chosen, and then answers.
//!
//! It matters not who leads: a leader that was deposed and does not know it hears of the slots of its successor, and cannot get them chosen.

use super::message::{Ballot, Round, Slot, Value};
use super::{Paxos, Role, Turn};
use crate::contract::{Answer, ClientId, NodeId, RequestId};
use crate::knobs::Reads;
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::session::Told;

/// A read that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRead<Q> {
    pub(super) client: ClientId,
    pub(super) request_id: RequestId,
    query: Q,
    /// The highest slot that any acceptor asked has named. A read through the log waits for its own.
    highest: Slot,
    /// The round that began after the read came; `None` when there is nobody left to ask.
    round: Option<Round>,
    /// Who has answered that round or a later one.
    answers: NodeSet,
}

impl<M: Machine> Paxos<M> {
    /// Takes a read. A client that reads anew waits for no older one.
    pub(super) fn take_read(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query: M::Query,
        turn: &mut Turn<'_, M>,
    ) {
        let (own, id) = (self.highest(), self.id());
        let goes_through_log = self.knobs().reads == Reads::Log;
        let room = self.has_room(0);
        let Role::Leader(leader) = &mut self.role else {
            return turn.effects.reply(client, request_id, self.not_leader());
        };
        if let (true, Err(refusal)) = (goes_through_log, room) {
            return turn
                .effects
                .reply(client, request_id, Answer::Refused(refusal));
        }
        let round = (!goes_through_log).then(|| {
            leader.round = Round(leader.round.0 + 1);
            leader.round
        });
        leader.reads.retain(|read| read.client != client);
        leader.reads.push(PendingRead {
            client,
            request_id,
            query,
            highest: if goes_through_log { leader.next } else { own },
            round,
            answers: NodeSet::EMPTY.with(id),
        });
        if goes_through_log {
            self.propose_next(Value::Noop, turn);
        } else {
            self.ask_acceptors(turn);
        }
        self.serve_reads(turn);
    }

    fn ask_acceptors(&self, turn: &mut Turn<'_, M>) {
        for acceptor in self.fellow_acceptors() {
            self.send_heartbeat(acceptor, turn);
        }
    }

    /// A node answered a heartbeat.
    pub(super) fn take_heard(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        round: Round,
        (highest, chosen): (Slot, Slot),
        turn: &mut Turn<'_, M>,
    ) {
        let is_acceptor = self.era.acceptors.contains(from);
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if ballot != leader.ballot {
            return;
        }
        let peer = leader.peers.entry(from).or_default();
        peer.chosen = peer.chosen.max(Some(chosen));
        if chosen >= leader.next {
            // Somebody decided where this leader has not proposed. Lower ballots did not, or phase 1 would have told: it was a higher one.
            self.follow(None, turn);
            return self.fetch(from, turn);
        }
        if is_acceptor {
            leader.answers.insert(from);
            let asked = leader.reads.iter_mut();
            for read in asked.filter(|read| read.round.is_some_and(|asked| asked <= round)) {
                read.answers.insert(from);
                read.highest = read.highest.max(highest);
            }
        }
        self.serve_reads(turn);
    }

    /// Serves the reads that have been answered by a quorum and whose slots are applied; and decides the slots that they wait for.
    pub(super) fn serve_reads(&mut self, turn: &mut Turn<'_, M>) {
        let (rules, prepare) = (*self.rules(), self.quorums().prepare);
        let applied = self.chosen;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let asked = |read: &PendingRead<M::Query>| {
            read.round.is_none() || (rules.is_prepared)(read.answers.len(), prepare)
        };
        let sessions = &self.sessions;
        leader.reads.retain(|read| {
            let served = asked(read) && (rules.may_serve_read)(read.highest, applied);
            if served {
                let output = Told::Output(sessions.query(&read.query));
                turn.effects
                    .reply(read.client, read.request_id, Answer::Done(output));
            }
            !served
        });
        let waits_for = leader.reads.iter().filter(|read| asked(read));
        let highest = waits_for.map(|read| read.highest).max();
        self.decide_up_to(highest.unwrap_or_default(), turn);
    }

    /// Something was once accepted in a slot that this leader has not proposed in: a no-op decides it. If that was in a lower ballot, it is not
    /// chosen, or phase 1 would have told; if it was in a higher one, the no-op will be refused.
    fn decide_up_to(&mut self, slot: Slot, turn: &mut Turn<'_, M>) {
        while let Role::Leader(leader) = &self.role
            && leader.next <= slot
            && leader.sealed.is_none()
        {
            self.propose_next(Value::Noop, turn);
        }
    }
}
