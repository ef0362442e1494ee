//! Who takes part: voters, learners, and two sets of voters while one replaces the other (Raft 6, dissertation 4).

use crate::contract::NodeId;
use crate::node_set::NodeSet;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// The members of a cluster.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Members {
    /// Who has a vote; in a joint configuration, who will have one.
    pub voters: NodeSet,
    /// In a joint configuration, who had a vote before and has one still. Empty otherwise.
    pub outgoing: NodeSet,
    /// Who is sent the log and has no vote.
    pub learners: NodeSet,
}

impl Members {
    /// These voters and nobody else.
    pub fn of(voters: NodeSet) -> Self {
        Self {
            voters,
            ..Self::default()
        }
    }

    /// Whether two sets of voters share the say.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether that node has a vote.
    pub fn has_vote(&self, node: NodeId) -> bool {
        self.voters.contains(node) || self.outgoing.contains(node)
    }

    /// All who are sent the log.
    pub fn everyone(&self) -> NodeSet {
        self.voters.union(self.outgoing).union(self.learners)
    }

    /// Whether a majority is among these nodes; in a joint configuration, a majority of either set of voters (Raft 6).
    pub fn agree(&self, nodes: NodeSet) -> bool {
        self.voters.has_majority_in(nodes)
            && (!self.is_joint() || self.outgoing.has_majority_in(nodes))
    }

    /// What follows a joint configuration.
    pub fn left(&self) -> Members {
        Members {
            outgoing: NodeSet::EMPTY,
            ..*self
        }
    }

    /// The next step towards these voters and no learners; `None` when that is what there is. Newcomers first learn, so that they do not
    /// hold the others up with an empty log (dissertation 4.2.1). `caught_up` says of a learner whether it has. A change of one voter is
    /// made at once, for the majorities before and after share a node; a greater one goes through a joint configuration.
    pub fn step_towards(&self, goal: NodeSet, caught_up: impl Fn(NodeId) -> bool) -> Step {
        let strangers = self.learners.difference(goal);
        let newcomers = goal.difference(self.voters);
        if self.voters == goal && self.learners.is_empty() {
            return Step::There;
        }
        if !strangers.is_empty() || !newcomers.is_subset(self.learners) {
            return Step::Change(Members {
                learners: newcomers,
                ..*self
            });
        }
        if !newcomers.iter().all(caught_up) {
            return Step::Wait;
        }
        let changed = newcomers.len() + self.voters.difference(goal).len();
        let joint = changed > 1;
        Step::Change(Members {
            voters: goal,
            outgoing: if joint { self.voters } else { NodeSet::EMPTY },
            learners: NodeSet::EMPTY,
        })
    }
}

/// The next step of a change of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is left to change.
    There,
    /// A learner has to catch up first.
    Wait,
    /// These are next.
    Change(Members),
}

/// `{n1 n2}`, `{n1 n4}&{n1 n2}` while both have a say, `{n1 n2}+{n3}` with a learner.
impl Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.voters)?;
        if self.is_joint() {
            write!(f, "&{}", self.outgoing)?;
        }
        if !self.learners.is_empty() {
            write!(f, "+{}", self.learners)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u8]) -> NodeSet {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn a_joint_configuration_needs_both_majorities() {
        let joint = Members {
            voters: set(&[3, 4, 5]),
            outgoing: set(&[1, 2, 3]),
            learners: set(&[6]),
        };
        assert!(!joint.agree(set(&[3, 4, 5])), "only one of the old");
        assert!(!joint.agree(set(&[1, 2, 3, 6])), "only one of the new");
        assert!(joint.agree(set(&[2, 3, 4])));
        assert_eq!(
            joint.left(),
            Members {
                outgoing: NodeSet::EMPTY,
                ..joint
            }
        );
    }

    /// Follows the steps to a goal, with learners that catch up at once.
    fn path(from: Members, goal: NodeSet) -> Vec<Members> {
        let (mut at, mut path) = (from, Vec::new());
        loop {
            match at.step_towards(goal, |_| true) {
                Step::There => return path,
                Step::Wait => panic!("everybody has caught up"),
                Step::Change(next) => {
                    path.push(next);
                    at = if next.is_joint() { next.left() } else { next };
                }
            }
        }
    }

    #[test]
    fn a_change_goes_step_by_step_to_its_goal() {
        let three = Members::of(set(&[1, 2, 3]));
        let shown = |goal: &[u8]| format!("{:?}", path(three, set(goal)));
        assert_eq!(shown(&[1, 2, 3]), "[]");
        assert_eq!(shown(&[1, 2]), "[{n1 n2}]");
        assert_eq!(shown(&[1, 2, 3, 4]), "[{n1 n2 n3}+{n4}, {n1 n2 n3 n4}]");
        assert_eq!(
            shown(&[1, 2, 4]),
            "[{n1 n2 n3}+{n4}, {n1 n2 n4}&{n1 n2 n3}]"
        );
        assert_eq!(
            three.step_towards(set(&[1, 2, 3, 4]), |_| false),
            Step::Change(Members {
                learners: set(&[4]),
                ..three
            })
        );
        let learning = Members {
            learners: set(&[4]),
            ..three
        };
        assert_eq!(
            learning.step_towards(set(&[1, 2, 3, 4]), |_| false),
            Step::Wait
        );
        assert_eq!(
            learning.step_towards(set(&[1, 2, 3]), |_| false),
            Step::Change(three),
            "another goal: who learned for the last one goes"
        );
    }
}
