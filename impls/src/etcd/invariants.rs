//! What must always hold across the members: the laws of the log, and those of the state that it replicates.

use super::Etcd;
use super::disk::Write;
use super::message::{Body, Message};
use super::state::State;
use super::words::{Keys, Revision};
use crate::contract::{Effect, NodeId};
use crate::explored::{Memory, Names};
use crate::fnv::Fnv;
use crate::raft::invariants::{INVARIANTS as OF_LOG, RaftWatch, Seeing};
use crate::raft::message::Write as LogWrite;
use crate::system::{Broken, Erased, InvariantInfo, Member, Watch};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// All of them: the log's first.
pub const INVARIANTS: &[InvariantInfo] = &{
    let mut all = [APPLIED_WITH_DATA; OF_LOG.len() + OWN.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at < OF_LOG.len() {
            true => OF_LOG[at],
            false => OWN[at - OF_LOG.len()],
        };
        at += 1;
    }
    all
};

const OWN: [InvariantInfo; 3] = [APPLIED_WITH_DATA, EQUAL_STORES, EQUAL_CHANGES];

const APPLIED_WITH_DATA: InvariantInfo = InvariantInfo {
    name: "applied-with-data",
    law: "a member's data has nothing of entries behind the one up to which it has applied",
    source: "etcd#13766, consistent index",
};

const EQUAL_STORES: InvariantInfo = InvariantInfo {
    name: "equal-stores",
    law: "members that have applied the same have the same keys, revisions, leases and rights",
    source: "Raft 5.4.3; etcd, corruption check",
};

const EQUAL_CHANGES: InvariantInfo = InvariantInfo {
    name: "equal-changes",
    law: "what happened at a revision is the same at all members that have the revision",
    source: "etcd API guarantees, Revision",
};

/// The invariants, with the history they need. A cluster that was made of another's store is a cluster of its own, whose members may be the other's.
#[derive(Clone, Debug, Default)]
pub struct EtcdWatch {
    clusters: BTreeMap<u64, Cluster>,
    /// Of which cluster each member is.
    of: BTreeMap<NodeId, u64>,
}

/// The invariants of one cluster.
#[derive(Clone, Debug, Default)]
struct Cluster {
    raft: RaftWatch<State>,
    /// By the place of the last command applied: what the state looked like at the first member that had applied just that.
    states: BTreeMap<u64, Looks>,
    /// By revision: what happened at it hashed to, at the first member that had it.
    changes: BTreeMap<Revision, u64>,
    /// By member: the place of the last command it was seen to have applied, and its revision.
    last: BTreeMap<NodeId, (u64, Revision)>,
    /// How often each of the laws of the state was put to the test.
    tested: [u64; OWN.len()],
}

/// What tells one state from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Looks {
    store: u64,
    revision: Revision,
    leases: usize,
    auth_revision: u64,
    auth_enabled: bool,
}

impl Looks {
    fn of(state: &State) -> Self {
        Self {
            store: state.store().digest(),
            revision: state.store().revision(),
            leases: state.leases().len(),
            auth_revision: state.auth().revision,
            auth_enabled: state.auth().enabled,
        }
    }
}

type Verdict = Result<(), Broken>;

impl Watch for EtcdWatch {
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Verdict {
        let etcd = core(member);
        self.of.insert(node, etcd.cluster());
        let cluster = self.clusters.entry(etcd.cluster()).or_default();
        cluster.booted(node, etcd)
    }

    fn synced(&mut self, node: NodeId) {
        let cluster = self.of.get(&node);
        if let Some(cluster) = cluster.and_then(|cluster| self.clusters.get_mut(cluster)) {
            cluster.raft.synced(node);
        }
    }

    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Verdict {
        let etcd = core(member);
        let cluster = self.clusters.entry(etcd.cluster()).or_default();
        cluster.stepped(node, etcd, effects)
    }

    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Verdict {
        let members = members.iter();
        let members: Vec<(NodeId, &Etcd)> = members
            .map(|(node, member)| (*node, core(*member)))
            .collect();
        self.clusters.iter().try_for_each(|(number, cluster)| {
            let own = members.iter().filter(|(_, etcd)| etcd.cluster() == *number);
            let own: Vec<(NodeId, &Etcd)> = own.copied().collect();
            cluster.audit(&own)
        })
    }

    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        let mut all = Cluster::default().witnesses();
        for cluster in self.clusters.values() {
            for (sum, (_, count)) in all.iter_mut().zip(cluster.witnesses()) {
                sum.1 += count;
            }
        }
        all
    }
}

impl Cluster {
    fn booted(&mut self, node: NodeId, etcd: &Etcd) -> Verdict {
        self.raft.raft_booted(node, etcd.raft())?;
        self.taken_over(node, etcd);
        self.applied(node, etcd)
    }

    /// A state that a member begins with, or takes over from another, is looked at as a whole.
    fn taken_over(&mut self, node: NodeId, etcd: &Etcd) {
        let compacted = etcd.state().store().compacted();
        self.last.insert(node, (0, compacted.saturating_sub(1)));
    }

    fn stepped(&mut self, node: NodeId, etcd: &Etcd, effects: &[Effect<Erased>]) -> Verdict {
        let seeing = effects.iter().filter_map(|effect| match effect {
            Effect::Persist(writes) => {
                let writes = writes.iter().filter_map(|write| {
                    let write = write.open();
                    match write.expect("a member writes its own writes") {
                        Write::Raft(write) => Some(write),
                        Write::Commit(_) => None,
                    }
                });
                Some(Seeing::Persist(writes.collect()))
            }
            Effect::Send { to, message } => {
                let message: Option<&Message> = message.open();
                match &message.expect("a member sends its own messages").body {
                    Body::Raft(message) => Some(Seeing::Send(*to, message)),
                    _ => None,
                }
            }
            _ => None,
        });
        self.raft.raft_stepped(node, etcd.raft(), seeing)?;
        if effects.iter().any(installs) {
            self.taken_over(node, etcd);
        }
        self.applied(node, etcd)
    }

    fn audit(&self, members: &[(NodeId, &Etcd)]) -> Verdict {
        let logs: Vec<_> = members
            .iter()
            .map(|(node, etcd)| (*node, etcd.raft()))
            .collect();
        self.raft.audit_nodes(&logs)?;
        for (at, (node, etcd)) in members.iter().enumerate() {
            let state = etcd.state();
            data_ahead(*node, etcd)?;
            if state.store().digest() != state.store().digest_anew() {
                let message = format!("the digest at {node} is not that of its keys");
                return broken("equal-stores", message);
            }
            let known = self.states.get(&state.applied());
            if known.is_some_and(|known| *known != Looks::of(state)) {
                return differ(*node, state.applied());
            }
            for (other, peer) in &members[..at] {
                let same = peer.state().applied() == state.applied();
                if same && peer.state() != state {
                    let message = format!("{node} and {other} have applied the same and differ");
                    return broken("equal-stores", message);
                }
            }
        }
        Ok(())
    }

    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        let own = OWN.iter().map(|law| law.name).zip(self.tested);
        self.raft.witnesses().into_iter().chain(own).collect()
    }

    /// A member may have applied something.
    fn applied(&mut self, node: NodeId, etcd: &Etcd) -> Verdict {
        let (state, store) = (etcd.state(), etcd.state().store());
        let (applied, revision) = (state.applied(), store.revision());
        let seen = self.last.insert(node, (applied, revision));
        let (applied_before, revision_before) = seen.unwrap_or_default();
        if (applied_before, revision_before) == (applied, revision) {
            return Ok(());
        }
        self.tested[0] += 1;
        data_ahead(node, etcd)?;
        let from = revision_before.max(store.compacted().saturating_sub(1)) + 1;
        let everything = Keys::from("");
        for revision in from..=revision {
            let mut hasher = Fnv::default();
            for change in store.changes(&everything, revision) {
                change.kv.hash(&mut hasher);
            }
            let happened = hasher.finish();
            let known = *self.changes.entry(revision).or_insert(happened);
            self.tested[2] += 1;
            if known != happened {
                let message = format!(
                    "at revision {revision} something else happened at {node} than elsewhere"
                );
                return broken("equal-changes", message);
            }
        }
        let looks = Looks::of(state);
        let known = *self.states.entry(applied).or_insert(looks);
        self.tested[1] += 1;
        match known == looks {
            true => Ok(()),
            false => differ(node, applied),
        }
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        self.raft.feed(names, hasher);
        self.states.hash(&mut hasher);
        self.changes.hash(&mut hasher);
        self.last.hash(&mut hasher);
    }
}

/// Whether another member's state is taken over.
fn installs(effect: &Effect<Erased>) -> bool {
    let Effect::Persist(writes) = effect else {
        return false;
    };
    writes.iter().any(|write| {
        let write: Option<&Write> = write.open();
        matches!(write, Some(Write::Raft(LogWrite::Install { .. })))
    })
}

fn core(member: &dyn Member) -> &Etcd {
    member
        .as_any()
        .downcast_ref()
        .expect("an etcd watch is shown members of etcd")
}

fn broken(invariant: &'static str, message: String) -> Verdict {
    Err(Broken { invariant, message })
}

fn differ(node: NodeId, applied: u64) -> Verdict {
    let message = format!("{node} has another state after entry {applied} than another member had");
    broken("equal-stores", message)
}

/// A member whose data has more than it says.
fn data_ahead(node: NodeId, etcd: &Etcd) -> Verdict {
    let (applied, commit) = (etcd.state().applied(), etcd.raft().commit().0);
    match applied <= commit {
        true => Ok(()),
        false => broken(
            "applied-with-data",
            format!("the data at {node} has entry {applied}, and it has applied up to {commit}"),
        ),
    }
}

impl Memory for EtcdWatch {
    fn duplicate(&self) -> Box<dyn Memory> {
        Box::new(self.clone())
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        for (number, cluster) in &self.clusters {
            number.hash(&mut hasher);
            cluster.feed(names, hasher);
        }
        self.of.hash(&mut hasher);
    }
}
