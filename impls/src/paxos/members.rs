//! Running a cluster: how many make a quorum, who the acceptors are, and who leads.
//!
//! # Changing the acceptors
//!
//! An operator names the goal again and again until it is reached. The leader waits until enough of the new acceptors have nearly all of the
//! log, proposes a seal, and proposes nothing behind it. When the seal is chosen the era is over for whoever knows it: the leader tells everybody how it ended,
//! and stands for the next era, or asks somebody to who can. Those who learn of the seal do so by learning the log up to it. Should nobody in the
//! new era have heard, then somebody outside of it has: a node that hears no leader and has no vote keeps telling those who do.
//!
//! # Sizes that were set
//!
//! Quorums of set sizes keep their sizes. A change to acceptors among which the two sizes would miss each other, or who are too few for one of
//! them, is refused as senseless.

use super::message::{Body, Slot, Value};
use super::{Paxos, Role, Turn};
use crate::contract::{Answer, ClientId, Fact, NodeId, Refusal, RequestId};
use crate::machine::Machine;
use crate::manage::{Manage, Report};
use crate::node_set::NodeSet;
use crate::session::Told;

/// How many acceptors answer phase 1 and how many accept in phase 2 (Flexible Paxos 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorums {
    /// Phase 1: how many promises complete it; and how many acceptors a quorum read asks.
    pub prepare: usize,
    /// Phase 2: how many acceptances make a value chosen.
    pub accept: usize,
}

/// Sizes of quorums that do not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// There is nobody to decide anything.
    #[error("a cluster needs an acceptor")]
    NoAcceptors,
    /// A phase needs more acceptors than there are, or none.
    #[error(
        "each phase needs 1 to {acceptors} of {acceptors} acceptors, not {prepare} and {accept}"
    )]
    OutOfRange {
        /// The size of phase 1.
        prepare: usize,
        /// The size of phase 2.
        accept: usize,
        /// How many there are.
        acceptors: usize,
    },
    /// What one phase decides the other might not hear of.
    #[error(
        "{prepare} and {accept} of {acceptors} acceptors need not meet: together they must be more than all"
    )]
    NeedNotMeet {
        /// The size of phase 1.
        prepare: usize,
        /// The size of phase 2.
        accept: usize,
        /// How many there are.
        acceptors: usize,
    },
}

impl Quorums {
    /// The quorums of so many acceptors: of the sizes that were set, phase 1 first, or else a majority each.
    ///
    /// ```
    /// use stormglass_impls::paxos::members::Quorums;
    /// assert_eq!(Quorums::of(None, 5).unwrap().accept, 3);
    /// assert_eq!(Quorums::of(Some((4, 2)), 5).unwrap().accept, 2);
    /// assert!(Quorums::of(Some((3, 2)), 5).is_err());
    /// ```
    pub fn of(sizes: Option<(u8, u8)>, acceptors: usize) -> Result<Quorums, QuorumError> {
        if acceptors == 0 {
            return Err(QuorumError::NoAcceptors);
        }
        let Some((prepare, accept)) = sizes else {
            let majority = acceptors / 2 + 1;
            return Ok(Quorums {
                prepare: majority,
                accept: majority,
            });
        };
        let (prepare, accept) = (usize::from(prepare), usize::from(accept));
        let some = 1..=acceptors;
        if !some.contains(&prepare) || !some.contains(&accept) {
            return Err(QuorumError::OutOfRange {
                prepare,
                accept,
                acceptors,
            });
        }
        if prepare + accept <= acceptors {
            return Err(QuorumError::NeedNotMeet {
                prepare,
                accept,
                acceptors,
            });
        }
        Ok(Quorums { prepare, accept })
    }
}

/// How many slots a new acceptor may be behind when its era is about to begin.
const NEAR_SLOTS: u64 = 64;

impl<M: Machine> Paxos<M> {
    /// The quorums of this era.
    pub fn quorums(&self) -> Quorums {
        self.quorums_among(self.era.acceptors)
            .expect("an era begins only with acceptors among whom quorums meet")
    }

    /// The quorums of these acceptors, with the sizes that were set.
    fn quorums_among(&self, acceptors: NodeSet) -> Result<Quorums, QuorumError> {
        Quorums::of(self.knobs().quorums, acceptors.len())
    }

    /// What an operator asks.
    pub(super) fn manage(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        manage: Manage,
        turn: &mut Turn<'_, M>,
    ) {
        let answer = match (manage, &self.role) {
            (Manage::Status, _) => Answer::Done(Told::Status(self.status())),
            (Manage::Members(voters), Role::Leader(_)) => self.move_towards(voters, turn),
            (Manage::Transfer(to), Role::Leader(_)) => self.transfer(to, turn),
            (_, Role::Follower { .. } | Role::Candidate(_)) => self.not_leader(),
        };
        turn.effects.reply(client, request_id, answer);
    }

    /// Takes the next step towards these acceptors.
    fn move_towards(&mut self, voters: NodeSet, turn: &mut Turn<'_, M>) -> Answer<Told<M::Output>> {
        let known = NodeSet::first(self.setup().nodes);
        let sizes = self.quorums_among(voters);
        let (Ok(quorums), true) = (sizes, voters.is_subset(known)) else {
            return Answer::Refused(Refusal::Senseless);
        };
        let under_way = Answer::Refused(Refusal::ChangeUnderWay);
        let Role::Leader(leader) = &self.role else {
            return under_way;
        };
        if leader.sealed.is_some() {
            return under_way;
        }
        if voters == self.era.acceptors {
            return Answer::Done(Told::Managed);
        }
        // Who is far behind could take part only when the whole log has come to it, and for so long nothing would be decided.
        let near = self.chosen.0.saturating_sub(NEAR_SLOTS);
        let has_state = |node: &NodeId| {
            let known = leader.peers.get(node).and_then(|peer| peer.chosen);
            *node == self.id() || known.is_some_and(|chosen| chosen.0 >= near)
        };
        let ready = voters.iter().filter(has_state).count();
        if ready >= quorums.prepare.max(quorums.accept) {
            self.propose_next(Value::Seal(voters), turn);
        }
        under_way
    }

    /// The seal of this leader's era is chosen. It leads no more: the next era begins with a ballot of its own.
    pub(super) fn hand_on(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let far = |node: &NodeId| leader.peers.get(node).and_then(|peer| peer.chosen);
        let heir = self.fellow_acceptors().max_by_key(far);
        let (before, chosen) = (Slot(self.chosen.0 - 1), self.chosen);
        for peer in self.peers() {
            // Who was not heard yet is taken to lack no more than the seal, and asks if that is wrong.
            self.teach(peer, far(&peer).unwrap_or(before), None, turn);
            self.send(peer, Body::Known { chosen }, turn);
        }
        if self.is_acceptor() {
            self.campaign(turn);
        } else {
            self.follow(None, turn);
            if let Some(heir) = heir {
                self.send(heir, Body::TakeOver, turn);
                turn.effects.note(Fact::HandedOver { to: heir });
            }
        }
    }

    fn transfer(&mut self, to: NodeId, turn: &mut Turn<'_, M>) -> Answer<Told<M::Output>> {
        if !self.era.acceptors.contains(to) {
            return Answer::Refused(Refusal::Senseless);
        }
        if to != self.id() {
            self.send(to, Body::TakeOver, turn);
            turn.effects.note(Fact::HandedOver { to });
        }
        Answer::Done(Told::Managed)
    }

    /// The leader asks this node to lead: it does not wait for its timer.
    pub(super) fn take_over(&mut self, turn: &mut Turn<'_, M>) {
        if self.is_acceptor() && matches!(self.role, Role::Follower { .. }) {
            self.campaign(turn);
        }
    }

    /// What this node is, in a word.
    pub(super) fn rank(&self) -> &'static str {
        match self.role {
            Role::Follower { .. } if !self.is_acceptor() => "listener",
            Role::Follower { .. } => "follower",
            Role::Candidate(_) => "candidate",
            Role::Leader(_) => "leader",
        }
    }

    fn status(&self) -> Report {
        let leader = match &self.role {
            Role::Follower { leader } => *leader,
            Role::Candidate(_) => None,
            Role::Leader(_) => Some(self.id()),
        };
        let snapshot = self.snapshot.as_ref();
        let acceptors = self.era.acceptors;
        Report {
            node: self.id(),
            role: self.rank().to_string(),
            epoch: self.promised.epoch(),
            leader,
            commit: self.chosen.0,
            last: self.highest().0,
            snapshot: snapshot.map_or(0, |snapshot| snapshot.slot.0),
            voters: acceptors,
            learners: NodeSet::first(self.setup().nodes).difference(acceptors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_quorums_of_sizes_that_do_meet_and_no_others() {
        for acceptors in 1..=7u8 {
            for prepare in 0..=8u8 {
                for accept in 0..=8u8 {
                    let all: Vec<NodeSet> = subsets(acceptors);
                    let of =
                        |size: u8| all.iter().filter(move |set| set.len() == usize::from(size));
                    let possible = of(prepare).next().is_some() && of(accept).next().is_some();
                    let meet = of(prepare)
                        .all(|one| of(accept).all(|other| !one.intersection(*other).is_empty()));
                    let sizes = Quorums::of(Some((prepare, accept)), acceptors.into());
                    assert_eq!(
                        sizes.is_ok(),
                        possible && meet,
                        "{prepare} {accept} {acceptors}"
                    );
                }
            }
        }
    }

    fn subsets(acceptors: u8) -> Vec<NodeSet> {
        let some =
            |bits: u32| NodeId::all(acceptors).filter(move |node| bits >> node.index() & 1 == 1);
        (0..1 << acceptors)
            .map(|bits| some(bits).collect())
            .collect()
    }
}
