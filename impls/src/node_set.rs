//! A set of nodes, small and cheap to copy.

use crate::contract::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display};

/// The most nodes a cluster can have, spares and all: as many as a set has bits.
pub const NODES_MAX: u8 = 63;

/// A set of nodes of one cluster. Node `n1` is the lowest bit.
///
/// ```
/// use stormglass_impls::{contract::NodeId, node_set::NodeSet};
/// let set: NodeSet = [NodeId(3), NodeId(1)].into_iter().collect();
/// assert_eq!(set.to_string(), "{n1 n3}");
/// assert!(set.contains(NodeId(3)) && !set.contains(NodeId(2)));
/// assert_eq!(set.without(NodeId(3)).len(), 1);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeSet(u64);

impl NodeSet {
    /// No node.
    pub const EMPTY: NodeSet = NodeSet(0);

    /// The first so many nodes: `n1`, `n2` and so on.
    pub fn first(count: u8) -> NodeSet {
        NodeId::all(count).collect()
    }

    /// Whether it has this node.
    pub fn contains(self, node: NodeId) -> bool {
        self.0 & bit(node) != 0
    }

    /// The same with this node.
    #[must_use]
    pub fn with(self, node: NodeId) -> NodeSet {
        NodeSet(self.0 | bit(node))
    }

    /// The same without this node.
    #[must_use]
    pub fn without(self, node: NodeId) -> NodeSet {
        NodeSet(self.0 & !bit(node))
    }

    /// Adds a node.
    pub fn insert(&mut self, node: NodeId) {
        *self = self.with(node);
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 & other.0)
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn difference(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 & !other.0)
    }

    /// Whether all of it is in the other.
    pub fn is_subset(self, other: NodeSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many nodes it has.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether it has no node.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether more than half of this set is in the other.
    pub fn has_majority_in(self, other: NodeSet) -> bool {
        2 * self.intersection(other).len() > self.len()
    }

    /// Its nodes by id.
    pub fn iter(self) -> impl Iterator<Item = NodeId> + Clone {
        (0..64u8)
            .filter(move |at| self.0 >> at & 1 == 1)
            .map(|at| NodeId(at + 1))
    }
}

fn bit(node: NodeId) -> u64 {
    assert!(
        (1..=NODES_MAX).contains(&node.0),
        "node ids are from 1 to {NODES_MAX}"
    );
    1 << (node.0 - 1)
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        nodes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, node) in self.iter().enumerate() {
            write!(f, "{}{node}", if at == 0 { "" } else { " " })?;
        }
        f.write_str("}")
    }
}

impl Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half_of_the_set_itself() {
        let set = NodeSet::first(4);
        let two = NodeSet::first(2).with(NodeId(9));
        assert!(!set.has_majority_in(two), "two of four, and a stranger");
        assert!(set.has_majority_in(two.with(NodeId(4))));
        assert!(
            !NodeSet::EMPTY.has_majority_in(set),
            "nobody agrees to nothing"
        );
    }

    #[test]
    fn sets_are_sets() {
        let (one, other) = (NodeSet::first(3), NodeSet::first(5).without(NodeId(1)));
        assert_eq!(one.union(other), NodeSet::first(5));
        assert_eq!(
            one.intersection(other).iter().collect::<Vec<_>>(),
            [NodeId(2), NodeId(3)]
        );
        assert_eq!(one.difference(other), NodeSet::first(1));
        assert!(NodeSet::EMPTY.is_subset(one) && !other.is_subset(one));
        assert_eq!(NodeSet::first(NODES_MAX).len(), 63);
    }
}
