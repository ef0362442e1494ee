//! The write-ahead log: the writes of a core, in order, on a disk that may crash at any moment.
//!
//! # Layout
//!
//! The file begins with 32 bytes. The first 20 are the same in all versions: the magic, the version, the CRC-32 of the system's name, and the
//! CRC-32 of all that. The other 12 say up to where the file was durable when it got its name, with a CRC-32 of their own. Then records,
//! one after the other, numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the body |
//! | 1 | type: 1 a write, 2 a mark, 3 a checkpoint |
//! | 8 | the offset known durable when the record was written: all before it had been synced |
//! | 4 | CRC-32 of the 13 bytes before |
//! | length | body: a write or a whole disk in its wire form; a mark has none |
//! | 4 | CRC-32 of the body |
//!
//! What was written between two syncs is followed, once it is synced, by a mark that says so. The mark is written without a sync of its own: it
//! becomes durable with what comes next, or with the page cache. A crash keeps a prefix of the bytes, so it keeps a prefix of the writes,
//! and may cut a batch in two.
//!
//! # Checkpoints
//!
//! A log of writes grows for ever, and what it folds to does not. So a log that has [outgrown](Compaction) its beginning is written anew: a file
//! beside it, with `.new` behind its name, gets one record, a checkpoint, which is the disk that all writes so far fold to. That file is
//! synced, takes the name of the old one, and the directory is synced. A crash at any moment leaves the old file or the new one, each
//! whole. A checkpoint is the first record or none: the beginning of the file says that it was durable before it had its name, so no damage to
//! it is taken for a tear.
//!
//! # Recovery
//!
//! The records are read up to the first that is damaged. The *mark of durability* is the greatest known-durable offset that the beginning
//! of the file or any intact header in it states, before the damage or after it.
//!
//! - Damage below it is no tear: something that was synced has changed. The log refuses to open and names the file and the offset.
//! - Damage at or above it is a torn tail, the rest of a write that a crash cut short. It is cut off, and the log is synced before its
//!   records are used: what was read may have been in the page cache only.
//!
//! So a flipped bit in the last synced batch refuses as long as the mark behind it is there. When a crash took the mark, the flip cannot
//! be told from a tear: the batch is cut off from that record on, which is the loss of something synced, and a fault budget must count
//! it as such. A file that was cut short by other hands looks torn, too: what is gone bears no witness.
//!
//! In the 32 bytes at the beginning, damage is a creation cut short if nothing follows, and refuses otherwise.

use super::disk::Disk;
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"glasslog";
const VERSION: u32 = 2;
/// What is the same in all versions.
const HEAD_LENGTH: usize = 20;
const PREAMBLE_LENGTH: usize = HEAD_LENGTH + 12;
const HEADER_LENGTH: usize = 17;
const CHECKSUM_LENGTH: usize = 4;

/// How many bytes a mark takes: a record without a body.
pub const MARK_LENGTH: usize = HEADER_LENGTH + CHECKSUM_LENGTH;

const WRITE: u8 = 1;
const MARK: u8 = 2;
const CHECKPOINT: u8 = 3;

/// When a log is written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Not before it has so many bytes.
    pub file_bytes_min: u64,
    /// Not before it is so many times as long as its beginning, which is all it had when it was last written anew.
    pub growth_min: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            file_bytes_min: 1 << 20,
            growth_min: 4,
        }
    }
}

/// Why a log cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The path is relative. Its directory could not be synced reliably.
    #[error("the path of a write-ahead log must be absolute: {}", path.display())]
    RelativePath {
        /// The path.
        path: PathBuf,
    },
    /// What was once durable has changed.
    #[error(
        "{} is damaged at offset {offset}, below offset {durable} up to which it was durable",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first damaged record begins, in bytes.
        offset: u64,
        /// The mark of durability, in bytes.
        durable: u64,
    },
    /// The file is a log of another system or another version.
    #[error("{} is not a log of {system} in version {VERSION}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose log was expected.
        system: String,
    },
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk says.
        source: io::Error,
    },
    /// A write that no record can hold.
    #[error("a write of {length} bytes is too long for a record")]
    TooLong {
        /// In bytes.
        length: usize,
    },
}

/// An open log.
#[derive(Debug)]
pub struct Wal<D: Disk> {
    disk: D,
    file: D::File,
    path: PathBuf,
    directory: PathBuf,
    head: Vec<u8>,
    /// Where the beginning ends: the checkpoint, if there is one.
    born: u64,
    /// Where the next record goes, in bytes.
    end: u64,
    /// Up to where the log is known durable, in bytes. Never beyond `end`.
    durable: u64,
}

/// A new beginning of a log, not yet in its place.
#[derive(Debug)]
pub struct Draft<D: Disk> {
    file: D::File,
    length: u64,
}

/// What an opened log held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The disk that the log began with, in its wire form; an empty one when there is none.
    pub checkpoint: Option<Vec<u8>>,
    /// The writes since then in their wire form, oldest first.
    pub writes: Vec<Vec<u8>>,
    /// How many bytes of a torn tail were cut off.
    pub torn_bytes: u64,
}

impl<D: Disk> Wal<D> {
    /// Opens the log of a system, or makes an empty one. The directory must exist. When this returns, all that was recovered is
    /// durable, and so is the file's name.
    pub async fn open(disk: D, path: &Path, system: &str) -> Result<(Self, Recovered), WalError> {
        let Some(directory) = path.parent().filter(|_| path.is_absolute()) else {
            return Err(WalError::RelativePath { path: path.into() });
        };
        let failed = |source| WalError::Io {
            path: path.into(),
            source,
        };
        let head = head(system);
        let file = disk.open(path).await.map_err(failed)?;
        let content = disk.read(&file).await.map_err(failed)?;
        let found = examine(&content, path, system)?;
        if found.end < content.len() {
            disk.truncate(&file, found.end as u64)
                .await
                .map_err(failed)?;
        }
        let mut end = found.end;
        if end == 0 {
            let preamble = preamble(&head, PREAMBLE_LENGTH as u64);
            end = preamble.len();
            disk.append(&file, 0, preamble).await.map_err(failed)?;
        }
        disk.sync(&file).await.map_err(failed)?;
        // A draft that a crash left behind.
        disk.remove(&draft_path(path)).await.map_err(failed)?;
        disk.sync_directory(directory).await.map_err(failed)?;
        let recovered = Recovered {
            checkpoint: found.checkpoint,
            writes: found.writes,
            torn_bytes: (content.len() - found.end) as u64,
        };
        let wal = Self {
            disk,
            file,
            path: path.into(),
            directory: directory.into(),
            head,
            born: found.born,
            end: end as u64,
            durable: end as u64,
        };
        Ok((wal, recovered))
    }

    /// Appends writes in their wire form. They are durable after the next [`Wal::sync`].
    ///
    /// After an error nobody knows what the file holds: the log must not be used any more.
    pub async fn append(&mut self, writes: &[Vec<u8>]) -> Result<(), WalError> {
        let records = self.records(writes)?;
        let length = records.len() as u64;
        let result = self.disk.append(&self.file, self.end, records).await;
        result.map_err(|source| self.failed(source))?;
        self.end += length;
        Ok(())
    }

    /// Makes all that was appended durable, and marks it so. After an error the log must not be used any more.
    pub async fn sync(&mut self) -> Result<(), WalError> {
        let mark = mark(self.end);
        let marked = async {
            self.disk.sync(&self.file).await?;
            self.disk.append(&self.file, self.end, mark).await
        };
        marked.await.map_err(|source| self.failed(source))?;
        self.is_marked();
        Ok(())
    }

    /// Appends writes, makes them durable and marks them so: [`Wal::append`] and [`Wal::sync`] in one.
    pub async fn append_synced(&mut self, writes: &[Vec<u8>]) -> Result<(), WalError> {
        let records = self.records(writes)?;
        let (start, end) = (self.end, self.end + records.len() as u64);
        let disk = &self.disk;
        let result = disk
            .append_synced(&self.file, start, records, mark(end))
            .await;
        result.map_err(|source| self.failed(source))?;
        self.end = end;
        self.is_marked();
        Ok(())
    }

    fn records(&self, writes: &[Vec<u8>]) -> Result<Vec<u8>, WalError> {
        let bodies: usize = writes.iter().map(Vec::len).sum();
        let mut records = Vec::with_capacity(bodies + writes.len() * MARK_LENGTH);
        for write in writes {
            push_record(&mut records, WRITE, self.durable, write)?;
        }
        Ok(records)
    }

    /// All that was appended is durable, and a mark behind it says so.
    fn is_marked(&mut self) {
        self.durable = self.end;
        self.end += MARK_LENGTH as u64;
    }

    /// Whether it is time to write the log anew.
    pub fn has_outgrown(&self, compaction: Compaction) -> bool {
        let Compaction {
            file_bytes_min,
            growth_min,
        } = compaction;
        self.end >= file_bytes_min && self.end >= self.born.saturating_mul(growth_min)
    }

    /// Writes a new beginning beside the log: the disk in its wire form that all writes up to the last sync fold to. It changes nothing
    /// before [`Wal::adopt`].
    pub async fn draft(&self, disk: &[u8]) -> Result<Draft<D>, WalError> {
        let born = PREAMBLE_LENGTH + HEADER_LENGTH + disk.len() + CHECKSUM_LENGTH;
        let mut bytes = preamble(&self.head, born as u64);
        push_record(&mut bytes, CHECKPOINT, PREAMBLE_LENGTH as u64, disk)?;
        let write = async {
            let file = self.disk.open(&draft_path(&self.path)).await?;
            let length = bytes.len() as u64;
            self.disk.append(&file, 0, bytes).await?;
            Ok(Draft { file, length })
        };
        write.await.map_err(|source| self.failed(source))
    }

    /// Makes a draft durable and puts it in the place of the log. Nothing may have been appended since it was made. After an error the log
    /// must not be used any more; what is on the disk is the old log or the new one.
    pub async fn adopt(&mut self, draft: Draft<D>) -> Result<(), WalError> {
        let Draft { file, length } = draft;
        let swap = async {
            self.disk.sync(&file).await?;
            drop(file);
            self.disk
                .rename(&draft_path(&self.path), &self.path)
                .await?;
            self.disk.sync_directory(&self.directory).await?;
            self.disk.open(&self.path).await
        };
        self.file = swap.await.map_err(|source| self.failed(source))?;
        (self.born, self.end, self.durable) = (length, length, length);
        Ok(())
    }

    fn failed(&self, source: io::Error) -> WalError {
        WalError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Where a new beginning of a log is written.
fn draft_path(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".new");
    path.into()
}

fn head(system: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(system.as_bytes()).to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn preamble(head: &[u8], born: u64) -> Vec<u8> {
    let born = born.to_le_bytes();
    [head, &born, &crc32fast::hash(&born).to_le_bytes()].concat()
}

/// What says that the log is durable up to here, where it is written.
fn mark(durable: u64) -> Vec<u8> {
    let mut record = Vec::with_capacity(MARK_LENGTH);
    push_record(&mut record, MARK, durable, &[]).expect("a mark is short");
    record
}

fn push_record(records: &mut Vec<u8>, kind: u8, durable: u64, body: &[u8]) -> Result<(), WalError> {
    let Ok(length) = u32::try_from(body.len()) else {
        return Err(WalError::TooLong { length: body.len() });
    };
    let start = records.len();
    records.extend(length.to_le_bytes());
    records.push(kind);
    records.extend(durable.to_le_bytes());
    records.extend(crc32fast::hash(&records[start..]).to_le_bytes());
    records.extend(body);
    records.extend(crc32fast::hash(body).to_le_bytes());
    Ok(())
}

/// What a file's content says.
struct Found {
    checkpoint: Option<Vec<u8>>,
    writes: Vec<Vec<u8>>,
    born: u64,
    /// Where the intact part ends. Zero when not even the preamble is there.
    end: usize,
}

/// The bytes before a checksum, if it is theirs.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (words, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
    (crc32fast::hash(words).to_le_bytes() == checksum).then_some(words)
}

fn examine(content: &[u8], path: &Path, system: &str) -> Result<Found, WalError> {
    let damaged = |offset: usize, durable| WalError::Damaged {
        path: path.into(),
        offset: offset as u64,
        durable,
    };
    let mut found = Found {
        checkpoint: None,
        writes: Vec::new(),
        born: PREAMBLE_LENGTH as u64,
        end: 0,
    };
    let head_found = content.get(..HEAD_LENGTH);
    if head_found.and_then(checked).is_some() && head_found != Some(&head(system)) {
        return Err(WalError::Foreign {
            path: path.into(),
            system: system.into(),
        });
    }
    let born = content.get(HEAD_LENGTH..PREAMBLE_LENGTH).and_then(checked);
    match born.and_then(|born| born.try_into().ok()) {
        Some(born) if head_found == Some(&head(system)) => found.born = u64::from_le_bytes(born),
        _ if content.len() > PREAMBLE_LENGTH => {
            let durable = durable_after(content, 0).max(PREAMBLE_LENGTH as u64);
            return Err(damaged(0, durable));
        }
        _ => return Ok(found),
    }
    found.end = PREAMBLE_LENGTH;
    let mut durable = found.born;
    while let Some(header) = Header::read(content, found.end) {
        durable = durable.max(header.durable);
        let Some(body) = header.body(content, found.end) else {
            break;
        };
        match header.kind {
            WRITE => found.writes.push(body.to_vec()),
            CHECKPOINT => found.checkpoint = Some(body.to_vec()),
            _ => {}
        }
        found.end += HEADER_LENGTH + body.len() + CHECKSUM_LENGTH;
    }
    if found.end < content.len() {
        durable = durable.max(durable_after(content, found.end));
    }
    if (found.end as u64) < durable {
        return Err(damaged(found.end, durable));
    }
    Ok(found)
}

/// The greatest known-durable offset that any intact header from here on states. Behind damage nothing says where records begin, so
/// every offset is tried.
fn durable_after(content: &[u8], from: usize) -> u64 {
    let headers = (from..content.len()).filter_map(|offset| Header::read(content, offset));
    headers.map(|header| header.durable).max().unwrap_or(0)
}

struct Header {
    length: usize,
    kind: u8,
    durable: u64,
}

impl Header {
    /// The header at an offset, if it is intact and could have been written there.
    fn read(content: &[u8], offset: usize) -> Option<Self> {
        let words = checked(content.get(offset..offset.checked_add(HEADER_LENGTH)?)?)?;
        let (length, kind, durable) = (&words[..4], words[4], &words[5..]);
        let header = Self {
            length: u32::from_le_bytes(length.try_into().ok()?) as usize,
            kind,
            durable: u64::from_le_bytes(durable.try_into().ok()?),
        };
        let expected = match kind {
            WRITE | MARK => true,
            CHECKPOINT => offset == PREAMBLE_LENGTH,
            _ => false,
        };
        (expected && header.durable <= offset as u64).then_some(header)
    }

    /// The body of the record at an offset, if it is whole and intact.
    fn body<'a>(&self, content: &'a [u8], offset: usize) -> Option<&'a [u8]> {
        let start = offset + HEADER_LENGTH;
        let end = start
            .checked_add(self.length)?
            .checked_add(CHECKSUM_LENGTH)?;
        checked(content.get(start..end)?)
    }
}
