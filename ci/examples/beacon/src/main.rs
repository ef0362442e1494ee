//! Registers that every node of a cluster serves: `beacon ID FILE ADDRESS..` runs the node of that number, from 1, of those addresses.
//!
//! A value carries a stamp. A write asks a majority for the newest stamp, and puts its value with a newer one at a majority.

mod read;
#[cfg(test)]
mod storms;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;

// In tests the network and the disk are those of a simulation.
#[cfg(test)]
use stormglass::turmoil::{
    fs::shim::std::fs::{File, OpenOptions, sync_dir},
    net::{TcpListener, TcpStream},
};
#[cfg(not(test))]
use {
    std::fs::{File, OpenOptions},
    tokio::net::{TcpListener, TcpStream},
};

/// What is asked: by clients to read and to write, by nodes what another holds, and to put something there.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Request {
    Read(String),
    Write(String, Value),
    Get(String),
    Put(String, Entry),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Reply {
    Value(Value),
    Held(Entry),
    Stored,
    Failed(String),
}

/// A value, and its age: a counter, and the node that gave it. The greater one is newer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Entry {
    stamp: (u64, u8),
    value: Value,
}

struct Node {
    id: u8,
    peers: Vec<String>,
    store: Mutex<Store>,
}

/// Runs a node until something breaks.
async fn serve(id: u8, listen: String, peers: Vec<String>, path: String) -> io::Result<()> {
    let store = Mutex::new(Store::open(&path)?);
    let node = Arc::new(Node { id, peers, store });
    let listener = TcpListener::bind(&listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            if let Ok(request) = receive(&mut stream).await {
                let reply = node.answer(request).await;
                let reply = reply.unwrap_or_else(|error| Reply::Failed(error.to_string()));
                let _ = send(&mut stream, &reply).await;
            }
        });
    }
}

impl Node {
    async fn answer(&self, request: Request) -> io::Result<Reply> {
        match request {
            Request::Read(key) => self.read(key).await.map(Reply::Value),
            Request::Write(key, value) => self.write(key, value).await,
            Request::Get(key) => Ok(Reply::Held(self.store.lock().unwrap().get(&key))),
            Request::Put(key, entry) => self.store.lock().unwrap().put(&key, entry),
        }
    }

    async fn write(&self, key: String, value: Value) -> io::Result<Reply> {
        let newest = self.newest(&key).await?;
        let entry = {
            // Chosen and stored at once, so that this node gives no stamp twice.
            let mut store = self.store.lock().unwrap();
            let counter = newest.stamp.0.max(store.get(&key).stamp.0) + 1;
            let stamp = (counter, self.id);
            let entry = Entry { stamp, value };
            store.put(&key, entry.clone())?;
            entry
        };
        self.majority(Request::Put(key, entry)).await?;
        Ok(Reply::Stored)
    }

    /// The newest entry that a majority knows, this node included.
    async fn newest(&self, key: &str) -> io::Result<Entry> {
        let mut newest = self.store.lock().unwrap().get(key);
        for reply in self.majority(Request::Get(key.to_string())).await? {
            if let Reply::Held(entry) = reply
                && entry.stamp > newest.stamp
            {
                newest = entry;
            }
        }
        Ok(newest)
    }

    /// Asks all peers, and waits for as many as make a majority together with this node.
    async fn majority(&self, request: Request) -> io::Result<Vec<Reply>> {
        let mut asked = JoinSet::new();
        for peer in self.peers.clone() {
            let request = request.clone();
            asked.spawn(async move { ask(&peer, &request, Duration::from_millis(300)).await });
        }
        let mut replies = Vec::new();
        while replies.len() < self.peers.len().div_ceil(2) {
            match asked.join_next().await {
                Some(Ok(Ok(reply))) if !matches!(reply, Reply::Failed(_)) => replies.push(reply),
                Some(_) => {}
                None => return Err(io::Error::other("no majority answered")),
            }
        }
        // The others may still hear of it.
        asked.detach_all();
        Ok(replies)
    }
}

/// The entries of a node, and the file that they are in: a line for each, the newest last.
struct Store {
    entries: BTreeMap<String, Entry>,
    file: File,
}

impl Store {
    fn open(path: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).open(path)?;
        let (mut entries, mut length, mut content) = (BTreeMap::new(), 0, Vec::new());
        file.read_to_end(&mut content)?;
        // What a crash left half-written was promised to nobody.
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice::<(String, Entry)>(line) {
                Ok((key, entry)) if line.ends_with(b"\n") => entries.insert(key, entry),
                _ => break,
            };
            length += line.len() as u64;
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        file.sync_all()?;
        sync_name_of(path)?;
        Ok(Self { entries, file })
    }

    fn get(&self, key: &str) -> Entry {
        self.entries.get(key).cloned().unwrap_or_default()
    }

    /// Stores what is newer than what is there. When it returns, it is on the disk.
    fn put(&mut self, key: &str, entry: Entry) -> io::Result<Reply> {
        if entry.stamp > self.get(key).stamp {
            let mut line = serde_json::to_vec(&(key, &entry))?;
            line.push(b'\n');
            self.file.write_all(&line)?;
            self.file.sync_all()?;
            self.entries.insert(key.to_string(), entry);
        }
        Ok(Reply::Stored)
    }
}

/// Makes the name of a new file durable.
fn sync_name_of(path: &str) -> io::Result<()> {
    let folder = std::path::Path::new(path).parent().unwrap();
    #[cfg(test)]
    return sync_dir(folder);
    #[cfg(not(test))]
    return File::open(folder)?.sync_all();
}

/// Asks a node on a connection of its own.
async fn ask(address: &str, request: &Request, patience: Duration) -> io::Result<Reply> {
    let asked = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        send(&mut stream, request).await?;
        receive(&mut stream).await
    };
    tokio::time::timeout(patience, asked).await?
}

async fn send(stream: &mut BufReader<TcpStream>, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

async fn receive<T: for<'a> Deserialize<'a>>(stream: &mut BufReader<TcpStream>) -> io::Result<T> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, id, path, nodes @ ..] = words.as_slice() else {
        return Err(io::Error::other("usage: beacon ID FILE ADDRESS.."));
    };
    let id: u8 = id.parse().map_err(io::Error::other)?;
    let mut peers = nodes.to_vec();
    let listen = peers.remove(usize::from(id) - 1);
    serve(id, listen, peers, path.clone()).await
}
