//! What an etcd-style service promises, each promise in a file that quotes it.
//!
//! All of them are judged by what clients saw and by revisions. Every member applies the same changes in the same order, so the store at a revision is one
//! store, and whatever is observed at that revision, at whichever member, must be observed of it.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`story`], [`ground`] | a history, read; what several promises make of it |
//! | [`facts`] | what a key was, from revision to revision |
//! | [`revision_order`], [`revisions_grow`], [`serializable_reads`] | what the store holds, and in which order that is seen |
//! | [`watches`] | what watches tell: six promises |
//! | [`leases`], [`compaction`], [`permissions`] | leases: two promises; what is forgotten; who may do what |
//! | [`transactions`], [`set`](mod@set), [`lock`], [`election`] | what clients make of that |
//! | [`stale`] | a measure |
//! | [`generate`] | histories of a service that keeps all of this, for tests and benches |

pub mod compaction;
pub mod election;
pub mod facts;
pub mod generate;
pub mod ground;
pub mod leases;
pub mod lock;
mod locks;
pub mod permissions;
#[cfg(test)]
mod reference;
pub mod revision_order;
pub mod revisions_grow;
pub mod serializable_reads;
pub mod set;
pub mod stale;
pub mod story;
pub mod transactions;
#[cfg(test)]
mod trials;
pub mod watches;

use super::dialect::{Asked, Ended};
use crate::promises::{self, Service};
use crate::workload::Measure;
use ground::Ground;
use serde_json::Value;
use story::{Deed, Story};

pub use crate::promises::{Breach, judge};

/// An etcd-style service, as one that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Etcd;

/// A promise of such a service.
pub type Promise = promises::Promise<Etcd>;

impl Service for Etcd {
    type Asked = Asked;
    type Ended = Ended;
    type Ground<'a> = Ground<'a>;

    const NAME: &'static str = "etcd";
    const OPERATION: &'static str = "an operation of an etcd-style service";

    fn asked(value: &Value) -> Result<Asked, String> {
        Asked::read(value)
    }

    fn ended(value: &Value) -> Result<Ended, String> {
        Ended::read(value).and_then(story::in_bounds)
    }

    fn ground(story: &Story) -> Ground<'_> {
        Ground::of(story)
    }

    fn place(deed: &Deed) -> Option<u64> {
        deed.own_revision()
    }

    fn measures(ground: &Ground<'_>) -> Vec<Measure> {
        measures(ground.story)
    }
}

/// All of them together.
pub const GUARANTEES: &str = "API guarantees";

/// What every history is judged by.
pub const ALL: &[Promise] = &[
    revision_order::PROMISE,
    revisions_grow::PROMISE,
    serializable_reads::PROMISE,
    watches::ordered::PROMISE,
    watches::unique::PROMISE,
    watches::reliable::PROMISE,
    watches::atomic::PROMISE,
    watches::resumable::PROMISE,
    watches::bookmarkable::PROMISE,
    leases::kept::PROMISE,
    leases::over::PROMISE,
    compaction::PROMISE,
    permissions::PROMISE,
    transactions::PROMISE,
    set::PROMISE,
    lock::PROMISE,
    election::PROMISE,
];

/// What a history of locks with fencing is judged by besides.
pub const FENCED_ONLY: &[Promise] = &[lock::FENCED];

/// What is worth knowing of a history and no question of right or wrong.
fn measures(story: &Story) -> Vec<Measure> {
    let measure = |name: &str, (count, of), meaning: &str| Measure {
        name: name.to_string(),
        count,
        of,
        meaning: meaning.to_string(),
    };
    let all = [
        measure(
            "stale-reads",
            stale::stale_reads(story),
            "serializable reads that show the store as it was before a change that was answered before they were asked",
        ),
        measure(
            "unsafe-stores",
            lock::unsafe_stores(story),
            "stores that reached what a lock protects after one of a later holder, and were taken",
        ),
    ];
    all.into_iter().filter(|measure| measure.of > 0).collect()
}
