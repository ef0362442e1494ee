//! The pages in a real browser, as people open them. Without one these tests say loudly that they were skipped.

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod hostile;
mod pages;
mod timeline;
