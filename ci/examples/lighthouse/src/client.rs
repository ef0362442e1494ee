//! The client.

use crate::wire::{self, Reply, Request};
use serde_json::Value;
use std::io;
use std::time::Duration;

/// How long a client waits for a node, which itself asks twice around.
const PATIENCE: Duration = Duration::from_secs(1);

/// Talks to one node. An error says nothing about whether a write happened.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
}

impl Client {
    /// A client of the node at `host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
        }
    }

    /// The value of a register; null where nothing was ever written.
    ///
    /// # Errors
    /// When there is no answer, or the node found no majority.
    pub async fn read(&self, key: &str) -> io::Result<Value> {
        let key = key.to_string();
        match wire::ask(&self.address, &Request::Read { key }, PATIENCE).await? {
            Reply::Value(value) => Ok(value),
            other => Err(unfit(other)),
        }
    }

    /// Writes a register.
    ///
    /// # Errors
    /// When there is no answer, or the node found no majority. The write may have happened all the same, or may happen later.
    pub async fn write(&self, key: &str, value: Value) -> io::Result<()> {
        let key = key.to_string();
        match wire::ask(&self.address, &Request::Write { key, value }, PATIENCE).await? {
            Reply::Stored => Ok(()),
            other => Err(unfit(other)),
        }
    }
}

fn unfit(reply: Reply) -> io::Error {
    match reply {
        Reply::Failed(why) => io::Error::other(why),
        other => io::Error::other(format!("{other:?} is no answer to that")),
    }
}
