//! How facts are read from answers.

use super::answers;
use super::known::{Known, Shown};
use super::lists::{List, impossible_alone, impossible_key};
use super::{Leases, Ledger, Wish, numbers};
use crate::etcd::promises::Breach;
use crate::etcd::promises::story::{Deed, Story};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{
    Ask, Change, Compare, CompareResult, DeleteRange, Done, Event, KeyValue, Keys, Op, Put, Range,
    Revision, Target, Txn, TxnOp,
};

/// See [the module](self).
#[derive(Default)]
pub(super) struct Gatherer<'a> {
    /// The keys, in order, and what is known of each: once all is gathered.
    pub(super) keys: Vec<&'a str>,
    pub(super) known: Vec<Known<'a>>,
    pub(super) lists: Vec<List<'a>>,
    pub(super) leases: Leases,
    pub(super) contradiction: Option<Breach>,
    /// Where in `known` each key is while it is being gathered.
    places: BTreeMap<&'a str, usize>,
    /// Ranges that were cleared: when, and by whom.
    cleared: Vec<(&'a Keys, Revision, usize)>,
    wished_clears: Vec<(&'a Keys, Wish)>,
}

/// Whose answer it is; when things are as they were before it, and after.
#[derive(Clone, Copy)]
struct Source {
    by: usize,
    before: Revision,
    after: Revision,
}

impl<'a> Gatherer<'a> {
    pub(super) fn gather(story: &'a Story, ledger: &Ledger) -> Self {
        let mut gatherer = Gatherer::default();
        for deed in &story.deeds {
            gatherer.of_deed(deed, ledger);
        }
        gatherer.in_order();
        gatherer
    }

    fn of_deed(&mut self, deed: &'a Deed, ledger: &Ledger) {
        let Some(request) = deed.request() else {
            return self.told(deed);
        };
        if let Some(ended) = &deed.ended
            && let Err(why) = answers::fits(&request.ask, &ended.result)
        {
            let said = format!("A {} {why}.", deed.asked.function());
            self.contradicts(deed.id, said);
        }
        let floor = ledger.floor(deed.id).0;
        if let Ask::Write(Op::Grant { lease, .. }) = &request.ask
            && deed.error().is_none()
        {
            let first = self.leases.entry(*lease).or_insert(floor);
            *first = floor.min(*first);
        }
        let Some(ended) = &deed.ended else {
            if let Ask::Write(op) = &request.ask {
                let by = deed.id;
                self.wished(op, Wish { by, floor });
            }
            return;
        };
        let after = ended.revision;
        let before = after - u64::from(deed.own_revision().is_some() && after > 0);
        let source = Source {
            by: deed.id,
            before,
            after,
        };
        match (&request.ask, &ended.result) {
            (Ask::Range(range), Ok(Done::Range { kvs, count })) if !range.serializable => {
                self.range(range, kvs, *count, source, &[]);
            }
            (Ask::Write(Op::Put(put)), Ok(Done::Put { prev_kv })) => {
                self.put(put, prev_kv.as_ref(), source);
            }
            (Ask::Write(Op::DeleteRange(delete)), Ok(done)) => {
                self.delete(delete, done, source, &[]);
            }
            (
                Ask::Write(Op::Txn(txn)),
                Ok(Done::Txn {
                    succeeded,
                    responses,
                }),
            ) => self.txn(txn, *succeeded, responses, source),
            _ => {}
        }
        self.told(deed);
    }

    /// What watches told.
    fn told(&mut self, deed: &'a Deed) {
        for event in deed.events() {
            let Event::Changes { changes, .. } = event else {
                continue;
            };
            for change in changes {
                self.change(change, deed.id);
            }
        }
    }

    fn change(&mut self, change: &'a Change, by: usize) {
        let (key, at) = (&change.kv.key, change.kv.mod_revision);
        let before = at.saturating_sub(1);
        match change.is_delete() {
            true => {
                let known = self.known(key);
                known.absent.push((at, by));
                known.deleted.push((at, by));
                known.alive.push((before, by));
            }
            false => self.shown(&change.kv, at, by),
        }
        if let Some(prev) = &change.prev_kv {
            if prev.key != *key {
                return self.contradicts(by, format!("{key} was shown to have been {}.", prev.key));
            }
            self.shown(prev, before, by);
        }
    }

    fn known(&mut self, key: &'a str) -> &mut Known<'a> {
        let next = self.known.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.known.push(Known::default());
        }
        &mut self.known[place]
    }

    fn contradicts(&mut self, by: usize, explanation: String) {
        let culprits = vec![by];
        self.contradiction.get_or_insert(Breach {
            culprits,
            explanation,
        });
    }

    fn shown(&mut self, kv: &'a KeyValue, at: Revision, by: usize) {
        if let Some(why) = impossible_key(kv, at) {
            let said = format!("{kv:?} was shown at revision {at}, and no key can be so: {why}.");
            return self.contradicts(by, said);
        }
        self.known(&kv.key).shown.push(Shown {
            set: kv.mod_revision,
            until: at,
            by,
            kv: Some(kv),
            put: None,
        });
    }

    fn range(
        &mut self,
        range: &'a Range,
        kvs: &'a [KeyValue],
        count: u64,
        source: Source,
        earlier: &'a [TxnOp],
    ) {
        let by = source.by;
        if let Some(why) = impossible_alone(range, kvs, count) {
            let said = format!("The answer to {range:?} contradicts itself: {why}.");
            return self.contradicts(by, said);
        }
        if range.revision > source.after {
            let said = format!("{range:?} was answered at revision {}.", source.after);
            return self.contradicts(by, said);
        }
        let (before, after, earlier) = match range.revision {
            0 => (source.before, source.after, earlier),
            revision => (revision, revision, &[][..]),
        };
        for kv in kvs {
            let own = earlier.iter().any(|part| sets(part, &kv.key));
            if earlier.iter().any(|part| deletes(part, &kv.key))
                || own != (kv.mod_revision > before)
            {
                let said = format!(
                    "{kv:?} was shown in a transaction of revision {after} that had done something else with it."
                );
                return self.contradicts(by, said);
            }
            self.shown(kv, if own { after } else { before }, by);
        }
        let keys = &range.keys;
        match keys.range_end {
            None => {
                let is_touched = earlier
                    .iter()
                    .any(|part| sets(part, &keys.key) || deletes(part, &keys.key));
                if kvs.is_empty() && count == 0 && !is_touched {
                    self.known(&keys.key).absent.push((before, by));
                }
            }
            Some(_) => self.lists.push(List {
                at: before,
                by,
                keys,
                kvs: Some(kvs),
                count,
                earlier,
            }),
        }
    }

    fn put(&mut self, put: &'a Put, prev: Option<&'a KeyValue>, source: Source) {
        let known = self.known(&put.key);
        known.shown.push(Shown {
            set: source.after,
            until: source.after,
            by: source.by,
            kv: None,
            put: Some((&put.value, put.lease)),
        });
        match prev {
            _ if !put.prev_kv => {}
            None => known.absent.push((source.before, source.by)),
            Some(kv) if kv.key == put.key => self.shown(kv, source.before, source.by),
            Some(kv) => {
                let said = format!("{} was shown to have been {}.", put.key, kv.key);
                self.contradicts(source.by, said);
            }
        }
    }

    fn delete(
        &mut self,
        delete: &'a DeleteRange,
        done: &'a Done,
        source: Source,
        earlier: &'a [TxnOp],
    ) {
        let Done::DeleteRange { deleted, prev_kvs } = done else {
            return;
        };
        let (keys, by) = (&delete.keys, source.by);
        let shown = delete.prev_kv.then_some(prev_kvs.as_slice());
        if let Some(kvs) = shown {
            let range = Range::of(keys.clone());
            if let Some(why) = impossible_alone(&range, kvs, *deleted) {
                let said = format!("The answer to {delete:?} contradicts itself: {why}.");
                return self.contradicts(by, said);
            }
        }
        for kv in shown.unwrap_or_default() {
            self.shown(kv, source.before, by);
            let known = self.known(&kv.key);
            known.deleted.push((source.after, by));
        }
        if keys.range_end.is_some() {
            self.lists.push(List {
                at: source.before,
                by,
                keys,
                kvs: shown,
                count: *deleted,
                earlier,
            });
            if source.after > source.before {
                self.cleared.push((keys, source.after, by));
            }
            return;
        }
        let is_touched = earlier.iter().any(|part| deletes(part, &keys.key));
        let known = self.known(&keys.key);
        match deleted {
            0 if !is_touched => known.absent.push((source.before, by)),
            0 => {}
            1 => {
                known.alive.push((source.before, by));
                known.cleared.push((source.after, by));
                known.deleted.push((source.after, by));
            }
            _ => {
                let said = format!("{deleted} keys were deleted where {delete:?} names one.");
                self.contradicts(by, said);
            }
        }
    }

    fn txn(&mut self, txn: &'a Txn, succeeded: bool, responses: &'a [Done], source: Source) {
        let branch = match succeeded {
            true => &txn.success,
            false => &txn.failure,
        };
        if branch.len() != responses.len() {
            let said = "A transaction was answered with another number of parts.".to_string();
            return self.contradicts(source.by, said);
        }
        if succeeded {
            for compare in &txn.compare {
                self.compared(compare, source);
            }
        }
        for (place, (part, done)) in branch.iter().zip(responses).enumerate() {
            let earlier = &branch[..place];
            match (part, done) {
                (TxnOp::Range(range), Done::Range { kvs, count }) => {
                    self.range(range, kvs, *count, source, earlier);
                }
                (TxnOp::Put(put), Done::Put { prev_kv }) => self.put(put, prev_kv.as_ref(), source),
                (TxnOp::DeleteRange(delete), done) => self.delete(delete, done, source, earlier),
                _ => {
                    let said = "A part of a transaction was answered as another.".to_string();
                    self.contradicts(source.by, said);
                }
            }
        }
    }

    /// A comparison that held.
    fn compared(&mut self, compare: &'a Compare, source: Source) {
        let (at, by) = (source.before, source.by);
        if compare.keys.range_end.is_some() || compare.result != CompareResult::Equal {
            return;
        }
        let known = self.known(&compare.keys.key);
        match compare.target {
            Target::Version(0) | Target::CreateRevision(0) | Target::ModRevision(0) => {
                known.absent.push((at, by));
            }
            Target::ModRevision(set) if set <= at => known.shown.push(Shown {
                set,
                until: at,
                by,
                kv: None,
                put: None,
            }),
            _ => {}
        }
    }

    fn wished(&mut self, op: &'a Op, wish: Wish) {
        match op {
            Op::Put(put) => self.wished_put(put, wish),
            Op::DeleteRange(delete) => self.wished_clears.push((&delete.keys, wish)),
            Op::Txn(txn) => {
                for part in txn.success.iter().chain(&txn.failure) {
                    match part {
                        TxnOp::Range(_) => {}
                        TxnOp::Put(put) => self.wished_put(put, wish),
                        TxnOp::DeleteRange(delete) => {
                            self.wished_clears.push((&delete.keys, wish));
                        }
                    }
                }
            }
            // The end of a lease may come at any time.
            Op::Compact { .. } | Op::Grant { .. } | Op::Revoke { .. } | Op::Auth(_) => {}
        }
    }

    fn wished_put(&mut self, put: &'a Put, wish: Wish) {
        let wishes = &mut self.known(&put.key).put_wishes;
        let same = wishes.entry((&put.value, put.lease)).or_default();
        same.push(wish);
    }

    /// Something of unknown outcome was done after all. Of a transaction, the branch that changes something.
    pub(super) fn found(&mut self, op: &'a Op, at: Revision, by: usize) {
        match op {
            Op::Put(put) => self.found_put(put, at, by),
            Op::DeleteRange(delete) => self.cleared.push((&delete.keys, at, by)),
            Op::Txn(txn) => {
                for part in txn.success.iter().chain(&txn.failure) {
                    match part {
                        TxnOp::Range(_) => {}
                        TxnOp::Put(put) => self.found_put(put, at, by),
                        TxnOp::DeleteRange(delete) => self.cleared.push((&delete.keys, at, by)),
                    }
                }
            }
            Op::Compact { .. } | Op::Grant { .. } | Op::Revoke { .. } | Op::Auth(_) => {}
        }
    }

    fn found_put(&mut self, put: &'a Put, at: Revision, by: usize) {
        if let Ok(number) = self.keys.binary_search(&put.key.as_str()) {
            self.known[number].shown.push(Shown {
                set: at,
                until: at,
                by,
                kv: None,
                put: Some((&put.value, put.lease)),
            });
        }
    }

    fn in_order(&mut self) {
        let mut known: Vec<_> = std::mem::take(&mut self.known)
            .into_iter()
            .map(Some)
            .collect();
        for (key, place) in std::mem::take(&mut self.places) {
            self.keys.push(key);
            self.known.extend(known[place].take());
        }
    }

    /// Tells each key of the ranges that hold it. Of what was done after all there is no doubt any more.
    pub(super) fn spread(&mut self, found: &BTreeMap<usize, Revision>) {
        for (keys, at, by) in &self.cleared {
            let (from, to) = numbers(&self.keys, keys);
            for known in &mut self.known[from..to] {
                known.cleared.push((*at, *by));
            }
        }
        for (keys, wish) in &self.wished_clears {
            if !found.contains_key(&wish.by) {
                let (from, to) = numbers(&self.keys, keys);
                for known in &mut self.known[from..to] {
                    known.delete_wishes.push(*wish);
                }
            }
        }
        for known in &mut self.known {
            known.put_wishes.retain(|_, wishes| {
                wishes.retain(|wish| !found.contains_key(&wish.by));
                !wishes.is_empty()
            });
            known.sort();
        }
    }
}

fn sets(part: &TxnOp, key: &str) -> bool {
    matches!(part, TxnOp::Put(put) if put.key == key)
}

fn deletes(part: &TxnOp, key: &str) -> bool {
    matches!(part, TxnOp::DeleteRange(delete) if delete.keys.hold(key))
}
