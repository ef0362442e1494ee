//! What is left of a store whose process dies at each of its writes, and of which the next process dies as well while it mends it.

use super::tests::{about, line};
use super::*;
use redb::StorageBackend;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What a file holds, and after how many changes of it the process that makes them is dead. What it had written by then stays, as after a SIGKILL.
#[derive(Clone, Debug)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    left: Arc<AtomicU64>,
    /// Whether half of the write in which it dies is done: the system writes page by page.
    is_torn: bool,
}

impl Disk {
    fn new(bytes: &[u8], left: u64, is_torn: bool) -> Self {
        Self {
            bytes: Arc::new(Mutex::new(bytes.to_vec())),
            left: Arc::new(AtomicU64::new(left)),
            is_torn,
        }
    }

    fn calm(bytes: &[u8]) -> Self {
        Self::new(bytes, u64::MAX, false)
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// Counts a change: how many were left before it.
    fn change(&self) -> u64 {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        left
    }

    fn dead() -> io::Error {
        io::Error::other("the process is dead")
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let there = bytes.get(from..from + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.change() == 0 {
            return Err(Self::dead());
        }
        let len = usize::try_from(len).unwrap();
        self.bytes.lock().unwrap().resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.change() {
            0 => Err(Self::dead()),
            _ => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let left = self.change();
        let is_last = left == 1 && self.is_torn;
        let done = match left {
            0 => 0,
            _ if is_last => data.len() / 2 / 4096 * 4096,
            _ => data.len(),
        };
        let from = usize::try_from(offset).unwrap();
        self.bytes.lock().unwrap()[from..from + done].copy_from_slice(&data[..done]);
        match left == 0 || is_last {
            true => Err(Self::dead()),
            false => Ok(()),
        }
    }
}

fn open(disk: &Disk) -> Result<Store, Failure> {
    let path = PathBuf::from(STORE);
    let database = unharmed(&path, || builder().create_with_backend(disk.clone()))?;
    let database = database.map_err(|error| not_opened(&path, error))?;
    Ok(Store { path, database })
}

/// What a process does that takes a campaign up again: it tells how many rows it has found, and how many there are after each of its commits.
fn live(disk: &Disk, commits: u64, told: &mut u64) -> Result<(), Failure> {
    let store = open(disk)?;
    let found = store.read()?;
    let rows = found.trials.len() as u64;
    assert!(rows >= *told, "{told} rows were told, {rows} are there");
    assert!(found.trials.keys().copied().eq(0..rows));
    store.put_about(&about())?;
    for commit in 0..commits {
        let first = rows + commit * 8;
        let mut trials: Vec<TrialLine> = (first..first + 8).map(line).collect();
        for trial in &mut trials {
            trial.sentence = "x".repeat(2_500);
        }
        let batch = Batch {
            trials,
            poorer: (0..first.min(2)).map(line).collect(),
            ..Batch::default()
        };
        store.commit(&batch)?;
        *told = first + 8;
    }
    store.close()
}

/// A process that ends by itself or dies; what the file holds then.
fn life(bytes: &[u8], left: u64, is_torn: bool, commits: u64, told: &mut u64) -> (Vec<u8>, bool) {
    let disk = Disk::new(bytes, left, is_torn);
    let lived = catch_unwind(AssertUnwindSafe(|| live(&disk, commits, told)));
    let is_dead = disk.left.load(Ordering::Relaxed) == 0;
    match lived {
        // What a process does once it is dead has not happened.
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) if is_dead => {}
        Ok(Err(failure)) => panic!("after {left} changes: {}", failure.error),
        Err(panic) => std::panic::resume_unwind(panic),
    }
    (disk.bytes(), is_dead)
}

#[test]
fn no_two_deaths_in_a_row_lose_what_was_told() {
    let mut rows = 0;
    let disk = Disk::calm(&[]);
    open(&disk)
        .and_then(|store| store.put_about(&about()))
        .unwrap();
    let (begun, _) = life(&disk.bytes(), u64::MAX, false, 2, &mut rows);
    assert_eq!(rows, 16);
    let (mut deaths, mut grown, mut mending) = (0, false, 0);
    for is_torn in [false, true] {
        for left in 0.. {
            let mut told = rows;
            let (cut, is_dead) = life(&begun, left, is_torn, 2, &mut told);
            if !is_dead {
                break;
            }
            deaths += 1;
            grown |= cut.len() > begun.len();
            for left in 0.. {
                let mut told = told;
                let (cut, is_dead) = life(&cut, left, is_torn, 0, &mut told);
                // What is left is whole, and can be written to.
                life(&cut, u64::MAX, false, 1, &mut told);
                if !is_dead {
                    break;
                }
                mending += 1;
            }
        }
    }
    println!("{deaths} deaths, each followed by a second: {mending} of these");
    assert!(grown, "some die when the file has grown");
    assert!(deaths > 50 && mending > 20 * deaths, "{deaths} {mending}");
}
