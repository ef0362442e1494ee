//! The cache with a time to live: a value is there until its time is over, and not after; one object a key.
//!
//! | `f` | argument | result | mismatch | unknown |
//! | --- | --- | --- | --- | --- |
//! | `set` | `[value, ttl_ns]`; null for a ttl that never ends | any | tells nothing | may be stored |
//! | `get` | null | the value; null when there is none | tells nothing | tells nothing |
//! | `delete` | null | any | there was no value | may be deleted |
//!
//! This is the one specification that reads the times of events: nanoseconds of one clock that never goes back. What an
//! event's time says is when the client called or heard, so that is all that is known of when the operation took effect:
//!
//! - Each operation takes effect at one moment between the time of its call and the time of its return; one of
//!   unknown outcome at any time from its call on, or never. These moments follow each other in the order in which the operations take effect.
//! - Let a value be stored at the moment s with a time to live of t, and let the slack be d. Found at the moment m, it
//!   shows that m <= s + t + d. Missed at the moment m without a delete, it shows that m >= s + t - d: it may not vanish early.
//!
//! A history is legal if there is an order and such a moment for each operation. Nothing is supposed about where between call and return a
//! moment lies, so a correct cache is never called wrong, however slow its clients are. The price is that a value which is
//! lost early goes unnoticed if the calls around it took longer than what was left of its time.
//!
//! Whether such moments exist is decided exactly, and the state stays small: all constraints are on the moment s of the last store, and on
//! the present. The state keeps the earliest and the latest s can be, and the earliest the present can be; each
//! operation narrows them. The slack is for what the clock of the cache and its sweeps may be off by.
//!
//! ```
//! use stormglass_checker::{History, Limits, TtlCache, Verdict, check};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"time":100,"process":0,"type":"invoke","f":"set","value":["a",50]}
//! {"time":110,"process":0,"type":"ok","f":"set","value":["a",50]}
//! {"time":170,"process":0,"type":"invoke","f":"get","value":null}
//! {"time":180,"process":0,"type":"ok","f":"get","value":"a"}
//! "#
//!     .as_bytes(),
//! )?;
//! let verdict = |slack_ns| {
//!     let cache = TtlCache::with_slack(slack_ns);
//!     check(&cache, &history, &Limits::default()).map(|judgement| judgement.verdict)
//! };
//! assert!(matches!(verdict(0)?, Verdict::Invalid(_)), "stored at 110 at the latest, it was over at 160");
//! assert!(matches!(verdict(10)?, Verdict::Valid(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde_json::Value;

use crate::operation::{Operation, Outcome};
use crate::specification::{Effect, Specification, SpecificationError};

use super::values::{Scalar, Values};

/// A cache whose values live for a time. The module page tells its functions.
#[derive(Debug, Default)]
pub struct TtlCache {
    slack_ns: u64,
    values: Values,
}

impl TtlCache {
    /// A cache that may end a value's time too early or too late by this much.
    pub fn with_slack(slack_ns: u64) -> Self {
        Self {
            slack_ns,
            values: Values::default(),
        }
    }
}

/// An operation on the cache, with what is known of its result and its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TtlCacheOp {
    action: Action,
    /// The time of its call.
    earliest: u64,
    /// The time of its return; the end of all times when its outcome is unknown.
    latest: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    /// It holds this from now on, for so long.
    Set(Scalar, Option<u64>),
    Found(Scalar),
    /// A get or a delete found nothing.
    Missed,
    Delete,
}

/// What the cache may hold for a key. All times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TtlCacheState {
    /// What was stored last, unless it was deleted or found to be over.
    stored: Option<Stored>,
    /// The earliest that the present can be; never before the earliest of the last store.
    now: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stored {
    value: Scalar,
    ttl: Option<u64>,
    /// The earliest and the latest moment at which it can have been stored.
    earliest: u64,
    latest: u64,
}

impl TtlCache {
    /// The value was there at some moment from `now` to `latest`.
    fn found(&self, stored: Stored, now: u64, latest: u64) -> Option<Stored> {
        let found = Stored {
            latest: stored.latest.min(latest),
            ..stored
        };
        let life = stored.ttl.map(|ttl| ttl.saturating_add(self.slack_ns));
        let visible = |life: u64| now <= found.latest.saturating_add(life);
        // That it cannot have been stored too long ago need not be kept: it would only say that its time is not over before now.
        life.is_none_or(visible).then_some(found)
    }

    /// The earliest moment from `now` on at which the value's time may be over. `None` when that is after `latest`.
    fn over(&self, stored: Stored, now: u64, latest: u64) -> Option<u64> {
        let life = stored.ttl?.saturating_sub(self.slack_ns);
        let over = now.max(stored.earliest.checked_add(life)?);
        (over <= latest).then_some(over)
    }
}

impl Specification for TtlCache {
    type Op = TtlCacheOp;
    type State = TtlCacheState;

    fn name(&self) -> &str {
        "ttl-cache"
    }

    fn promise(&self) -> &str {
        "\"After the timeout has expired, the key will automatically be deleted\" (Redis, EXPIRE), and not before"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<TtlCacheOp>, SpecificationError> {
        let action = match (operation.f.as_str(), &operation.outcome) {
            ("get", Outcome::Ok(value)) if value.is_null() => Action::Missed,
            ("get", Outcome::Ok(value)) => Action::Found(self.values.scalar(value)?),
            ("get", _) | ("set", Outcome::Mismatch) => return Ok(None),
            ("set", _) => self.set(&operation.input)?,
            ("delete", Outcome::Mismatch) => Action::Missed,
            ("delete", _) => Action::Delete,
            (other, _) => return Err(SpecificationError::new("get, set or delete", other)),
        };
        let latest = match (operation.deadline(), operation.ret_time) {
            (Some(_), Some(time)) => time,
            _ => u64::MAX,
        };
        let earliest = operation.call_time;
        // 0 is what a history holds that did not record times.
        if latest == 0 || latest < earliest {
            let expected = format!("a return at a time after that of the call, {earliest} ns");
            return Err(SpecificationError::new(expected, latest));
        }
        Ok(Some(TtlCacheOp {
            action,
            earliest,
            latest,
        }))
    }

    fn initial(&self) -> TtlCacheState {
        TtlCacheState::default()
    }

    fn step(&self, state: &TtlCacheState, op: &TtlCacheOp) -> Option<TtlCacheState> {
        let latest = op.latest;
        let now = state.now.max(op.earliest);
        if now > latest {
            return None;
        }
        let (stored, now) = match op.action {
            Action::Set(value, ttl) => {
                let stored = Stored {
                    value,
                    ttl,
                    earliest: now,
                    latest,
                };
                (Some(stored), now)
            }
            Action::Found(value) => {
                let stored = state.stored.filter(|stored| stored.value == value)?;
                (Some(self.found(stored, now, latest)?), now)
            }
            Action::Missed => match state.stored {
                None => (None, now),
                Some(stored) => (None, self.over(stored, now, latest)?),
            },
            Action::Delete => (None, now),
        };
        Some(TtlCacheState { stored, now })
    }

    fn describe(&self, op: &TtlCacheOp) -> String {
        let text = |value| self.values.text(value);
        let action = match op.action {
            Action::Set(value, None) => format!("set of {} for ever", text(value)),
            Action::Set(value, Some(ttl)) => format!("set of {} for {ttl} ns", text(value)),
            Action::Found(value) => format!("get of {}", text(value)),
            Action::Missed => "finding no value".to_owned(),
            Action::Delete => "delete".to_owned(),
        };
        match op.latest {
            u64::MAX => format!("{action} after {} ns", op.earliest),
            latest => format!("{action} between {} and {latest} ns", op.earliest),
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &TtlCacheState) -> String {
        let now = state.now;
        let Some(stored) = state.stored else {
            return format!("nothing, at {now} ns or later");
        };
        let value = self.values.text(stored.value);
        let life = stored
            .ttl
            .map_or_else(|| "for ever".to_owned(), |ttl| format!("for {ttl} ns"));
        let latest = match stored.latest {
            u64::MAX => "or later".to_owned(),
            latest => format!("to {latest}"),
        };
        format!(
            "{value} {life}, stored at {} {latest} ns, at {now} ns or later",
            stored.earliest
        )
    }

    fn effect(&self, _op: &TtlCacheOp) -> Effect {
        // Even a get moves the present on.
        Effect::Depends
    }

    fn interchangeable(&self, left: &TtlCacheOp, right: &TtlCacheOp) -> bool {
        left == right
    }
}

impl TtlCache {
    fn set(&self, input: &Value) -> Result<Action, SpecificationError> {
        let expected = "[value, ttl_ns], neither value nor list null";
        let pair = input.as_array().map(Vec::as_slice);
        let Some([value, ttl]) =
            pair.filter(|pair| pair.first().is_some_and(|value| !value.is_null()))
        else {
            return Err(SpecificationError::new(expected, input));
        };
        let ttl = match ttl {
            Value::Null => None,
            ttl => match ttl.as_u64() {
                Some(ttl) => Some(ttl),
                None => return Err(SpecificationError::new("a ttl in nanoseconds or null", ttl)),
            },
        };
        Ok(Action::Set(self.values.scalar(value)?, ttl))
    }
}
