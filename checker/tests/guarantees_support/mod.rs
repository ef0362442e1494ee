//! Small histories of weak systems, and oracles that try everything.
#![allow(dead_code, reason = "each test file uses its own share")]

pub(crate) mod compare;
pub(crate) mod oracle;
pub(crate) mod systems;
