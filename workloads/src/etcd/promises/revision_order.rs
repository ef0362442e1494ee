//! All changes form one history by revision, and everything that is seen is seen of it.
//!
//! > KV Service operations are atomic and occur in a total order, consistent with real-time order of those operations. Total order is implied through
//! > revision.
//! >
//! > *etcd API guarantees*, Strict serializability
//!
//! What is judged is the state at each revision: keys, values, versions, revisions and leases as they were shown by reads, by what was there before a put,
//! by transactions and by watches; which branch a transaction took; how many keys were deleted; and that every revision is somebody's. The order in time is
//! [`revisions_grow`](super::revisions_grow).
//!
//! Counterexample: `a` is set at revision 5 and answered; at revision 7 it is read as it was set at 3, and nobody set it in between.

mod comparisons;
mod explained;

use super::facts::lists;
use super::ground::Ground;
use super::{Breach, Promise};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "revision-order",
    quote: "\"KV Service operations are atomic and occur in a total order, consistent with real-time order of those operations. Total order is implied \
            through revision\" (etcd API guarantees, Strict serializability)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let facts = ground.facts();
    if let Some(breach) = &facts.contradiction {
        return Err(breach.clone());
    }
    lists::judge(facts, &facts.lists)?;
    comparisons::judge(ground)?;
    explained::judge(ground)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, a_put, delete, equal, put, shown, txn};
    use super::PROMISE;
    use stormglass_impls::etcd::words::{Ask, Done, Keys, Target, TxnOp};

    /// `a` is set twice, and `b` once: revisions 2 to 4.
    fn three() -> Service {
        let mut service = Service::new(3);
        for (key, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
            service.put(0, key, value);
        }
        service
    }

    #[test]
    fn what_is_seen_of_one_history_is_as_promised() {
        let mut service = three();
        service.get(1, Keys::one("a"));
        service.get(1, Keys::from("a"));
        service.write(2, delete(Keys::one("a"))).unwrap();
        service.get(0, Keys::from("a"));
        service.keeps(PROMISE);
    }

    #[test]
    fn a_lost_write_is_a_breach() {
        let mut service = three();
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| {
            let kv = &mut shown(ended)[0];
            (kv.value, kv.mod_revision, kv.version) = ("1".to_string(), 2, 1);
        });
        let breach = service.breaks(PROMISE, "was still as it was set at revision 2");
        assert_eq!(breach.culprits, [2, 3]);
    }

    #[test]
    fn a_key_that_vanishes_is_a_breach() {
        let mut service = three();
        service.get(1, Keys::one("b"));
        service.lie(0, |ended| {
            let (kvs, count) = (Vec::new(), 0);
            ended.result = Ok(Done::Range { kvs, count });
        });
        service.breaks(PROMISE, "nothing deleted it");
        // Somebody may have: who knows.
        let mut service = three();
        service.call(2, Ask::Write(delete(Keys::one("b"))));
        service.apply(2);
        service.lose(2);
        service.get(1, Keys::one("b"));
        service.keeps(PROMISE);
    }

    #[test]
    fn a_list_that_lacks_a_key_or_counts_another_is_a_breach() {
        let mut service = three();
        service.get(1, Keys::from("a"));
        service.lie(0, |ended| {
            if let Ok(Done::Range { kvs, count }) = &mut ended.result {
                kvs.pop();
                *count -= 1;
            }
        });
        service.breaks(PROMISE, "b was there from revision 3");
    }

    #[test]
    fn numbers_that_do_not_fit_are_breaches() {
        let mut service = three();
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| shown(ended)[0].version = 3);
        service.breaks(PROMISE, "of version 3 when it was set at revision 4");
        let mut service = three();
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| shown(ended)[0].create_revision = 3);
        service.breaks(PROMISE, "the change of that revision did not set it");
        let mut service = three();
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| shown(ended)[0].version = 1);
        service.breaks(PROMISE, "its version and its revisions do not fit");
    }

    #[test]
    fn the_wrong_branch_is_a_breach() {
        let mut service = three();
        let part = |value| vec![TxnOp::Put(a_put("a", value, 0))];
        let compare = vec![equal("b", Target::ModRevision(3))];
        let op = txn(compare, part("yes"), part("no"));
        service.write(1, op).unwrap();
        service.keeps(PROMISE);
        service.lie(0, |ended| {
            if let Ok(Done::Txn { succeeded, .. }) = &mut ended.result {
                *succeeded = false;
            }
        });
        service.breaks(PROMISE, "and that held");
    }

    #[test]
    fn a_revision_that_nobody_made_is_a_breach() {
        let mut service = three();
        service.store.apply(None, &put("a", "?", 0), 0).unwrap();
        service.put(1, "b", "4");
        service.breaks(PROMISE, "nothing can have happened");
        let mut service = three();
        service.call(2, Ask::Write(put("c", "?", 0)));
        service.lose(2);
        service.store.apply(None, &put("c", "?", 0), 0).unwrap();
        service.put(1, "b", "4");
        service.keeps(PROMISE);
        // What was asked once is done once.
        service.get(1, Keys::one("c"));
        service.store.apply(None, &put("c", "?", 0), 0).unwrap();
        service.get(1, Keys::one("c"));
        service.breaks(PROMISE, "done twice");
    }
}
