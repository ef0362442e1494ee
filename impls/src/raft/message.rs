//! What Raft nodes say to each other, write to disk and wait for.
//!
//! The [`Debug`] forms are the notation of traces and scripts: `@1 Append base=1@1 [2@1] commit=1` is an append of term 1 that continues
//! the entry of index 1 and term 1 with one entry, of index 2 and term 1.

use crate::contract::NodeId;
use crate::session::Submission;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display};
use std::sync::Arc;

/// A term: the number of an election. Each has at most one leader.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

/// A place in the log. The first entry has index 1; 0 is the place before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Index(pub u64);

/// A round of messages by which a leader asks whether it still leads. Counted from 1 within a term.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Round(pub u64);

macro_rules! shown_as_number {
    ($($type:ty),*) => {$(
        impl Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}
shown_as_number!(Term, Index, Round);

impl Index {
    /// The place after this one.
    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The place before this one.
    pub fn previous(self) -> Index {
        Index(self.0 - 1)
    }
}

/// An entry's place and term: by the log matching property, that names the entry and all before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Where.
    pub index: Index,
    /// Of which term.
    pub term: Term,
}

impl Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// A log entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry<C> {
    /// Where it stands and of which term it is.
    pub position: Position,
    /// What it holds.
    pub payload: Payload<C>,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Payload<C> {
    /// Nothing: the entry by which a new leader commits what came before it.
    Noop,
    /// A client's command. It never changes, so the logs, disks and messages of a process share it.
    Command(Arc<Submission<C>>),
}

impl<C> Debug for Entry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.position)
    }
}

/// A message, with the term its sender was in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message<C> {
    /// The sender's term.
    pub term: Term,
    /// The rest.
    pub body: Body<C>,
}

/// The kinds of message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Body<C> {
    /// A candidate asks for a vote.
    RequestVote {
        /// Where its log ends.
        last: Position,
    },
    /// The answer to it.
    Vote {
        /// Whether the vote was given. If so, it is durable.
        granted: bool,
    },
    /// A leader extends a follower's log, or, with no entries, lets itself be heard.
    Append {
        /// The entry that the follower must have before these.
        base: Position,
        /// What comes after it.
        entries: Vec<Entry<C>>,
        /// How far the leader knows the log to be committed.
        commit: Index,
        /// The newest round the leader has begun.
        round: Round,
    },
    /// The follower has everything up to `matched`, durably.
    Accepted {
        /// The last index known to agree with the leader's log.
        matched: Index,
        /// The round of the append this answers.
        round: Round,
    },
    /// The follower's log does not have the base.
    Rejected {
        /// The index of the base that was refused.
        base: Index,
        /// Where to try next.
        hint: Hint,
        /// The round of the append this answers.
        round: Round,
    },
}

/// The kinds of message, as [`Message::kind`] names them.
pub const KINDS: &[&str] = &[
    "request-vote",
    "vote",
    "append",
    "heartbeat",
    "accepted",
    "rejected",
];

impl<C> Message<C> {
    /// Which of the [`KINDS`] it is. An append with no entries is a heartbeat.
    pub fn kind(&self) -> &'static str {
        match &self.body {
            Body::RequestVote { .. } => "request-vote",
            Body::Vote { .. } => "vote",
            Body::Append { entries, .. } if entries.is_empty() => "heartbeat",
            Body::Append { .. } => "append",
            Body::Accepted { .. } => "accepted",
            Body::Rejected { .. } => "rejected",
        }
    }
}

/// Where a follower's log differs from its leader's, as far as the follower can tell (Raft 5.3, the optimisation by terms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hint {
    /// The term of the follower's entry at the refused base; `None` when its log ends before it.
    pub term: Option<Term>,
    /// The first index of that term in the follower's log; without a term, the place after its last entry.
    pub index: Index,
}

impl<C> Debug for Message<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{} ", self.term)?;
        match &self.body {
            Body::RequestVote { last } => write!(f, "RequestVote last={last:?}"),
            Body::Vote { granted: true } => write!(f, "Vote granted"),
            Body::Vote { granted: false } => write!(f, "Vote refused"),
            Body::Append {
                base,
                entries,
                commit,
                round,
            } => {
                write!(f, "Append base={base:?} {entries:?} commit={commit}")?;
                if *round > Round(0) {
                    write!(f, " round={round}")
                } else {
                    Ok(())
                }
            }
            Body::Accepted { matched, round } => {
                write!(f, "Accepted matched={matched}")?;
                if *round > Round(0) {
                    write!(f, " round={round}")
                } else {
                    Ok(())
                }
            }
            Body::Rejected { base, hint, round } => {
                write!(f, "Rejected base={base} hint={}", hint.index)?;
                if let Some(term) = hint.term {
                    write!(f, "@{term}")?;
                }
                if *round > Round(0) {
                    write!(f, " round={round}")
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// The timers of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// No leader was heard for too long.
    Election,
    /// A leader lets itself be heard.
    Heartbeat,
}

impl Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::Election => "election",
            Timer::Heartbeat => "heartbeat",
        })
    }
}

/// One change to a node's disk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Write<C> {
    /// The term and the vote in it.
    HardState {
        /// The newest term seen.
        term: Term,
        /// Who got the vote in that term.
        vote: Option<NodeId>,
    },
    /// The entries from this index on are gone.
    Truncate {
        /// The first index removed.
        from: Index,
    },
    /// These entries follow the last one.
    Append(Vec<Entry<C>>),
}

impl<C> Debug for Write<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::HardState { term, vote: None } => write!(f, "term={term}"),
            Write::HardState {
                term,
                vote: Some(vote),
            } => write!(f, "term={term} vote={vote}"),
            Write::Truncate { from } => write!(f, "truncate from={from}"),
            Write::Append(entries) => write!(f, "append {entries:?}"),
        }
    }
}
