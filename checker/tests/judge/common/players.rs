//! The true objects that fuzzing asks, one a specification.

pub(crate) mod append;
pub(crate) mod clearable_queue;
pub(crate) mod counter;
pub(crate) mod evicting_cache;
pub(crate) mod fenced_lock;
pub(crate) mod kv;
pub(crate) mod mutex;
pub(crate) mod nondeterministic;
pub(crate) mod queue;
pub(crate) mod register;
pub(crate) mod set;
pub(crate) mod ttl_cache;
pub(crate) mod versioned_register;
