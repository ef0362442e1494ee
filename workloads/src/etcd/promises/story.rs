//! A history, read: what the promises are judged by.

use super::Etcd;
use crate::etcd::dialect::{Asked, Ended};
use crate::promises::story;
use stormglass_impls::etcd::words::{
    Ask, Done, Error, Event, KeyValue, Op, Range, Request, Revision,
};

/// A history as operations that can be asked what they mean.
pub type Story = story::Story<Etcd>;

/// An operation.
pub type Deed = story::Deed<Etcd>;

impl Deed {
    /// What a member was asked, if one was.
    pub fn request(&self) -> Option<&Request> {
        match &self.asked {
            Asked::Ask(request) => Some(request),
            Asked::Rest { .. } | Asked::Store { .. } => None,
        }
    }

    /// What it changed or tried to change, if it goes through the log.
    pub fn op(&self) -> Option<&Op> {
        match &self.request()?.ask {
            Ask::Write(op) => Some(op),
            _ => None,
        }
    }

    /// What it read.
    pub fn range(&self) -> Option<&Range> {
        match &self.request()?.ask {
            Ask::Range(range) => Some(range),
            _ => None,
        }
    }

    /// What was done, if it is known that it was.
    pub fn done(&self) -> Option<&Done> {
        self.ended.as_ref()?.result.as_ref().ok()
    }

    /// Why nothing was done, if that is known.
    pub fn error(&self) -> Option<&Error> {
        self.ended.as_ref()?.result.as_ref().err()
    }

    /// What its client's watches had told when it ended.
    pub fn events(&self) -> &[Event] {
        self.ended.as_ref().map_or(&[], |ended| &ended.events)
    }

    /// The revision of its answer.
    pub fn revision(&self) -> Option<Revision> {
        Some(self.ended.as_ref()?.revision)
    }

    /// The revision that it made, if it certainly made one. The end of a lease with no keys makes none, so that of a revoke it is not certain.
    pub fn own_revision(&self) -> Option<Revision> {
        let changes = match (self.op()?, self.done()?) {
            (Op::Put(_), Done::Put { .. }) => true,
            (Op::DeleteRange(_), done) => deletes(done),
            (Op::Txn(_), Done::Txn { responses, .. }) => responses
                .iter()
                .any(|done| matches!(done, Done::Put { .. }) || deletes(done)),
            _ => false,
        };
        self.revision().filter(|_| changes)
    }

    /// Whether its answer must show all that had been answered before it was called. What is refused for how it is asked may be refused by anybody.
    pub fn is_linearizable(&self) -> bool {
        let Some(request) = self.request() else {
            return false;
        };
        let by_itself = matches!(
            self.error(),
            Some(Error::BadArguments | Error::DuplicateKey | Error::UserEmpty)
        );
        match &request.ask {
            Ask::Range(range) => !range.serializable && !by_itself,
            Ask::Write(_) => !by_itself,
            Ask::Authenticate { .. } => true,
            _ => false,
        }
    }

    /// The newest revision that its answer shows to be there.
    pub fn newest(&self) -> Option<Revision> {
        let ended = self.ended.as_ref()?;
        let told = ended.events.iter().map(|event| match event {
            Event::Changes {
                revision, changes, ..
            } => {
                let last = changes.last().map_or(0, |change| change.kv.mod_revision);
                last.max(*revision)
            }
            Event::Progress { revision, .. } => *revision,
            Event::Compacted { .. } => 0,
        });
        Some(told.fold(ended.revision, Revision::max)).filter(|newest| *newest > 0)
    }
}

fn deletes(done: &Done) -> bool {
    matches!(done, Done::DeleteRange { deleted, .. } if *deleted > 0)
}

/// Revisions lie below this. No cluster lives that long, and those who reckon with them need some room.
const REVISION_END: Revision = 1 << 62;

/// An answer whose numbers a cluster can live to give.
pub(super) fn in_bounds(ended: Ended) -> Result<Ended, String> {
    let mut highest = ended.revision;
    if let Ok(done) = &ended.result {
        highest = highest.max(highest_of(done));
    }
    for event in &ended.events {
        let told = match event {
            Event::Changes {
                changes, revision, ..
            } => {
                let kvs = changes
                    .iter()
                    .flat_map(|change| [Some(&change.kv), change.prev_kv.as_ref()]);
                highest_in(kvs.flatten()).max(*revision)
            }
            Event::Progress { revision, .. } => *revision,
            Event::Compacted {
                compact_revision, ..
            } => *compact_revision,
        };
        highest = highest.max(told);
    }
    match highest < REVISION_END {
        true => Ok(ended),
        false => Err(format!("{highest} is no revision")),
    }
}

fn highest_of(done: &Done) -> u64 {
    match done {
        Done::Range { kvs, .. } => highest_in(kvs),
        Done::Put { prev_kv } => highest_in(prev_kv),
        Done::DeleteRange { prev_kvs, .. } => highest_in(prev_kvs),
        Done::Txn { responses, .. } => responses.iter().map(highest_of).max().unwrap_or(0),
        Done::Watch { start_revision } => *start_revision,
        Done::Auth { auth_revision } => *auth_revision,
        _ => 0,
    }
}

fn highest_in<'a>(kvs: impl IntoIterator<Item = &'a KeyValue>) -> u64 {
    let numbers = |kv: &KeyValue| kv.create_revision.max(kv.mod_revision).max(kv.version);
    kvs.into_iter().map(numbers).max().unwrap_or(0)
}
