//! Makes batches of writes durable, in order, while the core goes on.
//!
//! What arrives while a sync is under way waits for the next, and shares it: a group of batches is appended and synced as one, and each of
//! them is reported. A crash keeps a prefix of the group's bytes, so it keeps a prefix of the writes.

use super::disk::Disk;
use super::gate::{Fsync, Gate};
use super::mailbox::Mailbox;
use super::wal::{Compaction, Wal, WalError};
use crate::contract::{Input, NodeId};
use crate::parcel::Parcel;
use crate::system::{DiskImage, Erased};
use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// The batches that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// Oldest first.
    waiting: RefCell<Vec<Vec<Parcel>>>,
    arrived: Notify,
}

impl Batches {
    pub(crate) fn push(&self, batch: Vec<Parcel>) {
        self.waiting.borrow_mut().push(batch);
        self.arrived.notify_one();
    }

    /// Takes all that wait, at least one.
    async fn group(&self) -> Vec<Vec<Parcel>> {
        while self.waiting.borrow().is_empty() {
            self.arrived.notified().await;
        }
        self.waiting.take()
    }
}

/// The log on the disk, and what it folds to.
pub(crate) struct Log<D: Disk> {
    pub(crate) wal: Wal<D>,
    /// What all writes that are durable fold to.
    pub(crate) image: Box<dyn DiskImage>,
    pub(crate) compaction: Compaction,
}

/// Writes batches for ever, or until the disk fails: what a failed sync left on the disk nobody knows, so the node must stop.
pub(crate) async fn write<D: Disk, G: Gate>(
    log: Log<D>,
    batches: &Batches,
    gate: &G,
    node: NodeId,
    mailbox: &Mailbox<Input<Erased>>,
) -> Result<Infallible, WalError> {
    let Log {
        mut wal,
        mut image,
        compaction,
    } = log;
    loop {
        let group = batches.group().await;
        let bodies: Vec<Vec<u8>> = group.iter().flatten().map(Parcel::encode).collect();
        match gate.sync(node) {
            Fsync::After { ns: 0 } => wal.append_synced(&bodies).await?,
            wait => {
                wal.append(&bodies).await?;
                until(wait, gate, node).await;
                wal.sync().await?;
            }
        }
        for batch in &group {
            batch.iter().for_each(|write| image.apply(write));
            mailbox.push(Input::Persisted);
        }
        if wal.has_outgrown(compaction) {
            let draft = wal.draft(&image.encode()).await?;
            until(gate.sync(node), gate, node).await;
            wal.adopt(draft).await?;
        }
    }
}

/// Waits until a sync may begin.
async fn until<G: Gate>(mut wait: Fsync, gate: &G, node: NodeId) {
    loop {
        match wait {
            Fsync::After { ns: 0 } => return,
            Fsync::After { ns } => return sleep(Duration::from_nanos(ns)).await,
            Fsync::Hold => gate.changed(node).await,
        }
        wait = gate.sync(node);
    }
}
