//! The mutex: acquire and release, one mutex a key.
//!
//! | `f` | argument | result | mismatch | unknown |
//! | --- | --- | --- | --- | --- |
//! | `acquire` | any | any | somebody held it | may hold it from some moment on |
//! | `release` | any | any | this process did not hold it | may have released it |
//!
//! The owner is the process that acquired. A process whose operation ended unknown takes a new number, so a mutex that it holds
//! stays held, unless the operation never took effect. [`Mutex::released_by_anyone`] is for systems whose locks have no
//! owner, or whose clients come back under a new number: then any process may release, as in Jepsen's model of a mutex. The mutex is not
//! reentrant: a second acquire of the owner is not granted. For a lock that may be lost to a timeout, see
//! [`FencedLock`](super::FencedLock).
//!
//! ```
//! use stormglass_checker::{History, Limits, Mutex, Verdict, check};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"acquire","value":null}
//! {"process":0,"type":"ok","f":"acquire","value":null}
//! {"process":1,"type":"invoke","f":"acquire","value":null}
//! {"process":1,"type":"ok","f":"acquire","value":null}
//! "#
//!     .as_bytes(),
//! )?;
//! let judgement = check(&Mutex::default(), &history, &Limits::default())?;
//! assert!(matches!(judgement.verdict, Verdict::Invalid(_)), "two processes hold it");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

/// A mutex. The module page tells its functions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutex {
    anyone_releases: bool,
}

impl Mutex {
    /// A mutex without an owner: any process may release it.
    pub fn released_by_anyone() -> Self {
        Self {
            anyone_releases: true,
        }
    }
}

/// A process, or nobody in particular.
pub type Owner = Option<u64>;

/// An operation on a mutex, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutexOp {
    /// It was free, and is held from now on.
    Acquire(Owner),
    /// It was held by this one, and is free from now on.
    Release(Owner),
    /// It was held by somebody.
    Held,
    /// It was not held by this one.
    NotHeld(Owner),
}

/// Free, or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutexState {
    /// Nobody holds it.
    Free,
    /// Held by this process, or by anyone.
    Held(Owner),
}

impl Specification for Mutex {
    type Op = MutexOp;
    type State = MutexState;

    fn name(&self) -> &str {
        "mutex"
    }

    fn promise(&self) -> &str {
        "mutual exclusion: \"the lock is held until Unlock is called\" (etcd, API reference of the lock service), and nobody \
         else acquires it before"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<MutexOp>, SpecificationError> {
        let owner = (!self.anyone_releases).then_some(operation.process);
        Ok(Some(match (operation.f.as_str(), &operation.outcome) {
            ("acquire", Outcome::Mismatch) => MutexOp::Held,
            // One of unknown outcome that found the mutex held did nothing: that is to say, it never took effect.
            ("acquire", _) => MutexOp::Acquire(owner),
            ("release", Outcome::Mismatch) => MutexOp::NotHeld(owner),
            ("release", _) => MutexOp::Release(owner),
            (other, _) => return Err(SpecificationError::new("acquire or release", other)),
        }))
    }

    fn initial(&self) -> MutexState {
        MutexState::Free
    }

    fn step(&self, state: &MutexState, op: &MutexOp) -> Option<MutexState> {
        match *op {
            MutexOp::Acquire(owner) => {
                (*state == MutexState::Free).then_some(MutexState::Held(owner))
            }
            MutexOp::Release(owner) => {
                (*state == MutexState::Held(owner)).then_some(MutexState::Free)
            }
            MutexOp::Held => (*state != MutexState::Free).then_some(*state),
            MutexOp::NotHeld(owner) => (*state != MutexState::Held(owner)).then_some(*state),
        }
    }

    fn describe(&self, op: &MutexOp) -> String {
        let by =
            |owner: Owner| owner.map_or_else(String::new, |owner| format!(" by process {owner}"));
        match *op {
            MutexOp::Acquire(owner) => format!("acquire{}", by(owner)),
            MutexOp::Release(owner) => format!("release{}", by(owner)),
            MutexOp::Held => "acquire refused because the mutex was held".to_owned(),
            MutexOp::NotHeld(owner) => {
                format!(
                    "release{} refused because it did not hold the mutex",
                    by(owner)
                )
            }
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &MutexState) -> String {
        match state {
            MutexState::Free => "free".to_owned(),
            MutexState::Held(None) => "held".to_owned(),
            MutexState::Held(Some(owner)) => format!("held by process {owner}"),
        }
    }

    fn effect(&self, op: &MutexOp) -> Effect {
        match op {
            MutexOp::Held | MutexOp::NotHeld(_) => Effect::Reads,
            MutexOp::Acquire(_) | MutexOp::Release(_) => Effect::Depends,
        }
    }

    fn interchangeable(&self, left: &MutexOp, right: &MutexOp) -> bool {
        left == right
    }
}
