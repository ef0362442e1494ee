//! What a run leaves, page by page and file by file, without a browser.

#[path = "../common/mod.rs"]
mod common;

mod behaviour;
mod campaigns;
mod conversation;
mod diff;
mod drawings;
mod exposure;
mod index;
mod itf;
mod junit;
mod markdown;
mod outputs;
mod perfetto;
mod run_directory;
mod salvage;
mod schema;
mod trend;
