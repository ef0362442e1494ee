//! Whom a fault befalls: the nodes a target stands for just now, and the links of a shape.

use super::{Conductor, Progress};
use crate::schedule::{Links, Target};
use stormglass_impls::contract::NodeId;

impl Conductor {
    /// The links a shape means. `befallen` is its target, where it has one.
    pub(super) fn links(&self, links: &Links, befallen: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        match links {
            Links::Between { left, right } => between(left, right),
            Links::OneWay { from, to } => pairs(from, to).collect(),
            Links::Around { .. } => {
                let others: Vec<NodeId> = NodeId::all(self.nodes)
                    .filter(|node| !befallen.contains(node))
                    .collect();
                between(befallen, &others)
            }
            Links::Pairs(pairs) => pairs
                .iter()
                .flat_map(|(one, other)| [(*one, *other), (*other, *one)])
                .collect(),
            Links::AcrossRing { order } => {
                let far = |(place, other): (usize, usize)| {
                    let distance = place.abs_diff(other);
                    distance.min(order.len() - distance) > 1
                };
                let places = 0..order.len();
                let all = places
                    .clone()
                    .flat_map(|place| places.clone().map(move |other| (place, other)));
                all.filter(|pair| far(*pair))
                    .map(|(place, other)| (order[place], order[other]))
                    .collect()
            }
        }
    }

    /// The nodes a target stands for, or why there are none.
    pub(super) fn resolve(
        &self,
        at: usize,
        target: &Target,
        progress: &Progress<'_>,
    ) -> Result<Vec<NodeId>, String> {
        let found = match target {
            Target::Node(node) => return Ok(vec![*node]),
            Target::Nodes(nodes) => return Ok(nodes.clone()),
            Target::Leader => self.leader.map(|(_, leader)| leader).ok_or("no node leads"),
            Target::Subject => self.faults[at].subject.ok_or("no fact started it"),
            Target::Newcomer => {
                let up = self.newcomer.filter(|node| !self.is_down(*node));
                up.ok_or("no node that was started again is up")
            }
            Target::Behind => {
                let leader = self.leader.map(|(_, leader)| leader);
                let follows = NodeId::all(self.nodes)
                    .filter(|node| Some(*node) != leader && !self.is_down(*node));
                let placed = follows.filter_map(|node| Some((progress(node)?, node)));
                placed
                    .min()
                    .map(|(_, node)| node)
                    .ok_or("no node that follows is up")
            }
        };
        found.map(|node| vec![node]).map_err(str::to_string)
    }
}

/// All links from one group to another.
fn pairs(from: &[NodeId], to: &[NodeId]) -> impl Iterator<Item = (NodeId, NodeId)> {
    let link = |from: NodeId| to.iter().map(move |to| (from, *to));
    from.iter()
        .copied()
        .flat_map(link)
        .filter(|(from, to)| from != to)
}

/// All links between two groups, both ways.
pub(super) fn between(left: &[NodeId], right: &[NodeId]) -> Vec<(NodeId, NodeId)> {
    pairs(left, right).chain(pairs(right, left)).collect()
}
