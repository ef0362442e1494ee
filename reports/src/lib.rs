//! Tells what a run showed.
//!
//! # What
//!
//! Keeps a run as a directory of plain files, and makes from it what people and machines read: a page, plots, a summary in Markdown, a
//! JUnit file and a verdict as JSON.
//!
//! # Entry points
//!
//! [`RunDirectory`] creates, opens, writes, loads and rebuilds a run. [`summary::RunSummary`] is its `run.json`; [`markdown::render`]
//! and [`junit::render`] work on any number of summaries.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`run_directory`] | the directory: names, prefixes, `latest`, writing by rename, loading, rebuilding; the shrunk run in it |
//! | [`summary`] | `run.json` |
//! | [`markdown`], [`junit`] | the summary for a job page and a terminal, and for test tools |
//! | [`perfetto`], [`itf`] | a run on the time axis of a trace viewer; a counterexample for the tools of TLA+ |
//! | `page` | `report.html`, from `templates/` |
//! | `calls`, `bands`, `reigns`, `stretches` | what is drawn: operations, faults in force, who led when, rates and quantiles |
//! | `timeline`, `collision`, `plots` | the drawings |
//! | [`counterexample`] | the page of a way through a model that breaks a law |
//! | [`judged`] | the page of a history that came from elsewhere |
//! | `salvaged` | the page of a directory that is not whole |
//! | `script_data` | what the page's script reads |
//! | `theme`, `escape`, `units` | colours, text from outside made harmless, numbers made readable |
//! | `columns`, `shell` | text in lines of so many columns; commands in such lines that still paste |
//! | [`error`] | what can be wrong, and the remedy |
//!
//! # Invariants
//!
//! `trial.json` exists before the run starts, and `run.json` is written last: a directory that has it is complete. No file is ever seen
//! half-written. A directory is never overwritten by another run. Every text that comes from a run passes through `escape` before it
//! reaches a page, a drawing, a script or a summary. A page asks the network for nothing. Only `valid` is a pass.
//!
//! # Not here
//!
//! Judging (crate `checker`, and `judge` in crate `nemesis`), running (crate `nemesis`), the command line (crate `stormglass`).

mod bands;
mod calls;
mod collision;
mod columns;
pub mod counterexample;
pub mod error;
mod escape;
pub mod itf;
pub mod judged;
pub mod junit;
pub mod markdown;
mod page;
pub mod perfetto;
mod plots;
mod reigns;
pub mod run_directory;
mod salvaged;
mod script_data;
mod shell;
mod stretches;
pub mod summary;
mod theme;
mod timeline;
mod units;

pub use error::ReportError;
pub use run_directory::RunDirectory;
pub use summary::{RunSummary, Timings};
