//! The versions of registers: each value that a key was given.

use rustc_hash::FxHashMap;

use super::super::graph::NONE;
use super::super::records::{Fate, Function, Records};
use super::super::scalar::Scalar;
use crate::limits::{Meter, Reason};

/// Where a version comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The key was never written. Comes before all versions of the key.
    Initial,
    /// This access wrote it, and no other wrote that value to the key.
    Written(u32),
    /// It was written more than once, or it is `null` and was written. Nothing is concluded from it.
    Ambiguous,
}

/// Numbers for versions: first the initial one of each key, by the number of the key, then those written.
pub(super) struct Versions {
    pub(super) sources: Vec<Source>,
    pub(super) keys: Vec<u32>,
    /// The version that each access read or wrote; [`NONE`] for a value that nobody wrote.
    pub(super) of: Vec<u32>,
    /// What each transaction did with each of its keys, in order of transactions.
    pub(super) uses: Vec<Use>,
}

/// What one transaction did with one key. Versions are [`NONE`] where there is none, or none of which something can be concluded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    pub(super) transaction: u32,
    pub(super) key: u32,
    /// The version it read before it wrote the key.
    pub(super) read: u32,
    /// The access that read it.
    pub(super) read_access: u32,
    /// The version it wrote last.
    pub(super) written: u32,
    /// The access that wrote it, even if its version is ambiguous.
    pub(super) write_access: u32,
}

impl Use {
    /// The version it met first.
    pub(super) fn entry(&self) -> u32 {
        match self.read {
            NONE => self.written,
            read => read,
        }
    }

    /// The version it left.
    pub(super) fn exit(&self) -> u32 {
        match (self.write_access, self.read) {
            (NONE, read) => read,
            _ => self.written,
        }
    }
}

impl Versions {
    pub(super) fn of(records: &Records<'_>, meter: &mut Meter) -> Result<Self, Reason> {
        let keys = records.keys.len();
        let entry = size_of::<((u32, Scalar<'_>), u32)>() + size_of::<(Source, u32)>();
        let each = entry * 8 / 7 + size_of::<Use>() + 4;
        meter.take((records.accesses.len() * each + keys * 8) as u64)?;
        let mut numbers: FxHashMap<(u32, Scalar<'_>), u32> = FxHashMap::default();
        let mut versions = Self {
            sources: vec![Source::Initial; keys],
            keys: (0..keys as u32).collect(),
            of: vec![NONE; records.accesses.len()],
            uses: Vec::new(),
        };
        for (number, access) in (0_u32..).zip(&records.accesses) {
            if access.function != Function::Write {
                continue;
            }
            meter.step(1)?;
            let version = match access.value.is_null() {
                true => access.key,
                false => {
                    let next = versions.sources.len() as u32;
                    *numbers
                        .entry((access.key, Scalar::of(access.value)))
                        .or_insert(next)
                }
            };
            match versions.sources.get_mut(version as usize) {
                Some(source) => *source = Source::Ambiguous,
                None => {
                    versions.sources.push(Source::Written(number));
                    versions.keys.push(access.key);
                }
            }
            versions.of[number as usize] = version;
        }
        for (number, access) in (0_u32..).zip(&records.accesses) {
            if !access.is_read() {
                continue;
            }
            meter.step(1)?;
            versions.of[number as usize] = match access.value.is_null() {
                true => access.key,
                false => {
                    let entry = (access.key, Scalar::of(access.value));
                    numbers.get(&entry).copied().unwrap_or(NONE)
                }
            };
        }
        versions.gather_uses(records, meter)?;
        Ok(versions)
    }

    /// Where `version` comes from; nothing for a value that nobody wrote.
    pub(super) fn source(&self, version: u32) -> Option<Source> {
        self.sources.get(version as usize).copied()
    }

    /// `version`, if something can be concluded from it: not if it is ambiguous, garbage, or of an aborted transaction.
    fn usable(&self, records: &Records<'_>, version: u32) -> u32 {
        match self.source(version) {
            Some(Source::Initial) => version,
            Some(Source::Written(write))
                if records.fate(records.access(write).transaction) != Fate::Aborted =>
            {
                version
            }
            _ => NONE,
        }
    }

    fn gather_uses(&mut self, records: &Records<'_>, meter: &mut Meter) -> Result<(), Reason> {
        // The use of the key by the current transaction; stale when it names another one.
        let mut current = vec![NONE; records.keys.len()];
        for (number, access) in (0_u32..).zip(&records.accesses) {
            meter.step(1)?;
            let slot = &mut current[access.key as usize];
            let known = self
                .uses
                .get(*slot as usize)
                .is_some_and(|known| known.transaction == access.transaction);
            if !known {
                *slot = self.uses.len() as u32;
                self.uses.push(Use {
                    transaction: access.transaction,
                    key: access.key,
                    read: NONE,
                    read_access: NONE,
                    written: NONE,
                    write_access: NONE,
                });
            }
            let version = self.usable(records, self.of[number as usize]);
            let Some(of_key) = self.uses.get_mut(*slot as usize) else {
                continue;
            };
            if !access.is_read() {
                of_key.written = version;
                of_key.write_access = number;
            } else if of_key.read_access == NONE && of_key.write_access == NONE {
                of_key.read = version;
                of_key.read_access = number;
            }
        }
        Ok(())
    }
}
