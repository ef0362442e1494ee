//! Runs one node in this process.

use super::lock::{Lock, LockError};
use super::{Plan, chance};
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::host::{
    Compaction, Host, HostError, PlainGate, StdDisk, TokioClock, TokioNet, draw_from,
};

/// Why a node ended, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The plan names no system that there is.
    #[error("there is no cluster {name:?}")]
    UnknownSystem {
        /// What it names.
        name: String,
    },
    /// Another process is this node.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The host ended.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The system gave no runtime.
    #[error("no runtime: {0}")]
    Runtime(io::Error),
}

/// Runs a node of a cluster, with its data in a directory of its own, until its disk fails or the process ends. A node needs no farewell: ending
/// it at any moment is as good as any other way.
pub fn run(plan: &Plan, id: NodeId, directory: &Path) -> Result<Infallible, NodeError> {
    let system = catalog::system(&plan.system).ok_or_else(|| NodeError::UnknownSystem {
        name: plan.system.clone(),
    })?;
    let _lock = Lock::take(directory)?;
    let directory = directory.canonicalize().map_err(|source| LockError::Io {
        directory: directory.into(),
        source,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NodeError::Runtime)?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let host = Host {
            system,
            setup: plan.setup(id),
            addresses: plan.addresses.clone(),
            wal_path: directory.join("wal"),
            compaction: Compaction::default(),
            net: TokioNet,
            disk: StdDisk,
            clock: TokioClock::start(),
            gate: Rc::new(PlainGate),
            draw: draw_from(chance()),
        };
        Ok(host.run().await?)
    })
}
