//! TODO
pub mod bounds;
mod calls;
mod moves;
mod network;
mod pool;
pub mod search;
pub mod space;
mod visited;
