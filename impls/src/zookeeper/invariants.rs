//! What must always hold across the servers: the laws of the broadcast, and those of the state that it replicates.

use super::Zookeeper;
use super::words::{SessionId, ZxidNumber};
use super::znodes::Znodes;
use crate::contract::{Effect, NodeId};
use crate::explored::{Memory, Names};
use crate::system::{Broken, Erased, InvariantInfo, Member, Watch};
use crate::zab::invariants::{ZabWatch, audit_nodes};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// All of them: the broadcast's first.
pub const INVARIANTS: &[InvariantInfo] = &{
    let [a, b, c, d, e, f, g, h, i, j] = *BROADCAST;
    [a, b, c, d, e, f, g, h, i, j, SAME_TREE, NO_ORPHANS]
};

const BROADCAST: &[InvariantInfo; 10] = match crate::zab::invariants::INVARIANTS.first_chunk() {
    Some(laws) => laws,
    None => panic!("the broadcast has ten laws"),
};

const SAME_TREE: InvariantInfo = InvariantInfo {
    name: "same-tree",
    law: "servers that have delivered the same have the same tree",
    source: "Hunt and others, ATC 2010, section 4.3; ZOOKEEPER-3114",
};

const NO_ORPHANS: InvariantInfo = InvariantInfo {
    name: "no-orphans",
    law: "the session that an ephemeral node belongs to is open",
    source: "ZooKeeper Programmer's Guide, ephemeral nodes",
};

/// The invariants of one cluster, with the history they need.
#[derive(Clone, Debug, Default)]
pub struct ZookeeperWatch {
    zab: ZabWatch<Znodes>,
    /// By zxid: what the tree hashed to at the first who had delivered just that.
    digests: BTreeMap<ZxidNumber, u64>,
    /// By node: the last command it was seen to have applied, and the sessions that were open then.
    last: BTreeMap<NodeId, (ZxidNumber, BTreeSet<SessionId>)>,
    /// How often the two laws of the state were put to the test.
    tested: u64,
}

type Verdict = Result<(), Broken>;

impl Watch for ZookeeperWatch {
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Verdict {
        let server = core(member);
        self.zab.zab_booted(node, server.zab())?;
        self.last.remove(&node);
        self.applied(node, server)
    }

    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Verdict {
        let server = core(member);
        self.zab.zab_stepped(node, server.zab(), effects)?;
        self.applied(node, server)
    }

    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Verdict {
        let nodes: Vec<(NodeId, &Zookeeper)> = members
            .iter()
            .map(|(node, member)| (*node, core(*member)))
            .collect();
        let below: Vec<_> = nodes
            .iter()
            .map(|(node, server)| (*node, server.zab()))
            .collect();
        audit_nodes(&below)?;
        for (at, (node, server)) in nodes.iter().enumerate() {
            let znodes = server.znodes();
            let tree = znodes.tree();
            if tree.digest() != tree.digest_anew() {
                let message = format!("the digest at {node} is not that of its tree");
                return broken("same-tree", message);
            }
            let mut owners = tree
                .nodes()
                .map(|(path, node)| (path, node.ephemeral_owner));
            let orphan = owners.find(|(_, owner)| is_orphaned(znodes, *owner));
            if let Some((path, owner)) = orphan {
                let message = format!("{path} at {node} is of {owner}, which has ended");
                return broken("no-orphans", message);
            }
            for (other, peer) in &nodes[..at] {
                let same = peer.znodes().last() == znodes.last();
                if same && peer.znodes().tree() != tree {
                    let message = format!("{node} and {other} have different trees");
                    return broken("same-tree", message);
                }
            }
        }
        Ok(())
    }

    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        let own = [SAME_TREE, NO_ORPHANS].map(|law| (law.name, self.tested));
        self.zab.witnesses().into_iter().chain(own).collect()
    }
}

fn core(member: &dyn Member) -> &Zookeeper {
    member
        .as_any()
        .downcast_ref()
        .expect("a ZooKeeper watch is shown ZooKeeper servers")
}

fn broken(invariant: &'static str, message: String) -> Verdict {
    Err(Broken { invariant, message })
}

fn is_orphaned(znodes: &Znodes, owner: SessionId) -> bool {
    owner != SessionId::NONE && !znodes.sessions().contains_key(&owner)
}

/// A node whose session has ended.
fn orphan(znodes: &Znodes) -> Option<(SessionId, &String)> {
    let owners = znodes.tree().nodes();
    let mut owners = owners.map(|(path, node)| (node.ephemeral_owner, path));
    owners.find(|(owner, _)| is_orphaned(znodes, *owner))
}

impl ZookeeperWatch {
    /// A server may have applied something.
    fn applied(&mut self, node: NodeId, server: &Zookeeper) -> Verdict {
        let znodes = server.znodes();
        let last = znodes.last();
        let (seen, open) = self.last.entry(node).or_default();
        if *seen == last {
            return Ok(());
        }
        *seen = last;
        self.tested += 1;
        let known = open.iter();
        let has_ended = known.clone().any(|session| is_orphaned(znodes, *session));
        if has_ended || open.len() != znodes.sessions().len() {
            *open = znodes.sessions().keys().copied().collect();
        }
        // All nodes are looked at when a session has ended; a node that is made is among those that the server knows to go with a session.
        let left = has_ended.then(|| orphan(znodes)).flatten();
        if let Some((session, path)) = left.or_else(|| znodes.orphan()) {
            let message = format!("{path} at {node} is of {session}, which has ended");
            return broken("no-orphans", message);
        }
        let digest = znodes.tree().digest();
        let known = *self.digests.entry(last).or_insert(digest);
        if known == digest {
            return Ok(());
        }
        let (epoch, counter) = (last >> 32, last & 0xffff_ffff);
        let message = format!("{node} has another tree after {epoch}:{counter} than another had");
        broken("same-tree", message)
    }
}

impl Memory for ZookeeperWatch {
    fn duplicate(&self) -> Box<dyn Memory> {
        Box::new(self.clone())
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        self.zab.feed(names, hasher);
        self.digests.hash(&mut hasher);
        self.last.hash(&mut hasher);
    }
}
