//! A transaction does one thing if its comparisons hold, and the other if not.

use crate::etcd::promises::Breach;
use crate::etcd::promises::facts::{Facts, Span, State};
use crate::etcd::promises::ground::Ground;
use std::cmp::Ordering;
use stormglass_impls::etcd::words::{Compare, CompareResult, Done, Op, Revision, Target};

pub(super) fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let facts = ground.facts();
    for deed in &ground.story.deeds {
        let (Some(Op::Txn(txn)), Some(Done::Txn { succeeded, .. })) = (deed.op(), deed.done())
        else {
            continue;
        };
        let after = deed.revision().unwrap_or(0);
        let before = after.saturating_sub(u64::from(deed.own_revision().is_some()));
        let mut held = Some(true);
        for compare in &txn.compare {
            let (holds, by) = holds(facts, compare, before);
            if holds == Some(false) && *succeeded {
                let said = format!(
                    "A transaction of revision {after} did what it does if {compare:?}, and that did not hold at revision {before}."
                );
                return Breach::of(by.into_iter().chain([deed.id]), said);
            }
            held = held.and_then(|held| Some(held && holds?));
        }
        if held == Some(true) && !succeeded {
            let said = format!(
                "A transaction of revision {after} did what it does if not {:?}, and that held at revision {before}.",
                txn.compare
            );
            let known = txn.compare.iter();
            let known = known.filter_map(|compare| holds(facts, compare, before).1);
            return Breach::of(known.chain([deed.id]), said);
        }
    }
    Ok(())
}

/// Whether a comparison certainly holds, or certainly does not; and who knows.
pub(in crate::etcd::promises) fn holds(
    facts: &Facts<'_>,
    compare: &Compare,
    at: Revision,
) -> (Option<bool>, Option<usize>) {
    let (from, to) = facts.numbers(&compare.keys);
    if compare.keys.range_end.is_none() {
        // Nobody ever named a key that has no number.
        return match facts.number(&compare.keys.key) {
            None => (of_state(compare, &State::Absent), None),
            Some(number) => of_span(compare, facts.at(number, at)),
        };
    }
    let mut all = (Some(true), None);
    for number in from..to {
        let span = facts.at(number, at);
        if span.is_some_and(|span| span.state == State::Absent) {
            continue;
        }
        match of_span(compare, span) {
            (Some(false), by) => return (Some(false), by),
            (Some(true), by) => all.1 = all.1.or(by),
            (None, _) => all = (None, None),
        }
    }
    all
}

fn of_span(compare: &Compare, span: Option<&Span<'_>>) -> (Option<bool>, Option<usize>) {
    match span {
        None => (None, None),
        Some(span) => (of_state(compare, &span.state), span.by),
    }
}

fn of_state(compare: &Compare, state: &State<'_>) -> Option<bool> {
    let number = |known: Option<u64>, least: u64| match (state, known) {
        (State::Absent, _) => (0, 0),
        (_, Some(known)) => (known, known),
        (_, None) => (least, u64::MAX),
    };
    let version = match state {
        State::Is(version) => Some(version),
        State::Absent | State::Alive(_) => None,
    };
    let create = match state {
        State::Absent => None,
        State::Alive(create) => *create,
        State::Is(version) => version.create,
    };
    let result = compare.result;
    match &compare.target {
        Target::Value(value) => match state {
            State::Absent => Some(false),
            _ => Some(fits(result, version?.value?.cmp(value.as_str()))),
        },
        Target::Version(other) => between(
            result,
            number(version.and_then(|known| known.version), 1),
            *other,
        ),
        Target::CreateRevision(other) => between(result, number(create, 2), *other),
        Target::ModRevision(other) => {
            between(result, number(version.map(|known| known.set), 2), *other)
        }
        Target::Lease(other) => between(
            result,
            number(version.and_then(|known| known.lease), 0),
            *other,
        ),
    }
}

fn fits(result: CompareResult, order: Ordering) -> bool {
    match result {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}

/// Whether a number from `low` to `high` is certainly so to another.
fn between(result: CompareResult, (low, high): (u64, u64), other: u64) -> Option<bool> {
    if low == high {
        return Some(fits(result, low.cmp(&other)));
    }
    let (above, below) = (low > other, high < other);
    match result {
        CompareResult::Equal => (above || below).then_some(false),
        CompareResult::NotEqual => (above || below).then_some(true),
        CompareResult::Greater if above => Some(true),
        CompareResult::Greater => (high <= other).then_some(false),
        CompareResult::Less if below => Some(true),
        CompareResult::Less => (low >= other).then_some(false),
    }
}
