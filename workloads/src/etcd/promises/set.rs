//! An element that was added is there.
//!
//! > Any completed operations are durable.
//! >
//! > *etcd API guarantees*, Durability
//!
//! Revisions are not looked at: it is enough that an element was added and answered before a linearizable read of all of the set is called. So this holds
//! even where a service makes up its revisions. Elements that anybody may have deleted, or that go with a lease, count for nothing.
//!
//! Counterexample: `sets/s/a` is put, which is answered; after that all keys of `sets/s/` are read, and it is not among them.

use super::ground::Ground;
use super::story::Deed;
use super::{Breach, Promise};
use std::collections::BTreeMap;
use std::ops::Bound;
use stormglass_impls::etcd::words::{DeleteRange, Done, Keys, Op, Put, TxnOp};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "set",
    quote: "\"Any completed operations are durable. All accessible data is also durable data\" (etcd API guarantees, Durability)",
    judge,
};

/// What the names of elements begin with.
const SETS: &str = "sets/";

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let deeds = &ground.story.deeds;
    // When each element was answered first, and who added it.
    let mut added: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for deed in deeds {
        let Some(op) = deed.op().filter(|_| deed.done().is_some()) else {
            continue;
        };
        for put in puts(deed, op).filter(|put| put.key.starts_with(SETS)) {
            let first = added.entry(&put.key).or_insert((deed.answer, deed.id));
            *first = (deed.answer, deed.id).min(*first);
        }
    }
    if added.is_empty() {
        return Ok(());
    }
    for keys in deeds.iter().flat_map(may_delete) {
        delete(&mut added, keys);
    }
    let leased = deeds.iter().flat_map(may_put);
    for put in leased.filter(|put| put.lease != 0) {
        added.remove(put.key.as_str());
    }
    for deed in deeds {
        lists_all(deed, &added)?;
    }
    Ok(())
}

/// Takes away the keys of a range. Each goes once, however many ranges hold it.
fn delete(added: &mut BTreeMap<&str, (usize, usize)>, keys: &Keys) {
    let from = (Bound::Included(keys.key.as_str()), Bound::Unbounded);
    loop {
        let first = added.range::<str, _>(from).next();
        let Some(key) = first.map(|(key, _)| *key).filter(|key| keys.hold(key)) else {
            return;
        };
        added.remove(key);
    }
}

/// Whether a list has all that had been added before it was called.
fn lists_all(deed: &Deed, added: &BTreeMap<&str, (usize, usize)>) -> Result<(), Breach> {
    let range = deed.range();
    let range = range.filter(|range| !range.serializable && range.revision == 0);
    let (Some(range), Some(Done::Range { kvs, count })) = (range, deed.done()) else {
        return Ok(());
    };
    if !range.keys.key.starts_with(SETS) || (kvs.len() as u64) < *count {
        return Ok(());
    }
    let mut shown = kvs.iter().peekable();
    let from = (Bound::Included(range.keys.key.as_str()), Bound::Unbounded);
    let elements = added.range::<str, _>(from);
    for (element, (answer, by)) in elements.take_while(|(key, _)| range.keys.hold(key)) {
        while shown.next_if(|kv| kv.key.as_str() < *element).is_some() {}
        let is_there = shown.peek().is_some_and(|kv| kv.key == *element);
        if *answer < deed.call && !is_there {
            let said = format!(
                "{element} was added, and a read of {} that was called afterwards does not show it.",
                range.keys
            );
            return Breach::of([*by, deed.id], said);
        }
    }
    Ok(())
}

/// The puts that were done without a lease.
fn puts<'a>(deed: &Deed, op: &'a Op) -> impl Iterator<Item = &'a Put> + use<'a> {
    let parts: &[TxnOp] = match (op, deed.done()) {
        (
            Op::Txn(txn),
            Some(Done::Txn {
                succeeded: true, ..
            }),
        ) => &txn.success,
        (Op::Txn(txn), _) => &txn.failure,
        _ => &[],
    };
    let whole = match op {
        Op::Put(put) => Some(put),
        _ => None,
    };
    let parts = parts.iter().filter_map(|part| match part {
        TxnOp::Put(put) => Some(put),
        _ => None,
    });
    whole.into_iter().chain(parts).filter(|put| put.lease == 0)
}

/// The parts of an operation that may have been done.
fn parts(deed: &Deed) -> impl Iterator<Item = &TxnOp> {
    let txn = match deed.op() {
        Some(Op::Txn(txn)) if deed.error().is_none() => Some(txn),
        _ => None,
    };
    txn.into_iter()
        .flat_map(|txn| txn.success.iter().chain(&txn.failure))
}

fn may_put(deed: &Deed) -> impl Iterator<Item = &Put> {
    let whole = match deed.op() {
        Some(Op::Put(put)) if deed.error().is_none() => Some(put),
        _ => None,
    };
    whole
        .into_iter()
        .chain(parts(deed).filter_map(|part| match part {
            TxnOp::Put(put) => Some(put),
            _ => None,
        }))
}

fn may_delete(deed: &Deed) -> impl Iterator<Item = &Keys> {
    let whole = match deed.op() {
        Some(Op::DeleteRange(delete)) if deed.error().is_none() => Some(delete),
        _ => None,
    };
    let parts = parts(deed).filter_map(|part| match part {
        TxnOp::DeleteRange(delete) => Some(delete),
        _ => None,
    });
    let all = whole.into_iter().chain(parts);
    all.map(|DeleteRange { keys, .. }| keys)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, delete, put, shown};
    use super::PROMISE;
    use crate::etcd::dialect::Ended;
    use stormglass_impls::etcd::words::{Ask, Done, Keys};

    fn added() -> Service {
        let mut service = Service::new(3);
        service.put(0, "sets/s/a", "");
        service.put(1, "sets/s/b", "");
        service.get(2, Keys::prefix("sets/s/"));
        service
    }

    fn without_last(ended: &mut Ended) {
        shown(ended).pop();
        if let Ok(Done::Range { count, .. }) = &mut ended.result {
            *count -= 1;
        }
    }

    #[test]
    fn all_elements_are_as_promised_and_one_that_is_missing_is_a_breach() {
        let mut service = added();
        service.keeps(PROMISE);
        service.lie(0, without_last);
        let breach = service.breaks(PROMISE, "sets/s/b was added");
        assert_eq!(breach.culprits, [1, 2]);
    }

    #[test]
    fn what_was_added_at_the_same_time_or_deleted_may_be_missing() {
        let mut service = Service::new(3);
        service.call(0, Ask::Write(put("sets/s/a", "", 0)));
        service.get(2, Keys::prefix("sets/s/"));
        service.apply(0);
        service.answer(0).unwrap();
        service.keeps(PROMISE);
        let mut service = added();
        service.lie(0, without_last);
        service.call(1, Ask::Write(delete(Keys::one("sets/s/b"))));
        service.lose(1);
        service.keeps(PROMISE);
    }
}
