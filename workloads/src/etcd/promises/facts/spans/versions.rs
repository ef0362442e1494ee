//! The versions of a key, by when they were set, and the lives that they belong to.

use super::{Key, Version};
use crate::etcd::promises::Breach;
use crate::etcd::promises::facts::Shown;
use std::collections::BTreeSet;
use stormglass_impls::etcd::words::Revision;

/// All that is known of one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a> {
    pub(super) version: Version<'a>,
    /// Until when it was so for certain.
    pub(super) until: Revision,
    /// Who was shown it until then.
    pub(super) by: usize,
    /// Whether somebody is known to have set it so.
    is_put: bool,
}

/// From when to when a key was there without being deleted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) create: Revision,
    pub(super) until: Revision,
    /// Who was shown it until then.
    pub(super) by: usize,
}

impl<'a> Group<'a> {
    fn of(shown: &Shown<'a>) -> Self {
        let kv = shown.kv;
        let put = shown.put;
        Self {
            version: Version {
                set: shown.set,
                create: kv.map(|kv| kv.create_revision),
                version: kv.map(|kv| kv.version),
                value: kv
                    .map(|kv| kv.value.as_str())
                    .or(put.map(|(value, _)| value)),
                lease: kv.map(|kv| kv.lease).or(put.map(|(_, lease)| lease)),
            },
            until: shown.until,
            by: shown.by,
            is_put: put.is_some(),
        }
    }

    /// Whether the same version can be both; what is known of it then.
    fn join(&mut self, other: &Group<'a>) -> bool {
        let (own, more) = (&mut self.version, &other.version);
        let fits = agree(own.create, more.create)
            && agree(own.version, more.version)
            && agree(own.value, more.value)
            && agree(own.lease, more.lease);
        own.create = own.create.or(more.create);
        own.version = own.version.or(more.version);
        own.value = own.value.or(more.value);
        own.lease = own.lease.or(more.lease);
        if other.until >= self.until {
            (self.until, self.by) = (other.until, other.by);
        }
        self.is_put |= other.is_put;
        fits
    }
}

fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

impl<'a> Key<'_, 'a> {
    /// What was seen, by when it was set. A version is over when the next one is set.
    pub(super) fn groups(&self) -> Result<Vec<Group<'a>>, Breach> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for shown in &self.known.shown {
            let group = Group::of(shown);
            let Some(last) = groups.last_mut() else {
                groups.push(group);
                continue;
            };
            if last.version.set == shown.set {
                let before = *last;
                if !last.join(&group) {
                    let said = format!(
                        "was set once at revision {}, and was shown both as {} and as {}.",
                        shown.set,
                        in_words(&before.version),
                        in_words(&group.version)
                    );
                    return self.breach([before.by, group.by], said);
                }
            } else if last.until >= shown.set {
                let said = format!(
                    "was still as it was set at revision {} at revision {}, but was set anew at revision {}.",
                    last.version.set, last.until, shown.set
                );
                return self.breach([last.by, group.by], said);
            } else {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    /// The lives of the key. One is over before the next begins.
    pub(super) fn lives(&self, groups: &[Group<'a>]) -> Result<Vec<Life>, Breach> {
        let mut lives: Vec<Life> = Vec::new();
        for group in groups {
            let Some(create) = group.version.create else {
                continue;
            };
            let (until, by) = (group.until, group.by);
            match lives.last_mut() {
                Some(last) if last.create == create => (last.until, last.by) = (until, by),
                // Right before it is made it is not there.
                Some(last) if last.until + 1 >= create => {
                    let said = format!(
                        "was made at revision {} and still there at revision {}, but was made anew at revision {create}.",
                        last.create, last.until
                    );
                    return self.breach([last.by, by], said);
                }
                _ => lives.push(Life { create, until, by }),
            }
        }
        Ok(lives)
    }

    /// Somebody set each version, and made each life.
    pub(super) fn written(&self, groups: &[Group<'a>], lives: &[Life]) -> Result<(), Breach> {
        let set_at = |at: Revision| {
            let place = groups.partition_point(|group| group.version.set < at);
            groups.get(place).filter(|group| group.version.set == at)
        };
        let mut needed: BTreeSet<(Revision, usize)> = BTreeSet::new();
        needed.extend(groups.iter().map(|group| (group.version.set, group.by)));
        needed.extend(lives.iter().map(|life| (life.create, life.by)));
        for (at, by) in needed {
            let group = set_at(at);
            if group.is_some_and(|group| group.is_put) {
                continue;
            }
            if let Some(owner) = self.ledger.owner(at) {
                let said = format!(
                    "was set at revision {at}, and the change of that revision did not set it."
                );
                return self.breach([owner, by], said);
            }
            let version = group.map(|group| &group.version);
            let put = version.and_then(|version| version.value.zip(version.lease));
            let fits = match put {
                Some(put) => !self.known.may_have_set(put, at).is_empty(),
                None => self.put_floor < at,
            };
            if !fits {
                let said = format!("was set at revision {at}, and nobody can have done that.");
                return self.breach([by], said);
            }
        }
        Ok(())
    }

    /// Each version counts the sets before it.
    pub(super) fn counted(&self, groups: &mut [Group<'a>], lives: &[Life]) -> Result<(), Breach> {
        for life in lives {
            let from = groups.partition_point(|group| group.version.set < life.create);
            let to = groups.partition_point(|group| group.version.set <= life.until);
            // The last version that is known, when it was set, and who knows.
            let (mut number, mut set, mut by) = (1, life.create, life.by);
            let mut sets = 0;
            for group in &mut groups[from..to] {
                sets += u64::from(group.version.set > set);
                let unknown = self.gaps_between(set, group.version.set);
                let exact = (unknown == 0).then_some(number + sets);
                let Some(version) = group.version.version else {
                    group.version.version = exact;
                    continue;
                };
                if version < number + sets || version > number + sets + unknown {
                    let said = format!(
                        "was of version {number} when it was set at revision {set}, and of version {version} when it was set at revision {}; in between it was set {} times.",
                        group.version.set,
                        match unknown {
                            0 => (sets.saturating_sub(1)).to_string(),
                            more => format!("{} to {}", sets.saturating_sub(1), sets + more - 1),
                        }
                    );
                    return self.breach([by, group.by], said);
                }
                (number, set, by, sets) = (version, group.version.set, group.by, 0);
            }
        }
        Ok(())
    }

    /// At how many revisions between these two it may have been set without anybody being known to have done it.
    fn gaps_between(&self, from: Revision, to: Revision) -> u64 {
        let from = from.max(self.put_floor);
        match to.checked_sub(1).filter(|last| *last > from) {
            Some(last) => self.ledger.gaps_up_to(last) - self.ledger.gaps_up_to(from),
            None => 0,
        }
    }

    /// Where it was seen to be deleted somebody did it, or a lease ended.
    pub(super) fn deleted_by_somebody(&self) -> Result<(), Breach> {
        for (at, by) in &self.known.deleted {
            match self.ledger.owner(*at) {
                Some(owner) => {
                    let cleared = (*at, owner);
                    if self.known.cleared.binary_search(&cleared).is_err() {
                        let said = format!(
                            "was deleted at revision {at}, and the change of that revision did not delete it."
                        );
                        return self.breach([owner, *by], said);
                    }
                }
                None if self.delete_floor.min(self.lease_floor) >= *at => {
                    let said =
                        format!("was deleted at revision {at}, and nobody can have done that.");
                    return self.breach([*by], said);
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// A version, as far as it is known.
fn in_words(version: &Version<'_>) -> String {
    let mut words = Vec::new();
    words.extend(version.value.map(|value| format!("holding {value:?}")));
    words.extend(version.create.map(|at| format!("made at revision {at}")));
    words.extend(version.version.map(|number| format!("of version {number}")));
    words.extend(version.lease.map(|lease| format!("with lease {lease}")));
    words.join(", ")
}
