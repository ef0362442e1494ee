//! What an exhaustive search may leave out. The same with other names for the nodes, and messages that are ignored for ever.
//!
//! Raft treats all nodes alike, but for one thing: of several that could take over, a leader that
//! leaves or hands over chooses the first by name.

use super::leader::Leader;
use super::log::{Log, RaftDisk};
use super::members::Members;
use super::membership::Transfer;
use super::message::{Body, Entry, Message, Payload, Snapshot, Term, Write};
use super::progress::{Progress, Stage};
use super::rules::Rules;
use super::turn::Held;
use super::{Raft, Role};
use crate::explored::{Names, Renamed, Renaming};
use crate::machine::Machine;
use crate::system::Setup;

/// How Raft's words are renamed.
pub(super) fn renaming<M: Machine>() -> Renaming<Raft<M>> {
    Renaming {
        node: Renamed::renamed,
        disk: Renamed::renamed,
        message: Renamed::renamed,
        write: Renamed::renamed,
    }
}

/// Who is in a newer term neither counts nor answers an answer of an older one.
pub(super) fn stale_from<C>(setup: &Setup, message: &Message<C>) -> Option<u64> {
    let newer = Term(message.term.0 + 1);
    let ignored = match &message.body {
        Body::Accepted { .. }
        | Body::Rejected { .. }
        | Body::Received { .. }
        | Body::TimeoutNow => true,
        Body::Vote { pre: false, .. } => {
            let rules = Rules::planted(setup.mutant.as_deref());
            let rules = rules.expect("a setup names a mutant of its system");
            !(rules.may_count_vote)(message.term, newer)
        }
        Body::Vote { pre: true, .. }
        | Body::RequestVote { .. }
        | Body::Append { .. }
        | Body::Chunk { .. } => false,
    };
    ignored.then_some(newer.0)
}

impl Renamed for Members {
    fn renamed(&self, names: &Names) -> Self {
        Self {
            voters: self.voters.renamed(names),
            outgoing: self.outgoing.renamed(names),
            learners: self.learners.renamed(names),
        }
    }
}

impl<C: Clone> Renamed for Payload<C> {
    fn renamed(&self, names: &Names) -> Self {
        match self {
            Payload::Members(members) => Payload::Members(members.renamed(names)),
            Payload::Noop | Payload::Command(_) => self.clone(),
        }
    }
}

impl<C: Clone> Renamed for Entry<C> {
    fn renamed(&self, names: &Names) -> Self {
        Self {
            position: self.position,
            payload: self.payload.renamed(names),
        }
    }
}

impl Renamed for Snapshot {
    fn renamed(&self, names: &Names) -> Self {
        Self {
            members: self.members.renamed(names),
            ..self.clone()
        }
    }
}

impl<C: Clone> Renamed for Message<C> {
    fn renamed(&self, names: &Names) -> Self {
        let mut message = self.clone();
        match &mut message.body {
            Body::Append { entries, .. } => *entries = entries.renamed(names),
            Body::Chunk { members, .. } => *members = members.renamed(names),
            Body::RequestVote { .. }
            | Body::Vote { .. }
            | Body::Accepted { .. }
            | Body::Rejected { .. }
            | Body::Received { .. }
            | Body::TimeoutNow => {}
        }
        message
    }
}

impl<C: Clone> Renamed for Write<C> {
    fn renamed(&self, names: &Names) -> Self {
        match self {
            Write::HardState { term, vote } => Write::HardState {
                term: *term,
                vote: vote.renamed(names),
            },
            Write::Truncate { .. } => self.clone(),
            Write::Append(entries) => Write::Append(entries.renamed(names)),
            Write::Snapshot(snapshot) => Write::Snapshot(snapshot.renamed(names)),
            Write::Compact { up_to, members } => Write::Compact {
                up_to: *up_to,
                members: members.renamed(names),
            },
            Write::Install {
                snapshot,
                keeps_tail,
            } => Write::Install {
                snapshot: snapshot.renamed(names),
                keeps_tail: *keeps_tail,
            },
        }
    }
}

impl<C: Clone> Renamed for Log<C> {
    fn renamed(&self, names: &Names) -> Self {
        self.map(
            |members| members.renamed(names),
            |entry| entry.renamed(names),
        )
    }
}

impl<C: Clone> Renamed for RaftDisk<C> {
    fn renamed(&self, names: &Names) -> Self {
        Self {
            term: self.term,
            vote: self.vote.renamed(names),
            snapshot: self.snapshot.renamed(names),
            log: self.log.renamed(names),
        }
    }
}

impl<C: Clone> Renamed for Held<C> {
    fn renamed(&self, names: &Names) -> Self {
        match self {
            Held::Send { to, message } => Held::Send {
                to: to.renamed(names),
                message: message.renamed(names),
            },
            Held::OwnVote(_) | Held::OwnCopy(..) => self.clone(),
        }
    }
}

impl Renamed for Progress {
    fn renamed(&self, names: &Names) -> Self {
        let mut progress = self.clone();
        if let Stage::Sending { snapshot, .. } = &mut progress.stage {
            *snapshot = snapshot.renamed(names);
        }
        progress
    }
}

impl<M: Machine> Renamed for Leader<M> {
    fn renamed(&self, names: &Names) -> Self {
        let mut leader = self.clone();
        let progress = self.progress.iter();
        leader.progress = progress
            .map(|(node, progress)| (names.of(*node), progress.renamed(names)))
            .collect();
        leader.transfer = self.transfer.as_ref().map(|transfer| Transfer {
            to: names.of(transfer.to),
            ..transfer.clone()
        });
        leader
    }
}

impl<M: Machine> Renamed for Role<M> {
    fn renamed(&self, names: &Names) -> Self {
        match self {
            Role::Follower { leader, incoming } => Role::Follower {
                leader: leader.renamed(names),
                incoming: incoming.clone(),
            },
            Role::PreCandidate { votes } => Role::PreCandidate {
                votes: votes.renamed(names),
            },
            Role::Candidate { votes } => Role::Candidate {
                votes: votes.renamed(names),
            },
            Role::Leader(leader) => Role::Leader(leader.renamed(names)),
        }
    }
}

impl<M: Machine> Renamed for Raft<M> {
    fn renamed(&self, names: &Names) -> Self {
        Self {
            vote: self.vote.renamed(names),
            log: self.log.renamed(names),
            snapshot: self.snapshot.renamed(names),
            role: self.role.renamed(names),
            claims: self.claims.map(|held| held.renamed(names)),
            ..self.clone()
        }
    }
}
