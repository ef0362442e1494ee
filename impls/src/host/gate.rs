//! The gate: where a nemesis stands between a node and its world.
//!
//! A host asks its gate at four points: before it dials, when it sends a frame, before its core takes an input, and before it syncs its
//! disk. The gate's memory belongs to whoever attacks, outside every crash domain: a host that crashes and
//! comes back finds the same gate. [`PlainGate`] lets everything pass and compiles to nothing.

use crate::contract::{Input, NodeId};
use crate::system::Erased;
use crate::wire::Party;
use std::future::Future;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes out at once.
    Pass,
    /// It goes out later, and so does all that is sent after it on the same connection: a connection keeps its order.
    Delay {
        /// Nanoseconds from the moment it was sent.
        ns: u64,
    },
    /// It goes out later, and holds nothing up: what is sent meanwhile overtakes it.
    Overtaken {
        /// Nanoseconds from the moment it was sent.
        ns: u64,
    },
    /// It never goes out. The connection lives on.
    Drop,
    /// It never goes out, and the connection is closed: what had not gone out is lost with it.
    Reset,
    /// It goes out, and again later. The copies hold nothing up: what is sent meanwhile overtakes them. None overtakes the original.
    Copy {
        /// Nanoseconds until the original goes out, as in [`Fate::Delay`].
        after_ns: u64,
        /// How many copies follow the original.
        times: u32,
        /// Nanoseconds between the original and the first copy, and from copy to copy.
        delay_ns: u64,
    },
    /// It goes out with one bit flipped behind the checksums' back. The receiver closes the connection.
    Corrupt {
        /// Nanoseconds until it goes out, as in [`Fate::Delay`].
        after_ns: u64,
        /// Which bit of the framed bytes, counted modulo their number.
        bit: u64,
    },
    /// The gate keeps it and will see to its delivery, or not.
    Take,
}

/// Which input the core takes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// The input at this position of the list that was shown.
    Next(usize),
    /// None for now. The gate is asked again when an input arrives or when [`Gate::changed`] completes.
    Hold,
}

/// When a sync of the disk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// After this many nanoseconds: a slow disk. Zero is at once.
    After {
        /// Nanoseconds from the moment the batches were appended.
        ns: u64,
    },
    /// Not yet. The gate is asked again when [`Gate::changed`] completes.
    Hold,
}

/// What stands between a node and its world. All methods take `&self`: one gate is shared by all hosts of a cluster.
pub trait Gate: 'static {
    /// Whether this connection can be made. One that cannot is a dial into the void: it fails at the dial timeout.
    ///
    /// `connection` counts the connections its host has made or taken since it booted, from 1.
    fn dial(&self, _from: Party, _to: Party, _connection: u64) -> bool {
        true
    }

    /// What becomes of a frame. Asked when it is sent, in the order of sending, with its framed bytes (see [`super::frame`]).
    ///
    /// Neither the greeting that opens a connection nor acknowledgements come by here: like a transport's own segments, they say
    /// nothing in the protocol's words.
    fn frame(&self, _from: Party, _to: Party, _connection: u64, _bytes: &[u8]) -> Fate {
        Fate::Pass
    }

    /// A frame that `to` received from `from` was damaged, and the connection is given up.
    fn rejected(&self, _from: Party, _to: Party) {}

    /// A core breaks its link to a peer.
    fn broken_off(&self, _node: NodeId, _peer: NodeId) {}

    /// Which input the core takes next. `ready` is never empty: the timers that are due, by deadline, then the mail, by arrival.
    ///
    /// Taking the first is what a fair host does. Another choice is the gate's own responsibility: it breaks the law of time or the
    /// order of a link.
    fn admit(&self, _node: NodeId, _ready: &[Input<Erased>]) -> Admit {
        Admit::Next(0)
    }

    /// When the next sync begins, asked when its batches are about to be appended: all that waited when the sync before it was done.
    fn sync(&self, _node: NodeId) -> Fsync {
        Fsync::After { ns: 0 }
    }

    /// Whether a protocol that counts on its links hears only what comes on a link that is up, and speaks only on one. A gate that has messages
    /// brought by a courier breaks links by that, and sees to their order itself.
    fn guards_links(&self) -> bool {
        true
    }

    /// Completes when [`Gate::admit`] or [`Gate::sync`] may answer differently for this node. More than one may wait for it at a time,
    /// and each must be woken.
    fn changed(&self, _node: NodeId) -> impl Future<Output = ()> {
        std::future::pending()
    }
}

/// The gate of a host that nobody attacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainGate;

impl Gate for PlainGate {}
