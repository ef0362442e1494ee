//! One step: what it sends, what it writes, and what waits for the disk.
//!
//! A step writes at most one batch, in the order of [`message::Write`]. What the step claims to be durable (that a ballot will not be used again,
//! a promise, an acceptance) is *held* with the batch and let go when the batch is durable. A claim made while an older batch is outstanding
//! waits for that one too. A claim that is let go late is like a message that was late on the network, which Paxos allows at any time; a
//! crash drops what is held together with the unfinished batch. How far the log is chosen is written along with whatever else is written: nobody
//! claims it, and a node that lost it asks again.

use super::Paxos;
use super::log::Snapshot;
use super::message::{Accepted, Ballot, Body, Message, Slot, Write};
use super::rules::Claim;
use crate::contract::{Effects, NodeId, Now};
use crate::machine::Machine;

/// What must not happen before a batch of writes is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held<C> {
    /// A message that claims something durable.
    Send { to: NodeId, message: Message<C> },
    /// The candidate's own promise counts, if it still stands in this ballot.
    OwnPromise(Ballot),
    /// The leader's own acceptance counts, if it still leads in this ballot.
    OwnAcceptance(Ballot, Slot),
}

impl<C> Held<C> {
    fn claim(&self) -> Claim {
        match self {
            Held::OwnAcceptance(..) => Claim::Acceptance,
            Held::OwnPromise(_) => Claim::Promise,
            Held::Send { message, .. } => match message.body {
                Body::Prepare { .. } => Claim::Ballot,
                Body::Accepted { .. } => Claim::Acceptance,
                _ => Claim::Promise,
            },
        }
    }
}

/// One step under way: what it wants written, what must wait for that, and what is wanted at once.
pub(super) struct Turn<'a, M: Machine> {
    pub(super) now: Now,
    pub(super) effects: &'a mut Effects<Paxos<M>>,
    /// The promise before the step: an unchanged promise is not written again.
    promised_before: Ballot,
    pub(super) truncated: Option<Slot>,
    pub(super) learned: Vec<Accepted<M::Command>>,
    /// The newest snapshot, and up to where the log was dropped.
    pub(super) snapshot: Option<(Snapshot, Slot)>,
    pub(super) accepted: Vec<Accepted<M::Command>>,
    pub(super) held: Vec<Held<M::Command>>,
}

impl<'a, M: Machine> Turn<'a, M> {
    /// A step begins at a node that has promised this.
    pub(super) fn new(now: Now, promised: Ballot, effects: &'a mut Effects<Paxos<M>>) -> Self {
        Self {
            now,
            effects,
            promised_before: promised,
            truncated: None,
            learned: Vec::new(),
            snapshot: None,
            accepted: Vec::new(),
            held: Vec::new(),
        }
    }
}

impl<M: Machine> Paxos<M> {
    /// Sends what claims nothing durable.
    pub(super) fn send(&self, to: NodeId, body: Body<M::Command>, turn: &mut Turn<'_, M>) {
        let era = self.era;
        self.transmit(to, Message { era, body }, turn);
    }

    fn transmit(&self, to: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        for _ in 1..self.habits().copies_per_message {
            turn.effects.send(to, message.clone());
        }
        turn.effects.send(to, message);
    }

    /// Sends what claims something durable, once it is.
    pub(super) fn claim(&self, to: NodeId, body: Body<M::Command>, turn: &mut Turn<'_, M>) {
        let era = self.era;
        let message = Message { era, body };
        turn.held.push(Held::Send { to, message });
    }

    pub(super) fn let_go(&mut self, held: Held<M::Command>, turn: &mut Turn<'_, M>) {
        match held {
            Held::Send { to, message } => self.transmit(to, message, turn),
            Held::OwnPromise(ballot) => self.own_promise(ballot, turn),
            Held::OwnAcceptance(ballot, slot) => {
                self.take_accepted(self.id(), ballot, &[slot], turn)
            }
        }
    }

    /// Ends a step: gives the disk what it wrote, and lets its claims wait for that, or for older writes, or for nothing.
    pub(super) fn close(&mut self, mut turn: Turn<'_, M>) {
        loop {
            let writes = self.writes(&mut turn);
            if !writes.is_empty() {
                turn.effects.persist(writes);
                self.claims.batch_begins();
            }
            let may_claim = self.rules().may_claim;
            let may_go = |held: &Held<_>, under_way| may_claim(held.claim(), under_way);
            let free = self.claims.hold(std::mem::take(&mut turn.held), may_go);
            if free.is_empty() {
                return;
            }
            free.into_iter()
                .for_each(|held| self.let_go(held, &mut turn));
        }
    }

    /// What a step writes, in the order of [`Write`]. A crash keeps a beginning of it, and every beginning is sound: what a seal voids is gone
    /// before the seal counts as chosen, what counts as chosen is there, and an acceptance comes after the promise and the era it was made in.
    fn writes(&mut self, turn: &mut Turn<'_, M>) -> Vec<Write<M::Command>> {
        let mut writes = Vec::new();
        writes.extend(turn.truncated.take().map(|after| Write::Truncate { after }));
        if let Some(last) = turn.learned.last() {
            self.chosen_written = self.chosen_written.max(last.slot);
            writes.push(Write::Learn(std::mem::take(&mut turn.learned)));
        }
        if let Some((snapshot, drops)) = turn.snapshot.take() {
            self.chosen_written = self.chosen_written.max(snapshot.slot);
            writes.push(Write::Snapshot { snapshot, drops });
        }
        if self.promised != turn.promised_before {
            turn.promised_before = self.promised;
            writes.push(Write::Promise((self.rules().promise_to_persist)(
                self.promised,
            )));
        }
        if !turn.accepted.is_empty() {
            writes.push(Write::Accept(std::mem::take(&mut turn.accepted)));
        }
        if !writes.is_empty() && self.chosen > self.chosen_written {
            self.chosen_written = self.chosen;
            let decided = |write: &Write<_>| !matches!(write, Write::Promise(_) | Write::Accept(_));
            let at = writes.iter().filter(|write| decided(write)).count();
            writes.insert(at, Write::Chosen(self.chosen));
        }
        writes
    }
}
