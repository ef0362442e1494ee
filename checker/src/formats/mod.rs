//! The formats histories are read from and written to.

mod detect;
mod draft;
mod edn;
mod edn_file;
mod elle_json;
mod fields;
mod forms;
pub mod input;
mod jepsen_log;
mod json_lines;
mod lines;
mod options;
mod scanner;
mod source;
mod write;

pub use scanner::DEPTH_MAX;
