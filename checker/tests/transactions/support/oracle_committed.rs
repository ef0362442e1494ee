//! Tries every version order: is there one by which each read saw a committed, final version, and information flows in no circle (Adya's PL-2)?

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stormglass_checker::History;

use super::oracle::{Transaction, transactions};

/// For histories in which no value is written to a key twice.
pub(crate) fn is_read_committed(history: &History, lists: bool) -> bool {
    let all = transactions(history);
    let unknown: Vec<usize> = (0..all.len()).filter(|at| all[*at].ret.is_none()).collect();
    (0_u32..1 << unknown.len()).any(|chosen| {
        let left_out = |at: &usize| {
            let place = unknown.iter().position(|other| other == at);
            place.is_some_and(|place| chosen & (1 << place) == 0)
        };
        let committed: Vec<&Transaction> = (0..all.len())
            .filter(|at| !left_out(at))
            .map(|at| &all[at])
            .collect();
        let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, transaction) in committed.iter().enumerate() {
            for (name, key, _) in &transaction.micros {
                let of_key = writers.entry(key).or_default();
                if name != "r" && !of_key.contains(&number) {
                    of_key.push(number);
                }
            }
        }
        let keys: Vec<(&str, Vec<usize>)> = writers.into_iter().collect();
        Search {
            lists,
            committed: &committed,
            keys: &keys,
        }
        .order(0, &vec![0; committed.len()])
    })
}

struct Search<'a> {
    lists: bool,
    committed: &'a [&'a Transaction],
    keys: &'a [(&'a str, Vec<usize>)],
}

impl Search<'_> {
    /// Orders the writers of the keys from `at` on. `edges`: for each transaction, a bit for each that comes later.
    fn order(&self, at: usize, edges: &[u32]) -> bool {
        if circular(edges) {
            return false;
        }
        let Some((key, writers)) = self.keys.get(at) else {
            return true;
        };
        let mut found = false;
        permute(&mut writers.clone(), 0, &mut |order| {
            let mut edges = edges.to_vec();
            for pair in order.windows(2) {
                edges[pair[0]] |= 1 << pair[1];
            }
            found = found || self.reads_fit(key, order, &mut edges) && self.order(at + 1, &edges);
            found
        });
        found
    }

    /// Each read of `key` saw a version of this order; adds who read from whom.
    fn reads_fit(&self, key: &str, order: &[usize], edges: &mut [u32]) -> bool {
        // What each version shows: first the initial one.
        let mut versions = vec![match self.lists {
            true => json!([]),
            false => Value::Null,
        }];
        for writer in order {
            let mut version = versions.last().cloned().unwrap_or_default();
            for value in self.writes(*writer, key) {
                match version.as_array_mut() {
                    Some(list) => list.push(value.clone()),
                    None => version = value.clone(),
                }
            }
            versions.push(version);
        }
        for (reader, transaction) in self.committed.iter().enumerate() {
            if transaction.ret.is_none() {
                continue;
            }
            let place = order.iter().position(|writer| *writer == reader);
            let mut own: Option<Value> = None;
            for (name, other, value) in &transaction.micros {
                if other != key {
                    continue;
                }
                if name != "r" {
                    let before = place.and_then(|place| versions.get(place));
                    let mut mine = own.take().or(before.cloned()).unwrap_or_default();
                    match mine.as_array_mut() {
                        Some(list) => list.push(value.clone()),
                        None => mine = value.clone(),
                    }
                    own = Some(mine);
                    continue;
                }
                let found = match value {
                    Value::Null if self.lists => json!([]),
                    value => value.clone(),
                };
                if own.as_ref() == Some(&found) {
                    continue;
                }
                match versions.iter().position(|version| *version == found) {
                    Some(0) => {}
                    Some(version) if order[version - 1] != reader => {
                        edges[order[version - 1]] |= 1 << reader;
                    }
                    _ => return false,
                }
            }
        }
        true
    }

    fn writes(&self, writer: usize, key: &str) -> impl Iterator<Item = &Value> {
        let micros = self.committed[writer].micros.iter();
        micros
            .filter(move |(name, other, _)| name != "r" && other == key)
            .map(|(_, _, value)| value)
    }
}

/// Hands over every order until told to stop.
fn permute(items: &mut Vec<usize>, from: usize, tried: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if from == items.len() {
        return tried(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        if permute(items, from + 1, tried) {
            return true;
        }
        items.swap(from, at);
    }
    false
}

fn circular(edges: &[u32]) -> bool {
    let mut reached = edges.to_vec();
    for middle in 0..edges.len() {
        for from in 0..edges.len() {
            if reached[from] & (1 << middle) != 0 {
                reached[from] |= reached[middle];
            }
        }
    }
    (0..edges.len()).any(|node| reached[node] & (1 << node) != 0)
}
