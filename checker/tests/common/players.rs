//! The true objects that fuzzing asks, one a specification.

pub(crate) mod register;
