//! What Raft nodes say to each other, write to disk and wait for.
//!
//! The [`Debug`] forms are the notation of traces and scripts: `@1 Append base=1@1 [2@1] commit=1` is an append of term 1 that continues
//! the entry of index 1 and term 1 with one entry, of index 2 and term 1.

use super::members::Members;
use crate::contract::{NodeId, display_as};
use crate::facts::FactKind;
use crate::session::Submission;
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};
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

display_as!(Term, "");
display_as!(Index, "");
display_as!(Round, "");

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
    /// The members from here on.
    Members(Members),
}

/// The machine and its clients as of an entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry in it.
    pub last: Position,
    /// The members as of that entry.
    pub members: Members,
    /// The machine with its client table.
    pub image: Image,
}

impl Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.last)
    }
}

/// Why a candidate asks for votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Campaign {
    /// It heard of no leader for too long.
    Ordinary,
    /// It would, and asks whether it could win before it begins the term (dissertation 9.6).
    Pre,
    /// The leader asked it to (dissertation 3.10).
    Transfer,
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
        /// Why.
        campaign: Campaign,
    },
    /// The answer to it.
    Vote {
        /// Whether the vote was given. If so, and it is no pre-vote, it is durable.
        granted: bool,
        /// Whether it says only what the vote would be. If granted, the message is of the term that was asked about.
        pre: bool,
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
    /// A part of a snapshot, for a follower that is behind the leader's log.
    Chunk {
        /// The last entry in the snapshot.
        last: Position,
        /// The members as of that entry.
        members: Members,
        /// How many bytes the whole has.
        total: usize,
        /// Where this part begins, in bytes.
        offset: usize,
        /// The part.
        bytes: Vec<u8>,
        /// The newest round the leader has begun.
        round: Round,
    },
    /// How much of a snapshot the follower has; not durably, for it will have the whole again or nothing.
    Received {
        /// The last entry in the snapshot.
        last: Position,
        /// Where the next part begins, in bytes.
        offset: usize,
        /// The round of the part this answers.
        round: Round,
    },
    /// The leader hands over: stand for election now.
    TimeoutNow,
}

/// What a correct node notes.
pub const FACTS: &[FactKind] = &[
    FactKind::Campaigned,
    FactKind::Voted,
    FactKind::BecameLeader,
    FactKind::SteppedDown,
    FactKind::Truncated,
    FactKind::MembersChanged,
    FactKind::SnapshotTaken,
    FactKind::SnapshotInstalled,
    FactKind::HandedOver,
];

/// The kinds of message, as [`Message::kind`] names them.
pub const KINDS: &[&str] = &[
    "request-vote",
    "vote",
    "append",
    "heartbeat",
    "accepted",
    "rejected",
    "chunk",
    "received",
    "timeout-now",
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
            Body::Chunk { .. } => "chunk",
            Body::Received { .. } => "received",
            Body::TimeoutNow => "timeout-now",
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
        let round = match &self.body {
            Body::RequestVote { last, campaign } => {
                let why = match campaign {
                    Campaign::Ordinary => "",
                    Campaign::Pre => "Pre",
                    Campaign::Transfer => "Transfer",
                };
                return write!(f, "{why}RequestVote last={last:?}");
            }
            Body::Vote { granted, pre } => {
                let (kind, how) = (["", "Pre"][usize::from(*pre)], ["refused", "granted"]);
                return write!(f, "{kind}Vote {}", how[usize::from(*granted)]);
            }
            Body::Append {
                base,
                entries,
                commit,
                round,
            } => {
                write!(f, "Append base={base:?} {entries:?} commit={commit}")?;
                round
            }
            Body::Accepted { matched, round } => {
                write!(f, "Accepted matched={matched}")?;
                round
            }
            Body::Rejected { base, hint, round } => {
                write!(f, "Rejected base={base} hint={}", hint.index)?;
                if let Some(term) = hint.term {
                    write!(f, "@{term}")?;
                }
                round
            }
            Body::Chunk {
                last,
                total,
                offset,
                bytes,
                round,
                ..
            } => {
                let end = offset + bytes.len();
                write!(f, "Chunk of={last:?} bytes={offset}..{end}/{total}")?;
                round
            }
            Body::Received {
                last,
                offset,
                round,
            } => {
                write!(f, "Received of={last:?} bytes={offset}")?;
                round
            }
            Body::TimeoutNow => return write!(f, "TimeoutNow"),
        };
        match round {
            Round(0) => Ok(()),
            round => write!(f, " round={round}"),
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
    /// A leader looks whether a majority was heard.
    Quorum,
    /// A leader waited long enough for the node it hands over to.
    Transfer,
}

impl Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::Election => "election",
            Timer::Heartbeat => "heartbeat",
            Timer::Quorum => "quorum",
            Timer::Transfer => "transfer",
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
    /// The newest snapshot, of what the log holds.
    Snapshot(Snapshot),
    /// The entries up to this index are gone, for a snapshot has them.
    Compact {
        /// The last index removed.
        up_to: Index,
        /// The members as of that entry.
        members: Members,
    },
    /// Another node's snapshot takes the place of the log up to its last entry.
    Install {
        /// The snapshot.
        snapshot: Snapshot,
        /// Whether the entries behind it stay.
        keeps_tail: bool,
    },
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
            Write::Snapshot(snapshot) => write!(f, "snapshot {snapshot:?}"),
            Write::Compact { up_to, .. } => write!(f, "compact up_to={up_to}"),
            Write::Install { snapshot, .. } => write!(f, "install {snapshot:?}"),
        }
    }
}
