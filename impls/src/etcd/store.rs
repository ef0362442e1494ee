//! The keys, with what they were at every revision that is not compacted.
//!
//! A key has a list of *versions*, oldest first; one of version 0 says that it was deleted. The revision and what else can be found out from the
//! versions is not stored with them: whoever reads a store from its stored form [settles it in](Store::settle_in).

use super::rules::StateRules;
use super::words::{Change, KeyValue, Keys, LeaseId, Revision, TO_THE_END};
use crate::fnv::Fnv;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;

/// The revision of a store into which nothing was ever put.
pub const FIRST_REVISION: Revision = 1;

/// The newest revisions of what is stored.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    /// At which a key was set.
    pub set: Revision,
    /// At which a key was deleted.
    pub deleted: Revision,
}

impl Default for Newest {
    fn default() -> Self {
        Self {
            set: FIRST_REVISION,
            deleted: FIRST_REVISION,
        }
    }
}

impl Newest {
    fn see(&mut self, version: &KeyValue) {
        let newest = match version.version {
            0 => &mut self.deleted,
            _ => &mut self.set,
        };
        *newest = version.mod_revision.max(*newest);
    }
}

/// All keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Store {
    versions: BTreeMap<String, Vec<KeyValue>>,
    /// What keys were before this revision is forgotten. 0: nothing is.
    compacted: Revision,
    /// The newest revision.
    #[serde(skip)]
    revision: Revision,
    /// Which keys changed at which revision, from `compacted` on.
    #[serde(skip)]
    changed: BTreeMap<Revision, BTreeSet<String>>,
    /// Which keys go with which lease.
    #[serde(skip)]
    attached: BTreeMap<LeaseId, BTreeSet<String>>,
    /// The sum of what the versions hash to.
    #[serde(skip)]
    digest: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            versions: BTreeMap::new(),
            compacted: 0,
            revision: FIRST_REVISION,
            changed: BTreeMap::new(),
            attached: BTreeMap::new(),
            digest: 0,
        }
    }
}

impl Store {
    /// Finds out what is not stored: which revision this is, what changed when, which keys go with which lease.
    pub(super) fn settle_in(&mut self, rules: &StateRules) {
        self.changed.clear();
        self.attached.clear();
        let (mut newest, mut digest) = (Newest::default(), 0_u64);
        for (key, versions) in &self.versions {
            for (at, version) in versions.iter().enumerate() {
                newest.see(version);
                digest = digest.wrapping_add(hash_of(version));
                let is_told = (rules.restores)(version, at == 0);
                if version.mod_revision >= self.compacted && is_told {
                    let keys = self.changed.entry(version.mod_revision).or_default();
                    keys.insert(key.clone());
                }
            }
            let lease = versions.last().map_or(0, |version| version.lease);
            if lease != 0 {
                let keys = self.attached.entry(lease).or_default();
                keys.insert(key.clone());
            }
        }
        self.revision = (rules.restored_revision)(newest, self.compacted);
        self.digest = digest;
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What keys were before this revision is forgotten. 0: nothing is.
    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    /// A number that is equal for equal stores, and hardly ever for others.
    pub fn digest(&self) -> u64 {
        let mut hasher = Fnv::default();
        (self.digest, self.compacted, self.revision).hash(&mut hasher);
        hasher.finish()
    }

    /// The same anew, from the versions alone.
    pub fn digest_anew(&self) -> u64 {
        let versions = self.versions.values().flatten();
        let digest = versions.fold(0_u64, |sum, version| sum.wrapping_add(hash_of(version)));
        let mut hasher = Fnv::default();
        (digest, self.compacted, self.revision).hash(&mut hasher);
        hasher.finish()
    }

    /// How many versions there are, of all keys together.
    pub fn len(&self) -> usize {
        self.versions.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The keys that go with a lease, in order.
    pub fn keys_of(&self, lease: LeaseId) -> impl Iterator<Item = &String> {
        self.attached.get(&lease).into_iter().flatten()
    }

    /// A key as it is now, if it is there.
    pub fn get(&self, key: &str) -> Option<&KeyValue> {
        self.as_of(key, self.revision)
    }

    /// A key as it was at a revision, if it was there. Nobody knows what it was before the last compaction.
    fn as_of(&self, key: &str, revision: Revision) -> Option<&KeyValue> {
        newest_of(self.versions.get(key)?, revision)
    }

    /// Some keys as they were at a revision, in order: those that were there.
    pub fn range<'a>(
        &'a self,
        keys: &'a Keys,
        revision: Revision,
    ) -> impl Iterator<Item = &'a KeyValue> + 'a {
        let versions = self.versions_of(keys);
        versions.filter_map(move |(_, versions)| newest_of(versions, revision))
    }

    fn versions_of<'a>(
        &'a self,
        keys: &'a Keys,
    ) -> impl Iterator<Item = (&'a String, &'a Vec<KeyValue>)> + 'a {
        let from = Bound::Included(keys.key.as_str());
        let to = match keys.range_end.as_deref() {
            None => Bound::Included(keys.key.as_str()),
            Some(TO_THE_END) => Bound::Unbounded,
            Some(end) => Bound::Excluded(end),
        };
        // A range that ends before it begins has nothing in it.
        let sound = keys
            .range_end
            .as_deref()
            .is_none_or(|end| end == TO_THE_END || end > keys.key.as_str());
        let found = sound.then(|| self.versions.range::<str, _>((from, to)));
        found.into_iter().flatten()
    }

    /// What happened to some keys at a revision, in the order of the keys. What a key was before is told where that is not compacted.
    pub fn changes<'a>(
        &'a self,
        keys: &'a Keys,
        revision: Revision,
    ) -> impl Iterator<Item = Change> + 'a {
        let changed = self.changed.get(&revision).into_iter().flatten();
        let changed = changed.filter(move |key| keys.hold(key));
        changed.filter_map(move |key| {
            let versions = self.versions.get(key)?;
            let at = versions.partition_point(|version| version.mod_revision < revision);
            let kv = versions.get(at)?;
            if kv.mod_revision != revision {
                return None;
            }
            let kv = kv.clone();
            let before = revision - 1;
            let prev_kv = (before >= self.compacted)
                .then(|| newest_of(versions, before).cloned())
                .flatten();
            Some(Change { kv, prev_kv })
        })
    }

    /// A new revision begins: what is changed from here on is changed at it.
    pub(super) fn next_revision(&self) -> Revision {
        self.revision + 1
    }

    /// Nothing but the number grows: what was before it is compacted.
    pub(super) fn mark(&mut self, revision: Revision) {
        (self.revision, self.compacted) = (revision, revision);
        self.changed = self.changed.split_off(&revision);
    }

    /// A revision is complete.
    pub(super) fn complete(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Sets a key at a revision.
    pub(super) fn put(&mut self, key: &str, value: &str, lease: LeaseId, revision: Revision) {
        let before = self.as_of(key, revision);
        let (create_revision, version) = match before {
            Some(before) => (before.create_revision, before.version + 1),
            None => (revision, 1),
        };
        self.add(KeyValue {
            key: key.to_string(),
            value: value.to_string(),
            create_revision,
            mod_revision: revision,
            version,
            lease,
        });
    }

    /// Deletes a key at a revision, if it is there.
    pub(super) fn delete(&mut self, key: &str, revision: Revision) {
        if self.as_of(key, revision).is_some() {
            self.add(KeyValue {
                key: key.to_string(),
                value: String::new(),
                create_revision: 0,
                mod_revision: revision,
                version: 0,
                lease: 0,
            });
        }
    }

    fn add(&mut self, version: KeyValue) {
        let versions = self.versions.entry(version.key.clone()).or_default();
        let lease_before = versions.last().map_or(0, |before| before.lease);
        let key = version.key.clone();
        if lease_before != version.lease {
            detach(&mut self.attached, lease_before, &key);
            if version.lease != 0 {
                let keys = self.attached.entry(version.lease).or_default();
                keys.insert(key.clone());
            }
        }
        let changed = self.changed.entry(version.mod_revision).or_default();
        changed.insert(key);
        self.digest = self.digest.wrapping_add(hash_of(&version));
        versions.push(version);
    }

    /// Takes back everything that was done at a revision that is not complete.
    pub(super) fn undo(&mut self, revision: Revision) {
        for key in self.changed.remove(&revision).unwrap_or_default() {
            let Some(versions) = self.versions.get_mut(&key) else {
                continue;
            };
            let kept = versions.partition_point(|version| version.mod_revision < revision);
            let lease = versions.last().map_or(0, |version| version.lease);
            for gone in versions.drain(kept..) {
                self.digest = self.digest.wrapping_sub(hash_of(&gone));
            }
            let lease_again = versions.last().map_or(0, |version| version.lease);
            if versions.is_empty() {
                self.versions.remove(&key);
            }
            if lease != lease_again {
                detach(&mut self.attached, lease, &key);
                if lease_again != 0 {
                    self.attached.entry(lease_again).or_default().insert(key);
                }
            }
        }
    }

    /// Forgets what keys were before a revision.
    pub(super) fn compact(&mut self, revision: Revision, rules: &StateRules) {
        self.compacted = revision;
        self.changed = self.changed.split_off(&revision);
        let digest = &mut self.digest;
        self.versions.retain(|_, versions| {
            let older = versions.partition_point(|version| version.mod_revision <= revision);
            let Some(newest) = older.checked_sub(1) else {
                return true;
            };
            let keeps = (rules.keeps_newest)(&versions[newest], revision);
            let forgotten = if keeps { newest } else { older };
            for gone in versions.drain(..forgotten) {
                *digest = digest.wrapping_sub(hash_of(&gone));
            }
            !versions.is_empty()
        });
    }
}

/// The newest of a key's versions up to a revision, if the key was there.
fn newest_of(versions: &[KeyValue], revision: Revision) -> Option<&KeyValue> {
    let up_to = versions.partition_point(|version| version.mod_revision <= revision);
    let newest = versions[..up_to].last()?;
    (newest.version > 0).then_some(newest)
}

fn detach(attached: &mut BTreeMap<LeaseId, BTreeSet<String>>, lease: LeaseId, key: &str) {
    if let Some(keys) = attached.get_mut(&lease) {
        keys.remove(key);
        if keys.is_empty() {
            attached.remove(&lease);
        }
    }
}

fn hash_of(version: &KeyValue) -> u64 {
    let mut hasher = Fnv::default();
    version.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
