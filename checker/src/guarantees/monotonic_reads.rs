//! Monotonic reads: a session never sees something older than what it has seen.

use crate::check::CheckError;
use crate::history::History;
use crate::specification::Specification;

use super::versions::{self, Demands};
use super::{Answer, Guarantee, foreign};

/// "If Read R1 occurs before R2 in a session and R1 accesses server S1 at time t1 and R2 accesses server S2 at time t2, then
/// RelevantWrites(S1,t1,R1) is a subset of DB(S2,t2)" (Terry and others, Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994,
/// section 3.2).
pub const DEFINITION: &str = "monotonic reads: \"if Read R1 occurs before R2 in a session and R1 accesses server S1 at time t1 and R2 accesses \
     server S2 at time t2, then RelevantWrites(S1,t1,R1) is a subset of DB(S2,t2)\" (Terry and others, 1994)";

/// On the register a key: the writes of each key have an order in which no read saw a write older than an earlier read of
/// its session. The order is that of the server's numbers where they are given, and else any.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(specification: &S, history: &History) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    versions::judge(
        specification,
        &operations,
        Guarantee::MonotonicReads,
        DEMANDS,
    )
    .map_err(|(id, error)| foreign(specification, &operations, id, error))
}

pub(super) const DEMANDS: Demands = Demands {
    monotonic_reads: true,
    ..Demands::NONE
};
