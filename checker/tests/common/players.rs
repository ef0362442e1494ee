//! The true objects that fuzzing asks, one a specification.

pub(crate) mod evicting_cache;
pub(crate) mod fenced_lock;
pub(crate) mod kv;
pub(crate) mod mutex;
pub(crate) mod nondeterministic;
pub(crate) mod register;
pub(crate) mod ttl_cache;
