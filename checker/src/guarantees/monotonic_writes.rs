//! Monotonic writes: the writes of a session take effect in its order.

use crate::check::CheckError;
use crate::history::History;
use crate::specification::Specification;

use super::versions::{self, Demands};
use super::{Answer, Guarantee, foreign};

/// "If Write W1 precedes Write W2 in a session, then, for any server S2, if W2 in DB(S2) then W1 is also in DB(S2) and WriteOrder(W1,W2)"
/// (Terry and others, Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994, section 3.4).
pub const DEFINITION: &str = "monotonic writes: \"if Write W1 precedes Write W2 in a session, then, for any server S2, if W2 in DB(S2) then W1 is also \
     in DB(S2) and WriteOrder(W1,W2)\" (Terry and others, 1994)";

/// On the register a key: the writes of each key have an order that keeps the order of each session. Without numbers from the server that
/// order always exists: who sees two writes the wrong way round cannot tell whether the writes or the reads went
/// wrong. See [`all_sessions`](super::all_sessions) for that.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(specification: &S, history: &History) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    versions::judge(
        specification,
        &operations,
        Guarantee::MonotonicWrites,
        DEMANDS,
    )
    .map_err(|(id, error)| foreign(specification, &operations, id, error))
}

pub(super) const DEMANDS: Demands = Demands {
    monotonic_writes: true,
    ..Demands::NONE
};
