//! Read your writes: a session sees what it wrote, or something later.

use crate::check::CheckError;
use crate::history::History;
use crate::specification::Specification;

use super::versions::{self, Demands};
use super::{Answer, Guarantee, foreign};

/// "If Read R follows Write W in a session and R is performed at server S at time t, then W is included in DB(S,t)" (Terry and others,
/// Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994, section 3.1).
pub const DEFINITION: &str = "read your writes: \"if Read R follows Write W in a session and R is performed at server S at time t, then W is included \
     in DB(S,t)\" (Terry and others, 1994)";

/// On the register a key: the writes of each key have an order in which no read saw a write older than one its session
/// had made. The order is that of the server's numbers where they are given, and else any.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(specification: &S, history: &History) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    versions::judge(
        specification,
        &operations,
        Guarantee::ReadYourWrites,
        DEMANDS,
    )
    .map_err(|(id, error)| foreign(specification, &operations, id, error))
}

pub(super) const DEMANDS: Demands = Demands {
    read_your_writes: true,
    ..Demands::NONE
};
