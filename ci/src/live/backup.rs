//! What a member of a cluster has stored, as a file; and a new cluster that begins with that.
//!
//! The file is a write-ahead log that consists of one checkpoint: its checksums tell a damaged file from a sound one.

use super::Plan;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::host::{StdDisk, Wal, WalError};
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::system::System;

/// Why a backup cannot be written or read, or no cluster be made of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be made, or a directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something already.
    #[error("{}: there is such a file already", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The file is damaged, or none of this kind.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The file holds no backup.
    #[error("{}: no backup of {system}: {cause}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Of what.
        system: String,
        /// Why.
        cause: String,
    },
    /// The system has nothing to be stored apart.
    #[error("a {system} cannot be made of what another has stored")]
    Unable {
        /// Which.
        system: String,
    },
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    |source| BackupError::Io {
        path: path.into(),
        source,
    }
}

/// The word by which a backup is told from a log.
fn of(system: &str) -> String {
    format!("backup of {system}")
}

/// Writes what a member has stored, in its wire form.
///
/// # Errors
/// When there is such a file already, or it cannot be written.
pub async fn save(path: &Path, system: &str, stored: &[u8]) -> Result<(), BackupError> {
    let path = std::path::absolute(path).map_err(failed(path))?;
    if path.exists() {
        return Err(BackupError::Exists { path });
    }
    write(&path, &of(system), stored).await
}

async fn write(path: &Path, system: &str, checkpoint: &[u8]) -> Result<(), BackupError> {
    let (mut wal, _) = Wal::open(StdDisk, path, system).await?;
    let draft = wal.draft(checkpoint).await?;
    Ok(wal.adopt(draft).await?)
}

/// Makes the disks of a new cluster, one for each of its nodes, of what a file holds. Its number is one that no other cluster has.
///
/// # Errors
/// When the file is no backup of the plan's system.
pub async fn restore(plan: &Plan, directory: &Path, path: &Path) -> Result<(), BackupError> {
    let path = path.canonicalize().map_err(failed(path))?;
    let system: Rc<dyn System> =
        catalog::system(&plan.system).ok_or_else(|| BackupError::Unable {
            system: plan.system.clone(),
        })?;
    let (_, recovered) = Wal::open(StdDisk, &path, &of(&plan.system)).await?;
    let foreign = |cause: String| BackupError::Foreign {
        path: path.clone(),
        system: plan.system.clone(),
        cause,
    };
    let stored = recovered.checkpoint;
    let stored = stored.ok_or_else(|| foreign("it is empty".to_string()))?;
    // Not the number of a cluster that was made of nothing.
    let cluster = super::chance() | 2;
    let restored = system.restore(&stored, cluster, NodeSet::first(plan.voters));
    let disk = restored.ok_or_else(|| BackupError::Unable {
        system: plan.system.clone(),
    })?;
    let disk = disk.map_err(foreign)?.encode();
    for node in NodeId::all(plan.nodes()) {
        let own = Plan::node_directory(directory, node);
        std::fs::create_dir_all(&own).map_err(failed(&own))?;
        let own = own.canonicalize().map_err(failed(&own))?;
        write(&own.join("wal"), &plan.system, &disk).await?;
    }
    Ok(())
}
