//! Running a cluster: who its members are, and who leads it. The same words for every protocol.

use crate::contract::NodeId;
use crate::node_set::NodeSet;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// What an operator asks of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Manage {
    /// Take the next step towards these voters, and say done when they are the cluster. It is asked again and again until then; who asks
    /// for other voters in between changes the goal.
    Members(NodeSet),
    /// Let this node lead. Done when it was asked to.
    Transfer(NodeId),
    /// Say how this node is. Any node answers.
    Status,
}

/// How a node is, as it sees itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Report {
    /// Which node.
    pub node: NodeId,
    /// What it is: `leader`, `follower` and so on.
    pub role: String,
    /// Its term or ballot.
    pub epoch: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// How far the log is committed, as far as it knows.
    pub commit: u64,
    /// Where its log ends.
    pub last: u64,
    /// The last index in its newest snapshot; 0 without one.
    pub snapshot: u64,
    /// Who has a vote.
    pub voters: NodeSet,
    /// Who is sent the log and has no vote.
    pub learners: NodeSet,
}

impl Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} @{}", self.node, self.role, self.epoch)?;
        if let Some(leader) = self.leader {
            write!(f, " leader={leader}")?;
        }
        write!(f, " commit={} last={}", self.commit, self.last)?;
        if self.snapshot > 0 {
            write!(f, " snapshot={}", self.snapshot)?;
        }
        write!(f, " voters={}", self.voters)?;
        if !self.learners.is_empty() {
            write!(f, " learners={}", self.learners)?;
        }
        Ok(())
    }
}
