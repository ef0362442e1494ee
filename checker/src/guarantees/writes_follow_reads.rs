//! Writes follow reads: what a session writes comes after what it saw before.

use crate::check::CheckError;
use crate::history::History;
use crate::specification::Specification;

use super::versions::{self, Demands};
use super::{Answer, Guarantee, foreign};

/// "If Read R1 precedes Write W2 in a session and R1 is performed at server S1 at time t1, then, for any server S2, if W2 is in DB(S2) then any W1
/// in RelevantWrites(S1,t1,R1) is also in DB(S2) and WriteOrder(W1,W2)" (Terry and others, Session Guarantees for Weakly Consistent
/// Replicated Data, PDIS 1994, section 3.3).
pub const DEFINITION: &str = "writes follow reads: \"if Read R1 precedes Write W2 in a session and R1 is performed at server S1 at time t1, then, for any \
     server S2, if W2 is in DB(S2) then any W1 in RelevantWrites(S1,t1,R1) is also in DB(S2) and WriteOrder(W1,W2)\" \
     (Terry and others, 1994)";

/// On the register a key: the writes of each key have an order in which each write comes after all that its session had seen. The order
/// is that of the server's numbers where they are given, and else any.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(specification: &S, history: &History) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    versions::judge(
        specification,
        &operations,
        Guarantee::WritesFollowReads,
        DEMANDS,
    )
    .map_err(|(id, error)| foreign(specification, &operations, id, error))
}

pub(super) const DEMANDS: Demands = Demands {
    writes_follow_reads: true,
    ..Demands::NONE
};
