//! All four session guarantees in one order of the writes.

use crate::check::CheckError;
use crate::history::History;
use crate::specification::Specification;

use super::versions::{self, Demands};
use super::{Answer, Guarantee, foreign};

/// The four of Terry and others, Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994, together.
pub const DEFINITION: &str = "all four session guarantees together: read your writes, monotonic reads, monotonic writes and writes follow reads, with one \
     order of the writes of each key (Terry and others, 1994)";

/// Each alone may hold in an order of its own. Together they need one order, so that this is stronger than each, and shows what none shows
/// by itself: a session that sees two writes of another the wrong way round.
///
/// # Errors
/// When the history is malformed or not one of the specification's.
pub fn judge<S: Specification>(specification: &S, history: &History) -> Result<Answer, CheckError> {
    let operations = history.operations()?;
    versions::judge(specification, &operations, Guarantee::AllSessions, DEMANDS)
        .map_err(|(id, error)| foreign(specification, &operations, id, error))
}

pub(super) const DEMANDS: Demands = Demands {
    read_your_writes: true,
    monotonic_reads: true,
    monotonic_writes: true,
    writes_follow_reads: true,
};
