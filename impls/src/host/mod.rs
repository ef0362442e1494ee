//! The asynchronous host: runs one node of a cluster on tokio, with sockets, timers and a write-ahead log.
//!
//! # What
//!
//! A [`Host`] boots a node from its log and drives it until it is dropped or its disk fails. It knows no protocol: it holds a
//! [`System`] and a [`Member`] and carries [`Parcel`]s. It is generic over its [`Net`], [`Disk`] and [`Clock`], so the code that runs on
//! a real machine is the code that runs inside turmoil, and over one [`Gate`], where a nemesis stands.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`gate`] | where a nemesis stands: dials, frames, inputs, syncs |
//! | [`net`], [`disk`], [`clock`] | what a host asks of its world, and this machine's answers |
//! | `turmoil` | turmoil's answers (feature `turmoil`) |
//! | [`frame`], [`connection`] | words on a stream; one connection and how its death is noticed |
//! | `switchboard` | who is connected: links to the peers, clients |
//! | [`wal`], `persist` | the write-ahead log, and who writes it |
//! | [`timers`], [`mailbox`] | what is due, and what waits to be taken |
//! | `core_loop` | takes an input, steps the core, carries out its effects |
//!
//! # Invariants
//!
//! One thread runs all tasks of a host ([`tokio::task::spawn_local`]), every `select!` is biased, no container is ordered by hash, and
//! nothing is drawn but through [`Host::draw`]: inside turmoil the same trial takes the same inputs at the same times. An idle host
//! wakes for nothing but its core's timers.
//!
//! A batch of writes is reported [`Persisted`](crate::contract::Input::Persisted) only after its sync. A failed write or sync ends the
//! host.
//!
//! # Not here
//!
//! What a nemesis does at the gate (crate `nemesis`), and the clients' side of a connection (crate `workloads`, which shares
//! [`connection`], [`timers`] and [`mailbox`]).

pub mod clock;
pub mod connection;
mod core_loop;
pub mod disk;
pub mod frame;
pub mod gate;
pub mod mailbox;
pub mod net;
mod persist;
mod switchboard;
pub mod timers;
#[cfg(feature = "turmoil")]
pub mod turmoil;
pub mod wal;

pub use clock::{Clock, TokioClock};
pub use disk::{Disk, StdDisk};
pub use gate::{Admit, Fate, Fsync, Gate, PlainGate};
pub use net::{Net, TokioNet};
pub use switchboard::RECONNECT_AFTER;
pub use wal::{Compaction, Wal, WalError};

use crate::contract::{DelayRange, NodeId};
use crate::parcel::Parcel;
#[cfg(doc)]
use crate::system::Member;
use crate::system::{DecodeError, Setup, System, Word};
use core_loop::CoreLoop;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use switchboard::Switchboard;
use tokio::task::JoinSet;

/// Draws how long a timer waits, in nanoseconds. What it gives is taken as it is, in the range or not: a driver that lets timers fire
/// by name gives zero.
pub type Draw<T> = Box<dyn FnMut(&T, DelayRange) -> u64>;

/// One node of a cluster, ready to run.
pub struct Host<N, D, C, G> {
    /// What the cluster runs.
    pub system: Rc<dyn System>,
    /// Which node this is.
    pub setup: Setup,
    /// The addresses of all nodes by id, `host:port`. The node listens at its own.
    pub addresses: Vec<String>,
    /// Where the write-ahead log is. The path is absolute and its directory exists.
    pub wal_path: PathBuf,
    /// When the log is written anew.
    pub compaction: Compaction,
    /// The network.
    pub net: N,
    /// The disk.
    pub disk: D,
    /// The node's clocks.
    pub clock: C,
    /// Where the nemesis stands. One gate may be shared by all hosts of a cluster.
    pub gate: Rc<G>,
    /// Draws the lengths of timers.
    pub draw: Draw<Parcel>,
}

/// Why a host stopped, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The node is not one of the cluster, or the addresses are not one a node.
    #[error("{node} with {addresses} addresses is no node of a cluster of {nodes}")]
    Setup {
        /// Which node.
        node: NodeId,
        /// How many nodes the cluster has.
        nodes: u8,
        /// How many addresses were given.
        addresses: usize,
    },
    /// The node cannot listen at its address.
    #[error("{node} cannot listen at {address}: {source}")]
    Bind {
        /// Which node.
        node: NodeId,
        /// Its address.
        address: String,
        /// What the network says.
        source: io::Error,
    },
    /// The write-ahead log cannot be opened or written.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// An intact checkpoint holds no disk of this system.
    #[error("{}: the checkpoint: {source}", path.display())]
    Checkpoint {
        /// The log.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// An intact record holds no write of this system.
    #[error("{}: write {position}: {source}", path.display())]
    Write {
        /// The log.
        path: PathBuf,
        /// Which write behind the checkpoint, from 0.
        position: usize,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl<N: Net, D: Disk, C: Clock, G: Gate> Host<N, D, C, G> {
    /// Runs the node until this future is dropped or the node's disk fails. Must be polled inside a [`tokio::task::LocalSet`].
    ///
    /// Dropping the future is a crash as far as the node can tell: connections close, and what was not synced may be lost.
    pub async fn run(self) -> Result<Infallible, HostError> {
        let node = self.setup.id;
        let Self {
            system,
            setup,
            addresses,
            wal_path,
            compaction,
            net,
            disk,
            clock,
            gate,
            draw,
        } = self;
        if node.0 == 0 || node.0 > setup.nodes || addresses.len() != usize::from(setup.nodes) {
            return Err(HostError::Setup {
                node,
                nodes: setup.nodes,
                addresses: addresses.len(),
            });
        }
        let (wal, recovered) = Wal::open(disk, &wal_path, system.name()).await?;
        let mut image = match &recovered.checkpoint {
            Some(disk) => system
                .read_disk(disk)
                .map_err(|source| HostError::Checkpoint {
                    path: wal_path.clone(),
                    source,
                })?,
            None => system.blank_disk(),
        };
        for (position, write) in recovered.writes.iter().enumerate() {
            match system.decode(Word::Write, write) {
                Ok(write) => image.apply(&write),
                Err(source) => {
                    return Err(HostError::Write {
                        path: wal_path,
                        position,
                        source,
                    });
                }
            }
        }
        drop(recovered);
        let address = addresses[node.index()].clone();
        let listener = match net.bind(&address).await {
            Ok(listener) => listener,
            Err(source) => {
                return Err(HostError::Bind {
                    node,
                    address,
                    source,
                });
            }
        };

        let switchboard =
            Switchboard::new(net, Rc::clone(&gate), Rc::clone(&system), node, setup.nodes);
        let switchboard = Rc::new(switchboard);
        let batches = persist::Batches::default();
        let core = CoreLoop::boot(&setup, &*image, &clock, draw, &switchboard, &batches);
        let log = persist::Log {
            wal,
            image,
            compaction,
        };
        // Dropped with this future, and all its tasks with it.
        let mut tasks = JoinSet::new();
        tasks.spawn_local(Rc::clone(&switchboard).keep_listening(listener));
        for (peer, address) in NodeId::all(setup.nodes).zip(addresses) {
            if peer != node {
                tasks.spawn_local(Rc::clone(&switchboard).keep_link(peer, address));
            }
        }
        tokio::select! {
            biased;
            stopped = persist::write(log, &batches, &*gate, node, &switchboard.mailbox) => Ok(stopped?),
            never = core.run() => match never {},
            // These tasks never end, but they may panic.
            never = until_panic(tasks) => match never {},
        }
    }
}

async fn until_panic(mut tasks: JoinSet<()>) -> Infallible {
    while let Some(ended) = tasks.join_next().await {
        connection::pass_on_panic(ended);
    }
    std::future::pending().await
}

/// Draws the lengths of timers evenly from their ranges, the same lengths for the same seed.
pub fn draw_from<T>(seed: u64) -> Draw<T> {
    let mut state = seed;
    Box::new(move |_, range| {
        // SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let width = u128::from(range.max_ns - range.min_ns) + 1;
        let offset = (u128::from(bits) * width) >> 64;
        range.min_ns + offset as u64
    })
}
