//! The disk and the clocks of a node, as the machines of the trial have them.

use super::{Stage, WAL};
use crate::machines::{Append, Left, Machines, Sync};
use crate::schedule::Leaves;
use std::cell::RefMut;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{NodeId, Now};
use stormglass_impls::host::turmoil::TurmoilDisk;
use stormglass_impls::host::wal::MARK_LENGTH;
use stormglass_impls::host::{Clock, Disk};
use tokio::time::sleep;

/// What a node has written and its disk has not really synced. It is kept outside of the node, where no crash touches it: from here a
/// crash is given the part of it that happened to reach the disk.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    writes: Vec<Write>,
    /// What the gate was told of the sync that comes next.
    pub(super) next: Option<Sync>,
}

#[derive(Debug)]
struct Write {
    offset: u64,
    bytes: Vec<u8>,
    /// The fault that made the disk say it was synced.
    lied: Option<u32>,
}

impl Write {
    /// Whether it is more than a mark of what was synced before.
    fn matters(&self) -> bool {
        self.bytes.len() > MARK_LENGTH
    }
}

/// The disk of a node: turmoil's, with what the machines of the trial do to it.
pub(super) struct StormDisk {
    pub(super) stage: Rc<Stage>,
    pub(super) node: NodeId,
}

type File = <TurmoilDisk as Disk>::File;

/// A file of a node.
pub(super) struct StormFile {
    file: File,
    /// Whether it is the log. Only the log is torn, altered or lied about: a draft of a new one is not missed before it has its name, and by
    /// then it was synced.
    is_log: bool,
}

impl Disk for StormDisk {
    type File = StormFile;

    async fn open(&self, path: &Path) -> io::Result<StormFile> {
        let file = TurmoilDisk.open(path).await?;
        let is_log = path == Path::new(WAL);
        if is_log {
            let left = self.machines().take_left(self.node);
            let unsynced =
                std::mem::take(&mut *self.stage.unsynced[self.node.index()].borrow_mut());
            self.leave(&file, left, unsynced.writes).await?;
        }
        Ok(StormFile { file, is_log })
    }

    async fn read(&self, file: &StormFile) -> io::Result<Vec<u8>> {
        TurmoilDisk.read(&file.file).await
    }

    async fn append(&self, file: &StormFile, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        let StormFile { file, is_log } = file;
        let fate = match *is_log && bytes.len() > MARK_LENGTH {
            true => self.machines().append(self.node),
            false => Append::Fits,
        };
        match fate {
            Append::Fits if !is_log => TurmoilDisk.append(file, offset, bytes).await,
            Append::Fits => {
                let write = Write {
                    offset,
                    bytes: bytes.clone(),
                    lied: None,
                };
                self.stage.unsynced[self.node.index()]
                    .borrow_mut()
                    .writes
                    .push(write);
                TurmoilDisk.append(file, offset, bytes).await
            }
            Append::Full(fault) => {
                self.stage.expect_stop(self.node, fault);
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Append::Misdirected(draw) => {
                self.stage.damaged.borrow_mut().insert(self.node);
                self.machines().wear().synced_lost += 1;
                TurmoilDisk.append(file, draw % offset.max(1), bytes).await
            }
        }
    }

    async fn truncate(&self, file: &StormFile, length: u64) -> io::Result<()> {
        TurmoilDisk.truncate(&file.file, length).await
    }

    async fn sync(&self, file: &StormFile) -> io::Result<()> {
        let StormFile { file, is_log } = file;
        let unsynced = &self.stage.unsynced[self.node.index()];
        let fate = unsynced.borrow_mut().next.take();
        match fate {
            Some(Sync::Fails(fault)) => {
                self.stage.expect_stop(self.node, fault);
                Err(io::Error::other("input/output error"))
            }
            Some(Sync::Lies { fault, .. }) if *is_log => {
                for write in &mut unsynced.borrow_mut().writes {
                    write.lied.get_or_insert(fault);
                }
                Ok(())
            }
            Some(Sync::After(_) | Sync::Lies { .. }) | None => {
                if *is_log {
                    unsynced.borrow_mut().writes.clear();
                }
                TurmoilDisk.sync(file).await
            }
        }
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if to == Path::new(WAL) {
            // What was not synced in the old log, or was said to be, is in the new one.
            let mut unsynced = self.stage.unsynced[self.node.index()].borrow_mut();
            unsynced.writes.clear();
        }
        TurmoilDisk.rename(from, to).await
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        TurmoilDisk.remove(path).await
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        TurmoilDisk.sync_directory(path).await
    }
}

impl StormDisk {
    fn machines(&self) -> RefMut<'_, Machines> {
        RefMut::map(self.stage.conditions.borrow_mut(), |conditions| {
            &mut conditions.machines
        })
    }

    /// Leaves on the disk what the crash left. Turmoil has dropped everything that was not synced; a part of it may come back.
    async fn leave(&self, file: &File, left: Option<Left>, unsynced: Vec<Write>) -> io::Result<()> {
        let Some(Left {
            leaves,
            draw,
            fault,
        }) = left
        else {
            self.count_lost(&unsynced);
            return Ok(());
        };
        let share = |of: usize| ((u128::from(draw) * (of as u128 + 1)) >> 64) as usize;
        let mut kept = 0;
        match leaves {
            Leaves::Some => kept = share(unsynced.len()),
            Leaves::Torn => kept = self.tear(file, &unsynced, (draw, fault)).await?,
            Leaves::Synced => {
                let lost = unsynced
                    .iter()
                    .filter(|write| write.matters() && write.lied.is_none());
                self.meet(fault, lost.count() as u64);
            }
            Leaves::FlippedBit => self.flip(file, (draw, fault)).await?,
            Leaves::Nothing => {
                TurmoilDisk.truncate(file, 0).await?;
                self.machines().wear().synced_lost += 1;
                self.meet(fault, 1);
            }
        }
        for write in &unsynced[..kept] {
            TurmoilDisk
                .append(file, write.offset, write.bytes.clone())
                .await?;
        }
        self.count_lost(&unsynced[kept..]);
        TurmoilDisk.sync(file).await
    }

    /// Brings back some writes, and a part of the next. Gives how many came back whole.
    async fn tear(
        &self,
        file: &File,
        unsynced: &[Write],
        (draw, fault): (u64, u32),
    ) -> io::Result<usize> {
        let whole: Vec<usize> = (0..unsynced.len())
            .filter(|at| unsynced[*at].matters())
            .collect();
        let Some(torn) = whole.get((draw % whole.len().max(1) as u64) as usize) else {
            return Ok(0);
        };
        let Write { offset, bytes, .. } = &unsynced[*torn];
        let length = 1 + (draw >> 8) as usize % (bytes.len() - 1);
        TurmoilDisk
            .append(file, *offset, bytes[..length].to_vec())
            .await?;
        self.machines().wear().writes_torn += 1;
        self.meet(fault, 1);
        Ok(*torn)
    }

    /// Flips a bit of what was synced.
    async fn flip(&self, file: &File, (draw, fault): (u64, u32)) -> io::Result<()> {
        let content = TurmoilDisk.read(file).await?;
        if content.is_empty() {
            return Ok(());
        }
        let bit = draw % (content.len() as u64 * 8);
        let byte = content[(bit / 8) as usize] ^ (1 << (bit % 8));
        TurmoilDisk.append(file, bit / 8, vec![byte]).await?;
        self.stage.damaged.borrow_mut().insert(self.node);
        self.machines().wear().synced_lost += 1;
        self.meet(fault, 1);
        Ok(())
    }

    fn meet(&self, fault: u32, times: u64) {
        self.machines().meet(fault, times);
    }

    /// Counts what was written and is gone, for the faults that said it was synced among the rest.
    fn count_lost(&self, lost: &[Write]) {
        let machines = &mut self.machines();
        for write in lost.iter().filter(|write| write.matters()) {
            match write.lied {
                Some(fault) => {
                    machines.meet(fault, 1);
                    machines.wear().synced_lost += 1;
                }
                None => machines.wear().unsynced_lost += 1,
            }
        }
    }
}

/// The clocks of a node, which the machines of the trial may bend.
pub(super) struct StormClock {
    pub(super) stage: Rc<Stage>,
    pub(super) node: NodeId,
}

impl Clock for StormClock {
    fn now(&self) -> Now {
        let now_ns = super::now_ns();
        self.stage
            .conditions
            .borrow_mut()
            .machines
            .read_clock(self.node, now_ns)
    }

    async fn sleep_until(&self, monotonic_ns: u64) {
        loop {
            let when_ns = self
                .stage
                .conditions
                .borrow()
                .machines
                .when_ns(self.node, monotonic_ns);
            let left_ns = when_ns.saturating_sub(super::now_ns());
            if left_ns == 0 {
                return;
            }
            tokio::select! {
                biased;
                // The clock may have changed.
                () = self.stage.woken[self.node.index()].notified() => {}
                () = sleep(Duration::from_nanos(left_ns)) => {}
            }
        }
    }
}
