//! The plain form of the laws, over the whole logs of the nodes that are up.

use super::super::message::Index;
use super::laws::{changes_wrong, out_of_order, progress_wrong};
use super::{Broken, Raft, RaftWatch, broken, incomplete};
use crate::contract::NodeId;
use crate::machine::Machine;

impl<M: Machine> RaftWatch<M> {
    /// Compares every log with every other. What is compacted cannot be compared.
    pub fn audit_nodes(&self, nodes: &[(NodeId, &Raft<M>)]) -> Result<(), Broken> {
        for (at, (node, raft)) in nodes.iter().enumerate() {
            out_of_order(*node, raft)?;
            progress_wrong(*node, raft)?;
            changes_wrong(*node, raft, Index(self.committed.len() as u64))?;
            for (other, peer) in &nodes[..at] {
                compare((*other, peer), (*node, raft))?;
            }
            let mut earlier = self.committed.iter();
            let missing = earlier.find(|committed| {
                let position = committed.position;
                committed.term < raft.term()
                    && position.index >= raft.log().base().index
                    && !raft.log().contains(position)
            });
            if let (true, Some(missing)) = (raft.is_leader(), missing) {
                return incomplete(*node, raft, missing.position);
            }
        }
        Ok(())
    }
}

fn compare<M: Machine>(
    (other, peer): (NodeId, &Raft<M>),
    (node, raft): (NodeId, &Raft<M>),
) -> Result<(), Broken> {
    if raft.is_leader() && peer.is_leader() && raft.term() == peer.term() {
        return broken(
            "election-safety",
            format!("{other} and {node} both lead in term {}", raft.term()),
        );
    }
    let from = raft.log().base().index.max(peer.log().base().index);
    let (mine, theirs) = (raft.log().after(from), peer.log().after(from));
    let agreed = mine
        .iter()
        .zip(theirs)
        .rposition(|(mine, theirs)| mine.position == theirs.position);
    let agreed = agreed.map_or(0, |last| last + 1);
    if mine[..agreed] != theirs[..agreed] {
        let last = Index(from.0 + agreed as u64);
        return broken(
            "log-matching",
            format!("{other} and {node} differ below their common entry {last}"),
        );
    }
    let both = raft.commit().min(peer.commit());
    let applied = both.0.saturating_sub(from.0) as usize;
    let applied = applied.min(mine.len()).min(theirs.len());
    if mine[..applied] != theirs[..applied] {
        return broken(
            "state-machine-safety",
            format!("{other} and {node} applied different entries up to {both}"),
        );
    }
    Ok(())
}
