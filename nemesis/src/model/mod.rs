//! TODO
pub mod bounds;
mod calls;
pub mod explorer;
pub mod library;
mod moves;
mod network;
mod pool;
pub mod search;
pub mod space;
pub mod trace;
mod visited;
