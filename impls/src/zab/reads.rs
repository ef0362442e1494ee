//! Linearizable reads, which the leader serves.
//!
//! A read through the log waits for a transaction of its own, which does nothing: what is delivered then is what it sees. Or the leader asks
//! whether it still leads, and waits until a quorum has answered a ping that it sent after the read came. Whoever answers is still in
//! conversation with this leader, and has accepted no later epoch (one that had before it came would have ended the leadership); so when the read came no quorum had, and nothing was committed that this leader
//! has not delivered. As links keep the order, pings need no numbers: the leader counts how many pongs are still to come before that one.

use super::impossible::Impossible;
use super::leader::bytes_of;
use super::message::{Message, Place, Value};
use super::{Role, Turn, Zab};
use crate::contract::{Answer, ClientId, NodeId, RequestId};
use crate::knobs::Reads;
use crate::machine::Machine;
use crate::session::Told;
use std::collections::BTreeMap;

/// A read that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRead<Q> {
    pub(super) client: ClientId,
    pub(super) request_id: RequestId,
    query: Q,
    waits_for: WaitsFor,
}

/// What a read waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum WaitsFor {
    /// This place is delivered.
    Delivery(Place),
    /// A quorum has answered: of each follower asked, how many pongs are still to come until the one that counts.
    Pongs(BTreeMap<NodeId, u64>),
}

impl<M: Machine> Zab<M> {
    /// Takes a read. A client that reads anew waits for no older one.
    pub(super) fn take_read(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query: M::Query,
        turn: &mut Turn<'_, M>,
    ) {
        if !self.broadcasts() {
            return turn.effects.reply(client, request_id, self.not_leader());
        }
        let through_log = self.knobs().reads == Reads::Log;
        if let (true, Err(refusal)) = (
            through_log,
            self.make_room(bytes_of::<M>(&Value::Noop), turn),
        ) {
            let refused = Answer::Refused(refusal);
            return turn.effects.reply(client, request_id, refused);
        }
        let place = self.log.last_place().next();
        let waits_for = match through_log {
            true => WaitsFor::Delivery(place),
            false => WaitsFor::Pongs(self.ping_all(turn)),
        };
        if let Role::Leading(leader) = &mut self.role {
            leader.reads.retain(|read| read.client != client);
            leader.reads.push(PendingRead {
                client,
                request_id,
                query,
                waits_for,
            });
        }
        if through_log {
            self.propose(Value::Noop, turn);
        }
        self.serve_reads(turn);
    }

    /// Pings every follower. Gives how many pongs each of them owes now. Reads that wait count on those who came later, too.
    pub(super) fn ping_all(&mut self, turn: &mut Turn<'_, M>) -> BTreeMap<NodeId, u64> {
        let mut owed = BTreeMap::new();
        for peer in self.audience(|_| true) {
            self.send(peer, Message::Ping, turn);
            if let Role::Leading(leader) = &mut self.role
                && let Some(known) = leader.peers.get_mut(&peer)
            {
                known.pongs_owed += 1;
                let pongs_owed = known.pongs_owed;
                owed.insert(peer, pongs_owed);
                for read in &mut leader.reads {
                    if let WaitsFor::Pongs(waits) = &mut read.waits_for {
                        waits.entry(peer).or_insert(pongs_owed);
                    }
                }
            }
        }
        owed
    }

    /// A follower answered the oldest ping that it had not answered.
    pub(super) fn take_pong(&mut self, from: NodeId, turn: &mut Turn<'_, M>) {
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let Some(peer) = leader.peers.get_mut(&from) else {
            return;
        };
        let Some(owed) = peer.pongs_owed.checked_sub(1) else {
            self.impossible(Impossible::AcknowledgesTheUnknown, turn);
            return self.part_with(from, turn);
        };
        peer.pongs_owed = owed;
        for read in &mut leader.reads {
            if let WaitsFor::Pongs(owed) = &mut read.waits_for
                && let Some(owed) = owed.get_mut(&from)
            {
                *owed = owed.saturating_sub(1);
            }
        }
        self.serve_reads(turn);
    }

    /// Serves the reads that waited for what has happened now.
    pub(super) fn serve_reads(&mut self, turn: &mut Turn<'_, M>) {
        let (nodes, is_quorum) = (usize::from(self.setup().nodes), self.rules().is_quorum);
        let (sessions, delivered) = (&self.sessions, self.delivered);
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        leader.reads.retain(|read| {
            let served = match &read.waits_for {
                WaitsFor::Delivery(place) => *place <= delivered,
                WaitsFor::Pongs(owed) => {
                    let answered = owed.values().filter(|owed| **owed == 0).count();
                    is_quorum(answered + 1, nodes)
                }
            };
            if served {
                let output = Told::Output(sessions.query(&read.query));
                turn.effects
                    .reply(read.client, read.request_id, Answer::Done(output));
            }
            !served
        });
    }
}
