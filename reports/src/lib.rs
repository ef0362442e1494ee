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
//! and [`junit::render`] work on any number of summaries. [`index::write`] lists all runs of a directory on a page, [`trend`] follows
//! nights of trials, and [`diff`] lays two runs side by side.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`run_directory`] | the directory: names, prefixes, `latest`, writing by rename, loading, rebuilding; the shrunk run in it |
//! | [`summary`] | `run.json` |
//! | [`markdown`], [`junit`] | the summary for a job page and a terminal, and for test tools |
//! | [`perfetto`], [`itf`] | a run on the time axis of a trace viewer; a counterexample for the tools of TLA+ |
//! | [`behaviour`] | how a cluster behaved: keys, availability, recovery, coverage, facts, clocks; as data and as sections |
//! | `page` | `report.html`, from `templates/` |
//! | `calls`, `bands`, `reigns`, `roles`, `stretches` | what is drawn: operations, faults in force, who led when, what each node was, rates and quantiles |
//! | `timeline`, `collision`, `plots` | the drawings |
//! | `spacetime`, `conversation` | who said what to whom as a space-time diagram, and that of a run around what broke |
//! | [`index`] | the page over all runs of a directory |
//! | [`trend`] | the page over several nights of trials: rates, and what is new, known and resolved |
//! | [`diff`] | the page of two runs: what was asked of them, what came of it, and where they part |
//! | [`counterexample`] | the page of a way through a model that breaks a law |
//! | [`campaign`] | the page of a campaign: verdicts, planted bugs, models, speed, false alarms |
//! | [`comparison`] | the page of all clusters under one workload and one storm |
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
pub mod behaviour;
mod calls;
pub mod campaign;
mod collision;
mod columns;
pub mod comparison;
mod conversation;
pub mod counterexample;
pub mod diff;
pub mod error;
mod escape;
pub mod index;
pub mod itf;
pub mod judged;
pub mod junit;
pub mod markdown;
mod page;
pub mod perfetto;
mod plots;
mod reigns;
mod roles;
pub mod run_directory;
mod salvaged;
mod script_data;
mod shell;
mod spacetime;
mod stretches;
pub mod summary;
mod theme;
mod timeline;
pub mod trend;
mod units;

pub use error::ReportError;
pub use run_directory::RunDirectory;
pub use summary::{RunSummary, Timings};
