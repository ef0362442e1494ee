//! What must always hold across a Paxos cluster.
//!
//! Each invariant is one function. The incremental form looks only at what a step changed and keeps the [history](super::history) it needs:
//! a value stays chosen when all who know of it are gone. The plain form ([`Watch::audit`]) compares whole logs; it is slow, and the oracle
//! of the other.

use super::Paxos;
use super::history::{History, Life, Seen, UnderWay};
use super::log::Snapshot;
use super::members::Quorums;
use super::message::{Accepted, Ballot, Body, Message, Slot, Write};
use crate::contract::{Effect, Fact, NodeId};
use crate::explored::{Memory, Names};
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::system::{Broken, Erased, InvariantInfo, Member, Watch};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// All of them.
pub const INVARIANTS: &[InvariantInfo] = &[
    InvariantInfo {
        name: "agreement",
        law: "no two nodes ever learn different values in one slot",
        source: "Paxos Made Simple, 2.1",
    },
    InvariantInfo {
        name: "validity",
        law: "nothing is accepted but what the proposer whose ballot it is proposed",
        source: "Paxos Made Simple, 2.1",
    },
    InvariantInfo {
        name: "one-value-per-ballot-and-slot",
        law: "a proposer proposes one value in a slot of a ballot, whatever happens to it",
        source: "Paxos Made Simple, 2.2",
    },
    InvariantInfo {
        name: "ballots-unique",
        law: "a ballot is used by one node, and in one life of it",
        source: "Paxos Made Simple, 2.5",
    },
    InvariantInfo {
        name: "promise-monotone",
        law: "an acceptor's promise never falls, no restart takes it below one the acceptor spoke of, and nothing below it is accepted",
        source: "Paxos Made Simple, 2.2, P1a, and 2.5",
    },
    InvariantInfo {
        name: "accept-implies-promise",
        law: "an acceptor has promised the ballot of everything it accepts",
        source: "Paxos Made Simple, 2.2",
    },
    InvariantInfo {
        name: "chosen-on-quorum",
        law: "what a leader takes for chosen, a phase 2 quorum of the slot's acceptors has durably accepted in one ballot",
        source: "Paxos Made Simple, 2.2; Flexible Paxos 2016",
    },
    InvariantInfo {
        name: "chosen-is-stable",
        law: "where a phase 2 quorum has accepted a value in one ballot, no higher ballot proposes another, and nobody learns another",
        source: "Paxos Made Simple, 2.2, P2b",
    },
    InvariantInfo {
        name: "learned-implies-chosen",
        law: "what a learner learns was chosen",
        source: "Paxos Made Simple, 2.1",
    },
    InvariantInfo {
        name: "no-gap-applied",
        law: "a node applies every slot, one after the other",
        source: "Paxos Made Simple, section 3",
    },
    InvariantInfo {
        name: "snapshot-agreement",
        law: "two snapshots up to one slot are the same",
        source: "Paxos Made Live, 5.5",
    },
];

/// The invariants of one cluster, with the history they need.
#[derive(Clone, Debug)]
pub struct PaxosWatch<M: Machine> {
    history: History<M::Command>,
    /// The sizes of quorums, if they were set.
    sizes: Option<(u8, u8)>,
    /// What was seen of each node, in the order of their ids.
    nodes: Vec<Seen>,
    /// How often each invariant was put to the test.
    witnesses: BTreeMap<&'static str, u64>,
}

impl<M: Machine> Default for PaxosWatch<M> {
    fn default() -> Self {
        let unseen = INVARIANTS.iter().map(|invariant| (invariant.name, 0));
        Self {
            history: History::default(),
            sizes: None,
            nodes: Vec::new(),
            witnesses: unseen.collect(),
        }
    }
}

type Verdict = Result<(), Broken>;

impl<M: Machine> Watch for PaxosWatch<M> {
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Verdict {
        let paxos = core::<M>(member);
        self.history.enter(paxos.era());
        self.sizes = paxos.knobs().quorums;
        let seen = self.seen(node);
        seen.life += 1;
        seen.under_way.clear();
        seen.chosen = paxos.chosen();
        seen.promised = seen.bound;
        // A crash keeps a beginning of what was under way: whatever stands in the log now is durable.
        let mut verdict = Ok(());
        for entry in paxos.log().after(paxos.chosen()) {
            self.accepted(node, entry.slot, entry.ballot);
            verdict = verdict.and(self.accept_implies_promise(node, paxos, entry));
        }
        verdict.and(self.promise_monotone(node, paxos))
    }

    fn synced(&mut self, node: NodeId) {
        let seen = self.seen(node);
        let Some(UnderWay { promise, accepted }) = seen.under_way.pop_front() else {
            return;
        };
        seen.bound = seen.bound.max(promise);
        for (slot, ballot) in accepted {
            self.accepted(node, slot, ballot);
        }
    }

    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Verdict {
        let paxos = core::<M>(member);
        self.history.enter(paxos.era());
        let mut verdict = Ok(());
        for effect in effects {
            let seen = match effect {
                Effect::Note(Fact::BecameLeader { epoch }) => {
                    self.ballots_unique(node, Ballot::of_epoch(*epoch))
                }
                Effect::Note(Fact::SnapshotInstalled { index }) => {
                    self.seen(node).chosen = Slot(*index);
                    Ok(())
                }
                Effect::Send { message, .. } => {
                    let message = message.open::<Message<M::Command>>();
                    self.said(node, message.expect("a Paxos node sends Paxos messages"))
                }
                Effect::Persist(writes) => {
                    let writes = writes.iter().map(|write| write.open());
                    let writes = writes.map(|write| write.expect("a Paxos node writes Paxos"));
                    self.wrote(node, paxos, writes)
                }
                _ => Ok(()),
            };
            verdict = verdict.and(seen);
        }
        verdict
            .and_then(|()| self.promise_monotone(node, paxos))
            .and_then(|()| self.applied(node, paxos))
    }

    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Verdict {
        let nodes: Vec<(NodeId, &Paxos<M>)> = members
            .iter()
            .map(|(node, member)| (*node, core::<M>(*member)))
            .collect();
        self.audit_nodes(&nodes)
    }

    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        let count = |invariant: &InvariantInfo| (invariant.name, self.witnesses[invariant.name]);
        INVARIANTS.iter().map(count).collect()
    }
}

fn core<M: Machine>(member: &dyn Member) -> &Paxos<M> {
    member
        .as_any()
        .downcast_ref()
        .expect("a Paxos watch is shown Paxos nodes")
}

/// How many of these acceptors make a value chosen.
fn needed(sizes: Option<(u8, u8)>, acceptors: NodeSet) -> usize {
    Quorums::of(sizes, acceptors.len()).map_or(1, |quorums| quorums.accept)
}

fn broken(invariant: &'static str, message: String) -> Verdict {
    Err(Broken { invariant, message })
}

impl<M: Machine> Memory for PaxosWatch<M> {
    fn duplicate(&self) -> Box<dyn Memory> {
        Box::new(self.clone())
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        assert!(
            names.is_none(),
            "ballots are ordered by the names of their proposers"
        );
        // All but the witnesses.
        self.history.hash(&mut hasher);
        self.sizes.hash(&mut hasher);
        self.nodes.hash(&mut hasher);
    }
}

impl<M: Machine> PaxosWatch<M> {
    fn seen(&mut self, node: NodeId) -> &mut Seen {
        if self.nodes.len() <= node.index() {
            self.nodes.resize(node.index() + 1, Seen::default());
        }
        &mut self.nodes[node.index()]
    }

    /// An acceptance is durable.
    fn accepted(&mut self, node: NodeId, slot: Slot, ballot: Ballot) {
        let sizes = self.sizes;
        let needed = |acceptors: NodeSet| needed(sizes, acceptors);
        self.history.slot(slot);
        self.history.accept((slot, ballot), node, needed);
    }

    fn tested(&mut self, invariant: &'static str) {
        *self.witnesses.entry(invariant).or_default() += 1;
    }

    /// What a node says binds it.
    fn said(&mut self, node: NodeId, message: &Message<M::Command>) -> Verdict {
        match message.body {
            Body::Prepare { ballot, .. } => {
                self.seen(node).bound = self.seen(node).bound.max(ballot);
                self.ballots_unique(node, ballot)
            }
            Body::Promise { ballot, .. } | Body::Accepted { ballot, .. } => {
                self.seen(node).bound = self.seen(node).bound.max(ballot);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a node gives to its disk.
    fn wrote<'a>(
        &mut self,
        node: NodeId,
        paxos: &Paxos<M>,
        writes: impl Iterator<Item = &'a Write<M::Command>>,
    ) -> Verdict {
        let mut under_way = UnderWay::default();
        let mut verdict = Ok(());
        for write in writes {
            match write {
                Write::Promise(ballot) => under_way.promise = *ballot,
                Write::Accept(entries) => {
                    for entry in entries {
                        under_way.accepted.push((entry.slot, entry.ballot));
                        verdict = verdict
                            .and(self.proposed(node, paxos, entry))
                            .and_then(|()| self.accept_implies_promise(node, paxos, entry))
                            .and_then(|()| self.accepts_no_less(node, entry));
                    }
                }
                Write::Snapshot { snapshot, .. } => {
                    verdict = verdict.and(self.snapshot_agreement(node, snapshot));
                }
                Write::Truncate { .. } | Write::Learn(_) | Write::Chosen(_) => {}
            }
        }
        self.seen(node).under_way.push_back(under_way);
        verdict
    }

    fn ballots_unique(&mut self, node: NodeId, ballot: Ballot) -> Verdict {
        self.tested("ballots-unique");
        let user: Life = (node, self.seen(node).life);
        let owner = self.history.owner(ballot, user);
        if owner == user {
            return Ok(());
        }
        let by = match owner.0 == node {
            true => "it did before it crashed".to_string(),
            false => format!("{} does", owner.0),
        };
        broken(
            "ballots-unique",
            format!("{node} uses ballot {ballot}, as {by}"),
        )
    }

    /// A proposal is first accepted by its own proposer, and what others accept is that.
    fn proposed(
        &mut self,
        node: NodeId,
        paxos: &Paxos<M>,
        entry: &Accepted<M::Command>,
    ) -> Verdict {
        let owns = self.history.owns(node, entry.ballot);
        let verdict = match owns {
            true => self
                .one_value(node, entry)
                .and_then(|()| self.chosen_is_stable(node, entry)),
            false => self.validity(node, entry),
        };
        let era = paxos.era().number;
        self.history.slot(entry.slot).propose(entry, era);
        verdict
    }

    fn one_value(&mut self, node: NodeId, entry: &Accepted<M::Command>) -> Verdict {
        self.tested("one-value-per-ballot-and-slot");
        let known = self.history.slot(entry.slot).value(entry.ballot);
        match known.filter(|known| **known != entry.value) {
            None => Ok(()),
            Some(known) => broken(
                "one-value-per-ballot-and-slot",
                format!("{node} proposes {entry:?}, and {known:?} was proposed there"),
            ),
        }
    }

    fn validity(&mut self, node: NodeId, entry: &Accepted<M::Command>) -> Verdict {
        self.tested("validity");
        match self.history.slot(entry.slot).value(entry.ballot) {
            Some(known) if *known == entry.value => Ok(()),
            Some(known) => broken(
                "validity",
                format!("{node} accepts {entry:?}, and {known:?} was proposed there"),
            ),
            None => broken(
                "validity",
                format!(
                    "{node} accepts {entry:?}, and nothing was proposed there by whose ballot it is"
                ),
            ),
        }
    }

    fn accept_implies_promise(
        &mut self,
        node: NodeId,
        paxos: &Paxos<M>,
        entry: &Accepted<M::Command>,
    ) -> Verdict {
        self.tested("accept-implies-promise");
        let promised = paxos.promised();
        if promised < entry.ballot {
            return broken(
                "accept-implies-promise",
                format!("{node} accepts {entry:?}, and has promised {promised}"),
            );
        }
        Ok(())
    }

    /// The other half of what a promise is: nothing below it is accepted.
    fn accepts_no_less(&mut self, node: NodeId, entry: &Accepted<M::Command>) -> Verdict {
        let promised = self.seen(node).promised;
        if entry.ballot < promised {
            return broken(
                "promise-monotone",
                format!("{node} accepts {entry:?}, and has promised {promised}"),
            );
        }
        Ok(())
    }

    fn promise_monotone(&mut self, node: NodeId, paxos: &Paxos<M>) -> Verdict {
        self.tested("promise-monotone");
        let now = paxos.promised();
        let seen = self.seen(node);
        let before = std::mem::replace(&mut seen.promised, now).max(seen.bound);
        if now < before {
            return broken(
                "promise-monotone",
                format!("the promise of {node} fell from {before} to {now}"),
            );
        }
        Ok(())
    }

    /// What a node applied since it was last looked at.
    fn applied(&mut self, node: NodeId, paxos: &Paxos<M>) -> Verdict {
        let from = std::mem::replace(&mut self.seen(node).chosen, paxos.chosen());
        let mut verdict = Ok(());
        for slot in (from.0 + 1..=paxos.chosen().0).map(Slot) {
            // What was dropped in the same step is compared as a snapshot.
            if slot <= paxos.log().dropped() {
                continue;
            }
            verdict = verdict.and(match paxos.log().get(slot) {
                None => no_gap_applied(node, slot),
                Some(entry) => self.chosen(node, paxos, entry),
            });
            self.tested("no-gap-applied");
        }
        verdict
    }

    /// A node takes a value for chosen: it is, and no other is.
    fn chosen(&mut self, node: NodeId, paxos: &Paxos<M>, entry: &Accepted<M::Command>) -> Verdict {
        let slot = entry.slot;
        if self.history.slot(slot).learned.as_ref() == Some(&entry.value) {
            self.tested("agreement");
            return Ok(());
        }
        let verdict = self
            .chosen_on_quorum(node, paxos, entry)
            .and_then(|()| self.agreement(node, entry))
            .and_then(|()| self.chosen_is_stable(node, entry));
        let decision = self.history.slot(slot);
        if decision.learned.is_none() {
            decision.learned = Some(entry.value.clone());
        }
        verdict
    }

    fn agreement(&mut self, node: NodeId, entry: &Accepted<M::Command>) -> Verdict {
        self.tested("agreement");
        match &self.history.slot(entry.slot).learned {
            None => Ok(()),
            Some(known) => broken(
                "agreement",
                format!("{node} learned {entry:?}, and {known:?} was learned there"),
            ),
        }
    }

    /// The leader has counted; whoever else learns, learns what somebody could have counted.
    fn chosen_on_quorum(
        &mut self,
        node: NodeId,
        paxos: &Paxos<M>,
        entry: &Accepted<M::Command>,
    ) -> Verdict {
        let slot = entry.slot;
        if slot <= self.history.settled {
            return Ok(());
        }
        let law = match paxos.is_leader() {
            true => "chosen-on-quorum",
            false => "learned-implies-chosen",
        };
        self.tested(law);
        let Some(era) = self.history.era_of(slot) else {
            return Ok(());
        };
        let (acceptors, needed) = (era.acceptors, needed(self.sizes, era.acceptors));
        let decision = self.history.slot(slot);
        let accepted = decision.acceptances(&entry.value, era);
        if accepted < needed {
            return broken(
                law,
                format!(
                    "{node} learned {entry:?}, which {accepted} of {acceptors} have accepted in one ballot, not {needed}"
                ),
            );
        }
        Ok(())
    }

    /// Something is proposed or learned: whatever was decided there before is the same.
    fn chosen_is_stable(&mut self, node: NodeId, entry: &Accepted<M::Command>) -> Verdict {
        self.tested("chosen-is-stable");
        let decided = &self.history.slot(entry.slot).decided;
        let Some((ballot, value)) = decided else {
            return Ok(());
        };
        if entry.ballot > *ballot && entry.value != *value {
            return broken(
                "chosen-is-stable",
                format!("{node} has {entry:?}, and {value:?} was chosen there in {ballot}"),
            );
        }
        Ok(())
    }

    fn snapshot_agreement(&mut self, node: NodeId, snapshot: &Snapshot) -> Verdict {
        self.tested("snapshot-agreement");
        if self.history.differs(snapshot) {
            return broken(
                "snapshot-agreement",
                format!(
                    "{node} has a snapshot up to {} that differs from another",
                    snapshot.slot
                ),
            );
        }
        Ok(())
    }

    /// The plain form of the laws, over the whole logs of the nodes that are up.
    pub fn audit_nodes(&self, nodes: &[(NodeId, &Paxos<M>)]) -> Verdict {
        for (at, (node, paxos)) in nodes.iter().enumerate() {
            let bound = self.nodes.get(node.index()).map(|seen| seen.bound);
            if bound.is_some_and(|bound| paxos.promised() < bound) {
                let text = format!(
                    "{node} has promised {}, and spoke of more",
                    paxos.promised()
                );
                return broken("promise-monotone", text);
            }
            let (dropped, chosen) = (paxos.log().dropped(), paxos.chosen());
            let mut applied = (dropped.0 + 1..=chosen.0).map(Slot);
            if let Some(missing) = applied.find(|slot| paxos.log().get(*slot).is_none()) {
                return no_gap_applied(*node, missing);
            }
            let mut open = paxos.log().after(chosen);
            if let Some(entry) = open.find(|entry| entry.ballot > paxos.promised()) {
                let text = format!(
                    "{node} accepted {entry:?}, and has promised {}",
                    paxos.promised()
                );
                return broken("accept-implies-promise", text);
            }
            for (other, peer) in &nodes[..at] {
                if paxos.is_leader() && peer.is_leader() && paxos.promised() == peer.promised() {
                    let text = format!("{other} and {node} both lead in {}", paxos.promised());
                    return broken("ballots-unique", text);
                }
                compare(paxos, peer).or_else(|(invariant, slot)| {
                    let text = format!("{other} and {node} hold different values in slot {slot}");
                    broken(invariant, text)
                })?;
            }
        }
        Ok(())
    }
}

fn no_gap_applied(node: NodeId, slot: Slot) -> Verdict {
    broken(
        "no-gap-applied",
        format!("{node} went past slot {slot} without a value for it"),
    )
}

/// Two logs say the same wherever they should; or else which law is broken, and where.
fn compare<M: Machine>(one: &Paxos<M>, other: &Paxos<M>) -> Result<(), (&'static str, Slot)> {
    for mine in one.log().after(Slot(0)) {
        let slot = mine.slot;
        let Some(theirs) = other
            .log()
            .get(slot)
            .filter(|theirs| theirs.value != mine.value)
        else {
            continue;
        };
        if slot <= one.chosen().min(other.chosen()) {
            return Err(("agreement", slot));
        }
        if mine.ballot == theirs.ballot {
            return Err(("one-value-per-ballot-and-slot", slot));
        }
    }
    Ok(())
}
