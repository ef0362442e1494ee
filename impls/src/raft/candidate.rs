//! Elections: standing for one, and voting in one (Raft 5.2, 5.4.1).

use super::message::{Body, Position, Term};
use super::{Held, Raft, Role, Turn};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;
use std::collections::BTreeSet;

impl<M: Machine> Raft<M> {
    /// No leader was heard for too long: begins a term of its own. The request for votes says that this node is in that term and has
    /// voted for itself, so it waits until both are durable.
    pub(super) fn stand_for_election(&mut self, turn: &mut Turn<'_, M>) {
        assert!(!self.is_leader(), "a leader has no election timer");
        self.term = Term(self.term.0 + 1);
        self.vote = Some(self.id());
        self.role = Role::Candidate {
            votes: BTreeSet::new(),
        };
        turn.effects.note(Fact::Campaigned { epoch: self.term.0 });
        self.await_leader(turn);
        turn.held.push(Held::OwnVote(self.term));
        for peer in self.peers() {
            self.claim(
                peer,
                Body::RequestVote {
                    last: self.log.last(),
                },
                turn,
            );
        }
    }

    /// Answers a request for a vote. `current`: it is of this node's term; otherwise of an older one.
    pub(super) fn answer_vote(
        &mut self,
        candidate: NodeId,
        current: bool,
        last: Position,
        turn: &mut Turn<'_, M>,
    ) {
        let may_grant = self.rules().may_grant_vote;
        let granted = current
            && may_grant(
                self.is_leader(),
                self.vote,
                candidate,
                self.log.last(),
                last,
            );
        if granted {
            // A repeated request gets the same vote again, and that is no new fact.
            if self.vote.replace(candidate).is_none() {
                turn.effects.note(Fact::Voted {
                    epoch: self.term.0,
                    candidate,
                });
            }
            self.await_leader(turn);
        }
        self.claim(candidate, Body::Vote { granted }, turn);
    }

    /// Counts a vote of this term; with a majority, leads.
    pub(super) fn count_vote(&mut self, from: NodeId, granted: bool, turn: &mut Turn<'_, M>) {
        let Role::Candidate { votes } = &mut self.role else {
            return;
        };
        if granted {
            votes.insert(from);
        }
        let votes = votes.len();
        if (self.rules().wins_election)(votes, self.nodes()) {
            self.lead(turn);
        }
    }
}
