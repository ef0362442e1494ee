//! The true objects, and what their clients ask of them.

use super::{APPENDS_A_KEY, Object, Plan};
use crate::draw::Draws;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A call, in the words of a history.
pub(super) struct Call {
    pub(super) f: &'static str,
    pub(super) key: Option<String>,
    pub(super) input: Value,
}

/// A comparison was refused, and nothing changed.
pub(super) struct Refused;

/// An object that does what it promises.
pub(super) trait TrueObject {
    /// The call that `client` makes, the `number`th of the history.
    fn call(&mut self, number: u64, client: u64) -> Call;

    /// Carries a call out, at this moment; returns its result.
    fn carry_out(&mut self, call: &Call) -> Result<Value, Refused>;
}

/// The object of a plan before the first call.
pub(super) fn start(plan: &Plan) -> Box<dyn TrueObject + '_> {
    match plan.object {
        Object::Register { .. } | Object::UniqueWrites | Object::UniqueCas => Box::new(Registers {
            plan,
            contents: BTreeMap::new(),
            asked: BTreeMap::new(),
        }),
        Object::Kv => Box::new(Texts {
            plan,
            contents: BTreeMap::new(),
            calls: BTreeMap::new(),
        }),
        Object::ListAppend => Box::new(Lists {
            plan,
            contents: BTreeMap::new(),
            asked: BTreeMap::new(),
            retired: BTreeMap::new(),
        }),
    }
}

/// Whether the `number`th operation can change anything.
pub(super) fn changes(plan: &Plan, number: u64) -> bool {
    match plan.object {
        Object::ListAppend => {
            (0..length(plan, number)).any(|at| function(plan, &[number, at]) != Function::Read)
        }
        _ => function(plan, &[number]) != Function::Read,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Read,
    Write,
    Cas,
    Append,
}

/// What the operation, or the part of a transaction, named by `keys` does.
fn function(plan: &Plan, keys: &[u64]) -> Function {
    let shares = &plan.shares;
    let all = shares.reads + shares.writes + shares.cas + shares.appends;
    let drawn = Draws::new(plan.seed, "function").within(keys, 0..=all - 1);
    let mut below = shares.reads;
    for (function, share) in [
        (Function::Read, shares.writes),
        (Function::Write, shares.cas),
        (Function::Cas, shares.appends),
    ] {
        if drawn < below {
            return function;
        }
        below += share;
    }
    Function::Append
}

/// How many parts the `number`th transaction has.
fn length(plan: &Plan, number: u64) -> u64 {
    Draws::new(plan.seed, "length").within(&[number], 1..=4)
}

/// Which key the operation, or the part of a transaction, named by `keys` concerns.
fn key(plan: &Plan, keys: &[u64]) -> u64 {
    Draws::new(plan.seed, "key").within(keys, 0..=plan.keys - 1)
}

/// Registers, initially null.
struct Registers<'a> {
    plan: &'a Plan,
    contents: BTreeMap<Option<String>, Value>,
    /// The value last asked to be written to each.
    asked: BTreeMap<Option<String>, Value>,
}

impl Registers<'_> {
    fn content(&self, key: &Option<String>) -> Value {
        self.contents.get(key).cloned().unwrap_or_default()
    }

    /// What the `number`th operation writes.
    fn value(&self, number: u64) -> Value {
        match self.plan.object {
            Object::Register { domain } => {
                json!(Draws::new(self.plan.seed, "value").within(&[number], 0..=domain - 1))
            }
            _ => json!(number + 1),
        }
    }

    /// What the `number`th operation, a compare-and-set, expects.
    fn expected(&self, number: u64, key: &Option<String>) -> Value {
        let draws = Draws::new(self.plan.seed, "expected");
        match self.plan.object {
            Object::Register { domain } => json!(draws.within(&[number], 0..=domain - 1)),
            _ if draws.percent(&[number], 50) => self.content(key),
            _ => self.asked.get(key).cloned().unwrap_or_default(),
        }
    }
}

impl TrueObject for Registers<'_> {
    fn call(&mut self, number: u64, _client: u64) -> Call {
        let key = (self.plan.keys > 1).then(|| key(self.plan, &[number]).to_string());
        let (f, input) = match function(self.plan, &[number]) {
            Function::Read => ("read", Value::Null),
            Function::Write | Function::Append => ("write", self.value(number)),
            Function::Cas => (
                "cas",
                json!([self.expected(number, &key), self.value(number)]),
            ),
        };
        if f != "read" {
            self.asked.insert(key.clone(), self.value(number));
        }
        Call { f, key, input }
    }

    fn carry_out(&mut self, call: &Call) -> Result<Value, Refused> {
        let content = self.content(&call.key);
        let written = match call.f {
            "read" => return Ok(content),
            "write" => call.input.clone(),
            _ if content == call.input[0] => call.input[1].clone(),
            _ => return Err(Refused),
        };
        self.contents.insert(call.key.clone(), written);
        Ok(call.input.clone())
    }
}

/// A key-value store of texts, initially empty.
struct Texts<'a> {
    plan: &'a Plan,
    contents: BTreeMap<Option<String>, String>,
    /// How many calls each client has made, so that no text is written twice.
    calls: BTreeMap<u64, u64>,
}

impl TrueObject for Texts<'_> {
    fn call(&mut self, number: u64, client: u64) -> Call {
        let calls = self.calls.entry(client).or_default();
        let text = format!("x {client} {calls} y");
        *calls += 1;
        let (f, input) = match function(self.plan, &[number]) {
            Function::Read => ("get", Value::Null),
            Function::Write | Function::Cas => ("put", Value::String(text)),
            Function::Append => ("append", Value::String(text)),
        };
        let key = Some(key(self.plan, &[number]).to_string());
        Call { f, key, input }
    }

    fn carry_out(&mut self, call: &Call) -> Result<Value, Refused> {
        let content = self.contents.entry(call.key.clone()).or_default();
        let text = call.input.as_str().unwrap_or_default();
        match call.f {
            "get" => return Ok(Value::String(content.clone())),
            "put" => text.clone_into(content),
            _ => content.push_str(text),
        }
        Ok(call.input.clone())
    }
}

/// Lists by key, initially empty.
struct Lists<'a> {
    plan: &'a Plan,
    contents: BTreeMap<u64, Vec<Value>>,
    /// How many appends were called on each key; also the element last appended.
    asked: BTreeMap<u64, u64>,
    /// How many keys were retired in each place.
    retired: BTreeMap<u64, u64>,
}

impl TrueObject for Lists<'_> {
    fn call(&mut self, number: u64, _client: u64) -> Call {
        let parts = (0..length(self.plan, number)).map(|at| {
            let place = key(self.plan, &[number, at]);
            let retired = self.retired.entry(place).or_default();
            let key = place + *retired * self.plan.keys;
            if function(self.plan, &[number, at]) == Function::Read {
                return json!(["r", key, null]);
            }
            let asked = self.asked.entry(key).or_default();
            *asked += 1;
            if *asked == APPENDS_A_KEY {
                *retired += 1;
            }
            json!(["append", key, *asked])
        });
        Call {
            f: "txn",
            key: None,
            input: parts.collect(),
        }
    }

    fn carry_out(&mut self, call: &Call) -> Result<Value, Refused> {
        let mut output = call.input.clone();
        for part in output.as_array_mut().into_iter().flatten() {
            let list = self
                .contents
                .entry(part[1].as_u64().unwrap_or_default())
                .or_default();
            if part[0] == "append" {
                list.push(part[2].clone());
            } else {
                part[2] = Value::Array(list.clone());
            }
        }
        Ok(output)
    }
}
