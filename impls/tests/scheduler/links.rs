//! Links that keep the order and lose nothing while they are up, for protocols that count on them. They break at any time, and because a node
//! breaks them, and what is under way on them is lost from some point on.
//!
//! That a link came up or went down is mail as a message is, so a node may learn late of it. What it says until then is meant for a
//! connection that is gone, and is lost.

use super::{Cluster, Dice, NODES};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::parcel::Parcel;

/// What comes to a node from another.
enum Mail {
    Up,
    Message(Parcel),
    Down,
}

/// All links, and what is under way on them.
#[derive(Default)]
pub(super) struct Wires {
    /// The pairs that are linked, the lower id first.
    up: BTreeSet<(NodeId, NodeId)>,
    /// From whom, to whom, and what, oldest first.
    mail: BTreeMap<(NodeId, NodeId), VecDeque<Mail>>,
}

impl Wires {
    fn put(&mut self, from: NodeId, to: NodeId, mail: Mail) {
        self.mail.entry((from, to)).or_default().push_back(mail);
    }

    /// A node says something to another, if it knows the connection that is there.
    pub(super) fn say(&mut self, from: NodeId, to: NodeId, message: Parcel) {
        let unread = self.mail.get(&(to, from));
        let knows = unread.is_none_or(|mail| mail.iter().all(|mail| !is_news(mail)));
        if knows && self.up.contains(&pair(from, to)) {
            self.put(from, to, Mail::Message(message));
        }
    }

    /// A link goes down, if it is up.
    pub(super) fn sever(&mut self, one: NodeId, other: NodeId) {
        if self.up.remove(&pair(one, other)) {
            self.put(one, other, Mail::Down);
            self.put(other, one, Mail::Down);
        }
    }

    /// Who has mail, and from whom.
    fn waiting(&self) -> Vec<(NodeId, NodeId)> {
        let waiting = self.mail.iter().filter(|(_, mail)| !mail.is_empty());
        waiting.map(|(ends, _)| *ends).collect()
    }
}

impl Cluster {
    /// Two nodes are linked, if both are there and are not linked yet.
    fn connect(&mut self, one: NodeId, other: NodeId) {
        let apart = one != other && !self.is_down(one) && !self.is_down(other);
        if let (true, Some(wires)) = (apart, &mut self.wires)
            && wires.up.insert(pair(one, other))
        {
            wires.put(one, other, Mail::Up);
            wires.put(other, one, Mail::Up);
        }
    }

    /// A node started.
    pub(super) fn links_begin(&mut self, node: NodeId) {
        NodeId::all(NODES).for_each(|other| self.connect(node, other));
    }

    /// A node stopped. What was on its way to it is lost; what it said may still arrive.
    pub(super) fn links_end(&mut self, node: NodeId) {
        if let Some(wires) = &mut self.wires {
            NodeId::all(NODES).for_each(|other| wires.sever(node, other));
            wires.mail.retain(|(_, to), _| *to != node);
        }
    }

    /// Something happens on the links: now and then one breaks, or comes back, and mostly the oldest message of a pair arrives.
    pub(super) fn deliver_in_order(&mut self, dice: &mut Dice) {
        let (one, other) = (dice.node(), dice.node());
        match dice.below(300) {
            0 => self
                .wires
                .iter_mut()
                .for_each(|wires| wires.sever(one, other)),
            1..15 => self.connect(one, other),
            _ => self.read_mail(dice),
        }
    }

    fn read_mail(&mut self, dice: &mut Dice) {
        let Some(wires) = &mut self.wires else {
            return;
        };
        let waiting = wires.waiting();
        if waiting.is_empty() {
            return;
        }
        let (from, to) = waiting[dice.below(waiting.len())];
        let mail = wires.mail.get_mut(&(from, to));
        let mail = mail.expect("there is mail from who was chosen");
        // The end of a connection is often seen before what was still under way on it, and that is lost then.
        let end = mail.iter().position(|mail| matches!(mail, Mail::Down));
        if let Some(end) = end.filter(|_| dice.below(2) == 0) {
            let rest = mail.split_off(end);
            mail.retain(is_news);
            mail.extend(rest);
        }
        let input = match mail.pop_front().expect("there is mail") {
            Mail::Up => Input::LinkUp(from),
            Mail::Message(message) => Input::Deliver { from, message },
            Mail::Down => Input::LinkDown(from),
        };
        self.step(to, input);
    }
}

/// Whether it says how a link is.
fn is_news(mail: &Mail) -> bool {
    matches!(mail, Mail::Up | Mail::Down)
}

fn pair(one: NodeId, other: NodeId) -> (NodeId, NodeId) {
    (one.min(other), one.max(other))
}
