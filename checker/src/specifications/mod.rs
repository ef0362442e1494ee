//! The objects whose promises are written here: one file each.

mod register;
mod versioned_register;

pub use register::{Content, Register, RegisterOp};
pub use versioned_register::{VersionedOp, VersionedRegister, VersionedState};
