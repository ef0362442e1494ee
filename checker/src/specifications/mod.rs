//! The objects whose promises are written here: one file each. [`model`] knows them by name.

pub mod append;
pub mod counter;
pub mod evicting_cache;
pub mod fenced_lock;
pub mod kv;
pub mod model;
pub mod mutex;
pub mod nondeterministic;
pub mod queue;
pub mod register;
pub mod set;
mod tokens;
pub mod ttl_cache;
pub(crate) mod values;
pub mod versioned_register;

pub use append::{Append, AppendOp, List};
pub use counter::{Counter, CounterOp};
pub use evicting_cache::EvictingCache;
pub use fenced_lock::FencedLock;
pub use kv::Kv;
pub use model::{Model, Options};
pub use mutex::Mutex;
pub use nondeterministic::{Nondeterministic, Possibilities};
pub use queue::{Queue, QueueOp, Waiting};
pub use register::{Register, RegisterOp};
pub use set::{Members, Set, SetOp};
pub use ttl_cache::TtlCache;
pub use values::Scalar;
pub use versioned_register::{VersionedOp, VersionedRegister, VersionedState};
