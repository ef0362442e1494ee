//! What Paxos nodes say to each other, write to disk and wait for.
//!
//! The [`Debug`] forms are the notation of traces and scripts: `@1.n1 Accept [2=c1#1] chosen=1` asks to accept, in ballot 1.n1, the first
//! request of client c1 in slot 2; `[2=c1#1@1.n1]` is that value as an acceptor holds it.

use super::log::Snapshot;
use crate::contract::{NodeId, display_as};
use crate::facts::FactKind;
use crate::node_set::NodeSet;
use crate::session::Submission;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display};
use std::sync::Arc;

/// A place in the log; each is an instance of the single-decree protocol. The first is 1; 0 is the place before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u64);

/// A round of heartbeats in which a leader asks how far acceptors have come. Counted from 1 within a ballot.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Round(pub u64);

display_as!(Slot, "");
display_as!(Round, "");

impl Slot {
    /// The place after this one.
    pub fn next(self) -> Slot {
        Slot(self.0 + 1)
    }
}

/// A proposal number, unique across nodes: the number orders, and the node breaks ties (Paxos Made Simple, 2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Grows with every attempt to lead.
    pub number: u64,
    /// Whose ballot it is.
    pub node: NodeId,
}

impl Ballot {
    /// Below every ballot.
    pub const NONE: Ballot = Ballot {
        number: 0,
        node: NodeId(0),
    };

    /// The ballot as one number, for facts and reports. It orders as ballots do.
    pub fn epoch(self) -> u64 {
        self.number * 64 + u64::from(self.node.0)
    }

    /// The ballot of an [`epoch`](Ballot::epoch).
    pub fn of_epoch(epoch: u64) -> Ballot {
        Ballot {
            number: epoch / 64,
            node: NodeId((epoch % 64) as u8),
        }
    }
}

impl Default for Ballot {
    fn default() -> Self {
        Ballot::NONE
    }
}

impl Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ballot::NONE => f.write_str("none"),
            Ballot { number, node } => write!(f, "{number}.{node}"),
        }
    }
}

impl Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A stretch of the log with one set of acceptors. It begins after a seal, the first before slot 1, and ends with the next seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Era {
    /// How many seals came before.
    pub number: u64,
    /// The slot of the last of them; 0 without one.
    pub after: Slot,
    /// Who decides the slots of this era.
    pub acceptors: NodeSet,
}

/// What can be chosen in a slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value<C> {
    /// Nothing. It fills a slot that must be decided and about which nothing is known.
    Noop,
    /// What a client put into the log. It never changes, so the logs, disks and messages of a process share it.
    Command(Arc<Submission<C>>),
    /// The end of an era. These nodes are the acceptors of the next.
    Seal(NodeSet),
}

impl<C> Debug for Value<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Noop => f.write_str("noop"),
            Value::Command(submission) => write!(f, "{submission}"),
            Value::Seal(acceptors) => write!(f, "seal{acceptors}"),
        }
    }
}

/// A value for a slot. In which ballot is said around it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Proposal<C> {
    /// Where.
    pub slot: Slot,
    /// What.
    pub value: Value<C>,
}

impl<C> Debug for Proposal<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.slot, self.value)
    }
}

/// What an acceptor holds in a slot: the newest proposal that it accepted there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Accepted<C> {
    /// Where.
    pub slot: Slot,
    /// In which ballot.
    pub ballot: Ballot,
    /// What.
    pub value: Value<C>,
}

impl<C> Debug for Accepted<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}@{}", self.slot, self.value, self.ballot)
    }
}

/// A message, with the era its sender is in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message<C> {
    /// The sender's era.
    pub era: Era,
    /// The rest.
    pub body: Body<C>,
}

/// The kinds of message. The first six are the Paxos of the paper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Body<C> {
    /// Phase 1a: a proposer asks for promises, for all slots after one at once. Its ballot is durable.
    Prepare {
        /// The ballot it wants to propose in.
        ballot: Ballot,
        /// How far it knows the log to be chosen.
        after: Slot,
    },
    /// Phase 1b: the acceptor takes part in no ballot below this one any more. That is durable, and so is what it reports.
    Promise {
        /// The ballot of the prepare.
        ballot: Ballot,
        /// How far the acceptor knows the log to be chosen.
        chosen: Slot,
        /// What it accepted after that, and after the proposer's own place.
        accepted: Vec<Accepted<C>>,
    },
    /// Phase 2a: a proposer asks to accept its proposals. Its phase 1 is complete.
    Accept {
        /// The ballot of the proposals.
        ballot: Ballot,
        /// What to accept.
        proposals: Vec<Proposal<C>>,
        /// How far the proposer knows the log to be chosen.
        chosen: Slot,
    },
    /// Phase 2b: the acceptor accepted. That is durable.
    Accepted {
        /// In which ballot.
        ballot: Ballot,
        /// Where.
        slots: Vec<Slot>,
    },
    /// The acceptor has promised a higher ballot, and takes no part in this one.
    Nack {
        /// The ballot that was refused.
        ballot: Ballot,
        /// The ballot it promised.
        promised: Ballot,
    },
    /// A leader lets itself be heard, and tells how far the log is chosen.
    Heartbeat {
        /// The ballot it leads in.
        ballot: Ballot,
        /// How far it knows the log to be chosen.
        chosen: Slot,
        /// The newest round it has begun.
        round: Round,
    },
    /// The answer to a heartbeat.
    Heard {
        /// The ballot of the heartbeat.
        ballot: Ballot,
        /// Its round.
        round: Round,
        /// The highest slot in which the acceptor accepted anything, or knows that something was chosen.
        highest: Slot,
        /// How far it knows the log to be chosen.
        chosen: Slot,
    },
    /// A node tells how far it knows the log to be chosen, to one that may know less.
    Known {
        /// How far.
        chosen: Slot,
    },
    /// A node that knows less asks for more.
    Fetch {
        /// How far it knows the log to be chosen.
        after: Slot,
        /// The snapshot of which it has the beginning already.
        part: Option<Part>,
    },
    /// Values that were chosen.
    Learn {
        /// The values, without a gap.
        entries: Vec<Accepted<C>>,
        /// Where the lesson ends, of which this is one message. After that its receiver may ask for more.
        ends: Slot,
        /// How far the sender knows the log to be chosen.
        chosen: Slot,
    },
    /// A piece of a snapshot, in place of values that the sender no longer has.
    Chunk {
        /// The last slot in the snapshot.
        of: Slot,
        /// How many bytes the snapshot has.
        total: usize,
        /// Where in it the piece begins.
        offset: usize,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// The leader asks this node to lead.
    TakeOver,
}

impl<C> Body<C> {
    /// Whether it answers something that its receiver said in a ballot of its own.
    pub fn is_answer(&self) -> bool {
        match self {
            Body::Promise { .. }
            | Body::Accepted { .. }
            | Body::Nack { .. }
            | Body::Heard { .. } => true,
            Body::Prepare { .. } | Body::Accept { .. } | Body::Heartbeat { .. } => false,
            Body::Known { .. } | Body::Fetch { .. } | Body::Learn { .. } => false,
            Body::Chunk { .. } | Body::TakeOver => false,
        }
    }
}

/// The beginning of a snapshot, as far as it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part {
    /// The last slot in the snapshot.
    pub of: Slot,
    /// How many bytes have arrived.
    pub length: usize,
}

/// What a correct node notes.
pub const FACTS: &[FactKind] = &[
    FactKind::Campaigned,
    FactKind::Voted,
    FactKind::BecameLeader,
    FactKind::SteppedDown,
    FactKind::MembersChanged,
    FactKind::SnapshotTaken,
    FactKind::SnapshotInstalled,
    FactKind::HandedOver,
];

/// The kinds of message, as [`Message::kind`] names them.
pub const KINDS: &[&str] = &[
    "prepare",
    "promise",
    "accept",
    "accepted",
    "nack",
    "heartbeat",
    "heard",
    "known",
    "fetch",
    "learn",
    "chunk",
    "take-over",
];

impl<C> Message<C> {
    /// Which of the [`KINDS`] it is.
    pub fn kind(&self) -> &'static str {
        match &self.body {
            Body::Prepare { .. } => "prepare",
            Body::Promise { .. } => "promise",
            Body::Accept { .. } => "accept",
            Body::Accepted { .. } => "accepted",
            Body::Nack { .. } => "nack",
            Body::Heartbeat { .. } => "heartbeat",
            Body::Heard { .. } => "heard",
            Body::Known { .. } => "known",
            Body::Fetch { .. } => "fetch",
            Body::Learn { .. } => "learn",
            Body::Chunk { .. } => "chunk",
            Body::TakeOver => "take-over",
        }
    }
}

impl<C> Debug for Message<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Prepare { ballot, after } => write!(f, "@{ballot} Prepare after={after}")?,
            Body::Promise {
                ballot,
                chosen,
                accepted,
            } => write!(f, "@{ballot} Promise {accepted:?} chosen={chosen}")?,
            Body::Accept {
                ballot,
                proposals,
                chosen,
            } => write!(f, "@{ballot} Accept {proposals:?} chosen={chosen}")?,
            Body::Accepted { ballot, slots } => write!(f, "@{ballot} Accepted {slots:?}")?,
            Body::Nack { ballot, promised } => write!(f, "@{ballot} Nack promised={promised}")?,
            Body::Heartbeat {
                ballot,
                chosen,
                round,
            } => {
                write!(f, "@{ballot} Heartbeat chosen={chosen}")?;
                show_round(f, *round)?;
            }
            Body::Heard {
                ballot,
                round,
                highest,
                chosen,
            } => {
                write!(f, "@{ballot} Heard highest={highest} chosen={chosen}")?;
                show_round(f, *round)?;
            }
            Body::Known { chosen } => write!(f, "Known chosen={chosen}")?,
            Body::Fetch { after, part } => {
                write!(f, "Fetch after={after}")?;
                if let Some(Part { of, length }) = part {
                    write!(f, " has {length} bytes of the snapshot up to {of}")?;
                }
            }
            Body::Learn {
                entries, chosen, ..
            } => write!(f, "Learn {entries:?} chosen={chosen}")?,
            Body::Chunk {
                of,
                total,
                offset,
                bytes,
            } => {
                let end = offset + bytes.len();
                write!(f, "Chunk {offset}..{end} of {total} up to {of}")?;
            }
            Body::TakeOver => f.write_str("TakeOver")?,
        }
        match self.era.number {
            0 => Ok(()),
            number => write!(f, " era={number}"),
        }
    }
}

fn show_round(f: &mut fmt::Formatter<'_>, round: Round) -> fmt::Result {
    match round {
        Round(0) => Ok(()),
        round => write!(f, " round={round}"),
    }
}

/// The timers of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// No leader was heard for too long.
    Election,
    /// A leader lets itself be heard; a proposer in phase 1 asks again.
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

/// One change to a node's disk. A step writes what it writes in the order of these.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Write<C> {
    /// What was accepted after this slot is void: a seal was chosen here.
    Truncate {
        /// The slot of the seal.
        after: Slot,
    },
    /// These values are chosen, and so is every slot before the last of them.
    Learn(Vec<Accepted<C>>),
    /// The state after a slot, in place of the log up to another that is not behind it.
    Snapshot {
        /// The state.
        snapshot: Snapshot,
        /// The values up to here are dropped.
        drops: Slot,
    },
    /// Every slot up to this one is chosen, and its value is on the disk.
    Chosen(Slot),
    /// The acceptor's promise.
    Promise(Ballot),
    /// These proposals are accepted, each in place of what was accepted there before.
    Accept(Vec<Accepted<C>>),
}

impl<C> Debug for Write<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Truncate { after } => write!(f, "truncate after={after}"),
            Write::Learn(entries) => write!(f, "learn {entries:?}"),
            Write::Snapshot { snapshot, drops } => {
                write!(f, "snapshot up to {} drops={drops}", snapshot.slot)
            }
            Write::Chosen(slot) => write!(f, "chosen={slot}"),
            Write::Promise(ballot) => write!(f, "promised={ballot}"),
            Write::Accept(accepted) => write!(f, "accept {accepted:?}"),
        }
    }
}
