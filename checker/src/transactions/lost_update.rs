//! Lost updates: several transactions read one version of a key and then wrote that key.
//!
//! Whichever of them wrote first, the others overwrote a version they had not seen: an anti-dependency one way and a write the other.

use serde_json::Value;

use super::anomaly::{AnomalyEvidence, AnomalyKind};
use super::findings::{Findings, participant};
use super::options::TransactionKind;
use super::records::Records;

/// The most transactions that are named.
const NAMED_MAX: usize = 8;

/// A transaction that read a version of a key and then wrote the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) key: u32,
    /// Stands for what it read: equal numbers of one key are one version.
    pub(super) version: u32,
    pub(super) transaction: u32,
    pub(super) read: u32,
}

pub(super) fn report(
    records: &Records<'_>,
    mut candidates: Vec<Candidate>,
    findings: &mut Findings,
) {
    candidates.sort_unstable();
    for group in candidates.chunk_by(|one, next| (one.key, one.version) == (next.key, next.version))
    {
        let [first, _, ..] = group else { continue };
        findings.report(records, AnomalyKind::LostUpdate, || {
            let read = records.access(first.read);
            AnomalyEvidence::LostUpdate {
                key: records.keys.value(first.key).clone(),
                version: match records.kind {
                    TransactionKind::ListAppend => Value::Array(read.list().to_vec()),
                    _ => read.value.clone(),
                },
                transactions: group
                    .iter()
                    .take(NAMED_MAX)
                    .map(|candidate| participant(records, candidate.transaction))
                    .collect(),
            }
        });
    }
}
