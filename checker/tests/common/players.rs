//! The true objects that fuzzing asks, one a specification.

pub(crate) mod register;
pub(crate) mod versioned_register;
