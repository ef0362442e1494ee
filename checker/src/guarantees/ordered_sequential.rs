//! Ordered sequential consistency: mutations are where they were in time; reads may see an older state, but each process goes forward.
//!
//! What returned before a mutation was called comes before that mutation. So mutations are linearizable, and nobody reads what is not
//! written yet. A read may come before mutations that returned before it was called: it may be stale. Since each process
//! keeps its order, it never goes back, and it sees its own mutations. ZooKeeper promises this.
//!
//! A mutation is what the specification does not call [`Effect::Reads`](crate::Effect::Reads). A refused comparison counts as a read. A
//! specification that gives no such hints is judged as if everything were a mutation, and then this is linearizability.

use crate::check::CheckError;
use crate::history::History;
use crate::limits::Limits;
use crate::specification::Specification;

use super::constraints::Rule;
use super::{Answer, Guarantee, one_order};

/// Lev-Ari, Bortnikov, Keidar and Shraer, Composing Ordered Sequential Consistency, Information Processing Letters 123 (2017), with the
/// mutations as the ordered operations; the abstract says that it "captures the typical behavior of real-world coordination services, such as ZooKeeper".
pub const DEFINITION: &str = "ordered sequential consistency: there is one order of all operations that keeps the order of each process, and what \
     returned before a mutation was called comes before it (Lev-Ari, Bortnikov, Keidar and Shraer, 2017)";

/// Looks for one legal order of all operations, of all keys together, that keeps the order of each process and the real time of mutations.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(
    specification: &S,
    history: &History,
    limits: &Limits,
) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    one_order(
        specification,
        &operations,
        Guarantee::OrderedSequential,
        Rule::MutationsInRealTime,
        limits,
    )
}
