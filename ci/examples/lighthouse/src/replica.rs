//! What a node stores: an entry for every key, in a file that only grows.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

#[cfg(not(feature = "simulated"))]
use std::fs::{File, OpenOptions};
#[cfg(feature = "simulated")]
use turmoil::fs::shim::std::fs::{File, OpenOptions};

/// The age of a value: a larger one is newer. The node tells apart what two nodes wrote at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// One more than any the writer saw.
    pub counter: u64,
    /// The node that gave it.
    pub node: u8,
}

/// A value and its age.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its age.
    pub stamp: Stamp,
    /// The value; null where nothing was ever written.
    pub value: Value,
}

/// The entries of one node, and the file they are in.
#[derive(Debug)]
pub struct Replica {
    entries: BTreeMap<String, Entry>,
    file: File,
}

impl Replica {
    /// Opens the file, or makes it. What a crash left half-written at its end is cut off: nobody was told that it is stored.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(path: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let mut entries = BTreeMap::new();
        let mut length = 0;
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            let Ok((key, entry)) = serde_json::from_slice::<(String, Entry)>(line) else {
                break;
            };
            if !line.ends_with(b"\n") {
                break;
            }
            entries.insert(key, entry);
            length += line.len() as u64;
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        file.sync_all()?;
        sync_directory(path)?;
        Ok(Self { entries, file })
    }

    /// What it holds for a key.
    pub fn get(&self, key: &str) -> Entry {
        self.entries.get(key).cloned().unwrap_or_default()
    }

    /// Stores an entry unless it has a newer one. When it returns, the entry is on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put(&mut self, key: &str, entry: Entry) -> io::Result<()> {
        if entry.stamp <= self.get(key).stamp {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&(key, &entry))?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_all()?;
        self.entries.insert(key.to_string(), entry);
        Ok(())
    }
}

/// Makes the name of a new file durable.
fn sync_directory(path: &str) -> io::Result<()> {
    let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
    #[cfg(feature = "simulated")]
    return turmoil::fs::shim::std::fs::sync_dir(directory);
    #[cfg(not(feature = "simulated"))]
    return File::open(directory)?.sync_all();
}
