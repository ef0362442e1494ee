//! The disk a write-ahead log lies on.

use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A disk. What was written survives a crash of the machine only when it was synced, and a new file only when its directory was, too.
/// Paths are absolute.
pub trait Disk: 'static {
    /// An open file.
    type File: 'static;

    /// Opens a file for reading and writing; makes an empty one when there is none.
    fn open(&self, path: &Path) -> impl Future<Output = io::Result<Self::File>>;

    /// Reads a file from its beginning to its end.
    fn read(&self, file: &Self::File) -> impl Future<Output = io::Result<Vec<u8>>>;

    /// Writes at an offset, which is the end of the file.
    fn append(
        &self,
        file: &Self::File,
        offset: u64,
        bytes: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>>;

    /// Appends, makes that durable, and appends behind it what need not be durable yet. A disk whose calls go to another thread may make one
    /// call of the three.
    fn append_synced(
        &self,
        file: &Self::File,
        offset: u64,
        synced: Vec<u8>,
        behind: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> {
        async move {
            let end = offset + synced.len() as u64;
            self.append(file, offset, synced).await?;
            self.sync(file).await?;
            self.append(file, end, behind).await
        }
    }

    /// Cuts a file to a length in bytes.
    fn truncate(&self, file: &Self::File, length: u64) -> impl Future<Output = io::Result<()>>;

    /// Makes the content of a file durable.
    fn sync(&self, file: &Self::File) -> impl Future<Output = io::Result<()>>;

    /// Gives a file another name, in the place of the file that had it. No file is open under either name any more, or will be used: who goes on
    /// opens the file by its new name.
    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>>;

    /// Removes a file, if there is one.
    fn remove(&self, path: &Path) -> impl Future<Output = io::Result<()>>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> impl Future<Output = io::Result<()>>;
}

/// The disk of this machine. Its calls run on tokio's threads for blocking work, so a slow disk does not keep a node from talking.
///
/// A call that has begun runs to its end even when its future is dropped. Before a log is opened again in the same process, the
/// runtime that wrote it must have been shut down.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdDisk;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}

fn write_at(mut file: &std::fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

impl Disk for StdDisk {
    type File = Arc<std::fs::File>;

    async fn open(&self, path: &Path) -> io::Result<Self::File> {
        let path = PathBuf::from(path);
        blocking(move || {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(path).map(Arc::new)
        })
        .await
    }

    async fn read(&self, file: &Self::File) -> io::Result<Vec<u8>> {
        let file = Arc::clone(file);
        blocking(move || {
            let mut content = Vec::new();
            (&*file).seek(SeekFrom::Start(0))?;
            (&*file).read_to_end(&mut content)?;
            Ok(content)
        })
        .await
    }

    async fn append(&self, file: &Self::File, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        let file = Arc::clone(file);
        blocking(move || write_at(&file, offset, &bytes)).await
    }

    async fn append_synced(
        &self,
        file: &Self::File,
        offset: u64,
        synced: Vec<u8>,
        behind: Vec<u8>,
    ) -> io::Result<()> {
        let file = Arc::clone(file);
        blocking(move || {
            write_at(&file, offset, &synced)?;
            file.sync_data()?;
            write_at(&file, offset + synced.len() as u64, &behind)
        })
        .await
    }

    async fn truncate(&self, file: &Self::File, length: u64) -> io::Result<()> {
        let file = Arc::clone(file);
        blocking(move || file.set_len(length)).await
    }

    async fn sync(&self, file: &Self::File) -> io::Result<()> {
        let file = Arc::clone(file);
        blocking(move || file.sync_data()).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (PathBuf::from(from), PathBuf::from(to));
        blocking(move || std::fs::rename(from, to)).await
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        let path = PathBuf::from(path);
        blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
        .await
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let path = PathBuf::from(path);
        blocking(move || std::fs::File::open(path)?.sync_all()).await
    }
}
