//! What a member keeps: the log below, and the *backend*, the state after the entries up to some index. Both move together in one write, so that a
//! member that restarts knows exactly which entries its backend has.

use super::state::State;
use super::words::{Command, Output};
use crate::contract::Disk;
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::raft::RaftDisk;
use crate::raft::members::Members;
use crate::raft::message::{self as raft, Index, Position, Snapshot, Term};
use crate::session::{Act, Sessions, Submission};
use crate::snapshot::Image;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};
use std::sync::Arc;

/// The cluster that a member belongs to unless it was restored into another.
pub const FIRST_CLUSTER: u64 = 1;

/// How far the revisions of a restored store jump: further than a cluster gets between a snapshot and its end.
pub const REVISIONS_BUMPED: u64 = 1_000_000_000;

/// What a member's disk holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EtcdDisk {
    /// Which cluster it is of.
    pub cluster: u64,
    /// The log.
    pub raft: RaftDisk<Command>,
    /// The state.
    pub backend: Backend,
}

impl Default for EtcdDisk {
    fn default() -> Self {
        Self {
            cluster: FIRST_CLUSTER,
            raft: RaftDisk::default(),
            backend: Backend::default(),
        }
    }
}

/// The state after some of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "StoredBackend")]
pub struct Backend {
    /// Up to which entry.
    pub applied: Index,
    /// The state, and what each client was answered last.
    pub sessions: Sessions<State>,
    /// What the data already has of entries that are not said to be applied: what each client was answered.
    ahead: Vec<(Arc<Submission<Command>>, Output)>,
}

/// A backend whose state has not been settled in.
#[derive(Deserialize)]
struct StoredBackend {
    applied: Index,
    sessions: Sessions<State>,
    ahead: Vec<(Arc<Submission<Command>>, Output)>,
}

impl From<StoredBackend> for Backend {
    fn from(stored: StoredBackend) -> Self {
        let mut backend = Self {
            applied: stored.applied,
            sessions: stored.sessions,
            ahead: stored.ahead,
        };
        backend.sessions.machine_mut().settle_in(None);
        backend
    }
}

/// One change to the disk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Write {
    /// To the log.
    Raft(raft::Write<Command>),
    /// To the backend.
    Commit(Commit),
}

/// A batch of the backend: all of it or nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Commit {
    /// The commands that were run, and where they stand.
    pub ran: Vec<(u64, Arc<Submission<Command>>)>,
    /// Up to which entry everything is applied now.
    pub applied: Option<Index>,
}

impl Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Raft(write) => write.fmt(f),
            Write::Commit(Commit { ran, applied }) => {
                write!(f, "Commit {} commands", ran.len())?;
                match applied {
                    Some(applied) => write!(f, " up to {applied}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Disk<Write> for EtcdDisk {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Raft(write) => {
                // A snapshot is a backend, too, whoever took it: what is committed to the backend next is what comes behind it.
                if let raft::Write::Snapshot(snapshot) | raft::Write::Install { snapshot, .. } =
                    write
                {
                    self.backend = Backend::of(snapshot);
                }
                self.raft.apply(write);
            }
            Write::Commit(commit) => self.backend.commit(commit),
        }
    }
}

impl Backend {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            applied: snapshot.last.index,
            sessions: Sessions::begun(Some(&snapshot.image), None),
            ahead: Vec::new(),
        }
    }

    fn commit(&mut self, commit: &Commit) {
        for (at, submission) in &commit.ran {
            if let Act::Run(command) = &submission.act {
                let output = self.sessions.machine_mut().apply_stored(*at, command);
                self.ahead.push((Arc::clone(submission), output));
            }
        }
        if let Some(applied) = commit.applied {
            self.applied = applied;
            for (submission, output) in self.ahead.drain(..) {
                self.sessions.remember(&submission, output);
            }
        }
    }
}

/// The disk of a member of a new cluster that begins with a stored state: another cluster than the one it was stored in, so that no member of that can
/// join it. Its revisions go on far beyond those of the old one, and everything before is compacted: whoever watched the old cluster
/// learns that it missed something. Leases have their full time again.
///
/// # Errors
/// When the image is of something else.
pub fn restore(image: &Image, cluster: u64, voters: NodeSet) -> Result<EtcdDisk, String> {
    let mut state: State = image.open()?;
    state.settle_in(None);
    state.bump(REVISIONS_BUMPED);
    let mut sessions = Sessions::<State>::default();
    *sessions.machine_mut() = state;
    // All members begin with the same first entry, as if they had agreed on it.
    let last = Position {
        index: Index(1),
        term: Term(1),
    };
    let members = Members::of(voters);
    let snapshot = Snapshot {
        last,
        members,
        image: sessions.image(|_| true),
    };
    let mut disk = EtcdDisk {
        cluster,
        ..EtcdDisk::default()
    };
    let hard_state = raft::Write::HardState {
        term: last.term,
        vote: None,
    };
    let install = raft::Write::Install {
        snapshot,
        keeps_tail: false,
    };
    for write in [hard_state, install] {
        disk.apply(&Write::Raft(write));
    }
    Ok(disk)
}
