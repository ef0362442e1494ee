//! The few decisions on which the promises of the service rest.
//!
//! Each is a small pure function that says what the documentation says. A [mutant](super::mutants) replaces exactly one of them. The decisions of
//! the log below are in [`raft::rules`](crate::raft::rules).
//!
//! Source: *etcd API guarantees* (here: Guarantees 3.6) and *etcd API* (here: API 3.6), in the documentation of etcd 3.6, by section.

use super::auth::Auth;
use super::habits::Habits;
use super::store::Newest;
use super::words::{KeyValue, Revision};
use super::{harmless, mutants};

/// One function for each decision.
#[derive(Clone, Copy)]
pub struct Rules {
    /// See [`moves_together`].
    pub moves_together: fn() -> bool,
    /// See [`proves_leadership`].
    pub proves_leadership: fn() -> bool,
    /// See [`lessor_goes_with_leadership`].
    pub lessor_goes_with_leadership: fn() -> bool,
    /// See [`is_told`].
    pub is_told: fn(next: Revision, revision: Revision) -> bool,
    /// See [`falls_behind_at`].
    pub falls_behind_at: fn(next: Revision, current: Revision) -> Revision,
    /// See [`in_step_from`].
    pub in_step_from: fn(next: Revision) -> Revision,
    /// See [`progress_of`].
    pub progress_of: fn(next: Revision, current: Revision, in_step: bool) -> Option<Revision>,
    /// What is decided where a command is applied, and a stored state is taken up.
    pub state: StateRules,
    /// See [`planted_below`].
    pub planted_below: fn() -> Option<&'static str>,
    /// What no promise rests on.
    pub habits: Habits,
}

/// The decisions of the replicated state.
#[derive(Clone, Copy)]
pub struct StateRules {
    /// See [`restored_revision`].
    pub restored_revision: fn(newest: Newest, compacted: Revision) -> Revision,
    /// See [`restores`].
    pub restores: fn(version: &KeyValue, is_first: bool) -> bool,
    /// See [`restored_auth`].
    pub restored_auth: fn(stored: Auth) -> Auth,
    /// See [`keeps_newest`].
    pub keeps_newest: fn(newest: &KeyValue, compacted: Revision) -> bool,
    /// See [`undoes_failed_txn`].
    pub undoes_failed_txn: fn() -> bool,
}

impl Rules {
    /// As documented.
    pub const DOCUMENTED: Rules = Rules {
        moves_together,
        proves_leadership,
        lessor_goes_with_leadership,
        is_told,
        falls_behind_at,
        in_step_from,
        progress_of,
        state: StateRules::DOCUMENTED,
        planted_below,
        habits: Habits::USUAL,
    };

    /// The rules with a mutant or a harmless change planted; as documented when `id` is none of this service's.
    pub fn planted(id: Option<&str>) -> Rules {
        let planted = id.and_then(|id| mutants::rules(id).or_else(|| harmless::rules(id)));
        planted.unwrap_or(Rules::DOCUMENTED)
    }
}

impl StateRules {
    /// As documented.
    pub const DOCUMENTED: StateRules = StateRules {
        restored_revision,
        restores,
        restored_auth,
        keeps_newest,
        undoes_failed_txn,
    };
}

impl Default for StateRules {
    fn default() -> Self {
        Self::DOCUMENTED
    }
}

/// Whether the data and the index up to which it has everything are written together. If not, a crash between leaves data that is ahead of its
/// index, and what it has is applied to it again (Guarantees 3.6, Durability; etcd's `consistent_index`).
pub fn moves_together() -> bool {
    true
}

/// Which change the log below runs with: none. A member says that it has an entry when the entry is on its disk, and what was answered outlives any crash
/// (Guarantees 3.6, KV APIs: Durability).
pub fn planted_below() -> Option<&'static str> {
    None
}

/// Whether a leader proves that it still leads before it keeps a lease alive or tells how it is. One that was replaced does not know that the lease is over
/// (API 3.6, Lease API: a lease that is over cannot be kept alive).
pub fn proves_leadership() -> bool {
    true
}

/// Whether who leads no more forgets when leases end. What it knows is old: they were kept alive elsewhere (API 3.6, Lease API).
pub fn lessor_goes_with_leadership() -> bool {
    true
}

/// Whether a watch that is in step is told of a revision, when it is to be told of `next` first. A watch may begin in the future
/// (Guarantees 3.6, Watch APIs: Ordered, Resumable).
pub fn is_told(next: Revision, revision: Revision) -> bool {
    revision >= next
}

/// Where a watch goes on that is told too much at once and falls behind: where it was (Guarantees 3.6, Watch APIs: Reliable).
pub fn falls_behind_at(next: Revision, _current: Revision) -> Revision {
    next
}

/// Where a watch goes on that was behind and is in step again: where it was (Guarantees 3.6, Watch APIs: Unique).
pub fn in_step_from(next: Revision) -> Revision {
    next
}

/// Up to which revision a watch was told everything, if that can be said. It cannot of one that is behind, nor of one that begins in the
/// future (Guarantees 3.6, Watch APIs: Bookmarkable).
pub fn progress_of(next: Revision, current: Revision, in_step: bool) -> Option<Revision> {
    (in_step && next <= current + 1).then_some(current)
}

/// Which revision a store is at whose newest versions are of those revisions, and which was compacted at that one: the newest of all. Deletions have
/// revisions, too, and so has a compaction that took everything away (API 3.6, Revisions: monotonically increasing).
pub fn restored_revision(newest: Newest, compacted: Revision) -> Revision {
    newest.set.max(newest.deleted).max(compacted)
}

/// Whether a watch can be told of a version that was read from a stored state: of any, be it the deletion of a key of which nothing older is left
/// (Guarantees 3.6, Watch APIs: Reliable).
pub fn restores(_version: &KeyValue, _is_first: bool) -> bool {
    true
}

/// Who may do what, in a state that was taken up from its stored form: as it was stored (API 3.6, Auth).
pub fn restored_auth(stored: Auth) -> Auth {
    stored
}

/// Whether a compaction keeps the newest version of a key up to its revision: one that is there, as what the key is from then on; and a deletion at that very
/// revision, of which a watch that begins there is told (Guarantees 3.6, Watch APIs: Resumable).
pub fn keeps_newest(newest: &KeyValue, compacted: Revision) -> bool {
    newest.version > 0 || newest.mod_revision == compacted
}

/// Whether what a transaction has done before a part of it fails is taken back (Guarantees 3.6, KV APIs: Atomicity).
pub fn undoes_failed_txn() -> bool {
    true
}
