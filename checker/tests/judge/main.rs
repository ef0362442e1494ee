//! The verdict and its evidence: tutorials, limits, recorded histories, and every judge against oracles that try everything.

mod borders;
mod collections;
mod common;
mod corpus;
mod fuzz;
mod guarantees;
mod guarantees_fuzz;
mod limits;
mod register;
mod specifications;
mod tutorial;
