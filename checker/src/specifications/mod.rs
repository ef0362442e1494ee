//! The objects whose promises are written here: one file each.

pub mod evicting_cache;
pub mod fenced_lock;
pub mod kv;
pub mod model;
pub mod mutex;
pub mod nondeterministic;
mod register;
pub mod ttl_cache;
mod values;

pub use evicting_cache::EvictingCache;
pub use fenced_lock::FencedLock;
pub use kv::Kv;
pub use model::{Model, Options};
pub use mutex::Mutex;
pub use nondeterministic::{Nondeterministic, Possibilities};
pub use register::{Content, Register, RegisterOp};
pub use ttl_cache::TtlCache;
pub use values::Known;
