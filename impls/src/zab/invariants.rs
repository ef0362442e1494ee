//! What must always hold across a Zab cluster.
//!
//! Each invariant is one function. The incremental form looks only at what a step changed and keeps the [history](super::history) it needs:
//! what was delivered stays delivered when all who know of it are gone. The plain form ([`Watch::audit`]) compares whole histories; it is
//! slow, and the oracle of the other. The laws and their names are those of Zab's published TLA+ specification; most were first stated in the
//! paper.

use super::Zab;
use super::history::{History, Seen};
use super::impossible::Impossible;
use super::log::Snapshot;
use super::message::{Epoch, Place, Txn, Write, Zxid};
use crate::contract::{Effect, Fact, NodeId};
use crate::explored::{Memory, Names};
use crate::machine::Machine;
use crate::system::{Broken, Erased, InvariantInfo, Member, Watch};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// All of them.
pub const INVARIANTS: &[InvariantInfo] = &[
    InvariantInfo {
        name: "leadership-1",
        law: "no two nodes lead in the same epoch at the same time",
        source: "Zab 2011, section 4.1; Zab.tla, Leadership1",
    },
    InvariantInfo {
        name: "leadership-2",
        law: "an epoch has one leadership, ever",
        source: "Zab 2011, section 4.1; Zab.tla, Leadership2",
    },
    InvariantInfo {
        name: "prefix-consistency",
        law: "of what any two nodes ever delivered, one is the beginning of the other",
        source: "Zab.tla, PrefixConsistency",
    },
    InvariantInfo {
        name: "integrity",
        law: "what a node delivers, the primary of that epoch has broadcast",
        source: "Zab 2011, section 3.2; Zab.tla, Integrity",
    },
    InvariantInfo {
        name: "agreement",
        law: "of two transactions that two nodes delivered, one of the nodes has delivered both",
        source: "Zab 2011, section 3.2; Zab.tla, Agreement",
    },
    InvariantInfo {
        name: "total-order",
        law: "if a node delivers one transaction before another, all who deliver the other deliver the one before it",
        source: "Zab 2011, section 3.2; Zab.tla, TotalOrder",
    },
    InvariantInfo {
        name: "local-primary-order",
        law: "who delivers a transaction has delivered all that its primary broadcast before it",
        source: "Zab 2011, section 3.2; Zab.tla, LocalPrimaryOrder",
    },
    InvariantInfo {
        name: "global-primary-order",
        law: "nothing of an earlier epoch is delivered after something of a later one",
        source: "Zab 2011, section 3.2; Zab.tla, GlobalPrimaryOrder",
    },
    InvariantInfo {
        name: "primary-integrity",
        law: "a primary has delivered whatever of earlier epochs anybody delivers, before it broadcasts",
        source: "Zab 2011, section 3.2; Zab.tla, PrimaryIntegrity",
    },
    InvariantInfo {
        name: "should-not-happen",
        law: "no message comes at a point at which no correct node sends it",
        source: "Zab.tla, ShouldNotBeTriggered",
    },
];

/// The invariants of one cluster, with the history they need.
#[derive(Clone, Debug)]
pub struct ZabWatch<M: Machine> {
    history: History<M::Command>,
    /// What was seen of each node, in the order of their ids.
    nodes: Vec<Seen<M::Command>>,
    /// How often each invariant was put to the test.
    witnesses: BTreeMap<&'static str, u64>,
}

impl<M: Machine> Default for ZabWatch<M> {
    fn default() -> Self {
        let unseen = INVARIANTS.iter().map(|invariant| (invariant.name, 0));
        Self {
            history: History::default(),
            nodes: Vec::new(),
            witnesses: unseen.collect(),
        }
    }
}

type Verdict = Result<(), Broken>;

impl<M: Machine> Watch for ZabWatch<M> {
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Verdict {
        self.zab_booted(node, core::<M>(member))
    }

    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Verdict {
        self.zab_stepped(node, core::<M>(member), effects)
    }

    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Verdict {
        let nodes: Vec<(NodeId, &Zab<M>)> = members
            .iter()
            .map(|(node, member)| (*node, core::<M>(*member)))
            .collect();
        audit_nodes(&nodes)
    }

    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        let count = |invariant: &InvariantInfo| (invariant.name, self.witnesses[invariant.name]);
        INVARIANTS.iter().map(count).collect()
    }
}

impl<M: Machine> ZabWatch<M> {
    /// See [`Watch::booted`].
    pub(crate) fn zab_booted(&mut self, node: NodeId, zab: &Zab<M>) -> Verdict {
        *self.seen(node) = Seen {
            leads_in: None,
            delivered: zab.delivered(),
            last: zab.delivered_zxid(),
            open: zab.log().after(zab.delivered()).iter().cloned().collect(),
        };
        Ok(())
    }

    /// See [`Watch::stepped`]. What a node writes and notes is all that is looked at.
    pub(crate) fn zab_stepped(
        &mut self,
        node: NodeId,
        zab: &Zab<M>,
        effects: &[Effect<Erased>],
    ) -> Verdict {
        let mut verdict = Ok(());
        for effect in effects {
            let seen = match effect {
                Effect::Note(Fact::ShouldNotHappen { branch }) => should_not_happen(node, *branch),
                Effect::Note(Fact::SnapshotInstalled { index }) => {
                    let delivered = Place(*index);
                    let seen = self.seen(node);
                    seen.delivered = delivered;
                    seen.last = zab.log().zxid_at(delivered).unwrap_or_default();
                    seen.open.clear();
                    Ok(())
                }
                Effect::Persist(writes) => {
                    let writes = writes.iter().map(|write| write.open());
                    let writes = writes.map(|write| write.expect("a Zab node writes Zab"));
                    self.wrote(node, zab, writes)
                }
                _ => Ok(()),
            };
            verdict = verdict.and(seen);
        }
        self.tested("should-not-happen");
        verdict
            .and_then(|()| self.leads(node, zab.leads_in()))
            .and_then(|()| self.delivered(node, zab))
    }
}

fn core<M: Machine>(member: &dyn Member) -> &Zab<M> {
    member
        .as_any()
        .downcast_ref()
        .expect("a Zab watch is shown Zab nodes")
}

fn broken(invariant: &'static str, message: String) -> Verdict {
    Err(Broken { invariant, message })
}

impl<M: Machine> Memory for ZabWatch<M> {
    fn duplicate(&self) -> Box<dyn Memory> {
        Box::new(self.clone())
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        assert!(
            names.is_none(),
            "votes are ordered by the names of those they are for"
        );
        // All but the witnesses.
        self.history.hash(&mut hasher);
        self.nodes.hash(&mut hasher);
    }
}

impl<M: Machine> ZabWatch<M> {
    fn seen(&mut self, node: NodeId) -> &mut Seen<M::Command> {
        if self.nodes.len() <= node.index() {
            self.nodes.resize_with(node.index() + 1, Seen::default);
        }
        &mut self.nodes[node.index()]
    }

    fn tested(&mut self, invariant: &'static str) {
        *self.witnesses.entry(invariant).or_default() += 1;
    }

    /// A node leads in an epoch, or does not.
    fn leads(&mut self, node: NodeId, leads_in: Option<Epoch>) -> Verdict {
        let before = std::mem::replace(&mut self.seen(node).leads_in, leads_in);
        match leads_in {
            Some(epoch) if before != leads_in => self
                .leadership_1(node, epoch)
                .and_then(|()| self.leadership_2(node, epoch)),
            _ => Ok(()),
        }
    }

    fn leadership_1(&mut self, node: NodeId, epoch: Epoch) -> Verdict {
        self.tested("leadership-1");
        let mut nodes = self.nodes.iter().zip(NodeId::all(u8::MAX));
        let other = nodes.find(|(seen, id)| *id != node && seen.leads_in == Some(epoch));
        match other {
            None => Ok(()),
            Some((_, other)) => broken(
                "leadership-1",
                format!("{node} leads in epoch {epoch}, and so does {other}"),
            ),
        }
    }

    fn leadership_2(&mut self, node: NodeId, epoch: Epoch) -> Verdict {
        self.tested("leadership-2");
        match self.history.led(epoch, node) {
            None => Ok(()),
            Some(other) => broken(
                "leadership-2",
                format!("{node} leads in epoch {epoch}, in which {other} led before"),
            ),
        }
    }

    /// What a node gives to its disk: what a primary appends, it broadcasts.
    fn wrote<'a>(
        &mut self,
        node: NodeId,
        zab: &Zab<M>,
        writes: impl Iterator<Item = &'a Write<M::Command>>,
    ) -> Verdict {
        let mut verdict = Ok(());
        for write in writes {
            let seen = self.seen(node);
            match write {
                Write::Append(txns) => {
                    seen.open.extend(txns.iter().cloned());
                    for txn in txns.iter().filter(|_| zab.leads_in().is_some()) {
                        verdict = verdict.and(self.broadcast(node, zab, txn));
                    }
                }
                Write::Install { snapshot, txns } => {
                    seen.open = txns.iter().cloned().collect();
                    if let Some(snapshot) = snapshot {
                        verdict = verdict.and(self.same_snapshot(node, snapshot));
                    }
                }
                Write::Truncate { after } => {
                    let stays = after.0.saturating_sub(seen.delivered.0);
                    seen.open.truncate(stays as usize);
                }
                Write::Snapshot { snapshot, .. } => {
                    verdict = verdict.and(self.same_snapshot(node, snapshot));
                }
                Write::AcceptedEpoch(_) | Write::CurrentEpoch(_) => {}
            }
        }
        verdict
    }

    /// A primary broadcasts.
    fn broadcast(&mut self, node: NodeId, zab: &Zab<M>, txn: &Txn<M::Command>) -> Verdict {
        // What it numbers as another epoch's nobody has broadcast.
        if zab.leads_in() != Some(txn.zxid.epoch) {
            return Ok(());
        }
        let had = self.seen(node).delivered.max(zab.delivered());
        if !self.history.broadcasts(txn, had) {
            return Ok(());
        }
        self.tested("primary-integrity");
        let missing = self.history.delivered_before(txn.zxid.epoch);
        if had < missing {
            let lacked = self.history.in_place(missing);
            let lacked = lacked.map_or(Zxid::NONE, |txn| txn.zxid);
            return broken(
                "primary-integrity",
                format!(
                    "{node} broadcasts {txn:?}, and {lacked} was delivered before, which it has not delivered"
                ),
            );
        }
        Ok(())
    }

    /// What a node delivered since it was last looked at.
    fn delivered(&mut self, node: NodeId, zab: &Zab<M>) -> Verdict {
        let seen = self.seen(node);
        let from = std::mem::replace(&mut seen.delivered, zab.delivered());
        let mut last = seen.last;
        let mut verdict = Ok(());
        for place in (from.0 + 1..=zab.delivered().0).map(Place) {
            let Some(txn) = &self.seen(node).open.pop_front() else {
                break; // What a node delivers it has written.
            };
            // Of many broken laws the one is told that is closest to the cause.
            verdict = verdict
                .and_then(|()| self.integrity(node, txn))
                .and_then(|()| self.global_primary_order(node, txn, last))
                .and_then(|()| self.local_primary_order(node, txn, last))
                .and_then(|()| self.total_order(node, txn, (last, place)))
                .and_then(|()| self.agreement(node, txn, place))
                .and_then(|()| self.prefix_consistency(node, txn, place))
                .and_then(|()| self.primary_integrity(node, txn, place));
            self.history.delivers(txn, place);
            last = txn.zxid;
        }
        self.seen(node).last = last;
        verdict
    }

    fn integrity(&mut self, node: NodeId, txn: &Txn<M::Command>) -> Verdict {
        self.tested("integrity");
        if self.history.was_broadcast(txn) {
            return Ok(());
        }
        let epoch = txn.zxid.epoch;
        broken(
            "integrity",
            format!(
                "{node} delivers {txn:?}, which the primary of epoch {epoch} did not broadcast"
            ),
        )
    }

    fn global_primary_order(&mut self, node: NodeId, txn: &Txn<M::Command>, last: Zxid) -> Verdict {
        self.tested("global-primary-order");
        if txn.zxid.epoch >= last.epoch {
            return Ok(());
        }
        broken(
            "global-primary-order",
            format!("{node} delivers {txn:?} after {last}"),
        )
    }

    fn local_primary_order(&mut self, node: NodeId, txn: &Txn<M::Command>, last: Zxid) -> Verdict {
        self.tested("local-primary-order");
        match self.history.skipped(last, txn.zxid) {
            None => Ok(()),
            Some(skipped) => broken(
                "local-primary-order",
                format!(
                    "{node} delivers {txn:?} after {last}, and {skipped} was broadcast before it"
                ),
            ),
        }
    }

    /// A transaction is not delivered twice, nor before those that others delivered before it.
    fn total_order(
        &mut self,
        node: NodeId,
        txn: &Txn<M::Command>,
        (last, place): (Zxid, Place),
    ) -> Verdict {
        self.tested("total-order");
        if txn.zxid <= last {
            return broken(
                "total-order",
                format!("{node} delivers {txn:?} after {last}"),
            );
        }
        let elsewhere = self.history.place_of(txn.zxid);
        match elsewhere.filter(|known| *known != place) {
            None => Ok(()),
            Some(known) => broken(
                "total-order",
                format!(
                    "{node} delivers {txn:?} as the {place}. transaction, and others as the {known}."
                ),
            ),
        }
    }

    /// What others hold delivered in the same place is the same.
    fn agreement(&mut self, node: NodeId, txn: &Txn<M::Command>, place: Place) -> Verdict {
        self.tested("agreement");
        let known = self.history.in_place(place);
        let Some(known) = known.filter(|known| *known != txn) else {
            return Ok(());
        };
        let mut nodes = self.nodes.iter().zip(NodeId::all(u8::MAX));
        if !nodes.any(|(seen, id)| id != node && seen.delivered >= place) {
            return Ok(());
        }
        broken(
            "agreement",
            format!("{node} delivers {txn:?} where another delivered {known:?}"),
        )
    }

    /// What was ever delivered in the same place is the same.
    fn prefix_consistency(&mut self, node: NodeId, txn: &Txn<M::Command>, place: Place) -> Verdict {
        self.tested("prefix-consistency");
        let known = self.history.in_place(place);
        match known.filter(|known| *known != txn) {
            None => Ok(()),
            Some(known) => broken(
                "prefix-consistency",
                format!("{node} delivers {txn:?} where {known:?} was delivered once"),
            ),
        }
    }

    fn same_snapshot(&mut self, node: NodeId, snapshot: &Snapshot) -> Verdict {
        self.tested("prefix-consistency");
        if !self.history.differs(snapshot) {
            return Ok(());
        }
        broken(
            "prefix-consistency",
            format!(
                "{node} has a snapshot up to {} that differs from another",
                snapshot.zxid
            ),
        )
    }

    /// The other half: whoever has begun to broadcast in a later epoch had delivered it.
    fn primary_integrity(&mut self, node: NodeId, txn: &Txn<M::Command>, place: Place) -> Verdict {
        self.tested("primary-integrity");
        match self.history.began_without(txn, place) {
            None => Ok(()),
            Some(epoch) => broken(
                "primary-integrity",
                format!(
                    "{node} delivers {txn:?}, which the primary of epoch {epoch} had not delivered when it began to broadcast"
                ),
            ),
        }
    }
}

fn should_not_happen(node: NodeId, branch: u8) -> Verdict {
    let what = Impossible::ALL[usize::from(branch)].clause();
    broken("should-not-happen", format!("at {node} {what}"))
}

/// The plain form of the laws, over the whole histories of the nodes that are up.
pub fn audit_nodes<M: Machine>(nodes: &[(NodeId, &Zab<M>)]) -> Verdict {
    for (at, (node, zab)) in nodes.iter().enumerate() {
        let delivered = zab.log().after(Place(0)).iter();
        let kept = (zab.delivered().0 - zab.log().dropped().0.0) as usize;
        let zxids: Vec<Zxid> = delivered.take(kept).map(|txn| txn.zxid).collect();
        for pair in zxids.windows(2) {
            let law = match pair[0].epoch.cmp(&pair[1].epoch) {
                std::cmp::Ordering::Greater => "global-primary-order",
                _ if pair[0] >= pair[1] => "total-order",
                _ => continue,
            };
            return broken(law, format!("{node} has {} before {}", pair[0], pair[1]));
        }
        for (other, peer) in &nodes[..at] {
            if let (Some(epoch), true) = (zab.leads_in(), zab.leads_in() == peer.leads_in()) {
                let text = format!("{other} and {node} both lead in epoch {epoch}");
                return broken("leadership-1", text);
            }
            if let Some(place) = difference(zab, peer) {
                let here = zab.log().zxid_at(place).unwrap_or_default();
                let there = peer.log().zxid_at(place).unwrap_or_default();
                let text = format!("{node} has delivered {here} where {other} has {there}");
                return broken("prefix-consistency", text);
            }
        }
    }
    Ok(())
}

/// The first place in which two nodes have delivered different transactions.
fn difference<M: Machine>(one: &Zab<M>, other: &Zab<M>) -> Option<Place> {
    let (from, to) = (
        one.log().dropped().0.max(other.log().dropped().0),
        one.delivered().min(other.delivered()),
    );
    let mut places = (from.0 + 1..=to.0).map(Place);
    places.find(|place| one.log().get(*place) != other.log().get(*place))
}
