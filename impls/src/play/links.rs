//! Who can talk to whom, and what a node hears of it.

use super::cluster::{Cluster, Fault};
use super::flights::Flight;
use crate::contract::{Input, NodeId};
use crate::system::{Erased, Links};
use std::collections::BTreeSet;

impl Cluster {
    /// Cuts these nodes off from the others. What is in flight between them is lost.
    pub(super) fn partition(&mut self, side: &BTreeSet<NodeId>) -> Result<(), Fault> {
        let others: Vec<_> = self
            .nodes
            .keys()
            .copied()
            .filter(|node| !side.contains(node))
            .collect();
        if side.is_empty() || others.is_empty() {
            return Err("a partition has two sides".to_string());
        }
        for pair in side
            .iter()
            .flat_map(|node| others.iter().map(|other| pair(*node, *other)))
        {
            if self.cuts.insert(pair) {
                self.unlink(pair.0, pair.1);
            }
        }
        Ok(())
    }

    /// Mends all cuts.
    pub(super) fn heal(&mut self) {
        for (one, other) in std::mem::take(&mut self.cuts) {
            self.link(one, other);
        }
    }

    /// Whether what one node sends can reach another.
    pub(super) fn hears(&self, from: NodeId, to: NodeId) -> bool {
        self.is_up(to) && !self.cuts.contains(&pair(from, to))
    }

    /// Takes away a node's memory and what was in flight to it.
    pub(super) fn go_down(&mut self, node: NodeId) {
        let place = self.place_mut(node);
        place.member = None;
        place.outstanding.clear();
        place.timers.clear();
        // What it said itself is on its way still, but not into a later conversation.
        let ends_at_once = self.system.budget().links == Links::Fifo;
        let is_lost =
            |flight: &mut Flight| flight.to == node || (ends_at_once && flight.from == node);
        let lost = self.flights.extract_if(.., is_lost).collect::<Vec<_>>();
        lost.iter().for_each(|flight| self.say_lost("  ", flight));
        let others = NodeId::all(self.place(node).setup.nodes).filter(|other| *other != node);
        others.for_each(|other| {
            self.tell(
                other,
                format!("{other} hears that {node} is gone"),
                Input::LinkDown(node),
            )
        });
    }

    /// Two nodes are connected, if both are up and nothing cuts them.
    pub(super) fn link(&mut self, one: NodeId, other: NodeId) {
        if self.hears(one, other) && self.hears(other, one) {
            self.tell(
                one,
                format!("{one} is linked to {other}"),
                Input::LinkUp(other),
            );
            self.tell(
                other,
                format!("{other} is linked to {one}"),
                Input::LinkUp(one),
            );
        }
    }

    /// The connection of two nodes breaks, and what is in flight on it is lost.
    pub(super) fn unlink(&mut self, one: NodeId, other: NodeId) {
        let lost = self.flights.extract_if(.., |flight| {
            pair(flight.from, flight.to) == pair(one, other)
        });
        lost.collect::<Vec<_>>()
            .iter()
            .for_each(|flight| self.say_lost("", flight));
        self.tell(
            one,
            format!("{one} hears that {other} is gone"),
            Input::LinkDown(other),
        );
        self.tell(
            other,
            format!("{other} hears that {one} is gone"),
            Input::LinkDown(one),
        );
    }

    /// Tells a node, if it is up, of a link. The line of the input is there only if the node does something: many protocols do not.
    pub(super) fn tell(&mut self, node: NodeId, head: String, input: Input<Erased>) {
        if !self.is_up(node) {
            return;
        }
        let before = self.trace.len();
        self.step_quietly(node, input);
        if self.trace.len() > before {
            self.trace.insert_str(before, &format!("{head}\n"));
        }
        self.settle(node);
    }
}

pub(super) fn pair(one: NodeId, other: NodeId) -> (NodeId, NodeId) {
    (one.min(other), one.max(other))
}
