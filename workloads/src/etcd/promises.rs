//! What the service promises. Nothing is written down yet, so no history is judged.

use crate::workload::Findings;
use stormglass_checker::{CheckError, History, Limits, SpecificationError};

/// A promise.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Its name.
    pub name: &'static str,
    /// The words in which the service gives it, and where.
    pub quote: &'static str,
}

/// All of them together.
pub const GUARANTEES: &str = "API guarantees";

/// What every history is judged by.
pub const ALL: &[Promise] = &[];

/// What a history of locks with fencing is judged by besides.
pub const FENCED_ONLY: &[Promise] = &[];

/// Judges a history by some promises.
///
/// # Errors
/// Always: there is none to judge by.
pub fn judge<'p>(
    _promises: impl IntoIterator<Item = &'p Promise>,
    _history: &History,
    _limits: &Limits,
) -> Result<Findings, CheckError> {
    Err(CheckError::Specification {
        specification: GUARANTEES.to_string(),
        event: 0,
        f: String::new(),
        process: 0,
        source: SpecificationError::new("promises of the service", "none"),
    })
}
