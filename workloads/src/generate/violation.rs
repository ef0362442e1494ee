//! One read falsified.

use super::{Object, Plan, PlanError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stormglass_checker::{Event, History, Kind, Process};

/// What is wrong with the falsified read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It returns what was never written. No order explains that.
    Impossible,
    /// It returns what an earlier read returned, although a read that came after that one and before this one had returned something else.
    /// Where no value is written twice, which is so for all objects but [`Object::Register`], no order explains that either.
    Stale,
}

/// What to falsify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In which way.
    pub lie: Lie,
    /// Where: so many percent of the events come before the call of the read, or if there is none, it is the last before.
    pub at_percent: u64,
}

/// What was falsified.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// The position in `history.events` of the return that now lies.
    pub event: usize,
    /// For transactions: which part of it.
    pub part: Option<usize>,
    /// What the read really returned.
    pub truth: Value,
    /// What the history now says.
    pub lie: Value,
}

/// Where a value that was read stands: the event, and in a transaction the part.
type Place = (usize, Option<usize>);

/// Reads of one key: first that of `.0`, which had returned when that of `.1` was called and returned something else.
type Change = (Place, Place);

/// A read in flight.
struct Reading {
    part: Option<usize>,
    key: String,
    /// The last read of that key that had returned at its call.
    last: Option<Place>,
    /// The last change of that key that had been seen at its call.
    change: Option<Change>,
}

/// Turns one read of `history` into a lie.
pub(super) fn plant(
    plan: &Plan,
    violation: Violation,
    history: &mut History,
) -> Result<Planted, PlanError> {
    let found = choose(plan, violation, &history.events).ok_or(match violation.lie {
        Lie::Impossible => PlanError::NothingToFalsify {
            lie: "impossible",
            why: "none returned",
        },
        Lie::Stale => PlanError::NothingToFalsify {
            lie: "stale",
            why: "none came after two others that saw different values, one after the other",
        },
    })?;
    let Planted {
        event, part, lie, ..
    } = &found;
    *value_mut(&mut history.events[*event], *part) = lie.clone();
    Ok(found)
}

/// The first read called at the place asked for that can be falsified, or the last one before it.
fn choose(plan: &Plan, violation: Violation, events: &[Event]) -> Option<Planted> {
    let start = (events.len() as u128 * u128::from(violation.at_percent) / 100) as usize;
    let mut open: BTreeMap<u64, (usize, Vec<Reading>)> = BTreeMap::new();
    let mut last: BTreeMap<String, Place> = BTreeMap::new();
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let mut before = None;
    for (at, event) in events.iter().enumerate() {
        let Process::Client(process) = event.process else {
            continue;
        };
        if event.kind == Kind::Invoke {
            let readings = reads(event).into_iter().map(|(part, key)| Reading {
                last: last.get(&key).copied(),
                change: changes.get(&key).copied(),
                part,
                key,
            });
            open.insert(process, (at, readings.collect()));
            continue;
        }
        let Some((call, readings)) = open.remove(&process).filter(|_| event.kind == Kind::Ok)
        else {
            continue;
        };
        for reading in readings {
            let truth = value(event, reading.part);
            let lie = match violation.lie {
                Lie::Impossible => Some(impossible(plan, truth)),
                Lie::Stale => reading
                    .change
                    .map(|((old, part), _)| value(&events[old], part).clone()),
            };
            if let Some(lie) = lie.filter(|lie| lie != truth) {
                let planted = Planted {
                    event: at,
                    part: reading.part,
                    truth: truth.clone(),
                    lie,
                };
                if call >= start {
                    return Some(planted);
                }
                before = Some(planted);
            }
            let here = (at, reading.part);
            if let Some(old) = reading
                .last
                .filter(|(old, part)| value(&events[*old], *part) != truth)
            {
                changes.insert(reading.key.clone(), (old, here));
            }
            last.insert(reading.key, here);
        }
    }
    before
}

/// The reads of a call: the part of the transaction, and the key. What a transaction reads after its own append tells of itself and is
/// left alone.
fn reads(event: &Event) -> Vec<(Option<usize>, String)> {
    match event.f.as_str() {
        "read" | "get" => vec![(None, event.key.clone().unwrap_or_default())],
        "txn" => {
            let parts = event
                .value
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let own = |before: &[Value], key: &Value| {
                before
                    .iter()
                    .any(|part| part[0] == "append" && part[1] == *key)
            };
            let reads = parts
                .iter()
                .enumerate()
                .filter(|(at, part)| part[0] == "r" && !own(&parts[..*at], &part[1]));
            reads
                .map(|(at, part)| (Some(at), part[1].to_string()))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn value(event: &Event, part: Option<usize>) -> &Value {
    match part {
        None => &event.value,
        Some(part) => &event.value[part][2],
    }
}

fn value_mut(event: &mut Event, part: Option<usize>) -> &mut Value {
    match part {
        None => &mut event.value,
        Some(part) => &mut event.value[part][2],
    }
}

/// A value that nobody writes, much like what was read.
fn impossible(plan: &Plan, truth: &Value) -> Value {
    match plan.object {
        Object::Register { domain } => json!(domain),
        Object::UniqueWrites | Object::UniqueCas => json!(plan.operations as u64 + 1),
        Object::Kv => Value::String(format!("{}?", truth.as_str().unwrap_or_default())),
        Object::ListAppend => {
            let mut list = truth.as_array().cloned().unwrap_or_default();
            list.push(json!(0));
            Value::Array(list)
        }
    }
}
