//! A lock is held by whose key was made first, for as long as that is there.
//!
//! > On success, it will return a unique key that exists so long as the lock is held by the caller.
//! >
//! > *etcd concurrency API*, Lock
//!
//! The keys below a lock go with leases, and the one with the least create revision holds it at that revision. Who stores with what a lock protects has a
//! key there, made at the revision that is its token, and has seen itself to be the first. In real time two clients can think so at once, because a lease
//! may end unnoticed; that is what tokens are for, see [`FENCED`].
//!
//! Counterexample: the key of one client, made at 5, is there from 5 to 20, and another with token 8 stores after it has seen no more than revision 12.

use super::ground::Ground;
use super::locks::{Line, Processes};
use super::story::{Deed, Story};
use super::{Breach, Promise};
use crate::etcd::dialect::Asked;
use crate::promises::stores::{Store, Stores};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Op, Revision, TxnOp};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "lock",
    quote: "\"On success, it will return a unique key that exists so long as the lock is held by the caller\" (etcd concurrency API, Lock)",
    judge: holds,
};

/// A resource that compares tokens takes nothing from who held the lock before another did.
pub const FENCED: Promise = Promise {
    name: "fenced-lock",
    quote: "\"the storage server remembers that it has already processed a write with a higher token number (34), and so it rejects the request with \
            token 33\" (Kleppmann, How to do distributed locking)",
    judge: fenced,
};

/// How many stores a resource took after it had taken one with a newer token, and how many it took at all.
pub fn unsafe_stores(story: &Story) -> (u64, u64) {
    taken(story).overtaken()
}

/// The stores that were taken.
fn taken(story: &Story) -> Stores<'_> {
    Stores::of(story.deeds.iter().filter_map(|deed| {
        let stored = deed.ended.as_ref()?.stored.filter(|stored| stored.taken)?;
        let (lock, token) = store(deed)?;
        let store = Store {
            turn: stored.turn,
            deed: deed.id,
            token,
        };
        Some((lock, store))
    }))
}

/// The lock and the token of a store.
fn store(deed: &Deed) -> Option<(&str, Revision)> {
    match &deed.asked {
        Asked::Store { lock, token, .. } => Some((lock, *token)),
        _ => None,
    }
}

fn fenced(ground: &Ground<'_>) -> Result<(), Breach> {
    holds(ground)?;
    taken(ground.story).in_order(|token| token.to_string())
}

fn holds(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    if !story.deeds.iter().any(|deed| store(deed).is_some()) {
        return Ok(());
    }
    one_client_a_token(story)?;
    let facts = ground.facts();
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let mut seen: BTreeMap<u64, Revision> = BTreeMap::new();
    for deed in &story.deeds {
        if let Some((lock, token)) = store(deed) {
            made_by_key(ground, deed, lock, token)?;
            let line = lines.entry(lock).or_insert_with(|| Line::of(facts, lock));
            let own = seen.get(&deed.process).copied().unwrap_or(0);
            let made_it = facts.ledger.owner(token);
            let made_it = made_it.map(|maker| &story.deeds[maker]);
            let is_own =
                made_it.is_some_and(|maker| maker.process == deed.process && maker.ended.is_some());
            // A client that was another process before may have seen then whatever anybody had.
            let newest = if is_own {
                own
            } else {
                facts.ledger.floor(deed.id).0
            };
            was_first(deed, line, (lock, token), newest, facts.keys.as_slice())?;
        }
        let newest = seen.entry(deed.process).or_default();
        *newest = deed.newest().unwrap_or(0).max(*newest);
    }
    Ok(())
}

/// The change that has the token's revision puts a key below the lock.
fn made_by_key(
    ground: &Ground<'_>,
    deed: &Deed,
    lock: &str,
    token: Revision,
) -> Result<(), Breach> {
    let Some(owner) = ground.facts().ledger.owner(token) else {
        return Ok(());
    };
    let name = lock.trim_end_matches('/');
    let is_below = |key: &str| {
        let below = key.strip_prefix(name);
        below.is_some_and(|below| below.starts_with('/'))
    };
    let puts = match ground.story.deeds[owner].op() {
        Some(Op::Put(put)) => is_below(&put.key),
        Some(Op::Txn(txn)) => txn
            .success
            .iter()
            .chain(&txn.failure)
            .any(|part| matches!(part, TxnOp::Put(put) if is_below(&put.key))),
        _ => false,
    };
    match puts {
        true => Ok(()),
        false => {
            let said = format!(
                "Somebody stored with token {token} of {lock}, and no key of it was made then."
            );
            Breach::of([owner, deed.id], said)
        }
    }
}

/// There is a revision, up to the newest that it had seen, at which no key was ahead of its own.
fn was_first(
    deed: &Deed,
    line: &Line,
    (lock, token): (&str, Revision),
    newest: Revision,
    keys: &[&str],
) -> Result<(), Breach> {
    let mut at = token;
    let mut ahead = None;
    while at <= newest {
        let Some(place) = line.ahead(token, at) else {
            return Ok(());
        };
        ahead = Some(place);
        at = place.until.saturating_add(1);
    }
    let Some(place) = ahead else {
        return Ok(());
    };
    let said = format!(
        "Somebody stored with token {token} of {lock} that had seen no more than revision {newest}, and {}, made at revision {}, was ahead of it until revision {} at least.",
        keys[place.key],
        place.create,
        place.until.min(newest)
    );
    Breach::of([deed.id].into_iter().chain(place.by), said)
}

fn one_client_a_token(story: &Story) -> Result<(), Breach> {
    let processes = Processes::of(story);
    let mut users: BTreeMap<(&str, Revision), &Deed> = BTreeMap::new();
    for deed in &story.deeds {
        let Some(used) = store(deed) else {
            continue;
        };
        let user = *users.entry(used).or_insert(deed);
        if processes.are_others(user.process, deed.process) {
            let said = format!(
                "Processes {} and {} both stored with token {} of {}.",
                user.process, deed.process, used.1, used.0
            );
            return Breach::of([user.id, deed.id], said);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, delete, grant, put};
    use super::{FENCED, PROMISE, unsafe_stores};
    use stormglass_impls::etcd::words::{Keys, Revision};

    /// Clients 1 and 2 have keys of the lock, made at revisions 2 and 3.
    fn two() -> (Service, [Revision; 2]) {
        let mut service = Service::new(3);
        let tokens = [1, 2].map(|client| {
            let lease = client as u64;
            service.write(client, grant(lease, 900)).unwrap();
            let key = format!("locks/l/{lease}");
            service.write(client, put(&key, "", lease)).unwrap();
            service.now()
        });
        (service, tokens)
    }

    /// The first has given the lock back, and the second has seen that.
    fn passed_on() -> (Service, [Revision; 2]) {
        let (mut service, tokens) = two();
        service.write(1, delete(Keys::one("locks/l/1"))).unwrap();
        service.get(2, Keys::prefix("locks/l/"));
        (service, tokens)
    }

    #[test]
    fn a_lock_that_passes_from_one_to_the_next_is_as_promised() {
        let (mut service, [older, newer]) = two();
        service.store_with(1, older, (true, 0));
        service.write(1, delete(Keys::one("locks/l/1"))).unwrap();
        service.get(2, Keys::prefix("locks/l/"));
        service.store_with(2, newer, (true, 1));
        service.keeps(PROMISE);
        service.keeps(FENCED);
    }

    #[test]
    fn a_store_by_who_is_not_the_first_is_a_breach() {
        let (mut service, [_, newer]) = two();
        service.get(2, Keys::prefix("locks/l/"));
        service.store_with(2, newer, (true, 0));
        service.breaks(PROMISE, "was ahead of it");
    }

    #[test]
    fn a_token_that_is_no_key_s_or_another_s_is_a_breach() {
        let (mut service, [older, _]) = two();
        service.put(0, "x", "");
        let other = service.now();
        service.store_with(0, other, (true, 0));
        service.breaks(PROMISE, "no key of it was made then");
        let (mut service, _) = two();
        service.store_with(1, older, (true, 0));
        service.store_with(2, older, (true, 1));
        service.store_with(1, older, (true, 2));
        service.breaks(PROMISE, "both stored with token");
    }

    #[test]
    fn stores_with_older_tokens_are_counted_and_no_resource_with_fencing_takes_them() {
        let (mut service, [older, newer]) = passed_on();
        service.store_with(1, older, (true, 0));
        service.store_with(2, newer, (true, 1));
        service.store_with(1, older, (false, 2));
        service.keeps(FENCED);
        assert_eq!(unsafe_stores(&service.story()), (0, 2));
        service.store_with(1, older, (true, 3));
        service.keeps(PROMISE);
        service.breaks(
            FENCED,
            "took a store with token 3, and after it one with token 2",
        );
        assert_eq!(unsafe_stores(&service.story()), (1, 3));
    }
}
