//! Tries every order of a few transactions.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stormglass_checker::transactions::Level;
use stormglass_checker::{History, Kind, Process};

pub(crate) struct Transaction {
    process: u64,
    call: usize,
    /// The position of its return if it committed.
    pub(crate) ret: Option<usize>,
    /// Function, key, value.
    pub(crate) micros: Vec<(String, String, Value)>,
}

type State = BTreeMap<String, Vec<Value>>;

/// The most transactions that are tried.
pub(crate) const TRANSACTIONS_MAX: usize = 8;

/// Whether some order of the transactions explains the history at `level`: strict serializable, strong session serializable, serializable or snapshot
/// isolation. Those of unknown fate may be left out. `None` when there are too many.
pub(crate) fn is_legal(history: &History, level: Level, lists: bool) -> Option<bool> {
    let transactions = transactions(history);
    if transactions.len() > TRANSACTIONS_MAX {
        return None;
    }
    let mut search = Search {
        level,
        lists,
        transactions: &transactions,
        placed: vec![false; transactions.len()],
        states: vec![State::new()],
        writes: Vec::new(),
    };
    Some(search.place())
}

/// Those that committed or may have.
pub(crate) fn transactions(history: &History) -> Vec<Transaction> {
    let mut open: BTreeMap<u64, (usize, Value)> = BTreeMap::new();
    let mut all = Vec::new();
    let mut add = |process, call, ret, value: &Value| {
        let micros = value.as_array().into_iter().flatten();
        let micros = micros.map(|micro| {
            let name = micro[0].as_str().unwrap_or_default();
            (name.to_owned(), micro[1].to_string(), micro[2].clone())
        });
        all.push(Transaction {
            process,
            call,
            ret,
            micros: micros.collect(),
        });
    };
    for (position, event) in history.events.iter().enumerate() {
        let Process::Client(process) = event.process else {
            continue;
        };
        match event.kind {
            Kind::Invoke => {
                open.insert(process, (position, event.value.clone()));
            }
            Kind::Fail => {
                open.remove(&process);
            }
            Kind::Ok => {
                if let Some((call, _)) = open.remove(&process) {
                    add(process, call, Some(position), &event.value);
                }
            }
            Kind::Info => {}
        }
    }
    for (process, (call, value)) in open {
        add(process, call, None, &value);
    }
    all
}

struct Search<'a> {
    level: Level,
    lists: bool,
    transactions: &'a [Transaction],
    placed: Vec<bool>,
    /// The state after each commit.
    states: Vec<State>,
    /// The keys each commit wrote.
    writes: Vec<Vec<&'a str>>,
}

impl<'a> Search<'a> {
    fn place(&mut self) -> bool {
        let all = self.transactions;
        let open = |number: usize, placed: &[bool]| all[number].ret.is_some() && !placed[number];
        if (0..all.len()).all(|number| !open(number, &self.placed)) {
            return true;
        }
        for (number, this) in all.iter().enumerate() {
            if self.placed[number] || !self.may_come_now(number) {
                continue;
            }
            let Some(state) = self.after(this) else {
                continue;
            };
            self.placed[number] = true;
            self.states.push(state);
            let keys = this.micros.iter();
            let keys = keys.filter(|(name, ..)| name != "r");
            self.writes
                .push(keys.map(|(_, key, _)| key.as_str()).collect());
            let found = self.place();
            self.placed[number] = false;
            self.states.pop();
            self.writes.pop();
            if found {
                return true;
            }
        }
        false
    }

    /// Whoever must come before it is there.
    fn may_come_now(&self, number: usize) -> bool {
        let this = &self.transactions[number];
        let mut others = self.transactions.iter().zip(&self.placed);
        others.all(|(other, placed)| {
            let before = other.ret.is_some_and(|ret| ret < this.call);
            *placed
                || match self.level {
                    Level::StrictSerializable => !before,
                    Level::StrongSessionSerializable => !before || other.process != this.process,
                    _ => true,
                }
        })
    }

    /// The state after `this` commits now; nothing if it cannot.
    fn after(&self, this: &Transaction) -> Option<State> {
        let now = self.states.len() - 1;
        let oldest = match self.level {
            Level::SnapshotIsolation => 0,
            _ => now,
        };
        for snapshot in (oldest..=now).rev() {
            let written = |key: &str| {
                let mut since = self.writes[snapshot..].iter();
                since.any(|keys| keys.contains(&key))
            };
            let mut micros = this.micros.iter();
            if micros.any(|(name, key, _)| name != "r" && written(key)) {
                continue;
            }
            let mut state = self.states[snapshot].clone();
            if !self.run(this, &mut state) {
                continue;
            }
            let mut merged = self.states[now].clone();
            for (name, key, _) in &this.micros {
                if name != "r" {
                    merged.insert(key.clone(), state[key].clone());
                }
            }
            return Some(merged);
        }
        None
    }

    /// Runs it on a state; false when a read does not find what it should.
    fn run(&self, this: &Transaction, state: &mut State) -> bool {
        for (name, key, value) in &this.micros {
            let content = state.entry(key.clone()).or_default();
            if name != "r" {
                content.push(value.clone());
                continue;
            }
            if this.ret.is_none() {
                continue;
            }
            let found = match self.lists {
                true => json!(content),
                false => json!(content.last()),
            };
            let empty = self.lists && content.is_empty() && value.is_null();
            if found != *value && !empty {
                return false;
            }
        }
        true
    }
}
