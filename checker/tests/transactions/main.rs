//! Transactions: each anomaly, stores of known isolation, and oracles that try every order.

mod adya;
mod anomalies;
mod fuzz;
mod malformed;
mod registers;
mod support;
