//! Who runs a node: a lock on a file in its directory, which goes away with its process however that ends.

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The right to be a node.
#[derive(Debug)]
pub struct Lock {
    /// Held for as long as it is open.
    _file: File,
}

/// A directory that cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The node runs already.
    #[error("{}: process {pid} is this node already", directory.display())]
    Held {
        /// The node's directory.
        directory: PathBuf,
        /// Who it is.
        pid: i32,
    },
    /// The directory cannot be used.
    #[error("{}: {source}", directory.display())]
    Io {
        /// The node's directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn path(directory: &Path) -> PathBuf {
    directory.join("lock")
}

impl Lock {
    /// Becomes the node of that directory, unless somebody is. Makes the directory.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            directory: directory.into(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path(directory)).map_err(failed)?;
        // Who only looks if somebody is there holds the lock for a moment.
        let mut tries_left = 20;
        while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if tries_left == 0 {
                return Err(LockError::Held {
                    directory: directory.into(),
                    pid: written(directory).unwrap_or_default(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
            tries_left -= 1;
        }
        let said = file
            .set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()));
        said.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn written(directory: &Path) -> Option<i32> {
    let text = fs::read_to_string(path(directory)).ok()?;
    text.trim().parse().ok()
}

/// The process that is the node of that directory, if there is one.
pub fn holder(directory: &Path) -> Option<i32> {
    let file = File::open(path(directory)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        // Nobody held it; and nobody does when the file is closed.
        Ok(()) => None,
        Err(_) => written(directory),
    }
}

/// How a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is asked to.
    Asked,
    /// It is not asked.
    Killed,
}

/// Ends the process that is the node of that directory. Says whether there was one.
pub fn end(directory: &Path, how: End) -> bool {
    let pid = holder(directory).and_then(Pid::from_raw);
    let signal = match how {
        End::Asked => Signal::TERM,
        End::Killed => Signal::KILL,
    };
    // One that is gone meanwhile is gone.
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_is_a_node_and_is_known_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("n1");
        assert_eq!(holder(&directory), None);
        let lock = Lock::take(&directory).unwrap();
        assert_eq!(holder(&directory), Some(std::process::id() as i32));
        let again = Lock::take(&directory).unwrap_err();
        assert!(
            again.to_string().contains("is this node already"),
            "{again}"
        );
        drop(lock);
        assert_eq!(holder(&directory), None);
        assert!(
            !end(&directory, End::Killed),
            "nobody is there to be killed"
        );
        Lock::take(&directory).unwrap();
    }
}
