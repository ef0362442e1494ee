//! How a node is, in words.

use super::message::Epoch;
use super::{Phase, Role, Zab};
use crate::contract::NodeId;
use crate::machine::Machine;
use crate::manage::Report;
use crate::node_set::NodeSet;
use std::fmt::{self, Debug};

impl<M: Machine> Zab<M> {
    /// What this node is, in a word.
    fn rank(&self) -> &'static str {
        match &self.role {
            Role::Looking(_) => "looking",
            Role::Following(follower) => match follower.phase {
                Phase::Discovery => "turning",
                Phase::Synchronisation { .. } => "synchronising",
                Phase::Synchronised => "synchronised",
                Phase::Broadcast => "follower",
            },
            Role::Leading(leader) if leader.broadcasts() => "leader",
            Role::Leading(leader) if leader.is_synchronising() => "synchronising leader",
            Role::Leading(_) => "discovering leader",
        }
    }

    /// Whom this node takes part in the broadcast of, in which epoch, if it takes part in one: itself, if it is the leader.
    pub(crate) fn serves(&self) -> Option<(NodeId, Epoch)> {
        match &self.role {
            Role::Looking(_) => None,
            Role::Following(follower) => {
                let serves = follower.phase == Phase::Broadcast;
                serves.then_some((follower.leader, self.current))
            }
            Role::Leading(leader) => {
                let epoch = leader.epoch.filter(|_| leader.broadcasts());
                epoch.map(|epoch| (self.id(), epoch))
            }
        }
    }

    /// What an operator is told.
    pub(crate) fn status(&self) -> Report {
        Report {
            node: self.id(),
            role: self.rank().to_string(),
            epoch: self.accepted.0,
            leader: match &self.role {
                Role::Looking(_) => None,
                Role::Following(follower) => Some(follower.leader),
                Role::Leading(_) => Some(self.id()),
            },
            commit: self.delivered.0,
            last: self.log.last_place().0,
            snapshot: self.snapshot.as_ref().map_or(0, |known| known.place.0),
            voters: NodeSet::first(self.setup().nodes),
            learners: NodeSet::EMPTY,
        }
    }
}

/// `follower of n3 accepted=1 current=1 log=[1:1=c1#1] delivered=1`: the line that scripts and traces show.
impl<M: Machine> Debug for Zab<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rank())?;
        match &self.role {
            Role::Looking(_) => write!(f, " votes={:?} round={}", self.vote, self.round)?,
            Role::Following(follower) => write!(f, " of {}", follower.leader)?,
            Role::Leading(leader) => {
                if let Some(epoch) = leader.epoch {
                    write!(f, " epoch={epoch}")?;
                }
            }
        }
        write!(f, " accepted={} current={}", self.accepted, self.current)?;
        if let Some(snapshot) = &self.snapshot {
            write!(f, " snapshot={}", snapshot.zxid)?;
        }
        write!(f, " log={:?} delivered={}", self.log, self.delivered)?;
        if self.claims.under_way() > 0 {
            write!(f, " writing={}", self.claims.under_way())?;
        }
        Ok(())
    }
}
