//! Lighthouse: registers that every node of a cluster serves, and that a minority of dead nodes does not stop.
//!
//! # What
//!
//! Atomic registers by majority quorums (Attiya, Bar-Noy and Dolev, "Sharing memory robustly in message-passing systems", 1995; with
//! several writers as in Lynch and Shvartsman, 1997). A value carries a stamp. A write asks a majority for the newest stamp, and stores its
//! value with a newer one at a majority. A read asks a majority for the newest value, and stores it at a majority before it answers: a
//! later read can then see nothing older.
//!
//! # Entry points
//!
//! [`serve`] runs a node. [`Client`] talks to one.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | this one | the coordinator: a node serving clients, with the help of a majority |
//! | [`replica`] | what a node stores, durably |
//! | [`wire`] | requests and replies, a line of JSON each, and a connection for each |
//! | [`client`] | the client |
//!
//! # Invariants
//!
//! A replica acknowledges what is on its disk, and nothing else. No stamp is given to two values. What is not answered in time may have
//! happened.
//!
//! # Not here
//!
//! Membership changes, compare-and-set (a quorum of registers cannot do it), and anything of the tool that tests it.

pub mod client;
pub mod replica;
pub mod wire;

pub use client::Client;

use replica::{Entry, Replica, Stamp};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;
use wire::{Reply, Request, TcpListener, TcpStream};

/// The port nodes listen at unless told otherwise.
pub const PORT: u16 = 7_000;

/// How a node is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its number; no two nodes have the same.
    pub id: u8,
    /// Where it listens, as `host:port`.
    pub listen: String,
    /// The addresses of the other nodes, as `host:port`.
    pub peers: Vec<String>,
    /// The file it keeps its registers in.
    pub path: String,
    /// How it reads.
    pub reads: Reads,
}

impl Config {
    /// A node at the usual port, which reads as it should. `peers` are the hosts of the other nodes.
    pub fn new(id: u8, peers: &[String]) -> Self {
        Self {
            id,
            listen: format!("0.0.0.0:{PORT}"),
            peers: peers.iter().map(|host| format!("{host}:{PORT}")).collect(),
            path: "/registers".to_string(),
            reads: Reads::Majority,
        }
    }
}

/// How a node reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// By asking a majority.
    Majority,
    /// From its own disk. Fast, and wrong: a node that missed a write answers with what was before it.
    Local,
}

/// A node at work.
struct Node {
    config: Config,
    replica: Mutex<Replica>,
}

/// Runs a node until something breaks.
///
/// # Errors
/// When it cannot listen, or its file is unusable.
pub async fn serve(config: Config) -> io::Result<()> {
    let replica = Mutex::new(Replica::open(&config.path)?);
    let listener = TcpListener::bind(&config.listen).await?;
    let node = Arc::new(Node { config, replica });
    loop {
        let (stream, _) = listener.accept().await?;
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            // Whoever asked and went away asks again.
            let _ = node.attend(stream).await;
        });
    }
}

impl Node {
    async fn attend(&self, mut stream: TcpStream) -> io::Result<()> {
        let request = wire::receive(&mut stream).await?;
        let reply = match request {
            Request::Read { key } => self.read(key).await,
            Request::Write { key, value } => self.write(key, value).await,
            Request::Get { key } => Ok(Reply::Entry(self.replica().get(&key))),
            Request::Put { key, entry } => self.replica().put(&key, entry).map(|()| Reply::Stored),
        };
        let reply = reply.unwrap_or_else(|error| Reply::Failed(error.to_string()));
        wire::send(&mut stream, &reply).await
    }

    async fn read(&self, key: String) -> io::Result<Reply> {
        if self.config.reads == Reads::Local {
            return Ok(Reply::Value(self.replica().get(&key).value));
        }
        let newest = self.newest(&key).await?;
        self.replica().put(&key, newest.clone())?;
        let value = newest.value.clone();
        let entry = newest;
        self.majority(Request::Put { key, entry }).await?;
        Ok(Reply::Value(value))
    }

    async fn write(&self, key: String, value: serde_json::Value) -> io::Result<Reply> {
        let newest = self.newest(&key).await?;
        let entry = {
            // Chosen and stored at once, before anybody else sees it: so this node never gives the same stamp again, not even when
            // it crashes now.
            let mut replica = self.replica();
            let counter = newest.stamp.counter.max(replica.get(&key).stamp.counter) + 1;
            let node = self.config.id;
            let stamp = Stamp { counter, node };
            let entry = Entry { stamp, value };
            replica.put(&key, entry.clone())?;
            entry
        };
        self.majority(Request::Put { key, entry }).await?;
        Ok(Reply::Stored)
    }

    /// The newest entry that a majority knows, this node included.
    async fn newest(&self, key: &str) -> io::Result<Entry> {
        let mut newest = self.replica().get(key);
        let key = key.to_string();
        for reply in self.majority(Request::Get { key }).await? {
            if let Reply::Entry(entry) = reply
                && entry.stamp > newest.stamp
            {
                newest = entry;
            }
        }
        Ok(newest)
    }

    /// Asks all peers at once, and waits until as many have answered as make a majority together with this node.
    async fn majority(&self, request: Request) -> io::Result<Vec<Reply>> {
        let wanted = self.config.peers.len().div_ceil(2);
        let mut asked = JoinSet::new();
        for peer in self.config.peers.clone() {
            let request = request.clone();
            asked.spawn(async move { wire::ask(&peer, &request, wire::PEER_TIMEOUT).await });
        }
        let mut replies = Vec::new();
        while replies.len() < wanted {
            match asked.join_next().await {
                Some(Ok(Ok(Reply::Failed(_)) | Err(_))) | Some(Err(_)) => {}
                Some(Ok(Ok(reply))) => replies.push(reply),
                None => return Err(io::Error::other("no majority answered")),
            }
        }
        // The rest may still arrive: every replica that has the value helps.
        asked.detach_all();
        Ok(replies)
    }

    fn replica(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
