//! The key-value store: get, put, append, compare-and-set and delete, and transactions of several keys.
//!
//! | `f` | argument | result | mismatch | unknown |
//! | --- | --- | --- | --- | --- |
//! | `get` | null | what the key holds | tells nothing | tells nothing |
//! | `put` | a scalar | any | tells nothing | may have been put |
//! | `append` | a text | any | tells nothing | may have been appended |
//! | `cas` | `[old, new]` | any | the key did not hold `old` | if the key held `old`, it may hold `new` |
//! | `delete` | null | any | the key was missing | may have been deleted |
//! | `txn` | a list of steps | the same list, reads filled in | some comparison did not hold | if all comparisons held, its writes may have been made |
//!
//! The key of all but `txn` is the event's `key`. A step is `["r", key, null]`, `["w", key, value]` or `["=", key, value]`.
//! Comparisons are made before anything else, whatever their place in the list, and must all hold. Reads see the writes
//! that stand before them in the list. Null stands for a missing key in both directions: to put it is to delete the key.
//! To append to a missing key is to put; to append to what is not a text is not allowed.
//!
//! ```
//! use stormglass_checker::{History, Kv, Limits, Verdict, check};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"txn","value":[["w","x",1],["w","y",1]]}
//! {"process":0,"type":"ok","f":"txn","value":[["w","x",1],["w","y",1]]}
//! {"process":1,"type":"invoke","f":"txn","value":[["r","x",null],["r","y",null]]}
//! {"process":1,"type":"ok","f":"txn","value":[["r","x",1],["r","y",null]]}
//! "#
//!     .as_bytes(),
//! )?;
//! let judgement = check(&Kv::with_transactions(), &history, &Limits::default())?;
//! assert!(matches!(judgement.verdict, Verdict::Invalid(_)), "both were written at once");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod operation;
mod texts;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::operation::Operation;
use crate::specification::{Effect, Specification, SpecificationError};

use content::Contents;
pub use content::{Content, Missing};
pub use operation::{Action, KvOp, Transaction};
use operation::{Carried, Step};

pub(super) const TRANSACTION: &str = "txn";

pub(super) const FUNCTIONS: [&str; 6] = ["get", "put", "append", "cas", "delete", TRANSACTION];

/// A key-value store. The module page tells its functions.
///
/// It learns from [`parse`](Specification::parse) which texts are ever seen, so all operations of a history are parsed before the first
/// [`step`](Specification::step), as every judge here does.
#[derive(Debug)]
pub struct Kv {
    transactions: bool,
    contents: Contents,
    keys: Mutex<Keys>,
}

/// The names of keys, each once.
#[derive(Debug, Default)]
struct Keys {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

/// What the keys hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KvState {
    /// The only key, when each is judged by itself.
    One(Content),
    /// The keys that are not missing, ascending.
    Many(Box<[(u32, Content)]>),
}

impl Default for Kv {
    fn default() -> Self {
        Self::new(Missing::Null)
    }
}

impl Kv {
    /// A store without transactions: each key is judged by itself, and `txn` is not understood.
    pub fn new(missing: Missing) -> Self {
        Self {
            transactions: false,
            contents: Contents::new(missing),
            keys: Mutex::default(),
        }
    }

    /// A store with transactions: keys that meet in a transaction, directly or through others, are judged together. A get of
    /// a missing key returns null.
    pub fn with_transactions() -> Self {
        Self {
            transactions: true,
            ..Self::default()
        }
    }

    fn key(&self, name: &str) -> u32 {
        if !self.transactions {
            return 0;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = keys.numbers.get(name) {
            return *number;
        }
        let number = keys.names.len() as u32;
        keys.names.push(name.to_owned());
        keys.numbers.insert(name.to_owned(), number);
        number
    }

    /// The name of a key with a word before it; nothing when there is only one.
    fn named(&self, word: &str, key: u32) -> String {
        if !self.transactions {
            return String::new();
        }
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let name = keys.names.get(key as usize).map_or("?", String::as_str);
        format!(" {word} key {name:?}")
    }

    fn get(&self, state: &KvState, key: u32) -> Content {
        match state {
            KvState::One(content) => *content,
            KvState::Many(held) => held
                .binary_search_by_key(&key, |(key, _)| *key)
                .map_or(self.contents.missing(), |at| held[at].1),
        }
    }

    fn set(&self, held: &mut Vec<(u32, Content)>, key: u32, content: Content) {
        let missing = content == self.contents.missing();
        match held.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) if missing => {
                held.remove(at);
            }
            Ok(at) => held[at].1 = content,
            Err(_) if missing => {}
            Err(at) => held.insert(at, (key, content)),
        }
    }

    /// What a key holds after `action`; `None` when it is not allowed.
    fn act(&self, before: Content, action: Action) -> Option<Content> {
        match action {
            Action::Holds(seen) => (before == seen).then_some(seen),
            Action::Put(new) => Some(new),
            Action::Delete => Some(self.contents.missing()),
            Action::Append(chunk) => self.contents.append(before, chunk),
            Action::Cas(old, new) => (before == old).then_some(new),
            Action::Differs(old) => (before != old).then_some(before),
            Action::MaybeCas(old, new) => Some(if before == old { new } else { before }),
        }
    }

    fn carry_out(&self, state: &KvState, transaction: &Transaction) -> Option<KvState> {
        let compares = &transaction.compares;
        let holds = compares
            .iter()
            .all(|(key, content)| self.get(state, *key) == *content);
        match transaction.outcome {
            Carried::Out if !holds => return None,
            Carried::Refused if holds => return None,
            Carried::Refused => return Some(state.clone()),
            Carried::Unknown if !holds => return Some(state.clone()),
            Carried::Out | Carried::Unknown => {}
        }
        let mut next = match state {
            KvState::Many(held) => held.to_vec(),
            // A store without transactions has no operation that comes here.
            KvState::One(_) => return None,
        };
        for step in &transaction.steps {
            match *step {
                Step::Write(key, content) => self.set(&mut next, key, content),
                Step::Read(key, content) => {
                    let found = next.binary_search_by_key(&key, |(key, _)| *key);
                    if found.map_or(self.contents.missing(), |at| next[at].1) != content {
                        return None;
                    }
                }
            }
        }
        Some(KvState::Many(next.into_boxed_slice()))
    }

    fn describe_action(&self, key: u32, action: Action) -> String {
        let text = |content| self.contents.describe(content);
        let (from, to) = (self.named("from", key), self.named("to", key));
        match action {
            Action::Holds(seen) => format!("get of {}{from}", text(seen)),
            Action::Put(new) => format!("put of {}{to}", text(new)),
            Action::Delete => format!("delete{}", self.named("of", key)),
            Action::Append(chunk) => {
                format!("append of {}{to}", self.contents.describe_chunk(chunk))
            }
            Action::Cas(old, new) => {
                format!(
                    "compare-and-set of {} to {}{}",
                    text(old),
                    text(new),
                    self.named("of", key)
                )
            }
            Action::Differs(old) => format!(
                "compare-and-set{} refused because the value was not {}",
                self.named("of", key),
                text(old)
            ),
            Action::MaybeCas(old, new) => format!(
                "compare-and-set of {} to {}{}, result unknown",
                text(old),
                text(new),
                self.named("of", key)
            ),
        }
    }

    fn describe_transaction(&self, transaction: &Transaction) -> String {
        let text = |content| self.contents.describe(content);
        let mut words = Vec::new();
        for (key, content) in &transaction.compares {
            words.push(format!(
                "compare {}{}",
                text(*content),
                self.named("with", *key)
            ));
        }
        for step in &transaction.steps {
            words.push(match *step {
                Step::Read(key, content) => {
                    format!("get {}{}", text(content), self.named("from", key))
                }
                Step::Write(key, content) => {
                    format!("put {}{}", text(content), self.named("to", key))
                }
            });
        }
        let outcome = match transaction.outcome {
            Carried::Out => "",
            Carried::Refused => " refused",
            Carried::Unknown => ", result unknown",
        };
        format!("transaction ({}){outcome}", words.join("; "))
    }
}

impl Specification for Kv {
    type Op = KvOp;
    type State = KvState;

    fn name(&self) -> &str {
        "kv"
    }

    fn promise(&self) -> &str {
        "linearizability: \"each operation applied by concurrent processes takes effect instantaneously at some point \
         between its invocation and its response\" (Herlihy and Wing, 1990); a transaction is one operation"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<KvOp>, SpecificationError> {
        operation::parse(self, operation)
    }

    fn initial(&self) -> KvState {
        if self.transactions {
            KvState::Many(Box::default())
        } else {
            KvState::One(self.contents.missing())
        }
    }

    fn step(&self, state: &KvState, op: &KvOp) -> Option<KvState> {
        let (key, action) = match op {
            KvOp::Single(key, action) => (*key, *action),
            KvOp::Transaction(transaction) => return self.carry_out(state, transaction),
        };
        let before = self.get(state, key);
        let after = self.act(before, action)?;
        match state {
            KvState::One(_) => Some(KvState::One(after)),
            _ if after == before => Some(state.clone()),
            KvState::Many(held) => {
                let mut next = held.to_vec();
                self.set(&mut next, key, after);
                Some(KvState::Many(next.into_boxed_slice()))
            }
        }
    }

    fn describe(&self, op: &KvOp) -> String {
        match op {
            KvOp::Single(key, action) => self.describe_action(*key, *action),
            KvOp::Transaction(transaction) => self.describe_transaction(transaction),
        }
    }

    fn per_key(&self) -> bool {
        !self.transactions
    }

    fn describe_state(&self, state: &KvState) -> String {
        let held = match state {
            KvState::One(content) => return self.contents.describe(*content),
            KvState::Many(held) if held.is_empty() => return "empty".to_owned(),
            KvState::Many(held) => held,
        };
        let words = held.iter().map(|(key, content)| {
            let name = self.named("at", *key);
            format!("{}{name}", self.contents.describe(*content))
        });
        words.collect::<Vec<String>>().join(", ")
    }

    fn effect(&self, op: &KvOp) -> Effect {
        match op {
            KvOp::Single(_, Action::Holds(_) | Action::Differs(_)) => Effect::Reads,
            KvOp::Single(_, Action::Cas(old, new)) if old == new => Effect::Reads,
            // The other keys keep what they hold.
            KvOp::Single(_, Action::Put(_) | Action::Delete) if !self.transactions => {
                Effect::Overwrites
            }
            KvOp::Transaction(transaction) if !transaction.writes() => Effect::Reads,
            _ => Effect::Depends,
        }
    }

    fn interchangeable(&self, left: &KvOp, right: &KvOp) -> bool {
        left == right
    }

    fn keys(&self, operation: &Operation) -> Option<Vec<String>> {
        match operation.f.as_str() {
            TRANSACTION => operation::keys(operation),
            _ => operation.key.clone().map(|key| vec![key]),
        }
    }

    fn state_bytes(&self, state: &KvState) -> u64 {
        let held = match state {
            KvState::One(_) => 0,
            KvState::Many(held) => size_of_val(&**held) + 16,
        };
        (size_of::<KvState>() + held) as u64
    }
}
