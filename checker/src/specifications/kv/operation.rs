//! What an operation on a key-value store means.

use serde_json::Value;

use crate::error::excerpt;
use crate::operation::{Operation, Outcome};
use crate::specification::SpecificationError;

use super::content::Content;
use super::{FUNCTIONS, Kv, TRANSACTION};

/// An operation on a key-value store, with what is known of its result. Keys are numbers that stand for their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KvOp {
    /// An operation on one key.
    Single(u32, Action),
    /// Several operations at once.
    Transaction(Box<Transaction>),
}

/// What happens to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It held this: a get, or a delete that was refused because nothing was there.
    Holds(Content),
    /// It holds this from now on.
    Put(Content),
    /// It is missing from now on.
    Delete,
    /// The text of this number is added to its text.
    Append(u32),
    /// It held the first and holds the second from now on.
    Cas(Content, Content),
    /// It did not hold this: a compare-and-set was refused.
    Differs(Content),
    /// If it held the first, it holds the second from now on; otherwise nothing changed. The result is unknown.
    MaybeCas(Content, Content),
}

/// Comparisons, and what is done at once if all of them hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// What keys must hold before the first step.
    pub(super) compares: Vec<(u32, Content)>,
    pub(super) outcome: Carried,
    pub(super) steps: Vec<Step>,
}

/// Whether a transaction was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Carried {
    Out,
    Refused,
    /// It was if its comparisons held when it took effect.
    Unknown,
}

/// One step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Read(u32, Content),
    Write(u32, Content),
}

impl Transaction {
    pub(super) fn writes(&self) -> bool {
        let write = |step: &Step| matches!(step, Step::Write(..));
        self.outcome != Carried::Refused && self.steps.iter().any(write)
    }
}

/// The meaning of `operation`; `None` when it tells nothing and changes nothing.
pub(super) fn parse(kv: &Kv, operation: &Operation) -> Result<Option<KvOp>, SpecificationError> {
    if operation.f == TRANSACTION && kv.transactions {
        let transaction = transaction(kv, operation)?;
        return Ok(transaction.map(|transaction| KvOp::Transaction(Box::new(transaction))));
    }
    let content = |value| kv.contents.content(value);
    let input = &operation.input;
    let action = match (operation.f.as_str(), &operation.outcome) {
        ("get", Outcome::Ok(value)) => Action::Holds(content(value)?),
        ("get", _) => return Ok(None),
        // A refused put or append changed nothing and saw nothing that a key can say.
        ("put" | "append", Outcome::Mismatch) => return Ok(None),
        ("put", _) => Action::Put(content(input)?),
        ("append", _) => match input.as_str() {
            Some(text) => Action::Append(kv.contents.chunk(text)),
            None => return Err(SpecificationError::new("a text to append", input)),
        },
        ("delete", Outcome::Mismatch) => Action::Holds(kv.contents.missing()),
        ("delete", _) => Action::Delete,
        ("cas", outcome) => {
            let Some([old, new]) = input.as_array().map(Vec::as_slice) else {
                let expected = "a compare-and-set of [old, new]";
                return Err(SpecificationError::new(expected, input));
            };
            let (old, new) = (content(old)?, content(new)?);
            match outcome {
                Outcome::Ok(_) => Action::Cas(old, new),
                Outcome::Mismatch => Action::Differs(old),
                Outcome::Unknown if old == new => return Ok(None),
                Outcome::Unknown => Action::MaybeCas(old, new),
            }
        }
        (TRANSACTION, _) => {
            let expected =
                "get, put, append, cas or delete: this store is one without transactions";
            return Err(SpecificationError::new(expected, TRANSACTION));
        }
        (other, _) => return Err(SpecificationError::new(FUNCTIONS.join(", "), other)),
    };
    let key = match &operation.key {
        None if kv.transactions => return Err(SpecificationError::new("a key", "none")),
        None => 0,
        Some(key) => kv.key(key),
    };
    Ok(Some(KvOp::Single(key, action)))
}

fn transaction(kv: &Kv, operation: &Operation) -> Result<Option<Transaction>, SpecificationError> {
    let called = Micro::list(&operation.input)?;
    let (carried, micros) = match &operation.outcome {
        Outcome::Ok(value) => (Carried::Out, Micro::returned(value, &called, operation)?),
        Outcome::Mismatch => (Carried::Refused, called),
        Outcome::Unknown => (Carried::Unknown, called),
    };
    let mut transaction = Transaction {
        compares: Vec::new(),
        outcome: carried,
        steps: Vec::new(),
    };
    for micro in &micros {
        let key = kv.key(&micro.key);
        match micro.kind {
            Kind::Compare => {
                let content = kv.contents.content(micro.value)?;
                transaction.compares.push((key, content));
            }
            Kind::Write => {
                let content = kv.contents.content(micro.value)?;
                transaction.steps.push(Step::Write(key, content));
            }
            Kind::Read if carried == Carried::Out => {
                let content = kv.contents.content(micro.value)?;
                transaction.steps.push(Step::Read(key, content));
            }
            Kind::Read => {}
        }
    }
    let tells = match carried {
        Carried::Out => !transaction.compares.is_empty() || !transaction.steps.is_empty(),
        // What was refused without a comparison, was refused for a reason that no key can say.
        Carried::Refused => !transaction.compares.is_empty(),
        Carried::Unknown => transaction.writes(),
    };
    Ok(tells.then_some(transaction))
}

/// The keys of a transaction; `None` when it is none.
pub(super) fn keys(operation: &Operation) -> Option<Vec<String>> {
    let micros = Micro::list(&operation.input).ok()?;
    let mut keys: Vec<String> = micros.into_iter().map(|micro| micro.key).collect();
    keys.sort();
    keys.dedup();
    Some(keys)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Compare,
}

/// One `[f, key, value]` of a transaction.
struct Micro<'a> {
    kind: Kind,
    key: String,
    value: &'a Value,
}

impl<'a> Micro<'a> {
    fn list(value: &'a Value) -> Result<Vec<Self>, SpecificationError> {
        let expected = "a list of [\"r\", key, null], [\"w\", key, value] and [\"=\", key, value]";
        let list = value.as_array();
        let list = list.ok_or_else(|| SpecificationError::new(expected, value))?;
        let micros = list.iter().map(Self::one).collect::<Option<Vec<Self>>>();
        micros.ok_or_else(|| SpecificationError::new(expected, value))
    }

    /// The list that came back: that of the call, with reads filled in.
    fn returned(
        value: &'a Value,
        called: &[Self],
        operation: &Operation,
    ) -> Result<Vec<Self>, SpecificationError> {
        let returned = Self::list(value)?;
        let alike = |(call, found): (&Self, &Self)| {
            call.kind == found.kind
                && call.key == found.key
                && (call.kind == Kind::Read || call.value == found.value)
        };
        if called.len() == returned.len() && called.iter().zip(&returned).all(alike) {
            return Ok(returned);
        }
        let call = excerpt(&operation.input.to_string());
        let expected = format!("the transaction that was called, {call}, with its reads filled in");
        Err(SpecificationError::new(expected, value))
    }

    fn one(value: &'a Value) -> Option<Self> {
        let [f, key, value] = value.as_array()?.as_slice() else {
            return None;
        };
        let kind = match f.as_str()? {
            "r" => Kind::Read,
            "w" => Kind::Write,
            "=" => Kind::Compare,
            _ => return None,
        };
        let key = match key {
            Value::String(key) => key.clone(),
            Value::Number(key) => key.to_string(),
            _ => return None,
        };
        Some(Self { kind, key, value })
    }
}
