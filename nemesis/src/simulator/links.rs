//! The links between nodes: on which connection a frame travels, and when a link is up.
//!
//! For a protocol that asks nothing of its links there is always a connection; one that breaks is there again at once. For one that counts on them
//! a link that breaks is down until a dial succeeds. Then both ends are told in the same instant, and whatever is said on a link that is down is lost.
//!
//! What an end knows may be older than what is: it is paused, or at work, and what it was told waits in its mail. What it says meanwhile is meant for
//! a connection that is gone, so it is lost, too, even if the link is up again: the other end would take it for a word of the new connection.

use super::Simulation;
use super::agenda::{Epoch, Event};
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::system::Erased;
use stormglass_impls::wire::Party;

/// How long it takes until a connection that broke, or could not be made, is dialled again, in simulated nanoseconds.
const RECONNECT_AFTER_NS: u64 = 100_000_000;

#[cfg(feature = "turmoil")]
const _: () = assert!(
    stormglass_impls::host::RECONNECT_AFTER.as_nanos() == RECONNECT_AFTER_NS as u128,
    "a link is down as long as that of the real host"
);

/// What a connection between two nodes remembers, one way.
#[derive(Clone, Copy, Default)]
pub(super) struct Wire {
    /// When the last frame that keeps its place arrives.
    pub(super) last_arrival_ns: u64,
    /// How often the connection was reset.
    resets: u64,
    /// Whether the sender was last told that the link is up.
    is_told: bool,
    /// How many times it was told so and has not taken it yet.
    ups_in_mail: u32,
}

/// The link of two nodes, where a protocol counts on it.
#[derive(Clone, Copy, Default)]
pub(super) struct Link {
    is_up: bool,
    /// How many dials were put off. Only the last of them is made.
    dials: u64,
}

impl Simulation<'_> {
    pub(super) fn wire(&mut self, from: NodeId, to: NodeId) -> &mut Wire {
        &mut self.wires[from.index() * usize::from(self.trial.nodes) + to.index()]
    }

    fn link(&mut self, one: NodeId, other: NodeId) -> &mut Link {
        let (low, high) = (one.min(other), one.max(other));
        &mut self.links[low.index() * usize::from(self.trial.nodes) + high.index()]
    }

    pub(super) fn epoch(&mut self, from: NodeId, to: NodeId) -> Epoch {
        let lives = (self.nodes[from.index()].life, self.nodes[to.index()].life);
        (lives.0, lives.1, self.wire(from, to).resets)
    }

    /// The connection between two nodes breaks in the middle of a step. Its ends hear of it after what else the step wants.
    pub(super) fn break_off(&mut self, one: NodeId, other: NodeId) {
        if let Some(held) = &mut self.held {
            return held.resets.push((one, other));
        }
        match self.counts_on_links {
            true => self.sever(one, other),
            false => {
                let now_ns = self.now_ns.get();
                self.agenda.add(now_ns, Event::Reset { one, other });
            }
        }
    }

    /// A receiver gave the connection up on which it got a damaged frame.
    pub(super) fn give_up(&mut self, one: NodeId, other: NodeId) {
        match self.counts_on_links {
            true => self.sever(one, other),
            false => self.reset(one, other),
        }
    }

    /// The connection between two nodes breaks: what is under way on it is lost, and both ends see it break and come back.
    pub(super) fn reset(&mut self, one: NodeId, other: NodeId) {
        self.wire(one, other).resets += 1;
        self.wire(other, one).resets += 1;
        for (node, peer) in [(one, other), (other, one)] {
            self.hand(node, Input::LinkDown(peer));
            self.hand(node, Input::LinkUp(peer));
        }
    }

    /// A link goes down, and is dialled anew after a while.
    fn sever(&mut self, one: NodeId, other: NodeId) {
        if self.take_down(one, other) {
            let now_ns = self.now_ns.get();
            self.agenda.add(now_ns, Event::Severed { one, other });
            self.dial_later(one, other);
        }
    }

    /// Nothing is under way on a link any more. Gives whether it was up.
    fn take_down(&mut self, one: NodeId, other: NodeId) -> bool {
        for (from, to) in [(one, other), (other, one)] {
            let wire = self.wire(from, to);
            wire.resets += 1;
            wire.last_arrival_ns = 0;
        }
        std::mem::take(&mut self.link(one, other).is_up)
    }

    /// A link went down a moment ago: tells its ends.
    pub(super) fn severed(&mut self, one: NodeId, other: NodeId) {
        // A link that is up again has told its ends itself.
        if !self.link(one, other).is_up {
            self.tell_down(one, other);
            self.tell_down(other, one);
        }
    }

    /// Tells a node that a link is down, if it was told that it is up.
    fn tell_down(&mut self, node: NodeId, peer: NodeId) {
        if std::mem::take(&mut self.wire(node, peer).is_told) {
            self.hand(node, Input::LinkDown(peer));
        }
    }

    fn dial_later(&mut self, one: NodeId, other: NodeId) {
        let link = self.link(one, other);
        link.dials += 1;
        let dial = link.dials;
        let at_ns = self.now_ns.get() + RECONNECT_AFTER_NS;
        self.agenda.add(at_ns, Event::Dial { one, other, dial });
    }

    /// The time of a dial that was put off has come.
    pub(super) fn dial_again(&mut self, one: NodeId, other: NodeId, dial: u64) {
        if self.link(one, other).dials == dial {
            self.dial(one, other);
        }
    }

    /// Dials, if both nodes are there: one that is not dials when it starts.
    fn dial(&mut self, one: NodeId, other: NodeId) {
        let is_there = |node: NodeId| self.nodes[node.index()].member.is_some();
        if !is_there(one) || !is_there(other) {
            return;
        }
        let (dialler, dialled) = (Party::Node(one), Party::Node(other));
        let now_ns = self.now_ns.get();
        match self.conditions.weather.may_dial(dialler, dialled, now_ns) {
            true => self.connect(one, other),
            false => self.dial_later(one, other),
        }
    }

    fn connect(&mut self, one: NodeId, other: NodeId) {
        let ends = [(one, other), (other, one)];
        for (node, peer) in ends {
            // It may have broken in this very instant, and its ends have not heard of it.
            self.tell_down(node, peer);
        }
        let link = self.link(one, other);
        link.is_up = true;
        link.dials += 1;
        for (node, peer) in ends {
            let wire = self.wire(node, peer);
            wire.is_told = true;
            wire.ups_in_mail += 1;
        }
        for (node, peer) in ends {
            self.hand(node, Input::LinkUp(peer));
        }
    }

    /// A node started: its links come up, unless that waits to be named.
    pub(super) fn links_begin(&mut self, node: NodeId) {
        if self.held.is_some() {
            return;
        }
        for peer in NodeId::all(self.trial.nodes).filter(|peer| *peer != node) {
            if self.counts_on_links {
                self.dial(node, peer);
            } else if self.nodes[peer.index()].member.is_some() {
                self.hand(peer, Input::LinkUp(node));
                self.hand(node, Input::LinkUp(peer));
            }
        }
    }

    /// A node stopped: its links go down, and the others hear of it.
    pub(super) fn links_end(&mut self, node: NodeId) {
        if self.held.is_some() {
            return;
        }
        for peer in NodeId::all(self.trial.nodes).filter(|peer| *peer != node) {
            if self.counts_on_links {
                self.take_down(node, peer);
                let wire = self.wire(node, peer);
                (wire.is_told, wire.ups_in_mail) = (false, 0);
                self.tell_down(peer, node);
            } else {
                self.hand(peer, Input::LinkDown(node));
            }
        }
    }

    /// A node takes an input: from now on it may know of a link that is up.
    pub(super) fn note_taken(&mut self, node: NodeId, input: &Input<Erased>) {
        if let (true, Input::LinkUp(peer)) = (self.counts_on_links, input) {
            self.wire(node, *peer).ups_in_mail -= 1;
        }
    }

    /// Whether what a node says reaches a connection, and the one that it is meant for.
    pub(super) fn carries(&mut self, from: NodeId, to: NodeId) -> bool {
        !self.counts_on_links || (self.link(from, to).is_up && self.wire(from, to).ups_in_mail == 0)
    }
}
