//! What is going to happen, by time; and the timers that wait for it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stormglass_impls::contract::{NodeId, RequestId, Session};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::wire::ClientFrame;

/// A heap of events. At equal times timers come first, then the order of scheduling decides.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
}

impl Agenda {
    /// Adds an event. Gives its number, which is its name.
    pub(super) fn add(&mut self, at_ns: u64, event: Event) -> u64 {
        self.sequence += 1;
        let rank = !matches!(event, Event::NodeTimer { .. } | Event::ClientTimer { .. }) as u8;
        self.heap.push(Reverse(Scheduled {
            at_ns,
            rank,
            sequence: self.sequence,
            event,
        }));
        self.sequence
    }

    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When the next event happens, in simulated nanoseconds.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(scheduled)| scheduled.at_ns)
    }

    /// Takes the next event: when it happens, its number, and what it is.
    pub(super) fn pop(&mut self) -> Option<(u64, u64, Event)> {
        let Reverse(Scheduled {
            at_ns,
            sequence,
            event,
            ..
        }) = self.heap.pop()?;
        Some((at_ns, sequence, event))
    }
}

struct Scheduled {
    at_ns: u64,
    rank: u8,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.rank, self.sequence).cmp(&(other.at_ns, other.rank, other.sequence))
    }
}

/// The lives of two nodes and the number of the connection between them: what must not have changed between the sending of a frame and
/// its arrival.
pub(super) type Epoch = (u64, u64, u64);

/// What happens.
pub(super) enum Event {
    NodeTimer {
        node: NodeId,
        life: u64,
    },
    ClientTimer {
        client: u32,
    },
    /// A frame between nodes. It arrives only over the connection on which it was sent.
    Message {
        from: NodeId,
        to: NodeId,
        epoch: Epoch,
        message: Parcel,
    },
    /// A frame between nodes that was damaged on its way.
    Damaged {
        from: NodeId,
        to: NodeId,
        epoch: Epoch,
    },
    /// The connection between two nodes breaks and is made anew.
    Reset {
        one: NodeId,
        other: NodeId,
    },
    /// The link between two nodes went down, and its ends hear of it.
    Severed {
        one: NodeId,
        other: NodeId,
    },
    /// The link between two nodes is dialled, unless something else happened to it since this dial was put off.
    Dial {
        one: NodeId,
        other: NodeId,
        dial: u64,
    },
    Call {
        client: u32,
        to: NodeId,
        life: u64,
        which: (Session, RequestId),
        body: Parcel,
    },
    /// A node notices that a client broke its connection.
    Gone {
        client: u32,
        node: NodeId,
        life: u64,
    },
    /// A frame from a node to a client.
    Told {
        from: NodeId,
        client: u32,
        frame: ClientFrame,
    },
    /// A client notices that the connection to a node broke.
    Broken {
        node: NodeId,
        client: u32,
    },
    /// The oldest batch of a node's disk is synced, or is said to be by the fault that is named.
    Synced {
        node: NodeId,
        life: u64,
        lie: Option<u32>,
    },
    /// A node's disk fails, as that fault says.
    Failed {
        node: NodeId,
        life: u64,
        fault: u32,
    },
    /// A step that took time is over.
    Free {
        node: NodeId,
        life: u64,
    },
    Work {
        client: u32,
    },
}

/// The timers of one party: which are set, when each is due by the party's own clock, and for which event on the heap it waits.
pub(super) struct Timers<T> {
    set: Vec<Waiting<T>>,
    /// How many lengths were drawn. Goes on across crashes, so that no draw is used twice.
    pub(super) draws: u64,
}

pub(super) struct Waiting<T> {
    timer: T,
    /// By the clock of its party, in nanoseconds.
    pub(super) due_ns: u64,
    pub(super) sequence: u64,
}

impl<T: PartialEq> Timers<T> {
    pub(super) fn new() -> Self {
        Self {
            set: Vec::new(),
            draws: 0,
        }
    }

    pub(super) fn cancel(&mut self, timer: &T) {
        self.set.retain(|waiting| waiting.timer != *timer);
    }

    /// Takes the timer that waits for this event, if it is still set.
    pub(super) fn take(&mut self, sequence: u64) -> Option<T> {
        let at = self
            .set
            .iter()
            .position(|waiting| waiting.sequence == sequence)?;
        Some(self.set.swap_remove(at).timer)
    }

    /// Takes a timer that is set, whenever it is due.
    #[cfg(feature = "model")]
    pub(super) fn take_named(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.set.iter().position(|waiting| is_it(&waiting.timer))?;
        Some(self.set.swap_remove(at).timer)
    }

    /// Takes the timer that has been due the longest.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<T> {
        let due = self
            .set
            .iter()
            .enumerate()
            .filter(|(_, waiting)| waiting.due_ns <= now_ns);
        let (at, _) = due.min_by_key(|(_, waiting)| (waiting.due_ns, waiting.sequence))?;
        Some(self.set.swap_remove(at).timer)
    }

    /// Sets a timer that waits for this event; it waits for no other any more.
    pub(super) fn set(&mut self, timer: T, due_ns: u64, sequence: u64) {
        self.cancel(&timer);
        self.set.push(Waiting {
            timer,
            due_ns,
            sequence,
        });
    }

    /// All that are set.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting<T>> {
        self.set.iter_mut()
    }

    /// Stops all of them.
    pub(super) fn clear(&mut self) {
        self.set.clear();
    }
}
