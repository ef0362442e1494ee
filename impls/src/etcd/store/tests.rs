use super::*;

const RULES: StateRules = StateRules::DOCUMENTED;

/// What somebody would write down who keeps every store there ever was.
#[derive(Clone, Default)]
struct Diary {
    /// By revision: all keys that are there.
    stores: BTreeMap<Revision, BTreeMap<String, KeyValue>>,
}

impl Diary {
    fn at(&self, revision: Revision) -> BTreeMap<String, KeyValue> {
        let known = self.stores.range(..=revision).next_back();
        known.map_or_else(BTreeMap::new, |(_, store)| store.clone())
    }
}

/// A small generator: the same numbers every time.
struct Lots(u64);

impl Lots {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn all() -> Keys {
    Keys::from("a")
}

fn shown(store: &Store, revision: Revision) -> Vec<KeyValue> {
    store.range(&all(), revision).cloned().collect()
}

/// Random changes, and now and then a compaction; in the end the store still knows all that is not compacted, as does one that was read from its
/// stored form.
#[test]
fn every_revision_that_is_not_compacted_is_as_it_was() {
    for seed in 0..200 {
        let mut lots = Lots(seed);
        let (mut store, mut diary) = (Store::default(), Diary::default());
        for _ in 0..60 {
            let revision = store.next_revision();
            let mut keys = diary.at(revision);
            for key in ["a", "b", "c"] {
                match lots.below(4) {
                    0 => {
                        let (value, lease) = (format!("{revision}"), lots.below(3));
                        store.put(key, &value, lease, revision);
                        let before = keys.get(key);
                        let kv = KeyValue {
                            key: key.to_string(),
                            value,
                            create_revision: before.map_or(revision, |kv| kv.create_revision),
                            mod_revision: revision,
                            version: before.map_or(1, |kv| kv.version + 1),
                            lease,
                        };
                        keys.insert(key.to_string(), kv);
                    }
                    1 => {
                        store.delete(key, revision);
                        keys.remove(key);
                    }
                    _ => {}
                }
            }
            if keys == diary.at(revision) {
                continue;
            }
            if lots.below(6) == 0 {
                store.undo(revision);
                continue;
            }
            store.complete(revision);
            diary.stores.insert(revision, keys);
            if lots.below(8) == 0 && store.compacted() < revision {
                let span = revision - store.compacted();
                store.compact(store.compacted() + 1 + lots.below(span), &RULES);
            }
        }
        let bytes = postcard::to_allocvec(&store).unwrap();
        let mut stored: Store = postcard::from_bytes(&bytes).unwrap();
        stored.settle_in(&RULES);
        assert_eq!(stored, store, "seed {seed}");
        assert_eq!(store.digest(), store.digest_anew());
        for revision in store.compacted()..=store.revision() {
            let expected: Vec<KeyValue> = diary.at(revision).into_values().collect();
            assert_eq!(shown(&store, revision), expected, "seed {seed} @{revision}");
        }
        for revision in store.compacted().max(2)..=store.revision() {
            let (now, before) = (diary.at(revision), diary.at(revision - 1));
            let told: Vec<Change> = store.changes(&all(), revision).collect();
            let changed = |key: &&str| now.get(*key) != before.get(*key);
            let keys: Vec<&str> = ["a", "b", "c"].into_iter().filter(changed).collect();
            let told_keys: Vec<&str> = told.iter().map(|change| change.kv.key.as_str()).collect();
            assert_eq!(told_keys, keys, "seed {seed} @{revision}");
            for change in &told {
                let key = &change.kv.key;
                assert_eq!(change.kv.version > 0, now.contains_key(key));
                if revision > store.compacted() {
                    assert_eq!(change.prev_kv.as_ref(), before.get(key));
                }
            }
        }
        let everything = all();
        let now = store.range(&everything, store.revision());
        let leased = now.filter(|kv| kv.lease == 1);
        let leased: Vec<&String> = leased.map(|kv| &kv.key).collect();
        assert_eq!(store.keys_of(1).collect::<Vec<_>>(), leased);
    }
}

#[test]
fn a_store_whose_newest_deletion_is_compacted_away_keeps_its_revision() {
    let mut store = Store::default();
    store.put("a", "1", 0, 2);
    store.complete(2);
    store.delete("a", 3);
    store.complete(3);
    store.put("b", "1", 0, 4);
    store.complete(4);
    store.delete("b", 5);
    store.complete(5);
    store.compact(4, &RULES);
    store.compact(5, &RULES);
    let revision_of = |rules: &StateRules| {
        let bytes = postcard::to_allocvec(&store).unwrap();
        let mut stored: Store = postcard::from_bytes(&bytes).unwrap();
        stored.settle_in(rules);
        stored.revision()
    };
    assert_eq!(revision_of(&RULES), 5);
    let forgets = crate::etcd::mutants::rules("etcd/revision-decreases").unwrap();
    assert_eq!(revision_of(&forgets.state), FIRST_REVISION);
}
