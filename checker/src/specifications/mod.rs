//! The objects whose promises are written here: one file each.

mod register;

pub use register::{Content, Register, RegisterOp};
