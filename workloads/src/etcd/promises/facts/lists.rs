//! What was answered of ranges of keys, and whether it is all of what was there.

use super::{Facts, Span, State};
use crate::etcd::promises::Breach;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{KeyValue, Keys, Range, Revision, TxnOp};

/// What somebody was answered of a range of keys.
#[derive(Clone, Debug)]
pub struct List<'a> {
    /// When it was so.
    pub at: Revision,
    /// To whom.
    pub by: usize,
    /// Of which keys.
    pub keys: &'a Keys,
    /// How they were, in order, as far as that was asked; `None` where only their number is known.
    pub kvs: Option<&'a [KeyValue]>,
    /// How many there were.
    pub count: u64,
    /// What the same transaction had done before, since that moment.
    pub earlier: &'a [TxnOp],
}

/// Whether an answer to a range contradicts itself.
pub fn impossible_alone(range: &Range, kvs: &[KeyValue], count: u64) -> Option<&'static str> {
    let most = match range.limit {
        0 => count,
        limit => limit.min(count),
    };
    if kvs.len() as u64 != most {
        return Some("it has another number of keys than it says");
    }
    if !kvs.iter().all(|kv| range.keys.hold(&kv.key)) {
        return Some("it has a key that was not asked for");
    }
    if kvs.windows(2).any(|pair| pair[0].key >= pair[1].key) {
        return Some("its keys are not in order");
    }
    None
}

/// Whether a key as it was shown can be one.
pub fn impossible_key(kv: &KeyValue, at: Revision) -> Option<&'static str> {
    if kv.version == 0 || kv.create_revision < 2 {
        return Some("it was never set");
    }
    if kv.create_revision > kv.mod_revision {
        return Some("it was set before it was made");
    }
    if kv.mod_revision > at {
        return Some("it was set later than it was seen");
    }
    if (kv.version == 1) != (kv.create_revision == kv.mod_revision) {
        return Some("its version and its revisions do not fit");
    }
    if kv.version - 1 > kv.mod_revision - kv.create_revision {
        return Some("it was set more often than there were revisions");
    }
    None
}

/// What was certainly there at a moment, as it goes on from revision to revision.
struct Present<'f, 'a> {
    there: BTreeMap<usize, &'f Span<'a>>,
    /// Keys of which it is not known.
    unsure: BTreeSet<usize>,
}

/// Whether lists have all that was certainly there, and not more than can have been.
///
/// # Errors
/// When one has not.
pub fn judge(facts: &Facts<'_>, lists: &[List<'_>]) -> Result<(), Breach> {
    if lists.is_empty() {
        return Ok(());
    }
    let ranges: Vec<(usize, usize)> = lists.iter().map(|list| facts.numbers(list.keys)).collect();
    let asked = covered(&ranges, facts.keys.len());
    // Spans begin and end by revision; ends before beginnings.
    let mut turns: Vec<(Revision, bool, usize, usize)> = Vec::new();
    let mut present = Present {
        there: BTreeMap::new(),
        unsure: BTreeSet::new(),
    };
    for (key, spans) in facts
        .spans
        .iter()
        .enumerate()
        .filter(|(key, _)| asked[*key])
    {
        present.unsure.insert(key);
        for (place, span) in spans.iter().enumerate() {
            turns.push((span.from, true, key, place));
            turns.push((span.until.saturating_add(1), false, key, place));
        }
    }
    turns.sort_unstable();
    let mut turns = turns.into_iter().peekable();
    let mut order: Vec<usize> = (0..lists.len()).collect();
    order.sort_by_key(|place| lists[*place].at);
    for place in order {
        let list = &lists[place];
        while let Some((_, begins, key, place)) = turns.next_if(|(at, ..)| *at <= list.at) {
            let span = &facts.spans[key][place];
            match begins {
                false => {
                    present.there.remove(&key);
                    present.unsure.insert(key);
                }
                true => {
                    present.unsure.remove(&key);
                    if span.state != State::Absent {
                        present.there.insert(key, span);
                    }
                }
            }
        }
        present.agrees(facts, list, ranges[place])?;
    }
    Ok(())
}

/// Which keys lie in any of these ranges.
fn covered(ranges: &[(usize, usize)], keys: usize) -> Vec<bool> {
    let mut changes = vec![0_i64; keys + 1];
    for (from, to) in ranges {
        changes[*from] += 1;
        changes[*to] -= 1;
    }
    let mut depth = 0;
    let depths = changes[..keys].iter().map(|change| {
        depth += change;
        depth > 0
    });
    depths.collect()
}

impl Present<'_, '_> {
    fn agrees(
        &self,
        facts: &Facts<'_>,
        list: &List<'_>,
        (from, to): (usize, usize),
    ) -> Result<(), Breach> {
        let touched = |key: &str| {
            list.earlier.iter().any(|part| match part {
                TxnOp::Range(_) => false,
                TxnOp::Put(put) => put.key == key,
                TxnOp::DeleteRange(delete) => delete.keys.hold(key),
            })
        };
        let mut shown = list.kvs.unwrap_or_default().iter().peekable();
        let is_cut = list.kvs.is_some_and(|kvs| (kvs.len() as u64) < list.count);
        let mut certain = 0;
        for (key, span) in self.there.range(from..to) {
            let name = facts.keys[*key];
            if touched(name) {
                continue;
            }
            certain += 1;
            if list.kvs.is_none() {
                continue;
            }
            while shown.next_if(|kv| kv.key.as_str() < name).is_some() {}
            let is_shown = shown.peek().is_some_and(|kv| kv.key == name);
            let is_cut_off = is_cut && shown.peek().is_none();
            if !is_shown && !is_cut_off {
                let said = format!(
                    "{name} was there from revision {} until revision {} at least, and was not among the keys of {} at revision {}.",
                    span.from,
                    shown_end(span),
                    list.keys,
                    list.at
                );
                return Breach::of(span.by.into_iter().chain([list.by]), said);
            }
        }
        if !list.earlier.is_empty() {
            return Ok(());
        }
        let unsure = self.unsure.range(from..to).count() as u64;
        if list.count < certain || list.count > certain + unsure {
            let most = certain + unsure;
            let number = match most == certain {
                true => format!("{certain}"),
                false => format!("{certain} to {most}"),
            };
            let said = format!(
                "Of the keys of {} {} were said to be there at revision {}, and there were {number}.",
                list.keys, list.count, list.at
            );
            let known = self.there.range(from..to);
            let known = known.filter_map(|(_, span)| span.by).take(2);
            return Breach::of(known.chain([list.by]), said);
        }
        Ok(())
    }
}

/// Until when a key was so, in words.
fn shown_end(span: &Span<'_>) -> String {
    match span.until {
        Revision::MAX => "the end".to_string(),
        until => until.to_string(),
    }
}
