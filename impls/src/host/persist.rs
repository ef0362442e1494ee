//! Makes batches of writes durable, one after the other, while the core goes on.

use super::disk::Disk;
use super::gate::{Fsync, Gate};
use super::mailbox::Mailbox;
use super::wal::{Wal, WalError};
use crate::contract::{Input, NodeId};
use crate::system::Erased;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// The batches that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// Each a list of writes in their wire form.
    waiting: RefCell<VecDeque<Vec<Vec<u8>>>>,
    arrived: Notify,
}

impl Batches {
    pub(crate) fn push(&self, batch: Vec<Vec<u8>>) {
        self.waiting.borrow_mut().push_back(batch);
        self.arrived.notify_one();
    }

    async fn next(&self) -> Vec<Vec<u8>> {
        loop {
            if let Some(batch) = self.waiting.borrow_mut().pop_front() {
                return batch;
            }
            self.arrived.notified().await;
        }
    }
}

/// Writes batches for ever, or until the disk fails: what a failed sync left on the disk nobody knows, so the node must stop.
pub(crate) async fn write<D: Disk, G: Gate>(
    mut wal: Wal<D>,
    batches: &Batches,
    gate: &G,
    node: NodeId,
    mailbox: &Mailbox<Input<Erased>>,
) -> Result<Infallible, WalError> {
    loop {
        let batch = batches.next().await;
        wal.append(&batch).await?;
        loop {
            match gate.sync(node) {
                Fsync::After { ns: 0 } => break,
                Fsync::After { ns } => {
                    sleep(Duration::from_nanos(ns)).await;
                    break;
                }
                Fsync::Hold => gate.changed(node).await,
            }
        }
        wal.sync().await?;
        mailbox.push(Input::Persisted);
    }
}
