//! The evicting cache: what is stored may vanish at any time, but nothing older ever comes back; one object a key.
//!
//! | `f` | argument | result | mismatch | unknown |
//! | --- | --- | --- | --- | --- |
//! | `get` | null | the value; null when there is none | tells nothing | tells nothing |
//! | `set` | a scalar | any | tells nothing | may be stored |
//! | `add` | a scalar | any | there was a value | may be stored |
//! | `replace` | a scalar | any | there was no value | may be stored |
//! | `delete` | null | any | there was no value | tells nothing, for the value might have vanished anyway |
//! | `gets` | null | `[value, token]`; null when there is none | tells nothing | tells nothing |
//! | `cas` | `[token, new]` | any | there was no value, or one of another token | may be stored |
//!
//! A value vanishes without an operation, and nobody notices until the next one looks. So the object need not guess when:
//! its state is the value that was stored last, which may be there or not. A look that finds nothing settles that it has
//! vanished; a value that is found had not. Nothing is lost by it: what a vanished value allows, one that may have vanished allows too.
//!
//! Every value that is stored has a token of its own, which only `gets` shows. [`EvictingCache::with_tokens`] has `gets` and
//! `cas`. A `cas` that was refused shows that the value has another token, or has vanished. A `gets` of a number that is no token, such
//! as -1, is allowed in no state. The default has neither of the two, and is judged faster, because a store then makes all that was before forgotten.
//!
//! ```
//! use stormglass_checker::{EvictingCache, History, Limits, Verdict, check};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"set","value":1}
//! {"process":0,"type":"ok","f":"set","value":1}
//! {"process":0,"type":"invoke","f":"get","value":null}
//! {"process":0,"type":"ok","f":"get","value":null}
//! {"process":0,"type":"invoke","f":"get","value":null}
//! {"process":0,"type":"ok","f":"get","value":1}
//! "#
//!     .as_bytes(),
//! )?;
//! let judgement = check(&EvictingCache::default(), &history, &Limits::default())?;
//! assert!(matches!(judgement.verdict, Verdict::Invalid(_)), "what had vanished came back");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde_json::Value;

use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

use super::tokens::{asked_token, including, list_bytes, token};
use super::values::{Scalar, Values};

/// A cache that may drop anything at any time. The module page tells its functions.
#[derive(Debug, Default)]
pub struct EvictingCache {
    tokens: bool,
    values: Values,
}

impl EvictingCache {
    /// A cache with `gets` and `cas`.
    pub fn with_tokens() -> Self {
        Self {
            tokens: true,
            ..Self::default()
        }
    }
}

/// An operation on the cache, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EvictingCacheOp {
    /// It held this value, and with `gets` this token.
    Found(Scalar, Option<u64>),
    /// A gets of a number that is no token.
    NoToken,
    /// It held nothing: a miss, or a replace or delete that was refused.
    Missed,
    /// It held something: an add that was refused.
    Present,
    /// It holds this from now on, whatever it held: a set, or an add that found nothing.
    Store(Scalar),
    /// It held something, and holds this from now on.
    Replace(Scalar),
    /// It held something, and holds nothing from now on.
    Delete,
    /// It held something with this token, and holds this value from now on.
    Cas(u64, Scalar),
    /// It held nothing with this token.
    CasRefused(u64),
}

/// What the cache may hold for a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EvictingCacheState {
    /// What was stored last, unless it is known to have vanished.
    stored: Option<Stored>,
    /// The tokens that it has not, if it is there, ascending, but for those that are spent. Empty when its token is known.
    excluded: Box<[u64]>,
    /// The tokens that were seen of what was stored before, ascending.
    spent: Box<[u64]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stored {
    value: Scalar,
    /// `None` as long as no `gets` has seen it.
    token: Option<u64>,
}

impl EvictingCacheState {
    /// The state after the value has become another or none; its token will not come back.
    fn with(&self, value: Option<Scalar>) -> Self {
        let mut spent = self.spent.clone();
        if let Some(token) = self.stored.and_then(|stored| stored.token) {
            spent = including(&spent, token);
        }
        Self {
            stored: value.map(|value| Stored { value, token: None }),
            excluded: Box::default(),
            spent,
        }
    }

    /// The value, if its token may be this one.
    fn of_token(&self, token: u64) -> Option<Stored> {
        self.stored.filter(|stored| match stored.token {
            Some(known) => known == token,
            None => [&self.spent, &self.excluded]
                .iter()
                .all(|tokens| tokens.binary_search(&token).is_err()),
        })
    }

    /// The state after a compare-and-set of this token was refused.
    fn refused(&self, token: u64) -> Self {
        let mut next = self.clone();
        match self.of_token(token) {
            // It is the right one, so the value had vanished.
            Some(Stored { token: Some(_), .. }) => return self.with(None),
            Some(Stored { token: None, .. }) => next.excluded = including(&self.excluded, token),
            None => {}
        }
        next
    }
}

impl EvictingCache {
    fn found(&self, value: &Value) -> Result<EvictingCacheOp, SpecificationError> {
        match value.as_array().map(Vec::as_slice) {
            Some([value, seen]) => {
                let value = self.values.scalar(value)?;
                Ok(match token(seen)? {
                    Some(token) => EvictingCacheOp::Found(value, Some(token)),
                    None => EvictingCacheOp::NoToken,
                })
            }
            _ => Err(SpecificationError::new("[value, token] or null", value)),
        }
    }

    fn cas(&self, input: &Value) -> Result<(u64, Scalar), SpecificationError> {
        match input.as_array().map(Vec::as_slice) {
            Some([token, new]) => Ok((asked_token(token)?, self.stored(new)?)),
            _ => Err(SpecificationError::new("[token, new]", input)),
        }
    }

    /// A value to store. Null is none.
    fn stored(&self, value: &Value) -> Result<Scalar, SpecificationError> {
        if value.is_null() {
            return Err(SpecificationError::new("a value other than null", value));
        }
        self.values.scalar(value)
    }
}

impl Specification for EvictingCache {
    type Op = EvictingCacheOp;
    type State = EvictingCacheState;

    fn name(&self) -> &str {
        "evicting-cache"
    }

    fn promise(&self) -> &str {
        "a value \"never expires (although it may be deleted from the cache to make place for other items)\" (memcached, \
         protocol.txt); what was overwritten, deleted or found missing does not come back"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<EvictingCacheOp>, SpecificationError> {
        let input = || self.stored(&operation.input);
        Ok(Some(match (operation.f.as_str(), &operation.outcome) {
            ("gets" | "cas", _) if !self.tokens => {
                let expected = "get, set, add, replace or delete: this cache is one without tokens";
                return Err(SpecificationError::new(expected, &operation.f));
            }
            ("get" | "gets", Outcome::Ok(value)) if value.is_null() => EvictingCacheOp::Missed,
            ("get", Outcome::Ok(value)) => EvictingCacheOp::Found(self.values.scalar(value)?, None),
            ("gets", Outcome::Ok(value)) => self.found(value)?,
            ("get" | "gets", _) | ("set", Outcome::Mismatch) => return Ok(None),
            ("add", Outcome::Mismatch) => EvictingCacheOp::Present,
            ("replace" | "delete", Outcome::Mismatch) => EvictingCacheOp::Missed,
            // What was there may have vanished just before the add. One of unknown outcome that was refused did nothing.
            ("set" | "add", _) => EvictingCacheOp::Store(input()?),
            ("replace", _) => EvictingCacheOp::Replace(input()?),
            ("delete", Outcome::Ok(_)) => EvictingCacheOp::Delete,
            ("delete", Outcome::Unknown) => return Ok(None),
            ("cas", outcome) => {
                let (token, new) = self.cas(&operation.input)?;
                match outcome {
                    Outcome::Mismatch => EvictingCacheOp::CasRefused(token),
                    _ => EvictingCacheOp::Cas(token, new),
                }
            }
            (other, _) => {
                let expected = "get, set, add, replace, delete, gets or cas";
                return Err(SpecificationError::new(expected, other));
            }
        }))
    }

    fn initial(&self) -> EvictingCacheState {
        EvictingCacheState::default()
    }

    fn step(&self, state: &EvictingCacheState, op: &EvictingCacheOp) -> Option<EvictingCacheState> {
        match *op {
            EvictingCacheOp::Found(value, token) => {
                let stored = state.stored.filter(|stored| stored.value == value)?;
                let Some(token) = token else {
                    return Some(state.clone());
                };
                state.of_token(token)?;
                Some(EvictingCacheState {
                    stored: Some(Stored {
                        token: Some(token),
                        ..stored
                    }),
                    excluded: Box::default(),
                    spent: state.spent.clone(),
                })
            }
            EvictingCacheOp::NoToken => None,
            EvictingCacheOp::Missed => Some(state.with(None)),
            EvictingCacheOp::Present => state.stored.map(|_| state.clone()),
            EvictingCacheOp::Store(value) => Some(state.with(Some(value))),
            EvictingCacheOp::Replace(value) => state.stored.map(|_| state.with(Some(value))),
            EvictingCacheOp::Delete => state.stored.map(|_| state.with(None)),
            EvictingCacheOp::Cas(token, value) => {
                state.of_token(token)?;
                let mut next = state.with(Some(value));
                next.spent = including(&next.spent, token);
                Some(next)
            }
            EvictingCacheOp::CasRefused(token) => Some(state.refused(token)),
        }
    }

    fn describe(&self, op: &EvictingCacheOp) -> String {
        let text = |value| self.values.text(value);
        match *op {
            EvictingCacheOp::Found(value, None) => format!("get of {}", text(value)),
            EvictingCacheOp::Found(value, Some(token)) => {
                format!("get of {} with token {token}", text(value))
            }
            EvictingCacheOp::NoToken => "gets of what is no token".to_owned(),
            EvictingCacheOp::Missed => "finding no value".to_owned(),
            EvictingCacheOp::Present => "add refused because there was a value".to_owned(),
            EvictingCacheOp::Store(value) => format!("store of {}", text(value)),
            EvictingCacheOp::Replace(value) => format!("replace by {}", text(value)),
            EvictingCacheOp::Delete => "delete of a value".to_owned(),
            EvictingCacheOp::Cas(token, value) => {
                format!("compare-and-set of token {token} to {}", text(value))
            }
            EvictingCacheOp::CasRefused(token) => {
                format!("compare-and-set refused because there was no value of token {token}")
            }
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &EvictingCacheState) -> String {
        match state.stored {
            None => "nothing".to_owned(),
            Some(Stored { value, token: None }) => {
                format!("{} or nothing", self.values.text(value))
            }
            Some(Stored {
                value,
                token: Some(token),
            }) => {
                format!("{} with token {token}, or nothing", self.values.text(value))
            }
        }
    }

    fn effect(&self, op: &EvictingCacheOp) -> Effect {
        match op {
            EvictingCacheOp::Found(_, None)
            | EvictingCacheOp::NoToken
            | EvictingCacheOp::Present => Effect::Reads,
            // With tokens, the state remembers which ones are spent.
            EvictingCacheOp::Missed | EvictingCacheOp::Store(_) if !self.tokens => {
                Effect::Overwrites
            }
            _ => Effect::Depends,
        }
    }

    fn interchangeable(&self, left: &EvictingCacheOp, right: &EvictingCacheOp) -> bool {
        left == right
    }

    fn state_bytes(&self, state: &EvictingCacheState) -> u64 {
        let tokens = list_bytes(&state.spent) + list_bytes(&state.excluded);
        size_of::<EvictingCacheState>() as u64 + tokens
    }
}
