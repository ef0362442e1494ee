//! All changes form one history by revision, and everything that is seen is seen of it.
//!
//! > KV Service operations are atomic and occur in a total order, consistent with real-time order of those operations. Total order is implied through
//! > revision.
//! >
//! > *etcd API guarantees*, Strict serializability
//!
//! What is judged is the state at each revision: keys, values, versions, revisions and leases as they were shown by reads, by what was there before a put,
//! by transactions and by watches; which branch a transaction took; how many keys were deleted; and that every revision is somebody's. The order in time is
//! [`revisions_grow`](super::revisions_grow).
//!
//! Counterexample: `a` is set at revision 5 and answered; at revision 7 it is read as it was set at 3, and nobody set it in between.

mod comparisons;
mod explained;

use super::facts::lists;
use super::ground::Ground;
use super::{Breach, Promise};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "revision-order",
    quote: "\"KV Service operations are atomic and occur in a total order, consistent with real-time order of those operations. Total order is implied \
            through revision\" (etcd API guarantees, Strict serializability)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let facts = ground.facts();
    if let Some(breach) = &facts.contradiction {
        return Err(breach.clone());
    }
    lists::judge(facts, &facts.lists)?;
    comparisons::judge(ground)?;
    explained::judge(ground)
}
