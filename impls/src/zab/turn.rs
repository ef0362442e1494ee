//! One step: what it sends, what it writes, and what waits for the disk.
//!
//! A step writes at most one batch. What the step claims to be durable (an epoch it accepts, a history it takes over, a proposal) is *held* with
//! the batch and let go when the batch is durable. A claim made while an older batch is outstanding waits for that one too. A claim
//! belongs to a conversation, and is forgotten when that ends.

use super::message::{Epoch, Message, Place, Txn, Write, Zxid};
use super::rules::{Claim, Part};
use super::{Snapshot, Zab};
use crate::contract::{Effects, NodeId, Now};
use crate::machine::Machine;

/// What must not happen before a batch of writes is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held<C> {
    /// A message that claims something durable.
    Send { to: NodeId, message: Message<C> },
    /// The leader has accepted its own epoch.
    OwnEpoch,
    /// The leader's own history is that of its epoch.
    OwnHistory,
    /// The leader has accepted what it proposed up to here.
    OwnProposal(Zxid),
}

impl<C> Held<C> {
    fn claim(&self) -> Claim {
        match self {
            Held::OwnEpoch => Claim::Epoch,
            Held::OwnHistory => Claim::History,
            Held::OwnProposal(_) => Claim::Proposal,
            Held::Send { message, .. } => match message {
                Message::AckEpoch { .. } => Claim::Epoch,
                Message::AckNewLeader { .. } => Claim::History,
                _ => Claim::Proposal,
            },
        }
    }
}

/// What takes the place of everything: a snapshot, or nothing yet.
pub(super) struct Installed(pub(super) Option<Snapshot>);

/// One step under way: what it wants written, what must wait for that, and what is wanted at once.
pub(super) struct Turn<'a, M: Machine> {
    pub(super) now: Now,
    pub(super) effects: &'a mut Effects<Zab<M>>,
    /// The epochs before the step, accepted and current: what did not change is not written again.
    epochs_before: (Epoch, Epoch),
    pub(super) truncated: Option<Place>,
    pub(super) installed: Option<Installed>,
    pub(super) appended: Vec<Txn<M::Command>>,
    /// The newest snapshot, and up to where the log was dropped.
    pub(super) snapshot: Option<(Snapshot, Place)>,
    pub(super) held: Vec<Held<M::Command>>,
}

impl<'a, M: Machine> Turn<'a, M> {
    /// A step begins at a node with these epochs.
    pub(super) fn new(
        now: Now,
        epochs_before: (Epoch, Epoch),
        effects: &'a mut Effects<Zab<M>>,
    ) -> Self {
        Self {
            now,
            effects,
            epochs_before,
            truncated: None,
            installed: None,
            appended: Vec::new(),
            snapshot: None,
            held: Vec::new(),
        }
    }
}

impl<M: Machine> Zab<M> {
    /// Sends what claims nothing durable, if there is a link to send it on. What is sent without one might arrive in a later conversation.
    pub(super) fn send(&self, to: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        if self.links.contains(to) {
            turn.effects.send(to, message);
        }
    }

    /// Sends what claims something durable, once it is.
    pub(super) fn claim(&self, to: NodeId, message: Message<M::Command>, turn: &mut Turn<'_, M>) {
        turn.held.push(Held::Send { to, message });
    }

    pub(super) fn let_go(&mut self, held: Held<M::Command>, turn: &mut Turn<'_, M>) {
        match held {
            Held::Send { to, message } => self.send(to, message, turn),
            Held::OwnEpoch => self.announce_epoch(turn),
            Held::OwnHistory => self.own_history_durable(turn),
            Held::OwnProposal(zxid) => self.own_proposal_durable(zxid, turn),
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

    /// What a step writes. A crash keeps a beginning of it.
    fn writes(&self, turn: &mut Turn<'_, M>) -> Vec<Write<M::Command>> {
        let mut writes = Vec::new();
        let epochs = (self.accepted, self.current);
        let before = std::mem::replace(&mut turn.epochs_before, epochs);
        let to_persist = self.rules().accepted_epoch_to_persist;
        let accepted = to_persist(epochs.0, epochs.1);
        for part in (self.rules().order_of_writes)() {
            match part {
                Part::AcceptedEpoch if accepted != to_persist(before.0, before.1) => {
                    writes.push(Write::AcceptedEpoch(accepted));
                }
                Part::CurrentEpoch if epochs.1 != before.1 => {
                    writes.push(Write::CurrentEpoch(epochs.1));
                }
                Part::History => writes.extend(history(turn)),
                Part::AcceptedEpoch | Part::CurrentEpoch => {}
            }
        }
        if let Some((snapshot, drops)) = turn.snapshot.take() {
            writes.push(Write::Snapshot { snapshot, drops });
        }
        writes
    }
}

/// What a step writes of its history.
fn history<M: Machine>(turn: &mut Turn<'_, M>) -> Vec<Write<M::Command>> {
    let txns = std::mem::take(&mut turn.appended);
    if let Some(Installed(snapshot)) = turn.installed.take() {
        return vec![Write::Install { snapshot, txns }];
    }
    let truncated = turn.truncated.take();
    let truncated = truncated.map(|after| Write::Truncate { after });
    let appended = (!txns.is_empty()).then_some(Write::Append(txns));
    truncated.into_iter().chain(appended).collect()
}
