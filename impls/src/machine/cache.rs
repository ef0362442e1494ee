//! The cache: keys and values, both text.

use super::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A map from keys to values. A key that was never put, or was deleted, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cache {
    entries: BTreeMap<String, String>,
}

/// A change to the cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Sets a key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: String,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: String,
    },
    /// Compares and sets: the key gets `new` if it holds `expected` (`None`: if it is absent).
    Cas {
        /// The key.
        key: String,
        /// What it must hold.
        expected: Option<String>,
        /// What it then gets.
        new: String,
    },
    /// Adds text at the end of a value; an absent key counts as empty.
    Append {
        /// The key.
        key: String,
        /// What is added.
        suffix: String,
    },
}

/// A question to the cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Query {
    /// What a key holds.
    Get {
        /// The key.
        key: String,
    },
}

/// What the cache answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Output {
    /// The change was made.
    Stored,
    /// A delete: whether the key was there.
    Deleted(bool),
    /// A compare-and-set found another value, and changed nothing.
    Mismatch,
    /// What the key holds.
    Value(Option<String>),
}

impl Machine for Cache {
    type Command = Command;
    type Query = Query;
    type Output = Output;

    fn apply(&mut self, _: u64, command: &Command) -> Output {
        match command {
            Command::Put { key, value } => {
                // In place where it can be: a node that comes back applies its whole log again, and most of that overwrites.
                match self.entries.get_mut(key) {
                    Some(held) => value.clone_into(held),
                    None => {
                        self.entries.insert(key.clone(), value.clone());
                    }
                }
                Output::Stored
            }
            Command::Delete { key } => Output::Deleted(self.entries.remove(key).is_some()),
            Command::Cas { key, expected, new } => {
                match (self.entries.get_mut(key), expected) {
                    (Some(held), Some(expected)) if held == expected => new.clone_into(held),
                    (None, None) => {
                        self.entries.insert(key.clone(), new.clone());
                    }
                    _ => return Output::Mismatch,
                }
                Output::Stored
            }
            Command::Append { key, suffix } => {
                self.entries
                    .entry(key.clone())
                    .or_default()
                    .push_str(suffix);
                Output::Stored
            }
        }
    }

    fn query(&self, query: &Query) -> Output {
        match query {
            Query::Get { key } => Output::Value(self.entries.get(key).cloned()),
        }
    }

    fn weight(command: &Command) -> u64 {
        let bytes = match command {
            Command::Put { key, value } => key.len() + value.len(),
            Command::Delete { key } => key.len(),
            Command::Cas { key, expected, new } => {
                key.len() + expected.as_ref().map_or(0, String::len) + new.len()
            }
            Command::Append { key, suffix } => key.len() + suffix.len(),
        };
        bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &Cache, key: &str) -> Option<String> {
        match cache.query(&Query::Get { key: key.into() }) {
            Output::Value(value) => value,
            other => panic!("a get answers with a value, not {other:?}"),
        }
    }

    #[test]
    fn each_command_does_what_it_says() {
        let mut cache = Cache::default();
        let key = || "k".to_string();
        assert_eq!(get(&cache, "k"), None);
        assert_eq!(
            cache.apply(
                1,
                &Command::Put {
                    key: key(),
                    value: "1".into()
                }
            ),
            Output::Stored
        );
        assert_eq!(
            cache.apply(
                1,
                &Command::Append {
                    key: key(),
                    suffix: "2".into()
                }
            ),
            Output::Stored
        );
        assert_eq!(get(&cache, "k").as_deref(), Some("12"));
        let refused = Command::Cas {
            key: key(),
            expected: Some("1".into()),
            new: "3".into(),
        };
        assert_eq!(cache.apply(1, &refused), Output::Mismatch);
        assert_eq!(
            get(&cache, "k").as_deref(),
            Some("12"),
            "a refused compare-and-set changes nothing"
        );
        let taken = Command::Cas {
            key: key(),
            expected: Some("12".into()),
            new: "3".into(),
        };
        assert_eq!(cache.apply(1, &taken), Output::Stored);
        assert_eq!(
            cache.apply(1, &Command::Delete { key: key() }),
            Output::Deleted(true)
        );
        assert_eq!(
            cache.apply(1, &Command::Delete { key: key() }),
            Output::Deleted(false)
        );
        let absent = Command::Cas {
            key: key(),
            expected: None,
            new: "4".into(),
        };
        assert_eq!(
            cache.apply(1, &absent),
            Output::Stored,
            "absence can be compared with"
        );
        assert_eq!(
            cache.apply(
                1,
                &Command::Append {
                    key: "l".into(),
                    suffix: "x".into()
                }
            ),
            Output::Stored
        );
        assert_eq!(
            get(&cache, "l").as_deref(),
            Some("x"),
            "an absent key counts as empty when appended to"
        );
    }
}
