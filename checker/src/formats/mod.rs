//! The formats histories are read from: one file each, and [`input`] to tell them apart.

pub mod input;
mod jepsen_log;
mod json_lines;
