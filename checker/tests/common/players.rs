//! The true objects that fuzzing asks, one a specification.

pub(crate) mod append;
pub(crate) mod counter;
pub(crate) mod queue;
pub(crate) mod register;
pub(crate) mod set;
pub(crate) mod versioned_register;
