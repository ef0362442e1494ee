//! The objects whose promises are written here: one file each.

mod append;
mod counter;
mod elements;
mod queue;
mod register;
mod set;
mod versioned_register;

pub use append::{Append, AppendOp, List};
pub use counter::{Counter, CounterOp};
pub use elements::Element;
pub use queue::{Queue, QueueOp, Waiting};
pub use register::{Content, Register, RegisterOp};
pub use set::{Members, Set, SetOp};
pub use versioned_register::{VersionedOp, VersionedRegister, VersionedState};
