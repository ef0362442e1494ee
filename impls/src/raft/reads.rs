//! Reads that do not go through the log: by a round of messages, or by a lease (dissertation 6.4).

use super::message::Round;
use super::turn::Turn;
use super::{Raft, Role};
use crate::contract::{Answer, ClientId, RequestId};
use crate::knobs::Reads;
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::session::Told;
use std::collections::VecDeque;

/// The rounds of one leadership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rounds {
    /// The newest round begun.
    begun: Round,
    /// Where leases are in use: when each round was sent that a majority has not answered, by the leader's monotonic clock in nanoseconds.
    sent_ns: VecDeque<(Round, u64)>,
    /// When the newest round was sent that a majority has answered.
    confirmed_ns: Option<u64>,
}

/// A read that waits until it is certain that this node led after the read came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRead<Q> {
    pub(super) client: ClientId,
    pub(super) request_id: RequestId,
    query: Q,
    /// A round that began after the read came, or the next one to begin.
    round: Round,
}

impl<M: Machine> Raft<M> {
    /// The newest round this leader has begun.
    pub(super) fn round(&self) -> Round {
        match &self.role {
            Role::Leader(leader) => leader.rounds.begun,
            _ => Round(0),
        }
    }

    /// Takes a read. Under a lease it is answered at once. Otherwise it waits for a round that begins now, or, when one is under way, for the
    /// next: reads that come together share a round.
    pub(super) fn take_read(
        &mut self,
        (client, request_id): (ClientId, RequestId),
        query: M::Query,
        turn: &mut Turn<'_, M>,
    ) {
        if self.has_lease(turn) && self.knows_read_index() {
            let output = Told::Output(self.sessions.query(&query));
            turn.effects.reply(client, request_id, Answer::Done(output));
            return;
        }
        let under_way = !self.is_answered(self.round());
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        leader.reads.retain(|read| read.client != client);
        leader.reads.push(PendingRead {
            client,
            request_id,
            query,
            round: Round(leader.rounds.begun.0 + 1),
        });
        if !under_way {
            self.begin_round(turn);
            self.peers().for_each(|peer| self.send_round(peer, turn));
        }
        self.serve_reads(turn);
    }

    fn begin_round(&mut self, turn: &Turn<'_, M>) {
        let leases = self.knobs().reads == Reads::Lease;
        if let Role::Leader(leader) = &mut self.role {
            let rounds = &mut leader.rounds;
            rounds.begun = Round(rounds.begun.0 + 1);
            if leases {
                let sent = (rounds.begun, turn.now.monotonic_ns);
                rounds.sent_ns.push_back(sent);
            }
        }
    }

    /// At a heartbeat: begins a round when a read waits for one to begin, or to renew the lease.
    pub(super) fn begin_round_if_wanted(&mut self, turn: &Turn<'_, M>) {
        let leases = self.knobs().reads == Reads::Lease;
        let waits = match &self.role {
            Role::Leader(leader) => {
                let last = leader.reads.last();
                last.is_some_and(|read| read.round > leader.rounds.begun)
            }
            _ => false,
        };
        if leases || waits {
            self.begin_round(turn);
        }
    }

    /// Whether a round is answered by a majority.
    fn is_answered(&self, round: Round) -> bool {
        (self.rules().may_serve_read)(self.answered_by(round), &self.members())
    }

    /// Who has answered a round, this node included.
    fn answered_by(&self, round: Round) -> NodeSet {
        let answered = NodeSet::EMPTY.with(self.id());
        let Role::Leader(leader) = &self.role else {
            return answered;
        };
        let peers = leader.progress.iter();
        peers
            .filter(|(_, progress)| progress.round >= round)
            .fold(answered, |answered, (peer, _)| answered.with(*peer))
    }

    /// Whether this node may answer alone.
    fn has_lease(&self, turn: &Turn<'_, M>) -> bool {
        let Role::Leader(leader) = &self.role else {
            return false;
        };
        let Some(sent_ns) = leader.rounds.confirmed_ns else {
            return false;
        };
        let knobs = self.knobs();
        let shortest_ns = knobs.election_timeout.min_ns;
        let lease_ns = (self.rules().lease_ns)(shortest_ns, knobs.clock_drift_percent_max);
        let handed_over = leader.handed_over || leader.transfer.is_some();
        let since_ns = turn.now.monotonic_ns.saturating_sub(sent_ns);
        (self.rules().lease_holds)(since_ns, lease_ns, handed_over)
    }

    /// Whether this leader knows how far the log is committed.
    fn knows_read_index(&self) -> bool {
        (self.rules().knows_read_index)(self.committed().term, self.term)
    }

    /// Serves the reads whose rounds are answered by a majority. They see everything committed so far: more than they must. Begins the next
    /// round when reads wait for it and none is under way.
    pub(super) fn serve_reads(&mut self, turn: &mut Turn<'_, M>) {
        self.note_answered_rounds();
        let Role::Leader(leader) = &self.role else {
            return;
        };
        if leader.reads.is_empty() || !self.knows_read_index() {
            return;
        }
        let begun = leader.rounds.begun;
        let waiting = leader.reads.iter().map(|read| read.round);
        let answered = waiting.take_while(|round| self.is_answered(*round)).count();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        for read in leader.reads.drain(..answered) {
            let output = Told::Output(self.sessions.query(&read.query));
            turn.effects
                .reply(read.client, read.request_id, Answer::Done(output));
        }
        if !leader.reads.is_empty() && leader.reads[0].round > begun {
            self.begin_round(turn);
            self.peers().for_each(|peer| self.send_round(peer, turn));
        }
    }

    /// Where leases are in use: looks which rounds a majority has answered.
    fn note_answered_rounds(&mut self) {
        while let Role::Leader(leader) = &self.role
            && let Some((round, sent_ns)) = leader.rounds.sent_ns.front().copied()
            && self.members().agree(self.answered_by(round))
        {
            if let Role::Leader(leader) = &mut self.role {
                leader.rounds.sent_ns.pop_front();
                leader.rounds.confirmed_ns = Some(sent_ns);
            }
        }
    }
}
