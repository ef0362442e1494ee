//! What a campaign has finished, in a store that survives the end of its process at any instant.
//!
//! A row a trial, under the number of its unit: a unit that is written twice is still one row. Rows that come at about the same time share one commit,
//! and with it one sync of the disk. What is not committed was never told to anybody, and is run again.

use crate::command::{Exit, Failure};
use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable,
    TableDefinition, TableError,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_reports::campaign::{KillLine, ModelLine, Share, TrialLine};

use super::known::Known;
use super::plan::Budget;
use super::units::Shard;

#[cfg(test)]
mod deaths;

/// The store, in the directory of a campaign.
pub(crate) const STORE: &str = "campaign.redb";

const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
const TRIALS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("trials");
const CANARIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("canaries");
const MODELS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("models");
const SHRUNK: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("shrunk");

/// Keys of [`ABOUT`]: which campaign it is, and how long it has run.
const CAMPAIGN: &str = "campaign";
const SPENT: &str = "spent_s";

/// Which campaign a store is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) name: String,
    /// A digest of the program.
    pub(crate) build: String,
    pub(crate) commit: Option<String>,
    /// A digest of what is run: see [`Plan::digest`](super::plan::Plan::digest).
    pub(crate) plan: String,
    pub(crate) first_seed: u64,
    pub(crate) shard: Shard,
    /// What was asked for when it began.
    pub(crate) budget: Budget,
    /// Which clusters it is limited to; none when it is not.
    pub(crate) only: Vec<String>,
    /// Whether it has storms: without a trial it has tested nothing.
    pub(crate) has_storms: bool,
    /// What was known when it was last taken up.
    pub(crate) known: Vec<Known>,
    /// Whether everything that was asked for is done.
    pub(crate) is_finished: bool,
}

impl About {
    /// What became of this shard, with so many trials finished.
    pub(crate) fn share(&self, trials: u64) -> Share {
        Share {
            shard: self.shard.number,
            trials,
            planned: match self.budget {
                Budget::Trials(all) => Some(self.shard.count(all)),
                Budget::Time(_) => None,
            },
            is_finished: self.is_finished,
            is_missing: false,
        }
    }
}

/// What is committed together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) trials: Vec<TrialLine>,
    /// Rows of earlier trials, or of these, that have lost their directories.
    pub(crate) poorer: Vec<TrialLine>,
    pub(crate) canaries: Vec<(u64, KillLine)>,
    pub(crate) models: Vec<(u64, ModelLine)>,
    /// Faults and operations that are left of a failure, by its signature; nothing where it could not be made small.
    pub(crate) shrunk: Vec<(String, Shrunk)>,
    /// How long the campaign has run, in seconds.
    pub(crate) spent_s: f64,
}

/// What is left of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shrunk {
    /// Of which unit.
    pub(crate) unit: u64,
    /// Faults and operations.
    pub(crate) size: Option<(u64, u64)>,
}

/// All that is in a store.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) about: About,
    pub(crate) trials: BTreeMap<u64, TrialLine>,
    pub(crate) canaries: BTreeMap<u64, KillLine>,
    pub(crate) models: BTreeMap<u64, ModelLine>,
    pub(crate) shrunk: BTreeMap<String, Shrunk>,
    /// How long the campaign has run, in seconds.
    pub(crate) spent_s: f64,
}

/// The store of a campaign, open for one process.
pub(crate) struct Store {
    path: PathBuf,
    database: Database,
}

impl Store {
    /// Begins a store. It has its name once it says which campaign it is of, and not before: whatever cuts this short leaves none.
    pub(crate) fn begin(folder: &Path, about: &About) -> Result<Self, Failure> {
        let path = folder.join(STORE);
        let unborn = path.with_extension("redb.new");
        let failed_io = |error: io::Error| failed(&path, &redb::Error::Io(error));
        match std::fs::remove_file(&unborn) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed_io(error)),
            _ => {}
        }
        let database = builder().create(&unborn);
        let database = database.map_err(|error| failed(&unborn, &redb::Error::from(error)))?;
        let store = Self {
            path: unborn.clone(),
            database,
        };
        store.put_about(about)?;
        store.close()?;
        std::fs::rename(&unborn, &path).map_err(failed_io)?;
        Self::open(folder)
    }

    /// Opens what is there, once every page of it has been held to its checksum.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(STORE);
        let database = unharmed(&path, || builder().open(&path))?;
        let database = database.map_err(|error| not_opened(&path, error))?;
        Ok(Self { path, database })
    }

    /// All that is in the store of a campaign, which is left as it is. Only where a campaign was cut short is the store mended, as the next one to open it would.
    pub(crate) fn look(folder: &Path) -> Result<Content, Failure> {
        let path = folder.join(STORE);
        match unharmed(&path, || ReadOnlyDatabase::open(&path))? {
            Ok(database) => read(&path, &database),
            Err(DatabaseError::RepairAborted) => {
                let store = Self::open(folder)?;
                let content = store.read()?;
                store.close()?;
                Ok(content)
            }
            Err(error) => Err(not_opened(&path, error)),
        }
    }

    /// Closes it. To drop it does the same, but tells nobody what went wrong.
    fn close(self) -> Result<(), Failure> {
        let Self { path, database } = self;
        let closed = unharmed(&path, || database.close())?;
        closed.map_err(|error| failed(&path, &redb::Error::from(error)))
    }

    /// Says which campaign it is of.
    pub(crate) fn put_about(&self, about: &About) -> Result<(), Failure> {
        self.write(|transaction| {
            let json = json(about);
            let mut table = transaction.open_table(ABOUT)?;
            table.insert(CAMPAIGN, json.as_slice())?;
            Ok(())
        })
    }

    /// Writes down what is finished. When this returns, it stays.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), Failure> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ABOUT)?;
            table.insert(SPENT, json(&batch.spent_s).as_slice())?;
            let mut table = transaction.open_table(TRIALS)?;
            for line in batch.trials.iter().chain(&batch.poorer) {
                table.insert(line.unit, json(line).as_slice())?;
            }
            let mut table = transaction.open_table(CANARIES)?;
            for (number, line) in &batch.canaries {
                table.insert(number, json(line).as_slice())?;
            }
            let mut table = transaction.open_table(MODELS)?;
            for (number, line) in &batch.models {
                table.insert(number, json(line).as_slice())?;
            }
            let mut table = transaction.open_table(SHRUNK)?;
            for (signature, shrunk) in &batch.shrunk {
                table.insert(signature.as_str(), json(shrunk).as_slice())?;
            }
            Ok(())
        })
    }

    /// All that is in it.
    pub(crate) fn read(&self) -> Result<Content, Failure> {
        read(&self.path, &self.database)
    }

    fn write(
        &self,
        fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), Failure> {
        let written = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            // What a commit says is synced before it is said to be the newest: no checksum has to tell a half-written commit from a whole one.
            transaction.set_two_phase_commit(true);
            fill(&transaction)?;
            transaction.commit()?;
            Ok(())
        };
        written().map_err(|error| failed(&self.path, &error))
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // A page that was altered is an error then. Else it might be read as what it says, or be a panic later on.
    builder.set_check_integrity_on_open(true);
    builder
}

fn not_opened(path: &Path, error: DatabaseError) -> Failure {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Failure {
            exit: Exit::SystemFailed,
            error: anyhow::anyhow!(
                "{}: another process works on this campaign; wait for it, or end it",
                path.display()
            ),
        },
        error => failed(path, &redb::Error::from(error)),
    }
}

fn read(path: &Path, database: &impl ReadableDatabase) -> Result<Content, Failure> {
    let about = table(path, database, ABOUT, |key: &str| key.to_string())?;
    let campaign = about.get(CAMPAIGN).cloned();
    let campaign: serde_json::Value = campaign.ok_or_else(|| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(
            "{}: it does not say of which campaign it is",
            path.display()
        ),
    })?;
    let spent_s = about.get(SPENT).and_then(serde_json::Value::as_f64);
    let about = serde_json::from_value(campaign).map_err(|error| unreadable(path, &error))?;
    Ok(Content {
        about,
        spent_s: spent_s.unwrap_or_default(),
        trials: table(path, database, TRIALS, |unit: u64| unit)?,
        canaries: table(path, database, CANARIES, |number: u64| number)?,
        models: table(path, database, MODELS, |number: u64| number)?,
        shrunk: table(path, database, SHRUNK, |signature: &str| {
            signature.to_string()
        })?,
    })
}

fn table<K: redb::Key + 'static, Key: Ord, T: DeserializeOwned>(
    path: &Path,
    database: &impl ReadableDatabase,
    table: TableDefinition<'_, K, &'static [u8]>,
    key: impl Fn(K::SelfType<'_>) -> Key,
) -> Result<BTreeMap<Key, T>, Failure> {
    let read = || -> Result<_, redb::Error> {
        let transaction = database.begin_read()?;
        let table = match transaction.open_table(table) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Ok(BTreeMap::new())),
            Err(error) => return Err(error.into()),
        };
        let mut found = BTreeMap::new();
        for entry in table.iter()? {
            let (at, value) = entry?;
            match serde_json::from_slice(value.value()) {
                Ok(value) => found.insert(key(at.value()), value),
                Err(error) => return Ok(Err(error)),
            };
        }
        Ok(Ok(found))
    };
    let read = unharmed(path, read)?;
    let read = read.map_err(|error| failed(path, &error))?;
    read.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &serde_json::Error) -> Failure {
    Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(
            "{}: a row cannot be read ({error}); it is damaged, or another version of stormglass wrote it",
            path.display()
        ),
    }
}

/// A file whose inside is damaged can make the library panic: that is an error of the file.
fn unharmed<T>(path: &Path, read: impl FnOnce() -> T) -> Result<T, Failure> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    std::panic::set_hook(usual);
    read.map_err(|_| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(
            "{}: it is damaged: merge without this shard, or begin anew in another directory",
            path.display()
        ),
    })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have texts for keys")
}

fn failed(path: &Path, error: &redb::Error) -> Failure {
    let is_full = matches!(error, redb::Error::Io(error) if is_storage_full(error));
    Failure {
        exit: if is_full {
            Exit::Internal
        } else {
            Exit::Unreadable
        },
        error: match is_full {
            true => anyhow::Error::new(StorageFull),
            false => anyhow::anyhow!("{}: {error}", path.display()),
        },
    }
}

/// There is no room left.
#[derive(Debug, thiserror::Error)]
#[error("there is no room left on the disk")]
pub(crate) struct StorageFull;

/// Whether an error says that there is no room left.
pub(crate) fn is_storage_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether an error is the machine's: a file that cannot be made, a disk that fails, no more handles.
pub(crate) fn is_hosts(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<io::Error>())
}

/// Whether an error comes from a disk without room.
pub(crate) fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let by_system = cause.downcast_ref::<io::Error>();
        cause.is::<StorageFull>() || by_system.is_some_and(is_storage_full)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use stormglass_nemesis::trial::Arena;
    use stormglass_reports::campaign::Outcome;

    pub(crate) fn about() -> About {
        About {
            name: "usual".to_string(),
            build: "b".to_string(),
            commit: None,
            plan: "p".to_string(),
            first_seed: 7,
            shard: Shard::WHOLE,
            budget: Budget::Time(Duration::from_secs(60)),
            only: Vec::new(),
            has_storms: true,
            known: Vec::new(),
            is_finished: false,
        }
    }

    pub(crate) fn line(unit: u64) -> TrialLine {
        TrialLine::new(
            unit,
            "raft-cache",
            Arena::Simulator,
            7 + unit,
            Outcome::Valid,
        )
    }

    #[test]
    fn what_was_committed_is_there_once_and_one_process_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::begin(folder.path(), &about()).unwrap();
        let batch = |units: &[u64]| Batch {
            trials: units.iter().map(|unit| line(*unit)).collect(),
            ..Batch::default()
        };
        store.commit(&batch(&[3, 1])).unwrap();
        store.commit(&batch(&[3])).unwrap();
        let second = Store::open(folder.path()).err().unwrap();
        assert!(second.error.to_string().contains("another process"));
        let looked = Store::look(folder.path()).err().unwrap();
        assert!(looked.error.to_string().contains("another process"));
        drop(store);
        let before = std::fs::read(folder.path().join(STORE)).unwrap();
        let content = Store::look(folder.path()).unwrap();
        assert!(before == std::fs::read(folder.path().join(STORE)).unwrap());
        assert_eq!(content.about, about());
        let units: Vec<u64> = content.trials.keys().copied().collect();
        assert_eq!(units, [1, 3]);
    }

    #[test]
    fn what_is_no_store_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(STORE);
        std::fs::write(&path, b"not a store").unwrap();
        let error = Store::open(folder.path()).err().unwrap();
        assert!(
            error
                .error
                .to_string()
                .contains(&path.display().to_string())
        );
    }
}
