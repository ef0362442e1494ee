//! What a resource outside a service took from those who held a lock of it.

use super::Breach;
use std::collections::BTreeMap;

/// A store that a resource took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// How many stores had reached the resource before.
    pub turn: u64,
    /// Which operation it was.
    pub deed: usize,
    /// What its client held the lock by: the number of the change that made its place.
    pub token: u64,
}

/// What resources took, by what protects them.
#[derive(Clone, Debug, Default)]
pub struct Stores<'a> {
    by_lock: BTreeMap<&'a str, Vec<Store>>,
}

impl<'a> Stores<'a> {
    /// Of these stores, each with the lock that is to protect it.
    pub fn of(taken: impl IntoIterator<Item = (&'a str, Store)>) -> Self {
        let mut by_lock: BTreeMap<&str, Vec<Store>> = BTreeMap::new();
        for (lock, store) in taken {
            by_lock.entry(lock).or_default().push(store);
        }
        for stores in by_lock.values_mut() {
            stores.sort_by_key(|store| store.turn);
        }
        Self { by_lock }
    }

    /// How many a resource took after it had taken one with a newer token, and how many it took at all.
    pub fn overtaken(&self) -> (u64, u64) {
        let (mut overtaken, mut all) = (0, 0);
        for stores in self.by_lock.values() {
            let mut newest = 0;
            for store in stores {
                overtaken += u64::from(store.token < newest);
                all += 1;
                newest = newest.max(store.token);
            }
        }
        (overtaken, all)
    }

    /// A resource that compares tokens takes none after a newer one.
    ///
    /// # Errors
    /// When one did. `shown` puts a token into words.
    pub fn in_order(&self, shown: impl Fn(u64) -> String) -> Result<(), Breach> {
        for (lock, stores) in &self.by_lock {
            let mut pairs = stores.windows(2);
            if let Some(pair) = pairs.find(|pair| pair[0].token > pair[1].token) {
                return Err(Breach {
                    culprits: vec![pair[0].deed, pair[1].deed],
                    explanation: format!(
                        "What {lock} protects took a store with token {}, and after it one with token {}.",
                        shown(pair[0].token),
                        shown(pair[1].token),
                    ),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(tokens: &[u64]) -> Stores<'static> {
        let store = |(turn, token): (usize, &u64)| Store {
            turn: turn as u64,
            deed: turn,
            token: *token,
        };
        // In which order they are told does not count.
        let taken = tokens.iter().enumerate().map(store).rev();
        Stores::of(taken.map(|store| ("lock", store)))
    }

    #[test]
    fn stores_that_come_too_late_are_counted_and_named() {
        assert_eq!(stores(&[3, 3, 5]).overtaken(), (0, 3));
        assert_eq!(
            stores(&[3, 3, 5]).in_order(|token| token.to_string()),
            Ok(())
        );
        let late = stores(&[3, 5, 4, 3, 6]);
        assert_eq!(late.overtaken(), (2, 5));
        let breach = late.in_order(|token| format!("no. {token}")).unwrap_err();
        assert_eq!(breach.culprits, [1, 2]);
        assert!(breach.explanation.contains("no. 5"), "{breach:?}");
    }
}
