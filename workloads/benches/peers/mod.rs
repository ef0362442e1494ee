//! Other checkers, given the histories that ours is given. Each begins with typed operations that lie ready in memory.
//!
//! | peer | what is used of it | an operation that crashed |
//! | --- | --- | --- |
//! | porcupine-rs 0.3 | `check_operations`, without information for drawings | returns at the end of time; its step is allowed in every state |
//! | todc-utils 0.1 | `WGLChecker` | the same |
//! | stateright 0.31 | `LinearizabilityTester` | is known to it: a call without a return |
//! | adya 0.1 | `check` for strict serializability | is known to it: `info` |
//!
//! None of them but porcupine splits a history by key; here all are given one key at a time, except where a row says otherwise.
#![allow(dead_code, reason = "each of bench and test uses its own share")]

pub(crate) mod adya;
pub(crate) mod objects;
#[cfg(feature = "porcupine")]
pub(crate) mod porcupine;
pub(crate) mod stateright;
pub(crate) mod todc;

use objects::Sequential;
use std::collections::BTreeMap;
use stormglass_checker::{History, Operation};

/// An operation as peers are given it.
pub(crate) struct Asked<Op> {
    pub(crate) process: u64,
    /// The position of its call in the history.
    pub(crate) call: usize,
    /// That of its return; `None` if it crashed, and may take effect later or never.
    pub(crate) ret: Option<usize>,
    pub(crate) op: Op,
}

/// What a peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Valid,
    Invalid,
    Unknown,
}

impl From<bool> for Says {
    fn from(valid: bool) -> Self {
        if valid { Self::Valid } else { Self::Invalid }
    }
}

/// The operations of a history, one list a key; a single list where the object is one whole.
pub(crate) fn prepare<O: Sequential>(history: &History) -> Vec<Vec<Asked<O::Op>>> {
    let operations = history.operations().expect("the history is well formed");
    let mut reader = O::Reader::default();
    let mut parts: BTreeMap<Option<&str>, Vec<Asked<O::Op>>> = BTreeMap::new();
    for operation in &operations {
        let key = operation.key.as_deref().filter(|_| O::PER_KEY);
        let part = parts.entry(key).or_default();
        part.extend(asked::<O>(&mut reader, operation));
    }
    parts.into_values().collect()
}

fn asked<O: Sequential>(reader: &mut O::Reader, operation: &Operation) -> Option<Asked<O::Op>> {
    Some(Asked {
        process: operation.process,
        call: operation.call,
        ret: operation.deadline(),
        op: O::read(reader, operation)?,
    })
}
