//! What can happen next, and how it reads.

use super::calls::Call;
use super::moves::Letter;
use super::space::Space;
use serde::{Deserialize, Serialize};
use stormglass_impls::contract::NodeId;

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A letter arrives.
    Deliver {
        /// Its number.
        letter: u32,
        /// How its receiver takes it.
        fate: Fate,
    },
    /// A timer runs out.
    Fire {
        /// At which node.
        node: NodeId,
        /// Its number.
        timer: u8,
        /// How the node takes it.
        fate: Fate,
    },
    /// A client asks a node.
    Ask {
        /// Which node.
        node: NodeId,
        /// What.
        call: u8,
        /// How the node takes it.
        fate: Fate,
    },
    /// A node's oldest batch is durable.
    Persisted {
        /// Which node.
        node: NodeId,
        /// How the node takes it.
        fate: Fate,
    },
    /// A node stops, and goes on with what its disk kept.
    Crash {
        /// Which node.
        node: NodeId,
        /// How many of the writes under way are kept.
        keeps: u8,
    },
    /// The connection of two nodes breaks.
    Reset {
        /// One of them.
        one: NodeId,
        /// The other.
        other: NodeId,
    },
}

/// How a step of a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// As it should.
    Plain,
    /// The node goes down in it, before anything of what it writes is durable.
    Dies,
    /// Its replies are lost on their way, and the clients may ask again.
    Unheard,
}

impl Space {
    /// An action in words.
    pub fn describe(&self, action: Action) -> String {
        let end = |fate| match fate {
            Fate::Plain => "",
            Fate::Dies => ", and dies before anything of it is durable",
            Fate::Unheard => ", and its answer is lost",
        };
        match action {
            Action::Deliver { letter, fate } => {
                let Letter {
                    from, to, message, ..
                } = self.letters.get(letter);
                format!("{to} takes from {from}: {message:?}{}", end(fate))
            }
            Action::Fire { node, timer, fate } => {
                let timer = &self.timers.get(timer.into()).parcel;
                format!("{node}: the {timer:?} timer runs out{}", end(fate))
            }
            Action::Ask { node, call, fate } => {
                let Call { client, text, .. } = &self.calls[usize::from(call)];
                format!("c{} asks {node}: {text}{}", client + 1, end(fate))
            }
            Action::Persisted { node, fate } => {
                format!("{node}: its oldest write is durable{}", end(fate))
            }
            Action::Crash { node, keeps: 0 } => format!("{node} dies and comes back"),
            Action::Crash { node, keeps } => {
                format!("{node} dies and comes back with {keeps} of the writes under way")
            }
            Action::Reset { one, other } => format!("the link of {one} and {other} breaks"),
        }
    }
}
