//! What Zab nodes say to each other, write to disk and wait for.
//!
//! The [`Debug`] forms are the notation of traces and scripts: `Vote n3 epoch=1 last=1:4 round=2` names n3, whose history was last
//! synchronised in epoch 1 and ends with the fourth transaction of epoch 1; `Propose [1:5=c1#1]` is the first request of client c1 as the
//! fifth transaction of epoch 1.

use super::log::Snapshot;
use crate::contract::{NodeId, display_as};
use crate::facts::FactKind;
use crate::session::Submission;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display};
use std::sync::Arc;

/// A leadership. No two nodes ever lead in the same one. 0 is before the first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// A place in a node's history, counted from 1; 0 is the place before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub u64);

/// A round of leader election, as a node counts them since it booted.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Round(pub u64);

display_as!(Epoch, "");
display_as!(Place, "");
display_as!(Round, "");

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }

    /// The epoch before this one; 0 before the first.
    pub fn before(self) -> Epoch {
        Epoch(self.0.saturating_sub(1))
    }
}

impl Place {
    /// The place after this one.
    pub fn next(self) -> Place {
        Place(self.0 + 1)
    }
}

/// A transaction's identifier: in which epoch its primary broadcast it, and as which of that epoch's, from 1 (Zab 2011, section 4.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Zxid {
    /// In which epoch.
    pub epoch: Epoch,
    /// Which of the epoch's transactions.
    pub counter: u64,
}

impl Zxid {
    /// Before every transaction.
    pub const NONE: Zxid = Zxid {
        epoch: Epoch(0),
        counter: 0,
    };

    /// As one number, as ZooKeeper writes it: the epoch in the upper half, the counter in the lower.
    pub fn as_number(self) -> u64 {
        self.epoch.0 << 32 | self.counter
    }
}

impl Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Zxid::NONE => f.write_str("none"),
            Zxid { epoch, counter } => write!(f, "{epoch}:{counter}"),
        }
    }
}

impl Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Whom a node wants to lead, and how recent that node's history is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// The epoch that history was last synchronised in.
    pub epoch: Epoch,
    /// The last transaction of that history.
    pub last: Zxid,
    /// Whom.
    pub leader: NodeId,
}

impl Debug for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} epoch={} last={}", self.leader, self.epoch, self.last)
    }
}

/// What a node is at the moment, as the others are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// It looks for a leader.
    Looking,
    /// It follows the one it votes for.
    Following,
    /// It leads, or is about to.
    Leading,
}

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value<C> {
    /// Nothing. A read that goes through the log waits for it.
    Noop,
    /// What a client put into the log. It never changes, so the logs, disks and messages of a process share it.
    Command(Arc<Submission<C>>),
}

impl<C> Debug for Value<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Noop => f.write_str("noop"),
            Value::Command(submission) => write!(f, "{submission}"),
        }
    }
}

/// A transaction: one step of the history that all nodes share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Txn<C> {
    /// Which.
    pub zxid: Zxid,
    /// What it does.
    pub value: Value<C>,
}

impl<C> Debug for Txn<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.zxid, self.value)
    }
}

/// The messages, by the phase they belong to. All but the first belong to the conversation of a leader with one follower.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message<C> {
    /// Election: whom the sender wants to lead, or whom it has settled on.
    Notification {
        /// In which round it was decided.
        round: Round,
        /// Whom.
        vote: Vote,
        /// What the sender is.
        standing: Standing,
    },
    /// Discovery: a follower turns to its leader.
    FollowerInfo {
        /// The newest epoch it has accepted.
        accepted: Epoch,
    },
    /// Discovery: the leader names its epoch. It has accepted that itself, durably.
    LeaderInfo {
        /// Which.
        epoch: Epoch,
    },
    /// Discovery: the follower takes part in no older epoch any more. That is durable, and so is the history it speaks of.
    AckEpoch {
        /// The epoch its history was last synchronised in; `None` when it had accepted the leader's epoch before, and may not be counted again.
        current: Option<Epoch>,
        /// The last transaction of its history.
        last: Zxid,
    },
    /// Synchronisation: the follower's history is the beginning of the leader's. What it lacks follows as proposals.
    Diff,
    /// Synchronisation: what the follower has after this transaction the leader has not. It goes; what it lacks follows.
    Trunc {
        /// The last one that stays.
        to: Zxid,
    },
    /// Synchronisation: a piece of a snapshot, in place of all that the follower has. What comes after it follows.
    Snap {
        /// The last transaction in the snapshot; none when it is empty, and the whole history follows.
        zxid: Zxid,
        /// The place of that transaction.
        place: Place,
        /// How many bytes the snapshot has.
        total: usize,
        /// Where in it the piece begins.
        offset: usize,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// Synchronisation and broadcast: transactions, in order.
    Propose {
        /// Which.
        txns: Vec<Txn<C>>,
    },
    /// Synchronisation: that was all. The follower's history is now the leader's, of this epoch.
    NewLeader {
        /// Which.
        epoch: Epoch,
    },
    /// Synchronisation: the history is durable, and its epoch.
    AckNewLeader {
        /// The last transaction of it.
        last: Zxid,
    },
    /// Synchronisation: a quorum has the leader's history. The follower takes part in the broadcast.
    UpToDate {
        /// Everything up to here is committed.
        committed: Zxid,
    },
    /// Broadcast: everything proposed up to here is durable.
    Ack {
        /// The last of it.
        zxid: Zxid,
    },
    /// Broadcast: a quorum has everything up to here.
    Commit {
        /// The last of it.
        zxid: Zxid,
    },
    /// The leader lets itself be heard.
    Ping,
    /// The follower heard it.
    Pong,
}

/// What a correct node notes.
pub const FACTS: &[FactKind] = &[
    FactKind::Campaigned,
    FactKind::Voted,
    FactKind::BecameLeader,
    FactKind::SteppedDown,
    FactKind::Truncated,
    FactKind::SnapshotTaken,
    FactKind::SnapshotInstalled,
];

/// The kinds of message, as [`Message::kind`] names them.
pub const KINDS: &[&str] = &[
    "notification",
    "follower-info",
    "leader-info",
    "ack-epoch",
    "diff",
    "trunc",
    "snap",
    "propose",
    "new-leader",
    "ack-new-leader",
    "up-to-date",
    "ack",
    "commit",
    "ping",
    "pong",
];

impl<C> Message<C> {
    /// Which of the [`KINDS`] it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Message::Notification { .. } => "notification",
            Message::FollowerInfo { .. } => "follower-info",
            Message::LeaderInfo { .. } => "leader-info",
            Message::AckEpoch { .. } => "ack-epoch",
            Message::Diff => "diff",
            Message::Trunc { .. } => "trunc",
            Message::Snap { .. } => "snap",
            Message::Propose { .. } => "propose",
            Message::NewLeader { .. } => "new-leader",
            Message::AckNewLeader { .. } => "ack-new-leader",
            Message::UpToDate { .. } => "up-to-date",
            Message::Ack { .. } => "ack",
            Message::Commit { .. } => "commit",
            Message::Ping => "ping",
            Message::Pong => "pong",
        }
    }
}

impl<C> Debug for Message<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Notification {
                round,
                vote,
                standing,
            } => {
                let word = match standing {
                    Standing::Looking => "Vote",
                    Standing::Following => "Follows",
                    Standing::Leading => "Leads",
                };
                write!(f, "{word} {vote:?} round={round}")
            }
            Message::FollowerInfo { accepted } => write!(f, "FollowerInfo accepted={accepted}"),
            Message::LeaderInfo { epoch } => write!(f, "LeaderInfo epoch={epoch}"),
            Message::AckEpoch {
                current: Some(current),
                last,
            } => write!(f, "AckEpoch current={current} last={last}"),
            Message::AckEpoch {
                current: None,
                last,
            } => write!(f, "AckEpoch again last={last}"),
            Message::Diff => f.write_str("Diff"),
            Message::Trunc { to } => write!(f, "Trunc to={to}"),
            Message::Snap {
                zxid,
                total,
                offset,
                bytes,
                ..
            } => {
                let end = offset + bytes.len();
                write!(f, "Snap {offset}..{end} of {total} up to {zxid}")
            }
            Message::Propose { txns } => write!(f, "Propose {txns:?}"),
            Message::NewLeader { epoch } => write!(f, "NewLeader epoch={epoch}"),
            Message::AckNewLeader { last } => write!(f, "AckNewLeader last={last}"),
            Message::UpToDate { committed } => write!(f, "UpToDate committed={committed}"),
            Message::Ack { zxid } => write!(f, "Ack {zxid}"),
            Message::Commit { zxid } => write!(f, "Commit {zxid}"),
            Message::Ping => f.write_str("Ping"),
            Message::Pong => f.write_str("Pong"),
        }
    }
}

/// The timers of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A follower has not heard its leader for too long, or a leader could not begin.
    Election,
    /// Who leads lets itself be heard; who looks says again whom it wants.
    Heartbeat,
    /// Nobody has named a better leader than the one a quorum wants.
    Settle,
}

impl Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::Election => "election",
            Timer::Heartbeat => "heartbeat",
            Timer::Settle => "settle",
        })
    }
}

/// One change to a node's disk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Write<C> {
    /// The node takes part in no older epoch.
    AcceptedEpoch(Epoch),
    /// What stands after this place is gone.
    Truncate {
        /// The last place that stays.
        after: Place,
    },
    /// A snapshot and what follows it, in place of everything. Without a snapshot the whole history follows. One write: with the snapshot alone a
    /// node that had acknowledged what follows would have lost it.
    Install {
        /// The state.
        snapshot: Option<Snapshot>,
        /// What follows it.
        txns: Vec<Txn<C>>,
    },
    /// These transactions come next.
    Append(Vec<Txn<C>>),
    /// The history is that of this epoch.
    CurrentEpoch(Epoch),
    /// The state after a place, in place of the log up to another that is not behind it.
    Snapshot {
        /// The state.
        snapshot: Snapshot,
        /// The transactions up to here are dropped.
        drops: Place,
    },
}

impl<C> Debug for Write<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::AcceptedEpoch(epoch) => write!(f, "accepted={epoch}"),
            Write::Truncate { after } => write!(f, "truncate after={after}"),
            Write::Install {
                snapshot: Some(snapshot),
                txns,
            } => write!(f, "install snapshot up to {} {txns:?}", snapshot.zxid),
            Write::Install {
                snapshot: None,
                txns,
            } => write!(f, "install {txns:?}"),
            Write::Append(txns) => write!(f, "append {txns:?}"),
            Write::CurrentEpoch(epoch) => write!(f, "current={epoch}"),
            Write::Snapshot { snapshot, drops } => {
                write!(f, "snapshot up to {} drops={drops}", snapshot.zxid)
            }
        }
    }
}
