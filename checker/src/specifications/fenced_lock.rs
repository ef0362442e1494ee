//! The lock with fencing: acquire, release, and writes to a resource that is guarded by the lock's tokens; one lock with one
//! resource a key.
//!
//! | `f` | argument | result | mismatch | unknown |
//! | --- | --- | --- | --- | --- |
//! | `acquire` | any | the token, a whole number | somebody held the lock | may have been granted some token |
//! | `release` | the token | any | the token's holder had lost the lock | may have released it |
//! | `write` | the token | any | the resource had seen a greater token | may have been accepted |
//!
//! Promised is, in the order in which operations take effect:
//!
//! 1. each token that is granted is greater than all before it;
//! 2. the resource refuses a token if and only if it has accepted a greater one;
//! 3. an acquire is refused only while the lock is held: granted, and not released since.
//!
//! A lock that waits for a sign of life from its holder may expire at any time, as every lock of a distributed system does
//! in the end ("no lock service can guarantee mutual exclusion", says Hazelcast's manual). Then it may be granted while somebody still
//! believes to hold it; that is why there are tokens. A holder that has lost it may release it all the same, which does nothing.
//! [`FencedLock::without_expiry`] is one that never expires. It promises more:
//!
//! 4. it is granted only while it is free, and released only by the token that holds it.
//!
//! The token of an acquire of unknown outcome may be any that is greater than those before it. A release that was refused
//! while such a token held the lock shows that it is not this one. An acquire that was granted a number which is no token, such as
//! -1, is allowed in no state.
//!
//! ```
//! use stormglass_checker::{FencedLock, History, Limits, Verdict, check};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"acquire","value":null}
//! {"process":0,"type":"ok","f":"acquire","value":33}
//! {"process":1,"type":"invoke","f":"acquire","value":null}
//! {"process":1,"type":"ok","f":"acquire","value":34}
//! {"process":1,"type":"invoke","f":"write","value":34}
//! {"process":1,"type":"ok","f":"write","value":34}
//! {"process":0,"type":"invoke","f":"write","value":33}
//! {"process":0,"type":"ok","f":"write","value":33}
//! "#
//!     .as_bytes(),
//! )?;
//! let judgement = check(&FencedLock::default(), &history, &Limits::default())?;
//! assert!(matches!(judgement.verdict, Verdict::Invalid(_)), "the resource had seen token 34");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

use super::tokens::{asked_token, including, list_bytes, token};

/// A lock with fencing tokens, and the resource it guards. The module page tells its functions.
#[derive(Debug, Clone, Copy)]
pub struct FencedLock {
    expires: bool,
}

impl Default for FencedLock {
    /// One that may expire at any time.
    fn default() -> Self {
        Self { expires: true }
    }
}

impl FencedLock {
    /// One that stays with its holder until it is released.
    pub fn without_expiry() -> Self {
        Self { expires: false }
    }
}

/// An operation on the lock or its resource, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FencedLockOp {
    /// Granted with this token; `None` when nobody knows which.
    Acquire(Option<u64>),
    /// Granted with a number that is no token.
    NoToken,
    /// The lock was held.
    Held,
    /// This token no longer holds the lock.
    Release(u64),
    /// This token did not hold the lock.
    NotHeld(u64),
    /// The resource accepted this token.
    Write(u64),
    /// The resource had seen a greater token than this.
    Stale(u64),
}

/// The lock and the resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FencedLockState {
    /// The greatest token granted; if that is not known, the smallest it can be. `None` before the first.
    granted: Option<u64>,
    holder: Holder,
    /// The greatest token the resource accepted.
    accepted: Option<u64>,
    /// What the token that holds the lock is not, ascending. Empty unless it is unknown.
    excluded: Box<[u64]>,
}

/// Who holds the lock, as far as the lock knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Holder {
    #[default]
    Nobody,
    /// The greatest token granted.
    Known,
    /// Some token that is not known, at least the greatest granted.
    Unknown,
}

impl FencedLock {
    fn acquire(&self, state: &FencedLockState, token: Option<u64>) -> Option<FencedLockState> {
        if !self.expires && state.holder != Holder::Nobody {
            return None;
        }
        let least = match state.granted {
            None => 0,
            Some(granted) => granted.checked_add(1)?,
        };
        let granted = token.unwrap_or(least);
        (granted >= least).then_some(FencedLockState {
            granted: Some(granted),
            holder: token.map_or(Holder::Unknown, |_| Holder::Known),
            accepted: state.accepted,
            excluded: Box::default(),
        })
    }

    fn release(&self, state: &FencedLockState, token: u64) -> Option<FencedLockState> {
        let holds = match state.holder {
            Holder::Nobody => false,
            Holder::Known => state.granted == Some(token),
            // A lock that expires need not be held by this token, and it is of no use to suppose so.
            Holder::Unknown => !self.expires && state.may_hold(token),
        };
        if !holds {
            return self.expires.then(|| state.clone());
        }
        Some(FencedLockState {
            granted: Some(token),
            holder: Holder::Nobody,
            accepted: state.accepted,
            excluded: Box::default(),
        })
    }

    fn not_held(&self, state: &FencedLockState, token: u64) -> Option<FencedLockState> {
        let mut next = state.clone();
        match state.holder {
            // It may have lost the lock.
            _ if self.expires => {}
            Holder::Nobody => {}
            Holder::Known if state.granted == Some(token) => return None,
            Holder::Known => {}
            Holder::Unknown if state.may_hold(token) => {
                next.excluded = including(&state.excluded, token);
            }
            Holder::Unknown => {}
        }
        Some(next)
    }
}

impl FencedLockState {
    /// Whether the unknown token that holds the lock may be this one.
    fn may_hold(&self, token: u64) -> bool {
        self.granted <= Some(token) && self.excluded.binary_search(&token).is_err()
    }
}

impl Specification for FencedLock {
    type Op = FencedLockOp;
    type State = FencedLockState;

    fn name(&self) -> &str {
        "fenced-lock"
    }

    fn promise(&self) -> &str {
        "\"Fencing tokens are monotonic 64-bit integers that are incremented each time the lock switches from the free state \
         to the acquired state\" (Hazelcast, FencedLock), and the resource refuses tokens below the greatest it accepted"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<FencedLockOp>, SpecificationError> {
        let input = || asked_token(&operation.input);
        Ok(Some(match (operation.f.as_str(), &operation.outcome) {
            ("acquire", Outcome::Ok(value)) => match token(value)? {
                Some(token) => FencedLockOp::Acquire(Some(token)),
                None => FencedLockOp::NoToken,
            },
            ("acquire", Outcome::Mismatch) => FencedLockOp::Held,
            ("acquire", Outcome::Unknown) => FencedLockOp::Acquire(None),
            ("release", Outcome::Mismatch) => FencedLockOp::NotHeld(input()?),
            ("release", _) => FencedLockOp::Release(input()?),
            ("write", Outcome::Mismatch) => FencedLockOp::Stale(input()?),
            ("write", _) => FencedLockOp::Write(input()?),
            (other, _) => return Err(SpecificationError::new("acquire, release or write", other)),
        }))
    }

    fn initial(&self) -> FencedLockState {
        FencedLockState::default()
    }

    fn step(&self, state: &FencedLockState, op: &FencedLockOp) -> Option<FencedLockState> {
        let unchanged = |allowed: bool| allowed.then(|| state.clone());
        match *op {
            FencedLockOp::Acquire(token) => self.acquire(state, token),
            FencedLockOp::NoToken => None,
            FencedLockOp::Held => unchanged(state.holder != Holder::Nobody),
            FencedLockOp::Release(token) => self.release(state, token),
            FencedLockOp::NotHeld(token) => self.not_held(state, token),
            FencedLockOp::Write(token) => {
                (state.accepted <= Some(token)).then(|| FencedLockState {
                    accepted: Some(token),
                    ..state.clone()
                })
            }
            FencedLockOp::Stale(token) => unchanged(state.accepted > Some(token)),
        }
    }

    fn describe(&self, op: &FencedLockOp) -> String {
        match *op {
            FencedLockOp::Acquire(Some(token)) => format!("acquire granted with token {token}"),
            FencedLockOp::Acquire(None) => "acquire granted with an unknown token".to_owned(),
            FencedLockOp::NoToken => "acquire granted with no token".to_owned(),
            FencedLockOp::Held => "acquire refused because the lock was held".to_owned(),
            FencedLockOp::Release(token) => format!("release of token {token}"),
            FencedLockOp::NotHeld(token) => {
                format!("release refused because token {token} did not hold the lock")
            }
            FencedLockOp::Write(token) => format!("write accepted with token {token}"),
            FencedLockOp::Stale(token) => format!("write refused because token {token} was stale"),
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &FencedLockState) -> String {
        let number =
            |token: Option<u64>| token.map_or_else(|| "none".to_owned(), |token| token.to_string());
        let granted = number(state.granted);
        let lock = match state.holder {
            Holder::Nobody => format!("free, greatest token granted {granted}"),
            Holder::Known => format!("held with token {granted}"),
            Holder::Unknown => format!("held with an unknown token, at least {granted}"),
        };
        format!("{lock}, greatest token accepted {}", number(state.accepted))
    }

    fn effect(&self, op: &FencedLockOp) -> Effect {
        match op {
            FencedLockOp::Held | FencedLockOp::Stale(_) | FencedLockOp::NoToken => Effect::Reads,
            // Otherwise it may tell something of an unknown token.
            FencedLockOp::NotHeld(_) if self.expires => Effect::Reads,
            _ => Effect::Depends,
        }
    }

    fn interchangeable(&self, left: &FencedLockOp, right: &FencedLockOp) -> bool {
        left == right
    }

    fn state_bytes(&self, state: &FencedLockState) -> u64 {
        size_of::<FencedLockState>() as u64 + list_bytes(&state.excluded)
    }
}
