//! Requests and replies: a line of JSON each, one of each on a connection.
//!
//! A connection that lost a segment may say nothing for ever. So every question has a timeout and a connection of its own.

use crate::replica::Entry;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

#[cfg(not(feature = "simulated"))]
pub use tokio::net::{TcpListener, TcpStream};
#[cfg(feature = "simulated")]
pub use turmoil::net::{TcpListener, TcpStream};

/// How long a node waits for another.
pub const PEER_TIMEOUT: Duration = Duration::from_millis(300);

/// The longest line anybody may send, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What a node is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// By a client: the value of a register.
    Read {
        /// Which register.
        key: String,
    },
    /// By a client: to write a register.
    Write {
        /// Which register.
        key: String,
        /// What.
        value: Value,
    },
    /// By a node: what its replica holds.
    Get {
        /// Which register.
        key: String,
    },
    /// By a node: to store an entry.
    Put {
        /// Which register.
        key: String,
        /// What.
        entry: Entry,
    },
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The value of a register.
    Value(Value),
    /// What the replica holds.
    Entry(Entry),
    /// It is stored.
    Stored,
    /// Something failed. A write may have happened all the same.
    Failed(String),
}

/// Asks a node on a connection of its own.
///
/// # Errors
/// When the connection fails, or no answer comes in time.
pub async fn ask(address: &str, request: &Request, patience: Duration) -> io::Result<Reply> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        send(&mut stream, request).await?;
        receive(&mut stream).await
    };
    timeout(patience, asked)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends a line.
pub(crate) async fn send(stream: &mut TcpStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// Receives a line.
pub(crate) async fn receive<T: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_BYTES_MAX))
        .read_until(b'\n', &mut line)
        .await?;
    Ok(serde_json::from_slice(&line)?)
}
