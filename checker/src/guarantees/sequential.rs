//! Sequential consistency: one order for all, in which each process finds its own.

use crate::check::CheckError;
use crate::history::History;
use crate::limits::Limits;
use crate::specification::Specification;

use super::constraints::Rule;
use super::{Answer, Guarantee, one_order};

/// "The result of any execution is the same as if the operations of all the processors were executed in some sequential order, and
/// the operations of each individual processor appear in this sequence in the order specified by its program" (Lamport, How to Make a
/// Multiprocessor Computer That Correctly Executes Multiprocess Programs, IEEE Transactions on Computers, 1979).
pub const DEFINITION: &str = "sequential consistency: \"the result of any execution is the same as if the operations of all the processors were executed \
     in some sequential order, and the operations of each individual processor appear in this sequence in the order \
     specified by its program\" (Lamport, 1979)";

/// Looks for one legal order of all operations, of all keys together, that keeps the order of each process. To decide it is NP-complete
/// even for registers whose writes are unique (Gibbons and Korach, Testing Shared Memories, 1997), so the search may reach its limits.
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
        Guarantee::Sequential,
        Rule::ProgramOrder,
        limits,
    )
}
