//! How a node shows itself: to an operator, and in scripts and traces.

use super::members::Members;
use super::{Raft, Role};
use crate::explored::{self, Outline};
use crate::machine::Machine;
use crate::manage::Report;
use std::fmt::{self, Debug};

impl<M: Machine> Raft<M> {
    /// How this node is.
    pub fn report(&self) -> Report {
        let role = match &self.role {
            Role::Follower { .. } if self.members().has_vote(self.id()) => "follower",
            Role::Follower { .. } if self.members().everyone().contains(self.id()) => "learner",
            Role::Follower { .. } => "spare",
            Role::PreCandidate { .. } | Role::Candidate { .. } => "candidate",
            Role::Leader(_) => "leader",
        };
        let snapshot = self.snapshot.as_ref();
        let members = self.members();
        Report {
            node: self.id(),
            role: role.to_string(),
            epoch: self.term.0,
            leader: self.known_leader(),
            commit: self.commit.0,
            last: self.log.last().index.0,
            snapshot: snapshot.map_or(0, |snapshot| snapshot.last.index.0),
            voters: members.voters.union(members.outgoing),
            learners: members.learners,
        }
    }
}

/// `follower of n1 @2 vote=n1 log=[1@1 2@2] commit=2`: the line that scripts and traces show.
impl<M: Machine> Debug for Raft<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Role::Follower {
                leader: Some(leader),
                ..
            } => write!(f, "follower of {leader}")?,
            Role::Follower { leader: None, .. } => write!(f, "follower")?,
            Role::PreCandidate { votes } => write!(f, "pre-candidate votes={votes}")?,
            Role::Candidate { votes } => write!(f, "candidate votes={votes}")?,
            Role::Leader(_) => write!(f, "leader")?,
        }
        write!(f, " @{}", self.term)?;
        if let Some(vote) = self.vote {
            write!(f, " vote={vote}")?;
        }
        write!(f, " log={:?} commit={}", self.log, self.commit)?;
        if let Some(snapshot) = &self.snapshot {
            write!(f, " snapshot={snapshot:?}")?;
        }
        if self.trusts {
            write!(f, " trusts")?;
        }
        if self.log.members() != Members::of(self.setup().voters) {
            write!(f, " members={:?}", self.log.members())?;
        }
        if self.claims.under_way() > 0 {
            write!(f, " writing={}", self.claims.under_way())?;
        }
        Ok(())
    }
}

/// Where a node stands, in words that every protocol has.
pub(super) fn outline<M: Machine>(raft: &Raft<M>) -> Outline {
    let last = raft.log.last();
    Outline {
        role: match raft.role {
            Role::Follower { .. } => explored::Role::Follower,
            Role::PreCandidate { .. } | Role::Candidate { .. } => explored::Role::Candidate,
            Role::Leader(_) => explored::Role::Leader,
        },
        epoch: raft.term.0,
        last: last.index.0,
        last_epoch: last.term.0,
        decided: raft.commit.0,
    }
}
