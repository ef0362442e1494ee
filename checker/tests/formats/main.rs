//! From files to operations: every format, what is wrong with some files, and calls paired with returns.

mod malformed;
mod pairing;
mod reading;
mod roundtrip;
