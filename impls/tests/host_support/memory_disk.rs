//! A disk in memory that can be told to fail, is shared so that a test sees its bytes, and knows what a crash may leave of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use stormglass_impls::host::Disk;

#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Rc<RefCell<State>>,
    /// What was called, in order.
    pub calls: Rc<RefCell<Vec<&'static str>>>,
    pub failing: Rc<RefCell<Option<&'static str>>>,
}

/// What changes a disk.
#[derive(Clone, Debug)]
pub enum Change {
    Name(Name),
    Append { file: usize, bytes: Vec<u8> },
    Truncate { file: usize, length: usize },
    Sync { file: usize },
    SyncDirectory,
}

/// A change to the directory.
#[derive(Clone, Debug)]
pub enum Name {
    Create { path: PathBuf, file: usize },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

#[derive(Clone, Debug, Default)]
struct State {
    /// By the number of the file, which is its own for ever.
    files: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, usize>,
    changes: Vec<Change>,
}

impl State {
    fn name(&mut self, change: &Name) {
        match change {
            Name::Create { path, file } => {
                self.names.insert(path.clone(), *file);
            }
            Name::Rename { from, to } => {
                let file = self.names.remove(from).expect("there is such a file");
                self.names.insert(to.clone(), file);
            }
            Name::Remove { path } => {
                self.names.remove(path);
            }
        }
        self.changes.push(Change::Name(change.clone()));
    }
}

impl MemoryDisk {
    /// A disk with one file.
    pub fn holding(path: &str, content: &[u8]) -> Self {
        let state = State {
            files: vec![content.to_vec()],
            names: BTreeMap::from([(path.into(), 0)]),
            changes: Vec::new(),
        };
        Self {
            state: Rc::new(RefCell::new(state)),
            ..Self::default()
        }
    }

    /// The content of a file.
    pub fn content(&self, path: &str) -> Vec<u8> {
        let state = self.state.borrow();
        state.files[state.names[Path::new(path)]].clone()
    }

    /// All files that have a name.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state.borrow().names.keys().cloned().collect()
    }

    /// What changed it so far.
    pub fn changes(&self) -> Vec<Change> {
        self.state.borrow().changes.clone()
    }

    fn call(&self, name: &'static str) -> io::Result<()> {
        self.calls.borrow_mut().push(name);
        if *self.failing.borrow() == Some(name) {
            Err(io::Error::other("broken on purpose"))
        } else {
            Ok(())
        }
    }
}

/// Every disk that a crash after these changes may leave: of what was not synced since, a part of the bytes of each file, and some of the
/// changes to the directory.
pub fn crashed(changes: &[Change]) -> Vec<MemoryDisk> {
    let synced_at = |wanted: &dyn Fn(&Change) -> bool| {
        let last = changes.iter().rposition(wanted);
        last.map_or(0, |at| at + 1)
    };
    let names_synced = synced_at(&|change| matches!(change, Change::SyncDirectory));
    let mut files: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        match change {
            Change::Name(Name::Create { .. }) => files.push(Default::default()),
            Change::Append { file, bytes } => {
                let of_file = |change: &Change| matches!(change, Change::Sync { file: synced } if synced == file);
                let (synced, unsynced) = &mut files[*file];
                let kept = if at < synced_at(&of_file) {
                    synced
                } else {
                    unsynced
                };
                kept.extend(bytes);
            }
            Change::Truncate { file, length } => files[*file].0.truncate(*length),
            _ => {}
        }
    }
    let names: Vec<&Name> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Name(name) => Some(name),
            _ => None,
        })
        .collect();
    let names_of_old = changes[..names_synced]
        .iter()
        .filter(|change| matches!(change, Change::Name(_)))
        .count();
    let mut disks = Vec::new();
    for names_kept in names_of_old..=names.len() {
        // Each file in turn keeps any part of what was not synced, the others all or nothing.
        for (torn, others_keep) in (0..files.len()).flat_map(|file| [(file, false), (file, true)]) {
            for cut in 0..=files[torn].1.len() {
                let disk = MemoryDisk::default();
                let mut state = disk.state.borrow_mut();
                for (file, (synced, unsynced)) in files.iter().enumerate() {
                    let kept = match others_keep {
                        _ if file == torn => cut,
                        true => unsynced.len(),
                        false => 0,
                    };
                    state.files.push([&synced[..], &unsynced[..kept]].concat());
                }
                names[..names_kept].iter().for_each(|name| state.name(name));
                state.changes.clear();
                drop(state);
                disks.push(disk);
            }
        }
    }
    disks
}

impl Disk for MemoryDisk {
    type File = usize;

    async fn open(&self, path: &Path) -> io::Result<usize> {
        self.call("open")?;
        let mut state = self.state.borrow_mut();
        if let Some(file) = state.names.get(path) {
            return Ok(*file);
        }
        let file = state.files.len();
        state.files.push(Vec::new());
        let path = path.into();
        state.name(&Name::Create { path, file });
        Ok(file)
    }

    async fn read(&self, file: &usize) -> io::Result<Vec<u8>> {
        self.call("read")?;
        Ok(self.state.borrow().files[*file].clone())
    }

    async fn append(&self, file: &usize, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        self.call("append")?;
        let mut state = self.state.borrow_mut();
        let content = &mut state.files[*file];
        assert_eq!(
            content.len() as u64,
            offset,
            "a log is appended to at its end"
        );
        content.extend(&bytes);
        state.changes.push(Change::Append { file: *file, bytes });
        Ok(())
    }

    async fn truncate(&self, file: &usize, length: u64) -> io::Result<()> {
        self.call("truncate")?;
        let (file, length) = (*file, length as usize);
        let mut state = self.state.borrow_mut();
        state.files[file].truncate(length);
        state.changes.push(Change::Truncate { file, length });
        Ok(())
    }

    async fn sync(&self, file: &usize) -> io::Result<()> {
        self.call("sync")?;
        let mut state = self.state.borrow_mut();
        state.changes.push(Change::Sync { file: *file });
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename")?;
        let (from, to) = (from.into(), to.into());
        self.state.borrow_mut().name(&Name::Rename { from, to });
        Ok(())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove")?;
        let path = path.into();
        self.state.borrow_mut().name(&Name::Remove { path });
        Ok(())
    }

    async fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.call("sync directory")?;
        self.state.borrow_mut().changes.push(Change::SyncDirectory);
        Ok(())
    }
}
