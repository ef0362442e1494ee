//! A system as an exhaustive search sees it: values that never change, one after the other.
//!
//! A search holds very many states that share almost all they are made of, and takes each of them up again and again. So here a step gives a
//! new value and leaves the old one as it was; a value can be shared between threads; and it can be told from others by what it is made of.

use crate::contract::{Effects, Input, Node, NodeId, Now};
use crate::node_set::NodeSet;
use crate::parcel::Parcel;
use crate::system::{DiskImage, Erased, Member, Reference, Setup, Watch};
use crate::system::{Typed, TypedDisk, Word};
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Where a node stands, in words that every protocol has. For bounds, coverage and people; it never steers the core.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Outline {
    /// What it is at the moment.
    pub role: Role,
    /// Its term, ballot round or epoch.
    pub epoch: u64,
    /// The last place of its log.
    pub last: u64,
    /// The epoch of what stands there.
    pub last_epoch: u64,
    /// How far it knows its log to be decided.
    pub decided: u64,
}

/// What a node is at the moment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It follows, or waits to.
    #[default]
    Follower,
    /// It stands for election, or asks whether it could win one.
    Candidate,
    /// It leads.
    Leader,
}

/// Other names for the nodes of a cluster: what `n1` is called, `n2`, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<NodeId>);

impl Names {
    /// These names, that of `n1` first. Each node's name must be among them once.
    pub fn new(names: Vec<NodeId>) -> Self {
        let all: NodeSet = names.iter().copied().collect();
        assert!(
            all == NodeSet::first(names.len() as u8) && all.len() == names.len(),
            "every node has a name of its own: {names:?}"
        );
        Self(names)
    }

    /// What a node is called.
    pub fn of(&self, node: NodeId) -> NodeId {
        self.0[node.index()]
    }

    /// What the nodes of a set are called.
    pub fn of_set(&self, nodes: NodeSet) -> NodeSet {
        nodes.iter().map(|node| self.of(node)).collect()
    }
}

/// What is the same with other names for its nodes. A protocol that treats all nodes alike goes on from the renamed state as from the state itself,
/// with the names changed.
pub trait Renamed: Sized {
    /// The same with other names.
    #[must_use]
    fn renamed(&self, names: &Names) -> Self;
}

impl Renamed for NodeId {
    fn renamed(&self, names: &Names) -> Self {
        names.of(*self)
    }
}

impl Renamed for NodeSet {
    fn renamed(&self, names: &Names) -> Self {
        names.of_set(*self)
    }
}

impl<T: Renamed> Renamed for Option<T> {
    fn renamed(&self, names: &Names) -> Self {
        self.as_ref().map(|value| value.renamed(names))
    }
}

impl<T: Renamed> Renamed for Vec<T> {
    fn renamed(&self, names: &Names) -> Self {
        self.iter().map(|value| value.renamed(names)).collect()
    }
}

/// The state of one node.
pub trait NodeState: Send + Sync {
    /// The node after one input, and what it wants done.
    fn step(&self, now: Now, input: Input<Erased>) -> (Arc<dyn NodeState>, Effects<Erased>);

    /// The node as a watch sees it.
    fn as_member(&self) -> &dyn Member;

    /// Feeds a hasher all that the node's behaviour rests on, with other names for the nodes if some are given.
    ///
    /// # Panics
    /// When names are given and the system is not [symmetric](Explored::is_symmetric).
    fn feed(&self, names: Option<&Names>, hasher: &mut dyn Hasher);

    /// See [`Node::outline`].
    fn outline(&self) -> Outline;
}

/// The content of one disk.
pub trait DiskState: Send + Sync {
    /// The disk after these writes.
    fn after(&self, writes: &[Parcel]) -> Arc<dyn DiskState>;

    /// The disk as a system boots from it.
    fn as_image(&self) -> &dyn DiskImage;

    /// Feeds a hasher all of it, as [`NodeState::feed`].
    fn feed(&self, names: Option<&Names>, hasher: &mut dyn Hasher);
}

/// A watch whose memory can be copied and compared.
pub trait Memory: Watch + Send + Sync {
    /// A copy, the counts of its witnesses among it.
    fn duplicate(&self) -> Box<dyn Memory>;

    /// Feeds a hasher all on which a later verdict may rest. Two watches that were told the same by different ways feed the same; how often
    /// each law was tested is not among it. As [`NodeState::feed`].
    fn feed(&self, names: Option<&Names>, hasher: &mut dyn Hasher);
}

/// What an exhaustive search asks of a system.
pub trait Explored: Send + Sync {
    /// An empty disk.
    fn blank_disk(&self) -> Arc<dyn DiskState>;

    /// A node made from its disk, and what it wants done.
    ///
    /// # Panics
    /// When the disk is of another system, or the setup is one that the system refuses.
    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskState,
        now: Now,
    ) -> (Arc<dyn NodeState>, Effects<Erased>);

    /// The invariants of a new cluster.
    fn memory(&self) -> Box<dyn Memory>;

    /// From which epoch on a receiver ignores this message for ever, if there is one: it changes nothing and is not answered, once the receiver's
    /// disk has that epoch. As the setup's mutant would have it.
    fn stale_from(&self, setup: &Setup, message: &Parcel) -> Option<u64>;

    /// Whether it treats all nodes alike, as long as nobody hands over or leaves, so that its states can be renamed.
    fn is_symmetric(&self) -> bool;

    /// Feeds a hasher a message with other names for the nodes in it, and a write likewise.
    ///
    /// # Panics
    /// When the system is not symmetric.
    fn feed_word(&self, word: Word, parcel: &Parcel, names: &Names, hasher: &mut dyn Hasher);

    /// The epoch that a disk keeps.
    fn epoch_of(&self, disk: &dyn DiskState) -> u64;
}

/// How the words of a core are renamed.
pub struct Renaming<N: Node> {
    /// A node.
    pub node: fn(&N, &Names) -> N,
    /// A disk.
    pub disk: fn(&N::Disk, &Names) -> N::Disk,
    /// A message.
    pub message: fn(&N::Message, &Names) -> N::Message,
    /// A write.
    pub write: fn(&N::Write, &Names) -> N::Write,
}

fn renaming<N: Node>() -> Renaming<N> {
    N::renaming().expect("only a symmetric system is asked for other names")
}

impl<N: Node<Config = Setup>> NodeState for Typed<N> {
    fn step(&self, now: Now, input: Input<Erased>) -> (Arc<dyn NodeState>, Effects<Erased>) {
        let mut next = Typed::of(self.core.clone());
        let mut effects = Effects::default();
        Member::step(&mut next, now, input, &mut effects);
        (Arc::new(next), effects)
    }

    fn as_member(&self) -> &dyn Member {
        self
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        match names {
            None => self.core.hash(&mut hasher),
            Some(names) => (renaming::<N>().node)(&self.core, names).hash(&mut hasher),
        }
    }

    fn outline(&self) -> Outline {
        self.core.outline()
    }
}

impl<N: Node<Config = Setup>> DiskState for TypedDisk<N> {
    fn after(&self, writes: &[Parcel]) -> Arc<dyn DiskState> {
        let mut next = TypedDisk::<N>(self.0.clone());
        writes.iter().for_each(|write| next.apply(write));
        Arc::new(next)
    }

    fn as_image(&self) -> &dyn DiskImage {
        self
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        match names {
            None => self.0.hash(&mut hasher),
            Some(names) => (renaming::<N>().disk)(&self.0, names).hash(&mut hasher),
        }
    }
}

impl<N: Node<Config = Setup>> Explored for Reference<N> {
    fn blank_disk(&self) -> Arc<dyn DiskState> {
        Arc::new(TypedDisk::<N>(N::Disk::default()))
    }

    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskState,
        now: Now,
    ) -> (Arc<dyn NodeState>, Effects<Erased>) {
        let mut effects = Effects::default();
        let node = self.boot_typed(setup, disk.as_image(), now, &mut effects);
        (Arc::new(node), effects)
    }

    fn memory(&self) -> Box<dyn Memory> {
        (self.watch)()
    }

    fn stale_from(&self, setup: &Setup, message: &Parcel) -> Option<u64> {
        let message = message.open();
        N::stale_from(setup, message.expect("a message is of its own system"))
    }

    fn is_symmetric(&self) -> bool {
        N::renaming().is_some()
    }

    fn feed_word(&self, word: Word, parcel: &Parcel, names: &Names, mut hasher: &mut dyn Hasher) {
        let renaming = renaming::<N>();
        match word {
            Word::Message => {
                let message = parcel.open().expect("a message is of its own system");
                (renaming.message)(message, names).hash(&mut hasher);
            }
            Word::Write => {
                let write = parcel.open().expect("a write is of its own system");
                (renaming.write)(write, names).hash(&mut hasher);
            }
            _ => parcel.hash(&mut hasher),
        }
    }

    fn epoch_of(&self, disk: &dyn DiskState) -> u64 {
        let disk = disk.as_image().as_any().downcast_ref();
        N::epoch_of(disk.expect("a disk is of its own system"))
    }
}
