//! Fast leader election: finding a node whose history is as recent as any (Medeiros 2012, on fast leader election).
//!
//! A node that looks for a leader begins a round and votes for itself. It tells all others, takes over every better vote it hears of in
//! its round, and tells of that. When a quorum wants the same as it does it waits a little for a better vote, and then settles: it
//! follows the node it voted for, or leads. A later round makes an earlier one void. Who has settled answers those who still look, and whom a settled
//! quorum follows they follow too, whatever the round.
//!
//! Nothing rests on the outcome but speed: discovery finds out whether the node that was elected may lead.

use super::message::{Message, Round, Standing, Timer, Vote};
use super::{Role, Turn, Zab};
use crate::contract::NodeId;
use crate::machine::Machine;
use std::collections::BTreeMap;

/// What a node knows that looks for a leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Looking {
    /// The votes of this round, its own among them.
    received: BTreeMap<NodeId, Vote>,
    /// What those who have settled say.
    settled: BTreeMap<NodeId, Settled>,
    /// Whether a quorum wants what this node wants, and the wait for a better vote has begun.
    settling: bool,
}

/// What somebody says who has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Settled {
    leader: NodeId,
    leads: bool,
}

impl<M: Machine> Zab<M> {
    /// Whatever this node was, it looks for a leader now, in a new round.
    pub(super) fn look(&mut self, turn: &mut Turn<'_, M>) {
        self.leave(turn);
        self.round = Round(self.round.0 + 1);
        self.begin_round(self.own_vote(), turn);
        turn.effects.cancel_timer(Timer::Election);
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.consider(turn);
    }

    /// A vote for itself.
    fn own_vote(&self) -> Vote {
        Vote {
            epoch: self.current,
            last: self.history_end(),
            leader: self.id(),
        }
    }

    /// Votes, and nobody else has voted yet in this round.
    fn begin_round(&mut self, vote: Vote, turn: &mut Turn<'_, M>) {
        self.role = Role::Looking(Looking::default());
        turn.effects.cancel_timer(Timer::Settle);
        self.vote_for(vote, turn);
    }

    fn vote_for(&mut self, vote: Vote, turn: &mut Turn<'_, M>) {
        self.vote = vote;
        let id = self.id();
        if let Role::Looking(looking) = &mut self.role {
            looking.received.insert(id, vote);
            // The wait for a vote better than this one has yet to begin.
            if std::mem::take(&mut looking.settling) {
                turn.effects.cancel_timer(Timer::Settle);
            }
        }
        self.notify_all(turn);
    }

    fn notify_all(&self, turn: &mut Turn<'_, M>) {
        self.peers().for_each(|peer| self.notify(peer, turn));
    }

    /// Tells a node what this one wants, or has settled on.
    pub(super) fn notify(&self, peer: NodeId, turn: &mut Turn<'_, M>) {
        let standing = match self.role {
            Role::Looking(_) => Standing::Looking,
            Role::Following(_) => Standing::Following,
            Role::Leading(_) => Standing::Leading,
        };
        let (round, vote) = (self.round, self.vote);
        let message = Message::Notification {
            round,
            vote,
            standing,
        };
        self.send(peer, message, turn);
    }

    /// Says again whom it wants: who was not there before may be there now.
    pub(super) fn notify_again(&self, turn: &mut Turn<'_, M>) {
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.notify_all(turn);
    }

    /// Hears whom another node wants.
    pub(super) fn take_notification(
        &mut self,
        from: NodeId,
        (round, vote, standing): (Round, Vote, Standing),
        turn: &mut Turn<'_, M>,
    ) {
        let looks = standing == Standing::Looking;
        let Role::Looking(looking) = &mut self.role else {
            if looks {
                self.notify(from, turn);
            }
            return;
        };
        if looks {
            looking.settled.remove(&from);
        } else {
            let settled = Settled {
                leader: vote.leader,
                leads: standing == Standing::Leading,
            };
            looking.settled.insert(from, settled);
            if self.join_settled(round, vote, turn) || round != self.round {
                return;
            }
        }
        if round < self.round {
            return self.notify(from, turn);
        }
        let supersedes = self.rules().supersedes;
        if round > self.round {
            self.round = round;
            let own = self.own_vote();
            let best = if supersedes(&vote, &own) { vote } else { own };
            self.begin_round(best, turn);
        } else if supersedes(&vote, &self.vote) {
            self.vote_for(vote, turn);
        }
        if let Role::Looking(looking) = &mut self.role {
            looking.received.insert(from, vote);
        }
        self.consider(turn);
    }

    /// A node is gone: what it said counts no more, and who voted for it begins another round.
    pub(super) fn lose_sight_of(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        if self.vote.leader == peer {
            return self.look(turn);
        }
        if let Role::Looking(looking) = &mut self.role {
            looking.received.remove(&peer);
            looking.settled.remove(&peer);
        }
        self.consider(turn);
    }

    /// Follows whom a quorum follows, if that node itself says that it leads. Says whether it does.
    fn join_settled(&mut self, round: Round, vote: Vote, turn: &mut Turn<'_, M>) -> bool {
        let Role::Looking(looking) = &self.role else {
            return false;
        };
        let leads = looking.settled.get(&vote.leader);
        let leads = leads.is_some_and(|said| said.leads);
        let follow = looking.settled.values();
        let follow = follow.filter(|said| said.leader == vote.leader).count();
        let joins = vote.leader != self.id() && leads && self.is_quorum(follow);
        if joins {
            (self.round, self.vote) = (round, vote);
            self.settle(turn);
        }
        joins
    }

    /// Whether a quorum wants what this node wants.
    fn has_support(&self) -> bool {
        let Role::Looking(looking) = &self.role else {
            return false;
        };
        let same = looking.received.values();
        let same = same.filter(|vote| **vote == self.vote).count();
        self.is_quorum(same)
    }

    /// Begins to wait for a better vote when a quorum wants the same, and ends it when that is no longer so.
    fn consider(&mut self, turn: &mut Turn<'_, M>) {
        let (supported, waits) = (self.has_support(), self.habits().waits_to_settle);
        if supported && !waits {
            return self.settle(turn);
        }
        let range = self.heartbeat_interval();
        let Role::Looking(looking) = &mut self.role else {
            return;
        };
        if supported && !looking.settling {
            turn.effects.set_timer(Timer::Settle, range);
        } else if !supported && looking.settling {
            turn.effects.cancel_timer(Timer::Settle);
        }
        looking.settling = supported;
    }

    /// Nobody has named a better leader.
    pub(super) fn settle_if_supported(&mut self, turn: &mut Turn<'_, M>) {
        if self.has_support() {
            self.settle(turn);
        }
    }

    /// Leads, or follows the node it voted for.
    fn settle(&mut self, turn: &mut Turn<'_, M>) {
        turn.effects.cancel_timer(Timer::Settle);
        if self.vote.leader == self.id() {
            self.lead(turn);
        } else {
            turn.effects.cancel_timer(Timer::Heartbeat);
            self.follow(self.vote.leader, turn);
        }
    }
}
