//! One step under way: what it writes, and what must wait until that is durable.

use super::Raft;
use super::message::{Body, Message, Position, Term, Write};
use crate::contract::{Effects, NodeId, Now};
use crate::machine::Machine;

/// What must not happen before a batch of writes is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held<C> {
    /// A message that claims something durable.
    Send { to: NodeId, message: Message<C> },
    /// The candidate's own vote in this term counts.
    OwnVote(Term),
    /// The leader's own copy of the log up to here counts, if it still leads in this term.
    OwnCopy(Position, Term),
}

impl<C> Held<C> {
    /// Whether it claims a copy of entries; otherwise a term and a vote.
    fn is_copy(&self) -> bool {
        match self {
            Held::Send { message, .. } => matches!(message.body, Body::Accepted { .. }),
            Held::OwnCopy(..) => true,
            Held::OwnVote(_) => false,
        }
    }
}

/// One step under way: what it wants written, what must wait for that, and what is wanted at once.
pub(super) struct Turn<'a, M: Machine> {
    pub(super) effects: &'a mut Effects<Raft<M>>,
    pub(super) now: Now,
    /// The hard state before the step: unchanged hard state is not written again.
    pub(super) before: (Term, Option<NodeId>),
    pub(super) writes: Vec<Write<M::Command>>,
    pub(super) held: Vec<Held<M::Command>>,
}

impl<M: Machine> Raft<M> {
    /// Sends what claims nothing durable.
    pub(super) fn send(&self, to: NodeId, body: Body<M::Command>, turn: &mut Turn<'_, M>) {
        let message = Message {
            term: self.term,
            body,
        };
        self.transmit(to, message, turn);
    }

    pub(super) fn transmit(
        &self,
        to: NodeId,
        message: Message<M::Command>,
        turn: &mut Turn<'_, M>,
    ) {
        for _ in 1..self.habits().copies_per_message {
            turn.effects.send(to, message.clone());
        }
        turn.effects.send(to, message);
    }

    /// Sends what claims something durable, once it is.
    pub(super) fn claim(&self, to: NodeId, body: Body<M::Command>, turn: &mut Turn<'_, M>) {
        turn.held.push(Held::Send {
            to,
            message: Message {
                term: self.term,
                body,
            },
        });
    }

    pub(super) fn let_go(&mut self, held: Held<M::Command>, turn: &mut Turn<'_, M>) {
        match held {
            Held::Send { to, message } => self.transmit(to, message, turn),
            Held::OwnVote(term) if term == self.term => self.count_vote(self.id(), true, turn),
            Held::OwnCopy(last, term) if term == self.term => self.own_copy(last.index, turn),
            Held::OwnVote(_) | Held::OwnCopy(..) => {}
        }
    }

    /// Ends a step: gives the disk what it wrote, and lets its claims wait for that, or for older writes, or for nothing.
    pub(super) fn close(&mut self, mut turn: Turn<'_, M>) {
        loop {
            if (self.term, self.vote) != turn.before {
                turn.before = (self.term, self.vote);
                let term = (self.rules().term_to_persist)(self.term);
                let vote = (self.rules().vote_to_persist)(self.vote);
                turn.writes.insert(0, Write::HardState { term, vote });
            }
            if !turn.writes.is_empty() {
                turn.effects.persist(std::mem::take(&mut turn.writes));
                self.claims.batch_begins();
            }
            let may_claim = self.rules().may_claim;
            let may_go = |held: &Held<_>, under_way| may_claim(held.is_copy(), under_way);
            let free = self.claims.hold(std::mem::take(&mut turn.held), may_go);
            if free.is_empty() {
                return;
            }
            free.into_iter()
                .for_each(|held| self.let_go(held, &mut turn));
        }
    }
}
