//! The objects whose promises are written here: one file each. [`model`] knows them by name.
//!
//! The page of each tells its functions, arguments and results in a table, what a refused operation says, and what one of unknown outcome
//! may have done.
//!
//! | object | functions | judged in parts | monitor | goes unnoticed |
//! | --- | --- | --- | --- | --- |
//! | [`Register`] | `read`, `write`, `cas` | by key | [`zones`](crate::monitors::zones), [`cas_chain`](crate::monitors::cas_chain) | nothing |
//! | [`VersionedRegister`] | the same, with versions | by key | [`versions`](crate::monitors::versions) | nothing |
//! | [`Kv`] | `get`, `put`, `append`, `cas`, `delete`, `txn` | by key; with transactions by keys that belong together | none | nothing |
//! | [`Append`] | `append`, `read` | by key | [`append`](crate::monitors::append) | nothing |
//! | [`Set`] | `add`, `remove`, `read`, `contains` | by key | [`set`](crate::monitors::set) | nothing |
//! | [`Counter`] | `add`, `inc`, `dec`, `read` | by key | [`counter`](crate::monitors::counter) | nothing |
//! | [`Queue`] | `enqueue`, `dequeue` | by key | [`queue`](crate::monitors::queue) | nothing |
//! | [`Mutex`] | `acquire`, `release` | by key | none | nothing |
//! | [`FencedLock`] | `acquire`, `release`, `write` | by key | none | what [`fenced_lock`] says, if anything |
//! | [`EvictingCache`] | `get`, `set`, `add`, `replace`, `delete`, `gets`, `cas` | by key | none | what [`evicting_cache`] says, if anything |
//! | [`TtlCache`] | `get`, `set`, `delete` | by key | none | a value lost early while calls are slow, see [`ttl_cache`] |
//!
//! "Nothing" is meant of the promise as it is written on the page of the object: the page names nothing that it lets pass. What goes
//! unnoticed elsewhere is always mild: a history that breaks the promise may be called legal, never the other way round.
//!
//! To write one of your own, read [`specification`](crate::specification); for objects with unseen choices, [`nondeterministic`].

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
